//! Requests as bytes: arrays of bulk strings, and inline commands.
//!
//! This is our own and not the crate `redis-protocol` (6.0.0), which decodes any frame: there a nested array
//! of a few megabytes overflows the stack and ends the process, no length is checked before its bytes are
//! waited for, and a request that arrives in pieces is decoded from its beginning for each piece. Requests
//! need neither nesting nor other types. Replies, which do, are only encoded here.

use bytes::{Buf, Bytes, BytesMut};

use crate::redis::inline::split;

/// The most bytes of an inline command, and of a line that tells a length. As in Redis.
const LONGEST_LINE: usize = 64 * 1024;
/// What an argument takes in memory besides its bytes.
const ARGUMENT_OVERHEAD: usize = 64;
/// A larger buffer is freed when it is empty.
const KEPT_CAPACITY: usize = 16 * 1024;

/// A request: the name of a command, and its arguments. Never empty.
pub type Request = Vec<Bytes>;

/// Bounds on one request. A connection that exceeds one is told so and closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestBounds {
    /// The most arguments, the command's name included.
    pub arguments: usize,
    /// The longest argument, in bytes.
    pub argument: usize,
    /// The bytes of all arguments, where each counts 64 more.
    pub bytes: usize,
}

/// Why no further request of a connection can be read. The texts are those of Redis, where it has one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProtocolError {
    /// A line does not end within 64 KiB.
    #[error("Protocol error: too big {what}")]
    LongLine {
        /// What the line was to be.
        what: &'static str,
    },
    /// The number of arguments is no number, or too great.
    #[error("Protocol error: invalid multibulk length")]
    Arguments,
    /// An argument does not begin as one.
    #[error("Protocol error: expected '$', got '{}'", shown(*.got))]
    Dollar {
        /// Its first byte.
        got: u8,
    },
    /// The length of an argument is no number, or too great.
    #[error("Protocol error: invalid bulk length")]
    Length,
    /// A line or an argument is not followed by CR LF.
    #[error("Protocol error: expected CR LF after {what}")]
    LineEnd {
        /// What it was to follow.
        what: &'static str,
    },
    /// All arguments together are too long.
    #[error("Protocol error: the request is over the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// A quotation mark of an inline command is not closed.
    #[error("Protocol error: unbalanced quotes in request")]
    Quotes,
}

/// Redis prints the byte as it is; what is no visible character would only harm the reader's terminal.
fn shown(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' {
        byte as char
    } else {
        '?'
    }
}

/// Cuts a stream into requests. Bytes are looked at once, however small the pieces are in which they arrive;
/// nothing is allocated for a length before its bytes are there.
#[derive(Debug)]
pub struct RequestDecoder {
    bounds: RequestBounds,
    buffer: BytesMut,
    /// The bytes of the buffer that are known to hold no end of line.
    searched: usize,
    /// The request that is being read.
    partial: Option<PartialRequest>,
    failed: Option<ProtocolError>,
}

#[derive(Debug)]
struct PartialRequest {
    arguments: Vec<Bytes>,
    /// Arguments that are still to come, at least one.
    missing: usize,
    /// The length of the next argument, if its line was read.
    length: Option<usize>,
    bytes: usize,
}

impl RequestDecoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new(bounds: RequestBounds) -> RequestDecoder {
        RequestDecoder {
            bounds,
            buffer: BytesMut::new(),
            searched: 0,
            partial: None,
            failed: None,
        }
    }

    /// Where the bytes of the stream are appended. They are at most a request and what was read with it if
    /// [`next`](RequestDecoder::next) is called until it returns `None` before more are added.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The bytes that the unfinished request takes, as far as is known; 0 if the bytes so far end with a whole
    /// request.
    #[must_use]
    pub fn needed(&self) -> usize {
        let arguments = self.partial.as_ref().map_or(0, |partial| partial.bytes.max(1));
        arguments.max(self.buffer.len())
    }

    /// Changes the bounds, from the next length on.
    pub fn set_bounds(&mut self, bounds: RequestBounds) {
        self.bounds = bounds;
    }

    /// The next request, or `None` if more bytes are needed. Empty requests are skipped, as in Redis.
    ///
    /// # Errors
    /// If the bytes are no request, or one over the bounds. Every later call returns the same error.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends would not go on when bytes come"
    )]
    pub fn next(&mut self) -> Result<Option<Request>, ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance();
        match &result {
            Ok(Some(_)) => {}
            Ok(None) => self.shrink(),
            Err(error) => {
                self.failed = Some(error.clone());
                self.buffer = BytesMut::new();
                self.partial = None;
            }
        }
        result
    }

    fn shrink(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer = BytesMut::new();
        }
    }

    fn advance(&mut self) -> Result<Option<Request>, ProtocolError> {
        loop {
            if let Some(partial) = self.partial.take() {
                return self.read_arguments(partial);
            }
            let Some(first) = self.buffer.first() else {
                return Ok(None);
            };
            let request = if *first == b'*' {
                let Some(count) = self.number("mbulk count string", ProtocolError::Arguments)? else {
                    return Ok(None);
                };
                match usize::try_from(count) {
                    Ok(missing) if missing > self.bounds.arguments => return Err(ProtocolError::Arguments),
                    Ok(missing @ 1..) => {
                        self.partial = Some(PartialRequest {
                            // The count is only a claim: room for more is made as the arguments come.
                            arguments: Vec::with_capacity(missing.min(16)),
                            missing,
                            length: None,
                            bytes: 0,
                        });
                    }
                    // Nothing, or a negative number of arguments, is no request.
                    Ok(0) | Err(_) => {}
                }
                continue;
            } else {
                let Some(line) = self.line("inline request")? else {
                    return Ok(None);
                };
                split(&line).ok_or(ProtocolError::Quotes)?
            };
            if !request.is_empty() {
                return Ok(Some(request));
            }
        }
    }

    /// Reads the arguments that have arrived; keeps the request if some have not.
    fn read_arguments(&mut self, mut partial: PartialRequest) -> Result<Option<Request>, ProtocolError> {
        while partial.missing > 0 {
            let length = match partial.length {
                Some(length) => length,
                None => {
                    if let Some(&got) = self.buffer.first().filter(|first| **first != b'$') {
                        return Err(ProtocolError::Dollar { got });
                    }
                    let Some(length) = self.number("bulk count string", ProtocolError::Length)? else {
                        self.partial = Some(partial);
                        return Ok(None);
                    };
                    let length = usize::try_from(length).map_err(|_| ProtocolError::Length)?;
                    if length > self.bounds.argument {
                        return Err(ProtocolError::Length);
                    }
                    partial.bytes += length + ARGUMENT_OVERHEAD;
                    if partial.bytes > self.bounds.bytes {
                        return Err(ProtocolError::TooLong {
                            limit: self.bounds.bytes,
                        });
                    }
                    partial.length = Some(length);
                    length
                }
            };
            if self.buffer.len() < length + 2 {
                self.partial = Some(partial);
                return Ok(None);
            }
            if self.buffer[length..length + 2] != *b"\r\n" {
                return Err(ProtocolError::LineEnd { what: "an argument" });
            }
            // A copy: a slice would keep the whole buffer alive for as long as a key stands in the log.
            partial
                .arguments
                .push(Bytes::copy_from_slice(&self.buffer[..length]));
            self.buffer.advance(length + 2);
            partial.length = None;
            partial.missing -= 1;
        }
        Ok(Some(partial.arguments))
    }

    /// The number in the line at the front, after its first byte. Takes the line.
    fn number(&mut self, what: &'static str, wrong: ProtocolError) -> Result<Option<i64>, ProtocolError> {
        let Some(line) = self.line_within(what)? else {
            return Ok(None);
        };
        let Some(digits) = self.buffer[1.min(line)..line].strip_suffix(b"\r") else {
            return Err(ProtocolError::LineEnd { what: "a length" });
        };
        let number = integer(digits).ok_or(wrong)?;
        self.buffer.advance(line + 1);
        Ok(Some(number))
    }

    /// Takes the line at the front, without its end.
    fn line(&mut self, what: &'static str) -> Result<Option<BytesMut>, ProtocolError> {
        let Some(end) = self.line_within(what)? else {
            return Ok(None);
        };
        let mut line = self.buffer.split_to(end);
        self.buffer.advance(1);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        Ok(Some(line))
    }

    /// The length of the line at the front, without its LF.
    fn line_within(&mut self, what: &'static str) -> Result<Option<usize>, ProtocolError> {
        let fresh = &self.buffer[self.searched..];
        let end = fresh
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| self.searched + at);
        if end.unwrap_or(self.buffer.len()) > LONGEST_LINE {
            return Err(ProtocolError::LongLine { what });
        }
        self.searched = if end.is_some() { 0 } else { self.buffer.len() };
        Ok(end)
    }
}

/// A number as Redis takes it: no sign but a minus, no leading zeros, no spaces.
pub(crate) fn integer(digits: &[u8]) -> Option<i64> {
    let (negative, magnitude) = match digits.strip_prefix(b"-") {
        Some(magnitude) => (true, magnitude),
        None => (false, digits),
    };
    match magnitude {
        b"0" if !negative => return Some(0),
        [b'1'..=b'9', ..] if magnitude.len() <= 19 => {}
        _ => return None,
    }
    let mut value: i64 = 0;
    for digit in magnitude {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        // Downwards, where there is one number more.
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: RequestBounds = RequestBounds {
        arguments: 8,
        argument: 100,
        bytes: 400,
    };

    /// All requests of these bytes, given in pieces of this length, and the error at the end.
    fn decode(bytes: &[u8], piece: usize) -> (Vec<Vec<String>>, Option<ProtocolError>) {
        let mut decoder = RequestDecoder::new(BOUNDS);
        let mut requests = Vec::new();
        for piece in bytes.chunks(piece) {
            decoder.buffer().extend_from_slice(piece);
            loop {
                match decoder.next() {
                    Ok(Some(request)) => {
                        let text = |word: &Bytes| String::from_utf8_lossy(word).into_owned();
                        requests.push(request.iter().map(text).collect());
                    }
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(decoder.next(), Err(error.clone()), "an error stays");
                        return (requests, Some(error));
                    }
                }
            }
        }
        (requests, None)
    }

    fn decoded(bytes: &[u8]) -> (Vec<Vec<String>>, Option<ProtocolError>) {
        let whole = decode(bytes, usize::MAX);
        for piece in [1, 2, 3, 7] {
            assert_eq!(decode(bytes, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn requests_are_cut_out_wherever_the_pieces_end() {
        let (requests, error) = decoded(
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*0\r\n*-1\r\n\r\nset k  'a b' \"\\x41\\n\"\r\nping\n*1\r\n$0\r\n\r\n*1\r\n$4\r\nPI",
        );
        assert_eq!(error, None);
        assert_eq!(
            requests,
            [
                vec!["GET", "k"],
                vec!["set", "k", "a b", "A\n"],
                vec!["ping"],
                vec![""],
            ]
        );
    }

    #[test]
    fn what_is_no_request_is_named_after_the_good_ones() {
        let cases: [(&[u8], &str); 12] = [
            (b"*9\r\n", "invalid multibulk length"),
            (b"*99999999999999999999\r\n", "invalid multibulk length"),
            (b"*x\r\n", "invalid multibulk length"),
            (b"*+1\r\n", "invalid multibulk length"),
            (b"*1\n$4\r\nPING\r\n", "expected CR LF after a length"),
            (b"*1\r\n:4\r\n", "expected '$', got ':'"),
            (b"*1\r\n*1\r\n$1\r\na\r\n", "expected '$', got '*'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$101\r\n", "invalid bulk length"),
            (b"*1\r\n$1\r\nab\r\n", "expected CR LF after an argument"),
            (b"*4\r\n$100\r\n", ""),
            (b"set 'a\r\n", "unbalanced quotes in request"),
        ];
        for (bytes, text) in cases {
            let bytes = [b"PING\r\n", bytes].concat();
            let (requests, error) = decoded(&bytes);
            assert_eq!(requests, [["PING"]]);
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            let expected = if text.is_empty() {
                String::new()
            } else {
                format!("Protocol error: {text}")
            };
            assert_eq!(error, expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_request_is_refused_at_the_length_that_is_over_the_bounds() {
        let mut bytes = b"*4\r\n".to_vec();
        for _ in 0..2 {
            bytes.extend_from_slice(b"$100\r\n");
            bytes.extend_from_slice(&[b'x'; 100]);
            bytes.extend_from_slice(b"\r\n");
        }
        assert_eq!(decoded(&bytes), (vec![], None));
        bytes.extend_from_slice(b"$9\r\n");
        assert_eq!(
            decoded(&bytes),
            (vec![], Some(ProtocolError::TooLong { limit: 400 }))
        );
        let line = vec![b'x'; LONGEST_LINE + 1];
        let what = "inline request";
        assert_eq!(
            decode(&line, 4096),
            (vec![], Some(ProtocolError::LongLine { what }))
        );
    }

    #[test]
    fn numbers_are_written_in_one_way_only() {
        for good in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(integer(good.to_string().as_bytes()), Some(good));
        }
        for bad in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1 ",
            "1x",
            "9223372036854775808",
            "-9223372036854775809",
        ] {
            assert_eq!(integer(bad.as_bytes()), None, "{bad}");
        }
    }
}
