//! What clients did and saw: the history that the checker judges, in memory and as JSON lines (kv-history/1).
//!
//! ```
//! use kvpaxos_sim::linearizability::{Budget, check};
//! use kvpaxos_sim::history::{Answer, History, Operation};
//!
//! # fn main() -> Result<(), kvpaxos_sim::history::Malformed> {
//! let mut history = History::new();
//! history.invoke(1, Operation::put("k", "a"))?;
//! history.invoke(2, Operation::get("k"))?;
//! history.ok(2, Answer::Value("a".into()))?; // the put may already have taken effect,
//! history.invoke(2, Operation::get("k"))?;
//! history.ok(2, Answer::Value(().into()))?; // but then it does not vanish again
//! history.info(1)?;
//! assert!(check(&history, Budget::default()).is_bad());
//! # Ok(())
//! # }
//! ```

use std::borrow::Cow;
use std::fmt;

use kvpaxos::Revision;

pub mod generate;
mod json;
mod line;
mod open;
mod reader;
#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;

pub use json::{ReadError, Reason, Writer};
use open::Open;
pub use reader::{LONGEST_LINE, Reader};

/// Operations of clients in real-time order: the order of events is what counts, times are for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    initial: Datum,
    events: Vec<Event>,
    open: Open,
    time: i64,
}

/// Something that a process did or saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Which process: one operation at a time.
    pub process: u64,
    /// When; never goes down.
    pub time: i64,
    /// What.
    pub kind: EventKind,
    /// Of an operation that was done: its position in one order of everything, if it is known. A write took effect there,
    /// also one that did not find what it expected; a get saw the effects up to there and no others.
    pub rev: Option<Revision>,
}

/// See [`Event`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// An operation begins.
    Invoke(Operation),
    /// The process's open operation was done, and this is what was answered.
    Ok(Answer),
    /// It had no effect and will have none.
    Fail,
    /// It took effect, or will at any time, or never.
    Info,
}

/// An operation on one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The key.
    pub key: String,
    /// What is done with it.
    pub action: Action,
}

/// See [`Operation`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Reads the value.
    Get,
    /// Sets it.
    Put(Datum),
    /// Appends to it: to the digits of an integer, and to null as to the empty string.
    Append(Datum),
    /// Sets it to null.
    Delete,
    /// Sets it to `value` if it is `expect`.
    Cas {
        /// What it must be.
        expect: Datum,
        /// What it then becomes.
        value: Datum,
    },
}

/// What an operation that was done answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A put, append or delete took effect.
    Done,
    /// What a get saw.
    Value(Datum),
    /// Whether a cas found what it expected.
    Swapped {
        /// If not, the value differed at that moment.
        applied: bool,
    },
}

/// A value. Those of different types are never equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Datum {
    /// Absent.
    #[default]
    Null,
    /// An integer.
    Integer(i128),
    /// A string.
    Text(String),
}

/// Why an event does not fit the history so far. Nothing was added.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// A process does one thing at a time.
    #[error("process {process} invokes an operation while its \"{open}\" is open; complete that one first")]
    Busy {
        /// Which.
        process: u64,
        /// Its open operation.
        open: String,
    },
    /// Nothing to complete.
    #[error("process {process} completes an operation but has none open")]
    NotOpen {
        /// Which.
        process: u64,
    },
    /// The answer is one to another kind of operation.
    #[error("process {process} completes its \"{open}\" with \"{answer}\", which does not answer it")]
    Mismatch {
        /// Which.
        process: u64,
        /// Its open operation.
        open: String,
        /// The answer.
        answer: String,
    },
    /// Time went back.
    #[error("time goes back from {before} to {time}; events come in the order of time")]
    TimeGoesBack {
        /// The time of the event before.
        before: i64,
        /// The time of this one.
        time: i64,
    },
}

impl History {
    /// An empty history; every key is null at first.
    #[must_use]
    pub fn new() -> History {
        History::default()
    }

    /// The same, but with another first value of every key.
    #[must_use]
    pub fn starting_with(initial: impl Into<Datum>) -> History {
        History {
            initial: initial.into(),
            ..History::default()
        }
    }

    /// Sets the time of the events that follow.
    ///
    /// # Errors
    /// If it lies before that of the last event.
    pub fn at(&mut self, time: i64) -> Result<&mut History, Malformed> {
        self.open.check_time(time)?;
        self.time = time;
        Ok(self)
    }

    /// A process begins an operation.
    ///
    /// # Errors
    /// If it has one open.
    pub fn invoke(&mut self, process: u64, operation: Operation) -> Result<(), Malformed> {
        self.push(process, EventKind::Invoke(operation), None)
    }

    /// The process's open operation was done.
    ///
    /// # Errors
    /// If it has none open, or one that is not answered so.
    pub fn ok(&mut self, process: u64, answer: Answer) -> Result<(), Malformed> {
        self.ok_at(process, answer, None)
    }

    /// The same, at this position in the order of everything: see [`Event::rev`].
    ///
    /// # Errors
    /// If it has none open, or one that is not answered so.
    pub fn ok_at(&mut self, process: u64, answer: Answer, rev: Option<Revision>) -> Result<(), Malformed> {
        self.push(process, EventKind::Ok(answer), rev)
    }

    /// The process's open operation certainly had no effect and will have none.
    ///
    /// # Errors
    /// If it has none open.
    pub fn fail(&mut self, process: u64) -> Result<(), Malformed> {
        self.push(process, EventKind::Fail, None)
    }

    /// The fate of the process's open operation is unknown; the process may go on.
    ///
    /// # Errors
    /// If it has none open.
    pub fn info(&mut self, process: u64) -> Result<(), Malformed> {
        self.push(process, EventKind::Info, None)
    }

    /// An event that was made elsewhere, at its own time.
    ///
    /// # Errors
    /// If it does not fit what came before.
    pub fn add(&mut self, event: Event) -> Result<(), Malformed> {
        self.at(event.time)?;
        self.push(event.process, event.kind, event.rev)
    }

    /// Every key's first value.
    #[must_use]
    pub fn initial(&self) -> &Datum {
        &self.initial
    }

    /// All events in real-time order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    fn push(&mut self, process: u64, kind: EventKind, rev: Option<Revision>) -> Result<(), Malformed> {
        let event = Event {
            process,
            time: self.time,
            kind,
            rev,
        };
        self.open.note(&event)?;
        self.events.push(event);
        Ok(())
    }
}

impl Operation {
    /// A get.
    pub fn get(key: impl Into<String>) -> Operation {
        Operation::new(key, Action::Get)
    }

    /// A put.
    pub fn put(key: impl Into<String>, value: impl Into<Datum>) -> Operation {
        Operation::new(key, Action::Put(value.into()))
    }

    /// An append.
    pub fn append(key: impl Into<String>, value: impl Into<Datum>) -> Operation {
        Operation::new(key, Action::Append(value.into()))
    }

    /// A delete.
    pub fn delete(key: impl Into<String>) -> Operation {
        Operation::new(key, Action::Delete)
    }

    /// A compare-and-swap.
    pub fn cas(key: impl Into<String>, expect: impl Into<Datum>, value: impl Into<Datum>) -> Operation {
        let (expect, value) = (expect.into(), value.into());
        Operation::new(key, Action::Cas { expect, value })
    }

    fn new(key: impl Into<String>, action: Action) -> Operation {
        let key = key.into();
        Operation { key, action }
    }
}

impl Datum {
    /// This value with another behind it.
    #[must_use]
    pub fn appended(&self, tail: &Datum) -> Datum {
        Datum::Text(self.as_text().into_owned() + &tail.as_text())
    }

    /// What is appended to, or is appended.
    pub(crate) fn as_text(&self) -> Cow<'_, str> {
        match self {
            Datum::Null => Cow::Borrowed(""),
            Datum::Integer(integer) => Cow::Owned(integer.to_string()),
            Datum::Text(text) => Cow::Borrowed(text),
        }
    }
}

/// A write of the store as an operation of a history.
impl From<&kvpaxos::Op> for Operation {
    fn from(op: &kvpaxos::Op) -> Operation {
        let key = text(op.key());
        match op {
            kvpaxos::Op::Put { value, .. } => Operation::put(key, &value[..]),
            kvpaxos::Op::Delete { .. } => Operation::delete(key),
            kvpaxos::Op::Cas { expect, value, .. } => {
                Operation::cas(key, expect.as_deref(), value.as_deref())
            }
        }
    }
}

/// Where an outcome stands in the log; nothing for one that stands nowhere in it.
#[must_use]
pub fn rev_of(outcome: &kvpaxos::Outcome) -> Option<Revision> {
    match outcome {
        kvpaxos::Outcome::Done { revision }
        | kvpaxos::Outcome::Deleted { revision, .. }
        | kvpaxos::Outcome::Swapped { revision, .. }
        | kvpaxos::Outcome::Value { revision, .. } => Some(*revision),
        _ => None,
    }
}

impl Answer {
    /// What a history says of an outcome; nothing for one that is no answer to an operation on a key.
    #[must_use]
    pub fn of(outcome: &kvpaxos::Outcome) -> Option<Answer> {
        match outcome {
            kvpaxos::Outcome::Done { .. } | kvpaxos::Outcome::Deleted { .. } => Some(Answer::Done),
            kvpaxos::Outcome::Swapped { applied, .. } => Some(Answer::Swapped { applied: *applied }),
            kvpaxos::Outcome::Value { value, .. } => Some(Answer::Value(value.as_deref().into())),
            _ => None,
        }
    }
}

/// Bytes that are no text stay apart from all that are: they are written as a zero and hexadecimal digits.
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

/// Absent is null.
impl<T: Into<Datum>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Datum {
        value.map_or(Datum::Null, Into::into)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.action {
            Action::Get => write!(f, "get {key}"),
            Action::Put(value) => write!(f, "put {key} {value}"),
            Action::Append(value) => write!(f, "append {key} {value}"),
            Action::Delete => write!(f, "delete {key}"),
            Action::Cas { expect, value } => write!(f, "cas {key} {expect} -> {value}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done => f.write_str("ok"),
            Answer::Value(value) => value.fmt(f),
            Answer::Swapped { applied: true } => f.write_str("applied"),
            Answer::Swapped { applied: false } => f.write_str("not applied"),
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Null => f.write_str("null"),
            Datum::Integer(integer) => integer.fmt(f),
            Datum::Text(text) => write!(f, "{text:?}"),
        }
    }
}
