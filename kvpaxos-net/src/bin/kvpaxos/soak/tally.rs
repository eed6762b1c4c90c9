//! What all rounds came to.

use std::fmt;
use std::time::Duration;

/// What all rounds came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    pub(crate) kills: u64,
    /// Rounds in which everybody was down at once.
    pub(crate) total: u64,
    pub(crate) losses: u64,
    pub(crate) slowest: Duration,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds, {} kills, {} times of all; memory lost {} times, got back within {:.2} s",
            self.rounds,
            self.kills,
            self.total,
            self.losses,
            self.slowest.as_secs_f64()
        )
    }
}
