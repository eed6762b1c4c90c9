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

use crate::history::{Datum, Event, History};

pub use evidence::{Evidence, EvidenceOperation};
use excerpt::excerpt;
pub use json::FileReport;
use keys::settle;
pub use page::page;
pub use report::{Budget, KeyReport, KeyVerdict, Report, Verdict};
pub use stream::Stream;

mod evidence;
mod excerpt;
mod json;
mod keys;
mod page;
mod report;
mod search;
mod stream;
#[cfg(test)]
mod tests;
pub mod witness;

/// Judges a history.
#[must_use]
pub fn check(history: &History, budget: Budget) -> Report {
    let mut stream = Stream::new(history.initial().clone(), budget);
    history.events().iter().for_each(|event| stream.add(event));
    let mut keys = stream.end();
    let lost = vec![false; open_keys(&keys).len()];
    let evidence = settle(history, &mut keys, &lost, budget);
    Report::new(keys, evidence)
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
    let mut keys = stream.end();
    let open_keys = open_keys(&keys);
    if open_keys.is_empty() {
        return Ok(Report::new(keys, Vec::new()));
    }
    let (initial, events) = open()?;
    let (history, lost) = excerpt(initial, events, &open_keys, budget.memory)?;
    let evidence = settle(&history, &mut keys, &lost, budget);
    Ok(Report::new(keys, evidence))
}

/// The keys that were not found good.
fn open_keys(keys: &[KeyReport]) -> Vec<&str> {
    keys.iter()
        .filter(|key| !key.is_good())
        .map(|key| &*key.key)
        .collect()
}
