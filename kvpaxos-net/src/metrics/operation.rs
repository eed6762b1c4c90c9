//! The kinds of requests, for metrics and for the log.

use std::fmt;

use bytes::Bytes;
use kvpaxos::{Op, Outcome, RequestBody};

/// The names of the operations, in the order of [`Operation`].
pub(crate) const OPERATIONS: [&str; 8] = ["open", "close", "put", "delete", "cas", "get", "submit", "status"];

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Open = 0,
    Close = 1,
    Put = 2,
    Delete = 3,
    Cas = 4,
    Get = 5,
    Submit = 6,
    Status = 7,
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
            },
            RequestBody::Get { .. } => Operation::Get,
            RequestBody::Submit { .. } => Operation::Submit,
            RequestBody::Status => Operation::Status,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        OPERATIONS[self as usize]
    }
}

/// The key that a request is about, if it is about one.
pub(crate) fn key(body: &RequestBody) -> Option<&Bytes> {
    match body {
        RequestBody::Get { key } => Some(key),
        RequestBody::Apply {
            op: Op::Put { key, .. } | Op::Delete { key } | Op::Cas { key, .. },
            ..
        } => Some(key),
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
            Outcome::Status(_) => f.write_str("status"),
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
