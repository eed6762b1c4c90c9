//! The last problem that this process has logged, for who asks how it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much of a problem is kept, in bytes.
const LENGTH: usize = 300;

static LAST: Mutex<Option<(Instant, String)>> = Mutex::new(None);

/// A problem that a program has logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastProblem {
    /// The line of the log, without its time; cut off where it is long.
    pub text: String,
    /// How long ago it was logged.
    pub ago: Duration,
}

/// Remembers a warning or an error that this process has logged. It is what `kvpaxos status` shows as the last
/// problem of a replica in this process, until the next one.
pub fn remember_problem(mut text: String) {
    if text.len() > LENGTH {
        let end = (0..=LENGTH).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
    // It is set as a whole, whatever panics elsewhere.
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), text));
}

/// The last one, if there was any.
pub(crate) fn last_problem() -> Option<LastProblem> {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.as_ref().map(|(at, text)| LastProblem {
        text: text.clone(),
        ago: at.elapsed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_kept_and_cut_off() {
        remember_problem("the disk is full".to_owned());
        assert_eq!(
            last_problem().map(|last| last.text),
            Some("the disk is full".to_owned())
        );
        remember_problem("ä".repeat(LENGTH));
        assert_eq!(last_problem().map(|last| last.text), Some("ä".repeat(LENGTH / 2)));
    }
}
