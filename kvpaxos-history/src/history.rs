//! A history in memory.

use std::io;

use kvpaxos::Revision;

use crate::open::OpenOperations;
use crate::{Answer, Datum, Event, EventError, EventKind, Operation, ReadError, Reader, Writer};

/// A history in memory. The order of its events is the order in real time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    initial: Datum,
    events: Vec<Event>,
    open: OpenOperations,
    time: i64,
}

impl History {
    /// An empty history in which every key is null at first.
    #[must_use]
    pub fn new() -> History {
        History::default()
    }

    /// An empty history in which every key has this value at first.
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
    /// If it is lower than the time of the last event.
    pub fn at(&mut self, time: i64) -> Result<&mut History, EventError> {
        self.open.check_time(time)?;
        self.time = time;
        Ok(self)
    }

    /// A process begins an operation.
    ///
    /// # Errors
    /// If the process has an operation open.
    pub fn invoke(&mut self, process: u64, operation: Operation) -> Result<(), EventError> {
        self.push(process, EventKind::Invoke(operation), None)
    }

    /// The process's open operation was done.
    ///
    /// # Errors
    /// If the process has no operation open, or one of a kind that has other answers.
    pub fn ok(&mut self, process: u64, answer: Answer) -> Result<(), EventError> {
        self.ok_at(process, answer, None)
    }

    /// The process's open operation was done, at this position (see [`Event::rev`]).
    ///
    /// # Errors
    /// If the process has no operation open, or one of a kind that has other answers.
    pub fn ok_at(&mut self, process: u64, answer: Answer, rev: Option<Revision>) -> Result<(), EventError> {
        self.push(process, EventKind::Ok(answer), rev)
    }

    /// The process's open operation certainly had no effect and will have none.
    ///
    /// # Errors
    /// If the process has no operation open.
    pub fn fail(&mut self, process: u64) -> Result<(), EventError> {
        self.push(process, EventKind::Fail, None)
    }

    /// The outcome of the process's open operation is unknown; the process may go on.
    ///
    /// # Errors
    /// If the process has no operation open.
    pub fn info(&mut self, process: u64) -> Result<(), EventError> {
        self.push(process, EventKind::Info, None)
    }

    /// Adds an event that has its own time.
    ///
    /// # Errors
    /// If it does not fit the events before it.
    pub fn add(&mut self, event: Event) -> Result<(), EventError> {
        self.at(event.time)?;
        self.push(event.process, event.kind, event.rev)
    }

    /// The value that every key has at first.
    #[must_use]
    pub fn initial(&self) -> &Datum {
        &self.initial
    }

    /// All events, in the order in real time.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    fn push(&mut self, process: u64, kind: EventKind, rev: Option<Revision>) -> Result<(), EventError> {
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

    /// Reads a history that was written as JSON lines.
    ///
    /// # Errors
    /// If the source fails, or at the first line that is malformed.
    pub fn read(source: impl io::BufRead) -> Result<History, ReadError> {
        let mut reader = Reader::new(source)?;
        let mut events = Vec::new();
        while let Some(event) = reader.next_event()? {
            events.push(event);
        }
        let (initial, open) = reader.into_parts();
        Ok(History {
            time: open.last_time().unwrap_or_default(),
            initial,
            events,
            open,
        })
    }

    /// Writes the history as JSON lines.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn write(&self, sink: impl io::Write) -> io::Result<()> {
        let mut writer = Writer::new(sink, self.initial())?;
        self.events().iter().try_for_each(|event| writer.write(event))
    }
}
