//! How long requests may take once a quorum has healed (S4): a number of *rounds*, whose length depends on
//! the setup.
//!
//! A round is the time in which everything happens once that can delay an answer: an election, an attempt at
//! a replica that does not answer, the requests of all clients that wait for the same window, and the
//! transfer of what a replica lacks. Latencies count with the value that fifteen of sixteen messages and
//! syncs do not exceed. So a cluster with slow disks, a window of one and snapshot parts of one byte has
//! longer rounds than one with fast disks and large windows; the number of rounds is the same for both.

use std::fmt;

use kvpaxos::{Micros, Slot};

use crate::engine::{Table, regions};
use crate::world::setup::Setup;

/// Within this many rounds every client must be served, every open call be answered, and all replicas agree.
/// The slowest of 8,000 seeds took 15: a replica with room for one request takes that of a random client.
const ROUNDS: u64 = 40;

/// Unfairness may be at most this: the average number of operations of a client, for each operation of the
/// slowest, counted from when each has been served once.
pub(crate) const LEAST_SHARE: u64 = 200;

/// The approximate size of an entry of a snapshot or a log, in bytes.
const ENTRY: usize = 64;

/// A round, by its parts. See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Round {
    /// An election: the longest wait, and both phases of Paxos.
    election: Micros,
    /// An attempt at a replica that does not answer, and the pause of the client or the one between two bursts.
    attempt: Micros,
    /// The requests of all clients, one window after the other.
    queueing: Micros,
    /// The transfer of what a replica lacks, part by part.
    transfer: Micros,
}

impl Round {
    /// The round of a cluster in which the slots below `chosen` are chosen.
    pub(crate) fn of(setup: &Setup, chosen: Slot) -> Round {
        let Setup { cluster, clients, .. } = setup;
        let (timing, limits) = (&cluster.timing, &cluster.limits);
        let delay = usual(&setup.links.without_faults().delay) + regions::longest(setup.regions);
        let trip = 2 * delay + 2 * usual(&setup.sync);
        let waiting = u64::from(clients.count) * u64::from(clients.lanes);
        let at_once = (limits.window as u64).saturating_mul(limits.batch_commands as u64);
        // A log is cut at the snapshot before the last one.
        let entries = chosen.0.min(limits.log_slots.saturating_mul(2))
            + clients.keys
            + u64::from(clients.count).min(limits.sessions as u64);
        let in_a_part = (limits.chunk_bytes / ENTRY).max(1) as u64;
        Round {
            election: Micros(timing.tick.0 * u64::from(timing.patience + timing.jitter) + 4 * trip),
            attempt: Micros(clients.attempt.0 + clients.think.0 + clients.burst.0),
            queueing: Micros(waiting.div_ceil(at_once.max(1)) * trip),
            transfer: Micros(entries.div_ceil(in_a_part) * trip),
        }
    }

    fn length(self) -> u64 {
        self.election.0 + self.attempt.0 + self.queueing.0 + self.transfer.0
    }

    /// The time within which requests must be answered.
    pub(crate) fn bound(self) -> Micros {
        Micros(self.length() * ROUNDS)
    }

    /// A length of time in hundredths of rounds.
    pub(crate) fn hundredths(self, took: Micros) -> u64 {
        took.0 * 100 / self.length().max(1)
    }
}

/// The latency that fifteen of sixteen do not exceed.
fn usual(table: &Table) -> u64 {
    table.at(Table::POINTS * 15 / 16)
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{ROUNDS} rounds of {} ms (election {}, attempt {}, queueing {}, transfer {})",
            self.length() / 1000,
            self.election.0 / 1000,
            self.attempt.0 / 1000,
            self.queueing.0 / 1000,
            self.transfer.0 / 1000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part of a setup that is slower makes its part of the round longer.
    #[test]
    fn a_round_is_measured_in_what_was_drawn() {
        let chosen = Slot(1000);
        let mut setup = Setup::drawn(1);
        setup.cluster.limits = kvpaxos::Limits::default();
        let quick = Round::of(&setup, chosen);
        setup.cluster.timing.tick.0 *= 2;
        let slow_clock = Round::of(&setup, chosen);
        assert!(slow_clock.election > quick.election);
        assert_eq!(slow_clock.queueing, quick.queueing);
        setup.regions = 5;
        assert!(Round::of(&setup, chosen).election > slow_clock.election);
        setup.clients.burst = Micros(1_000_000);
        assert!(Round::of(&setup, chosen).attempt > slow_clock.attempt);
        (setup.regions, setup.clients.burst) = (1, Micros(0));
        setup.cluster.limits.window = 1;
        setup.cluster.limits.batch_commands = 1;
        let small_window = Round::of(&setup, chosen);
        assert!(small_window.queueing > slow_clock.queueing);
        setup.cluster.limits.chunk_bytes = 1;
        let small_parts = Round::of(&setup, chosen);
        assert!(small_parts.transfer > small_window.transfer);
        // A log that is cut every ten slots leaves less to send.
        setup.cluster.limits.log_slots = 10;
        assert!(Round::of(&setup, chosen).transfer < small_parts.transfer);
        assert_eq!(small_parts.bound().0, small_parts.length() * ROUNDS);
        assert_eq!(small_parts.hundredths(small_parts.bound()), 100 * ROUNDS);
    }
}
