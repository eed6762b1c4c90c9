//! What a run can find wrong.

use std::fmt;

use kvpaxos::Time;
use serde::Serialize;

/// The properties that are checked. Their names are the design's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum Property {
    /// An acceptor's promise never goes down within an incarnation.
    A1,
    /// An acceptor accepts only at its promise or above.
    A2,
    /// Nothing that reveals unsynced state leaves.
    A3,
    /// No acceptor votes while it lacks its memory.
    A4,
    /// One value per ballot and slot.
    P1,
    /// Phase 1 hands on every value that may have been chosen.
    P2,
    /// No ballot is used twice.
    P3,
    /// Votes are counted once per acceptor: nothing is taken for chosen, nobody for elected, without a quorum.
    P4,
    /// Once chosen, for ever the same value, on every replica.
    L1,
    /// Applied in slot order, no gap, each once.
    L2,
    /// The state after a slot has the same digest on every replica.
    L3,
    /// A snapshot holds exactly what it replaces.
    L4,
    /// A request takes effect at most once.
    S1,
    /// Every history is linearizable.
    S2,
    /// An acknowledged write survives.
    S3,
    /// After faults stop and a quorum is connected, every pending request is answered within a bounded time; and when
    /// all have healed, all replicas hold the same.
    S4,
    /// In the two-phase setting a write is reported as done only once every replica has acknowledged that it has applied it.
    S5,
    /// A replica that has been told of another history serves only if a quorum has told it that it shares its own (see
    /// [`kvpaxos::agreement`]).
    D1,
    /// A machine keeps the contract of `step`: deadlines in the future, no halt without a lie.
    Contract,
    /// No assertion of the machine fails.
    Assertion,
    /// The same seed gives the same run.
    Determinism,
}

impl Property {
    /// The property in a few words.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Property::A1 => "an acceptor's promise never goes down",
            Property::A2 => "an acceptor accepts only at its promise or above",
            Property::A3 => "nothing that reveals unsynced state leaves",
            Property::A4 => "no acceptor votes while it lacks its memory",
            Property::P1 => "one value per ballot and slot",
            Property::P2 => "phase 1 hands on every value that may have been chosen",
            Property::P3 => "no ballot is used twice",
            Property::P4 => "nothing counts as chosen or elected without a quorum",
            Property::L1 => "once chosen, for ever the same value",
            Property::L2 => "applied in slot order, no gap, each once",
            Property::L3 => "the same state after the same slot",
            Property::L4 => "a snapshot holds exactly what it replaces",
            Property::S1 => "a request takes effect at most once",
            Property::S2 => "the history is linearizable",
            Property::S3 => "an acknowledged write survives",
            Property::S4 => "with a quorum connected, everything is answered in bounded time",
            Property::S5 => "two-phase: a write is answered once every replica has acknowledged applying it",
            Property::D1 => "replicas that know that their states differ never both serve",
            Property::Contract => "the machine keeps the contract of step",
            Property::Assertion => "no assertion fails",
            Property::Determinism => "the same seed gives the same run",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The first thing found wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which property.
    pub property: Property,
    /// When.
    pub at: Time,
    /// How.
    pub explanation: String,
}

/// A property that did not hold, and when and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// Of which run.
    pub seed: u64,
    /// When, on the world's clock.
    pub at: Time,
    /// What happened, in a sentence.
    pub explanation: String,
    /// The part of the history that shows it: operations of clients, or the last events.
    pub history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.at.0 / 1_000_000, self.at.0 % 1_000_000);
        write!(
            f,
            "{} is violated ({}): seed {}, at {seconds}.{micros:06} s: {}",
            self.property,
            self.property.says(),
            self.seed,
            self.explanation
        )
    }
}
