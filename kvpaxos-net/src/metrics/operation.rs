//! The kinds of requests, for metrics and for the log.

use std::fmt;

use bytes::Bytes;
use kvpaxos::{Op, Outcome, RequestBody};

/// The names of the operations, in the order of [`Operation`].
pub(crate) const OPERATIONS: [&str; 16] = [
    "open",
    "close",
    "put",
    "delete",
    "cas",
    "transaction",
    "get",
    "get_many",
    "lengths",
    "scan",
    "count",
    "submit",
    "status",
    "authenticate",
    "driver_status",
    "snapshot_part",
];

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Open = 0,
    Close = 1,
    Put = 2,
    Delete = 3,
    Cas = 4,
    Transaction = 5,
    Get = 6,
    GetMany = 7,
    Lengths = 8,
    Scan = 9,
    Count = 10,
    Submit = 11,
    Status = 12,
    Authenticate = 13,
    DriverStatus = 14,
    SnapshotPart = 15,
}

impl Operation {
    pub(crate) fn of(body: &RequestBody) -> Operation {
        match body {
            RequestBody::Open { .. } => Operation::Open,
            RequestBody::Close { .. } => Operation::Close,
            RequestBody::Apply { op, .. } => match op {
                Op::Put { .. } => Operation::Put,
                Op::Delete { .. } => Operation::Delete,
                Op::Cas { .. } => Operation::Cas,
                Op::Transaction(_) => Operation::Transaction,
            },
            RequestBody::Get { .. } => Operation::Get,
            RequestBody::GetMany { .. } => Operation::GetMany,
            RequestBody::Lengths { .. } => Operation::Lengths,
            RequestBody::Scan { .. } => Operation::Scan,
            RequestBody::Count => Operation::Count,
            RequestBody::Submit { .. } => Operation::Submit,
            RequestBody::Status => Operation::Status,
            RequestBody::Authenticate { .. } => Operation::Authenticate,
            RequestBody::DriverStatus => Operation::DriverStatus,
            RequestBody::SnapshotPart { .. } => Operation::SnapshotPart,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        OPERATIONS[self as usize]
    }
}

/// The key that a request is about, or the first of several.
pub(crate) fn key(body: &RequestBody) -> Option<&Bytes> {
    match body {
        RequestBody::Get { key } => Some(key),
        RequestBody::GetMany { keys } | RequestBody::Lengths { keys } => keys.first(),
        RequestBody::Apply { op, .. } => op.keys().next(),
        _ => None,
    }
}

/// A key for a log line: its first bytes, without any that a terminal or a reader of the log could take for
/// something else.
pub(crate) struct ShownKey<'a>(pub(crate) &'a [u8]);

/// The bytes of a key that are shown.
const SHOWN: usize = 64;

impl fmt::Display for ShownKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, "... ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// An outcome for a log line, without the value.
pub(crate) struct ShownOutcome<'a>(pub(crate) &'a Outcome);

impl fmt::Display for ShownOutcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Opened { .. } => f.write_str("opened"),
            Outcome::Closed => f.write_str("closed"),
            Outcome::Done { .. } => f.write_str("done"),
            Outcome::Deleted { existed: true, .. } => f.write_str("deleted"),
            Outcome::Deleted { existed: false, .. } => f.write_str("was absent"),
            Outcome::Swapped { applied: true, .. } => f.write_str("swapped"),
            Outcome::Swapped { applied: false, .. } => f.write_str("not swapped"),
            Outcome::Value { value: None, .. } => f.write_str("absent"),
            Outcome::Value {
                value: Some(value), ..
            } => write!(f, "{} bytes", value.len()),
            Outcome::Executed { results: Some(_), .. } => f.write_str("executed"),
            Outcome::Executed { results: None, .. } => f.write_str("a condition did not hold"),
            Outcome::Values { values, .. } => write!(f, "{} values", values.len()),
            Outcome::Lengths { lengths, .. } => write!(f, "{} lengths", lengths.len()),
            Outcome::Page { keys, .. } => write!(f, "a page of {} keys", keys.len()),
            Outcome::Count { keys, .. } => write!(f, "{keys} keys"),
            Outcome::Status(_) => f.write_str("status"),
            Outcome::Authenticated => f.write_str("authenticated"),
            Outcome::DriverStatus { .. } => f.write_str("status of the driver"),
            Outcome::SnapshotPart(part) => write!(
                f,
                "{} bytes of the state before slot {}",
                part.bytes.len(),
                part.slot
            ),
            Outcome::Refused(refusal) => write!(f, "refused: {refusal}"),
            Outcome::Unknown { silent } => write!(f, "unknown, silent: {silent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_short_and_harmless() {
        assert_eq!(ShownKey(b"fruit/apple").to_string(), r#""fruit/apple""#);
        assert_eq!(ShownKey(b"a\"\n\x1b[2J\xff").to_string(), r#""a\"\n\x1b[2J\xff""#);
        let long = ShownKey(&[b'k'; 4096]).to_string();
        assert_eq!(long, format!("\"{}\"... (4096 bytes)", "k".repeat(64)));
    }
}
