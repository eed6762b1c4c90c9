//! The search for a smaller scenario that violates the same property in the same way.
//!
//! A candidate leaves something out, and is played. If it still violates the property, what it *recorded*
//! takes its place: faults that did not begin, calls that were not made, and decisions that were not asked
//! for are gone at once, because they cannot matter.
//!
//! The search has two halves. In the first, the run becomes shorter: what comes after the violation goes, and
//! so does all of a kind; then [`samples`] plays short stretches of the run in many variations. A long run has so
//! many disturbed messages, each of which moves all later events, that hardly one can be left out alone; but a
//! short run that fails in the same way can be found by looking for it. In the second half the decisions become
//! fewer: items are left out in chunks that are halved until single items remain, as delta debugging does
//! (Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, 2002). Where that ends, some of them
//! are replaced by fewer others.
//!
//! Nothing depends on the time that it takes: the same scenario shrinks to the same scenario.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `passes` | what is left out: faults, calls, decisions, settings |
//! | `replicas` | fewer replicas and clients |
//! | `times` | the run ends sooner, and pauses become shorter |
//! | `samples` | shorter stretches of the run, in many variations |
//! | `window` | a stretch of a run as a scenario |

pub(super) mod passes;
mod replicas;
mod samples;
mod times;
mod window;

use std::ops::ControlFlow;

use super::Scenario;
use super::measure::{Manner, Size, cost};
use super::play::Recording;
use crate::engine::{LinkProfile, Table};
use samples::Shape;

use crate::shrinking::{Cost, Goal, Limits, Player, Progress, Search};

/// The outcome of a search.
#[derive(Clone, Debug)]
pub struct Shrinking {
    /// The smallest scenario that was found, with its run.
    pub smallest: Recording,
    /// Its size.
    pub size: Size,
    /// The size of the first scenario.
    pub before: Size,
    /// How many scenarios were played.
    pub runs: u64,
    /// How many events they had.
    pub events: u64,
    /// Whether the search ended because it finds nothing more to leave out, and not because it was stopped or came to a
    /// limit.
    pub is_complete: bool,
}

/// Makes a scenario smaller. `play` plays a candidate; `progress` is told of each run, and may stop the search: the
/// smallest scenario so far is kept. Returns `None` if the first scenario violates nothing.
///
/// # Errors
/// The first error of `play`.
pub fn shrink<E>(
    first: Recording,
    limits: Limits,
    play: impl FnMut(&Scenario) -> Result<Recording, E>,
    progress: impl FnMut(&Progress<'_, Recording>) -> ControlFlow<()>,
) -> Result<Option<Shrinking>, E> {
    let Some(violation) = &first.report.violation else {
        return Ok(None);
    };
    let before = Size::of(&first);
    let origin = Origin {
        links: first.scenario.setup.links,
        sync: first.scenario.setup.sync,
    };
    let manner = Manner::of(violation);
    let player = Alike { manner, play };
    let Some(search) = Search::new(first, limits, player, progress) else {
        return Ok(None);
    };
    let mut shrinker = Shrinker {
        search,
        origin,
        limits,
        lucky: None,
    };
    shrinker.run();
    let (runs, events) = (shrinker.search.runs(), shrinker.search.events());
    let is_complete = !shrinker.search.is_stopped();
    let smallest = shrinker.search.end()?;
    Ok(Some(Shrinking {
        size: Size::of(&smallest),
        smallest,
        before,
        runs,
        events,
        is_complete,
    }))
}

/// Plays candidates that must violate a property in the manner of the first.
struct Alike<F> {
    manner: Manner,
    play: F,
}

impl<E, F: FnMut(&Scenario) -> Result<Recording, E>> Player for Alike<F> {
    type Scenario = Scenario;
    type Outcome = Recording;
    type Error = E;

    fn play(&mut self, candidate: &Scenario) -> Result<Recording, E> {
        (self.play)(candidate)
    }

    fn scenario(outcome: &Recording) -> &Scenario {
        &outcome.scenario
    }

    fn cost(&self, outcome: &Recording) -> Option<Cost> {
        let violation = outcome.report.violation.as_ref()?;
        (Manner::of(violation) == self.manner).then(|| cost(outcome))
    }

    fn events(outcome: &Recording) -> u64 {
        outcome.report.counts.events
    }
}

/// How links and disks were in the first scenario: variations are drawn as if they still were.
#[derive(Clone, Copy)]
struct Origin {
    links: LinkProfile,
    sync: Table,
}

/// A search, and what its passes share.
struct Shrinker<P: Player, H> {
    search: Search<P, H>,
    origin: Origin,
    limits: Limits,
    /// The shape of the last sample that was smaller.
    lucky: Option<Shape>,
}

/// So many events are a short run: it can be played thousands of times a second.
const SHORT: u64 = 3_000;

/// So many decisions are worth a detour.
const MANY: usize = 12;

/// So many decisions can be left out one by one.
const FEW: u64 = 300;

impl<P, H> Shrinker<P, H>
where
    P: Player<Scenario = Scenario, Outcome = Recording>,
    H: FnMut(&Progress<'_, Recording>) -> ControlFlow<()>,
{
    fn run(&mut self) {
        self.truncate();
        self.bulk();
        self.shorten(self.limits.events / 10);
        while !self.search.is_stopped() {
            let before = self.search.cost().parts;
            self.leave_out();
            if self.search.cost().parts == before && !self.replace() && !self.detour() {
                return;
            }
        }
    }

    fn is_long(&self) -> bool {
        let size = Size::of(self.search.best());
        size.events > SHORT || size.decisions() as u64 > FEW
    }

    /// Looks for shorter runs as long as the run is long.
    fn shorten(&mut self, patience: u64) {
        self.search.aim(Goal::Weight);
        while !self.search.is_stopped() && self.is_long() && self.sample(patience) {
            self.truncate();
            self.bulk();
        }
        self.search.aim(Goal::Parts);
    }

    /// Leaves out what can be left out, one after the other. While the run is long, what was left out may have made
    /// it possible to find a shorter one.
    fn leave_out(&mut self) {
        let passes: [fn(&mut Self); 10] = [
            Self::faults,
            Self::calls,
            Self::simplify_calls,
            Self::bulk,
            Self::deviations,
            Self::settings,
            Self::replicas,
            Self::truncate,
            Self::times,
            Self::cuts,
        ];
        for pass in passes {
            let before = self.search.cost().parts;
            pass(self);
            if self.search.is_stopped() {
                return;
            }
            if self.search.cost().parts != before {
                self.shorten(self.limits.events / 40);
            }
        }
    }

    /// Where nothing can be left out alone: some of it, and something else comes in its place.
    fn replace(&mut self) -> bool {
        let patience = self.limits.events / 20;
        self.vary(patience) || self.sample(patience)
    }

    /// Where many decisions are left: a shorter run with more of them may lead to one with fewer.
    fn detour(&mut self) -> bool {
        if Size::of(self.search.best()).decisions() < MANY {
            return false;
        }
        self.search.begin_detour();
        self.search.aim(Goal::Weight);
        let is_shorter = self.sample(self.limits.events / 10);
        self.search.aim(Goal::Parts);
        if is_shorter {
            self.leave_out();
        }
        self.search.return_from_detour() && !self.search.is_stopped()
    }
}
