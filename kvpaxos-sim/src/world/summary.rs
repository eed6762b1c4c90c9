//! The outcome of a sweep: sums over its seeds.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::invariants::{Coverage, Sometimes, Violation};
use crate::world::sweep::{ENOUGH_FOR_COVERAGE, SeedResult};
use crate::world::swept::Swept;

/// The outcome of a sweep. It does not depend on the number of threads, except for the times that it took.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Seeds played.
    pub seeds: u64,
    /// How many of them were played twice.
    pub repeated: u64,
    /// Events of all seeds.
    pub events: u64,
    /// The fewest events of a seed that was played to its end, and that seed.
    pub fewest_events: (u64, u64),
    /// Operations begun.
    pub operations: u64,
    /// The fewest operations of a seed that was played to its end, and that seed.
    pub fewest_operations: (u64, u64),
    /// Simulated seconds.
    pub simulated_seconds: u64,
    /// Microseconds of processor time spent in runs, all jobs together.
    pub cpu_micros: u64,
    /// Wall-clock microseconds from beginning to end.
    pub wall_micros: u64,
    /// Slots chosen.
    pub chosen: u64,
    /// Elections won.
    pub elected: u64,
    /// Seeds in which leaders changed.
    pub with_leader_change: u64,
    /// Seeds in which roles failed.
    pub with_role_failures: u64,
    /// The longest time until clients were served after a quorum had healed, in microseconds, and its seed.
    pub slowest_serving: (u64, u64),
    /// The longest such time in hundredths of the rounds of its setup, and its seed.
    pub most_rounds: (u64, u64),
    /// The worst unfairness, and its seed; see [`Phases::unfairness`](super::Phases::unfairness).
    pub least_fair: (u64, u64),
    /// Keys that could not be judged within the budget.
    pub undecided: u64,
    /// Keys whose revisions alone did not decide.
    pub unwitnessed: u64,
    /// How often each situation occurred.
    pub coverage: Coverage,
    /// The violations, by seed.
    pub violations: Vec<Violation>,
    /// Which seeds were played, and the digests of their runs together.
    pub swept: Swept,
}

impl Summary {
    /// Whether everything held, and, if the sweep was large enough, every situation occurred.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && self.missing().is_empty()
    }

    /// The situations that never occurred; none in a sweep that is too small to ask.
    #[must_use]
    pub fn missing(&self) -> Vec<Sometimes> {
        if self.seeds < ENOUGH_FOR_COVERAGE {
            return Vec::new();
        }
        self.coverage.missing()
    }

    /// Adds the outcome of a sweep of other seeds.
    ///
    /// # Errors
    /// The first seeds that both have. Nothing is changed then.
    pub fn absorb(&mut self, other: &Summary) -> Result<(), Range<u64>> {
        self.swept = self.swept.joined(&other.swept)?;
        self.add_sums(other);
        Ok(())
    }

    /// Adds everything but which seeds were played.
    fn add_sums(&mut self, other: &Summary) {
        let sums = [
            (&mut self.seeds, other.seeds),
            (&mut self.repeated, other.repeated),
            (&mut self.events, other.events),
            (&mut self.operations, other.operations),
            (&mut self.simulated_seconds, other.simulated_seconds),
            (&mut self.cpu_micros, other.cpu_micros),
            (&mut self.wall_micros, other.wall_micros),
            (&mut self.chosen, other.chosen),
            (&mut self.elected, other.elected),
            (&mut self.with_leader_change, other.with_leader_change),
            (&mut self.with_role_failures, other.with_role_failures),
            (&mut self.undecided, other.undecided),
            (&mut self.unwitnessed, other.unwitnessed),
        ];
        for (mine, theirs) in sums {
            // A file can hold any number.
            *mine = mine.saturating_add(theirs);
        }
        self.fewest_events = fewest(self.fewest_events, other.fewest_events);
        self.fewest_operations = fewest(self.fewest_operations, other.fewest_operations);
        self.slowest_serving = most(self.slowest_serving, other.slowest_serving);
        self.most_rounds = most(self.most_rounds, other.most_rounds);
        self.least_fair = most(self.least_fair, other.least_fair);
        self.coverage.add(&other.coverage);
        self.violations.extend(other.violations.iter().cloned());
        self.violations.sort_by_key(|violation| violation.seed);
    }

    /// Events per second and core.
    #[must_use]
    pub fn events_per_second(&self) -> u64 {
        per_second(self.events, self.cpu_micros)
    }

    /// Seeds per second of all jobs together, in hundredths.
    #[must_use]
    pub fn seeds_per_second(&self) -> u64 {
        per_second(self.seeds.saturating_mul(100), self.wall_micros)
    }

    /// Adds a seed above all others.
    pub(super) fn add(&mut self, played: &SeedResult) {
        self.swept.push(played.report.setup.seed, &played.report.digest);
        self.add_sums(&Summary::of(played));
    }

    /// The sums of one seed.
    fn of(played: &SeedResult) -> Summary {
        let SeedResult {
            report,
            took,
            repeated,
        } = played;
        let seed = report.setup.seed;
        let runs = if *repeated { 2 } else { 1 };
        let occurred = |situation: &Sometimes| report.coverage.count(*situation) > 0;
        let roles = [
            Sometimes::ProposerFailed,
            Sometimes::AcceptorFailed,
            Sometimes::LearnerFailed,
        ];
        let mut sums = Summary {
            seeds: 1,
            repeated: u64::from(*repeated),
            cpu_micros: micros(*took),
            events: report.counts.events * runs,
            operations: report.operations.begun,
            simulated_seconds: report.simulated.0 * runs / 1_000_000,
            chosen: report.protocol.chosen,
            elected: report.protocol.elected,
            undecided: report.undecided,
            unwitnessed: report.unwitnessed,
            with_leader_change: u64::from(occurred(&Sometimes::LeaderChange)),
            with_role_failures: u64::from(roles.iter().any(occurred)),
            coverage: report.coverage.clone(),
            violations: report.violation.iter().cloned().collect(),
            ..Summary::default()
        };
        if let Some(phases) = report.phases {
            sums.fewest_events = (report.counts.events, seed);
            sums.fewest_operations = (report.operations.begun, seed);
            sums.slowest_serving = (phases.serving.0, seed);
            sums.most_rounds = (phases.serving_rounds, seed);
            sums.least_fair = (phases.unfairness, seed);
        }
        sums
    }
}

/// The lesser number of two seeds; of equal ones that of the lower seed. 0 is no number.
fn fewest(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    match (one, other) {
        ((0, _), number) | (number, (0, _)) => number,
        (one, other) => one.min(other),
    }
}

/// The greater number of two seeds; of equal ones that of the lower seed.
fn most(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    if other.0 > one.0 || (other.0 == one.0 && other.1 < one.1 && other.0 > 0) {
        other
    } else {
        one
    }
}

pub(super) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).expect("a sweep ends within 500,000 years")
}

/// The rate per second of `count` things in `micros` microseconds.
#[must_use]
pub fn per_second(count: u64, micros: u64) -> u64 {
    let rate = u128::from(count) * 1_000_000 / u128::from(micros.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_of_enough_seeds_in_which_a_situation_never_occurred_is_not_good() {
        let mut summary = Summary {
            seeds: ENOUGH_FOR_COVERAGE - 1,
            ..Summary::default()
        };
        for situation in &Sometimes::ALL[1..] {
            summary.coverage.hit(*situation);
        }
        assert!(summary.is_good() && summary.missing().is_empty());
        summary.seeds += 1;
        assert_eq!(summary.missing(), [Sometimes::ALL[0]]);
        assert!(!summary.is_good());
        summary.coverage.hit(Sometimes::ALL[0]);
        assert!(summary.is_good());
    }

    #[test]
    fn sums_of_a_file_do_not_overflow() {
        let mut summary = Summary {
            events: u64::MAX,
            cpu_micros: 1,
            seeds: u64::MAX,
            ..Summary::default()
        };
        let other = summary.clone();
        assert_eq!(summary.absorb(&other), Ok(()));
        assert_eq!(
            (summary.events, summary.events_per_second()),
            (u64::MAX, u64::MAX)
        );
        assert_eq!(summary.seeds_per_second(), u64::MAX);
    }

    #[test]
    fn of_equal_numbers_that_of_the_lower_seed_counts() {
        assert_eq!(fewest((0, 0), (7, 3)), (7, 3));
        assert_eq!(fewest((7, 4), (7, 3)), (7, 3));
        assert_eq!(most((7, 4), (7, 3)), (7, 3));
        assert_eq!(most((7, 3), (8, 9)), (8, 9));
        assert_eq!(most((0, 0), (0, 3)), (0, 0));
    }
}
