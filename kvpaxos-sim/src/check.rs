//! Linearizability: whether some order of the operations, each taking effect at one moment between its invocation and its
//! completion, explains all answers (Herlihy and Wing, 1990).
//!
//! Keys are judged one by one: linearizability is local. An operation of unknown fate may take effect at any time after
//! its invocation, or never; one that certainly had no effect says nothing.
//!
//! A key's history is searched for an order, first with all configurations side by side, which is the shortest way where they stay few;
//! then depth first, which finds an order where one is easily found; then as if operations of unknown fate could take effect any
//! number of times, which shows soon that there is no order where there is none by far. Each stage is exact in what it says. The rules that
//! keep all of them small stand, with why they are right, in the module `window`.

use std::fmt;

use crate::history::History;

use evidence::evidence;
pub use evidence::{Evidence, Shown};
use search::{Found, Question, by_key, order};

mod best;
mod chains;
mod config;
mod deep;
mod evidence;
mod layers;
mod lookahead;
mod search;
mod steps;
mod story;
#[cfg(test)]
mod tests;
mod timeline;
mod window;
mod zones;

/// How much may be spent on one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Configurations looked at.
    pub steps: u64,
    /// Bytes of configurations remembered.
    pub memory: usize,
}

impl Default for Budget {
    /// Some seconds and a gigabyte; histories of a simulation take a thousandth of it.
    fn default() -> Budget {
        Budget {
            steps: 20_000_000,
            memory: 1 << 30,
        }
    }
}

/// What the checker found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The verdict on the whole.
    pub verdict: Verdict,
    /// How many keys there are.
    pub keys: usize,
    /// How many operations asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown fate.
    pub unknown: usize,
    /// Configurations looked at.
    pub steps: u64,
    /// What was found for each key, in the order of their names.
    pub per_key: Vec<KeyReport>,
}

/// What the checker found for one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyReport {
    /// The key.
    pub key: String,
    /// The verdict on it.
    pub verdict: KeyVerdict,
    /// How many of its operations asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown fate.
    pub unknown: usize,
    /// Configurations looked at.
    pub steps: u64,
}

/// See [`KeyReport`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyVerdict {
    /// There is an order.
    Linearizable,
    /// There is none; [`Verdict::NotLinearizable`] has the evidence.
    NotLinearizable,
    /// The budget did not suffice.
    Undecided,
}

impl Report {
    /// Whether the history is certainly not linearizable.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.verdict, Verdict::NotLinearizable(_))
    }

    /// Whether it certainly is.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict == Verdict::Linearizable
    }
}

/// Any key that is bad makes the history bad; else any that is undecided makes it undecided; else it is linearizable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// An order was found for every key.
    Linearizable,
    /// There is none, for these keys.
    NotLinearizable(Vec<Evidence>),
    /// The budget did not suffice for these keys; the others are linearizable.
    Undecided {
        /// Which.
        keys: Vec<String>,
    },
}

/// Judges a history.
#[must_use]
pub fn check(history: &History, budget: Budget) -> Report {
    let keys = by_key(history);
    let (mut bad, mut undecided, mut per_key) = (Vec::new(), Vec::new(), Vec::new());
    for (key, operations) in &keys {
        let question = Question {
            initial: history.initial(),
            operations,
            end: history.events().len(),
            told: false,
        };
        let (found, steps) = order(question, budget);
        let verdict = match found {
            Found::Order(_) => KeyVerdict::Linearizable,
            Found::OutOfBudget => {
                undecided.push((*key).to_owned());
                KeyVerdict::Undecided
            }
            Found::NoOrder { from, likely } => {
                bad.push(evidence(history, key, question, (from, likely), budget));
                KeyVerdict::NotLinearizable
            }
        };
        per_key.push(KeyReport {
            key: (*key).to_owned(),
            verdict,
            operations: operations.len(),
            unknown: operations.iter().filter(|one| one.answered.is_none()).count(),
            steps,
        });
    }
    let verdict = if !bad.is_empty() {
        Verdict::NotLinearizable(bad)
    } else if !undecided.is_empty() {
        Verdict::Undecided { keys: undecided }
    } else {
        Verdict::Linearizable
    };
    Report {
        verdict,
        keys: per_key.len(),
        operations: per_key.iter().map(|key| key.operations).sum(),
        unknown: per_key.iter().map(|key| key.unknown).sum(),
        steps: per_key.iter().map(|key| key.steps).sum(),
        per_key,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            keys,
            operations,
            unknown,
            ..
        } = self;
        match &self.verdict {
            Verdict::Linearizable => f.write_str("linearizable")?,
            Verdict::NotLinearizable(bad) => write!(f, "NOT linearizable ({} keys)", bad.len())?,
            Verdict::Undecided { keys } => write!(f, "undecided: out of budget for {} keys", keys.len())?,
        }
        write!(
            f,
            ": {operations} operations on {keys} keys, {unknown} of unknown fate"
        )
    }
}
