//! How much of the protocol is explored.

use std::fmt;

use kvpaxos::{Ballot, Life, Quorums, ReplicaId, ReplicaSet, recovery};
use serde::Serialize;

/// The most acceptors: all their permutations are kept in tables.
pub const MAX_ACCEPTORS: usize = 5;
/// The most ballots.
pub const MAX_BALLOTS: usize = 4;
/// The most slots.
pub const MAX_SLOTS: usize = 2;

/// What is explored: everything that can happen within these numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// How many acceptors.
    pub acceptors: usize,
    /// How many make a quorum.
    pub quorums: Quorums,
    /// How many ballots, each of a proposer of its own with a value of its own.
    pub ballots: usize,
    /// How many slots.
    pub slots: usize,
    /// How often memory is lost, all acceptors together.
    pub losses: usize,
    /// How many steps of an acceptor may be not yet durable when it crashes with its memory kept. With 0 they are durable at once.
    pub unsynced: usize,
    /// Whether acceptors cut their logs where all is chosen.
    pub cuts: bool,
    /// Whether what an acceptor remembers is told slot by slot to one that recovers.
    pub chunks: bool,
    /// Whether the search does without the reductions that rest on an argument about the core (see [`crate::model`]).
    pub thorough: bool,
    /// Whether only two values chosen for one slot count as wrong: to see how far a violation of a lesser invariant leads.
    pub agreement_only: bool,
}

/// Why bounds make no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BoundsError {
    /// Too many or too few of something.
    #[error("{what} must be from {least} to {most}, not {value}")]
    Range {
        /// Of what.
        what: &'static str,
        /// The least that makes sense.
        least: usize,
        /// The most that is supported.
        most: usize,
        /// What was asked for.
        value: usize,
    },
    /// Quorums of the two phases need not meet.
    #[error(
        "quorums of {phase1} and {phase2} out of {acceptors} acceptors need not meet; take sizes that add up to more"
    )]
    Quorums {
        /// The phase-1 size.
        phase1: usize,
        /// The phase-2 size.
        phase2: usize,
        /// How many acceptors there are.
        acceptors: usize,
    },
}

impl Bounds {
    /// Majorities, one slot, two ballots, as many losses of memory as asked for.
    #[must_use]
    pub fn new(acceptors: usize, losses: usize) -> Bounds {
        Bounds {
            acceptors,
            quorums: Quorums::majority(acceptors),
            ballots: 2,
            slots: 1,
            losses,
            unsynced: 0,
            cuts: false,
            chunks: false,
            thorough: false,
            agreement_only: false,
        }
    }

    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// Names the first that does not.
    pub fn check(&self) -> Result<(), BoundsError> {
        let Quorums { phase1, phase2 } = self.quorums;
        let acceptors = self.acceptors;
        let ranges = [
            ("acceptors", 1, MAX_ACCEPTORS, acceptors),
            ("ballots", 1, MAX_BALLOTS, self.ballots),
            ("slots", 1, MAX_SLOTS, self.slots),
            ("losses", 0, 8, self.losses),
            ("unsynced", 0, 2, self.unsynced),
            ("quorums", 1, acceptors, phase1),
            ("quorums", 1, acceptors, phase2),
        ];
        for (what, least, most, value) in ranges {
            if !(least..=most).contains(&value) {
                return Err(BoundsError::Range {
                    what,
                    least,
                    most,
                    value,
                });
            }
        }
        if phase1 + phase2 <= acceptors {
            return Err(BoundsError::Quorums {
                phase1,
                phase2,
                acceptors,
            });
        }
        Ok(())
    }

    /// How many answers an acceptor that lost its memory needs; `None` if it has to stay out.
    #[must_use]
    pub fn answers_needed(&self) -> Option<usize> {
        recovery::answers_needed(self.quorums, self.acceptors)
    }

    /// How many acceptors may be without memory at a time.
    #[must_use]
    pub fn most_without_memory(&self) -> usize {
        self.answers_needed().map_or(0, |needed| self.acceptors - needed)
    }

    /// All acceptors.
    pub(super) fn members(&self) -> ReplicaSet {
        ReplicaSet::first(self.acceptors)
    }

    /// Proposers are numbered behind the acceptors, so that exchanging acceptors leaves all ballots as they are.
    pub(super) fn proposer(&self, place: usize) -> ReplicaId {
        ReplicaId(u8::try_from(self.acceptors + place).expect("the bounds were checked"))
    }

    /// The ballot of the proposer at `place`.
    pub(super) fn ballot(&self, place: usize) -> Ballot {
        Ballot {
            round: place as u64 + 1,
            replica: self.proposer(place),
            life: Life::default(),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quorums { phase1, phase2 } = self.quorums;
        write!(
            f,
            "{} acceptors, quorums of {phase1} and {phase2}, {} ballots, {} slot{}, {} losses of memory (at most {} without memory at a time)",
            self.acceptors,
            self.ballots,
            self.slots,
            if self.slots == 1 { "" } else { "s" },
            self.losses,
            self.most_without_memory(),
        )?;
        if self.unsynced > 0 {
            write!(f, ", up to {} steps not yet durable", self.unsynced)?;
        }
        if self.cuts {
            write!(f, ", logs are cut")?;
        }
        if self.chunks {
            write!(f, ", memories are told slot by slot")?;
        }
        if self.thorough {
            write!(f, ", thorough")?;
        }
        if self.agreement_only {
            write!(f, ", agreement only")?;
        }
        Ok(())
    }
}

/// What must hold in every state. The names are those of the core's table of invariants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum Invariant {
    /// No two values are chosen for one slot.
    Agreement,
    /// What is proposed is a value that some proposer brought, or a no-op.
    Validity,
    /// Within a life a promise, a crash vector or a cut never goes down.
    A1,
    /// Accepted only at the promise or above.
    A2,
    /// No promise and no vote of an acceptor that is recovering.
    A4,
    /// What an acceptor has cut, or has heard that others have, is chosen.
    Cut,
    /// One value for a ballot and slot.
    P1,
    /// Two lives of an acceptor that voted do not share an incarnation; ballots are named after it.
    P3,
    /// An answer to an earlier question changes nothing.
    Fresh,
    /// The count of votes says chosen exactly where a crash-consistent quorum voted.
    P4,
    /// No assertion of the core fails.
    Assertion,
    /// When all that can be heard was heard, nobody is recovering, and the highest ballot has got every slot chosen.
    Progress,
}

impl Invariant {
    /// The invariant in a few words.
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
            Invariant::Progress => "nobody is stuck",
        }
    }
}

/// An invariant that was broken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Breach {
    /// Which.
    pub invariant: Invariant,
    /// How, in a sentence.
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
