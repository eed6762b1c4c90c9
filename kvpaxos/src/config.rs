//! What a replica is told at its birth: who it is, who the others are, quorum sizes, paces and limits.

use serde::{Deserialize, Serialize};

use crate::types::{MAX_REPLICAS, Micros, ReplicaId, ReplicaSet};

/// The configuration of one replica. All replicas of a cluster must agree in everything but `id` and `timing`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Who this replica is.
    pub id: ReplicaId,
    /// All replicas, this one included.
    pub members: ReplicaSet,
    /// How many make a quorum.
    pub quorums: Quorums,
    /// When a client may be answered.
    pub update: Update,
    /// Paces and patience.
    pub timing: Timing,
    /// Bounds.
    pub limits: Limits,
}

/// Quorum sizes of the two phases (Howard et al., *Flexible Paxos*, 2016): any two that add up to more than the number of
/// replicas, so that every phase-1 quorum meets every phase-2 quorum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Quorums {
    /// Promises that elect a leader.
    pub phase1: usize,
    /// Acceptances that choose a value.
    pub phase2: usize,
}

impl Quorums {
    /// Majorities for both phases.
    #[must_use]
    pub fn majority(replicas: usize) -> Quorums {
        Quorums {
            phase1: replicas / 2 + 1,
            phase2: replicas / 2 + 1,
        }
    }

    /// How many acceptors must confirm a ballot so that no higher one can have been elected without one of them:
    /// n - q1 + 1. Confirmations reveal that a leader was not deposed *before* they were asked for, which is what a
    /// linearizable read needs.
    #[must_use]
    pub fn confirm(self, replicas: usize) -> usize {
        replicas - self.phase1 + 1
    }
}

/// When a client may be answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Update {
    /// Once its command is chosen by a phase-2 quorum and applied at the replica that the client asked.
    Quorum,
    /// Two-phase update, the protocol that Paxos replaces here: once every replica has acknowledged the update and then the
    /// *go*. Needs `phase2` = all. One silent replica stops all updates.
    TwoPhase,
}

/// Paces and patience, all counted in ticks of one clock. Safety depends on none of them.
///
/// A tick is counted when [`Event::Clock`](crate::Event::Clock) comes at or after the deadline; however late it comes, it is
/// one tick. A replica that was paused, or whose clock jumped, thus hears what has arrived before its patience ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// The length of a tick.
    pub tick: Micros,
    /// Ticks between heartbeats.
    pub heartbeat: u32,
    /// Ticks of silence after which a replica counts as not connected, and a leader as gone.
    pub patience: u32,
    /// At most so many ticks more, drawn anew each time, before a candidate stands.
    pub jitter: u32,
    /// Ticks after which what was not answered is sent again.
    pub resend: u32,
    /// Ticks after which a client is told that its request's fate is unknown, or that no leader can be reached.
    pub deadline: u32,
}

/// Bounds on sizes and numbers. Those on sessions decide replicated state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// The longest key, in bytes.
    pub key: usize,
    /// The longest value, in bytes.
    pub value: usize,
    /// Commands in one slot.
    pub batch_commands: usize,
    /// Bytes in one slot, but for a single command that is larger alone.
    pub batch_bytes: usize,
    /// Slots proposed and not yet chosen.
    pub window: usize,
    /// Requests of clients that wait at one replica.
    pub pending: usize,
    /// Bytes of commands that wait at one replica.
    pub pending_bytes: usize,
    /// Bytes of values in one Promise or Learned, but for a single value that is larger alone.
    pub chunk_bytes: usize,
    /// Bytes of chosen values after which the log is cut, if the state itself takes no more than they do. Decides where snapshots
    /// are taken: where replicas differ in it, a transfer that one began cannot go on from another. Up to about twice as much is kept in
    /// memory.
    pub log_bytes: usize,
    /// Slots after which the log is cut, however little they hold.
    pub log_slots: u64,
    /// Sessions kept.
    pub sessions: usize,
    /// Sequences of one session that may be in flight.
    pub session_window: u64,
}

impl Limits {
    /// What a command takes beside its key and values.
    pub(crate) const OVERHEAD: usize = 48;
}

impl Config {
    /// A cluster of `replicas` with majorities and default paces and limits, as replica `id` sees it.
    ///
    /// # Panics
    /// If `replicas` exceeds [`MAX_REPLICAS`].
    #[must_use]
    pub fn new(id: ReplicaId, replicas: usize) -> Config {
        Config {
            id,
            members: ReplicaSet::first(replicas),
            quorums: Quorums::majority(replicas),
            update: Update::Quorum,
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }

    /// The same in the two-phase setting: every replica must acknowledge every update twice.
    #[must_use]
    pub fn two_phase(mut self) -> Config {
        self.quorums = Quorums {
            phase1: 1,
            phase2: self.members.len(),
        };
        self.update = Update::TwoPhase;
        self
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// Names the first part that does not, and its value.
    pub fn check(&self) -> Result<(), ConfigError> {
        let replicas = self.members.len();
        let Quorums { phase1, phase2 } = self.quorums;
        if !self.members.contains(self.id) {
            return Err(ConfigError::NotAMember {
                id: self.id,
                members: self.members,
            });
        }
        if !(1..=replicas).contains(&phase1)
            || !(1..=replicas).contains(&phase2)
            || phase1 + phase2 <= replicas
        {
            return Err(ConfigError::Quorums {
                phase1,
                phase2,
                replicas,
            });
        }
        if self.update == Update::TwoPhase && phase2 != replicas {
            return Err(ConfigError::TwoPhase { phase2, replicas });
        }
        self.timing.check()?;
        self.limits.check(replicas)
    }
}

impl Timing {
    fn check(&self) -> Result<(), ConfigError> {
        let Timing {
            tick,
            heartbeat,
            patience,
            jitter,
            resend,
            deadline,
        } = *self;
        if patience <= heartbeat {
            return Err(ConfigError::Patience { patience, heartbeat });
        }
        none_is_zero(&[
            ("timing.tick", tick.0),
            ("timing.heartbeat", u64::from(heartbeat)),
            ("timing.jitter", u64::from(jitter)),
            ("timing.resend", u64::from(resend)),
            ("timing.deadline", u64::from(deadline)),
        ])
    }
}

impl Limits {
    fn check(&self, replicas: usize) -> Result<(), ConfigError> {
        none_is_zero(&[
            ("limits.key", self.key as u64),
            ("limits.value", self.value as u64),
            ("limits.batch_commands", self.batch_commands as u64),
            ("limits.batch_bytes", self.batch_bytes as u64),
            ("limits.window", self.window as u64),
            ("limits.pending", self.pending as u64),
            ("limits.pending_bytes", self.pending_bytes as u64),
            ("limits.chunk_bytes", self.chunk_bytes as u64),
            ("limits.log_bytes", self.log_bytes as u64),
            ("limits.log_slots", self.log_slots),
            ("limits.sessions", self.sessions as u64),
            ("limits.session_window", self.session_window),
        ])?;
        let bounded = [
            ("limits.key", self.key, MAX_KEY),
            ("limits.value", self.value, MAX_VALUE),
            ("limits.batch_bytes", self.batch_bytes, MAX_CHUNK),
            ("limits.chunk_bytes", self.chunk_bytes, MAX_CHUNK),
        ];
        if let Some((name, number, limit)) = bounded.into_iter().find(|(_, number, limit)| number > limit) {
            return Err(ConfigError::TooLarge { name, number, limit });
        }
        let command = Limits::OVERHEAD + self.key + 2 * self.value;
        let pending_bytes = self.pending_bytes;
        if replicas.saturating_mul(pending_bytes) < command {
            return Err(ConfigError::PendingBytes {
                pending_bytes,
                replicas,
                command,
            });
        }
        Ok(())
    }
}

fn none_is_zero(numbers: &[(&'static str, u64)]) -> Result<(), ConfigError> {
    match numbers.iter().find(|(_, number)| *number == 0) {
        Some((name, _)) => Err(ConfigError::Zero { name }),
        None => Ok(()),
    }
}

/// The longest key that can be configured, in bytes.
pub const MAX_KEY: usize = 4 * 1024;
/// The longest value that can be configured, in bytes.
pub const MAX_VALUE: usize = 1024 * 1024;
/// The largest batch or chunk that can be configured, in bytes. A frame holds a chunk and one value more.
pub const MAX_CHUNK: usize = 4 * 1024 * 1024;

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            tick: Micros(25_000),
            heartbeat: 2,
            patience: 7,
            jitter: 6,
            resend: 4,
            deadline: 80,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            key: MAX_KEY,
            value: MAX_VALUE,
            batch_commands: 1024,
            batch_bytes: 1024 * 1024,
            window: 8,
            pending: 16 * 1024,
            pending_bytes: 64 * 1024 * 1024,
            chunk_bytes: 1024 * 1024,
            log_bytes: 64 * 1024 * 1024,
            log_slots: 1024 * 1024,
            sessions: 16 * 1024,
            session_window: 1024,
        }
    }
}

/// What does not fit in a [`Config`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// The replica is not one of the cluster's.
    #[error("replica {id} is not a member of the cluster ({members})")]
    NotAMember {
        /// The replica.
        id: ReplicaId,
        /// The cluster.
        members: ReplicaSet,
    },
    /// Two quorums could miss each other, or one is larger than the cluster.
    #[error(
        "quorums of {phase1} and {phase2} do not fit {replicas} replicas: each must be 1 to {replicas}, and they must add \
         up to more than {replicas}"
    )]
    Quorums {
        /// Phase 1.
        phase1: usize,
        /// Phase 2.
        phase2: usize,
        /// How many replicas there are.
        replicas: usize,
    },
    /// The two-phase setting asks all replicas.
    #[error("the two-phase setting needs a phase-2 quorum of all {replicas} replicas, not {phase2}")]
    TwoPhase {
        /// Phase 2.
        phase2: usize,
        /// How many replicas there are.
        replicas: usize,
    },
    /// A leader would be given up between two of its heartbeats.
    #[error("timing.patience ({patience} ticks) must be greater than timing.heartbeat ({heartbeat} ticks)")]
    Patience {
        /// The patience.
        patience: u32,
        /// The heartbeat.
        heartbeat: u32,
    },
    /// A number that must be positive is zero.
    #[error("{name} must be at least 1, not 0")]
    Zero {
        /// Which.
        name: &'static str,
    },
    /// The largest command would be taken in and never be proposed: the leader's queue, which holds what all replicas may, is too small.
    #[error(
        "limits.pending_bytes is {pending_bytes}: {replicas} times that does not hold the largest command that limits.key and \
         limits.value allow, {command} bytes; raise it, or lower these"
    )]
    PendingBytes {
        /// The limit.
        pending_bytes: usize,
        /// How many replicas there are.
        replicas: usize,
        /// The bytes of a compare-and-swap with the longest key and two of the longest values.
        command: usize,
    },
    /// A limit is above what the formats can hold.
    #[error("{name} is {number}, over the greatest that can be configured, {limit}")]
    TooLarge {
        /// Which.
        name: &'static str,
        /// Its value.
        number: usize,
        /// The greatest value.
        limit: usize,
    },
}

const _: () = assert!(
    MAX_REPLICAS <= u16::BITS as usize,
    "a ReplicaSet has a bit for each replica"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// What a replica takes in, a leader's queue must have room for: else it is never proposed, and its client hears nothing else than
    /// that the outcome is unknown.
    #[test]
    fn the_largest_command_fits_in_a_leaders_queue() {
        let mut config = Config::new(ReplicaId(0), 3);
        (config.limits.key, config.limits.value) = (10, 100);
        let command = Limits::OVERHEAD + 210;
        config.limits.pending_bytes = command.div_ceil(3);
        assert_eq!(config.check(), Ok(()));
        config.limits.pending_bytes -= 1;
        let refused = ConfigError::PendingBytes {
            pending_bytes: config.limits.pending_bytes,
            replicas: 3,
            command,
        };
        assert_eq!(config.check(), Err(refused));
        // What is wrong first is named first.
        config.limits.value = usize::MAX;
        assert!(matches!(config.check(), Err(ConfigError::TooLarge { .. })));
    }
}
