//! What a search is asked, and what it answers.

use std::collections::BTreeMap;

use super::orders::Orders;
use crate::history::{Action, Answer, Datum, EventKind, History, Operation};

/// What is to be judged: one key's operations.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) initial: &'a Datum,
    /// In the order of invocations.
    pub(crate) operations: &'a [KeyOperation<'a>],
    /// Only what was known before the event at this place counts.
    pub(crate) end: usize,
    /// Whether the order is to be told.
    pub(crate) wants_order: bool,
    /// Whether there is none, as far as one can guess.
    pub(crate) is_doubted: bool,
}

impl Question<'_> {
    pub(super) fn orders(&self) -> Orders {
        if self.wants_order {
            Orders::recorded()
        } else {
            Orders::default()
        }
    }
}

/// The result of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SearchResult {
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

/// An operation that was not refused. Places are those of events in the history.
#[derive(Clone, Copy)]
pub(crate) struct KeyOperation<'a> {
    pub(crate) process: u64,
    pub(crate) operation: &'a Operation,
    pub(crate) invoked: usize,
    pub(crate) answered: Option<(usize, &'a Answer)>,
}

/// In the order of invocations.
pub(crate) fn by_key(
    history: &History,
    is_wanted: impl Fn(&str) -> bool,
) -> BTreeMap<&str, Vec<KeyOperation<'_>>> {
    let mut keys: BTreeMap<&str, Vec<KeyOperation<'_>>> = BTreeMap::new();
    let mut open: BTreeMap<u64, (&Operation, usize)> = BTreeMap::new();
    let mut close = |process, operation, invoked, answered| {
        let recorded = KeyOperation {
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
