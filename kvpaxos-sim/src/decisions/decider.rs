//! A decider that names each decision, and writes down those that differ from the default.
//!
//! The default is: every message arrives once, after the median of its link's delays; every sync takes the
//! median of its disk's latencies; every other draw is its first possible answer. Random bits come from the
//! seed in any case.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kvpaxos::{ReplicaId, Time};

use super::names::{Draw, DrawName, MessageName, SyncName, owner};
use super::variation::{Variation, Varying, anchors};
use crate::engine::{Choice, Decider, Fate, Range, Seeded, Sending, Table};
use crate::hashing::BuildQuick;

/// Decisions that differ from the default, by their names.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Deviations {
    /// What the network does with messages.
    pub fates: BTreeMap<MessageName, Fate>,
    /// How long syncs take, in microseconds.
    pub syncs: BTreeMap<SyncName, u64>,
    /// Other draws.
    pub draws: BTreeMap<DrawName, u64>,
}

impl Deviations {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fates.len() + self.syncs.len() + self.draws.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Names the disturbed messages of a scenario by the times at which they were `sent`, and no longer by their names. Returns
/// whether there are any.
pub(crate) fn name_by_time(
    deviations: &mut Deviations,
    variation: &mut Variation,
    sent: &BTreeMap<MessageName, Time>,
) -> bool {
    let fates = std::mem::take(&mut deviations.fates);
    variation.anchors = anchors(&fates, sent, Time(0), |at| at);
    !variation.anchors.is_empty()
}

/// What has been decided in a world.
#[derive(Default)]
pub(crate) struct Decided {
    pub(crate) deviations: Deviations,
    /// When the messages among the deviations were sent.
    pub(crate) sent: BTreeMap<MessageName, Time>,
}

/// What has been decided in a world, shared between the world's decider and its owner.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Decided>>);

impl Record {
    fn note(&self, note: impl FnOnce(&mut Decided)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes what has been written down so far.
    pub(crate) fn take(&self) -> Decided {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who decides.
enum Source {
    /// Another decider decides everything.
    Other(Box<dyn Decider + Send>),
    /// A scenario decides what it names; the rest varies, or is the default. Random bits come from a seed.
    Scenario(Box<Seeded>, Deviations, Box<Varying>),
}

/// See the module.
pub(crate) struct NamingDecider {
    source: Source,
    fault: Option<u32>,
    counts: Counts,
    record: Record,
}

/// How often each name has occurred, without its count.
#[derive(Default)]
struct Counts {
    messages: HashMap<MessageName, u32, BuildQuick>,
    syncs: HashMap<ReplicaId, u32, BuildQuick>,
    draws: HashMap<DrawName, u32, BuildQuick>,
}

impl NamingDecider {
    /// A decider that draws everything from a seed.
    pub(crate) fn of_seed(seed: u64, record: Record) -> NamingDecider {
        NamingDecider::of_decider(Box::new(Seeded::new(seed)), record)
    }

    /// A decider that asks another one.
    pub(crate) fn of_decider(decider: Box<dyn Decider + Send>, record: Record) -> NamingDecider {
        NamingDecider::new(Source::Other(decider), record)
    }

    /// A decider that takes these deviations from the default.
    pub(crate) fn of_scenario(
        seed: u64,
        deviations: Deviations,
        variation: Variation,
        record: Record,
    ) -> NamingDecider {
        let seeded = Box::new(Seeded::new(seed));
        let varying = Box::new(Varying::new(variation));
        NamingDecider::new(Source::Scenario(seeded, deviations, varying), record)
    }

    fn new(source: Source, record: Record) -> NamingDecider {
        NamingDecider {
            source,
            fault: None,
            counts: Counts::default(),
            record,
        }
    }

    /// The decider that answers what a scenario cannot name.
    fn unnamed(&mut self) -> &mut dyn Decider {
        match &mut self.source {
            Source::Other(decider) => &mut **decider,
            Source::Scenario(seeded, ..) => &mut **seeded,
        }
    }
}

fn count<N: Copy + Eq + std::hash::Hash>(of: &mut HashMap<N, u32, BuildQuick>, name: N) -> u32 {
    let count = of.entry(name).or_insert(0);
    *count += 1;
    *count
}

/// The default length of what a table describes.
fn usual(table: &Table) -> u64 {
    table.at(Table::POINTS / 2)
}

impl Decider for NamingDecider {
    fn decide(&mut self, choice: &Choice<'_>) -> u64 {
        let Some(what) = Draw::of(choice) else {
            return self.unnamed().decide(choice);
        };
        let mut name = DrawName {
            fault: self.fault,
            id: owner(choice.stream),
            what,
            count: 0,
        };
        name.count = count(&mut self.counts.draws, name);
        let default = match choice.range {
            _ if what == Draw::LogNumber => None,
            Range::Spread(table) => Some(usual(table)),
            _ => Some(0),
        };
        let answer = match &mut self.source {
            Source::Other(_) => None,
            Source::Scenario(_, deviations, varying) => {
                let named = deviations.draws.get(&name).copied();
                let answer = named.or_else(|| varying.decide(choice)).or(default);
                answer.map(|answer| within(choice.range, answer))
            }
        };
        let answer = answer.unwrap_or_else(|| self.unnamed().decide(choice));
        // The first log of a replica has the same number in any case.
        let is_first_log = what == Draw::LogNumber && name.count == 1 && self.fault.is_none();
        if Some(answer) != default && !is_first_log {
            self.record
                .note(|record| _ = record.deviations.draws.insert(name, answer));
        }
        answer
    }

    fn fate(&mut self, sending: &Sending<'_>) -> Fate {
        let mut name = MessageName {
            from: sending.from,
            to: sending.to,
            label: sending.label,
            count: 0,
        };
        name.count = count(&mut self.counts.messages, name);
        let default = Fate::Arrives(usual(&sending.profile.delay));
        let fate = match &mut self.source {
            Source::Other(decider) => decider.fate(sending),
            Source::Scenario(_, deviations, varying) => {
                let named = deviations.fates.get(&name).copied();
                match named.or_else(|| varying.fate(sending)).unwrap_or(default) {
                    // A connection duplicates nothing.
                    Fate::ArrivesTwice(first, _) if sending.connected => Fate::Arrives(first),
                    fate => fate,
                }
            }
        };
        if fate != default {
            self.record.note(|record| {
                record.deviations.fates.insert(name, fate);
                record.sent.insert(name, sending.at);
            });
        }
        fate
    }

    fn sync(&mut self, id: ReplicaId, latency: &Table) -> u64 {
        let count = count(&mut self.counts.syncs, id);
        let name = SyncName { id, count };
        let default = usual(latency);
        let length = match &mut self.source {
            Source::Other(decider) => decider.sync(id, latency),
            Source::Scenario(_, deviations, varying) => {
                let named = deviations.syncs.get(&name).copied();
                named.or_else(|| varying.sync(id)).unwrap_or(default)
            }
        };
        if length != default {
            self.record
                .note(|record| _ = record.deviations.syncs.insert(name, length));
        }
        length
    }

    fn set_fault(&mut self, fault: Option<u32>) {
        self.fault = fault;
        self.unnamed().set_fault(fault);
    }

    fn set_handled(&mut self, events: u64) {
        self.unnamed().set_handled(events);
    }
}

/// The possible answer that is nearest to this one. A scenario that was changed may name an answer that is not
/// possible any more, such as the seventh of five writes.
fn within(range: Range<'_>, answer: u64) -> u64 {
    match range {
        Range::Chance(_) => answer.min(1),
        Range::Below(bound) => answer.min(bound.saturating_sub(1)),
        Range::Weighted(weights) => {
            let last = weights.len().saturating_sub(1);
            let index = usize::try_from(answer).unwrap_or(last).min(last);
            let possible = |index: &usize| weights[*index] > 0;
            let down = (0..=index).rev().find(possible);
            down.or_else(|| (index..=last).find(possible)).unwrap_or(0) as u64
        }
        Range::Spread(_) | Range::Bits => answer,
    }
}
