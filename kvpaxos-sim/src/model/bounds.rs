//! The bounds within which the protocol is explored.

use std::fmt;

use kvpaxos::{Ballot, Life, Quorums, ReplicaId, ReplicaSet, recovery};

/// How many acceptors there may be. All their permutations are kept in tables.
pub(super) const MAX_ACCEPTORS: usize = 5;
/// How many ballots there may be.
pub(super) const MAX_BALLOTS: usize = 4;
/// How many slots there may be.
pub(super) const MAX_SLOTS: usize = 2;

/// How much is explored: everything that can happen within these numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// How many acceptors.
    pub acceptors: usize,
    /// The quorum sizes.
    pub quorums: Quorums,
    /// How many ballots. Each has a proposer of its own with a value of its own.
    pub ballots: usize,
    /// How many slots.
    pub slots: usize,
    /// How often acceptors lose their memory, all together.
    pub losses: usize,
    /// How many changes of an acceptor may not be durable yet when it crashes and keeps its memory. With 0,
    /// changes are durable at once.
    pub unsynced: usize,
    /// Whether acceptors may cut their logs wherever everything is chosen.
    pub cuts: bool,
    /// Whether a recovering acceptor receives what others remember slot by slot.
    pub chunks: bool,
    /// Whether to explore without the reductions that rest on an argument about the core (see
    /// [`crate::model`]).
    pub thorough: bool,
    /// Whether to check only that no two values are chosen for one slot, to see how far a breach of another
    /// invariant leads.
    pub agreement_only: bool,
}

/// Why bounds are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BoundsError {
    /// A number is out of range.
    #[error("{what} must be from {least} to {most}, not {value}")]
    Range {
        /// What the number counts.
        what: &'static str,
        /// The lowest number allowed.
        least: usize,
        /// The highest number allowed.
        most: usize,
        /// The number given.
        value: usize,
    },
    /// A quorum of phase 1 and one of phase 2 need not share an acceptor.
    #[error(
        "quorums of {phase1} and {phase2} out of {acceptors} acceptors need not meet; choose sizes that add up to more"
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
    /// Two ballots, one slot and majorities as quorums, with this many acceptors and losses of memory.
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

    /// Checks that every number is in range and that quorums meet.
    ///
    /// # Errors
    /// With the first number that is not.
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

    /// How many answers a recovering acceptor needs. `None` if it can never recover with these quorums.
    #[must_use]
    pub(super) fn answers_needed(&self) -> Option<usize> {
        recovery::answers_needed(self.quorums, self.acceptors)
    }

    /// How many acceptors may be without memory at a time.
    #[must_use]
    pub(super) fn most_without_memory(&self) -> usize {
        self.answers_needed().map_or(0, |needed| self.acceptors - needed)
    }

    /// All acceptors.
    pub(super) fn members(&self) -> ReplicaSet {
        ReplicaSet::first(self.acceptors)
    }

    /// The proposer at `place`. Proposers are numbered behind the acceptors, so that renaming acceptors
    /// leaves ballots as they are.
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
            write!(f, ", memories come slot by slot")?;
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
