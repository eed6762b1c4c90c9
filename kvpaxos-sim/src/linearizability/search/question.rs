//! What a search is asked, and what it answers.

use std::collections::BTreeMap;

use super::orders::Orders;
use crate::history::{Action, Answer, Datum, EventKind, History, Operation};

/// Whether there is an order of one key's operations.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) initial: &'a Datum,
    /// The operations, in the order of their invocations.
    pub(crate) operations: &'a [KeyOperation<'a>],
    /// Only what was known before the event with this number counts.
    pub(crate) end: usize,
    /// Whether the answer should contain the order.
    pub(crate) wants_order: bool,
    /// Whether there is probably no order; the search then tries other algorithms first.
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

/// The answer of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SearchResult {
    /// There is an order: these operations, by their places in the question; empty unless the order was
    /// wanted.
    Order(Vec<u32>),
    NoOrder {
        /// Every prefix that ends before this event has an order.
        from: usize,
        /// The prefix that ends with this event probably has none.
        likely: usize,
        /// An order of what completed before that; empty unless the order was wanted and is known.
        rest: Vec<u32>,
    },
    OutOfBudget,
}

/// An operation that may have taken effect. Events are counted from 0.
#[derive(Clone, Copy)]
pub(crate) struct KeyOperation<'a> {
    pub(crate) process: u64,
    pub(crate) operation: &'a Operation,
    pub(crate) invoked: usize,
    pub(crate) answered: Option<(usize, &'a Answer)>,
}

/// The operations of each wanted key, in the order of their invocations, without those that had no effect.
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
        // A read without an answer asserts nothing.
        operations.retain(|one| one.answered.is_some() || one.operation.action != Action::Get);
        operations.sort_by_key(|operation| operation.invoked);
    }
    keys
}
