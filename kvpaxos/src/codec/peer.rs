//! The frames between two replicas, and how they check each other's identity.
//!
//! ```text
//! dialler r1                     listener r0
//!   | Hello { from r1, to r0 }       |
//!   |------------------------------->|  checks it; closes the connection if it does not match. To a Hello of another
//!   |                                |  cluster it answers Settings first
//!   |       Hello { from r0, to r1 } |
//!   |<-------------------------------|  the dialler checks it as well
//!   | Message  Message  Message ...  |  from the dialler, or in both directions, as the driver chooses
//!   |------------------------------->|
//! ```

use bytes::Bytes;
use serde::Serialize;

use crate::message::Message;
use crate::types::{Founding, ReplicaId, ReplicaSet};

/// The content of a frame between peers. New variants are appended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum PeerFrame {
    /// The first frame in each direction, and only the first.
    Hello(Hello),
    /// A message of the protocol.
    Message(Message),
    /// The answer to a Hello of another cluster, before the connection is closed: so the replica that said
    /// hello can tell its operator what differs.
    Settings(Settings),
}

/// [`PeerFrame`] with a borrowed message. It encodes in the same way.
#[derive(Serialize)]
#[serde(rename = "PeerFrame")]
enum Borrowed<'a> {
    #[expect(dead_code, reason = "takes the place of PeerFrame::Hello in the numbering")]
    Hello(&'a Hello),
    Message(&'a Message),
}

/// Encodes as [`PeerFrame::Message`] does.
pub(super) struct MessageRef<'a>(pub(super) &'a Message);

impl Serialize for MessageRef<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Borrowed::Message(self.0).serialize(serializer)
    }
}

/// The longest [`Settings::name`], in bytes.
pub const MAX_NAME: usize = 64;

/// What all replicas of a cluster must agree on. [`Hello::cluster`] is a digest of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Settings {
    /// The beginning of the cluster's name, at most [`MAX_NAME`] bytes.
    pub name: Bytes,
    /// The members.
    pub members: ReplicaSet,
    /// The size of a phase-1 quorum.
    pub phase1: u64,
    /// The size of a phase-2 quorum.
    pub phase2: u64,
    /// Whether it is two-phase update.
    pub two_phase: bool,
    /// The longest key, in bytes.
    pub key: u64,
    /// The longest value, in bytes.
    pub value: u64,
    /// The most sessions.
    pub sessions: u64,
    /// How many sequences of a session may be in flight.
    pub session_window: u64,
    /// The largest transaction, in bytes.
    pub transaction_bytes: u64,
    /// The longest values in one answer, in bytes.
    pub answer_bytes: u64,
    /// The bytes of results that sessions store.
    pub results_bytes: u64,
    /// The bytes of values after which the log is cut.
    pub log_bytes: u64,
    /// The slots after which the log is cut.
    pub log_slots: u64,
}

impl Settings {
    /// What differs between these settings and those of another replica, for an operator. Empty if nothing
    /// does.
    #[must_use]
    pub fn differences(&self, theirs: &Settings) -> String {
        let text = |settings: &Settings| -> [(&'static str, String); 14] {
            [
                (
                    "the cluster's name",
                    format!("\"{}\"", settings.name.escape_ascii()),
                ),
                ("the members", settings.members.to_string()),
                ("the phase-1 quorum", settings.phase1.to_string()),
                ("the phase-2 quorum", settings.phase2.to_string()),
                ("two-phase update", settings.two_phase.to_string()),
                ("the longest key", settings.key.to_string()),
                ("the longest value", settings.value.to_string()),
                ("the number of sessions", settings.sessions.to_string()),
                ("the session window", settings.session_window.to_string()),
                ("the largest transaction", settings.transaction_bytes.to_string()),
                ("the longest answer", settings.answer_bytes.to_string()),
                ("the room for results", settings.results_bytes.to_string()),
                (
                    "the bytes after which the log is cut",
                    settings.log_bytes.to_string(),
                ),
                (
                    "the slots after which the log is cut",
                    settings.log_slots.to_string(),
                ),
            ]
        };
        let pairs = text(self).into_iter().zip(text(theirs));
        let differing = pairs.filter(|((_, ours), (_, theirs))| ours != theirs);
        let parts: Vec<String> = differing
            .map(|((what, ours), (_, theirs))| format!("{what} is {theirs} there and {ours} here"))
            .collect();
        parts.join("; ")
    }
}

/// The identity of a peer. The version of the format is in the header of every frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Hello {
    /// A random number that identifies the cluster, drawn when it was founded. Ports are reused, and replicas
    /// of two clusters must not be mixed.
    pub cluster: u64,
    /// The sender.
    pub from: ReplicaId,
    /// The replica that it wants to reach.
    pub to: ReplicaId,
    /// The members of the cluster, as the sender is configured.
    pub members: ReplicaSet,
    /// The sender's founding, if it has one. It belongs to every message on this connection.
    pub founding: Option<Founding>,
}

impl Hello {
    /// Checks the Hello of the other end against this end.
    ///
    /// # Errors
    /// The first difference. The connection must be closed.
    pub fn check(&self, cluster: u64, id: ReplicaId, members: ReplicaSet) -> Result<(), HelloError> {
        if self.cluster != cluster {
            return Err(HelloError::Cluster {
                theirs: self.cluster,
                ours: cluster,
            });
        }
        if self.to != id {
            return Err(HelloError::Receiver {
                from: self.from,
                to: self.to,
                id,
            });
        }
        if self.members != members {
            return Err(HelloError::Members {
                from: self.from,
                theirs: self.members,
                ours: members,
            });
        }
        if self.from == id || !members.contains(self.from) {
            return Err(HelloError::Sender {
                from: self.from,
                id,
                members,
            });
        }
        Ok(())
    }
}

/// Why a connection between peers is not used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HelloError {
    /// The other end belongs to another cluster.
    #[error(
        "the other end belongs to cluster {theirs:016x}, this one to {ours:016x}: their names, members, quorums or limits \
         differ, or a peer's address is wrong. Whoever dialled logs which"
    )]
    Cluster {
        /// The cluster of the other end.
        theirs: u64,
        /// The cluster of this end.
        ours: u64,
    },
    /// The other end wants to reach another replica.
    #[error("{from} wanted to reach {to}, but this is {id}: check the peers' addresses")]
    Receiver {
        /// The sender.
        from: ReplicaId,
        /// The replica that it wants to reach.
        to: ReplicaId,
        /// The replica at this end.
        id: ReplicaId,
    },
    /// The two ends are configured with different members.
    #[error("{from} has the members {theirs}, this replica has {ours}: configure all replicas alike")]
    Members {
        /// The sender.
        from: ReplicaId,
        /// The members that the other end has.
        theirs: ReplicaSet,
        /// The members that this end has.
        ours: ReplicaSet,
    },
    /// The sender is this replica itself, or not a member.
    #[error(
        "{from} is not a peer of {id} among {members}: check the ids that the replicas were started with"
    )]
    Sender {
        /// The sender.
        from: ReplicaId,
        /// The replica at this end.
        id: ReplicaId,
        /// The members.
        members: ReplicaSet,
    },
}
