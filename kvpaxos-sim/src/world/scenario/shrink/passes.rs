//! What is left out: faults, calls, disturbed messages and other decisions, settings.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kvpaxos::client::Call;
use kvpaxos::{Op, Query};

use super::search::{Naming, Search};
use crate::engine::Fate;
use crate::world::scenario::measure::Size;
use crate::world::scenario::play::Recording;
use crate::world::scenario::{Scenario, settings};
use crate::world::setup::Setup;

impl<E, P, H> Search<E, P, H>
where
    P: FnMut(&Scenario) -> Result<Recording, E>,
    H: FnMut(u64, Size, &Scenario) -> ControlFlow<()>,
{
    pub(super) fn run(&mut self) {
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
}

/// Whether the calls of a scenario can be made in this setup.
fn fits(scenario: &Scenario, setup: &Setup) -> bool {
    let mut calls = scenario.calls.iter();
    setup.check().is_ok()
        && setup.cluster.replicas == scenario.setup.cluster.replicas
        && calls.all(|call| call.client < setup.clients.count && call.lane < setup.clients.lanes)
}
