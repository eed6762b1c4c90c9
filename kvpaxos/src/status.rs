//! What a replica tells of itself when asked.

use serde::{Deserialize, Serialize};

use crate::agreement::Doubt;
use crate::types::{Ballot, Incarnation, ReplicaId, ReplicaSet, Slot};

/// A replica's view of itself and its peers, at one moment.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Who tells.
    pub id: ReplicaId,
    /// The members of its cluster.
    pub members: ReplicaSet,
    /// Its proposer.
    pub proposer: ProposerStatus,
    /// Its acceptor.
    pub acceptor: AcceptorStatus,
    /// Its learner.
    pub learner: LearnerStatus,
    /// The leader's ballot, if one has been heard from a short while ago.
    pub leader: Option<Ballot>,
    /// Whom it has not heard from for a while.
    pub silent: ReplicaSet,
    /// Whom it waits for, if it leads and slots are not chosen or, in the two-phase setting, not settled.
    pub waiting_for: ReplicaSet,
    /// Requests of clients that wait here.
    pub pending: u64,
    /// Whose acceptors are without memory, as far as it knows.
    pub lost: ReplicaSet,
    /// Whose states are known to differ from its own: see [`crate::agreement`].
    pub differing: ReplicaSet,
    /// Why it serves no client, if others differ from it and no quorum is known to share its state.
    pub doubt: Option<Doubt>,
}

/// What the proposer does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ProposerStatus {
    /// It has failed and not restarted.
    Failed,
    /// It follows, or waits for a chance to stand.
    Following,
    /// Phase 1 is under way.
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

/// What the acceptor does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AcceptorStatus {
    /// It has failed and not restarted.
    Failed,
    /// It votes.
    Voting {
        /// The ballot it promised.
        promised: Ballot,
    },
    /// It lost its memory and stays out of every vote for good: with these quorum sizes there is no way to get it back.
    Out,
    /// It lost its memory, and gets back what counts from the others before it votes again.
    Recovering {
        /// The life that it has announced, if it has come so far.
        incarnation: Option<Incarnation>,
        /// Whose answers it lacks.
        unanswered: ReplicaSet,
    },
}

/// What the learner knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum LearnerStatus {
    /// It has failed and not restarted.
    Failed,
    /// It learns and applies.
    Learning {
        /// The first slot not applied.
        applied: Slot,
        /// Keys in the store.
        keys: u64,
        /// Sessions in the table.
        sessions: u64,
        /// Digest of the whole state.
        digest: u128,
    },
}
