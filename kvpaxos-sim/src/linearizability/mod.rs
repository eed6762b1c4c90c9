//! The linearizability checker. A history is linearizable if some order of its operations, each taking effect
//! at one moment between its invocation and its completion, explains all answers (Herlihy and Wing,
//! *Linearizability: a correctness condition for concurrent objects*, 1990).
//!
//! Linearizability is local, so each key is judged by itself. An operation of unknown outcome takes effect at
//! any time after its invocation, or never. An operation that failed asserts nothing.
//!
//! # Which rule decides
//!
//! 1. [`Stream`] judges a history event by event, in memory proportional to the open operations. It follows
//!    all configurations that are possible so far; a *configuration* is the key's value, and which of the
//!    open operations have taken effect. **If no configuration is left after a completion, the history is not
//!    linearizable.** The file `search/just_in_time.rs` has the rules by which configurations follow on each
//!    other, and proves that they miss no order.
//! 2. The keys that the stream did not find good are searched with their whole history in memory, several in
//!    parallel, with the [`Budget`] shared evenly among them (`keys.rs`; the stages are in `search/mod.rs`):
//!    - If all written values differ, their zones decide in n log n (`search/zones.rs`).
//!    - A value that was found and that nothing left refutes the history (`search/sources.rs`).
//!    - Otherwise breadth first, which is fastest while configurations are few; then with the most promising
//!      configurations only (`search/breadth_first.rs`), and depth first (`search/depth_first.rs`), which find
//!      an order quickly where one is easily found; then breadth first as if operations of unknown outcome
//!      could take effect any number of times, which quickly refutes histories that are far from linearizable.
//! 3. If there is no order, the [`Evidence`] is the shortest prefix that has none (`evidence.rs`).
//!
//! No stage guesses: each decides correctly or not at all, and a key that none decides within the budget is
//! [undecided](KeyVerdict::Undecided).
//!
//! [`witness`] is a judge without a search, for histories whose answers have positions. [`page()`] draws
//! reports as HTML, [`FileReport::json`] writes them as JSON.

use crate::history::{Datum, Event, History};

pub use evidence::{Evidence, EvidenceOperation};
use excerpt::excerpt;
pub use json::FileReport;
use keys::search_keys;
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
    let mut stream = Stream::new(history.initial().clone(), budget).at_first();
    history.events().iter().for_each(|event| stream.add(event));
    let mut keys = stream.end();
    let lost = vec![false; open_keys(&keys).len()];
    let evidence = search_keys(history, &mut keys, &lost, Extent::AllKeys, budget);
    Report::new(keys, evidence)
}

/// Judges a history without holding it in memory: reads its events once, and a second time for the keys that
/// the first reading did not find good. The events of those keys are held within the budget's memory; a key
/// that does not fit is undecided.
///
/// # Errors
/// The errors of reading.
pub fn check_twice<I, E>(open: impl FnMut() -> Result<(Datum, I), E>, budget: Budget) -> Result<Report, E>
where
    I: Iterator<Item = Result<Event, E>>,
{
    read_twice(open, Extent::AllKeys, budget)
}

/// Judges a history up to the first key that is found not linearizable, and reports on that key alone. It
/// reads no further than to the event that shows it, so it neither judges nor finds malformed what follows.
/// Keys that the first reading leaves undecided are searched one after the other, in the order of their names.
/// If no key is bad, the report is that of [`check_twice`].
///
/// # Errors
/// The errors of reading.
pub fn check_first<I, E>(open: impl FnMut() -> Result<(Datum, I), E>, budget: Budget) -> Result<Report, E>
where
    I: Iterator<Item = Result<Event, E>>,
{
    read_twice(open, Extent::FirstBadKey, budget)
}

/// How much of a history is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Extent {
    AllKeys,
    /// As much as it takes to find one key that is bad.
    FirstBadKey,
}

fn read_twice<I, E>(
    mut open: impl FnMut() -> Result<(Datum, I), E>,
    extent: Extent,
    budget: Budget,
) -> Result<Report, E>
where
    I: Iterator<Item = Result<Event, E>>,
{
    let (initial, events) = open()?;
    let mut stream = Stream::new(initial, budget).at_first();
    let mut read = 0;
    for event in events {
        stream.add(&event?);
        read += 1;
        if extent == Extent::FirstBadKey && stream.is_bad() {
            break;
        }
    }
    let first_bad = stream.first_bad().map(str::to_owned);
    let mut keys = stream.end();
    if extent == Extent::FirstBadKey
        && let Some(bad) = first_bad
    {
        keys.retain(|key| key.key == bad);
    }
    let open_keys = open_keys(&keys);
    if open_keys.is_empty() {
        return Ok(Report::new(keys, Vec::new()));
    }
    let (initial, events) = open()?;
    let (history, lost) = excerpt(initial, events.take(read), &open_keys, budget.memory)?;
    let evidence = search_keys(&history, &mut keys, &lost, extent, budget);
    if extent == Extent::FirstBadKey
        && let Some(bad) = keys.iter().position(KeyReport::is_bad)
    {
        keys = vec![keys.swap_remove(bad)];
    }
    Ok(Report::new(keys, evidence))
}

/// The keys that have not been found good.
fn open_keys(keys: &[KeyReport]) -> Vec<&str> {
    keys.iter()
        .filter(|key| !key.is_good())
        .map(|key| &*key.key)
        .collect()
}
