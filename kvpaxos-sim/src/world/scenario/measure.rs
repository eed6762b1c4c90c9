//! How a scenario violates its property, and how large it is.

use std::collections::BTreeSet;
use std::fmt;

use kvpaxos::Quorums;

use super::play::Recording;
use super::shrink::passes::links;
use super::{End, settings, words};
use crate::invariants::{Finding, Property, Violation};
use crate::shrinking::Cost;
use crate::world::phases::{DISAGREE, is_unfairness};
use crate::world::setup::Cluster;

/// How a property is violated: a smaller scenario must do it in the same manner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manner {
    property: Property,
    /// For assertions and the contract of `step`, which are many: what is asserted, without the numbers. For S4: whether
    /// requests are not answered, or replicas do not come to agree.
    says: Option<String>,
}

impl Manner {
    /// The manner of a violation.
    #[must_use]
    pub fn of(violation: &Violation) -> Manner {
        Manner::new(violation.property, &violation.explanation)
    }

    /// The manner of a finding.
    #[must_use]
    pub(crate) fn of_finding(finding: &Finding) -> Manner {
        Manner::new(finding.property, &finding.explanation)
    }

    fn new(property: Property, explanation: &str) -> Manner {
        let says = match property {
            Property::Assertion | Property::Contract => Some(without_numbers(explanation)),
            Property::S4 if explanation.contains(DISAGREE) => Some(DISAGREE.to_owned()),
            _ => None,
        };
        Manner { property, says }
    }
}

/// Whether a run with this violation can be recorded and played again: all can, except where clients are served
/// unfairly. That is counted over what the clients of a seed draw once they have been served, and a scenario
/// holds the calls themselves.
#[must_use]
pub fn is_replayable(violation: &Violation) -> bool {
    !is_unfairness(violation)
}

pub(crate) fn without_numbers(text: &str) -> String {
    let mut shape = String::new();
    for letter in text.chars() {
        if !letter.is_ascii_digit() {
            shape.push(letter);
        } else if !shape.ends_with('#') {
            shape.push('#');
        }
    }
    shape
}

/// How large a scenario is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Size {
    /// Faults.
    pub faults: usize,
    /// Messages that are lost, repeated or unusually slow.
    pub messages: usize,
    /// Syncs that take an unusual time, and other draws.
    pub others: usize,
    /// Calls of clients.
    pub calls: usize,
    /// Clients that make calls.
    pub clients: usize,
    /// Settings that differ from the default.
    pub settings: usize,
    /// Events until the violation.
    pub events: u64,
}

impl Size {
    /// The size of a run.
    #[must_use]
    pub fn of(recording: &Recording) -> Size {
        let scenario = &recording.scenario;
        let clients: BTreeSet<u32> = scenario.calls.iter().map(|call| call.client).collect();
        Size {
            faults: scenario.faults.len(),
            messages: scenario.deviations.fates.len(),
            others: scenario.deviations.syncs.len() + scenario.deviations.draws.len(),
            calls: scenario.calls.len(),
            clients: clients.len(),
            settings: settings::lines(&scenario.setup).len(),
            events: recording.report.counts.events,
        }
    }

    /// How many decisions it holds.
    #[must_use]
    pub fn decisions(&self) -> usize {
        self.faults + self.messages + self.others + self.calls
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size {
            faults,
            messages,
            others,
            calls,
            clients,
            events,
            ..
        } = self;
        write!(
            f,
            "{faults} faults, {messages} disturbed messages, {others} other decisions, {calls} calls of {clients} \
             clients, {events} events"
        )
    }
}

/// What the search makes smaller: first the number of decisions, then the settings with the replicas and clients, then
/// the calls and the links that are cut, then the time. A run takes as long as its events, and each decision is to be left out.
pub(super) fn cost(recording: &Recording) -> Cost {
    let size = Size::of(recording);
    let scenario = &recording.scenario;
    let calls = scenario
        .calls
        .iter()
        .map(|call| words::call_words(&call.call).len());
    let (End::Stop(end) | End::Heal(end)) = scenario.end;
    let Cluster {
        replicas, quorums, ..
    } = scenario.setup.cluster;
    let is_majority = quorums == Quorums::majority(replicas);
    let settings = settings::paths(&scenario.setup);
    // A smaller cluster is smaller, though the setting needs lines.
    let counts = |path: &&String| {
        let path = path.as_str();
        !(path == "cluster.replicas" || is_majority && path.starts_with("cluster.quorums."))
    };
    let settings = settings.iter().filter(counts).count() + replicas;
    let settings = settings as u64 + u64::from(scenario.setup.clients.count);
    let decisions = size.decisions() as u64;
    let faults = scenario.faults.iter();
    let links = faults.filter_map(|fault| links(&fault.fault)).map(Vec::len);
    let words = calls.sum::<usize>() + links.sum::<usize>();
    Cost {
        parts: [decisions, settings, words as u64, end.0],
        weight: size.events + decisions,
    }
}
