//! The stages in which one key's history is searched for an order.

use super::report::Budget;
pub(super) use frontier::{Begun, Fate, Possible, Stop, apply, fits};
pub(super) use question::{Found, Question, Recorded, by_key};
use timeline::Timeline;
use window::Mode;

mod bitset;
mod block;
mod breadth_first;
mod configuration;
mod depth_first;
mod dominance;
mod frontier;
mod just_in_time;
mod lookahead;
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
pub(super) fn order(question: Question<'_>, budget: Budget) -> (Found, u64) {
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
    let stages = if question.doubted {
        &stages[2..]
    } else {
        &stages[..]
    };
    for (stage, share) in stages {
        let steps = (*share).min(budget.steps.saturating_sub(spent));
        let budget = Budget { steps, ..budget };
        let (timeline, story) = (Timeline::new(question), question.story());
        let (found, more) = match stage {
            Stage::SideBySide(mode) => breadth_first::layers(timeline, *mode, story, budget),
            Stage::DepthFirst => depth_first::deep(timeline, story, budget),
        };
        spent += more;
        if found != Found::OutOfBudget {
            return (found, spent);
        }
    }
    (Found::OutOfBudget, spent)
}

/// What each stage alone says of the question, by its name.
#[cfg(test)]
pub(super) fn each_stage(question: Question<'_>) -> Vec<(&'static str, Found)> {
    let timeline = || Timeline::new(question);
    let (story, budget) = (|| question.story(), Budget::default());
    let layers = |mode| breadth_first::layers(timeline(), mode, story(), budget).0;
    let mut found = vec![
        ("exact", layers(Mode::Exact)),
        ("relaxed", layers(Mode::Relaxed)),
        ("deep", depth_first::deep(timeline(), story(), budget).0),
    ];
    found.extend(zones::zones(question).map(|found| ("zones", found)));
    found
}
