//! The search for a smaller scenario that violates the same property in the same way.
//!
//! A candidate leaves something out, and is played. If it still violates the property, what it *recorded*
//! takes its place: faults that did not begin, calls that were not made, and decisions that were not asked
//! for are gone at once, because they cannot matter. So the search removes in bulk first (all slow syncs, all
//! delays, all disturbed heartbeats, all calls of a client), and then halves what is left until single items
//! remain, as delta debugging does (Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing
//! Input*, 2002).
//!
//! Nothing depends on the time that it takes: the same scenario shrinks to the same scenario.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kvpaxos::client::Call;
use kvpaxos::{Micros, Op, Query, Time};

use super::measure::{Manner, Size, cost};
use super::play::Recording;
use super::{End, Scenario, settings};
use crate::decisions::{Anchor, MessageName};
use crate::engine::Fate;
use crate::world::setup::Setup;

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
    /// Whether the search ended because nothing more can be left out, and not because it was stopped.
    pub is_complete: bool,
}

/// Makes a scenario smaller. `play` plays a candidate; `progress` gets the number of runs and
/// the best so far after each run, and may stop the search: the smallest scenario so far is kept. Returns `None` if the first scenario
/// violates nothing.
///
/// # Errors
/// The first error of `play`.
pub fn shrink<E>(
    first: Recording,
    play: impl FnMut(&Scenario) -> Result<Recording, E>,
    progress: impl FnMut(u64, Size, &Scenario) -> ControlFlow<()>,
) -> Result<Option<Shrinking>, E> {
    let Some(violation) = &first.report.violation else {
        return Ok(None);
    };
    let before = Size::of(&first);
    let mut search = Search {
        manner: Manner::of(violation),
        size: before,
        best: first,
        runs: 0,
        stopped: false,
        error: None,
        play,
        progress,
    };
    search.run();
    let Search {
        best,
        size,
        runs,
        stopped,
        error,
        ..
    } = search;
    match error {
        Some(error) => Err(error),
        None => Ok(Some(Shrinking {
            smallest: best,
            size,
            before,
            runs,
            is_complete: !stopped,
        })),
    }
}

/// How a candidate names the messages that are disturbed.
#[derive(Clone, Copy)]
enum Naming {
    AsRecorded,
    /// If that fails, also by the times at which they were sent.
    AlsoByTime,
}

struct Search<E, P, H> {
    manner: Manner,
    best: Recording,
    size: Size,
    runs: u64,
    stopped: bool,
    error: Option<E>,
    play: P,
    progress: H,
}

impl<E, P, H> Search<E, P, H>
where
    P: FnMut(&Scenario) -> Result<Recording, E>,
    H: FnMut(u64, Size, &Scenario) -> ControlFlow<()>,
{
    fn run(&mut self) {
        self.bulk();
        while !self.stopped {
            let before = (self.best.scenario.clone(), self.size.events);
            self.faults();
            self.calls();
            self.simplify_calls();
            self.bulk();
            self.deviations();
            self.settings();
            self.times();
            if (&self.best.scenario, self.size.events) == (&before.0, before.1) {
                return;
            }
        }
    }

    /// Plays a candidate. If it violates the property in the same manner, what it recorded becomes the best.
    fn attempt(&mut self, candidate: &Scenario) -> bool {
        if self.stopped || *candidate == self.best.scenario {
            return false;
        }
        self.runs += 1;
        let recording = match (self.play)(candidate) {
            Ok(recording) => recording,
            Err(error) => {
                self.error = Some(error);
                self.stopped = true;
                return false;
            }
        };
        let violation = recording.report.violation.as_ref();
        // Something must have become less, or the search would not end.
        let holds = violation.is_some_and(|violation| Manner::of(violation) == self.manner)
            && cost(&recording) < cost(&self.best);
        if holds {
            self.size = Size::of(&recording);
            self.best = recording;
        }
        self.stopped |= (self.progress)(self.runs, self.size, &self.best.scenario).is_break();
        holds
    }

    /// Attempts the best scenario with a change.
    fn attempt_with(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.scenario.clone();
        change(&mut candidate);
        self.attempt(&candidate)
    }

    /// Attempts the best scenario with a change of its calls or faults. Without a call other messages have
    /// its slot and the numbers of its requests. So if that fails, the disturbed messages are named by the
    /// times at which they were sent.
    fn attempt_anchored(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.scenario.clone();
        change(&mut candidate);
        if self.attempt(&candidate) {
            return true;
        }
        let fates = std::mem::take(&mut candidate.deviations.fates);
        let sent = &self.best.sent;
        let anchor = |(name, fate): (&MessageName, &Fate)| {
            let (name, fate, at) = (*name, *fate, *sent.get(name)?);
            Some(Anchor { name, at, fate })
        };
        candidate.anchors = fates.iter().filter_map(anchor).collect();
        candidate.anchors.sort_by_key(|anchor| anchor.at);
        !candidate.anchors.is_empty() && self.attempt(&candidate)
    }

    /// Attempts to leave out items, in chunks that become smaller and smaller.
    fn minimize<K: Ord + Clone>(
        &mut self,
        naming: Naming,
        keys: impl Fn(&Scenario) -> Vec<K>,
        remove: impl Fn(&mut Scenario, &BTreeSet<K>),
    ) {
        let mut size = keys(&self.best.scenario).len();
        while size > 0 && !self.stopped {
            let mut at = 0;
            loop {
                let all = keys(&self.best.scenario);
                let Some(rest) = all.get(at..).filter(|rest| !rest.is_empty()) else {
                    break;
                };
                let chunk: BTreeSet<K> = rest.iter().take(size).cloned().collect();
                let change = |scenario: &mut Scenario| remove(scenario, &chunk);
                let holds = match naming {
                    Naming::AsRecorded => self.attempt_with(change),
                    Naming::AlsoByTime => self.attempt_anchored(change),
                };
                if !holds {
                    at += size;
                }
                if self.stopped {
                    return;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// What can be left out all at once in most scenarios.
    fn bulk(&mut self) {
        self.attempt_with(|scenario| {
            scenario.deviations.syncs.clear();
            scenario.deviations.draws.clear();
            scenario.deviations.fates.clear();
        });
        self.attempt_with(|scenario| scenario.deviations.syncs.clear());
        self.attempt_with(|scenario| scenario.deviations.draws.clear());
        self.attempt_with(|scenario| {
            scenario
                .deviations
                .fates
                .retain(|_, fate| matches!(fate, Fate::Lost));
        });
        let kinds = |scenario: &Scenario| {
            let fates = scenario.deviations.fates.keys();
            let kinds: BTreeSet<&'static str> = fates.map(|name| name.label.kind).collect();
            kinds.into_iter().collect()
        };
        self.minimize(Naming::AsRecorded, kinds, |scenario, kinds| {
            let fates = &mut scenario.deviations.fates;
            fates.retain(|name, _| !kinds.contains(name.label.kind));
        });
    }

    fn faults(&mut self) {
        let keys = |scenario: &Scenario| (0..scenario.faults.len()).collect();
        self.minimize(Naming::AlsoByTime, keys, |scenario, gone| {
            let mut place = 0..;
            scenario
                .faults
                .retain(|_| place.next().is_some_and(|place| !gone.contains(&place)));
        });
    }

    /// Transactions and other operations become the simplest of their kind.
    fn simplify_calls(&mut self) {
        let simple = |call: &Call| match call {
            Call::Write(Op::Put { .. }) | Call::Read(Query::Get { .. }) => None,
            Call::Write(_) => Some(Call::Write(Op::Put {
                key: "k".into(),
                value: "v".into(),
            })),
            Call::Read(_) => Some(Call::Read(Query::Get { key: "k".into() })),
            Call::Status | Call::DriverStatus | Call::Close => None,
        };
        self.attempt_with(|scenario| {
            for planned in &mut scenario.calls {
                planned.call = simple(&planned.call).unwrap_or_else(|| planned.call.clone());
            }
        });
        for place in 0..self.best.scenario.calls.len() {
            let planned = self.best.scenario.calls.get(place);
            if let Some(call) = planned.and_then(|planned| simple(&planned.call)) {
                self.attempt_with(|scenario| scenario.calls[place].call = call);
            }
        }
    }

    fn calls(&mut self) {
        let clients = |scenario: &Scenario| {
            let clients: BTreeSet<u32> = scenario.calls.iter().map(|call| call.client).collect();
            clients.into_iter().collect()
        };
        self.minimize(Naming::AlsoByTime, clients, |scenario, gone| {
            scenario.calls.retain(|call| !gone.contains(&call.client));
        });
        let keys = |scenario: &Scenario| (0..scenario.calls.len()).collect();
        self.minimize(Naming::AlsoByTime, keys, |scenario, gone| {
            let mut place = 0..;
            scenario
                .calls
                .retain(|_| place.next().is_some_and(|place| !gone.contains(&place)));
        });
    }

    fn deviations(&mut self) {
        let links = |scenario: &Scenario| {
            let fates = scenario.deviations.fates.keys();
            let links: BTreeSet<_> = fates.map(|name| (name.from, name.to)).collect();
            links.into_iter().collect()
        };
        self.minimize(Naming::AsRecorded, links, |scenario, gone| {
            let fates = &mut scenario.deviations.fates;
            fates.retain(|name, _| !gone.contains(&(name.from, name.to)));
        });
        let fates = |scenario: &Scenario| scenario.deviations.fates.keys().copied().collect();
        self.minimize(Naming::AsRecorded, fates, |scenario, gone| {
            scenario.deviations.fates.retain(|name, _| !gone.contains(name));
        });
        let syncs = |scenario: &Scenario| scenario.deviations.syncs.keys().copied().collect();
        self.minimize(Naming::AsRecorded, syncs, |scenario, gone| {
            scenario.deviations.syncs.retain(|name, _| !gone.contains(name));
        });
        let draws = |scenario: &Scenario| scenario.deviations.draws.keys().copied().collect();
        self.minimize(Naming::AsRecorded, draws, |scenario, gone| {
            scenario.deviations.draws.retain(|name, _| !gone.contains(name));
        });
    }

    /// Settings become those of the default, and the clients that make no calls go.
    fn settings(&mut self) {
        let used = self.best.scenario.calls.iter().map(|call| call.client + 1).max();
        let count = used.unwrap_or(0);
        if count < self.best.scenario.setup.clients.count {
            self.attempt_with(|scenario| {
                let clients = &mut scenario.setup.clients;
                clients.count = count;
                clients.connected = clients.connected.min(count);
            });
        }
        for path in settings::paths(&self.best.scenario.setup) {
            let mut setup = self.best.scenario.setup.clone();
            if settings::reset(&mut setup, &path) && fits(&self.best.scenario, &setup) {
                self.attempt_with(|scenario| scenario.setup = setup);
            }
        }
    }

    /// Everything comes sooner: pauses in which nothing is planned become shorter.
    fn times(&mut self) {
        let mut divisor = 8;
        while divisor >= 2 && !self.stopped {
            let mut at = 0;
            while let Some((from, length)) = pause(&self.best.scenario, at) {
                let shorter = Micros((length.0 / divisor).max(SHORTEST.0));
                if !self.attempt_with(|scenario| shorten(scenario, from, Micros(length.0 - shorter.0))) {
                    at += 1;
                }
                if self.stopped {
                    return;
                }
            }
            divisor /= 2;
        }
    }
}

/// Pauses that are not longer stay as they are.
const SHORTEST: Micros = Micros(50_000);

/// Whether the calls of a scenario can be made in this setup.
fn fits(scenario: &Scenario, setup: &Setup) -> bool {
    let mut calls = scenario.calls.iter();
    setup.check().is_ok()
        && setup.cluster.replicas == scenario.setup.cluster.replicas
        && calls.all(|call| call.client < setup.clients.count && call.lane < setup.clients.lanes)
}

/// The pause of this number among the pauses that can be shorter: where it begins, and its length.
fn pause(scenario: &Scenario, number: usize) -> Option<(Time, Micros)> {
    let (End::Stop(end) | End::Heal(end)) = scenario.end;
    let ends = scenario
        .faults
        .iter()
        .map(|fault| fault.at.after(fault.lasts))
        .filter(|at| *at < end);
    let begins = scenario.faults.iter().map(|fault| fault.at);
    let calls = scenario.calls.iter().map(|call| call.at);
    let all: BTreeSet<Time> = [Time(0), end]
        .into_iter()
        .chain(ends)
        .chain(begins)
        .chain(calls)
        .collect();
    let pauses = all.iter().zip(all.iter().skip(1));
    let mut long = pauses
        .map(|(from, to)| (*from, Micros(to.0 - from.0)))
        .filter(|(_, length)| length.0 > 2 * SHORTEST.0);
    long.nth(number)
}

/// Moves everything that comes after `from` forward by `by`.
fn shorten(scenario: &mut Scenario, from: Time, by: Micros) {
    let moved = |at: Time| if at > from { Time(at.0 - by.0) } else { at };
    for fault in &mut scenario.faults {
        let end = moved(fault.at.after(fault.lasts));
        fault.at = moved(fault.at);
        fault.lasts = Micros(end.0 - fault.at.0);
    }
    for call in &mut scenario.calls {
        call.at = moved(call.at);
    }
    let (End::Stop(end) | End::Heal(end)) = &mut scenario.end;
    *end = moved(*end);
}
