//! The nemesis and its next fault.

use std::collections::{BTreeMap, VecDeque};

use kvpaxos::{Micros, ReplicaId, Time};
use serde::Serialize;

use crate::engine::{Alarm, Decision, EntryKind, LinkProfile, Stream, Table};
use crate::subject::Subject;
use crate::world::audited::AuditedEngine;
use crate::world::setup::{FaultKind, Faults, Setup};

use super::fault::{Fault, LastingFault, PlannedFault};
use super::strike::Strike;

/// How many faults of each kind began.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub struct FaultCounts(pub BTreeMap<FaultKind, u64>);

/// The nemesis of a world.
pub(in crate::world) struct Nemesis {
    pub(super) faults: Faults,
    pub(super) replicas: usize,
    pub(super) clients: u32,
    pub(super) links: LinkProfile,
    pub(super) sync: Table,
    pub(super) active: BTreeMap<u32, LastingFault>,
    pub(super) next: u32,
    pub(super) awake: bool,
    /// Faults under way no longer end by themselves.
    pub(super) frozen: bool,
    /// Disks do not survive their processes.
    pub(super) memory_only: bool,
    /// The crash that follows a moment, if one is to follow.
    pub(super) strike: Option<Strike>,
    /// No crash follows a moment before this time.
    pub(super) quiet_until: Time,
    /// The faults of a scenario that have not begun, in the order of their times; `None` if faults are drawn.
    pub(super) plan: Option<VecDeque<PlannedFault>>,
    /// The faults that have begun.
    pub(in crate::world) begun: Vec<PlannedFault>,
    /// How many faults of each kind began.
    pub counts: FaultCounts,
}

/// A client's connection to a replica that a fault broke. The replica has been told; the client must be.
pub(in crate::world) struct BrokenConnection {
    pub(in crate::world) client: u32,
    pub(in crate::world) id: ReplicaId,
}

pub(super) const STREAM: Stream = Stream::Nemesis;

/// The speeds of wrong clocks, in local microseconds per million simulated ones.
pub(super) const SPEEDS: [u64; 6] = [250_000, 600_000, 900_000, 1_100_000, 1_600_000, 3_000_000];

impl Nemesis {
    /// The nemesis of this setup. It begins no fault yet.
    #[must_use]
    pub(in crate::world) fn new(setup: &Setup) -> Nemesis {
        Nemesis {
            faults: setup.faults.clone(),
            replicas: setup.cluster.replicas,
            clients: setup.clients.count,
            links: setup.links,
            sync: setup.sync,
            active: BTreeMap::new(),
            next: 0,
            awake: false,
            frozen: false,
            memory_only: setup.memory_only,
            strike: None,
            quiet_until: Time(0),
            plan: None,
            begun: Vec::new(),
            counts: FaultCounts::default(),
        }
    }

    /// The nemesis of a scenario: it begins these faults, which are in the order of their times.
    #[must_use]
    pub(in crate::world) fn planned(setup: &Setup, faults: Vec<PlannedFault>) -> Nemesis {
        Nemesis {
            plan: Some(faults.into()),
            ..Nemesis::new(setup)
        }
    }

    /// Starts: from now on it begins faults until it is stopped.
    pub(in crate::world) fn begin<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        self.awake = self.plan.is_some() || self.draws_faults();
        self.wait_for_moments(engine);
        self.schedule(engine);
        if self.faults.uneven_clocks && self.plan.is_none() {
            for id in engine.ids() {
                let speed = engine.decider().pick(STREAM, Decision::FaultDetail, &SPEEDS);
                engine.set_speed(id, speed);
                self.record(Micros(0), Fault::Speed { id, speed }, engine);
            }
        }
    }

    /// Gives up what is left of the plan of a scenario. From now on faults are drawn as the setup says; those
    /// under way end as planned.
    pub(in crate::world) fn give_up_plan<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        if self.plan.take().is_none() || !self.awake {
            return;
        }
        let used = self.begun.iter().map(|fault| fault.number + 1);
        self.next = self.next.max(used.max().unwrap_or(0));
        self.awake = self.draws_faults();
        self.wait_for_moments(engine);
        self.schedule(engine);
    }

    fn draws_faults(&self) -> bool {
        !self.faults.weights.is_empty() || !self.faults.moments.is_empty()
    }

    fn schedule<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        if !self.awake {
            return;
        }
        if let Some(plan) = &self.plan {
            if let Some(next) = plan.front() {
                engine.alarm(next.at.max(engine.now()), Alarm::NextFault);
            }
        } else if !self.faults.weights.is_empty() {
            let pause = engine
                .decider()
                .below(STREAM, Decision::FaultPause, self.faults.pause.0);
            engine.alarm(engine.now().after(Micros(pause + 1)), Alarm::NextFault);
        }
    }

    /// Begins the next fault, and sets the alarm for the one after it. Returns the connection that the fault
    /// broke, if it broke one.
    pub(in crate::world) fn on_next_fault<M: Subject>(
        &mut self,
        engine: &mut AuditedEngine<M>,
    ) -> Option<BrokenConnection> {
        if !self.awake {
            return None;
        }
        if let Some(plan) = &mut self.plan {
            let broken = plan
                .pop_front()
                .and_then(|planned| self.begin_planned(planned, engine));
            self.schedule(engine);
            return broken;
        }
        let weights: Vec<(u32, FaultKind)> = self
            .faults
            .weights
            .iter()
            .map(|(kind, weight)| (*weight, *kind))
            .collect();
        let kind = engine.decider().weighted(STREAM, Decision::FaultKind, &weights);
        // Where roles may fail, one fails in every run: the first fault is of that kind.
        let roles_fail = weights.iter().any(|(_, kind)| *kind == FaultKind::FailRole);
        let is_first = self.counts.0.is_empty() && roles_fail;
        let kind = if is_first { Some(FaultKind::FailRole) } else { kind };
        let broken = kind.and_then(|kind| {
            *self.counts.0.entry(kind).or_default() += 1;
            engine.add_to_digest(EntryKind::Fault, [engine.now().0, kind as u64, self.next.into()]);
            self.draw_fault(kind, engine)
        });
        self.schedule(engine);
        broken
    }
}
