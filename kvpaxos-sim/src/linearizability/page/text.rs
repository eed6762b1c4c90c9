//! Text from a history, which may hold anything, made fit for a page.

use std::borrow::Cow;

use crate::history::{Action, Answer};
use crate::linearizability::EvidenceOperation;

/// Escapes text for HTML, in elements and in attributes. Line breaks are the only control characters that it
/// leaves.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push('\n'),
            c if is_unseen(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Whether a character cannot be seen, or turns the direction of the text beside it.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

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
