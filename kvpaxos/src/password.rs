//! What a client shows before it may ask anything, where clients must.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The longest password, in bytes.
pub const MAX_PASSWORD: usize = 1024;

/// A password. It is in no log and no debug output.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Password(Bytes);

impl Password {
    /// A password of these bytes; `None` if there are none, or more than [`MAX_PASSWORD`].
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Option<Password> {
        let bytes = bytes.into();
        (1..=MAX_PASSWORD)
            .contains(&bytes.len())
            .then_some(Password(bytes))
    }

    /// The password that a client has sent: any bytes.
    pub(crate) fn shown(bytes: Bytes) -> Password {
        Password(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether these bytes are the password, in a time that does not tell where they differ.
    #[must_use]
    pub fn matches(&self, shown: &[u8]) -> bool {
        let differing = self
            .0
            .iter()
            .zip(shown)
            .fold(0, |differing, (a, b)| differing | (a ^ b));
        self.0.len() == shown.len() && differing == 0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_itself_only_and_is_not_shown() {
        let password = Password::new("secret").unwrap();
        assert!(password.matches(b"secret"));
        for other in ["", "secre", "secret1", "Secret"] {
            assert!(!password.matches(other.as_bytes()), "{other}");
        }
        assert!(!format!("{password:?}").contains("secret"));
        assert_eq!(Password::new(""), None);
        assert_eq!(Password::new(vec![b'x'; MAX_PASSWORD + 1]), None);
        assert!(Password::new(vec![b'x'; MAX_PASSWORD]).is_some());
    }
}
