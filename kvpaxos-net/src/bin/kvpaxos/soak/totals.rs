//! The totals of all rounds.

use std::fmt;
use std::time::Duration;

/// The totals of all rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) rounds: u64,
    pub(crate) kills: u64,
    /// Rounds in which all replicas were down at once.
    pub(crate) total: u64,
    /// How often a replica lost its memory.
    pub(crate) losses: u64,
    /// The longest that all replicas took until they voted again.
    pub(crate) slowest: Duration,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds, {} kills, {} times of all replicas at once; memory lost {} times, recovered within \
             {:.2} s",
            self.rounds,
            self.kills,
            self.total,
            self.losses,
            self.slowest.as_secs_f64()
        )
    }
}
