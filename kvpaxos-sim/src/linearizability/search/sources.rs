//! Sources: refutes histories in which an operation found a value that nothing could have left by then. It
//! decides nothing else, and takes no search.
//!
//! What a get found, or a swap that was applied, is the first value or was left by a put, a delete, a swap or
//! an append. The one that left it was invoked before the operation that found it completed. A string that an
//! append left ends with the appended text.

use std::collections::HashMap;

use super::question::{KeyOperation, Question, SearchResult};
use crate::history::{Action, Answer, Datum};

/// When each value was first about to be written.
#[derive(Default)]
struct Sources<'a> {
    written: HashMap<&'a Datum, usize>,
    /// The texts that were appended.
    tails: HashMap<String, usize>,
    /// Their lengths.
    lengths: Vec<usize>,
}

impl<'a> Sources<'a> {
    fn add(&mut self, operation: &KeyOperation<'a>, is_applied: bool) {
        let value = match &operation.operation.action {
            Action::Get => return,
            Action::Append(tail) => {
                let tail = tail.as_text().into_owned();
                if !self.lengths.contains(&tail.len()) {
                    self.lengths.push(tail.len());
                }
                self.tails.entry(tail).or_insert(operation.invoked);
                return;
            }
            Action::Put(value) => value,
            Action::Delete => &Datum::Null,
            Action::Cas { expect, value } if is_applied && expect != value => value,
            Action::Cas { .. } => return,
        };
        self.written.entry(value).or_insert(operation.invoked);
    }

    /// Whether something that was invoked before this event could have left the value.
    fn have(&self, value: &Datum, before: usize) -> bool {
        let is_before = |invoked: Option<&usize>| invoked.is_some_and(|invoked| *invoked < before);
        if is_before(self.written.get(value)) {
            return true;
        }
        let Datum::Text(text) = value else {
            return false;
        };
        let tails = self
            .lengths
            .iter()
            .filter_map(|length| text.len().checked_sub(*length));
        let mut tails = tails.filter_map(|begin| text.get(begin..));
        tails.any(|tail| is_before(self.tails.get(tail)))
    }
}

/// Refutes the question, if some value in it has no source.
pub(super) fn without_source(question: Question<'_>) -> Option<SearchResult> {
    let known = |operation: &KeyOperation<'_>| operation.invoked < question.end;
    let mut sources = Sources::default();
    let mut found: Vec<(usize, &Datum)> = Vec::new();
    // Operations come in the order of their invocations.
    for operation in question
        .operations
        .iter()
        .take_while(|operation| known(operation))
    {
        let answered = operation.answered.filter(|(place, _)| *place < question.end);
        sources.add(
            operation,
            !matches!(answered, Some((_, Answer::Swapped { applied: false }))),
        );
        match (&operation.operation.action, answered) {
            (Action::Get, Some((place, Answer::Value(seen)))) => found.push((place, seen)),
            (Action::Cas { expect, .. }, Some((place, Answer::Swapped { applied: true }))) => {
                found.push((place, expect));
            }
            _ => {}
        }
    }
    let strange = found
        .into_iter()
        .filter(|(place, value)| *value != question.initial && !sources.have(value, *place));
    let first = strange.map(|(place, _)| place).min()?;
    Some(SearchResult::NoOrder {
        from: 0,
        likely: first + 1,
        rest: Vec::new(),
    })
}
