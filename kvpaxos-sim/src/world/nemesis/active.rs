//! Faults under way.

use kvpaxos::{ReplicaId, Role};

use crate::engine::Damage;
use crate::world::partition::Cut;

/// A fault that is under way. It says what must be undone when it ends.
#[derive(Clone, Debug)]
pub(super) enum ActiveFault {
    /// A process is down. It restarts with its disk, with an empty disk if that was `lost`, or with a damaged
    /// log.
    Down {
        id: ReplicaId,
        lost: bool,
        damage: Option<Damage>,
    },
    /// A process was told that it is to stop. It stops when this ends, and starts again later.
    Stopping(ReplicaId),
    /// A process is paused.
    Paused(ReplicaId),
    /// A role has failed. It restarts with or without its memory.
    Role { id: ReplicaId, role: Role, lost: bool },
    /// Links are cut.
    Cut(Vec<Cut>),
    /// Links are cut and mended in turn.
    Flapping { cuts: Vec<Cut>, cut: bool, times: u64 },
    /// A clock runs at a wrong speed.
    Drift(ReplicaId),
    /// A disk is slow.
    Slow(ReplicaId),
    /// A disk is full.
    Full(ReplicaId),
    /// A process is to crash at the end of a sync.
    CrashAtSync(ReplicaId),
    /// A replica changes messages that it sends.
    Corrupting(ReplicaId),
    /// The links of a replica lose most messages.
    DegradedLinks(ReplicaId),
}
