//! kv-history/1: a JSON object a line.
//!
//! ```text
//! {"type":"header","format":"kv-history","version":1,"initial":null}
//! {"type":"invoke","process":3,"op":"cas","key":"r","expect":1,"value":4,"time":7}
//! {"type":"ok","process":3,"op":"cas","key":"r","applied":false,"time":9,"rev":[12,0]}
//! ```
//!
//! `rev` is optional, and stands on lines of type `ok` alone (on others it is ignored, as every field that the format does not
//! name). It is the operation's position in one total order of everything that happened to any key: `[slot,place]`, or an
//! integer `n`, which is `[n,0]`; both are integers from 0 on, of 64 and of 32 bits. Positions are compared slot first, then
//! place. Those of a log with batches are such pairs, a counter of all writes is such an integer.
//!
//! - A put, an append, a delete or a cas, applied or not, took effect at its `rev`.
//! - A get saw the effects of everything up to and including its `rev`, and of nothing after it.
//! - Operations on different keys with the same `rev` took effect together. Two writes of one key cannot have the same.
//! - `null` is the same as no `rev`: the position is not known.
//! - Where a write is asked again and answered from memory, its `rev` is that of the one time it took effect.
//!
//! A history whose answers say their positions can be judged by these: see [`crate::linearizability::witness`].
//!
//! Of a field that a line has twice, the last counts. A line is at most [`LONGEST_LINE`] bytes long.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Action, Answer, Datum, Event, EventKind, History, LONGEST_LINE, Malformed, Operation};

const FORMAT: &str = "kv-history";
const VERSION: u64 = 1;
/// What a value may be.
pub(super) const DATUM: &str = "null, an integer of 64 bits or a string";

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("the history cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it should be. This says nothing about what the history shows.
    #[error("line {line} is malformed: {reason}")]
    Malformed {
        /// Which, from 1.
        line: usize,
        /// Why.
        reason: Reason,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// No JSON, or something else than an object.
    #[error("it is no JSON object ({0})")]
    NotAnObject(String),
    /// A field that must be there is not.
    #[error("the field \"{0}\" is missing")]
    Missing(&'static str),
    /// A field holds what it cannot.
    #[error("the field \"{field}\" is {found}, not {expected}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it may.
        expected: &'static str,
    },
    /// The first line must say what this is.
    #[error("a history begins with a header of format \"{FORMAT}\", version {VERSION}")]
    Header,
    /// A completion names another operation than the one that is open.
    #[error("process {process} completes \"{found}\", but its \"{open}\" is open")]
    OtherOperation {
        /// Which process.
        process: u64,
        /// What the line names.
        found: String,
        /// What is open.
        open: String,
    },
    /// It would fill the memory.
    #[error("it is longer than {LONGEST_LINE} bytes")]
    TooLong,
    /// The event does not fit what came before.
    #[error("{0}")]
    Event(#[from] Malformed),
}

impl Reason {
    pub(super) fn not_json(error: &serde_json::Error) -> Reason {
        let error = error.to_string().replace(" at line 1 column ", " at column ");
        Reason::NotAnObject(error)
    }
}

impl History {
    /// Writes the history as JSON lines.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn write(&self, sink: impl Write) -> io::Result<()> {
        let mut writer = Writer::new(sink, self.initial())?;
        self.events().iter().try_for_each(|event| writer.write(event))
    }
}

/// Writes a history event by event, for those that are too long to be held. It remembers only what is open.
pub struct Writer<W> {
    sink: W,
    /// What each process has invoked and not completed: completions name it.
    open: HashMap<u64, Operation>,
}

impl<W: Write> Writer<W> {
    /// Begins a history in which every key has this value at first. Lines are written in small pieces: the sink had
    /// better have a buffer.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn new(mut sink: W, initial: &Datum) -> io::Result<Writer<W>> {
        let header = Header {
            r#type: "header",
            format: FORMAT,
            version: VERSION,
            initial,
        };
        write_line(&mut sink, &header)?;
        let open = HashMap::new();
        Ok(Writer { sink, open })
    }

    /// Writes the next event.
    ///
    /// # Errors
    /// If the sink fails, or if the event completes an operation that was not invoked.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let process = event.process;
        if let EventKind::Invoke(operation) = &event.kind {
            write_line(&mut self.sink, &Line::new(event, operation))?;
            self.open.insert(process, operation.clone());
            return Ok(());
        }
        let open = self.open.remove(&process);
        let open =
            open.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, Malformed::NotOpen { process }))?;
        write_line(&mut self.sink, &Line::new(event, &open))
    }

    /// Hands out what is still in the buffer, and tells whether that went well: a buffer that is only dropped does not.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

fn write_line(sink: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *sink, line)?;
    sink.write_all(b"\n")
}

/// Every key's first value, if this is the first line of a history.
pub(super) fn header(fields: &Fields) -> Result<Datum, Reason> {
    let is = |name, expected: Value| fields.0.get(name) == Some(&expected);
    if is("type", "header".into()) && is("format", FORMAT.into()) && is("version", VERSION.into()) {
        fields.datum("initial")
    } else {
        Err(Reason::Header)
    }
}

pub(super) fn canonical(operation: &str) -> &str {
    match operation {
        "read" => "get",
        "write" => "put",
        other => other,
    }
}

impl Action {
    /// What kv-history/1 calls it.
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
}

/// A line that is read for its own sake: the header, or one that is malformed.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn parse(line: &[u8]) -> Result<Fields, Reason> {
        match serde_json::from_slice(line) {
            Ok(Value::Object(fields)) => Ok(Fields(fields)),
            Ok(other) => Err(Reason::NotAnObject(shown(&other))),
            Err(error) => Err(Reason::not_json(&error)),
        }
    }

    fn datum(&self, name: &'static str) -> Result<Datum, Reason> {
        let integer = |number: &serde_json::Number| {
            let signed = number.as_i64().map(i128::from);
            signed.or_else(|| number.as_u64().map(i128::from))
        };
        let datum = match self.0.get(name) {
            Some(Value::Null) => Some(Datum::Null),
            Some(Value::Number(number)) => integer(number).map(Datum::Integer),
            Some(Value::String(text)) => Some(Datum::Text(text.clone())),
            _ => None,
        };
        datum.ok_or_else(|| self.wrong(name, DATUM))
    }

    /// That the field is missing, or is not what was expected.
    pub(super) fn wrong(&self, field: &'static str, expected: &'static str) -> Reason {
        match self.0.get(field).map(shown) {
            None => Reason::Missing(field),
            Some(found) => Reason::Field {
                field,
                found,
                expected,
            },
        }
    }
}

/// A value as it stands in the line, if it is short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[derive(Serialize)]
struct Header<'a> {
    r#type: &'static str,
    format: &'static str,
    version: u64,
    initial: &'a Datum,
}

/// A line to be written.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    process: u64,
    op: &'static str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: Option<&'a Datum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Datum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<(u64, u32)>,
}

impl<'a> Line<'a> {
    fn new(event: &'a Event, operation: &'a Operation) -> Line<'a> {
        let (r#type, expect, value, applied) = match &event.kind {
            EventKind::Invoke(operation) => match &operation.action {
                Action::Get | Action::Delete => ("invoke", None, None, None),
                Action::Put(value) | Action::Append(value) => ("invoke", None, Some(value), None),
                Action::Cas { expect, value } => ("invoke", Some(expect), Some(value), None),
            },
            EventKind::Ok(Answer::Done) => ("ok", None, None, None),
            EventKind::Ok(Answer::Value(value)) => ("ok", None, Some(value), None),
            EventKind::Ok(Answer::Swapped { applied }) => ("ok", None, None, Some(*applied)),
            EventKind::Fail => ("fail", None, None, None),
            EventKind::Info => ("info", None, None, None),
        };
        Line {
            r#type,
            process: event.process,
            op: operation.action.name(),
            key: &operation.key,
            expect,
            value,
            applied,
            time: event.time,
            rev: event.rev.map(|rev| (rev.slot.0, rev.index)),
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
