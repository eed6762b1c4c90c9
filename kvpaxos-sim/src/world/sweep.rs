//! Many seeds, played in parallel.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::invariants::{Coverage, Property, Sometimes, Trace, Violation};
use crate::parallel;
use crate::world::report::{Report, run_seed};

/// One seed in this many is played twice, to check that its digest is the same.
const REPEAT: u64 = 16;

/// In a sweep of this many seeds every situation must occur at least once.
pub const ENOUGH_FOR_COVERAGE: u64 = 200;

/// The settings of a sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many are played at a time.
    pub jobs: usize,
    /// Whether to go on after a violation.
    pub keep_going: bool,
}

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

    fn add(&mut self, played: SeedResult) {
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

struct SeedResult {
    report: Report,
    took: Duration,
    repeated: bool,
}

/// Plays all seeds. `heard` is called after each, with the outcome so far.
pub fn sweep(what: &Sweep, mut heard: impl FnMut(&Summary)) -> Summary {
    let began = Instant::now();
    let mut summary = Summary::default();
    parallel::for_each(what.seeds.clone(), what.jobs, play, |played| {
        let goes_on = played.report.violation.is_none() || what.keep_going;
        summary.add(played);
        summary.wall_micros = micros(began.elapsed());
        heard(&summary);
        if goes_on {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    summary.violations.sort_by_key(|violation| violation.seed);
    summary.missing = summary
        .coverage
        .missing()
        .into_iter()
        .map(Sometimes::says)
        .collect();
    summary
}

/// Plays one seed, and some seeds twice.
fn play(seed: u64) -> SeedResult {
    let began = Instant::now();
    let mut report = run_seed(seed, Trace::Off);
    let repeated = seed.is_multiple_of(REPEAT);
    if repeated {
        let again = run_seed(seed, Trace::Off);
        if again.digest != report.digest {
            report.violation = Some(Violation {
                property: Property::Determinism,
                seed,
                at: kvpaxos::Time(again.simulated.0),
                explanation: format!(
                    "the first run has digest {}, the second {}",
                    report.digest, again.digest
                ),
                history: Vec::new(),
            });
        }
    }
    SeedResult {
        report,
        took: began.elapsed(),
        repeated,
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).expect("a sweep ends within 500,000 years")
}

/// The rate per second of `count` things in `micros` microseconds.
#[must_use]
pub fn per_second(count: u64, micros: u64) -> u64 {
    let rate = u128::from(count) * 1_000_000 / u128::from(micros.max(1));
    u64::try_from(rate).expect("a rate fits into 64 bits")
}
