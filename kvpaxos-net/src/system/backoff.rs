//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// The first wait. A peer that was restarted is back within a few of these.
const FIRST: Duration = Duration::from_millis(10);
/// The longest wait. A peer that comes back also connects by itself, which ends the wait at once.
const LONGEST: Duration = Duration::from_millis(250);

/// Waits that double from a first to a longest.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits from [`FIRST`] to [`LONGEST`].
    pub(crate) fn new() -> Backoff {
        Backoff::between(FIRST, LONGEST)
    }

    /// Waits from `first` to `longest`.
    pub(crate) fn between(first: Duration, longest: Duration) -> Backoff {
        Backoff {
            first,
            next: first,
            longest,
        }
    }

    /// Returns how long to wait before the next attempt.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait
    }

    /// The last attempt succeeded: begins with the shortest wait again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}
