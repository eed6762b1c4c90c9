//! What two replicas say to each other over a link, and how they make sure that they are talking to whom they think.
//!
//! ```text
//! dialler r1                     listener r0
//!   | Hello { from r1, to r0 }       |
//!   |------------------------------->|  checks it; closes the connection if it does not agree
//!   |       Hello { from r0, to r1 } |
//!   |<-------------------------------|  the dialler checks alike
//!   | Message  Message  Message ...  |  in the direction of the dialling, or in both, as the shell likes
//!   |------------------------------->|
//! ```

use serde::Serialize;

use crate::message::Message;
use crate::types::{Founding, ReplicaId, ReplicaSet};

/// What one frame between peers holds. Only ever appended to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum PeerFrame {
    /// The first frame in each direction, and only the first.
    Hello(Hello),
    /// A message of the protocol.
    Message(Message),
}

/// [`PeerFrame`] with a borrowed message; encodes alike.
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

/// Who is on the line. The version of the format stands in the header of every frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Hello {
    /// The cluster's fingerprint, drawn when it was founded: ports are reused, and replicas of two clusters must not mix.
    pub cluster: u64,
    /// Who speaks.
    pub from: ReplicaId,
    /// Whom it wants to reach.
    pub to: ReplicaId,
    /// Whom the speaker takes for the members of the cluster.
    pub members: ReplicaSet,
    /// The speaker's founding, if it has one; every message that it sends on this connection comes with it.
    pub founding: Option<Founding>,
}

impl Hello {
    /// Checks what the other end said against what this end is.
    ///
    /// # Errors
    /// Names the first difference. The connection is then to be closed; nothing that comes over it can be trusted.
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

/// Why a link is not used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HelloError {
    /// It belongs to another cluster.
    #[error(
        "the other end belongs to cluster {theirs:016x}, this one to {ours:016x}: check the peers' addresses"
    )]
    Cluster {
        /// The other end's.
        theirs: u64,
        /// This end's.
        ours: u64,
    },
    /// It wanted somebody else.
    #[error("{from} wanted to reach {to}, but this is {id}: check the peers' addresses")]
    Receiver {
        /// Who speaks.
        from: ReplicaId,
        /// Whom it wanted.
        to: ReplicaId,
        /// Who this is.
        id: ReplicaId,
    },
    /// The two ends do not agree on who the members are.
    #[error(
        "{from} takes {theirs} for the members of the cluster, here they are {ours}: configure all replicas alike"
    )]
    Members {
        /// Who speaks.
        from: ReplicaId,
        /// The members as the other end knows them.
        theirs: ReplicaSet,
        /// The members as this end knows them.
        ours: ReplicaSet,
    },
    /// Who speaks is this replica itself, or nobody of the cluster.
    #[error(
        "{from} is not a peer of {id} among {members}: check the ids that the replicas were started with"
    )]
    Sender {
        /// Who speaks.
        from: ReplicaId,
        /// Who this is.
        id: ReplicaId,
        /// The members.
        members: ReplicaSet,
    },
}
