//! Evidence: the shortest prefix of a key's history that no order explains, and what of it a person needs to
//! see.

use std::collections::BTreeSet;
use std::fmt;

use super::report::Budget;
use super::search::{KeyOperation, Question, SearchResult, order};
use crate::history::{Action, Answer, Datum, History, Operation};

/// Why a key's history is not linearizable: the end of its shortest prefix that no order explains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The key.
    pub key: String,
    /// The value that it has at first.
    pub initial: Datum,
    /// The operation whose answer no order explains. All answers that came before it can be explained.
    pub culprit: EvidenceOperation,
    /// The operations that matter to it, in the order of their invocations: those that ran beside it, the
    /// last ones before it, and all writes of the values that these found. An operation that had not
    /// completed when the culprit did is shown as open.
    pub others: Vec<EvidenceOperation>,
    /// The number of earlier operations on the key that are not shown.
    pub left_out: usize,
    /// The longest order found for the prefix. It explains all answers in the prefix but those of `unplaced`.
    pub order: Vec<EvidenceOperation>,
    /// The operations that completed within the prefix and whose answers the order does not explain. The
    /// order may contain one as an operation of unknown outcome.
    pub unplaced: Vec<EvidenceOperation>,
}

/// An operation of the evidence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvidenceOperation {
    /// The process that asked.
    pub process: u64,
    /// The operation.
    pub operation: Operation,
    /// The answer; none if it was not known when the culprit completed.
    pub answer: Option<Answer>,
    /// The time of its invocation.
    pub invoked: i64,
    /// The time of its completion, if it had completed.
    pub completed: Option<i64>,
}

/// The end of the shortest bad prefix, and an order of the rest of that prefix if the search came across one.
/// A bad history remains bad when it goes on, so the end is found by halving.
pub(super) fn shortest(
    question: Question<'_>,
    (from, likely): (usize, usize),
    budget: Budget,
) -> (usize, Vec<u32>) {
    let completed = question
        .operations
        .iter()
        .filter_map(|operation| operation.answered);
    let mut ends: Vec<usize> = completed.map(|(place, _)| place + 1).collect();
    ends.sort_unstable();
    // A prefix that exceeds the budget counts as good. The last one is known to be bad.
    let look = |end: usize| {
        let question = Question {
            end,
            wants_order: true,
            is_doubted: true,
            ..question
        };
        order(question, budget).0
    };
    // The last prefix that was found bad, and the order of its rest.
    let mut bad = (usize::MAX, Vec::new());
    let mut first = ends.partition_point(|end| *end < from).min(ends.len() - 1);
    let mut last = ends.len() - 1;
    let likely = ends.partition_point(|end| *end < likely).clamp(first, last);
    let guesses = [likely, likely.saturating_sub(1)];
    let mut guesses = guesses.into_iter();
    while first < last {
        let guess = guesses.next().filter(|guess| (first..last).contains(guess));
        let end = guess.unwrap_or(first + (last - first) / 2);
        if let SearchResult::NoOrder { likely, rest, .. } = look(ends[end]) {
            last = end;
            bad = (likely, rest);
        } else {
            first = end + 1;
        }
    }
    let (place, rest) = bad;
    let end = ends[first];
    (end, if place == end { rest } else { Vec::new() })
}

pub(super) fn evidence(
    history: &History,
    key: &str,
    question: Question<'_>,
    bounds: (usize, usize),
    budget: Budget,
) -> Evidence {
    let operations = question.operations;
    let (end, known_order) = shortest(question, bounds, budget);
    let ends_here =
        |operation: &KeyOperation<'_>| operation.answered.is_some_and(|(place, _)| place + 1 == end);
    let culprit = operations
        .iter()
        .position(ends_here)
        .expect("each end is that of an operation");
    let prefix: Vec<KeyOperation<'_>> = operations
        .iter()
        .filter(|operation| operation.invoked < end)
        .map(|operation| cut(*operation, end))
        .collect();
    let beside = |place: usize| operations[place].answered.is_some_and(|(place, _)| place >= end);
    let useful = useful(&prefix, culprit, beside);
    let show = |operation: &KeyOperation<'_>| show(history, operation);
    // Without the culprit's answer the prefix has an order.
    let rest = Question {
        end: end - 1,
        wants_order: true,
        ..question
    };
    let order = if known_order.is_empty() {
        match order(rest, budget).0 {
            SearchResult::Order(order) => order,
            SearchResult::NoOrder { .. } | SearchResult::OutOfBudget => Vec::new(),
        }
    } else {
        known_order
    };
    let in_order = order
        .iter()
        .map(|place| cut(operations[*place as usize], rest.end));
    let placed: BTreeSet<usize> = order.iter().map(|place| *place as usize).collect();
    let is_unplaced = |place: &usize| prefix[*place].answered.is_some() && !placed.contains(place);
    let unplaced = (0..prefix.len()).filter(|place| *place == culprit || is_unplaced(place));
    Evidence {
        key: key.to_owned(),
        initial: history.initial().clone(),
        culprit: show(&operations[culprit]),
        others: useful.iter().map(|place| show(&prefix[*place])).collect(),
        left_out: prefix.len() - 1 - useful.len(),
        order: in_order.map(|operation| show(&operation)).collect(),
        unplaced: unplaced.map(|place| show(&prefix[place])).collect(),
    }
}

/// The operation as it was known before the event at `end`.
pub(super) fn cut(operation: KeyOperation<'_>, end: usize) -> KeyOperation<'_> {
    let answered = operation.answered.filter(|(place, _)| *place < end);
    KeyOperation {
        answered,
        ..operation
    }
}

/// The places of [`Evidence::others`]. `beside` tells which operations were open when the culprit completed,
/// and completed later.
fn useful(prefix: &[KeyOperation<'_>], culprit: usize, beside: impl Fn(usize) -> bool) -> Vec<usize> {
    const BEFORE: usize = 6;
    let begun = prefix[culprit].invoked;
    let completed = prefix
        .iter()
        .filter_map(|one| one.answered.map(|(place, _)| place));
    let mut before: Vec<usize> = completed.filter(|place| *place < begun).collect();
    before.sort_unstable();
    let since = before.len().checked_sub(BEFORE).map_or(0, |skip| before[skip]);
    let recent = |place: usize| match prefix[place].answered {
        Some((completed, _)) => completed >= since,
        None => beside(place),
    };
    let shown = (0..prefix.len()).filter(|place| recent(*place));
    let named: BTreeSet<&Datum> = shown.filter_map(|place| value_found(&prefix[place])).collect();
    (0..prefix.len())
        .filter(|place| *place != culprit)
        .filter(|place| recent(*place) || written(&prefix[*place]).is_some_and(|value| named.contains(value)))
        .collect()
}

/// The value that an operation found.
fn value_found<'a>(operation: &KeyOperation<'a>) -> Option<&'a Datum> {
    match (&operation.operation.action, operation.answered?.1) {
        (_, Answer::Value(value)) => Some(value),
        (Action::Cas { expect, .. }, Answer::Swapped { applied: true }) => Some(expect),
        _ => None,
    }
}

fn written<'a>(operation: &KeyOperation<'a>) -> Option<&'a Datum> {
    match &operation.operation.action {
        Action::Put(value) | Action::Append(value) | Action::Cas { value, .. } => Some(value),
        Action::Delete => Some(&Datum::Null),
        Action::Get => None,
    }
}

fn show(history: &History, operation: &KeyOperation<'_>) -> EvidenceOperation {
    let time = |place: usize| history.events()[place].time;
    EvidenceOperation {
        process: operation.process,
        operation: operation.operation.clone(),
        answer: operation.answered.map(|(_, answer)| answer.clone()),
        invoked: time(operation.invoked),
        completed: operation.answered.map(|(place, _)| time(place)),
    }
}

impl Evidence {
    /// The evidence as lines: one for each operation, to be read from top to bottom.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "key {:?}, first {}: no order explains the last operation together with those before",
            self.key, self.initial
        )];
        if self.left_out > 0 {
            lines.push(format!("  ... {} operations more", self.left_out));
        }
        lines.extend(self.others.iter().map(|shown| format!("  {shown}")));
        lines.push(format!("! {}", self.culprit));
        lines
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// Formats as `[7 .. 9] process 3: get k = "v"`.
impl fmt::Display for EvidenceOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EvidenceOperation {
            process,
            operation,
            invoked,
            ..
        } = self;
        match (self.completed, &self.answer) {
            (Some(completed), Some(answer)) => {
                write!(
                    f,
                    "[{invoked} .. {completed}] process {process}: {operation} = {answer}"
                )
            }
            _ => write!(f, "[{invoked} ..] process {process}: {operation} = ?"),
        }
    }
}
