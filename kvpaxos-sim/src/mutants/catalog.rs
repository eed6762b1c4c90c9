//! The mutants made at a replica's boundary, and the hunt that shows whether the checks find them.

use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use kvpaxos::{Replica, Time};

use crate::engine::Decider;
use crate::explain::{self, Explanation, Plan};
use crate::invariants::{EventLines, Trace, Violation};
use crate::parallel;
use crate::subject::{Mutated, MutatedReplica, Mutation};
use crate::world::guided::{self, Guided, Lineage};
use crate::world::scenario::{self, Pictured, Recording, Scenario};
use crate::world::{FailingRun, Origin, Player, Setup, SetupError, event_lines, play_future, run};

use super::acceptors::{
    AmnesiacVoter, ForgetfulAcceptor, HastySender, OneBallot, PartialPromise, VectorlessVoter,
};
use super::disks::{CutPromise, StaleEntries};
use super::learners::{MisplacedAnswer, UnhelpfulLearner};
use super::proposers::{CarelessCandidate, ClockLease, OneVoteForTwo, UnconfirmedRead};

/// A mutant made at a replica's boundary.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// The number of the bug that it stands for in the [table](crate::mutants#bugs-that-real-systems-had), if
    /// it stands for one.
    pub bug: Option<u8>,
    /// The name by which `kvpaxos-sim mutants` and its table call it.
    pub name: &'static str,
    /// What it does wrong, in a few words.
    pub says: &'static str,
    mutated: Mutated,
    play: Player,
}

const fn mutant<F: Mutation + Default + 'static>(
    bug: Option<u8>,
    name: &'static str,
    says: &'static str,
) -> Mutant {
    Mutant {
        bug,
        name,
        says,
        mutated: Mutated::by::<F>(),
        play: |setup, trace| run::<MutatedReplica>(made(setup, Mutated::by::<F>()), trace),
    }
}

/// The setup with mutants in the place of replicas.
fn made(setup: Setup, mutated: Mutated) -> Setup {
    Setup {
        mutated: Some(mutated),
        ..setup
    }
}

/// The scenario with mutants in the place of replicas.
fn made_of(scenario: &Scenario, mutated: Mutated) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.setup.mutated = Some(mutated);
    scenario
}

/// All mutants made at a replica's boundary.
pub const MUTANTS: [Mutant; 14] = [
    mutant::<HastySender>(
        Some(1),
        "hasty-sender",
        "a promise or a vote is sent before it is durable",
    ),
    mutant::<AmnesiacVoter>(
        Some(2),
        "amnesiac-voter",
        "an acceptor that lost its memory votes as if it were new",
    ),
    mutant::<VectorlessVoter>(
        Some(3),
        "vectorless-voter",
        "votes carry no crash vector, so that votes of lives that are over count",
    ),
    mutant::<CarelessCandidate>(
        Some(4),
        "careless-candidate",
        "a promise for an old ballot counts in a new one",
    ),
    mutant::<PartialPromise>(
        Some(5),
        "partial-promise",
        "a promise leaves out slots that were already chosen",
    ),
    mutant::<CutPromise>(Some(6), "cut-promise", "the promise is lost when the log is cut"),
    mutant::<OneBallot>(
        Some(7),
        "one-ballot",
        "promised and accepted ballot are one variable",
    ),
    mutant::<OneVoteForTwo>(Some(8), "one-vote-for-two", "chosen by one vote too few"),
    mutant::<StaleEntries>(
        Some(9),
        "stale-entries",
        "a log that catches up keeps stale entries in the same slots",
    ),
    mutant::<UnconfirmedRead>(Some(11), "unconfirmed-read", "a deposed leader answers a read"),
    mutant::<ClockLease>(
        Some(19),
        "clock-lease",
        "a leader serves reads under a lease that trusts its clock",
    ),
    mutant::<UnhelpfulLearner>(
        Some(20),
        "unhelpful-learner",
        "a replica that has cut its log does not help one that lags behind",
    ),
    mutant::<ForgetfulAcceptor>(
        None,
        "forgetful-acceptor",
        "an acceptor forgets its promises at a restart",
    ),
    mutant::<MisplacedAnswer>(
        None,
        "misplaced-answer",
        "a write is acknowledged at a place in the log that holds something else",
    ),
];

impl Mutant {
    /// The mutant of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutant> {
        MUTANTS.into_iter().find(|mutant| mutant.name == name)
    }

    /// Plays a setup in which every replica is this mutant. Returns the first violation.
    #[must_use]
    pub fn play(&self, setup: Setup) -> Option<Violation> {
        (self.play)(setup, Trace::Off).violation
    }

    /// Plays a run of a guided sweep.
    #[must_use]
    pub fn play_lineage(&self, lineage: &Lineage) -> Guided {
        guided::play::<MutatedReplica>(lineage, Some(self.mutated), Trace::Off)
    }
}

/// Why a scenario cannot be played.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its mutant is not known.
    #[error("there is no mutant {0:?}; `kvpaxos-sim mutants --list` names all")]
    NoSuchMutant(String),
    /// Its setup is not valid.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// What plays a setup with replicas or with a mutant in their place, for a [sweep](crate::world::Sweep).
#[must_use]
pub fn player(mutant: Option<Mutant>) -> Player {
    mutant.map_or(run::<Replica>, |mutant| mutant.play)
}

/// Plays the setup, decided by its seed, with replicas or with a mutant in their place, and writes down what
/// was decided.
///
/// # Errors
/// If the setup is not valid.
pub fn record(setup: Setup, mutant: Option<Mutant>) -> Result<Recording, SetupError> {
    let Some(mutant) = mutant else {
        return scenario::record::<Replica>(setup);
    };
    let mut recording = scenario::record::<MutatedReplica>(made(setup, mutant.mutated))?;
    recording.scenario.mutant = Some(mutant.name.to_owned());
    Ok(recording)
}

/// Plays a scenario, with the mutant that it names in the place of the replicas.
///
/// # Errors
/// If there is no such mutant, or the setup is not valid.
pub fn replay(scenario: &Scenario, trace: Trace) -> Result<Recording, ReplayError> {
    let Some(name) = &scenario.mutant else {
        return Ok(scenario::play::<Replica>(scenario, trace)?);
    };
    let mutant = Mutant::named(name).ok_or_else(|| ReplayError::NoSuchMutant(name.clone()))?;
    Ok(scenario::play::<MutatedReplica>(
        &made_of(scenario, mutant.mutated),
        trace,
    )?)
}

/// Like [`record`], with a timeline of the run.
///
/// # Errors
/// If the setup is not valid.
pub fn record_pictured(setup: Setup, mutant: Option<Mutant>) -> Result<Pictured, SetupError> {
    let Some(mutant) = mutant else {
        return scenario::record_pictured::<Replica>(setup);
    };
    let mut pictured = scenario::record_pictured::<MutatedReplica>(made(setup, mutant.mutated))?;
    let scenario = &mut pictured.recording.scenario;
    scenario.mutant = Some(mutant.name.to_owned());
    pictured.timeline.title += &format!(", mutant {}", mutant.name);
    pictured.timeline.scenario = Some(scenario.to_string());
    Ok(pictured)
}

/// Like [`replay`], with a timeline of the run.
///
/// # Errors
/// If there is no such mutant, or the setup is not valid.
pub fn replay_pictured(scenario: &Scenario) -> Result<Pictured, ReplayError> {
    let Some(name) = &scenario.mutant else {
        return Ok(scenario::play_pictured::<Replica>(scenario)?);
    };
    let mutant = Mutant::named(name).ok_or_else(|| ReplayError::NoSuchMutant(name.clone()))?;
    Ok(scenario::play_pictured::<MutatedReplica>(&made_of(
        scenario,
        mutant.mutated,
    ))?)
}

/// Plays the setup, decided by this decider, up to a time, and writes down what was decided. See
/// [`scenario::record_decided`].
///
/// # Errors
/// If the setup is not valid.
pub fn record_decided(
    setup: Setup,
    mutant: Option<Mutant>,
    decider: Box<dyn Decider + Send>,
    until: Time,
) -> Result<Recording, SetupError> {
    let Some(mutant) = mutant else {
        return scenario::record_decided::<Replica>(setup, decider, until);
    };
    let setup = made(setup, mutant.mutated);
    let mut recording = scenario::record_decided::<MutatedReplica>(setup, decider, until)?;
    recording.scenario.mutant = Some(mutant.name.to_owned());
    Ok(recording)
}

/// Looks for the event after which the failure of a run was likely, and the one after which it was certain.
/// `progress` gets the number of futures played so far.
///
/// # Panics
/// If the run is another one than that of this mutant.
pub fn explain(
    run: &FailingRun,
    mutant: Option<Mutant>,
    plan: &Plan,
    progress: impl FnMut(u64),
) -> Explanation {
    match mutant {
        Some(mutant) => {
            let run = &with_mutants(run, mutant.mutated);
            explain::explain(
                run.events,
                plan,
                |fork| play_future::<MutatedReplica>(run, fork),
                progress,
            )
        }
        None => explain::explain(
            run.events,
            plan,
            |fork| play_future::<Replica>(run, fork),
            progress,
        ),
    }
}

/// The failing run with mutants in the place of replicas.
fn with_mutants(run: &FailingRun, mutated: Mutated) -> FailingRun {
    let mut run = run.clone();
    match &mut run.origin {
        Origin::Seed(setup) => setup.mutated = Some(mutated),
        Origin::Scenario(scenario) => scenario.setup.mutated = Some(mutated),
    }
    run
}

/// The lines of the trace of some events of a run.
#[must_use]
pub fn lines_of_events(run: &FailingRun, mutant: Option<Mutant>, events: &[u64]) -> EventLines {
    match mutant {
        Some(mutant) => event_lines::<MutatedReplica>(&with_mutants(run, mutant.mutated), events),
        None => event_lines::<Replica>(run, events),
    }
}

/// Plays a scenario in a test, and checks that it violates the property that it says, or none if it says none.
///
/// # Panics
/// If the text is no scenario, or the run does not do what the scenario says.
pub fn assert_scenario(text: &str) {
    let scenario = Scenario::read(text).unwrap_or_else(|why| panic!("it is no scenario: {why}"));
    let recording = replay(&scenario, Trace::Off).unwrap_or_else(|why| panic!("it cannot be played: {why}"));
    let violation = recording.report.violation;
    let found = violation.as_ref().map(|violation| violation.property);
    assert!(
        found == scenario.violates,
        "{}",
        match (&violation, scenario.violates) {
            (Some(violation), _) => violation.to_string(),
            (None, Some(property)) => format!("it says that it violates {property}, and everything held"),
            (None, None) => String::new(),
        }
    );
}

/// The result of a hunt.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The violation with the lowest seed, if any seed found the mutant.
    pub caught: Option<Violation>,
    /// How long it took.
    pub took: Duration,
}

/// Plays seeds in ascending order, on `jobs` threads, until the checks find the mutant.
#[must_use]
pub fn hunt(mutant: Mutant, seeds: Range<u64>, jobs: usize) -> Hunt {
    let began = Instant::now();
    let mut caught: Option<Violation> = None;
    parallel::for_each(
        seeds,
        jobs,
        |seed| mutant.play(Setup::drawn(seed)),
        |violation| {
            let Some(violation) = violation else {
                return ControlFlow::Continue(());
            };
            // Seeds that were begun before this one end may still find the mutant at a lower seed.
            if caught.as_ref().is_none_or(|other| violation.seed < other.seed) {
                caught = Some(violation);
            }
            ControlFlow::Break(())
        },
    );
    Hunt {
        caught,
        took: began.elapsed(),
    }
}
