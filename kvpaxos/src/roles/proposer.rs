//! The proposer: stands for election with ballots that it uses once, and leads.

use crate::roles::candidacy::Candidacy;
use crate::roles::leadership::Leadership;
use crate::types::{Ballot, Life, ReplicaId, Slot};

/// A proposer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Proposer {
    id: ReplicaId,
    life: Life,
    /// The round of the last ballot used in this life.
    round: u64,
    /// What it does.
    pub(crate) phase: Phase,
    /// Ticks until it may stand.
    pub(crate) wait: u32,
    /// Candidacies in a row that failed: each doubles the wait before the next, so that duelling proposers part.
    pub(crate) failures: u32,
}

/// What a proposer does, and just what belongs to that.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    /// It follows, or waits for its chance.
    Following,
    /// Phase 1.
    Preparing(Box<Candidacy>),
    /// Phase 2.
    Leading(Box<Leadership>),
}

impl Proposer {
    pub(crate) fn new(id: ReplicaId, life: Life, wait: u32) -> Proposer {
        Proposer {
            id,
            life,
            round: 0,
            phase: Phase::Following,
            wait,
            failures: 0,
        }
    }

    /// A ballot above `highest` that nobody ever used (P3): its replica and life are this proposer's own, and within the
    /// life the rounds go up.
    pub(crate) fn next_ballot(&mut self, highest: Ballot) -> Ballot {
        self.round = self.round.max(highest.round) + 1;
        Ballot {
            round: self.round,
            replica: self.id,
            life: self.life,
        }
    }

    /// The ballot it stands or leads with.
    pub(crate) fn ballot(&self) -> Option<Ballot> {
        match &self.phase {
            Phase::Following => None,
            Phase::Preparing(candidacy) => Some(candidacy.ballot()),
            Phase::Leading(leadership) => Some(leadership.ballot),
        }
    }

    /// The slot below which it takes all to be chosen and known here.
    pub(crate) fn first_open(&self) -> Option<Slot> {
        match &self.phase {
            Phase::Following => None,
            Phase::Preparing(candidacy) => Some(candidacy.from()),
            Phase::Leading(leadership) => Some(leadership.chosen()),
        }
    }

    pub(crate) fn leading(&self) -> Option<&Leadership> {
        match &self.phase {
            Phase::Leading(leadership) => Some(leadership),
            _ => None,
        }
    }

    pub(crate) fn leading_mut(&mut self) -> Option<&mut Leadership> {
        match &mut self.phase {
            Phase::Leading(leadership) => Some(leadership),
            _ => None,
        }
    }

    pub(crate) fn preparing_mut(&mut self) -> Option<&mut Candidacy> {
        match &mut self.phase {
            Phase::Preparing(candidacy) => Some(candidacy),
            _ => None,
        }
    }
}
