//! Faults, with everything that was drawn about them.

use kvpaxos::{Micros, ReplicaId, Role, Time};

use crate::engine::Damage;
use crate::world::partition::Cut;

/// A fault that lasts. It says what is done when it begins, and what must be undone when it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LastingFault {
    /// A process is down. It restarts with its disk, with an empty disk if that was `lost`, or with a damaged
    /// log.
    Down {
        /// The replica.
        id: ReplicaId,
        /// Whether its disk is lost.
        lost: bool,
        /// How its log is damaged.
        damage: Option<Damage>,
    },
    /// A process was told that it is to stop. It stops when this ends, and starts again later.
    Stopping {
        /// The replica.
        id: ReplicaId,
        /// How long it is down then.
        down: Micros,
    },
    /// A process is paused.
    Paused(ReplicaId),
    /// A role has failed. It restarts with or without its memory.
    Role {
        /// The replica.
        id: ReplicaId,
        /// The role.
        role: Role,
        /// Whether its memory is lost.
        lost: bool,
    },
    /// Links are cut.
    Cut(Vec<Cut>),
    /// Links are cut and mended in turn.
    Flapping {
        /// The links.
        cuts: Vec<Cut>,
        /// Whether they are cut now.
        cut: bool,
        /// How often they will still be mended.
        times: u64,
    },
    /// A clock runs at a wrong speed.
    Drift {
        /// The replica.
        id: ReplicaId,
        /// Local microseconds per million simulated ones.
        speed: u64,
    },
    /// A disk is slow.
    Slow(ReplicaId),
    /// A disk is full: the process stops at its next sync.
    Full(ReplicaId),
    /// A process is to crash at the end of a sync.
    CrashAtSync(ReplicaId),
    /// A replica changes messages that it sends.
    Corrupting(ReplicaId),
    /// The links of a replica lose most messages.
    DegradedLinks(ReplicaId),
}

impl LastingFault {
    /// The replica that it hits; `None` if it hits links between several.
    pub(in crate::world) fn replica_mut(&mut self) -> Option<&mut ReplicaId> {
        match self {
            LastingFault::Down { id, .. }
            | LastingFault::Stopping { id, .. }
            | LastingFault::Paused(id)
            | LastingFault::Role { id, .. }
            | LastingFault::Drift { id, .. }
            | LastingFault::Slow(id)
            | LastingFault::Full(id)
            | LastingFault::CrashAtSync(id)
            | LastingFault::Corrupting(id)
            | LastingFault::DegradedLinks(id) => Some(id),
            LastingFault::Cut(_) | LastingFault::Flapping { .. } => None,
        }
    }
}

/// A fault, whether it lasts or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It lasts for a while.
    Lasting(LastingFault),
    /// A clock runs at this speed until another fault changes it, or faults stop.
    Speed {
        /// The replica.
        id: ReplicaId,
        /// Local microseconds per million simulated ones.
        speed: u64,
    },
    /// A clock jumps forward.
    Jump {
        /// The replica.
        id: ReplicaId,
        /// How far.
        by: Micros,
    },
    /// The connection between a client and a replica breaks.
    HangUp {
        /// The client.
        client: u32,
        /// The replica.
        id: ReplicaId,
    },
}

/// A fault, and when it happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedFault {
    /// Its number in the run. A fault that does not last has none of its own.
    pub number: u32,
    /// When it begins.
    pub at: Time,
    /// How long it lasts; 0 if it does not last.
    pub lasts: Micros,
    /// What happens.
    pub fault: Fault,
}
