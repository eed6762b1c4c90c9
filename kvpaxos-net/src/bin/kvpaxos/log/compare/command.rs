//! Commands of clients, as text and as JSON.

use std::fmt;

use kvpaxos::{Command, Op};
use serde_json::{Value, json};

use super::transaction::{transaction_value, write_transaction};

/// The most bytes of a key or a value that are printed, unless all are asked for.
const SHOWN: usize = 64;
/// A command as text. `full` asks for keys and values in full.
pub(crate) struct Readable<'a> {
    pub(crate) command: &'a Command,
    pub(crate) full: bool,
}

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| quoted(bytes, if self.full { usize::MAX } else { SHOWN });
        match self.command {
            Command::Open { tag } => write!(
                f,
                "OPEN a session, for client {:016x}, number {}",
                tag.nonce, tag.number
            ),
            Command::Close { session } => write!(f, "CLOSE session {session}"),
            Command::Opaque { payload, .. } => write!(f, "OPAQUE {}", text(payload)),
            Command::Apply {
                session,
                sequence,
                op,
                ..
            } => {
                match op {
                    Op::Put { key, value } => write!(f, "PUT {} = {}", text(key), text(value))?,
                    Op::Delete { key } => write!(f, "DELETE {}", text(key))?,
                    Op::Cas { key, expect, value } => {
                        let content = |value: &Option<bytes::Bytes>| {
                            value.as_ref().map_or("nothing".to_owned(), |value| text(value))
                        };
                        write!(
                            f,
                            "CAS {} from {} to {}",
                            text(key),
                            content(expect),
                            content(value)
                        )?;
                    }
                    Op::Transaction(transaction) => write_transaction(f, transaction, text)?,
                }
                write!(f, "   (session {session}, sequence {})", sequence.0)
            }
        }
    }
}

/// The first `most` bytes in quotation marks, with escapes for what is not printable.
fn quoted(bytes: &[u8], most: usize) -> String {
    let shown = &bytes[..bytes.len().min(most)];
    let text = match str::from_utf8(shown) {
        Ok(text) => format!("{text:?}"),
        // The cut went through a character: it is left out. Other bytes that are no text are escaped.
        Err(error) if error.error_len().is_none() && shown.len() < bytes.len() => {
            format!("{:?}", String::from_utf8_lossy(&shown[..error.valid_up_to()]))
        }
        Err(_) => format!("\"{}\"", shown.escape_ascii()),
    };
    if shown.len() < bytes.len() {
        format!("{text}... ({} bytes)", bytes.len())
    } else {
        text
    }
}

/// A command as a JSON object.
pub(crate) fn command_value(command: &Command) -> Value {
    match command {
        Command::Open { tag } => {
            json!({ "command": "open", "nonce": format!("{:016x}", tag.nonce), "number": tag.number })
        }
        Command::Close { session } => json!({ "command": "close", "session": session.to_string() }),
        Command::Opaque { payload, .. } => json!({ "command": "opaque", "payload": bytes_value(payload) }),
        Command::Apply {
            session,
            sequence,
            op,
            ..
        } => {
            let mut value = match op {
                Op::Put { key, value } => {
                    json!({ "command": "put", "key": bytes_value(key), "value": bytes_value(value) })
                }
                Op::Delete { key } => json!({ "command": "delete", "key": bytes_value(key) }),
                Op::Cas { key, expect, value } => json!({
                    "command": "cas", "key": bytes_value(key),
                    "expect": expect.as_ref().map(|bytes| bytes_value(bytes)), "value": value.as_ref().map(|bytes| bytes_value(bytes)),
                }),
                Op::Transaction(transaction) => transaction_value(transaction),
            };
            value["session"] = session.to_string().into();
            value["sequence"] = sequence.0.into();
            value
        }
    }
}

/// Text as a string, other bytes as `{"hex": "..."}`.
pub(super) fn bytes_value(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex.concat() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_people_read_them() {
        assert_eq!(quoted(b"plain", 64), r#""plain""#);
        assert_eq!(
            quoted("two\nlines \u{e9}".as_bytes(), 64),
            "\"two\\nlines \u{e9}\""
        );
        assert_eq!(quoted(b"\x1b[2J\xff\"", 64), r#""\x1b[2J\xff\"""#);
        assert_eq!(
            quoted(b"\x1b[2J", 64),
            r#""\u{1b}[2J""#,
            "no control sequence reaches the terminal"
        );
        assert_eq!(quoted(b"0123456789", 4), r#""0123"... (10 bytes)"#);
        assert_eq!(quoted("\u{e9}\u{e9}".as_bytes(), 3), "\"\u{e9}\"... (4 bytes)");
        assert_eq!(quoted(b"", 64), r#""""#);
        assert_eq!(bytes_value(b"\xff\x00"), json!({ "hex": "ff00" }));
    }
}
