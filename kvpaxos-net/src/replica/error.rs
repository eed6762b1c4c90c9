//! Why a running replica stops.

use kvpaxos::{Reason, ReplicaId};

use crate::storage::error::LogError;

/// Why a running replica has stopped without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The replica met something that only a peer or a disk that lies can cause.
    #[error("replica {id} halts: {reason}")]
    Halted {
        /// The replica.
        id: ReplicaId,
        /// What it met.
        reason: Reason,
    },
    /// The disk failed: what the replica was about to promise cannot be made durable.
    #[error(transparent)]
    Disk(#[from] LogError),
    /// The event loop panicked: one of this program's own invariants is broken.
    #[error("replica {id} stops: an invariant was broken ({panic}); please report this with its log")]
    Broken {
        /// The replica.
        id: ReplicaId,
        /// The text of the panic.
        panic: String,
    },
}
