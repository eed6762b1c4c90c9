//! The status of a replica: what it reports when a client asks.

use serde::{Deserialize, Serialize};

use crate::agreement::Doubt;
use crate::types::{Ballot, Incarnation, Life, ReplicaId, ReplicaSet, Slot};

/// What a replica knows about itself and its peers, at one moment.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The replica that reports.
    pub id: ReplicaId,
    /// The members of its cluster.
    pub members: ReplicaSet,
    /// What its proposer does.
    pub proposer: ProposerStatus,
    /// What its acceptor does.
    pub acceptor: AcceptorStatus,
    /// What its learner has applied.
    pub learner: LearnerStatus,
    /// The ballot of the leader, if the replica has heard from one recently.
    pub leader: Option<Ballot>,
    /// The replicas that it has not heard from recently.
    pub silent: ReplicaSet,
    /// If it leads: the replicas whose votes it lacks for the lowest open slot or, in the two-phase setting,
    /// that have not applied what is chosen.
    pub waiting_for: ReplicaSet,
    /// The number of pending requests.
    pub pending: u64,
    /// The replicas whose acceptors have no memory, as far as it knows.
    pub lost: ReplicaSet,
    /// The replicas whose states are known to differ from its own: see [`crate::agreement`].
    pub differing: ReplicaSet,
    /// Set if it serves no client, because others differ from it and no quorum is known to share its state.
    pub doubt: Option<Doubt>,
    /// Whether it is to stop. It then serves only while it leads.
    pub stopping: bool,
    /// The life of its proposer: the incarnation of its acceptor, which is raised with each loss of memory, and the
    /// number of starts since. `None` while it has lost its disk and has not recovered.
    pub life: Option<Life>,
    /// The first slot that its learner does not know to be chosen; 0 if it has failed.
    pub chosen: Slot,
    /// The snapshot of its last durable checkpoint; `None` if it has none, or if its acceptor has no memory.
    pub snapshot: Option<SnapshotStatus>,
}

/// A snapshot that a replica keeps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// It holds the state after every slot below.
    pub slot: Slot,
    /// The approximate size of that state, in bytes.
    pub bytes: u64,
}

/// The state of a proposer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ProposerStatus {
    /// It has failed and has not restarted.
    Failed,
    /// It follows a leader, or waits until it may stand for election.
    Following,
    /// It is in phase 1.
    Preparing {
        /// Its ballot.
        ballot: Ballot,
    },
    /// It leads.
    Leading {
        /// Its ballot.
        ballot: Ballot,
    },
}

/// The state of an acceptor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AcceptorStatus {
    /// It has failed and has not restarted.
    Failed,
    /// It votes.
    Voting {
        /// The ballot it promised.
        promised: Ballot,
    },
    /// It lost its memory and never votes again: with these quorum sizes it cannot recover.
    Out,
    /// It lost its memory and recovers from the others before it votes again.
    Recovering {
        /// The incarnation that it has announced, if it has.
        incarnation: Option<Incarnation>,
        /// The replicas whose answers it still needs.
        unanswered: ReplicaSet,
    },
}

/// The state of a learner.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum LearnerStatus {
    /// It has failed and has not restarted.
    Failed,
    /// It learns and applies.
    Learning {
        /// The first slot not applied.
        applied: Slot,
        /// The number of keys in the store.
        keys: u64,
        /// The number of open sessions.
        sessions: u64,
        /// The digest of the state.
        digest: u128,
    },
}
