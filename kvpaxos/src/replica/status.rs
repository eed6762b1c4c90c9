//! What a replica reports about itself.

use crate::replica::{AcceptorRole, Replica};
use crate::roles::learner::Learner;
use crate::roles::proposer::{Phase, Proposer};
use crate::status::{AcceptorStatus, LearnerStatus, ProposerStatus, SnapshotStatus, Status};
use crate::types::{ReplicaSet, Slot};

impl Replica {
    /// What the replica knows about itself and its peers.
    #[must_use]
    pub fn status(&self) -> Status {
        let proposer = match self.proposer.as_ref().map(|proposer| &proposer.phase) {
            None => ProposerStatus::Failed,
            Some(Phase::Following) => ProposerStatus::Following,
            Some(Phase::Preparing(candidacy)) => ProposerStatus::Preparing {
                ballot: candidacy.ballot(),
            },
            Some(Phase::Leading(leadership)) => ProposerStatus::Leading {
                ballot: leadership.ballot,
            },
        };
        let acceptor = match &self.acceptor {
            AcceptorRole::Failed(_) => AcceptorStatus::Failed,
            AcceptorRole::Voting(memory) => AcceptorStatus::Voting {
                promised: memory.acceptor.promised(),
            },
            AcceptorRole::Recovering(recovery) => AcceptorStatus::Recovering {
                incarnation: recovery.incarnation(),
                unanswered: recovery.unanswered(),
            },
            AcceptorRole::Returning(memory) => AcceptorStatus::Recovering {
                incarnation: Some(memory.acceptor.vector().get(self.config.id)),
                unanswered: ReplicaSet::EMPTY,
            },
            AcceptorRole::Out => AcceptorStatus::Out,
        };
        let learner = self.learner.as_ref().map_or(LearnerStatus::Failed, |learner| {
            let machine = learner.machine();
            LearnerStatus::Learning {
                applied: learner.applied(),
                keys: machine.keys(),
                sessions: machine.sessions(),
                digest: machine.digest(),
            }
        });
        let leadership = self.proposer.as_ref().and_then(Proposer::leading);
        let two_phase = self.two_phase().is_some();
        Status {
            id: self.config.id,
            members: self.config.members,
            proposer,
            acceptor,
            learner,
            leader: self.leader(),
            silent: self.silent(),
            waiting_for: leadership.map_or(ReplicaSet::EMPTY, |own| {
                own.waiting_for(self.config.members, two_phase)
            }),
            pending: (self.pending.len() + self.reads.len()) as u64,
            lost: self.lost(),
            differing: self.agreement.differing(),
            doubt: self.doubt(),
            stopping: self.is_stopping(),
            life: self.life,
            chosen: self.learner.as_ref().map_or(Slot::ZERO, Learner::next),
            snapshot: match &self.acceptor {
                AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory) => {
                    memory.archive.snapshot.as_ref().map(|snapshot| SnapshotStatus {
                        slot: snapshot.slot(),
                        bytes: snapshot.bytes(),
                    })
                }
                AcceptorRole::Failed(_) | AcceptorRole::Recovering(_) | AcceptorRole::Out => None,
            },
        }
    }
}
