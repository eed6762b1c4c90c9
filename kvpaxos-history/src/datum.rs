//! The values of keys.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

/// The value of a key. Values of different types are never equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Datum {
    /// The key is absent.
    #[default]
    Null,
    /// An integer; those that are read are within the range of `i64` or `u64`.
    Integer(i128),
    /// A string.
    Text(String),
}

impl Datum {
    /// The value that is left when `tail` is appended to this one; see the [format](crate) for what that
    /// means for values that are no strings.
    #[must_use]
    pub fn appended(&self, tail: &Datum) -> Datum {
        Datum::Text(self.as_text().into_owned() + &tail.as_text())
    }

    /// Appends `tail` in place: values may be long and appends many.
    pub fn append(&mut self, tail: &Datum) {
        match self {
            Datum::Text(text) => text.push_str(&tail.as_text()),
            Datum::Null | Datum::Integer(_) => *self = self.appended(tail),
        }
    }

    /// The text that an append takes this value for: the empty string for null, the digits of an integer.
    #[must_use]
    pub fn as_text(&self) -> Cow<'_, str> {
        match self {
            Datum::Null => Cow::Borrowed(""),
            Datum::Integer(integer) => Cow::Owned(integer.to_string()),
            Datum::Text(text) => Cow::Borrowed(text),
        }
    }
}

/// Bytes as text. Bytes that are not UTF-8 become a zero and their hexadecimal digits, which no other bytes
/// become.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with('\0') => text.to_owned(),
        _ => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            std::iter::once("\0".to_owned()).chain(digits).collect()
        }
    }
}

impl From<&[u8]> for Datum {
    fn from(bytes: &[u8]) -> Datum {
        Datum::Text(text(bytes))
    }
}

impl From<()> for Datum {
    fn from((): ()) -> Datum {
        Datum::Null
    }
}

impl From<i64> for Datum {
    fn from(integer: i64) -> Datum {
        Datum::Integer(integer.into())
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Datum {
        Datum::Text(text)
    }
}

/// `None` is null.
impl<T: Into<Datum>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Datum {
        value.map_or(Datum::Null, Into::into)
    }
}

/// As in a line of a history; strings are quoted as in Rust.
impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Null => f.write_str("null"),
            Datum::Integer(integer) => integer.fmt(f),
            Datum::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Datum::Null => serializer.serialize_none(),
            Datum::Integer(integer) => serializer.serialize_i128(*integer),
            Datum::Text(text) => serializer.serialize_str(text),
        }
    }
}
