//! One line of a history: what its fields mean. It copies no string until it knows what the line is. If a
//! line is wrong, a second, slower reading finds the words for it.

use std::borrow::Cow;
use std::fmt;

use kvpaxos::{Revision, Slot};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use serde_json::{Map, Value};

use crate::open::OpenOperations;
use crate::{Action, Answer, Datum, Event, EventError, EventKind, FORMAT, Operation, Reason, VERSION};

/// What a value may be.
const DATUM: &str = "null, an integer of 64 bits or a string";

/// The fields that the format names.
#[derive(PartialEq, Debug, Default)]
pub(crate) struct Line<'a> {
    pub(super) kind: Field<'a>,
    pub(super) process: Field<'a>,
    pub(super) op: Field<'a>,
    pub(super) key: Field<'a>,
    pub(super) expect: Field<'a>,
    pub(super) value: Field<'a>,
    pub(super) applied: Field<'a>,
    pub(super) time: Field<'a>,
    pub(super) rev: Field<'a>,
    /// The fields of a header alone; apart, so that all other lines stay small.
    header: Option<Box<Header<'a>>>,
}

#[derive(PartialEq, Debug, Default)]
struct Header<'a> {
    format: Field<'a>,
    version: Field<'a>,
    initial: Field<'a>,
}

/// What a field holds.
#[derive(PartialEq, Debug, Default)]
pub(super) enum Field<'a> {
    #[default]
    Missing,
    Null,
    Bool(bool),
    Natural(u64),
    Negative(i64),
    Text(Cow<'a, str>),
    /// An array of two numbers.
    Pair(u64, u64),
    Other,
}

/// Why a line is neither header nor event.
pub(crate) enum Problem {
    /// This field is missing, or is not what is expected (the second string).
    Field(&'static str, &'static str),
    /// This field of a completion does not repeat what the process's open operation has there.
    OtherValue {
        field: &'static str,
        process: u64,
        open: String,
    },
    /// Any other reason.
    Reason(Reason),
}

impl From<EventError> for Problem {
    fn from(malformed: EventError) -> Problem {
        Problem::Reason(malformed.into())
    }
}

impl Problem {
    fn not_json(line: &[u8], error: impl fmt::Display) -> Problem {
        let reason = fields(line).err();
        Problem::Reason(reason.unwrap_or_else(|| Reason::NotAnObject(error.to_string())))
    }

    /// The problem in words, given the line.
    pub(crate) fn explain(self, line: &[u8]) -> Reason {
        let (field, reason): (_, Box<dyn FnOnce(String) -> Reason>) = match self {
            Problem::Reason(reason) => return reason,
            Problem::Field(field, expected) => {
                let reason = move |found| Reason::Field {
                    field,
                    found,
                    expected,
                };
                (field, Box::new(reason))
            }
            Problem::OtherValue { field, process, open } => {
                let reason = move |found| Reason::OtherValue {
                    process,
                    field,
                    found,
                    open,
                };
                (field, Box::new(reason))
            }
        };
        match fields(line).map(|fields| fields.get(field).map(excerpt)) {
            Err(reason) => reason,
            Ok(None) => Reason::Missing(field),
            Ok(Some(found)) => reason(found),
        }
    }
}

/// The fields of a line, as they stand in it.
fn fields(line: &[u8]) -> Result<Map<String, Value>, Reason> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(Reason::NotAnObject(excerpt(&other))),
        Err(error) => Err(Reason::not_json(&error)),
    }
}

/// The beginning of a value's JSON.
fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

impl<'a> Line<'a> {
    /// Reads a line.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Line<'a>, Problem> {
        // serde_json then need not check each string by itself.
        let text = str::from_utf8(line).map_err(|error| Problem::not_json(line, error))?;
        match Line::scan(text) {
            Some(line) => Ok(line),
            None => serde_json::from_str(text).map_err(|error| Problem::not_json(line, error)),
        }
    }

    /// The value that every key has at first, if this is the header.
    pub(crate) fn header(self) -> Result<Datum, Problem> {
        let is = |field: &Field<'_>, expected| matches!(field, Field::Text(text) if text == expected);
        let header = self.header.unwrap_or_default();
        let is_version = matches!(header.version, Field::Natural(VERSION));
        if is(&self.kind, "header") && is(&header.format, FORMAT) && is_version {
            header.initial.datum("initial")
        } else {
            Err(Problem::Reason(Reason::Header))
        }
    }

    /// The event that the line stands for, given what is open before it.
    pub(crate) fn event(self, open: &OpenOperations) -> Result<Event, Problem> {
        let kind = self.kind.text("type")?;
        let Field::Natural(process) = self.process else {
            return Err(Problem::Field("process", "an integer from 0 on"));
        };
        let (op, key) = (self.op.text("op")?, self.key.text("key")?);
        let time = match self.time {
            Field::Missing => open.last_time().unwrap_or_default(),
            time => time.time().ok_or(Problem::Field("time", "an integer"))?,
        };
        let (kind, rev) = match &*kind {
            "invoke" => {
                let action = action(&op, self.expect, self.value)?;
                (EventKind::Invoke(Operation::new(key, action)), None)
            }
            "ok" | "fail" | "info" => {
                let open = open.of(process)?;
                is_open(process, &op, &key, open)?;
                repeats(process, open, &self.expect, &self.value)?;
                match &*kind {
                    "fail" => (EventKind::Fail, None),
                    "info" => (EventKind::Info, None),
                    _ => {
                        let answer = answer(&open.action, self.value, &self.applied)?;
                        (EventKind::Ok(answer), self.rev.rev()?)
                    }
                }
            }
            _ => return Err(Problem::Field("type", "invoke, ok, fail or info")),
        };
        Ok(Event {
            process,
            time,
            kind,
            rev,
        })
    }
}

/// The name of the operation; synonyms have the name of the operation that they stand for.
fn canonical(op: &str) -> &str {
    match op {
        "read" => "get",
        "write" => "put",
        other => other,
    }
}

fn is_open(process: u64, op: &str, key: &str, open: &Operation) -> Result<(), Problem> {
    if key == open.key && canonical(op) == open.action.name() {
        return Ok(());
    }
    let (found, open) = (format!("{op} {key}"), open.to_string());
    Err(Problem::Reason(Reason::OtherOperation { process, found, open }))
}

/// A completion may leave out what its operation wrote and expected, or repeat it.
fn repeats(process: u64, open: &Operation, expect: &Field<'_>, value: &Field<'_>) -> Result<(), Problem> {
    let wrong = |field| Problem::OtherValue {
        field,
        process,
        open: open.to_string(),
    };
    let (expected, written) = match &open.action {
        Action::Get | Action::Delete => (None, None),
        Action::Put(value) | Action::Append(value) => (None, Some(value)),
        Action::Cas { expect, value } => (Some(expect), Some(value)),
    };
    if expected.is_some_and(|expected| !expect.is_missing_or(expected)) {
        return Err(wrong("expect"));
    }
    if written.is_some_and(|written| !value.is_missing_or(written)) {
        return Err(wrong("value"));
    }
    Ok(())
}

fn action(op: &str, expect: Field<'_>, value: Field<'_>) -> Result<Action, Problem> {
    Ok(match canonical(op) {
        "get" => Action::Get,
        "put" => Action::Put(value.datum("value")?),
        "append" => Action::Append(value.datum("value")?),
        "delete" => Action::Delete,
        "cas" => {
            let (expect, value) = (expect.datum("expect")?, value.datum("value")?);
            Action::Cas { expect, value }
        }
        _ => return Err(Problem::Field("op", "get, put, append, delete or cas")),
    })
}

fn answer(action: &Action, value: Field<'_>, applied: &Field<'_>) -> Result<Answer, Problem> {
    Ok(match action {
        Action::Get => Answer::Value(value.datum("value")?),
        Action::Cas { .. } => match *applied {
            Field::Bool(applied) => Answer::Swapped { applied },
            _ => return Err(Problem::Field("applied", "true or false")),
        },
        Action::Put(_) | Action::Append(_) | Action::Delete => Answer::Done,
    })
}

impl<'a> Field<'a> {
    fn text(self, name: &'static str) -> Result<Cow<'a, str>, Problem> {
        match self {
            Field::Text(text) => Ok(text),
            _ => Err(Problem::Field(name, "a string")),
        }
    }

    fn time(self) -> Option<i64> {
        match self {
            Field::Natural(time) => i64::try_from(time).ok(),
            Field::Negative(time) => Some(time),
            _ => None,
        }
    }

    /// Whether the field is missing or holds this value.
    fn is_missing_or(&self, datum: &Datum) -> bool {
        match (self, datum) {
            (Field::Missing, _) | (Field::Null, Datum::Null) => true,
            (Field::Natural(found), Datum::Integer(integer)) => i128::from(*found) == *integer,
            (Field::Negative(found), Datum::Integer(integer)) => i128::from(*found) == *integer,
            (Field::Text(found), Datum::Text(text)) => found == text,
            _ => false,
        }
    }

    fn datum(self, name: &'static str) -> Result<Datum, Problem> {
        match self {
            Field::Null => Ok(Datum::Null),
            Field::Natural(integer) => Ok(Datum::Integer(integer.into())),
            Field::Negative(integer) => Ok(Datum::Integer(integer.into())),
            Field::Text(text) => Ok(Datum::Text(text.into_owned())),
            Field::Missing | Field::Bool(_) | Field::Pair(..) | Field::Other => {
                Err(Problem::Field(name, DATUM))
            }
        }
    }

    fn rev(self) -> Result<Option<Revision>, Problem> {
        let rev = match self {
            Field::Missing | Field::Null => return Ok(None),
            Field::Natural(slot) => Some((slot, 0)),
            Field::Pair(slot, place) => u32::try_from(place).ok().map(|place| (slot, place)),
            Field::Bool(_) | Field::Negative(_) | Field::Text(_) | Field::Other => None,
        };
        let wrong = Problem::Field("rev", "an integer from 0 on or a pair of them");
        let (slot, index) = rev.ok_or(wrong)?;
        let slot = Slot(slot);
        Ok(Some(Revision { slot, index }))
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Type,
    Process,
    Op,
    Key,
    Expect,
    Value,
    Applied,
    Time,
    Rev,
    Format,
    Version,
    Initial,
    #[serde(other)]
    Unknown,
}

impl<'de: 'a, 'a> Deserialize<'de> for Line<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Line<'a>, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line of a history")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Line<'de>, A::Error> {
        let mut line = Line::default();
        while let Some(name) = fields.next_key()? {
            let field = match name {
                Name::Type => &mut line.kind,
                Name::Process => &mut line.process,
                Name::Op => &mut line.op,
                Name::Key => &mut line.key,
                Name::Expect => &mut line.expect,
                Name::Value => &mut line.value,
                Name::Applied => &mut line.applied,
                Name::Time => &mut line.time,
                Name::Rev => &mut line.rev,
                Name::Format => &mut line.header.get_or_insert_default().format,
                Name::Version => &mut line.header.get_or_insert_default().version,
                Name::Initial => &mut line.header.get_or_insert_default().initial,
                Name::Unknown => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = fields.next_value()?;
        }
        Ok(line)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field<'a>, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field<'de>, E> {
        Ok(Field::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Field<'de>, E> {
        Ok(Field::Negative(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Field<'de>, E> {
        Ok(Field::Natural(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Field<'de>, E> {
        // JSON's `-0` arrives here, as a number of its own: integers have no negative zero.
        let is_negative_zero = value == 0.0 && value.is_sign_negative();
        Ok(if is_negative_zero {
            Field::Natural(0)
        } else {
            Field::Other
        })
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Field<'de>, A::Error> {
        let first = values.next_element::<Field<'de>>()?;
        let second = values.next_element::<Field<'de>>()?;
        let mut is_longer = false;
        while values.next_element::<IgnoredAny>()?.is_some() {
            is_longer = true;
        }
        Ok(match (first, second) {
            (Some(Field::Natural(first)), Some(Field::Natural(second))) if !is_longer => {
                Field::Pair(first, second)
            }
            _ => Field::Other,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Field<'de>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}
