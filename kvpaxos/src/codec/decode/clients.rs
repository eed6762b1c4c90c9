//! How requests and replies of clients are read.

use super::commands::{Lengths, op};
use super::status::{doubt, status};
use crate::command::{Outcome, Refusal, Reply, Request, RequestBody};
use crate::config::MAX_VALUE;
use crate::encoding::plain::{counter, replicas, revision, sequence, session, tag};
use crate::encoding::{Decode, DecodeError, Reader};

impl Decode for Request {
    fn decode(r: &mut Reader) -> Result<Request, DecodeError> {
        let id = r.u64("request's id")?;
        let body = match r.u32("request")? {
            0 => RequestBody::Open { tag: tag(r)? },
            1 => RequestBody::Close { session: session(r)? },
            2 => RequestBody::Apply {
                session: session(r)?,
                sequence: sequence(r)?,
                lowest_unanswered: sequence(r)?,
                op: op(r, Lengths::OF_REQUESTS)?,
            },
            3 => RequestBody::Get {
                key: r.bytes("key", Lengths::OF_REQUESTS.key)?,
            },
            4 => RequestBody::Submit {
                payload: r.bytes("payload", Lengths::OF_REQUESTS.value)?,
            },
            5 => RequestBody::Status,
            found => {
                return Err(DecodeError::Variant {
                    what: "request",
                    found,
                });
            }
        };
        Ok(Request { id, body })
    }
}

impl Decode for Reply {
    fn decode(r: &mut Reader) -> Result<Reply, DecodeError> {
        let id = r.u64("reply's id")?;
        let outcome = match r.u32("outcome")? {
            0 => Outcome::Opened { session: session(r)? },
            1 => Outcome::Closed,
            2 => Outcome::Done {
                revision: revision(r)?,
            },
            3 => Outcome::Deleted {
                revision: revision(r)?,
                existed: r.flag("existed")?,
            },
            4 => Outcome::Swapped {
                revision: revision(r)?,
                applied: r.flag("applied")?,
            },
            5 => Outcome::Value {
                revision: revision(r)?,
                value: r.option("value", |r| r.bytes("value", MAX_VALUE))?,
            },
            6 => Outcome::Status(Box::new(status(r)?)),
            7 => Outcome::Refused(refusal(r)?),
            8 => Outcome::Unknown { silent: replicas(r)? },
            found => {
                return Err(DecodeError::Variant {
                    what: "outcome",
                    found,
                });
            }
        };
        Ok(Reply { id, outcome })
    }
}

fn refusal(r: &mut Reader) -> Result<Refusal, DecodeError> {
    Ok(match r.u32("refusal")? {
        0 => Refusal::KeyTooLong {
            length: counter(r, "key's length")?,
            limit: counter(r, "limit")?,
        },
        1 => Refusal::ValueTooLong {
            length: counter(r, "value's length")?,
            limit: counter(r, "limit")?,
        },
        2 => Refusal::Busy {
            pending: counter(r, "number of pending requests")?,
        },
        3 => Refusal::SessionExpired { session: session(r)? },
        4 => Refusal::AlreadyAnswered {
            session: session(r)?,
            sequence: sequence(r)?,
            lowest: sequence(r)?,
        },
        5 => Refusal::OutOfWindow {
            sequence: sequence(r)?,
            lowest: sequence(r)?,
            window: counter(r, "session's window")?,
        },
        6 => Refusal::Unavailable { silent: replicas(r)? },
        7 => Refusal::MemoryLost { lost: replicas(r)? },
        8 => Refusal::Differs(doubt(r)?),
        found => {
            return Err(DecodeError::Variant {
                what: "refusal",
                found,
            });
        }
    })
}
