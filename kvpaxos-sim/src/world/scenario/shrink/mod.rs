//! The search for a smaller scenario that violates the same property in the same way.
//!
//! A candidate leaves something out, and is played. If it still violates the property, what it *recorded*
//! takes its place: faults that did not begin, calls that were not made, and decisions that were not asked
//! for are gone at once, because they cannot matter. So the search removes in bulk first (all slow syncs, all
//! delays, all disturbed heartbeats, all calls of a client), and then halves what is left until single items
//! remain, as delta debugging does (Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing
//! Input*, 2002).
//!
//! Nothing depends on the time that it takes: the same scenario shrinks to the same scenario.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `search` | the search itself: what is attempted, and what holds |
//! | `passes` | what is left out: faults, calls, decisions, settings |
//! | `times` | pauses become shorter |

mod passes;
mod search;
mod times;

use std::ops::ControlFlow;

use super::Scenario;
use super::measure::{Manner, Size};
use super::play::Recording;
use search::Search;

/// The outcome of a search.
#[derive(Clone, Debug)]
pub struct Shrinking {
    /// The smallest scenario that was found, with its run.
    pub smallest: Recording,
    /// Its size.
    pub size: Size,
    /// The size of the first scenario.
    pub before: Size,
    /// How many scenarios were played.
    pub runs: u64,
    /// Whether the search ended because nothing more can be left out, and not because it was stopped.
    pub is_complete: bool,
}

/// Makes a scenario smaller. `play` plays a candidate; `progress` gets the number of runs and
/// the best so far after each run, and may stop the search: the smallest scenario so far is kept. Returns `None` if the first scenario
/// violates nothing.
///
/// # Errors
/// The first error of `play`.
pub fn shrink<E>(
    first: Recording,
    play: impl FnMut(&Scenario) -> Result<Recording, E>,
    progress: impl FnMut(u64, Size, &Scenario) -> ControlFlow<()>,
) -> Result<Option<Shrinking>, E> {
    let Some(violation) = &first.report.violation else {
        return Ok(None);
    };
    let before = Size::of(&first);
    let mut search = Search {
        manner: Manner::of(violation),
        size: before,
        best: first,
        runs: 0,
        stopped: false,
        error: None,
        play,
        progress,
    };
    search.run();
    let Search {
        best,
        size,
        runs,
        stopped,
        error,
        ..
    } = search;
    match error {
        Some(error) => Err(error),
        None => Ok(Some(Shrinking {
            smallest: best,
            size,
            before,
            runs,
            is_complete: !stopped,
        })),
    }
}
