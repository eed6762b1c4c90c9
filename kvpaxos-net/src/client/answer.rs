//! What a call returns: a result, or an error.

use bytes::Bytes;
use kvpaxos::{Refusal, ReplicaSet, Revision};

/// The result of a get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetResult {
    /// The state that was read: that after the write of this revision, whichever key it was of.
    pub revision: Revision,
    /// The value; `None` if the key has none.
    pub value: Option<Bytes>,
}

/// The result of a delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeleteResult {
    /// The place of the delete in the order of all writes.
    pub revision: Revision,
    /// Whether the key had a value.
    pub existed: bool,
}

/// The result of a compare-and-swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CasResult {
    /// The place of the compare-and-swap in the order of all writes.
    pub revision: Revision,
    /// Whether the key held what was expected, and so was changed.
    pub applied: bool,
}

/// Why a call has no result. Each variant says whether anything was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// A replica refused; nothing was changed.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// No replica that could be reached reaches a leader; nothing was changed.
    #[error("unavailable: no replica of the list could serve this in time{}; nothing was changed", named(*silent))]
    Unavailable {
        /// The replicas that were reported to be silent.
        silent: ReplicaSet,
    },
    /// The deadline passed. The operation may have been done, or may still be.
    #[error(
        "outcome unknown: no answer came in time{}; it may have been done, or may still be", named(*silent)
    )]
    Unknown {
        /// The replicas that were reported to be silent.
        silent: ReplicaSet,
    },
    /// The runtime of the client was shut down. The operation may have been done, or may still be.
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
