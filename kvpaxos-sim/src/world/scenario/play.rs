//! Recording a run as a scenario, and playing a scenario.

use std::collections::BTreeMap;

use kvpaxos::{Micros, Time};

use super::timeline::{Pictured, pictured};
use super::{End, Scenario};
use crate::decisions::{Decided, MessageName, NamingDecider, Record, Variation};
use crate::engine::{Decider, Fork};
use crate::invariants::{Trace, Violation};
use crate::subject::Subject;
use crate::world::nemesis::Nemesis;
use crate::world::phases::Phases;
use crate::world::report::{Report, caught};
use crate::world::setup::{Faults, Setup, SetupError};
use crate::world::state::World;

/// The outcome of a run, with the scenario that repeats it.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What happened, as decisions: those that did not occur are not in it.
    pub scenario: Scenario,
    /// The report of the run.
    pub report: Report,
    /// When the messages were sent that are lost, repeated or unusually slow.
    pub(super) sent: BTreeMap<MessageName, Time>,
}

/// Plays the setup, decided by its seed, and writes down what was decided.
///
/// # Errors
/// If the setup is not valid.
pub fn record<M: Subject>(setup: Setup) -> Result<Recording, SetupError> {
    Ok(record_world::<M>(setup, false)?.1)
}

/// Like [`record`], with a timeline of the run.
///
/// # Errors
/// If the setup is not valid.
pub fn record_pictured<M: Subject>(setup: Setup) -> Result<Pictured, SetupError> {
    let (mut world, recording) = record_world::<M>(setup, true)?;
    Ok(pictured(&mut world, recording))
}

/// Plays the setup, decided by this decider, up to a time, and judges what happened until then: properties of
/// safety alone, because a decider may let nothing be answered. Random bits must come from the seed of the setup,
/// or the scenario repeats another run.
///
/// # Errors
/// If the setup is not valid.
pub fn record_decided<M: Subject>(
    setup: Setup,
    decider: Box<dyn Decider + Send>,
    until: Time,
) -> Result<Recording, SetupError> {
    let record = Record::default();
    let decider = NamingDecider::of_decider(decider, record.clone());
    let mut world = World::<M>::decided_by(setup, Box::new(decider))?;
    world.horizon = Some(until);
    let played = caught(&mut world, World::play);
    Ok(recording(&world, played, &record))
}

fn record_world<M: Subject>(setup: Setup, is_drawn: bool) -> Result<(World<M>, Recording), SetupError> {
    let record = Record::default();
    let decider = NamingDecider::of_seed(setup.seed, record.clone());
    let mut world = World::<M>::watched(setup, Box::new(decider), is_drawn)?;
    let played = caught(&mut world, World::play);
    let recording = recording(&world, played, &record);
    Ok((world, recording))
}

/// Plays a scenario, whatever mutant it names. [`mutants::replay`](crate::mutants::replay) plays the mutant.
///
/// # Errors
/// If its setup is not valid.
pub fn play<M: Subject>(scenario: &Scenario, trace: Trace) -> Result<Recording, SetupError> {
    Ok(play_world::<M>(scenario, trace, false)?.1)
}

/// Like [`play`], with a timeline of the run.
///
/// # Errors
/// If its setup is not valid.
pub fn play_pictured<M: Subject>(scenario: &Scenario) -> Result<Pictured, SetupError> {
    let (mut world, recording) = play_world::<M>(scenario, Trace::Off, true)?;
    Ok(pictured(&mut world, recording))
}

fn play_world<M: Subject>(
    scenario: &Scenario,
    trace: Trace,
    is_drawn: bool,
) -> Result<(World<M>, Recording), SetupError> {
    let record = Record::default();
    let decider = decider(scenario, &record);
    let mut world = World::<M>::watched(scenario.setup.clone(), Box::new(decider), is_drawn)?;
    world.nemesis = Nemesis::planned(&scenario.setup, scenario.faults.clone());
    world.clients.plan(&scenario.calls);
    world.trace(trace);
    let end = scenario.end;
    let played = caught(&mut world, |world| world.play_planned(end));
    let mut recording = recording(&world, played, &record);
    recording.scenario.mutant.clone_from(&scenario.mutant);
    Ok((world, recording))
}

/// A decider that takes what a scenario says from it.
fn decider(scenario: &Scenario, record: &Record) -> NamingDecider {
    NamingDecider::of_scenario(
        scenario.setup.seed,
        scenario.deviations.clone(),
        scenario.variation.clone(),
        record.clone(),
    )
}

/// A world in which a scenario is played up to an event, and drawn from there on.
///
/// # Errors
/// If its setup is not valid.
pub(in crate::world) fn forked<M: Subject>(scenario: &Scenario, fork: Fork) -> Result<World<M>, SetupError> {
    let first = Box::new(decider(scenario, &Record::default()));
    let mut world = World::<M>::decided_by(scenario.setup.clone(), fork.decider(first))?;
    if fork.after > 0 {
        world.nemesis = Nemesis::planned(&scenario.setup, scenario.faults.clone());
        world.clients.plan(&scenario.calls);
        world.planned_events = Some(fork.after);
    }
    Ok(world)
}

impl<M: Subject> World<M> {
    pub(in crate::world) fn play_planned(&mut self, end: End) -> Result<Phases, Violation> {
        let mut phases = Phases::default();
        self.start_clients();
        self.start_faults();
        match end {
            End::Stop(at) => {
                // What happens at that time still counts.
                self.run_for(Micros(at.0 + 1));
                if let Some(horizon) = self.horizon.filter(|horizon| *horizon > self.now()) {
                    self.run_for(Micros(horizon.0 - self.now().0));
                }
                self.verdict()?;
            }
            End::Heal(at) => {
                self.run_for(Micros(at.0));
                self.check_findings()?;
                if self.is_at_horizon() {
                    self.verdict()?;
                    return Ok(phases);
                }
                self.play_healing(&mut phases)?;
            }
        }
        Ok(phases)
    }
}

/// What has happened in a world, as a scenario.
fn recording<M: Subject>(world: &World<M>, played: Result<Phases, Violation>, record: &Record) -> Recording {
    let report = world.report(played);
    let end = match world.healed_at {
        Some(at) => End::Heal(at),
        None => End::Stop(world.now()),
    };
    let setup = Setup {
        // A scenario holds the faults themselves and the name of the mutant, and ends when it says.
        mutated: None,
        length: Setup::quiet(0).length,
        faults: Faults {
            weights: Vec::new(),
            moments: Vec::new(),
            ..world.setup.faults.clone()
        },
        ..world.setup.clone()
    };
    let Decided { deviations, sent } = record.take();
    let scenario = Scenario {
        mutant: None,
        violates: report.violation.as_ref().map(|violation| violation.property),
        setup,
        end,
        faults: world.nemesis.begun.clone(),
        calls: world.clients.begun.clone(),
        deviations,
        variation: Variation::default(),
    };
    Recording {
        scenario,
        report,
        sent,
    }
}
