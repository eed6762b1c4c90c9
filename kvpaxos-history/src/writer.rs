//! Histories as JSON lines: the one place that writes the format.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::{Action, Answer, Datum, Event, EventError, EventKind, FORMAT, Operation, VERSION};

/// Writes a history event by event, and holds only the open operations in memory.
pub struct Writer<W> {
    sink: W,
    /// The operation that each process has open: its completion names it.
    open: HashMap<u64, Operation>,
}

impl<W: Write> Writer<W> {
    /// Begins a history in which every key has this value at first. A line is written in small pieces, so the
    /// sink should be buffered.
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
    /// If the sink fails. With [`io::ErrorKind::InvalidInput`] if the event completes an operation that is
    /// not open; nothing is written then.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let process = event.process;
        if let EventKind::Invoke(operation) = &event.kind {
            write_line(&mut self.sink, &Line::new(event, operation))?;
            self.open.insert(process, operation.clone());
            return Ok(());
        }
        let open = self.open.remove(&process);
        let open =
            open.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, EventError::NotOpen { process }))?;
        write_line(&mut self.sink, &Line::new(event, &open))
    }

    /// Flushes the sink. A buffered sink that is only dropped does not report what it failed to write.
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
