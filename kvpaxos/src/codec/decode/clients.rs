//! How requests and replies of clients are read.

use bytes::Bytes;

use super::commands::{Lengths, op};
use super::messages::snapshot_part;
use super::status::{doubt, status};
use super::transactions::step_results;
use crate::command::{Listed, Outcome, Refusal, Reply, Request, RequestBody};
use crate::config::MAX_VALUE;
use crate::encoding::plain::{counter, replicas, revision, sequence, session, tag};
use crate::encoding::{Decode, DecodeError, Elements, Reader};
use crate::password::{MAX_PASSWORD, Password};
use crate::state::snapshot::Cursor;
use crate::transaction::MAX_ANSWER;

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
            6 => RequestBody::GetMany { keys: keys(r)? },
            7 => RequestBody::Lengths { keys: keys(r)? },
            8 => RequestBody::Scan {
                cursor: r.u64("cursor")?,
                limit: r.u32("limit of a page")?,
            },
            9 => RequestBody::Count,
            10 => RequestBody::Authenticate {
                password: Password::shown(r.bytes("password", MAX_PASSWORD)?),
            },
            11 => RequestBody::DriverStatus,
            12 => RequestBody::SnapshotPart {
                at: Cursor::decode(r)?,
            },
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
            9 => Outcome::Executed {
                revision: revision(r)?,
                results: r.option("results", |r| step_results(r, MAX_ANSWER))?,
            },
            10 => Outcome::Values {
                revision: revision(r)?,
                values: r.sequence(PART_VALUES, |r, values| {
                    values.push(r.option("value", |r| r.bytes("value", MAX_VALUE))?);
                    Ok(())
                })?,
            },
            11 => Outcome::Lengths {
                revision: revision(r)?,
                lengths: r.sequence(PART_LENGTHS, |r, lengths| {
                    lengths.push(r.option("length", |r| counter(r, "length"))?);
                    Ok(())
                })?,
            },
            12 => Outcome::Page {
                revision: revision(r)?,
                keys: keys(r)?,
                next: r.u64("next cursor")?,
            },
            13 => Outcome::Count {
                revision: revision(r)?,
                keys: counter(r, "number of keys")?,
            },
            14 => Outcome::Authenticated,
            15 => Outcome::DriverStatus {
                json: r.bytes("status of the driver", MAX_VALUE)?,
            },
            16 => Outcome::SnapshotPart(Box::new(snapshot_part(r)?)),
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

const PART_VALUES: Elements = Elements::Parts {
    what: "values",
    shortest: 1,
};
const PART_LENGTHS: Elements = Elements::Parts {
    what: "lengths",
    shortest: 1,
};
const KEYS: Elements = Elements::Parts {
    what: "keys",
    shortest: 1,
};

/// Of a request, or of a page.
fn keys(r: &mut Reader) -> Result<Vec<Bytes>, DecodeError> {
    r.sequence(KEYS, |r, keys| {
        keys.push(r.bytes("key", Lengths::OF_REQUESTS.key)?);
        Ok(())
    })
}

fn listed(r: &mut Reader) -> Result<Listed, DecodeError> {
    let what = "kind of parts";
    match r.u32(what)? {
        0 => Ok(Listed::Steps),
        1 => Ok(Listed::Conditions),
        2 => Ok(Listed::Keys),
        found => Err(DecodeError::Variant { what, found }),
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
        9 => Refusal::TooMany {
            what: listed(r)?,
            count: counter(r, "number of parts")?,
            limit: counter(r, "limit")?,
        },
        10 => Refusal::TransactionTooLong {
            length: counter(r, "transaction's length")?,
            limit: counter(r, "limit")?,
        },
        11 => Refusal::AnswerTooLong {
            length: counter(r, "answer's length")?,
            limit: counter(r, "limit")?,
        },
        12 => Refusal::PasswordRequired,
        13 => Refusal::WrongPassword,
        14 => Refusal::Stopping,
        found => {
            return Err(DecodeError::Variant {
                what: "refusal",
                found,
            });
        }
    })
}
