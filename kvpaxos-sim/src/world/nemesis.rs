//! What goes wrong, when, and for how long: faults of the kinds that the setup weighs, each ended by an alarm.

use std::collections::BTreeMap;

use kvpaxos::{Micros, ReplicaId, ReplicaSet, Role};
use serde::Serialize;

use crate::engine::Alarm;
use crate::engine::clock;
use crate::engine::decider::{Stream, What};
use crate::engine::disk::Damage;
use crate::engine::host::RoleState;
use crate::engine::latency;
use crate::engine::network::{Node, Weather};
use crate::invariants::Sometimes;
use crate::subject::Subject;
use crate::world::audited::{AuditedEngine, leader};
use crate::world::partition::{self, Cut};
use crate::world::setup::{FaultKind, Faults, Setup};

/// A fault that is under way, and thereby how it ends.
#[derive(Clone, Debug)]
enum Active {
    /// A process is down; it starts again, with an empty disk if that was lost, or with a log that is damaged.
    Down {
        id: ReplicaId,
        lost: bool,
        damage: Option<Damage>,
    },
    /// A process stands still.
    Paused(ReplicaId),
    /// A role has failed; it restarts with or without its memory.
    Role { id: ReplicaId, role: Role, lost: bool },
    /// Links are cut.
    Cut(Vec<Cut>),
    /// Links come and go.
    Flapping { cuts: Vec<Cut>, cut: bool, times: u64 },
    /// A clock runs at a wrong speed.
    Drift(ReplicaId),
    /// A disk is slow.
    Slow(ReplicaId),
    /// A disk is full.
    Full(ReplicaId),
    /// A process crashes at the end of a sync.
    Doomed(ReplicaId),
    /// A sender changes what it sends.
    Garbling(ReplicaId),
    /// Links of a replica lose most of what passes.
    Storm(ReplicaId),
}

/// How often each kind of fault struck.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Strikes(pub BTreeMap<FaultKind, u64>);

/// See the module.
pub struct Nemesis {
    faults: Faults,
    replicas: usize,
    clients: u32,
    weather: Weather,
    sync: latency::Table,
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
pub(crate) enum Aside {
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
    pub fn new(setup: &Setup) -> Nemesis {
        Nemesis {
            faults: setup.faults.clone(),
            replicas: setup.cluster.replicas,
            clients: setup.clients.count,
            weather: setup.weather,
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
    pub(crate) fn begin<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
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
    pub(crate) fn on_strike<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) -> Aside {
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
            engine.fold(30, [engine.now().0, kind as u64, self.next.into()]);
            self.strike(kind, engine)
        });
        self.schedule(engine);
        aside
    }

    fn strike<M: Subject>(&mut self, kind: FaultKind, engine: &mut AuditedEngine<M>) -> Aside {
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
            FaultKind::Pause => {
                engine.pause(id);
                engine.observer.coverage.hit(Sometimes::Paused);
                self.activate(Active::Paused(id), engine);
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
                engine.set_speed(id, SPEEDS[0]);
                engine.observer.coverage.hit(Sometimes::ClockDrifted);
                self.activate(Active::Drift(id), engine);
            }
            FaultKind::HangUp if self.clients > 0 => {
                let client = engine
                    .decider()
                    .below(STREAM, What::FaultTarget, self.clients.into());
                let client = u32::try_from(client).unwrap_or(0);
                engine.hang_up(id, client);
                return Aside::HangUp { client, id };
            }
            FaultKind::HangUp => {}
            FaultKind::JumpClock => {
                let length = engine.decider().below(STREAM, What::FaultDetail, 5_000_000);
                engine.jump_clock(id, Micros(length));
                engine.observer.coverage.hit(Sometimes::ClockJumped);
            }
            FaultKind::DriftClock => {
                let speed = engine.decider().pick(STREAM, What::FaultDetail, &SPEEDS);
                engine.set_speed(id, speed);
                engine.observer.coverage.hit(Sometimes::ClockDrifted);
                self.activate(Active::Drift(id), engine);
            }
            FaultKind::SlowDisk => {
                engine.set_latency(id, latency::BUSY);
                self.activate(Active::Slow(id), engine);
            }
            FaultKind::FullDisk if self.memory_only => {}
            FaultKind::FullDisk => {
                engine.set_full(id, true);
                self.activate(Active::Full(id), engine);
            }
            // It would be without memory, and nobody knows when.
            FaultKind::CrashAtSync if self.memory_only => {}
            FaultKind::CrashAtSync => {
                engine.set_doomed(id, true);
                self.activate(Active::Doomed(id), engine);
            }
            FaultKind::GarbleParts => {
                engine.set_garbling(id, true);
                self.activate(Active::Garbling(id), engine);
            }
            FaultKind::FlipBit
            | FaultKind::LoseBlock
            | FaultKind::MisdirectWrite
            | FaultKind::StaleBlock
            | FaultKind::LoseTail => {
                let lost = self.may_lose(id, engine);
                self.crash(id, lost, kind.damage(), engine);
            }
            FaultKind::Storm => {
                let storm = Weather {
                    drop: 600_000,
                    duplicate: 100_000,
                    delay: latency::WILD,
                    reorder: true,
                };
                engine.network.set_storm(id.into(), Some(storm));
                self.activate(Active::Storm(id), engine);
            }
        }
        Aside::Nothing
    }

    /// The leader, or anybody.
    fn target<M: Subject>(&self, engine: &mut AuditedEngine<M>) -> ReplicaId {
        let leader = leader(engine);
        let at_leader = engine
            .decider()
            .chance(STREAM, What::FaultTarget, self.faults.at_leader * 10_000);
        let anybody = engine
            .decider()
            .below(STREAM, What::FaultTarget, self.replicas as u64);
        match leader {
            Some(leader) if at_leader => leader,
            _ => ReplicaId(u8::try_from(anybody).unwrap_or(0)),
        }
    }

    /// Whether this acceptor may lose its memory: it has lost it already, or few enough others have not got theirs back.
    fn may_lose<M: Subject>(&self, id: ReplicaId, engine: &AuditedEngine<M>) -> bool {
        let lost = |id: &ReplicaId| self.has_lost(*id, engine);
        lost(&id) || engine.ids().filter(lost).count() < self.faults.losses
    }

    /// Whether the replica's acceptor is without memory, or will find it lost when it starts.
    pub(crate) fn has_lost<M: Subject>(&self, id: ReplicaId, engine: &AuditedEngine<M>) -> bool {
        let is_down = engine.machine(id).is_none() || engine.role(id, Role::Acceptor) != RoleState::Running;
        engine.observer.lacks_memory(id) || self.dooms(id) || (self.memory_only && is_down)
    }

    /// Whether the replica's acceptor will find its memory lost when the fault that is under way ends.
    fn dooms(&self, id: ReplicaId) -> bool {
        self.active.values().any(|active| match active {
            Active::Down { id: other, lost, .. } => *lost && *other == id,
            Active::Role {
                id: other,
                role,
                lost,
            } => *lost && *role == Role::Acceptor && *other == id,
            _ => false,
        })
    }

    fn crash<M: Subject>(
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
            // A replica that must keep its memory gets no damage either, and one without a disk has lost it anyway.
            let damage = damage.filter(|_| lost && !self.memory_only);
            self.activate(Active::Down { id, lost, damage }, engine);
        }
    }

    fn fail_role<M: Subject>(&mut self, id: ReplicaId, lose: bool, engine: &mut AuditedEngine<M>) {
        let role = engine.decider().pick(STREAM, What::FaultDetail, &Role::ALL);
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
        self.activate(Active::Role { id, role, lost }, engine);
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
        partition::cut(&cuts, &mut engine.network);
        if kind == FaultKind::Flap {
            let times = engine.decider().between(STREAM, What::FaultDetail, 3, 9);
            self.activate(
                Active::Flapping {
                    cuts,
                    cut: true,
                    times,
                },
                engine,
            );
        } else {
            self.activate(Active::Cut(cuts), engine);
        }
    }

    /// Whether a fault that is under way will start the process when it ends.
    fn is_down(&self, id: ReplicaId) -> bool {
        let mut active = self.active.values();
        active.any(|active| matches!(active, Active::Down { id: other, .. } if *other == id))
    }

    /// Sets the alarm that ends a fault.
    fn activate<M: Subject>(&mut self, active: Active, engine: &mut AuditedEngine<M>) {
        let number = self.next;
        self.next += 1;
        let short = matches!(active, Active::Flapping { .. });
        let length = engine
            .decider()
            .below(STREAM, What::FaultLength, self.faults.length.0);
        let length = if short { length / 8 } else { length };
        self.active.insert(number, active);
        engine.alarm(engine.now().after(Micros(length + 1)), Alarm::Fault(number));
    }

    /// A fault ends (or, if it flaps, goes on).
    pub(crate) fn on_end<M: Subject>(&mut self, number: u32, engine: &mut AuditedEngine<M>) {
        if self.frozen {
            return;
        }
        let Some(active) = self.active.remove(&number) else {
            return;
        };
        engine.fold(31, [engine.now().0, number.into(), 0]);
        if let Active::Flapping { cuts, cut, times } = active {
            let cut = !cut;
            if cut {
                partition::cut(&cuts, &mut engine.network);
            } else {
                partition::mend(&cuts, &mut engine.network);
            }
            if cut || times > 0 {
                let times = times.saturating_sub(1);
                self.activate(Active::Flapping { cuts, cut, times }, engine);
            }
            return;
        }
        self.undo(&active, engine);
    }

    fn undo<M: Subject>(&self, active: &Active, engine: &mut AuditedEngine<M>) {
        match active {
            Active::Down { id, lost, damage } => {
                // Damage may do no harm: then the memory is kept.
                let lost = match damage {
                    Some(damage) => damaged(*id, *damage, engine),
                    None => *lost,
                };
                engine.start(*id, lost);
            }
            Active::Paused(id) => engine.resume(*id),
            Active::Role { id, role, lost } => engine.restart_role(*id, *role, *lost),
            Active::Cut(cuts) => partition::mend(cuts, &mut engine.network),
            Active::Flapping { cuts, cut, .. } => {
                if *cut {
                    partition::mend(cuts, &mut engine.network);
                }
            }
            Active::Drift(id) => engine.set_speed(*id, clock::RIGHT),
            Active::Slow(id) => engine.set_latency(*id, self.sync),
            Active::Full(id) => {
                engine.set_full(*id, false);
                self.start_again(*id, Sometimes::DiskFull, engine);
            }
            Active::Doomed(id) => {
                engine.set_doomed(*id, false);
                self.start_again(*id, Sometimes::CrashedAtSync, engine);
            }
            Active::Garbling(id) => engine.set_garbling(*id, false),
            Active::Storm(id) => engine.network.set_storm((*id).into(), None),
        }
    }

    /// Starts a process that stopped by itself, if it did, and nothing else will start it.
    fn start_again<M: Subject>(&self, id: ReplicaId, why: Sometimes, engine: &mut AuditedEngine<M>) {
        if engine.machine(id).is_none() && !self.is_down(id) {
            engine.observer.coverage.hit(why);
            engine.start(id, false);
        }
    }
}

/// Healing.
impl Nemesis {
    /// It strikes no more, and the faults under way do not end by themselves.
    pub(crate) fn stop<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        self.striking = false;
        self.frozen = true;
        if self.faults.uneven_clocks {
            for id in engine.ids() {
                engine.set_speed(id, clock::RIGHT);
            }
        }
        engine.network.weather = self.weather.calm();
    }

    /// Whatever is wrong with these replicas, and between them, heals; what is wrong with the others stays.
    pub(crate) fn heal<M: Subject>(&mut self, healed: ReplicaSet, engine: &mut AuditedEngine<M>) {
        let numbers: Vec<u32> = self.active.keys().copied().collect();
        for number in numbers {
            let whose = match self.active.get(&number) {
                Some(
                    Active::Down { id, .. }
                    | Active::Paused(id)
                    | Active::Role { id, .. }
                    | Active::Drift(id)
                    | Active::Slow(id)
                    | Active::Full(id)
                    | Active::Doomed(id)
                    | Active::Garbling(id)
                    | Active::Storm(id),
                ) => *id,
                // Cuts are mended link by link below; nothing flaps from now on.
                _ => continue,
            };
            if healed.contains(whose)
                && let Some(active) = self.active.remove(&number)
            {
                self.undo(&active, engine);
            }
        }
        let clients = (0..Node::CLIENTS).map(Node::client);
        let replicas: Vec<Node> = healed.iter().map(Node::from).collect();
        let all: Vec<Node> = replicas.iter().copied().chain(clients).collect();
        for one in &replicas {
            for other in &all {
                engine.network.mend_all(*one, *other);
                engine.network.mend_all(*other, *one);
            }
        }
        for id in healed.iter() {
            engine.start(id, self.memory_only);
            engine.resume(id);
            for role in Role::ALL {
                engine.restart_role(id, role, self.memory_only);
            }
        }
    }

    /// What is wrong for good with replicas that do not heal, where nothing is wrong yet.
    pub(crate) fn break_for_good<M: Subject>(&mut self, broken: ReplicaSet, engine: &mut AuditedEngine<M>) {
        for id in broken.iter() {
            match engine.decider().below(Stream::Healing, What::Healed, 6) {
                0 if !self.memory_only => engine.crash(id),
                0 | 1 => engine.pause(id),
                2 if !self.memory_only => engine.fail_role(id, Role::Acceptor),
                2 => engine.fail_role(id, Role::Learner),
                3 => {
                    for other in engine.ids().filter(|other| *other != id) {
                        engine.network.cut(id.into(), other.into());
                        engine.network.cut(other.into(), id.into());
                    }
                }
                4 => {
                    // It hears nobody, and everybody hears it.
                    for other in engine.ids().filter(|other| *other != id) {
                        engine.network.cut(other.into(), id.into());
                    }
                }
                _ => {
                    // It reaches one replica only.
                    for other in engine.ids().filter(|other| *other != id).skip(1) {
                        engine.network.cut(id.into(), other.into());
                        engine.network.cut(other.into(), id.into());
                    }
                }
            }
        }
    }
}

/// Damages the log of a process that is down; tells whether the memory is lost by that.
fn damaged<M: Subject>(id: ReplicaId, how: Damage, engine: &mut AuditedEngine<M>) -> bool {
    let lost = engine.damage(id, how);
    if lost {
        engine.observer.coverage.hit(match how {
            Damage::FlipBit => Sometimes::BitFlipped,
            Damage::LoseBlock => Sometimes::BlockLost,
            Damage::MisdirectWrite => Sometimes::WriteMisdirected,
            Damage::StaleBlock => Sometimes::BlockStale,
            Damage::LoseTail => Sometimes::TailLost,
        });
    }
    lost
}
