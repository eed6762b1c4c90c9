//! Many seeds, played in parallel.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use kvpaxos::Replica;

use crate::invariants::{Property, Trace, Violation};
use crate::parallel::{self, processor_time};
use crate::world::report::{Report, run};
use crate::world::setup::Setup;
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
    /// What plays the setup of a seed.
    pub player: Player,
}

/// What plays a setup: [`run`] with a kind of replica.
pub type Player = fn(Setup, Trace) -> Report;

impl Sweep {
    /// A sweep of these seeds that stops after a violation.
    #[must_use]
    pub fn of(seeds: Range<u64>, jobs: usize) -> Sweep {
        Sweep {
            seeds,
            jobs,
            keep_going: false,
            player: run::<Replica>,
        }
    }
}

pub(super) struct SeedResult {
    pub(super) report: Report,
    /// Processor time.
    pub(super) took: Duration,
    pub(super) repeated: bool,
}

/// Plays all seeds. `heard` is called for each, in their order, with the outcome so far and its report.
pub fn sweep(what: &Sweep, heard: impl FnMut(&Summary, &Report)) -> Summary {
    sweep_on(what, Summary::default(), heard)
}

/// Plays all seeds, and adds them to the outcome of lower ones.
///
/// # Panics
/// If the outcome has a seed that is not lower.
pub fn sweep_on(what: &Sweep, mut summary: Summary, mut heard: impl FnMut(&Summary, &Report)) -> Summary {
    let began = Instant::now();
    let before = summary.wall_micros;
    let mut next = what.seeds.start;
    // What was played before a lower seed ended.
    let mut waiting = BTreeMap::new();
    let work = |seed| (seed, play(what.player, seed));
    parallel::for_each(what.seeds.clone(), what.jobs, work, |(seed, played)| {
        let goes_on = played.report.violation.is_none() || what.keep_going;
        waiting.insert(seed, played);
        while let Some(played) = waiting.remove(&next) {
            next += 1;
            summary.add(&played);
            summary.wall_micros = before.saturating_add(micros(began.elapsed()));
            heard(&summary, &played.report);
        }
        if goes_on {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    debug_assert!(waiting.is_empty(), "seeds are begun in order, and each ends");
    summary
}

/// Plays one seed, and some seeds twice.
fn play(player: Player, seed: u64) -> SeedResult {
    let began = processor_time();
    let mut report = player(Setup::drawn(seed), Trace::Off);
    let repeated = seed.is_multiple_of(REPEAT);
    if repeated {
        let again = player(Setup::drawn(seed), Trace::Off);
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
        took: processor_time().saturating_sub(began),
        repeated,
    }
}
