//! The stages in which one key's history is searched for an order.

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

/// One way to search.
#[derive(Clone, Copy, Debug)]
enum Stage {
    SideBySide(Mode),
    DepthFirst,
}

/// Looks for an order; tells how many configurations that took.
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
    // What finds an order soon, if there is one, is left out at first where there likely is none.
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

/// What each stage alone says of the question, by its name.
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
