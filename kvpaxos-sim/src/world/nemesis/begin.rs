//! How faults begin: what each kind of fault does.

use kvpaxos::{Micros, ReplicaId, Role};

use crate::engine::{Decision, RoleState};
use crate::invariants::Sometimes;
use crate::subject::Subject;
use crate::world::audited::{AuditedEngine, leader};
use crate::world::partition;
use crate::world::setup::FaultKind;

use super::fault::{Fault, LastingFault, PlannedFault};
use super::inflict;
use super::state::{BrokenConnection, Nemesis, SPEEDS, STREAM};

impl Nemesis {
    /// Draws a fault of this kind and begins it. Does nothing where the setup rules it out.
    pub(super) fn draw_fault<M: Subject>(
        &mut self,
        kind: FaultKind,
        engine: &mut AuditedEngine<M>,
    ) -> Option<BrokenConnection> {
        let id = self.target(engine);
        let down = |id, lost, damage| LastingFault::Down { id, lost, damage };
        match kind {
            FaultKind::Crash => self.begin_lasting(down(id, false, None), engine),
            FaultKind::CrashAll => {
                for id in engine.ids() {
                    self.begin_lasting(down(id, false, None), engine);
                }
            }
            FaultKind::LoseDisk => self.begin_lasting(down(id, true, None), engine),
            FaultKind::OrderlyStop => {
                let down = self.draw_length(engine);
                self.begin_lasting(LastingFault::Stopping { id, down }, engine);
            }
            FaultKind::Pause => self.begin_lasting(LastingFault::Paused(id), engine),
            FaultKind::FailRole => self.fail_role(id, false, engine),
            FaultKind::LoseMemory => self.fail_role(id, true, engine),
            FaultKind::Split
            | FaultKind::Isolate
            | FaultKind::OneWay
            | FaultKind::Partial
            | FaultKind::Hub
            | FaultKind::Flap
            | FaultKind::CutClient => self.cut(kind, id, engine),
            FaultKind::Overtake => {
                self.cut(kind, id, engine);
                let speed = SPEEDS[0];
                self.begin_lasting(LastingFault::Drift { id, speed }, engine);
            }
            FaultKind::HangUp => return self.hang_up(id, engine),
            FaultKind::JumpClock => {
                let length = engine.decider().below(STREAM, Decision::FaultDetail, 5_000_000);
                let by = Micros(length);
                return self.begin_instant(Fault::Jump { id, by }, engine);
            }
            FaultKind::DriftClock => {
                let speed = engine.decider().pick(STREAM, Decision::FaultDetail, &SPEEDS);
                self.begin_lasting(LastingFault::Drift { id, speed }, engine);
            }
            FaultKind::SlowDisk => self.begin_lasting(LastingFault::Slow(id), engine),
            FaultKind::FullDisk => self.begin_lasting(LastingFault::Full(id), engine),
            FaultKind::CrashAtSync => self.begin_lasting(LastingFault::CrashAtSync(id), engine),
            FaultKind::CorruptParts => self.begin_lasting(LastingFault::Corrupting(id), engine),
            FaultKind::FlipBit
            | FaultKind::LoseBlock
            | FaultKind::MisdirectWrite
            | FaultKind::StaleBlock
            | FaultKind::LoseTail => self.begin_lasting(down(id, true, kind.damage()), engine),
            FaultKind::DegradeLinks => self.begin_lasting(LastingFault::DegradedLinks(id), engine),
        }
        None
    }

    fn hang_up<M: Subject>(
        &mut self,
        id: ReplicaId,
        engine: &mut AuditedEngine<M>,
    ) -> Option<BrokenConnection> {
        if self.clients == 0 {
            return None;
        }
        let decider = engine.decider();
        let client = decider.below(STREAM, Decision::FaultTarget, self.clients.into());
        let client = u32::try_from(client).expect("a number below a u32 is a u32");
        self.begin_instant(Fault::HangUp { client, id }, engine)
    }

    /// The replica that a fault hits: the leader as often as the setup says, or any replica.
    fn target<M: Subject>(&self, engine: &mut AuditedEngine<M>) -> ReplicaId {
        let leader = leader(engine);
        let at_leader =
            engine
                .decider()
                .chance(STREAM, Decision::FaultTarget, self.faults.at_leader * 10_000);
        let ids: Vec<ReplicaId> = engine.ids().collect();
        let anybody = engine.decider().pick(STREAM, Decision::FaultTarget, &ids);
        match leader {
            Some(leader) if at_leader => leader,
            _ => anybody,
        }
    }

    fn fail_role<M: Subject>(&mut self, id: ReplicaId, lost: bool, engine: &mut AuditedEngine<M>) {
        let role = engine.decider().pick(STREAM, Decision::FaultDetail, &Role::ALL);
        self.begin_lasting(LastingFault::Role { id, role, lost }, engine);
    }

    fn cut<M: Subject>(&mut self, kind: FaultKind, id: ReplicaId, engine: &mut AuditedEngine<M>) {
        let cuts = partition::draw(kind, id, self.replicas, self.clients, engine.decider());
        engine.observer.coverage.hit(match kind {
            FaultKind::Split | FaultKind::Isolate => Sometimes::PartitionSymmetric,
            FaultKind::OneWay | FaultKind::Overtake => Sometimes::PartitionAsymmetric,
            FaultKind::Flap => Sometimes::PartitionFlapping,
            FaultKind::CutClient => Sometimes::ClientCut,
            _ => Sometimes::PartitionPartial,
        });
        let fault = if kind == FaultKind::Flap {
            let times = engine.decider().between(STREAM, Decision::FaultDetail, 3, 9);
            LastingFault::Flapping {
                cuts,
                cut: true,
                times,
            }
        } else {
            LastingFault::Cut(cuts)
        };
        self.begin_lasting(fault, engine);
    }
}

/// What faults do when they begin.
impl Nemesis {
    /// Begins a fault, if it can begin now, and draws how long it lasts.
    fn begin_lasting<M: Subject>(&mut self, fault: LastingFault, engine: &mut AuditedEngine<M>) {
        if let Some(fault) = self.admitted(fault, engine) {
            self.inflict(&fault, self.next, engine);
            self.activate(fault, engine);
        }
    }

    /// Carries out a fault that does not last.
    fn begin_instant<M: Subject>(
        &mut self,
        fault: Fault,
        engine: &mut AuditedEngine<M>,
    ) -> Option<BrokenConnection> {
        self.record(Micros(0), fault.clone(), engine);
        self.inflict_instant(&fault, engine)
    }

    /// Begins a fault that was planned.
    pub(super) fn begin_planned<M: Subject>(
        &mut self,
        planned: PlannedFault,
        engine: &mut AuditedEngine<M>,
    ) -> Option<BrokenConnection> {
        match planned.fault.clone() {
            Fault::Lasting(fault) => {
                let fault = self.admitted(fault, engine)?;
                let PlannedFault { number, lasts, .. } = planned;
                self.begun.push(planned);
                self.inflict(&fault, number, engine);
                self.activate_for(number, lasts, fault, engine);
                None
            }
            instant => {
                self.begun.push(planned);
                self.inflict_instant(&instant, engine)
            }
        }
    }

    /// The fault as it can happen now, without loss of a memory that must be kept; `None` if it cannot.
    pub(super) fn admitted<M: Subject>(
        &self,
        fault: LastingFault,
        engine: &AuditedEngine<M>,
    ) -> Option<LastingFault> {
        match fault {
            LastingFault::Down { id, lost, damage } => {
                let may = self.may_lose(id, engine);
                if engine.machine(id).is_none() || (self.memory_only && !may) {
                    return None;
                }
                // Damage would lose the memory, which may be ruled out; and a replica without a disk loses it
                // anyway.
                let damage = damage.filter(|_| lost && may && !self.memory_only);
                let lost = (lost && may) || self.memory_only;
                Some(LastingFault::Down { id, lost, damage })
            }
            LastingFault::Role { id, role, lost } => {
                let fails = engine.machine(id).is_some()
                    && !engine.is_paused(id)
                    && engine.role(id, role) == RoleState::Running;
                let may = role != Role::Acceptor || self.may_lose(id, engine);
                if !fails || (self.memory_only && !may) {
                    return None;
                }
                let lost = (lost || self.memory_only) && may;
                Some(LastingFault::Role { id, role, lost })
            }
            // Where disks do not survive their processes, the process would lose its memory.
            LastingFault::Stopping { id, .. } if self.memory_only || engine.machine(id).is_none() => None,
            // Here at a time that the nemesis does not control.
            LastingFault::Full(_) | LastingFault::CrashAtSync(_) if self.memory_only => None,
            fault => Some(fault),
        }
    }

    /// Does what the fault with this number does when it begins.
    pub(super) fn inflict<M: Subject>(
        &self,
        fault: &LastingFault,
        number: u32,
        engine: &mut AuditedEngine<M>,
    ) {
        let now = engine.now();
        engine
            .observer
            .picture(|timeline| timeline.fault_begins(now, number, fault.to_string()));
        let line = || format!("fault {number}: {fault}");
        engine.observer.trace.line(now, line);
        engine.decider().set_fault(Some(number));
        let coverage = match fault {
            LastingFault::Paused(_) => Some(Sometimes::Paused),
            LastingFault::Drift { .. } => Some(Sometimes::ClockDrifted),
            LastingFault::Role { id, role, .. } => engine
                .has_write_under_way(*id, *role)
                .then_some(Sometimes::FailedMidWrite),
            _ => None,
        };
        if let Some(what) = coverage {
            engine.observer.coverage.hit(what);
        }
        inflict::begin(fault, engine);
        engine.decider().set_fault(None);
    }

    fn inflict_instant<M: Subject>(
        &self,
        fault: &Fault,
        engine: &mut AuditedEngine<M>,
    ) -> Option<BrokenConnection> {
        let now = engine.now();
        engine
            .observer
            .picture(|timeline| timeline.remark(now, fault.to_string()));
        engine.observer.trace.line(now, || format!("fault: {fault}"));
        inflict::begin_instant(fault, engine);
        match *fault {
            Fault::Lasting(_) | Fault::Speed { .. } => None,
            Fault::Jump { .. } => {
                engine.observer.coverage.hit(Sometimes::ClockJumped);
                None
            }
            Fault::HangUp { client, id } => Some(BrokenConnection { client, id }),
        }
    }
}
