//! What goes wrong, when, and for how long: faults of the kinds that the setup weighs, each ended by an alarm.

mod active;
mod healing;
mod strike;

use std::collections::BTreeMap;

use kvpaxos::{Micros, ReplicaId};
use serde::Serialize;

use crate::engine::{Alarm, EntryKind, LinkProfile, Stream, Table, What};
use crate::subject::Subject;
use crate::world::audited::AuditedEngine;
use crate::world::setup::{FaultKind, Faults, Setup};

use active::Active;

/// How often each kind of fault struck.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Strikes(pub BTreeMap<FaultKind, u64>);

/// See the module.
pub(super) struct Nemesis {
    faults: Faults,
    replicas: usize,
    clients: u32,
    links: LinkProfile,
    sync: Table,
    active: BTreeMap<u32, Active>,
    next: u32,
    striking: bool,
    /// Faults under way do not end by themselves any more.
    frozen: bool,
    /// No disk outlives its process.
    memory_only: bool,
    /// What struck.
    pub strikes: Strikes,
}

/// What a strike asks of whoever holds the clients.
pub(in crate::world) enum Aside {
    Nothing,
    /// A client's connection to a replica broke.
    HangUp {
        client: u32,
        id: ReplicaId,
    },
}

const STREAM: Stream = Stream::Nemesis;

/// How clocks run that are wrong: local microseconds per million of the world's.
const SPEEDS: [u64; 6] = [250_000, 600_000, 900_000, 1_100_000, 1_600_000, 3_000_000];

impl Nemesis {
    /// The nemesis of this setup; it sleeps.
    #[must_use]
    pub(super) fn new(setup: &Setup) -> Nemesis {
        Nemesis {
            faults: setup.faults.clone(),
            replicas: setup.cluster.replicas,
            clients: setup.clients.count,
            links: setup.links,
            sync: setup.sync,
            active: BTreeMap::new(),
            next: 0,
            striking: false,
            frozen: false,
            memory_only: setup.memory_only,
            strikes: Strikes::default(),
        }
    }

    /// It wakes: strikes until it is told to stop.
    pub(in crate::world) fn begin<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        self.striking = !self.faults.weights.is_empty();
        self.schedule(engine);
        if self.faults.uneven_clocks {
            for id in engine.ids() {
                let speed = engine.decider().pick(STREAM, What::FaultDetail, &SPEEDS);
                engine.set_speed(id, speed);
            }
        }
    }

    fn schedule<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        if self.striking {
            let pause = engine
                .decider()
                .below(STREAM, What::FaultPause, self.faults.pause.0);
            engine.alarm(engine.now().after(Micros(pause + 1)), Alarm::Strike);
        }
    }

    /// It strikes.
    pub(in crate::world) fn on_strike<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) -> Aside {
        if !self.striking {
            return Aside::Nothing;
        }
        let weights: Vec<(u32, FaultKind)> = self
            .faults
            .weights
            .iter()
            .map(|(kind, weight)| (*weight, *kind))
            .collect();
        let kind = engine.decider().weighted(STREAM, What::FaultKind, &weights);
        // A role fails in every run that lets roles fail at all: the first strike sees to it.
        let roles_fail = weights.iter().any(|(_, kind)| *kind == FaultKind::FailRole);
        let first = self.strikes.0.is_empty() && roles_fail;
        let kind = if first { Some(FaultKind::FailRole) } else { kind };
        let aside = kind.map_or(Aside::Nothing, |kind| {
            *self.strikes.0.entry(kind).or_default() += 1;
            engine.add_to_digest(EntryKind::Fault, [engine.now().0, kind as u64, self.next.into()]);
            self.strike(kind, engine)
        });
        self.schedule(engine);
        aside
    }
}
