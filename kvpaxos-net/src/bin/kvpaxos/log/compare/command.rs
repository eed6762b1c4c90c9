//! Commands of clients, as text and as JSON.

use std::fmt;

use kvpaxos::{Command, Op};
use serde_json::{Value, json};

use super::transaction::{transaction_value, write_transaction};
use crate::text::{bytes_value, quoted};

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
