//! The configuration of a replica: who it is, who the others are, quorum sizes, timing and limits.

use serde::{Deserialize, Serialize};

use crate::transaction::{MAX_ANSWER, MAX_TRANSACTION};
use crate::types::{MAX_REPLICAS, Micros, ReplicaId, ReplicaSet};

/// The configuration of one replica. All replicas of a cluster must agree in everything but `id` and
/// `timing`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The id of this replica.
    pub id: ReplicaId,
    /// All replicas of the cluster, including this one.
    pub members: ReplicaSet,
    /// The quorum sizes.
    pub quorums: Quorums,
    /// The condition for answering a client.
    pub update: Update,
    /// Intervals and deadlines.
    pub timing: Timing,
    /// Bounds on sizes and numbers.
    pub limits: Limits,
}

/// Quorum sizes of the two phases (Howard et al., *Flexible Paxos*, 2016): any two that add up to more than
/// the number of replicas, so that every phase-1 quorum meets every phase-2 quorum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Quorums {
    /// The number of promises that elect a leader.
    pub phase1: usize,
    /// The number of votes that choose a value.
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

    /// The number of acceptors that must confirm a ballot, n - q1 + 1: so many meet every phase-1 quorum.
    /// Their confirmations show that no leader with a higher ballot had been elected *before* they were
    /// asked, which is what a linearizable read needs.
    #[must_use]
    pub fn confirm(self, replicas: usize) -> usize {
        replicas - self.phase1 + 1
    }
}

/// The condition for answering the client of a write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Update {
    /// The command is chosen by a phase-2 quorum and applied at the replica that the client is connected to.
    Quorum,
    /// The two-phase update: every replica has acknowledged first the update, then the *go*. Needs `phase2` =
    /// all replicas. One silent replica stops all updates.
    TwoPhase,
}

/// Intervals and deadlines, counted in ticks. Safety does not depend on them.
///
/// A step at or after the time of the next tick counts one tick, however late it comes. So a replica that was
/// paused, or whose clock jumped, receives what has arrived meanwhile before it takes its peers for silent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// The length of a tick.
    pub tick: Micros,
    /// The number of ticks between heartbeats.
    pub heartbeat: u32,
    /// The number of ticks of silence after which a peer counts as disconnected and a leader as gone.
    pub patience: u32,
    /// A candidate waits a random number of ticks below this before it stands.
    pub jitter: u32,
    /// The number of ticks after which an unanswered message is sent again.
    pub resend: u32,
    /// The number of ticks after which a client is told that the outcome of its request is unknown, or that
    /// no leader can be reached.
    pub deadline: u32,
}

/// Bounds on sizes and numbers. The limits on keys, values, sessions, transactions, answers and results
/// influence the replicated state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// The longest key, in bytes.
    pub key: usize,
    /// The longest value, in bytes.
    pub value: usize,
    /// The greatest number of commands in one slot.
    pub batch_commands: usize,
    /// The greatest number of bytes in one slot. A single larger command is still proposed.
    pub batch_bytes: usize,
    /// The greatest number of slots that are proposed and not yet chosen.
    pub window: usize,
    /// The greatest number of pending requests at one replica.
    pub pending: usize,
    /// The greatest number of bytes of pending commands at one replica.
    pub pending_bytes: usize,
    /// The greatest number of bytes of values in one Promise, Remembered, Learned or SnapshotPart. A single
    /// larger value is still sent.
    pub chunk_bytes: usize,
    /// The number of bytes of chosen values after which a snapshot is taken and the log is cut, provided that
    /// the state is not larger than these. If replicas differ in this limit, their snapshots differ, and a
    /// transfer that one replica began cannot continue from another. About twice as many bytes are kept in
    /// memory, or up to six times as many while a replica that lags is helped.
    pub log_bytes: usize,
    /// The number of slots after which the log is cut, however few bytes they hold.
    ///
    /// The log keeps the slots since the snapshot before the last one. A replica that lags behind asks for a snapshot
    /// part by part (`chunk_bytes`), a round trip for each. Its helper keeps that snapshot and the log after it until the
    /// replica has caught up, but not for more than four further logs (and 4,096 slots): a replica that is slower than
    /// that must begin anew.
    pub log_slots: u64,
    /// The greatest number of open sessions.
    pub sessions: usize,
    /// The greatest number of sequences of one session that may be in flight.
    pub session_window: u64,
    /// The greatest number of bytes of a transaction ([`Transaction::size`](crate::Transaction::size)).
    pub transaction_bytes: usize,
    /// The greatest number of bytes of values in the results of one transaction, of values in the answer to
    /// one [`Query::GetMany`](crate::Query::GetMany), and of keys in a page of
    /// [`Query::Scan`](crate::Query::Scan). If it is less than `value`, transactions cannot return every
    /// value.
    pub answer_bytes: usize,
    /// The greatest number of bytes of results of transactions that all sessions store together. Each
    /// transaction counts for its values, 48 for each result, and 64 more. If they exceed it, sessions are
    /// dropped, beginning with the one that stores the oldest results.
    pub results_bytes: usize,
}

impl Limits {
    /// The bytes that a command takes in addition to its key and values.
    pub(crate) const OVERHEAD: usize = 48;

    /// The size of the largest command.
    fn largest_command(&self) -> usize {
        Limits::OVERHEAD + self.transaction_bytes.max(self.key + 2 * self.value)
    }
}

impl Config {
    /// The configuration of replica `id` in a cluster of `replicas`, with majorities and default timing and
    /// limits.
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

    /// The same configuration with the two-phase update: every replica must acknowledge every update twice.
    #[must_use]
    pub fn two_phase(mut self) -> Config {
        self.quorums = Quorums {
            phase1: 1,
            phase2: self.members.len(),
        };
        self.update = Update::TwoPhase;
        self
    }

    /// Checks that the parts are consistent.
    ///
    /// # Errors
    /// The first part that is not, with its value.
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
            ("limits.transaction_bytes", self.transaction_bytes as u64),
            ("limits.answer_bytes", self.answer_bytes as u64),
            ("limits.results_bytes", self.results_bytes as u64),
        ])?;
        let bounded = [
            ("limits.key", self.key, MAX_KEY),
            ("limits.value", self.value, MAX_VALUE),
            ("limits.batch_bytes", self.batch_bytes, MAX_CHUNK),
            ("limits.chunk_bytes", self.chunk_bytes, MAX_CHUNK),
            (
                "limits.transaction_bytes",
                self.transaction_bytes,
                MAX_TRANSACTION,
            ),
            ("limits.answer_bytes", self.answer_bytes, MAX_ANSWER),
        ];
        if let Some((name, number, limit)) = bounded.into_iter().find(|(_, number, limit)| number > limit) {
            return Err(ConfigError::TooLarge { name, number, limit });
        }
        let command = self.largest_command();
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
/// The largest batch or chunk that can be configured, in bytes. A frame holds a chunk and one more value.
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
            transaction_bytes: MAX_TRANSACTION,
            answer_bytes: MAX_ANSWER,
            results_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Why a [`Config`] is not valid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// The replica is not a member of its own cluster.
    #[error("replica {id} is not a member of the cluster ({members})")]
    NotAMember {
        /// The replica.
        id: ReplicaId,
        /// The members of the cluster.
        members: ReplicaSet,
    },
    /// Two quorums need not have a member in common, or one is larger than the cluster.
    #[error(
        "quorums of {phase1} and {phase2} do not fit {replicas} replicas: each must be 1 to {replicas}, and \
         they must add \
         up to more than {replicas}"
    )]
    Quorums {
        /// The size of a phase-1 quorum.
        phase1: usize,
        /// The size of a phase-2 quorum.
        phase2: usize,
        /// The number of replicas.
        replicas: usize,
    },
    /// The two-phase setting needs votes of all replicas.
    #[error("the two-phase setting needs a phase-2 quorum of all {replicas} replicas, not {phase2}")]
    TwoPhase {
        /// The size of a phase-2 quorum.
        phase2: usize,
        /// The number of replicas.
        replicas: usize,
    },
    /// A leader would count as gone between two of its heartbeats.
    #[error("timing.patience ({patience} ticks) must be greater than timing.heartbeat ({heartbeat} ticks)")]
    Patience {
        /// The configured patience, in ticks.
        patience: u32,
        /// The configured interval of heartbeats, in ticks.
        heartbeat: u32,
    },
    /// A setting that must be positive is 0.
    #[error("{name} must be at least 1, not 0")]
    Zero {
        /// The name of the setting.
        name: &'static str,
    },
    /// The queue of a leader could not hold the largest command, which would never be proposed.
    #[error(
        "limits.pending_bytes is {pending_bytes}: {replicas} times that does not hold the largest command \
         that limits.key, limits.value and limits.transaction_bytes allow, {command} bytes; raise it, or \
         lower these"
    )]
    PendingBytes {
        /// The limit.
        pending_bytes: usize,
        /// The number of replicas.
        replicas: usize,
        /// The bytes of the largest transaction, or of a compare-and-swap with the longest key and two of the
        /// longest values.
        command: usize,
    },
    /// A limit is larger than the formats allow.
    #[error("{name} is {number}, but at most {limit} can be configured")]
    TooLarge {
        /// The name of the setting.
        name: &'static str,
        /// The configured value.
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

    /// The queue of a leader must have room for every command that a replica admits. Otherwise the command is
    /// never proposed, and the client only learns that the outcome is unknown.
    #[test]
    fn the_largest_command_fits_in_a_leaders_queue() {
        let mut config = Config::new(ReplicaId(0), 3);
        (config.limits.key, config.limits.value) = (10, 100);
        config.limits.transaction_bytes = 300;
        let command = Limits::OVERHEAD + 300;
        config.limits.pending_bytes = command.div_ceil(3);
        assert_eq!(config.check(), Ok(()));
        config.limits.pending_bytes -= 1;
        let refused = ConfigError::PendingBytes {
            pending_bytes: config.limits.pending_bytes,
            replicas: 3,
            command,
        };
        assert_eq!(config.check(), Err(refused));
        config.limits.transaction_bytes = 10;
        assert_eq!(config.check(), Ok(()));
        config.limits.pending_bytes = (Limits::OVERHEAD + 210).div_ceil(3) - 1;
        assert!(matches!(
            config.check(),
            Err(ConfigError::PendingBytes { command: 258, .. })
        ));
        // The first part that is wrong is reported.
        config.limits.value = usize::MAX;
        assert!(matches!(config.check(), Err(ConfigError::TooLarge { .. })));
    }
}
