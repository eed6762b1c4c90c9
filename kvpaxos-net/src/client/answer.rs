//! What a call is answered with: a result or an error.

use bytes::Bytes;
use kvpaxos::{Refusal, ReplicaSet, Revision};

/// The result of a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// The last write that the read saw the effect of, of whatever key.
    pub revision: Revision,
    /// The value, if the key has one.
    pub value: Option<Bytes>,
}

/// The result of a delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deleted {
    /// Where it stands among all writes.
    pub revision: Revision,
    /// Whether there was a value.
    pub existed: bool,
}

/// The result of a compare-and-swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swapped {
    /// Where it stands among all writes.
    pub revision: Revision,
    /// Whether the key held what was expected, and so was changed.
    pub applied: bool,
}

/// Why a call has no result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// Certainly not done.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Certainly not done, because no replica could be reached that reaches a leader.
    #[error("unavailable: no replica of the list could serve this in time{}; nothing was changed", named(*silent))]
    Unavailable {
        /// Replicas that were named as silent.
        silent: ReplicaSet,
    },
    /// Done, or not, or it will be.
    #[error(
        "outcome unknown: no answer came in time{}; it may have been done, or may still be", named(*silent)
    )]
    Unknown {
        /// Replicas that were named as silent.
        silent: ReplicaSet,
    },
    /// The client's task is gone: its runtime was shut down.
    #[error("the client was shut down before the call ended; it may have been done, or may still be")]
    Gone,
}

fn named(silent: ReplicaSet) -> String {
    match silent.len() {
        0 => String::new(),
        1 => format!(" ({silent} is silent)"),
        _ => format!(" ({silent} are silent)"),
    }
}
