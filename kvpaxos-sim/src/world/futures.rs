//! A failing run, the future of which is drawn again: what [`explain`](crate::explain) asks of a world.
//!
//! A future has the setup of the run, and its events up to the fork. From there on everything is drawn anew,
//! as the setup says: faults, operations, delays, losses, syncs. It fails if it violates the same property in
//! the same manner as the run.
//!
//! How long it goes on: if the run fails while there are faults, a future goes on to the same time and a
//! *grace* more, and is judged there. To its end would be too long, because many failures are certain to
//! happen at some time or other, and the question is about this one; and no grace would be too short, because
//! what is certain to be noticed is not certain to be noticed at the same microsecond. If the run fails when
//! faults have ended, a future goes on to its own end.

use kvpaxos::{Micros, Time};

use crate::engine::{Fork, Seeded};
use crate::explain::Future;
use crate::invariants::{EventLines, Trace, Violation};
use crate::subject::Subject;
use crate::world::report::caught;
use crate::world::scenario::{self, End, Manner, Recording, Scenario};
use crate::world::setup::{Setup, SetupError};
use crate::world::state::World;

/// Where a run comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The seed of a setup.
    Seed(Box<Setup>),
    /// A scenario.
    Scenario(Box<Scenario>),
}

/// A run that violates a property, as what its futures are compared with.
#[derive(Clone, Debug)]
pub struct FailingRun {
    /// Where it comes from.
    pub origin: Origin,
    /// What it violates.
    pub violation: Violation,
    /// How many events it has.
    pub events: u64,
    /// When a future is judged; `None` if it goes on to its own end.
    pub horizon: Option<Time>,
    manner: Manner,
}

impl FailingRun {
    /// How long a future goes on after the time of the violation by default.
    pub const GRACE: Micros = Micros(100_000);

    /// The run of this origin that was recorded. `None` if it violates nothing.
    #[must_use]
    pub fn new(origin: Origin, recording: &Recording, grace: Micros) -> Option<FailingRun> {
        let violation = recording.report.violation.clone()?;
        let horizon = match recording.scenario.end {
            End::Stop(_) => Some(violation.at.after(grace)),
            End::Heal(_) => None,
        };
        Some(FailingRun {
            origin,
            manner: Manner::of(&violation),
            violation,
            events: recording.report.counts.events,
            horizon,
        })
    }

    fn world<M: Subject>(&self, fork: Fork) -> Result<World<M>, SetupError> {
        match &self.origin {
            Origin::Seed(setup) => {
                let first = Box::new(Seeded::new(setup.seed));
                World::decided_by(Setup::clone(setup), fork.decider(first))
            }
            Origin::Scenario(scenario) => scenario::forked(scenario, fork),
        }
    }
}

/// Plays a future of a run.
///
/// # Panics
/// If the setup of the run is not valid: it was played before.
pub(crate) fn play_future<M: Subject>(run: &FailingRun, fork: Fork) -> Future {
    let mut world = run.world::<M>(fork).expect("the run was played");
    world.horizon = run.horizon;
    let played = match &run.origin {
        Origin::Seed(_) => caught(&mut world, World::play),
        Origin::Scenario(scenario) => caught(&mut world, |world| world.play_planned(scenario.end)),
    };
    match played {
        Ok(_) => Future::Holds,
        Err(violation) if Manner::of(&violation) == run.manner => Future::Fails,
        Err(_) => Future::FailsOtherwise,
    }
}

/// Plays a run again, and keeps the lines of these events.
///
/// # Panics
/// If the setup of the run is not valid: it was played before.
pub(crate) fn event_lines<M: Subject>(run: &FailingRun, events: &[u64]) -> EventLines {
    // There is no such event to fork after.
    let fork = Fork {
        after: u64::MAX,
        seed: 0,
    };
    let mut world = run.world::<M>(fork).expect("the run was played");
    world.trace(Trace::Events(EventLines::of(events.iter().copied())));
    let _ = match &run.origin {
        Origin::Seed(_) => caught(&mut world, World::play),
        Origin::Scenario(scenario) => caught(&mut world, |world| world.play_planned(scenario.end)),
    };
    match std::mem::take(&mut world.engine.observer.trace) {
        Trace::Events(lines) => lines,
        _ => EventLines::default(),
    }
}

impl<M: Subject> World<M> {
    /// Whether the run is to be judged now, before the end of the phase with faults.
    pub(super) fn is_at_horizon(&self) -> bool {
        self.healed_at.is_none() && self.horizon.is_some_and(|horizon| self.now() >= horizon)
    }

    /// What comes before an event.
    pub(super) fn begin_event(&mut self) {
        let handled = self.engine.counts().events;
        // Once faults have ended, the calls of the plan are what must be answered.
        if self.planned_events == Some(handled) && self.healed_at.is_none() {
            self.planned_events = None;
            self.engine.decider().set_handled(handled);
            self.nemesis.give_up_plan(&mut self.engine);
            let (clients, mut context) = self.context();
            clients.give_up_plan(&mut context);
        }
        let at = self.engine.next_at().unwrap_or_default();
        self.engine.observer.begin_event(handled + 1, at);
    }
}
