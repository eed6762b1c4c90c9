//! What is left out: faults, calls, disturbed messages and other decisions, settings.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kvpaxos::client::Call;
use kvpaxos::{Op, Query};

use super::Shrinker;
use super::replicas::number_clients;
use crate::decisions::name_by_time;
use crate::engine::Fate;
use crate::shrinking::{Player, Progress};
use crate::world::nemesis::{Fault, LastingFault, PlannedFault};
use crate::world::partition::Cut;
use crate::world::scenario::play::Recording;
use crate::world::scenario::{Scenario, settings};
use crate::world::setup::Setup;

/// How many events of runs that fail to be smaller a pass plays before it gives up, as a part of all that may be
/// played.
const PATIENCE: u64 = 30;

impl<P, H> Shrinker<P, H>
where
    P: Player<Scenario = Scenario, Outcome = Recording>,
    H: FnMut(&Progress<'_, Recording>) -> ControlFlow<()>,
{
    fn minimize<K: Ord + Clone>(
        &mut self,
        keys: impl Fn(&Recording) -> Vec<K>,
        remove: impl Fn(&mut Scenario, &BTreeSet<K>),
    ) {
        self.search
            .minimize(self.limits.events / PATIENCE, keys, |search, gone| {
                search.attempt_with(|scenario| remove(scenario, gone))
            });
    }

    /// Leaves out calls or faults. Without a call other messages have its slot and the numbers of its requests. So if
    /// that fails, the disturbed messages are named by the times at which they were sent.
    fn minimize_anchored<K: Ord + Clone>(
        &mut self,
        keys: impl Fn(&Recording) -> Vec<K>,
        remove: impl Fn(&mut Scenario, &BTreeSet<K>),
    ) {
        self.search
            .minimize(self.limits.events / PATIENCE, keys, |search, gone| {
                let mut candidate = search.scenario().clone();
                remove(&mut candidate, gone);
                if search.attempt(&candidate) {
                    return true;
                }
                let Scenario {
                    deviations,
                    variation,
                    ..
                } = &mut candidate;
                name_by_time(deviations, variation, &search.best().sent) && search.attempt(&candidate)
            });
    }

    /// What can be left out all at once in most scenarios.
    pub(super) fn bulk(&mut self) {
        self.search.attempt_with(|scenario| {
            scenario.deviations.syncs.clear();
            scenario.deviations.draws.clear();
            scenario.deviations.fates.clear();
        });
        self.search
            .attempt_with(|scenario| scenario.deviations.syncs.clear());
        self.search
            .attempt_with(|scenario| scenario.deviations.draws.clear());
        self.search.attempt_with(|scenario| {
            let fates = &mut scenario.deviations.fates;
            fates.retain(|_, fate| matches!(fate, Fate::Lost));
        });
        let kinds = |best: &Recording| {
            let fates = best.scenario.deviations.fates.keys();
            let kinds: BTreeSet<&'static str> = fates.map(|name| name.label.kind).collect();
            kinds.into_iter().collect()
        };
        self.minimize(kinds, |scenario, kinds| {
            let fates = &mut scenario.deviations.fates;
            fates.retain(|name, _| !kinds.contains(name.label.kind));
        });
    }

    pub(super) fn faults(&mut self) {
        let keys = |best: &Recording| (0..best.scenario.faults.len()).collect();
        self.minimize_anchored(keys, |scenario, gone| {
            let mut place = 0..;
            let faults = &mut scenario.faults;
            faults.retain(|_| place.next().is_some_and(|place| !gone.contains(&place)));
        });
    }

    /// Faults cut fewer links.
    pub(super) fn cuts(&mut self) {
        let cuts = |best: &Recording| {
            let faults = best.scenario.faults.iter().enumerate();
            let of_fault = |(place, fault): (usize, &PlannedFault)| {
                let links = links(&fault.fault).map_or(0, Vec::len);
                (0..links).map(move |link| (place, link))
            };
            faults.flat_map(of_fault).collect()
        };
        self.minimize(cuts, |scenario, gone| {
            for (place, fault) in scenario.faults.iter_mut().enumerate() {
                let mut link = 0..;
                if let Some(links) = links_mut(&mut fault.fault) {
                    links.retain(|_| link.next().is_some_and(|link| !gone.contains(&(place, link))));
                }
            }
            scenario
                .faults
                .retain(|fault| links(&fault.fault).is_none_or(|links| !links.is_empty()));
        });
    }

    pub(super) fn calls(&mut self) {
        let clients = |best: &Recording| {
            let calls = best.scenario.calls.iter();
            let clients: BTreeSet<u32> = calls.map(|call| call.client).collect();
            clients.into_iter().collect()
        };
        self.minimize_anchored(clients, |scenario, gone| {
            scenario.calls.retain(|call| !gone.contains(&call.client));
        });
        let keys = |best: &Recording| (0..best.scenario.calls.len()).collect();
        self.minimize_anchored(keys, |scenario, gone| {
            let mut place = 0..;
            let calls = &mut scenario.calls;
            calls.retain(|_| place.next().is_some_and(|place| !gone.contains(&place)));
        });
    }

    /// Transactions and other operations become the simplest of their kind.
    pub(super) fn simplify_calls(&mut self) {
        self.search.attempt_with(|scenario| {
            for planned in &mut scenario.calls {
                planned.call = simple(&planned.call).unwrap_or_else(|| planned.call.clone());
            }
        });
        for place in 0..self.search.scenario().calls.len() {
            let planned = self.search.scenario().calls.get(place);
            if let Some(call) = planned.and_then(|planned| simple(&planned.call)) {
                self.search
                    .attempt_with(|scenario| scenario.calls[place].call = call);
            }
        }
    }

    pub(super) fn deviations(&mut self) {
        let links = |best: &Recording| {
            let fates = best.scenario.deviations.fates.keys();
            let links: BTreeSet<_> = fates.map(|name| (name.from, name.to)).collect();
            links.into_iter().collect()
        };
        self.minimize(links, |scenario, gone| {
            let fates = &mut scenario.deviations.fates;
            fates.retain(|name, _| !gone.contains(&(name.from, name.to)));
        });
        // The last ones first: what comes before them stays as it is.
        let fates = |best: &Recording| {
            let fates = best.scenario.deviations.fates.keys();
            let mut names: Vec<_> = fates.copied().collect();
            names.sort_by_key(|name| std::cmp::Reverse(best.sent.get(name).copied()));
            names
        };
        self.minimize(fates, |scenario, gone| {
            scenario.deviations.fates.retain(|name, _| !gone.contains(name));
        });
        let syncs = |best: &Recording| best.scenario.deviations.syncs.keys().copied().collect();
        self.minimize(syncs, |scenario, gone| {
            scenario.deviations.syncs.retain(|name, _| !gone.contains(name));
        });
        let draws = |best: &Recording| best.scenario.deviations.draws.keys().copied().collect();
        self.minimize(draws, |scenario, gone| {
            scenario.deviations.draws.retain(|name, _| !gone.contains(name));
        });
    }

    /// Settings become those of the default, and the clients that make no calls go.
    pub(super) fn settings(&mut self) {
        self.search.attempt_with(number_clients);
        let scenario = self.search.scenario();
        let used = scenario.calls.iter().map(|call| call.client + 1).max();
        let count = used.unwrap_or(0);
        if count < scenario.setup.clients.count {
            self.search.attempt_with(|scenario| {
                let clients = &mut scenario.setup.clients;
                clients.count = count;
                clients.connected = clients.connected.min(count);
            });
        }
        for path in settings::paths(&self.search.scenario().setup) {
            let mut setup = self.search.scenario().setup.clone();
            if settings::reset(&mut setup, &path) && fits(self.search.scenario(), &setup) {
                self.search.attempt_with(|scenario| scenario.setup = setup);
            }
        }
    }
}

/// The links that a fault cuts, if it cuts links.
pub(in crate::world::scenario) fn links(fault: &Fault) -> Option<&Vec<Cut>> {
    match fault {
        Fault::Lasting(LastingFault::Cut(links) | LastingFault::Flapping { cuts: links, .. }) => Some(links),
        _ => None,
    }
}

fn links_mut(fault: &mut Fault) -> Option<&mut Vec<Cut>> {
    match fault {
        Fault::Lasting(LastingFault::Cut(links) | LastingFault::Flapping { cuts: links, .. }) => Some(links),
        _ => None,
    }
}

/// The simplest call of the same kind, if it is another.
fn simple(call: &Call) -> Option<Call> {
    match call {
        Call::Write(Op::Put { .. }) | Call::Read(Query::Get { .. }) => None,
        Call::Write(_) => Some(Call::Write(Op::Put {
            key: "k".into(),
            value: "v".into(),
        })),
        Call::Read(_) => Some(Call::Read(Query::Get { key: "k".into() })),
        Call::Status | Call::DriverStatus | Call::Close => None,
    }
}

/// Whether the calls of a scenario can be made in this setup.
fn fits(scenario: &Scenario, setup: &Setup) -> bool {
    let mut calls = scenario.calls.iter();
    setup.check().is_ok()
        && setup.cluster.replicas == scenario.setup.cluster.replicas
        && calls.all(|call| call.client < setup.clients.count && call.lane < setup.clients.lanes)
}
