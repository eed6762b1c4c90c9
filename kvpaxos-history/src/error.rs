//! Why a history cannot be read, or an event does not fit it.

use std::io;

use crate::{FORMAT, LONGEST_LINE, VERSION};

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source of the bytes failed.
    #[error("the history cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line does not follow the format. This says nothing about whether the history is linearizable.
    #[error("line {line} is malformed: {reason}")]
    Malformed {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: Reason,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The line is not JSON, or is something else than an object.
    #[error("it is no JSON object ({0})")]
    NotAnObject(String),
    /// A field is missing that the line must have.
    #[error("the field \"{0}\" is missing")]
    Missing(&'static str),
    /// A field holds something else than it may.
    #[error("the field \"{field}\" is {found}, not {expected}")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// What the line holds there.
        found: String,
        /// What the field may hold.
        expected: &'static str,
    },
    /// The first line is no header of this format and version.
    #[error("a history begins with a header of format \"{FORMAT}\", version {VERSION}")]
    Header,
    /// The file is not plain UTF-8 text.
    #[error("the file {found}; {remedy}")]
    NotPlainText {
        /// What its first bytes show.
        found: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A completion names another operation than the one that is open.
    #[error("process {process} completes \"{found}\", but its \"{open}\" is open")]
    OtherOperation {
        /// The process.
        process: u64,
        /// The operation and key that the line names.
        found: String,
        /// The operation that is open.
        open: String,
    },
    /// A completion repeats a value of its operation, but as another one.
    #[error(
        "process {process} completes its \"{open}\" with the field \"{field}\" as {found}, but invoked another"
    )]
    OtherValue {
        /// The process.
        process: u64,
        /// The name of the field.
        field: &'static str,
        /// What the line holds there.
        found: String,
        /// The operation that is open.
        open: String,
    },
    /// The line is too long to be read into memory.
    #[error("it is longer than {LONGEST_LINE} bytes")]
    TooLong,
    /// The event does not fit those before it.
    #[error("{0}")]
    Event(#[from] EventError),
}

impl Reason {
    pub(crate) fn not_json(error: &serde_json::Error) -> Reason {
        let error = error.to_string().replace(" at line 1 column ", " at column ");
        Reason::NotAnObject(error)
    }
}

/// Why an event does not fit the history so far. The history was not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EventError {
    /// The process has an operation open already.
    #[error("process {process} invokes an operation while its \"{open}\" is open; complete that one first")]
    Busy {
        /// The process.
        process: u64,
        /// Its open operation.
        open: String,
    },
    /// The process has no operation open that could be completed.
    #[error("process {process} completes an operation but has none open")]
    NotOpen {
        /// The process.
        process: u64,
    },
    /// The answer belongs to another kind of operation.
    #[error("process {process} completes its \"{open}\" with \"{answer}\", which does not answer it")]
    Mismatch {
        /// The process.
        process: u64,
        /// Its open operation.
        open: String,
        /// The answer that does not fit.
        answer: String,
    },
    /// The time is lower than that of the event before.
    #[error("time goes back from {before} to {time}; events come in the order of time")]
    TimeGoesBack {
        /// The time of the event before.
        before: i64,
        /// The time of this event.
        time: i64,
    },
}
