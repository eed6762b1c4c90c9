//! How long to wait before a broken connection is tried again.

use std::time::Duration;

/// The first wait: a peer that was restarted is back within a few of these.
const FIRST: Duration = Duration::from_millis(10);
/// The longest wait. A peer that comes back also calls by itself, which ends the wait at once.
const LONGEST: Duration = Duration::from_millis(250);

/// Doubling waits from [`FIRST`] to [`LONGEST`].
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The first wait is the shortest.
    pub(crate) fn new() -> Backoff {
        Backoff { next: FIRST }
    }

    /// The next wait.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }

    /// The connection held: begin again with the shortest wait.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}
