//! The outcome of a run, for people and for programs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kvpaxos::{Micros, Replica};
use serde::Serialize;

use crate::engine::Counts;
use crate::engine::Traffic;
use crate::invariants::{Coverage, Property, ProtocolCounts, Trace, Violation};
use crate::subject::Subject;
use crate::world::World;
use crate::world::clients::OperationCounts;
use crate::world::nemesis::FaultCounts;
use crate::world::phases::Phases;
use crate::world::setup::Setup;

/// The outcome of one seed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The setup that was played.
    pub setup: Setup,
    /// The rolling digest over all events, in hexadecimal.
    pub digest: String,
    /// How much was simulated.
    pub counts: Counts,
    /// What the replicas did.
    pub protocol: ProtocolCounts,
    /// How many operations ended, and how.
    pub operations: OperationCounts,
    /// What the network did with messages.
    pub traffic: Traffic,
    /// How many faults of each kind began.
    pub faults: FaultCounts,
    /// How often each situation occurred that should occur in some runs.
    pub coverage: Coverage,
    /// How long the phases took; `None` if the run ended early.
    pub phases: Option<Phases>,
    /// The simulated time.
    pub simulated: Micros,
    /// The longest time that a completed operation took.
    pub slowest: Micros,
    /// Keys that could not be judged within the budget.
    pub undecided: u64,
    /// Keys whose revisions alone did not decide, because operations have unknown outcomes.
    pub unwitnessed: u64,
    /// The violation, if a property does not hold.
    pub violation: Option<Violation>,
}

/// Plays the setup that a seed draws.
#[must_use]
pub fn run_seed(seed: u64, trace: Trace) -> Report {
    run::<Replica>(Setup::drawn(seed), trace)
}

/// Plays a setup.
///
/// # Panics
/// If the setup is not valid: call [`Setup::check`] first.
#[must_use]
pub fn run<M: Subject>(setup: Setup, trace: Trace) -> Report {
    let mut world = World::<M>::of(setup).expect("the setup was checked");
    world.trace(trace);
    let played = caught(&mut world, World::play);
    world.report(played)
}

/// Plays a world. A panic of a machine becomes a violation.
pub(crate) fn caught<M: Subject, T>(
    world: &mut World<M>,
    play: impl FnOnce(&mut World<M>) -> Result<T, Violation>,
) -> Result<T, Violation> {
    let played = catch_unwind(AssertUnwindSafe(|| play(world)));
    played.unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()))
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Err(Violation {
            property: Property::Assertion,
            seed: world.setup.seed,
            at: world.now(),
            explanation: what,
            history: world.traced(),
        })
    })
}

impl<M: Subject> World<M> {
    /// The report of a run that was played.
    pub fn report(&self, played: Result<Phases, Violation>) -> Report {
        Report {
            setup: self.setup.clone(),
            digest: format!("{:016x}", self.digest()),
            counts: self.engine.counts(),
            protocol: self.engine.observer.protocol,
            operations: self.clients.operations,
            traffic: self.engine.network.traffic,
            faults: self.nemesis.counts.clone(),
            coverage: self.engine.observer.coverage.clone(),
            phases: played.as_ref().ok().copied(),
            simulated: Micros(self.now().0),
            slowest: self.clients.slowest,
            undecided: self.recorder.undecided(),
            unwitnessed: self.recorder.unwitnessed(),
            violation: played.err(),
        }
    }

    /// The rolling digest over all events so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.engine.digest()
    }
}
