//! Linearizability: whether some order of the operations, each taking effect at one moment between its invocation and its
//! completion, explains all answers (Herlihy and Wing, 1990).
//!
//! Keys are judged one by one: linearizability is local. An operation of unknown fate may take effect at any time after
//! its invocation, or never; one that certainly had no effect says nothing.
//!
//! A history is first judged event by event ([`Stream`]), in memory that is proportional to what is open. What that leaves open is searched with
//! the key's whole history at hand, keys side by side, and with the [`Budget`] shared evenly among them:
//!
//! - where all written values differ, their zones decide in n log n (module `zones`);
//! - else all configurations are followed side by side, which is the shortest way where they stay few; then depth first, which finds an
//!   order where one is easily found; then as if operations of unknown fate could take effect any number of times, which shows
//!   soon that there is no order where there is none by far.
//!
//! Each stage is exact in what it says. The rules that keep all of them small stand, with why they are right, in the module `window`. For
//! histories whose answers say their positions there is a judge that needs no search, [`witness`].

use std::fmt;

use crate::history::{Datum, Event, History};

pub use evidence::{Evidence, Shown};
use rest::{Settled, excerpt, settle};
pub use stream::Stream;
use stream::Streamed;

mod best;
mod bits;
mod chains;
mod config;
mod deep;
mod evidence;
mod layers;
mod lookahead;
pub mod page;
mod possible;
pub mod report;
mod rest;
mod search;
mod steps;
mod story;
mod stream;
#[cfg(test)]
mod tests;
mod timeline;
mod window;
pub mod witness;
mod zones;

/// How much may be spent on a history. Keys that are easily judged take next to nothing; the others share it evenly.
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyVerdict {
    /// There is an order.
    Linearizable,
    /// There is none; [`Verdict::NotLinearizable`] has the evidence.
    NotLinearizable,
    /// The budget did not suffice.
    #[default]
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
    /// There is none. The evidence for each bad key, unless the budget did not suffice for it.
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
    let mut stream = Stream::new(history.initial().clone(), budget);
    history.events().iter().for_each(|event| stream.add(event));
    let first = stream.end();
    let unsettled = unsettled(&first);
    let settled = settle(history, &unsettled, &vec![false; unsettled.len()], budget);
    report(first, settled)
}

/// Judges a history without holding it in memory: events are read once, and then once more for those keys that the first
/// reading has not found good. What these need goes by the budget as well; a key that it does not hold is left undecided.
///
/// # Errors
/// Those of reading.
pub fn check_twice<I, E>(mut open: impl FnMut() -> Result<(Datum, I), E>, budget: Budget) -> Result<Report, E>
where
    I: Iterator<Item = Result<Event, E>>,
{
    let (initial, events) = open()?;
    let mut stream = Stream::new(initial, budget);
    for event in events {
        stream.add(&event?);
    }
    let first = stream.end();
    let unsettled = unsettled(&first);
    if unsettled.is_empty() {
        return Ok(report(first, Vec::new()));
    }
    let (initial, events) = open()?;
    let (history, lost) = excerpt(initial, events, &unsettled, budget.memory)?;
    let settled = settle(&history, &unsettled, &lost, budget);
    Ok(report(first, settled))
}

/// The keys that were not found good.
fn unsettled(first: &[(Box<str>, Streamed)]) -> Vec<&str> {
    let open = first
        .iter()
        .filter(|(_, key)| key.verdict != KeyVerdict::Linearizable);
    open.map(|(name, _)| &**name).collect()
}

/// All together.
fn report(first: Vec<(Box<str>, Streamed)>, settled: Vec<Settled>) -> Report {
    let (mut bad, mut undecided, mut per_key) = (Vec::new(), Vec::new(), Vec::new());
    let mut settled = settled.into_iter();
    for (key, found) in first {
        let key = String::from(key);
        let mut report = KeyReport {
            key: key.clone(),
            verdict: found.verdict,
            operations: found.operations,
            unknown: found.unknown,
            steps: found.steps,
        };
        if found.verdict != KeyVerdict::Linearizable {
            let settled = settled.next().unwrap_or_default();
            // What is bad stays bad, even if the evidence was out of reach.
            if found.verdict == KeyVerdict::Undecided {
                report.verdict = settled.verdict;
            }
            report.steps += settled.steps;
            bad.extend(settled.evidence);
        }
        if report.verdict == KeyVerdict::Undecided {
            undecided.push(key);
        }
        per_key.push(report);
    }
    let is_bad = |key: &KeyReport| key.verdict == KeyVerdict::NotLinearizable;
    let verdict = if per_key.iter().any(is_bad) {
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
            Verdict::NotLinearizable(_) => {
                let is_bad = |key: &&KeyReport| key.verdict == KeyVerdict::NotLinearizable;
                let bad = self.per_key.iter().filter(is_bad).count();
                write!(f, "NOT linearizable ({bad} keys)")?;
            }
            Verdict::Undecided { keys } => write!(f, "undecided: out of budget for {} keys", keys.len())?,
        }
        write!(
            f,
            ": {operations} operations on {keys} keys, {unknown} of unknown fate"
        )
    }
}
