//! The stages in which one key's history is searched for an order.

use std::collections::BTreeMap;

use super::Budget;
use super::story::Story;
use super::timeline::Timeline;
use super::window::Mode;
use super::{deep, layers, zones};
use crate::history::{Action, Answer, Datum, EventKind, History, Operation};

/// The result of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Of operations by their places, if it was to be told.
    Order(Vec<u32>),
    NoOrder {
        /// Every prefix that ends before this event has an order.
        from: usize,
        /// This prefix likely has none.
        likely: usize,
        /// An order of what completed before that, if it was to be told and is known.
        rest: Vec<u32>,
    },
    OutOfBudget,
}

/// One way to search.
#[derive(Clone, Copy, Debug)]
enum Stage {
    SideBySide(Mode),
    DepthFirst,
}

/// What is to be judged: one key's operations.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) initial: &'a Datum,
    /// In the order of invocations.
    pub(super) operations: &'a [Recorded<'a>],
    /// Only what was known before the event at this place counts.
    pub(super) end: usize,
    /// Whether the order is to be told.
    pub(super) told: bool,
    /// Whether there is none, as far as one can guess.
    pub(super) doubted: bool,
}

impl Question<'_> {
    pub(super) fn story(&self) -> Story {
        if self.told {
            Story::told()
        } else {
            Story::default()
        }
    }
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
            Stage::SideBySide(mode) => layers::layers(timeline, *mode, story, budget),
            Stage::DepthFirst => deep::deep(timeline, story, budget),
        };
        spent += more;
        if found != Found::OutOfBudget {
            return (found, spent);
        }
    }
    (Found::OutOfBudget, spent)
}

/// An operation that was not refused. Places are those of events in the history.
#[derive(Clone, Copy)]
pub(super) struct Recorded<'a> {
    pub(super) process: u64,
    pub(super) operation: &'a Operation,
    pub(super) invoked: usize,
    pub(super) answered: Option<(usize, &'a Answer)>,
}

/// In the order of invocations.
pub(super) fn by_key(
    history: &History,
    is_wanted: impl Fn(&str) -> bool,
) -> BTreeMap<&str, Vec<Recorded<'_>>> {
    let mut keys: BTreeMap<&str, Vec<Recorded<'_>>> = BTreeMap::new();
    let mut open: BTreeMap<u64, (&Operation, usize)> = BTreeMap::new();
    let mut close = |process, operation, invoked, answered| {
        let recorded = Recorded {
            process,
            operation,
            invoked,
            answered,
        };
        keys.entry(&recorded.operation.key).or_default().push(recorded);
    };
    for (place, event) in history.events().iter().enumerate() {
        let process = event.process;
        if let EventKind::Invoke(operation) = &event.kind {
            if is_wanted(&operation.key) {
                open.insert(process, (operation, place));
            }
            continue;
        }
        let Some((operation, invoked)) = open.remove(&process) else {
            continue;
        };
        match &event.kind {
            EventKind::Ok(answer) => close(process, operation, invoked, Some((place, answer))),
            EventKind::Info => close(process, operation, invoked, None),
            EventKind::Fail | EventKind::Invoke(_) => {}
        }
    }
    for (process, (operation, invoked)) in open {
        close(process, operation, invoked, None);
    }
    for operations in keys.values_mut() {
        // A read whose answer nobody saw asserts nothing.
        operations.retain(|one| one.answered.is_some() || one.operation.action != Action::Get);
        operations.sort_by_key(|operation| operation.invoked);
    }
    keys
}
