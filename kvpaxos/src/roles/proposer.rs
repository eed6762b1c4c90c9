//! The proposer: it stands for election, with ballots that it uses once, and leads.

use crate::export::{export_fields, export_variants};
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
    /// The phase that it is in.
    pub(crate) phase: Phase,
    /// The number of ticks until it may stand.
    pub(crate) wait: u32,
    /// The number of candidacies that failed in a row. Each doubles the range of the wait before the next, so
    /// that duelling proposers separate.
    pub(crate) failures: u32,
}

export_fields!(Proposer {
    id,
    life,
    round,
    phase,
    wait,
    failures
});

/// The phase of a proposer, with the state that belongs to it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    /// It follows a leader, or waits until it may stand.
    Following,
    /// Phase 1.
    Preparing(Box<Candidacy>),
    /// Phase 2.
    Leading(Box<Leadership>),
}

export_variants!(Phase { 0 => Following, 1 => Preparing(candidacy), 2 => Leading(leadership) });

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

    /// A ballot above `highest` that was never used (P3): its replica and life are those of this proposer,
    /// and rounds go up within a life.
    pub(crate) fn next_ballot(&mut self, highest: Ballot) -> Ballot {
        self.round = self.round.max(highest.round) + 1;
        Ballot {
            round: self.round,
            replica: self.id,
            life: self.life,
        }
    }

    /// The ballot of its candidacy or leadership.
    pub(crate) fn ballot(&self) -> Option<Ballot> {
        match &self.phase {
            Phase::Following => None,
            Phase::Preparing(candidacy) => Some(candidacy.ballot()),
            Phase::Leading(leadership) => Some(leadership.ballot),
        }
    }

    /// The slot below which everything was chosen and known to this replica when it stood, or is chosen now
    /// that it leads.
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
