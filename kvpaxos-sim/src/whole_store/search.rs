//! A search for an order of operations that explains every answer (Wing and Gong, 1993; Lowe, 2017). The
//! state is the whole store, and all orders are tried, so it is for short histories.

use std::collections::BTreeSet;

use kvpaxos::{Limits, Outcome, Revision};

use super::{Model, Question};

/// An operation as its client saw it. `began` and `ended` are places in one order of all beginnings and ends.
#[derive(Clone, Debug)]
pub(crate) struct StoreOperation {
    pub(crate) question: Question,
    pub(crate) began: usize,
    /// `None` if its outcome is unknown: it took effect at any time after it began, or never does.
    pub(crate) ended: Option<End>,
}

/// The end of an operation that was done.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) at: usize,
    /// The revision that the answer names, if it names one.
    pub(crate) revision: Option<Revision>,
    /// What was answered, with that revision or the lowest one; none if it was only said to be done.
    pub(crate) outcome: Option<Outcome>,
}

/// What a search finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreVerdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    NotLinearizable,
    /// There are too many operations, or too many states for the budget.
    Undecided,
}

/// The most operations of a history that is searched: each has a bit.
const MOST: usize = 64;

/// Whether some order of the operations explains every answer. `states` bounds the work. Scans are ignored,
/// as their answers depend on a hash.
pub(crate) fn search(operations: &[StoreOperation], limits: &Limits, states: usize) -> StoreVerdict {
    let judged = |operation: &&StoreOperation| match &operation.question {
        Question::Write(_) => true,
        // A read of unknown outcome says nothing.
        Question::Read(query) => {
            operation.ended.is_some() && Model::default().read(Revision::default(), query).is_some()
        }
    };
    let operations: Vec<&StoreOperation> = operations.iter().filter(judged).collect();
    if operations.len() > MOST {
        return StoreVerdict::Undecided;
    }
    let done = (0..).zip(&operations);
    let done = done.filter(|(_, operation)| operation.ended.is_some());
    let all = done.fold(0_u64, |all, (place, _)| all | 1 << place);
    let mut seen = BTreeSet::new();
    let mut stack = vec![(0_u64, Model::default())];
    while let Some((taken, model)) = stack.pop() {
        if taken & all == all {
            return StoreVerdict::Linearizable;
        }
        if !seen.insert((taken, model.clone())) {
            continue;
        }
        if seen.len() > states {
            return StoreVerdict::Undecided;
        }
        let left = (0..)
            .zip(&operations)
            .filter(|(place, _)| taken & 1 << place == 0);
        // The next one must have begun before every other that is left has ended.
        let first_end = left
            .clone()
            .filter_map(|(_, one)| one.ended.as_ref().map(|end| end.at))
            .min();
        for (place, one) in left.filter(|(_, one)| first_end.is_none_or(|end| one.began < end)) {
            for after in explain(one, &model, limits) {
                stack.push((taken | 1 << place, after));
            }
        }
    }
    StoreVerdict::NotLinearizable
}

/// The states after an operation, if its answer is explained by this state before it.
fn explain(one: &StoreOperation, model: &Model, limits: &Limits) -> Vec<Model> {
    let answered = one.ended.as_ref().and_then(|end| end.outcome.as_ref());
    let at = one.ended.as_ref().and_then(|end| end.revision);
    match &one.question {
        Question::Write(op) => {
            let outcomes = model.write(at, op, limits).into_iter();
            let explained =
                outcomes.filter(|(outcome, _)| answered.is_none_or(|answered| answered == outcome));
            explained.map(|(_, after)| after).collect()
        }
        Question::Read(query) => {
            let read = model.read(at.unwrap_or_default(), query);
            if answered.is_none_or(|answered| read.as_ref() == Some(answered)) {
                vec![model.clone()]
            } else {
                Vec::new()
            }
        }
    }
}
