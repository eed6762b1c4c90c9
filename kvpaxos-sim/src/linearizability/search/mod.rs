//! The search for an order of one key's operations: several algorithms, one after the other, each within a
//! part of the budget.
//!
//! - [`zones`]: if all written values differ, compares the zones of values (Gibbons and Korach) in n log n.
//! - [`breadth_first`] and [`depth_first`] search the configurations that just-in-time linearization allows.
//!   [`just_in_time`] has the rules and proves them; [`block`] and [`dominance`] keep the configurations few.
//! - [`frontier`] follows the same rules for a judge that reads the history only once.
//!
//! [`question`] says what a search is asked and what it answers. [`timeline`], [`window`], [`configuration`],
//! [`transitions`], [`lookahead`], [`orders`] and [`op_set`] are the data that the algorithms share.

use super::report::Budget;
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
mod timeline;
mod transitions;
mod window;
mod zones;

/// One of the algorithms.
#[derive(Clone, Copy, Debug)]
enum Stage {
    SideBySide(Mode),
    DepthFirst,
}

/// Looks for an order. Returns the number of configurations that it looked at, too.
pub(super) fn order(question: Question<'_>, budget: Budget) -> (SearchResult, u64) {
    const EASY: u64 = 100_000;
    let tenth = budget.steps / 10;
    let stages = [
        (Stage::SideBySide(Mode::Exact), EASY),
        (Stage::DepthFirst, tenth),
        (Stage::SideBySide(Mode::Exact), 6 * tenth),
        (Stage::SideBySide(Mode::Relaxed), tenth),
        (Stage::DepthFirst, budget.steps),
    ];
    if let Some(found) = zones::zones(question) {
        return (found, 0);
    }
    let mut spent = 0;
    // If there is likely no order, the stages that are good at finding one come last.
    let stages = if question.is_doubted {
        &stages[2..]
    } else {
        &stages[..]
    };
    for (stage, share) in stages {
        let steps = (*share).min(budget.steps.saturating_sub(spent));
        let budget = Budget { steps, ..budget };
        let (timeline, orders) = (Timeline::new(question), question.orders());
        let (found, more) = match stage {
            Stage::SideBySide(mode) => breadth_first::breadth_first(timeline, *mode, orders, budget),
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
    let layers = |mode| breadth_first::breadth_first(timeline(), mode, orders(), budget).0;
    let mut found = vec![
        ("exact", layers(Mode::Exact)),
        ("relaxed", layers(Mode::Relaxed)),
        ("deep", depth_first::depth_first(timeline(), orders(), budget).0),
    ];
    found.extend(zones::zones(question).map(|found| ("zones", found)));
    found
}
