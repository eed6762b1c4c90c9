//! The search for an order of one key's operations: several algorithms, one after the other, each within a
//! part of the budget.
//!
//! - [`zones`]: if all written values differ, compares the zones of values (Gibbons and Korach) in n log n.
//! - [`sources`]: refutes what found a value that nothing left.
//! - [`breadth_first`] and [`depth_first`] search the configurations that just-in-time linearization allows.
//!   [`just_in_time`] has the rules and proves them; [`block`] and [`dominance`] keep the configurations few.
//! - [`frontier`] follows the same rules for a judge that reads the history only once.
//!
//! [`question`] says what a search is asked and what it answers. [`timeline`], [`window`], [`configuration`],
//! [`transitions`], [`lookahead`], [`orders`] and [`op_set`] are the data that the algorithms share.

use super::report::Budget;
use breadth_first::breadth_first;
pub(super) use frontier::{Ending, Frontier, StopReason, StreamedOperation};
pub(super) use question::{KeyOperation, Question, SearchResult, by_key};
use timeline::Timeline;
use window::Mode;

mod block;
mod breadth_first;
mod configuration;
mod depth_first;
mod dominance;
mod frontier;
mod just_in_time;
mod lookahead;
mod op_set;
mod orders;
mod question;
mod sources;
mod timeline;
mod transitions;
mod window;
mod zones;

/// One of the algorithms.
#[derive(Clone, Copy, Debug)]
enum Stage {
    SideBySide(Mode),
    /// Follows at most so many configurations side by side.
    Beam(usize),
    DepthFirst,
}

/// The widths of the beams.
const NARROW: usize = 8;
const WIDE: usize = 64;

/// Looks for an order. Returns the number of configurations that it looked at, too.
pub(super) fn order(question: Question<'_>, budget: Budget) -> (SearchResult, u64) {
    const EASY: u64 = 100_000;
    let tenth = budget.steps / 10;
    let stages = [
        (Stage::SideBySide(Mode::Exact), EASY),
        (Stage::Beam(NARROW), tenth),
        (Stage::Beam(WIDE), tenth),
        (Stage::DepthFirst, tenth),
        (Stage::SideBySide(Mode::Exact), 5 * tenth),
        (Stage::SideBySide(Mode::Relaxed), tenth),
        (Stage::DepthFirst, budget.steps),
    ];
    // If there is likely no order, the stages that are good at finding one come last. The narrow beam takes
    // little, and the prefix before the last answer often has an order.
    let doubtful = [
        (Stage::SideBySide(Mode::Exact), EASY),
        (Stage::Beam(NARROW), tenth),
        (Stage::SideBySide(Mode::Exact), 6 * tenth),
        (Stage::SideBySide(Mode::Relaxed), tenth),
        (Stage::DepthFirst, budget.steps),
    ];
    if let Some(found) = zones::zones(question) {
        return (found, 0);
    }
    if let Some(found) = sources::without_source(question) {
        return (found, 0);
    }
    let mut spent = 0;
    let stages = if question.is_doubted {
        &doubtful[..]
    } else {
        &stages[..]
    };
    for (stage, share) in stages {
        let steps = (*share).min(budget.steps.saturating_sub(spent));
        let budget = Budget { steps, ..budget };
        let (timeline, orders) = (Timeline::new(question), question.orders());
        let (found, more) = match stage {
            Stage::SideBySide(mode) => breadth_first(timeline, *mode, usize::MAX, orders, budget),
            Stage::Beam(width) => breadth_first(timeline, Mode::Exact, *width, orders, budget),
            Stage::DepthFirst => depth_first::depth_first(timeline, orders, budget),
        };
        spent += more;
        if found != SearchResult::OutOfBudget {
            return (found, spent);
        }
    }
    (SearchResult::OutOfBudget, spent)
}

/// What each algorithm alone answers, by its name.
#[cfg(test)]
pub(super) fn each_stage(question: Question<'_>) -> Vec<(&'static str, SearchResult)> {
    let timeline = || Timeline::new(question);
    let (orders, budget) = (|| question.orders(), Budget::default());
    let layers = |mode, width| breadth_first(timeline(), mode, width, orders(), budget).0;
    let mut found = vec![
        ("exact", layers(Mode::Exact, usize::MAX)),
        ("relaxed", layers(Mode::Relaxed, usize::MAX)),
        ("beam", layers(Mode::Exact, 2)),
        ("deep", depth_first::depth_first(timeline(), orders(), budget).0),
    ];
    found.extend(zones::zones(question).map(|found| ("zones", found)));
    found.extend(sources::without_source(question).map(|found| ("sources", found)));
    found
}
