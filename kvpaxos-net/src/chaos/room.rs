//! Whether there is room for one more disturbance.

use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use kvpaxos::{ReplicaSet, Status};

use crate::chaos::roster::Roster;

/// How many replicas may be disturbed at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Room {
    /// The replicas of the cluster.
    pub(crate) replicas: usize,
    /// How many acceptors may be without memory at once, so that each can get it back from the others.
    pub(crate) memories: usize,
}

/// Why a replica is not disturbed now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChaosRefusal {
    /// Nobody could tell who else is disturbed.
    #[error("no leader is known")]
    NoLeader,
    /// A role of this replica does not work already.
    #[error("not all roles of this replica work")]
    Impaired,
    /// A majority would no longer be undisturbed.
    #[error("{others} are disturbed, silent or without memory already, and at most {most} may be")]
    Down {
        /// The others.
        others: ReplicaSet,
        /// The most replicas.
        most: usize,
    },
    /// Too few would have their memory.
    #[error("{others} are without memory or silent already, and at most {most} acceptors may be without")]
    Memory {
        /// The others.
        others: ReplicaSet,
        /// The most acceptors.
        most: usize,
    },
    /// Others came first each time.
    #[error("others were faster")]
    Others,
    /// The cluster did not answer.
    #[error("the cluster does not answer: {0}")]
    Unanswered(String),
    /// The key of the roster was written by somebody else.
    #[error(
        "the key {} holds something that is no roster; delete it",
        crate::chaos::roster::KEY
    )]
    NoRoster,
}

impl Room {
    /// The most replicas that may be disturbed: the others are a majority.
    pub(crate) fn minority(self) -> usize {
        self.replicas.saturating_sub(1) / 2
    }

    /// Whether the replica that reports this status may be disturbed beside those on the roster. One that is
    /// silent may be down, and without memory too.
    pub(crate) fn check(
        self,
        roster: &Roster,
        status: &Status,
        loses_memory: bool,
    ) -> Result<(), ChaosRefusal> {
        if status.leader.is_none() && !matches!(status.proposer, ProposerStatus::Leading { .. }) {
            return Err(ChaosRefusal::NoLeader);
        }
        if !works(status) {
            return Err(ChaosRefusal::Impaired);
        }
        let others = |sets: [ReplicaSet; 3]| {
            let mut others: ReplicaSet = sets.iter().flat_map(|set| set.iter()).collect();
            others.remove(status.id);
            others
        };
        let down = others([roster.replicas(), status.silent, status.lost]);
        if down.len() >= self.minority() {
            return Err(ChaosRefusal::Down {
                others: down,
                most: self.minority(),
            });
        }
        let lost = others([roster.memories(), status.silent, status.lost]);
        if loses_memory && lost.len() >= self.memories {
            return Err(ChaosRefusal::Memory {
                others: lost,
                most: self.memories,
            });
        }
        Ok(())
    }
}

/// Whether all roles of the replica work, and its acceptor has its memory.
pub(crate) fn works(status: &Status) -> bool {
    status.proposer != ProposerStatus::Failed
        && matches!(status.acceptor, AcceptorStatus::Voting { .. })
        && status.learner != LearnerStatus::Failed
}

/// A replica of five that works, for tests.
#[cfg(test)]
pub(crate) fn working(id: u8) -> Status {
    let ballot = kvpaxos::Ballot {
        round: 1,
        ..kvpaxos::Ballot::ZERO
    };
    Status {
        id: kvpaxos::ReplicaId(id),
        members: ReplicaSet::first(5),
        proposer: ProposerStatus::Following,
        acceptor: AcceptorStatus::Voting { promised: ballot },
        learner: LearnerStatus::Learning {
            applied: kvpaxos::Slot(1),
            keys: 0,
            sessions: 0,
            digest: 0,
        },
        leader: Some(ballot),
        silent: ReplicaSet::EMPTY,
        waiting_for: ReplicaSet::EMPTY,
        pending: 0,
        lost: ReplicaSet::EMPTY,
        differing: ReplicaSet::EMPTY,
        doubt: None,
        stopping: false,
        life: None,
        chosen: kvpaxos::Slot(1),
        snapshot: None,
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::ReplicaId;

    use super::*;
    use crate::chaos::roster::Entry;

    const FIVE: Room = Room {
        replicas: 5,
        memories: 2,
    };

    fn roster(entries: &[(u8, bool)]) -> Roster {
        entries
            .iter()
            .fold(Roster::default(), |roster, (id, loses_memory)| {
                roster.with(Entry {
                    replica: ReplicaId(*id),
                    what: "acceptor".to_owned(),
                    loses_memory: *loses_memory,
                    token: 0,
                })
            })
    }

    fn set(ids: &[u8]) -> ReplicaSet {
        ids.iter().copied().map(ReplicaId).collect()
    }

    #[test]
    fn a_majority_stays_undisturbed() {
        let check = |entries, silent: &[u8], lost: &[u8], loses| {
            let mut status = working(0);
            (status.silent, status.lost) = (set(silent), set(lost));
            FIVE.check(&roster(entries), &status, loses)
        };
        let down = |ids| {
            let others = set(ids);
            Err(ChaosRefusal::Down { others, most: 2 })
        };
        assert_eq!(check(&[], &[], &[], true), Ok(()));
        assert_eq!(check(&[(1, true)], &[], &[], true), Ok(()));
        assert_eq!(check(&[(1, true), (2, false)], &[], &[], false), down(&[1, 2]));
        assert_eq!(check(&[(1, true)], &[2], &[], false), down(&[1, 2]));
        assert_eq!(check(&[], &[1], &[2], false), down(&[1, 2]));
        // One replica counts once, in whatever way it is missed; an entry of this one is of an earlier life.
        assert_eq!(check(&[(1, true), (0, true)], &[1], &[1], true), Ok(()));
    }

    #[test]
    fn with_fewer_spare_memories_fewer_are_lost() {
        let room = Room { memories: 1, ..FIVE };
        let status = working(0);
        let refusal = ChaosRefusal::Memory {
            others: set(&[1]),
            most: 1,
        };
        assert_eq!(room.check(&roster(&[(1, true)]), &status, true), Err(refusal));
        assert_eq!(room.check(&roster(&[(1, true)]), &status, false), Ok(()));
        assert_eq!(room.check(&roster(&[(1, false)]), &status, true), Ok(()));
    }

    #[test]
    fn who_knows_no_leader_or_does_not_work_is_left_alone() {
        let check = |change: fn(&mut Status)| {
            let mut status = working(0);
            change(&mut status);
            FIVE.check(&Roster::default(), &status, false)
        };
        assert_eq!(check(|status| status.leader = None), Err(ChaosRefusal::NoLeader));
        for change in [
            (|status| status.learner = LearnerStatus::Failed) as fn(&mut Status),
            |status| status.proposer = ProposerStatus::Failed,
            |status| status.acceptor = AcceptorStatus::Out,
        ] {
            assert_eq!(check(change), Err(ChaosRefusal::Impaired));
        }
    }
}
