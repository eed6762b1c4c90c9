//! How faults begin: what each kind of fault does.

use kvpaxos::{Micros, ReplicaId, Role};

use crate::engine::{Damage, LinkProfile, RoleState, latency};
use crate::invariants::Sometimes;
use crate::subject::Subject;
use crate::world::audited::{AuditedEngine, leader};
use crate::world::partition;
use crate::world::setup::FaultKind;

use super::active::ActiveFault;
use super::state::{BrokenConnection, Nemesis, SPEEDS, STREAM};
use crate::engine::Decision;

/// The profile of degraded links: they lose and delay most messages.
const DEGRADED: LinkProfile = LinkProfile {
    drop: 600_000,
    duplicate: 100_000,
    delay: latency::WILD,
    reorder: true,
};

impl Nemesis {
    /// Begins a fault of this kind. Does nothing where the setup rules it out.
    pub(super) fn begin_fault<M: Subject>(
        &mut self,
        kind: FaultKind,
        engine: &mut AuditedEngine<M>,
    ) -> Option<BrokenConnection> {
        let id = self.target(engine);
        match kind {
            FaultKind::Crash => self.crash(id, false, None, engine),
            FaultKind::CrashAll => {
                for id in engine.ids() {
                    self.crash(id, false, None, engine);
                }
            }
            FaultKind::LoseDisk => {
                let lost = self.may_lose(id, engine);
                self.crash(id, lost, None, engine);
            }
            FaultKind::OrderlyStop => self.stop_in_order(id, engine),
            FaultKind::Pause => {
                engine.pause(id);
                engine.observer.coverage.hit(Sometimes::Paused);
                self.activate(ActiveFault::Paused(id), engine);
            }
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
                self.drift_clock(id, SPEEDS[0], engine);
            }
            FaultKind::HangUp => return self.hang_up(id, engine),
            FaultKind::JumpClock => {
                let length = engine.decider().below(STREAM, Decision::FaultDetail, 5_000_000);
                engine.jump_clock(id, Micros(length));
                engine.observer.coverage.hit(Sometimes::ClockJumped);
            }
            FaultKind::DriftClock => {
                let speed = engine.decider().pick(STREAM, Decision::FaultDetail, &SPEEDS);
                self.drift_clock(id, speed, engine);
            }
            FaultKind::SlowDisk => {
                engine.set_latency(id, latency::BUSY);
                self.activate(ActiveFault::Slow(id), engine);
            }
            FaultKind::FullDisk | FaultKind::CrashAtSync => self.stop_at_write(kind, id, engine),
            FaultKind::CorruptParts => {
                engine.set_corrupting(id, true);
                self.activate(ActiveFault::Corrupting(id), engine);
            }
            FaultKind::FlipBit
            | FaultKind::LoseBlock
            | FaultKind::MisdirectWrite
            | FaultKind::StaleBlock
            | FaultKind::LoseTail => {
                let lost = self.may_lose(id, engine);
                self.crash(id, lost, kind.damage(), engine);
            }
            FaultKind::DegradeLinks => {
                engine.network.set_profile(id.into(), Some(DEGRADED));
                self.activate(ActiveFault::DegradedLinks(id), engine);
            }
        }
        None
    }

    fn hang_up<M: Subject>(&self, id: ReplicaId, engine: &mut AuditedEngine<M>) -> Option<BrokenConnection> {
        if self.clients == 0 {
            return None;
        }
        let decider = engine.decider();
        let client = decider.below(STREAM, Decision::FaultTarget, self.clients.into());
        let client = u32::try_from(client).expect("a number below a u32 is a u32");
        engine.hang_up(id, client);
        Some(BrokenConnection { client, id })
    }

    fn drift_clock<M: Subject>(&mut self, id: ReplicaId, speed: u64, engine: &mut AuditedEngine<M>) {
        engine.set_speed(id, speed);
        engine.observer.coverage.hit(Sometimes::ClockDrifted);
        self.activate(ActiveFault::Drift(id), engine);
    }

    /// Tells a process that it is to stop. It hands leadership over, if it leads, and stops a little later, perhaps
    /// before that is done. Nothing happens where disks do not survive their processes: it would lose its memory.
    fn stop_in_order<M: Subject>(&mut self, id: ReplicaId, engine: &mut AuditedEngine<M>) {
        if self.memory_only || engine.machine(id).is_none() {
            return;
        }
        engine.hand_over(id);
        self.activate(ActiveFault::Stopping(id), engine);
    }

    /// Makes a process stop at one of its next writes. Nothing happens where disks do not survive their
    /// processes: the process would lose its memory at a time that the nemesis does not control.
    fn stop_at_write<M: Subject>(&mut self, kind: FaultKind, id: ReplicaId, engine: &mut AuditedEngine<M>) {
        if self.memory_only {
            return;
        }
        if kind == FaultKind::FullDisk {
            engine.set_full(id, true);
            self.activate(ActiveFault::Full(id), engine);
        } else {
            engine.set_crash_at_sync(id, true);
            self.activate(ActiveFault::CrashAtSync(id), engine);
        }
    }

    /// The replica that a fault hits: the leader as often as the setup says, or any replica.
    pub(super) fn target<M: Subject>(&self, engine: &mut AuditedEngine<M>) -> ReplicaId {
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

    pub(super) fn crash<M: Subject>(
        &mut self,
        id: ReplicaId,
        lost: bool,
        damage: Option<Damage>,
        engine: &mut AuditedEngine<M>,
    ) {
        if self.memory_only && !self.may_lose(id, engine) {
            return;
        }
        let lost = lost || self.memory_only;
        if engine.machine(id).is_some() {
            engine.crash(id);
            // Damage would lose the memory, which may be ruled out; and a replica without a disk loses it
            // anyway.
            let damage = damage.filter(|_| lost && !self.memory_only);
            self.activate(ActiveFault::Down { id, lost, damage }, engine);
        }
    }

    pub(super) fn fail_role<M: Subject>(&mut self, id: ReplicaId, lose: bool, engine: &mut AuditedEngine<M>) {
        let role = engine.decider().pick(STREAM, Decision::FaultDetail, &Role::ALL);
        if engine.machine(id).is_none() || engine.is_paused(id) || engine.role(id, role) != RoleState::Running
        {
            return;
        }
        let may = role != Role::Acceptor || self.may_lose(id, engine);
        if self.memory_only && !may {
            return;
        }
        let lost = (lose || self.memory_only) && may;
        if engine.has_write_under_way(id, role) {
            engine.observer.coverage.hit(Sometimes::FailedMidWrite);
        }
        engine.fail_role(id, role);
        self.activate(ActiveFault::Role { id, role, lost }, engine);
    }

    pub(super) fn cut<M: Subject>(&mut self, kind: FaultKind, id: ReplicaId, engine: &mut AuditedEngine<M>) {
        let cuts = partition::draw(kind, id, self.replicas, self.clients, engine.decider());
        engine.observer.coverage.hit(match kind {
            FaultKind::Split | FaultKind::Isolate => Sometimes::PartitionSymmetric,
            FaultKind::OneWay | FaultKind::Overtake => Sometimes::PartitionAsymmetric,
            FaultKind::Flap => Sometimes::PartitionFlapping,
            FaultKind::CutClient => Sometimes::ClientCut,
            _ => Sometimes::PartitionPartial,
        });
        partition::cut(&cuts, &mut engine.network);
        if kind == FaultKind::Flap {
            let times = engine.decider().between(STREAM, Decision::FaultDetail, 3, 9);
            self.activate(
                ActiveFault::Flapping {
                    cuts,
                    cut: true,
                    times,
                },
                engine,
            );
        } else {
            self.activate(ActiveFault::Cut(cuts), engine);
        }
    }
}
