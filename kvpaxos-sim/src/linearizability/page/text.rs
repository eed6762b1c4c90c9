//! Text from a history, which may hold anything, made fit for a page.

use std::borrow::Cow;

use crate::history::{Action, Answer};
use crate::linearizability::EvidenceOperation;

/// The first characters of a text, with an ellipsis if there are more.
pub(super) fn clip(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some(_) if most == 0 => Cow::Borrowed(""),
        Some(_) => Cow::Owned(text.chars().take(most - 1).chain(['…']).collect()),
        None => Cow::Borrowed(text),
    }
}

/// The text, or its beginning and its length if it is too long to be read.
pub(super) fn long(text: &str) -> Cow<'_, str> {
    const MOST: usize = 4000;
    let all = text.chars().count();
    if all <= MOST {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{} ({all} characters in all)", clip(text, MOST)))
}

/// The operation without its key.
pub(super) fn action(shown: &EvidenceOperation) -> String {
    let action = &shown.operation.action;
    let name = action.name();
    match action {
        Action::Get | Action::Delete => name.to_owned(),
        Action::Put(value) | Action::Append(value) => format!("{name} {value}"),
        Action::Cas { expect, value } => format!("{name} {expect} → {value}"),
    }
}

/// The answer, or a question mark.
pub(super) fn answer(shown: &EvidenceOperation) -> String {
    shown
        .answer
        .as_ref()
        .map_or_else(|| "?".to_owned(), Answer::to_string)
}

/// The label of a bar.
pub(super) fn label(shown: &EvidenceOperation) -> String {
    match shown.answer {
        Some(Answer::Done) => action(shown),
        _ => format!("{} = {}", action(shown), answer(shown)),
    }
}
