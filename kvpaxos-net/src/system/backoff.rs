//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// The first wait. A peer that was restarted is back within a few of these.
const FIRST: Duration = Duration::from_millis(10);
/// The longest wait. A peer that comes back also connects by itself, which ends the wait at once.
const LONGEST: Duration = Duration::from_millis(250);

/// Waits that double from [`FIRST`] to [`LONGEST`].
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// Begins with the shortest wait.
    pub(crate) fn new() -> Backoff {
        Backoff { next: FIRST }
    }

    /// Returns how long to wait before the next attempt.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }

    /// The last attempt succeeded: begins with the shortest wait again.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}
