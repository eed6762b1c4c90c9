//! The invariants of the model checker.

use std::fmt;

use serde::Serialize;

/// What must hold in every state. The short names are those of [`invariants`](crate::invariants).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum Invariant {
    /// No two values are chosen for one slot.
    Agreement,
    /// Every proposed value is a value that some proposer brought, or a no-op.
    Validity,
    /// An acceptor's promise, crash vector and cut never go down within a life.
    A1,
    /// An acceptor accepts only at its promise or above.
    A2,
    /// A recovering acceptor neither promises nor votes.
    A4,
    /// Every slot that an acceptor has cut, or has heard that others cut, is chosen.
    Cut,
    /// A ballot has one value per slot.
    P1,
    /// No two lives of an acceptor in which it voted share an incarnation. Ballots contain the incarnation,
    /// so they are used once.
    P3,
    /// An answer to an earlier question of a recovering acceptor changes nothing.
    Fresh,
    /// A leader counts a value as chosen exactly if a crash-consistent quorum voted for it.
    P4,
    /// No assertion of the core fails.
    Assertion,
    /// Once every packet has arrived, no acceptor is recovering, and the highest ballot has every slot
    /// chosen.
    Progress,
}

impl Invariant {
    /// The invariant in a few words, as reports print it.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Invariant::Agreement => "no two values are chosen for one slot",
            Invariant::Validity => "only what was proposed is chosen",
            Invariant::A1 => "promise, crash vector and cut never go down within a life",
            Invariant::A2 => "accepted only at the promise or above",
            Invariant::A4 => "no acceptor votes while it recovers",
            Invariant::Cut => "only what is chosen is cut",
            Invariant::P1 => "one value per ballot and slot",
            Invariant::P3 => "no two lives share an incarnation, or a ballot",
            Invariant::Fresh => "only answers to the present question count",
            Invariant::P4 => "chosen is what a crash-consistent quorum voted for",
            Invariant::Assertion => "no assertion fails",
            Invariant::Progress => "no acceptor and no proposer is stuck",
        }
    }
}

/// An invariant that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Breach {
    /// The invariant.
    pub invariant: Invariant,
    /// What happened, in a sentence.
    pub explanation: String,
}

impl Breach {
    pub(super) fn new(invariant: Invariant, explanation: impl Into<String>) -> Breach {
        Breach {
            invariant,
            explanation: explanation.into(),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is violated ({}): {}",
            self.invariant,
            self.invariant.says(),
            self.explanation
        )
    }
}
