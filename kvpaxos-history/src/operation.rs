//! Operations on a key, their answers, and what they do to the key's value.

use std::fmt;

use kvpaxos::{Op, Outcome, Revision};

use crate::Datum;
use crate::datum::text;

/// An operation on one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The key.
    pub key: String,
    /// What is done with its value.
    pub action: Action,
}

/// What an operation does with the value of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Reads the value.
    Get,
    /// Sets the value.
    Put(Datum),
    /// Appends to the value; see [`Datum::appended`].
    Append(Datum),
    /// Sets the value to null.
    Delete,
    /// Compare-and-swap: sets the value to `value` if it is `expect`.
    Cas {
        /// The value that the key must have.
        expect: Datum,
        /// The value that it then gets.
        value: Datum,
    },
}

/// What an operation that was done answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A put, an append or a delete took effect.
    Done,
    /// The value that a get read.
    Value(Datum),
    /// A compare-and-swap compared.
    Swapped {
        /// Whether the value was the expected one and was set.
        applied: bool,
    },
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

    /// A write of the store as an operation of a history; none for a transaction.
    #[must_use]
    pub fn of(op: &Op) -> Option<Operation> {
        Some(match op {
            Op::Put { key, value } => Operation::put(text(key), &value[..]),
            Op::Delete { key } => Operation::delete(text(key)),
            Op::Cas { key, expect, value } => Operation::cas(text(key), expect.as_deref(), value.as_deref()),
            Op::Transaction(_) => return None,
        })
    }

    pub(crate) fn new(key: impl Into<String>, action: Action) -> Operation {
        let key = key.into();
        Operation { key, action }
    }
}

impl Action {
    /// The name of the operation in the format (`op`).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Action::Get => "get",
            Action::Put(_) => "put",
            Action::Append(_) => "append",
            Action::Delete => "delete",
            Action::Cas { .. } => "cas",
        }
    }

    /// Applies the operation to the value of its key.
    pub fn apply(self, value: &mut Datum) {
        match self {
            Action::Get => {}
            Action::Put(new) => *value = new,
            Action::Append(tail) => value.append(&tail),
            Action::Delete => *value = Datum::Null,
            Action::Cas { expect, value: new } if expect == *value => *value = new,
            Action::Cas { .. } => {}
        }
    }

    /// The answer that the operation gets where the key has this value before it.
    #[must_use]
    pub fn answer(&self, value: &Datum) -> Answer {
        match self {
            Action::Get => Answer::Value(value.clone()),
            Action::Put(_) | Action::Append(_) | Action::Delete => Answer::Done,
            Action::Cas { expect, .. } => Answer::Swapped {
                applied: expect == value,
            },
        }
    }

    /// Whether this is the [answer](Action::answer) that the operation gets where the key has this value
    /// before it.
    #[must_use]
    pub fn is_answered_by(&self, answer: &Answer, value: &Datum) -> bool {
        match (self, answer) {
            (Action::Get, Answer::Value(seen)) => seen == value,
            (Action::Put(_) | Action::Delete | Action::Append(_), Answer::Done) => true,
            (Action::Cas { expect, .. }, Answer::Swapped { applied }) => (expect == value) == *applied,
            _ => false,
        }
    }
}

impl Answer {
    /// The answer that an outcome of the store is; none for an outcome that does not answer an operation on a
    /// key.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Answer> {
        match outcome {
            Outcome::Done { .. } | Outcome::Deleted { .. } => Some(Answer::Done),
            Outcome::Swapped { applied, .. } => Some(Answer::Swapped { applied: *applied }),
            Outcome::Value { value, .. } => Some(Answer::Value(value.as_deref().into())),
            _ => None,
        }
    }
}

/// The position in the log of an outcome of the store; none for an outcome that has none.
#[must_use]
pub fn rev_of(outcome: &Outcome) -> Option<Revision> {
    match outcome {
        Outcome::Done { revision }
        | Outcome::Deleted { revision, .. }
        | Outcome::Swapped { revision, .. }
        | Outcome::Value { revision, .. }
        | Outcome::Executed { revision, .. }
        | Outcome::Values { revision, .. }
        | Outcome::Lengths { revision, .. }
        | Outcome::Page { revision, .. }
        | Outcome::Count { revision, .. } => Some(*revision),
        Outcome::Opened { .. }
        | Outcome::Closed
        | Outcome::Authenticated
        | Outcome::DriverStatus { .. }
        | Outcome::SnapshotPart(_)
        | Outcome::Status(_)
        | Outcome::Refused(_)
        | Outcome::Unknown { .. } => None,
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
