//! How values, and the commands in them, are read.

use super::transactions::transaction;
use crate::command::{Batch, Command, Op, Value};
use crate::config::{MAX_KEY, MAX_VALUE};
use crate::encoding::plain::{self, sequence, session, tag};
use crate::encoding::{DecodeError, Elements, MAX_REQUEST_PAYLOAD, Reader};
use crate::message::Accepted;

/// The greatest lengths of keys and values.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    pub(super) key: usize,
    pub(super) value: usize,
}

impl Lengths {
    /// In the log, and between peers: no replica admits longer ones.
    pub(super) const OF_COMMANDS: Lengths = Lengths {
        key: MAX_KEY,
        value: MAX_VALUE,
    };
    /// In requests: whatever fits in the frame, so that the replica can refuse it with the length and the
    /// limit.
    pub(super) const OF_REQUESTS: Lengths = Lengths {
        key: MAX_REQUEST_PAYLOAD,
        value: MAX_REQUEST_PAYLOAD,
    };
}

pub(super) fn value(r: &mut Reader) -> Result<Value, DecodeError> {
    match r.u32("value")? {
        0 => Ok(Value::Noop),
        1 => Ok(Value::Batch(Batch::new(r.sequence(Elements::Commands, command)?))),
        found => Err(DecodeError::Variant { what: "value", found }),
    }
}

#[inline]
pub(super) fn command(r: &mut Reader, commands: &mut Vec<Command>) -> Result<(), DecodeError> {
    match r.u32("command")? {
        0 => commands.push(Command::Open { tag: tag(r)? }),
        1 => commands.push(Command::Close { session: session(r)? }),
        2 => commands.push(Command::Apply {
            session: session(r)?,
            sequence: sequence(r)?,
            lowest_unanswered: sequence(r)?,
            op: op(r, Lengths::OF_COMMANDS)?,
        }),
        3 => commands.push(Command::Opaque {
            tag: tag(r)?,
            payload: r.bytes("payload", Lengths::OF_COMMANDS.value)?,
        }),
        found => {
            return Err(DecodeError::Variant {
                what: "command",
                found,
            });
        }
    }
    Ok(())
}

#[inline]
pub(super) fn op(r: &mut Reader, lengths: Lengths) -> Result<Op, DecodeError> {
    let key = |r: &mut Reader| r.bytes("key", lengths.key);
    let value = |r: &mut Reader| r.bytes("value", lengths.value);
    Ok(match r.u32("operation")? {
        0 => Op::Put {
            key: key(r)?,
            value: value(r)?,
        },
        1 => Op::Delete { key: key(r)? },
        2 => Op::Cas {
            key: key(r)?,
            expect: r.option("expected value", value)?,
            value: r.option("new value", value)?,
        },
        3 => Op::Transaction(transaction(r, lengths)?),
        found => {
            return Err(DecodeError::Variant {
                what: "operation",
                found,
            });
        }
    })
}

pub(super) fn accepted(r: &mut Reader) -> Result<Accepted, DecodeError> {
    Ok(Accepted {
        slot: plain::slot(r)?,
        ballot: plain::ballot(r)?,
        value: value(r)?,
    })
}
