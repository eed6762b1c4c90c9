//! Replies as bytes, in both versions of the protocol.

use std::io::Write;

use bytes::Bytes;

/// The version of the protocol in which a connection is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

impl Protocol {
    /// Its number, as in HELLO.
    pub(crate) fn number(self) -> i64 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}

/// A reply. What RESP2 has no type for is sent in the next best one, as Redis does it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// A short text without line ends, such as OK.
    Status(&'static str),
    /// An error, whose first word is its code. Line ends become spaces.
    Error(Bytes),
    Integer(i64),
    Bulk(Bytes),
    /// Nothing, in the place of a bulk string.
    Null,
    /// Nothing, in the place of an array.
    NullArray,
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    /// Pairs: a flat array in RESP2.
    Map(Vec<(Reply, Reply)>),
    /// A text for people: a bulk string in RESP2.
    Text(String),
}

impl Reply {
    pub(crate) const OK: Reply = Reply::Status("OK");

    /// An error, with its code.
    pub(crate) fn error(text: impl Into<String>) -> Reply {
        Reply::Error(text.into().into())
    }

    /// About how many bytes it takes as it is sent.
    pub(crate) fn size(&self) -> usize {
        /// The type, a length and line ends.
        const FRAME: usize = 16;
        let content = match self {
            Reply::Status(text) => text.len(),
            Reply::Error(text) | Reply::Bulk(text) => text.len(),
            Reply::Text(text) => text.len(),
            Reply::Integer(_) | Reply::Null | Reply::NullArray => 8,
            Reply::Array(parts) | Reply::Set(parts) => parts.iter().map(Reply::size).sum(),
            Reply::Map(pairs) => pairs.iter().map(|(key, value)| key.size() + value.size()).sum(),
        };
        FRAME + content
    }

    /// A bulk string of fixed text.
    pub(crate) fn text(text: &'static str) -> Reply {
        Reply::Bulk(Bytes::from_static(text.as_bytes()))
    }

    /// A bulk string, or nothing.
    pub(crate) fn bulk(value: Option<Bytes>) -> Reply {
        value.map_or(Reply::Null, Reply::Bulk)
    }

    /// A number that counts something.
    pub(crate) fn count(count: u64) -> Reply {
        Reply::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Appends the reply.
    pub(crate) fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) {
        let resp3 = protocol == Protocol::Resp3;
        match self {
            Reply::Status(text) => line(b'+', text.as_bytes(), out),
            Reply::Error(text) => {
                out.push(b'-');
                out.extend(text.iter().map(|byte| match byte {
                    b'\r' | b'\n' => b' ',
                    other => *other,
                }));
                out.extend_from_slice(b"\r\n");
            }
            Reply::Integer(number) => head(b':', *number, out),
            Reply::Bulk(bytes) => bulk(b'$', &[bytes], out),
            Reply::Null if resp3 => out.extend_from_slice(b"_\r\n"),
            Reply::NullArray if resp3 => out.extend_from_slice(b"_\r\n"),
            Reply::Null => out.extend_from_slice(b"$-1\r\n"),
            Reply::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Reply::Array(replies) => list(b'*', replies, protocol, out),
            Reply::Set(replies) => list(if resp3 { b'~' } else { b'*' }, replies, protocol, out),
            Reply::Map(pairs) => {
                let (kind, count) = if resp3 {
                    (b'%', pairs.len())
                } else {
                    (b'*', 2 * pairs.len())
                };
                head(kind, length(count), out);
                for (key, value) in pairs {
                    key.encode(protocol, out);
                    value.encode(protocol, out);
                }
            }
            Reply::Text(text) if resp3 => bulk(b'=', &[b"txt:", text.as_bytes()], out),
            Reply::Text(text) => bulk(b'$', &[text.as_bytes()], out),
        }
    }
}

fn list(kind: u8, replies: &[Reply], protocol: Protocol, out: &mut Vec<u8>) {
    head(kind, length(replies.len()), out);
    for reply in replies {
        reply.encode(protocol, out);
    }
}

fn bulk(kind: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    head(kind, length(parts.iter().map(|part| part.len()).sum()), out);
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

fn line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn head(kind: u8, number: i64, out: &mut Vec<u8>) {
    out.push(kind);
    // A vector takes any number of bytes.
    let _ = write!(out, "{number}\r\n");
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_encoded_in_both_versions() {
        let cases = [
            (Reply::OK, "+OK\r\n", "+OK\r\n"),
            (Reply::error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
            (Reply::Integer(-7), ":-7\r\n", ":-7\r\n"),
            (Reply::text(""), "$0\r\n\r\n", "$0\r\n\r\n"),
            (Reply::Null, "$-1\r\n", "_\r\n"),
            (Reply::NullArray, "*-1\r\n", "_\r\n"),
            (
                Reply::Set(vec![Reply::text("a")]),
                "*1\r\n$1\r\na\r\n",
                "~1\r\n$1\r\na\r\n",
            ),
            (
                Reply::Map(vec![(Reply::text("a"), Reply::Array(vec![]))]),
                "*2\r\n$1\r\na\r\n*0\r\n",
                "%1\r\n$1\r\na\r\n*0\r\n",
            ),
            (Reply::Text("a".to_owned()), "$1\r\na\r\n", "=5\r\ntxt:a\r\n"),
        ];
        for (reply, resp2, resp3) in cases {
            for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
                let mut bytes = Vec::new();
                reply.encode(protocol, &mut bytes);
                assert_eq!(String::from_utf8_lossy(&bytes), expected);
            }
        }
    }
}
