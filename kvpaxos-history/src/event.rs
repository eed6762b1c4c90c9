//! The events of a history.

use kvpaxos::Revision;

use crate::{Answer, Operation};

/// The beginning or the end of an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The process that asked. It has one operation open at a time.
    pub process: u64,
    /// The time, in a unit that the writer of the history chose. It never goes down.
    pub time: i64,
    /// Whether an operation begins, or how it ends.
    pub kind: EventKind,
    /// The position of an operation that was done in one order of all operations, if it is known; see the
    /// [format](crate).
    pub rev: Option<Revision>,
}

/// Whether an operation begins, or how it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The operation begins.
    Invoke(Operation),
    /// The process's open operation was done and got this answer.
    Ok(Answer),
    /// The open operation had no effect and will have none.
    Fail,
    /// The outcome of the open operation is unknown: it took effect, will at any time, or never does.
    Info,
}
