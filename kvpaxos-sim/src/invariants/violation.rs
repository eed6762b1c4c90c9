//! The properties that are checked, and reports of those that did not hold.

use std::fmt;

use kvpaxos::Time;
use serde::{Deserialize, Serialize};

use super::trace::seconds;

/// A property that is checked. The front page of [`invariants`](crate::invariants) says what each means,
/// where it comes from and which file checks it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Property {
    /// An acceptor's promise never goes down within an incarnation, and it confirms no lower ballot.
    A1,
    /// An acceptor accepts only at its promise or above.
    A2,
    /// No message reveals state that is not durable.
    A3,
    /// An acceptor that lost its memory takes no part until it has recovered.
    A4,
    /// A ballot has one value per slot.
    P1,
    /// Phase 1 reports every value that may have been chosen.
    P2,
    /// A ballot belongs to one replica and one life of its proposer.
    P3,
    /// Nothing counts as chosen or elected without a quorum of crash-consistent votes from different
    /// acceptors.
    P4,
    /// A chosen value stays chosen, at every replica.
    L1,
    /// Each slot is applied once, in order, without a gap.
    L2,
    /// The state after a slot has the same digest on every replica.
    L3,
    /// A snapshot is the state that the slots below it lead to.
    L4,
    /// A request takes effect at most once.
    S1,
    /// The history of all clients is linearizable.
    S2,
    /// The log holds every acknowledged write.
    S3,
    /// Once faults end and a quorum is connected, every pending request is answered within a bounded time;
    /// once everything has healed, all replicas agree.
    S4,
    /// In the two-phase setting a write is acknowledged only after every replica has acknowledged that it
    /// applied it.
    S5,
    /// A replica that knows of a history that differs from its own serves only while a quorum shares its
    /// history (see [`kvpaxos::agreement`]).
    D1,
    /// Each step of the replicas is a step of the [specification](crate::specification), or changes nothing
    /// there.
    R1,
    /// A machine keeps the contract of `step`: its deadline lies in the future, and it does not halt without
    /// a cause.
    Contract,
    /// No assertion of the machine fails.
    Assertion,
    /// The same seed gives the same run.
    Determinism,
}

impl Property {
    /// All of them.
    pub const ALL: [Property; 22] = [
        Property::A1,
        Property::A2,
        Property::A3,
        Property::A4,
        Property::P1,
        Property::P2,
        Property::P3,
        Property::P4,
        Property::L1,
        Property::L2,
        Property::L3,
        Property::L4,
        Property::S1,
        Property::S2,
        Property::S3,
        Property::S4,
        Property::S5,
        Property::D1,
        Property::R1,
        Property::Contract,
        Property::Assertion,
        Property::Determinism,
    ];

    /// The property in a few words, as reports print it.
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
            Property::R1 => "each step is a step of the specification",
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

/// A property that a check found not to hold; the audit adds the time.
#[derive(Debug)]
pub(super) struct Breach {
    pub(super) property: Property,
    /// What happened: a sentence without its subject, which is the replica.
    pub(super) explanation: String,
}

/// The first property that was found not to hold in a run.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The property.
    pub property: Property,
    /// When it was found, on the world's clock.
    pub at: Time,
    /// What happened, in a sentence.
    pub explanation: String,
}

/// A property that did not hold in the run of a seed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// The property.
    pub property: Property,
    /// The seed of the run.
    pub seed: u64,
    /// When it was found, on the world's clock.
    pub at: Time,
    /// What happened, in a sentence.
    pub explanation: String,
    /// The part of the history that shows it: operations of clients, or the last events of the trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is violated ({}): seed {}, at {} s: {}",
            self.property,
            self.property.says(),
            self.seed,
            seconds(self.at).trim_start(),
            self.explanation
        )
    }
}
