//! What clients ask, what the log holds, and how requests end.

use std::fmt;

use bytes::Bytes;

use super::list;
use crate::command::{Command, Op, Outcome, Query, Reply, Request, RequestBody, Tag, Value};
use crate::types::ReplicaSet;

/// Bytes longer than this are written down by their number.
const LONGEST_TEXT: usize = 16;

/// Short text as it is, other short bytes escaped, long ones by their number.
pub(super) struct Text<'a>(pub(super) &'a Bytes);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > LONGEST_TEXT {
            return write!(f, "<{} bytes>", self.0.len());
        }
        match std::str::from_utf8(self.0) {
            Ok(text) if !text.contains(char::is_control) => f.write_str(text),
            _ => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

/// Absent values are "nothing".
pub(super) struct Maybe<'a>(pub(super) Option<&'a Bytes>);

impl fmt::Display for Maybe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => Text(bytes).fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

/// Absent values have no length.
struct Length(Option<u64>);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(length) => length.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

/// `put k=v`, `delete k`, `cas k old->new`, `if k=v, l absent: get k; put l=w`
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Put { key, value } => write!(f, "put {}={}", Text(key), Text(value)),
            Op::Delete { key } => write!(f, "delete {}", Text(key)),
            Op::Cas { key, expect, value } => {
                let (expect, value) = (Maybe(expect.as_ref()), Maybe(value.as_ref()));
                write!(f, "cas {} {expect}->{value}", Text(key))
            }
            Op::Transaction(transaction) => transaction.fmt(f),
        }
    }
}

/// `c9#0`: the first command that nonce 9 numbers.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}#{}", self.nonce, self.number)
    }
}

/// `12.0#3 put k=v`: the session, the sequence and the operation.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Open { tag } => write!(f, "open {tag}"),
            Command::Close { session } => write!(f, "close {session}"),
            Command::Apply {
                session,
                sequence,
                op,
                ..
            } => write!(f, "{session}#{} {op}", sequence.0),
            Command::Opaque { tag, payload } => write!(f, "submit #{} {}", tag.number, Text(payload)),
        }
    }
}

/// `noop`, or the commands of the batch.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Noop => f.write_str("noop"),
            Value::Batch(batch) => {
                f.write_str("[")?;
                list(f, batch.commands(), ", ")?;
                f.write_str("]")
            }
        }
    }
}

/// As the command that it becomes; `get k` or `status` if it becomes none.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            RequestBody::Open { .. } => f.write_str("open"),
            RequestBody::Close { session } => write!(f, "close {session}"),
            RequestBody::Apply {
                session,
                sequence,
                op,
                ..
            } => write!(f, "{session}#{} {op}", sequence.0),
            RequestBody::Submit { payload } => write!(f, "submit {}", Text(payload)),
            RequestBody::Status => f.write_str("status"),
            RequestBody::Get { key } => write!(f, "get {}", Text(key)),
            RequestBody::GetMany { keys } => keys_after(f, "get", keys),
            RequestBody::Lengths { keys } => keys_after(f, "lengths", keys),
            RequestBody::Scan { cursor, limit } => write!(f, "scan from {cursor:x}, at most {limit}"),
            RequestBody::Count => f.write_str("count"),
            RequestBody::Authenticate { .. } => f.write_str("authenticate"),
            RequestBody::DriverStatus => f.write_str("status of the driver"),
            RequestBody::SnapshotPart { at } => write!(f, "snapshot from {at}"),
        }
    }
}

/// `get k`, `get k l`, `lengths k l`, `scan from 0, at most 10`, `count`
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Query::Get { key } => write!(f, "get {}", Text(key)),
            Query::GetMany { keys } => keys_after(f, "get", keys),
            Query::Lengths { keys } => keys_after(f, "lengths", keys),
            Query::Scan { cursor, limit } => write!(f, "scan from {cursor:x}, at most {limit}"),
            Query::Count => f.write_str("count"),
        }
    }
}

fn keys_after(f: &mut fmt::Formatter<'_>, verb: &str, keys: &[Bytes]) -> fmt::Result {
    write!(f, "{verb} ")?;
    list(f, keys.iter().map(Text), " ")
}

/// The outcome.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)
    }
}

/// `done at 12.0`, `v as of 12.0`, `refused: ...`
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Opened { session } => write!(f, "session {session}"),
            Outcome::Closed => f.write_str("closed"),
            Outcome::Done { revision } => write!(f, "done at {revision}"),
            Outcome::Deleted { revision, existed } => {
                let existed = if *existed { "was there" } else { "was not there" };
                write!(f, "deleted at {revision}, {existed}")
            }
            Outcome::Swapped { revision, applied } => {
                let applied = if *applied { "swapped" } else { "not swapped" };
                write!(f, "compared at {revision}, {applied}")
            }
            Outcome::Value { revision, value } => write!(f, "{} as of {revision}", Maybe(value.as_ref())),
            Outcome::Status(status) => status.fmt(f),
            Outcome::Refused(refusal) => write!(f, "refused: {refusal}"),
            Outcome::Unknown {
                silent: ReplicaSet::EMPTY,
            } => f.write_str("outcome unknown"),
            Outcome::Unknown { silent } => write!(f, "outcome unknown (silent: {silent})"),
            Outcome::Executed {
                revision,
                results: None,
            } => write!(f, "a condition did not hold at {revision}"),
            Outcome::Executed {
                revision,
                results: Some(results),
            } => {
                write!(f, "executed at {revision}: ")?;
                list(f, results, "; ")
            }
            Outcome::Values { revision, values } => {
                list(f, values.iter().map(|value| Maybe(value.as_ref())), ", ")?;
                write!(f, " as of {revision}")
            }
            Outcome::Lengths { revision, lengths } => {
                f.write_str("lengths ")?;
                list(f, lengths.iter().map(|length| Length(*length)), ", ")?;
                write!(f, " as of {revision}")
            }
            Outcome::Page { revision, keys, next } => {
                f.write_str("keys ")?;
                list(f, keys.iter().map(Text), " ")?;
                write!(f, ", next from {next:x}, as of {revision}")
            }
            Outcome::Count { revision, keys } => write!(f, "{keys} keys as of {revision}"),
            Outcome::Authenticated => f.write_str("authenticated"),
            Outcome::DriverStatus { json } => write!(f, "driver {}", Text(json)),
            Outcome::SnapshotPart(part) => {
                write!(
                    f,
                    "{} bytes of the state before slot {}",
                    part.bytes.len(),
                    part.slot
                )
            }
        }
    }
}
