//! Finding a run that violates something, recording it, replaying it.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};

use kvpaxos::Time;

use super::read::{ScenarioError, read};
use super::scenario::{PlannedCall, Scenario};
use super::seam::{CallOf, Protocol, RequestOf};
use super::setup::Setup;
use super::world::World;
use crate::decisions::words::seconds;
use crate::decisions::{Decided, MessageName, NamingDecider, Record, Variation};
use crate::engine::{Counts, Decider};
use crate::parallel;
use crate::world::scenario::without_numbers;

/// The outcome of a run, with the scenario that repeats it.
pub struct Recording<P: Protocol> {
    /// What happened, as decisions.
    pub scenario: Scenario<RequestOf<P>>,
    /// What is wrong, if something is.
    pub violation: Option<Violation>,
    /// The calls of clients with their answers.
    pub calls: Vec<CallOf<P>>,
    /// How much was simulated.
    pub counts: Counts,
    /// The rolling digest over all events.
    pub digest: u64,
    /// When the messages were sent that are lost, repeated or unusually slow.
    pub(super) sent: BTreeMap<MessageName, Time>,
}

impl<P: Protocol> std::fmt::Debug for Recording<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("violation", &self.violation)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

impl<P: Protocol> Recording<P> {
    /// How large the run is, in words.
    #[must_use]
    pub fn size(&self) -> String {
        let Scenario {
            faults,
            calls,
            deviations,
            ..
        } = &self.scenario;
        format!(
            "{} calls, {} faults, {} disturbed messages, {} other decisions, {} events",
            calls.len(),
            faults.len(),
            deviations.fates.len(),
            deviations.syncs.len() + deviations.draws.len(),
            self.counts.events
        )
    }
}

/// Something that does not hold in a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When it was found.
    pub at: Time,
    /// What should hold: the same for all violations of a kind.
    pub says: String,
    /// The particulars.
    pub lines: Vec<String>,
}

impl Violation {
    /// What a smaller run must violate as well: what it says, without its numbers.
    pub(super) fn manner(&self) -> String {
        without_numbers(&self.says)
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "violated at {}: {}", seconds(self.at.0), self.says)?;
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Plays these seeds on all cores, and returns the lowest one whose run violates something.
#[must_use]
pub fn find<P: Protocol>(protocol: &P, seeds: Range<u64>) -> Option<Recording<P>> {
    let mut found: Option<u64> = None;
    let play = |seed| record(protocol, seed).violation.map(|_| seed);
    parallel::for_each(seeds, parallel::cores(), play, |seed| {
        // Every lower seed was begun before this one, and its result still comes.
        found = found.into_iter().chain(seed).min();
        match found {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    found.map(|seed| record(protocol, seed))
}

/// Plays the run of a seed, and writes down what was decided.
#[must_use]
pub fn record<P: Protocol>(protocol: &P, seed: u64) -> Recording<P> {
    let setup = protocol.setup().drawn(seed);
    let record = Record::default();
    let decider = Box::new(NamingDecider::of_seed(seed, record.clone()));
    let until = Time(0).after(setup.length);
    played(protocol, &setup, None, decider, &record, until)
}

/// Plays a scenario, as text.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn replay<P: Protocol>(protocol: &P, text: &str) -> Result<Recording<P>, ScenarioError> {
    Ok(play(protocol, &read(protocol, text)?))
}

/// Plays a scenario. The run must violate what the scenario says after `violates`, or nothing if it has no such line.
///
/// # Panics
/// If it does not, or if the text is no scenario.
pub fn assert_scenario<P: Protocol>(protocol: &P, text: &str) {
    let scenario = read(protocol, text).unwrap_or_else(|error| panic!("{error}"));
    let violation = play(protocol, &scenario).violation;
    let expected = scenario.violates.as_deref().map(without_numbers);
    match (&violation, &scenario.violates) {
        _ if violation.as_ref().map(Violation::manner) == expected => {}
        (Some(violation), _) => panic!("{violation}"),
        (None, expected) => panic!("nothing is violated, although the scenario says: {expected:?}"),
    }
}

/// A decider that decides as a scenario says.
pub(super) fn decider_of<Q>(scenario: &Scenario<Q>, record: Record) -> NamingDecider {
    let Scenario {
        deviations,
        variation,
        ..
    } = scenario;
    NamingDecider::of_scenario(scenario.setup.seed, deviations.clone(), variation.clone(), record)
}

/// Plays a scenario.
pub(super) fn play<P: Protocol>(protocol: &P, scenario: &Scenario<RequestOf<P>>) -> Recording<P> {
    let record = Record::default();
    let decider = decider_of(scenario, record.clone());
    let (setup, until) = (&scenario.setup, scenario.stop);
    played(protocol, setup, Some(scenario), Box::new(decider), &record, until)
}

fn played<P: Protocol>(
    protocol: &P,
    setup: &Setup,
    scenario: Option<&Scenario<RequestOf<P>>>,
    decider: Box<dyn Decider + Send>,
    record: &Record,
    until: Time,
) -> Recording<P> {
    let mut world = World::new(protocol, setup, scenario, decider);
    let violation = judged(&mut world, until);
    let now = world.engine.now();
    let Decided { deviations, sent } = record.take();
    let calls = world.calls.iter().map(|call| PlannedCall {
        client: call.client,
        at: call.at,
        to: call.to,
        request: call.request.clone(),
    });
    let scenario = Scenario {
        protocol: P::NAME.to_owned(),
        violates: violation.as_ref().map(|violation| violation.says.clone()),
        setup: setup.planned(),
        stop: now,
        faults: world.nemesis.begun.clone(),
        calls: calls.collect(),
        deviations,
        variation: Variation::default(),
    };
    Recording {
        scenario,
        violation,
        counts: world.engine.counts(),
        digest: world.engine.digest(),
        calls: world.calls,
        sent,
    }
}

/// Plays a world, and says what is wrong. A panic of a machine or a check is a violation.
pub(super) fn judged<P: Protocol>(world: &mut World<'_, P>, until: Time) -> Option<Violation> {
    let outcome = catch_unwind(AssertUnwindSafe(|| world.play(until))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
        Err(text.unwrap_or_else(|| "a panic without a message".to_owned()))
    });
    let text = outcome.err()?;
    let mut lines = text.lines().map(str::to_owned);
    Some(Violation {
        at: world.engine.now(),
        says: lines.next().unwrap_or_default(),
        lines: lines.collect(),
    })
}
