//! Statuses of every kind.

use super::*;

pub(super) fn status(proposer: ProposerStatus, acceptor: AcceptorStatus, learner: LearnerStatus) -> Status {
    Status {
        id: ReplicaId(4),
        members: ReplicaSet::first(5),
        proposer,
        acceptor,
        learner,
        leader: Some(ballot(2, 1)),
        silent: ReplicaSet::EMPTY,
        waiting_for: ReplicaSet::first(1),
        pending: 6,
        lost: ReplicaSet::first(1),
        differing: ReplicaSet::first(2),
        doubt: Some(doubt()),
        stopping: true,
        life: Some(Life {
            incarnation: Incarnation(1),
            restarts: 300,
        }),
        chosen: Slot(43),
        snapshot: Some(SnapshotStatus {
            slot: Slot(40),
            bytes: 300,
        }),
    }
}

pub(super) fn doubt() -> Doubt {
    Doubt {
        with: ReplicaSet::first(2),
        slot: Slot(39),
    }
}

samples! { proposers: ProposerStatus =
    ProposerStatus::Failed => ProposerStatus::Failed,
    ProposerStatus::Following => ProposerStatus::Following,
    ProposerStatus::Preparing { .. } => ProposerStatus::Preparing { ballot: ballot(2, 1) },
    ProposerStatus::Leading { .. } => ProposerStatus::Leading { ballot: ballot(2, 1) },
}

samples! { acceptors: AcceptorStatus =
    AcceptorStatus::Failed => AcceptorStatus::Failed,
    AcceptorStatus::Voting { .. } => AcceptorStatus::Voting { promised: ballot(2, 1) },
    AcceptorStatus::Out => AcceptorStatus::Out,
    AcceptorStatus::Recovering { .. } => AcceptorStatus::Recovering {
        incarnation: Some(Incarnation(2)),
        unanswered: ReplicaSet::first(3),
    },
}

samples! { learners: LearnerStatus =
    LearnerStatus::Failed => LearnerStatus::Failed,
    LearnerStatus::Learning { .. } => LearnerStatus::Learning {
        applied: Slot(41),
        keys: 2,
        sessions: 1,
        digest: u128::MAX,
    },
}
