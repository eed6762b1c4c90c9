//! Why a replica stops.

use kvpaxos::{Reason, ReplicaId};

use crate::storage::error::LogError;

/// Why a replica that ran has stopped without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It has met what only a lying peer or disk can cause.
    #[error("replica {id} halts: {reason}")]
    Halted {
        /// Which.
        id: ReplicaId,
        /// Why.
        reason: Reason,
    },
    /// Its disk failed: what it was about to promise cannot be made durable.
    #[error(transparent)]
    Disk(#[from] LogError),
    /// Its event loop panicked: an invariant of our own is broken.
    #[error("replica {id} stops: an invariant was broken ({panic}); please report this with its log")]
    Broken {
        /// Which.
        id: ReplicaId,
        /// What the panic said.
        panic: String,
    },
}
