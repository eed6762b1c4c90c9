//! A history line by line, for those that are too long to be held.

use std::io::{BufRead, Read};

use super::json::{Fields, ReadError, Reason, header};
use super::line::{Line, Problem};
use super::open::Open;
use super::{Datum, Event, History};

/// A line longer than this, in bytes without its end, is malformed; it is not read into memory whole.
pub const LONGEST_LINE: usize = 16 << 20;

/// Reads a history event by event: an iterator that ends at the first line that is malformed. It remembers only the line
/// it is at and what is open.
///
/// ```
/// use kvpaxos_sim::history::{EventKind, Reader};
///
/// let lines = r#"{"type":"header","format":"kv-history","version":1,"initial":null}
/// {"type":"invoke","process":3,"op":"put","key":"r","value":4,"time":7}
/// {"type":"ok","process":3,"op":"put","key":"r","time":9,"rev":[12,0]}
/// "#;
/// let mut answered = 0;
/// for event in Reader::new(lines.as_bytes())? {
///     answered += usize::from(matches!(event?.kind, EventKind::Ok(_)));
/// }
/// assert_eq!(answered, 1);
/// # Ok::<(), kvpaxos_sim::history::ReadError>(())
/// ```
pub struct Reader<R> {
    source: R,
    initial: Datum,
    open: Open,
    /// The number of the last line, and its bytes.
    number: usize,
    line: Vec<u8>,
    has_failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(source: R) -> Result<Reader<R>, ReadError> {
        let mut reader = Reader {
            source,
            initial: Datum::Null,
            open: Open::default(),
            number: 0,
            line: Vec::new(),
            has_failed: false,
        };
        let malformed = |reason| ReadError::Malformed { line: 1, reason };
        if !reader.next_line()? {
            return Err(malformed(Reason::Header));
        }
        let fields = Fields::parse(&reader.line);
        reader.initial = fields.and_then(|fields| header(&fields)).map_err(malformed)?;
        Ok(reader)
    }

    /// Every key's first value.
    #[must_use]
    pub fn initial(&self) -> &Datum {
        &self.initial
    }

    /// The number of the line that was read last, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.number
    }

    /// The next event; none at the end of the history.
    ///
    /// # Errors
    /// If the source fails or the line is malformed. There is no sense in going on then.
    pub fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        if !self.next_line()? {
            return Ok(None);
        }
        match event(&self.line, &mut self.open) {
            Ok(event) => Ok(Some(event)),
            Err(problem) => Err(self.malformed(problem.explain(&self.line))),
        }
    }

    /// Whether there was another line.
    fn next_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        let most = LONGEST_LINE as u64 + 1;
        let mut source = self.source.by_ref().take(most);
        if source.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        if self.line.len() > LONGEST_LINE {
            return Err(self.malformed(Reason::TooLong));
        }
        Ok(true)
    }

    fn malformed(&self, reason: Reason) -> ReadError {
        let line = self.number;
        ReadError::Malformed { line, reason }
    }
}

fn event(line: &[u8], open: &mut Open) -> Result<Event, Problem> {
    let event = Line::parse(line)?.event(open)?;
    open.note(&event)?;
    Ok(event)
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Result<Event, ReadError>> {
        if self.has_failed {
            return None;
        }
        let next = self.next_event();
        self.has_failed = next.is_err();
        next.transpose()
    }
}

impl History {
    /// Reads a history that was written as JSON lines.
    ///
    /// # Errors
    /// At the first line that is malformed: its number, and why.
    pub fn read(source: impl BufRead) -> Result<History, ReadError> {
        let mut reader = Reader::new(source)?;
        let mut events = Vec::new();
        while let Some(event) = reader.next_event()? {
            events.push(event);
        }
        let Reader { initial, open, .. } = reader;
        Ok(History {
            time: open.last().unwrap_or_default(),
            initial,
            events,
            open,
        })
    }
}
