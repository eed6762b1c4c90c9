//! What messages are called in scenarios.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What a message is called: its kind, and the number of what it is about, such as a slot. Together with the
/// link and a count of such messages it names a message in a scenario.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Label {
    /// The kind of the message: a word.
    pub kind: &'static str,
    /// The number of its slot, its ballot's round or its request; 0 if it has none.
    pub about: u64,
}

impl Label {
    /// A label.
    #[must_use]
    pub fn new(kind: &'static str, about: u64) -> Label {
        Label { kind, about }
    }

    /// The label that `Debug` prints: its first word, or `kind` if it begins with none, and its first number, or 0. So
    /// `Accept { slot: 7, .. }` is `Accept 7`.
    #[must_use]
    pub fn debugged(kind: &'static str, what: &impl fmt::Debug) -> Label {
        let text = format!("{what:?}");
        let is_of_a_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let end = text.find(|letter| !is_of_a_word(letter)).unwrap_or(text.len());
        let kind = match text.chars().next() {
            Some(first) if first.is_alphabetic() => interned(&text[..end]),
            _ => kind,
        };
        let number = text
            .split(|letter: char| !letter.is_ascii_digit())
            .find(|digits| !digits.is_empty());
        let about = number.and_then(|digits| digits.parse().ok()).unwrap_or(0);
        Label { kind, about }
    }
}

/// The word, kept until the program ends. Each word is kept once.
pub(crate) fn interned(word: &str) -> &'static str {
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    match words.get(word) {
        Some(known) => known,
        None => {
            let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
            words.insert(kept);
            kept
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_and_the_first_number_are_the_label() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "it is printed")]
        enum Message {
            Accept { slot: u64, value: u64 },
            Stop,
        }
        let label = |message: &Message| Label::debugged("message", message).to_string();
        assert_eq!(label(&Message::Accept { slot: 7, value: 3 }), "Accept 7");
        assert_eq!(label(&Message::Stop), "Stop 0");
        assert_eq!(Label::debugged("request", &(5, 9)), Label::new("request", 5));
        assert_eq!(Label::debugged("request", &u128::MAX), Label::new("request", 0));
    }
}
