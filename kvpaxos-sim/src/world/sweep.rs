//! Many seeds, played in parallel.

use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use crate::invariants::{Property, Sometimes, Trace, Violation};
use crate::parallel;
use crate::world::report::{Report, run_seed};
use crate::world::summary::{Summary, micros};

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

pub(super) struct SeedResult {
    pub(super) report: Report,
    pub(super) took: Duration,
    pub(super) repeated: bool,
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
