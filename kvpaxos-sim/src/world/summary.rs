//! The outcome of a sweep: sums over its seeds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::invariants::{Coverage, Sometimes, Violation};
use crate::world::sweep::{ENOUGH_FOR_COVERAGE, SeedResult};

/// The outcome of a sweep.
#[derive(Clone, Debug, Default, Serialize)]
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
    /// Wall-clock microseconds spent in runs, all jobs together.
    pub busy_micros: u64,
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
    /// The situations that never occurred.
    pub missing: Vec<&'static str>,
    /// The violations, by seed.
    pub violations: Vec<Violation>,
    /// The digest of each seed.
    #[serde(skip)]
    pub digests: BTreeMap<u64, String>,
}

impl Summary {
    /// Whether everything held, and, if the sweep was large enough, every situation occurred.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && (self.seeds < ENOUGH_FOR_COVERAGE || self.missing.is_empty())
    }

    /// Events per second and core.
    #[must_use]
    pub fn events_per_second(&self) -> u64 {
        per_second(self.events, self.busy_micros)
    }

    /// Seeds per second of all jobs together, in hundredths.
    #[must_use]
    pub fn seeds_per_second(&self) -> u64 {
        per_second(self.seeds * 100, self.wall_micros)
    }

    pub(super) fn add(&mut self, played: SeedResult) {
        let SeedResult {
            report,
            took,
            repeated,
        } = played;
        self.seeds += 1;
        self.repeated += u64::from(repeated);
        self.busy_micros += micros(took);
        let runs = if repeated { 2 } else { 1 };
        self.events += report.counts.events * runs;
        self.operations += report.operations.begun;
        self.simulated_seconds += report.simulated.0 * runs / 1_000_000;
        self.chosen += report.protocol.chosen;
        self.elected += report.protocol.elected;
        self.undecided += report.undecided;
        self.unwitnessed += report.unwitnessed;
        self.with_leader_change += u64::from(report.coverage.count(Sometimes::LeaderChange) > 0);
        let roles = [
            Sometimes::ProposerFailed,
            Sometimes::AcceptorFailed,
            Sometimes::LearnerFailed,
        ];
        self.with_role_failures += u64::from(
            roles
                .iter()
                .any(|situation| report.coverage.count(*situation) > 0),
        );
        self.coverage.add(&report.coverage);
        if let Some(phases) = report.phases {
            let seed = report.setup.seed;
            let fewest = |so_far: (u64, u64), now: u64| match so_far {
                (0, _) => (now, seed),
                so_far => so_far.min((now, seed)),
            };
            self.fewest_events = fewest(self.fewest_events, report.counts.events);
            self.fewest_operations = fewest(self.fewest_operations, report.operations.begun);
            self.slowest_serving = self.slowest_serving.max((phases.serving.0, seed));
            self.most_rounds = self.most_rounds.max((phases.serving_rounds, seed));
            self.least_fair = self.least_fair.max((phases.unfairness, seed));
        }
        self.digests.insert(report.setup.seed, report.digest);
        self.violations.extend(report.violation);
    }
}

pub(super) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).expect("a sweep ends within 500,000 years")
}

/// The rate per second of `count` things in `micros` microseconds.
#[must_use]
pub fn per_second(count: u64, micros: u64) -> u64 {
    let rate = u128::from(count) * 1_000_000 / u128::from(micros.max(1));
    u64::try_from(rate).expect("a rate fits into 64 bits")
}
