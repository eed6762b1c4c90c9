//! Reads histories line by line.

use std::io::{BufRead, ErrorKind};

use crate::line::{Line, Problem};
use crate::open::OpenOperations;
use crate::{Datum, Event, ReadError, Reason};

/// How many bytes a line may have, without its end. A longer one is malformed and is not read into memory
/// whole.
pub const LONGEST_LINE: usize = 16 << 20;

/// Reads a history event by event, and holds only one line and the open operations in memory. As an iterator
/// it ends after the first error.
///
/// ```
/// use kvpaxos_history::{EventKind, Reader};
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
/// # Ok::<(), kvpaxos_history::ReadError>(())
/// ```
pub struct Reader<R> {
    source: R,
    initial: Datum,
    open: OpenOperations,
    /// The number of the line that was read last, and its bytes.
    number: usize,
    line: Vec<u8>,
    has_failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the source fails, or the first line is no header.
    pub fn new(source: R) -> Result<Reader<R>, ReadError> {
        let mut reader = Reader {
            source,
            initial: Datum::Null,
            open: OpenOperations::default(),
            number: 0,
            line: Vec::new(),
            has_failed: false,
        };
        let malformed = |reason| ReadError::Malformed { line: 1, reason };
        let has_line = reader.next_line();
        if let Some(reason) = not_plain_text(&reader.line) {
            return Err(malformed(reason));
        }
        if !has_line? {
            return Err(malformed(Reason::Header));
        }
        let initial = Line::parse(&reader.line).and_then(Line::header);
        reader.initial = initial.map_err(|problem| malformed(problem.explain(&reader.line)))?;
        Ok(reader)
    }

    /// The value that every key has at first.
    #[must_use]
    pub fn initial(&self) -> &Datum {
        &self.initial
    }

    /// The next event; none at the end of the history.
    ///
    /// # Errors
    /// If the source fails or the line is malformed. What comes after that has no meaning.
    pub fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        if !self.next_line()? {
            return Ok(None);
        }
        match event(&self.line, &mut self.open) {
            Ok(event) => Ok(Some(event)),
            Err(problem) => Err(self.malformed(problem.explain(&self.line))),
        }
    }

    /// The first value of every key and what is open where the reader stands.
    pub(crate) fn into_parts(self) -> (Datum, OpenOperations) {
        (self.initial, self.open)
    }

    /// Reads the next line; tells whether there was one.
    fn next_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        let mut has_line = false;
        loop {
            let more = match self.source.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                more => more?,
            };
            if more.is_empty() {
                self.number += usize::from(has_line);
                return Ok(has_line);
            }
            has_line = true;
            let end = memchr::memchr(b'\n', more);
            let part = end.unwrap_or(more.len());
            let room = LONGEST_LINE + 1 - self.line.len();
            self.line.extend_from_slice(&more[..part.min(room)]);
            if self.line.len() > LONGEST_LINE {
                self.number += 1;
                return Err(self.malformed(Reason::TooLong));
            }
            self.source.consume(part + usize::from(end.is_some()));
            if end.is_some() {
                self.number += 1;
                return Ok(true);
            }
        }
    }

    fn malformed(&self, reason: Reason) -> ReadError {
        let line = self.number;
        ReadError::Malformed { line, reason }
    }
}

/// Why a file that begins like this cannot be read as it is, if its first bytes show that.
fn not_plain_text(line: &[u8]) -> Option<Reason> {
    const BYTE_ORDER_MARK: (&str, &str) = (
        "begins with a byte order mark",
        "remove it, for example with: tail -c +4",
    );
    const UTF_16: (&str, &str) = ("is UTF-16", "convert it with: iconv -f UTF-16 -t UTF-8");
    const UTF_16_LE: (&str, &str) = ("is UTF-16", "convert it with: iconv -f UTF-16LE -t UTF-8");
    const UTF_16_BE: (&str, &str) = ("is UTF-16", "convert it with: iconv -f UTF-16BE -t UTF-8");
    const GZIP: (&str, &str) = ("is compressed with gzip", "unpack it with: gzip -dc");
    const ZSTD: (&str, &str) = ("is compressed with zstd", "unpack it with: zstd -dc");
    const XZ: (&str, &str) = ("is compressed with xz", "unpack it with: xz -dc");
    const BEGINNINGS: [(&[u8], (&str, &str)); 8] = [
        (b"\xef\xbb\xbf", BYTE_ORDER_MARK),
        (b"\xff\xfe", UTF_16),
        (b"\xfe\xff", UTF_16),
        (b"{\0", UTF_16_LE),
        (b"\0{", UTF_16_BE),
        (b"\x1f\x8b", GZIP),
        (b"\x28\xb5\x2f\xfd", ZSTD),
        (b"\xfd7zXZ\0", XZ),
    ];
    let begins = BEGINNINGS.iter().find(|(bytes, _)| line.starts_with(bytes));
    begins.map(|(_, (found, remedy))| Reason::NotPlainText { found, remedy })
}

fn event(line: &[u8], open: &mut OpenOperations) -> Result<Event, Problem> {
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
