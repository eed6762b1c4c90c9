//! Replies as they are read.

use bytes::{Buf, Bytes, BytesMut};

/// The longest bulk string that is accepted: that of Redis.
const LONGEST: usize = 512 * 1024 * 1024;
/// The longest line that is accepted.
const LONGEST_LINE: usize = 64 * 1024;

/// A reply to a command of a single result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// A short text, such as OK.
    Status(String),
    Error(String),
    Integer(i64),
    /// A value, or none.
    Bulk(Option<Bytes>),
}

/// Takes the next reply from the front of a buffer; `None` if it is not complete.
///
/// # Errors
/// If the bytes are no reply, or one that no command of the bench has: an array, or a type of RESP3.
pub(crate) fn decode(buffer: &mut BytesMut) -> Result<Option<Reply>, String> {
    let Some(kind) = buffer.first().copied() else {
        return Ok(None);
    };
    if !b"+-:$".contains(&kind) {
        return Err(format!("a reply begins with '{}'", kind.escape_ascii()));
    }
    let head = &buffer[..buffer.len().min(LONGEST_LINE)];
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        if head.len() == LONGEST_LINE {
            return Err(format!("a line of a reply is longer than {LONGEST_LINE} bytes"));
        }
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&buffer[1..end]).into_owned();
    let reply = match kind {
        b'+' => Reply::Status(text),
        b'-' => Reply::Error(text),
        b':' => Reply::Integer(number(&text)?),
        _ => {
            let length = number(&text)?;
            if length != -1 {
                return bulk(buffer, end + 2, length);
            }
            Reply::Bulk(None)
        }
    };
    buffer.advance(end + 2);
    Ok(Some(reply))
}

/// A bulk string of this length, which begins here.
fn bulk(buffer: &mut BytesMut, begin: usize, length: i64) -> Result<Option<Reply>, String> {
    let length = match usize::try_from(length) {
        Ok(length) if length <= LONGEST => length,
        _ => return Err(format!("a reply has the length {length}")),
    };
    let whole = begin + length + 2;
    if buffer.len() < whole {
        return Ok(None);
    }
    let mut reply = buffer.split_to(whole);
    reply.advance(begin);
    if !reply.ends_with(b"\r\n") {
        return Err(format!("a reply of {length} bytes is not followed by CR LF"));
    }
    reply.truncate(length);
    Ok(Some(Reply::Bulk(Some(reply.freeze()))))
}

fn number(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("a reply has the number {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All replies of these bytes, which arrive in pieces of this length, and the error at the end.
    fn replies(bytes: &[u8], piece: usize) -> (Vec<Reply>, Option<String>) {
        let (mut buffer, mut replies) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            loop {
                match decode(&mut buffer) {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(error) => return (replies, Some(error)),
                }
            }
        }
        (replies, None)
    }

    #[test]
    fn replies_are_cut_out_wherever_the_pieces_end() {
        let bytes = b"+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n$0\r\n\r\n$5\r\nhal";
        let expected = [
            Reply::Status("OK".to_owned()),
            Reply::Error("ERR no".to_owned()),
            Reply::Integer(-7),
            Reply::Bulk(Some(Bytes::from_static(b"a\r\n"))),
            Reply::Bulk(None),
            Reply::Bulk(Some(Bytes::new())),
        ];
        for piece in [1, 2, 3, 5, usize::MAX] {
            assert_eq!(
                replies(bytes, piece),
                (expected.to_vec(), None),
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        let long = [b"+".as_slice(), &[b'x'; LONGEST_LINE]].concat();
        let cases: [(&[u8], &str); 7] = [
            (b"*1\r\n:1\r\n", "begins with '*'"),
            (b"HTTP/1.1 400\r\n", "begins with 'H'"),
            (b":one\r\n", "\"one\""),
            (b"$-2\r\n", "-2"),
            (b"$999999999999\r\n", "999999999999"),
            (b"$1\r\nabc\r\n", "CR LF"),
            (&long, "longer"),
        ];
        for (bytes, part) in cases {
            let (_, error) = replies(bytes, 7);
            let error = error.expect("an error");
            assert!(error.contains(part), "{error}");
        }
    }
}
