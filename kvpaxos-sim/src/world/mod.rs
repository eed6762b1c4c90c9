//! A world: replicas, clients, network, disks, clocks and a nemesis under one event queue.

mod audited;
pub mod clients;
pub mod forks;
pub mod nemesis;
pub mod partition;
pub mod phases;
pub mod recorder;
pub mod report;
pub(crate) mod service;
pub mod setup;
mod swarm;
pub mod sweep;

use bytes::Bytes;
use kvpaxos::client::{Call, Fate};
use kvpaxos::{Micros, Op, Record, Replica, ReplicaId, ReplicaSet, Role, Slot, Status, Time};

use crate::engine::decider::{Decider, Seeded};
use crate::engine::latency::Table;
use crate::engine::network::Node;
use crate::engine::{Alarm, Turn};
use crate::invariants::{Audit, Coverage, Finding, Sometimes, Trace};
use crate::subject::Subject;
use crate::world::audited::AuditedEngine;
use crate::world::clients::{Crowd, Stage};
use crate::world::nemesis::{Aside, Nemesis};
use crate::world::partition::Cut;
use crate::world::recorder::Recorder;
use crate::world::setup::{Setup, SetupError};

/// A world of replicas, or of whatever else speaks their messages.
///
/// ```
/// use kvpaxos::{Micros, ReplicaId};
/// use kvpaxos_sim::{Setup, World};
///
/// let mut world = World::new(Setup::quiet(1)).unwrap();
/// assert!(world.put("colour", "blue").is_done());
/// world.crash(ReplicaId(0));
/// world.crash(ReplicaId(1));
/// assert_eq!(world.get("colour").value(), Some("blue".into()));
/// world.start(ReplicaId(0));
/// world.run_for(Micros(1_000_000));
/// world.verdict().unwrap();
/// ```
pub struct World<M: Subject = Replica> {
    pub(crate) setup: Setup,
    pub(crate) engine: AuditedEngine<M>,
    pub(crate) crowd: Crowd,
    pub(crate) nemesis: Nemesis,
    pub(crate) recorder: Recorder,
}

/// How a call of a test ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer(pub Fate);

impl Answer {
    /// Whether it was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.0, Fate::Done(_))
    }

    /// What a read saw; `None` if the key was absent, or this was no read, or it was not done.
    #[must_use]
    pub fn value(&self) -> Option<Bytes> {
        match &self.0 {
            Fate::Done(kvpaxos::Outcome::Value { value, .. }) => value.clone(),
            _ => None,
        }
    }
}

impl World<Replica> {
    /// A world of replicas in which everything is decided by the setup's seed. All replicas have just been started.
    ///
    /// # Errors
    /// If the setup does not fit together.
    pub fn new(setup: Setup) -> Result<World, SetupError> {
        World::of(setup)
    }
}

impl<M: Subject> World<M> {
    /// Like [`new`](World::new), of other machines.
    ///
    /// # Errors
    /// If the setup does not fit together.
    pub fn of(setup: Setup) -> Result<World<M>, SetupError> {
        let decider = Box::new(Seeded::new(setup.seed));
        World::decided_by(setup, decider)
    }

    /// Like [`of`](World::of), where somebody else decides.
    ///
    /// # Errors
    /// If the setup does not fit together.
    pub fn decided_by(setup: Setup, decider: Box<dyn Decider + Send>) -> Result<World<M>, SetupError> {
        setup.check()?;
        let ids = ReplicaSet::first(setup.cluster.replicas);
        let configs = ids.iter().map(|id| setup.cluster.config(id)).collect();
        let cluster = &setup.cluster;
        let mut audit = Audit::new(cluster.replicas, cluster.quorums, cluster.update);
        if setup.memory_only {
            audit.coverage.hit(Sometimes::MemoryOnly);
        }
        let mut engine = AuditedEngine::new(configs, setup.weather, setup.sync, setup.format, decider, audit);
        let clients = 0..setup.clients.count;
        for client in clients.filter(|client| setup.clients.is_connected(*client)) {
            engine.network.connect(Node::client(client));
        }
        for id in ids.iter() {
            engine.start(id, false);
        }
        Ok(World {
            crowd: Crowd::new(&setup, engine.decider()),
            nemesis: Nemesis::new(&setup),
            recorder: Recorder::default(),
            engine,
            setup,
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.engine.now()
    }

    /// The first thing found wrong so far, if anything is.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        self.engine.observer.finding()
    }

    /// Prints or keeps a line for each event from now on.
    pub fn trace(&mut self, trace: Trace) {
        self.engine.observer.trace = trace;
    }

    /// The lines that were kept.
    #[must_use]
    pub fn traced(&self) -> Vec<String> {
        self.engine.observer.trace.kept()
    }

    fn stage(&mut self) -> (&mut Crowd, Stage<'_, M>) {
        let stage = Stage {
            engine: &mut self.engine,
            recorder: &mut self.recorder,
        };
        (&mut self.crowd, stage)
    }

    /// One event. Tells whether there was one.
    pub fn step(&mut self) -> bool {
        let Some(turn) = self.engine.advance() else {
            return false;
        };
        match turn {
            Turn::Inside | Turn::Alarm(Alarm::Phase) => {}
            Turn::Reply { from, to, reply } => {
                let (crowd, mut stage) = self.stage();
                crowd.on_reply(to, from, reply, &mut stage);
            }
            Turn::HungUp { from, to } => {
                let (crowd, mut stage) = self.stage();
                crowd.on_hang_up(to, from, &mut stage);
            }
            Turn::Alarm(Alarm::Client(number)) => {
                let (crowd, mut stage) = self.stage();
                crowd.on_alarm(number, &mut stage);
            }
            Turn::Alarm(Alarm::Strike) => {
                if let Aside::HangUp { client, id } = self.nemesis.on_strike(&mut self.engine) {
                    let (crowd, mut stage) = self.stage();
                    crowd.on_hang_up(client, id, &mut stage);
                }
            }
            Turn::Alarm(Alarm::Fault(number)) => {
                self.nemesis.on_end(number, &mut self.engine);
            }
        }
        true
    }

    /// Lets time pass. Stops early if something is found wrong.
    pub fn run_for(&mut self, length: Micros) {
        let end = self.now().after(length);
        self.engine.alarm(end, Alarm::Phase);
        while self.now() < end && self.finding().is_none() && self.step() {}
    }

    /// Lets time pass until something holds, but not longer than `bound`. Tells whether it holds.
    pub fn run_until(&mut self, bound: Micros, mut holds: impl FnMut(&World<M>) -> bool) -> bool {
        let end = self.now().after(bound);
        self.engine.alarm(end, Alarm::Phase);
        while !holds(self) {
            if self.now() >= end || self.finding().is_some() || !self.step() {
                return holds(self);
            }
        }
        true
    }

    /// Lets the clients of the setup begin.
    pub fn start_clients(&mut self) {
        let (crowd, mut stage) = self.stage();
        crowd.begin(&mut stage);
    }

    /// They begin nothing new from now on.
    pub fn stop_clients(&mut self) {
        self.crowd.asking = 0;
    }

    /// How many operations of clients are under way.
    #[must_use]
    pub fn open(&self) -> usize {
        self.crowd.open()
    }

    /// Wakes the nemesis of the setup.
    pub fn start_faults(&mut self) {
        self.nemesis.begin(&mut self.engine);
    }
}

/// What a test can ask of a cluster. Each call runs the world until it is answered, or its deadline has passed.
impl<M: Subject> World<M> {
    /// Makes a call and waits for its end.
    ///
    /// # Panics
    /// If it has no end, which a client machine does not let happen.
    pub fn call(&mut self, call: Call) -> Answer {
        let number = self.begin(call);
        let patience = Micros(self.setup.clients.deadline.0.saturating_mul(50));
        let client = self.crowd.scripted();
        self.run_until(patience, |world| world.crowd.told.contains_key(&(client, number)));
        self.end(number).expect("every call ends by its deadline")
    }

    /// Begins a call and does not wait. Returns the number to ask [`end`](World::end) with.
    pub fn begin(&mut self, call: Call) -> u64 {
        self.begin_as(self.crowd.scripted(), call)
    }

    /// How a call ended, if it has.
    pub fn end(&mut self, number: u64) -> Option<Answer> {
        let client = self.crowd.scripted();
        self.crowd.told.remove(&(client, number)).map(Answer)
    }

    /// One of the setup's clients begins a call, whatever else it does. Returns the number that [`take_ends`](World::take_ends) names the
    /// call by.
    ///
    /// # Panics
    /// If there is no such client.
    pub fn begin_as(&mut self, client: u32, call: Call) -> u64 {
        let (crowd, mut stage) = self.stage();
        crowd.call(client, call, &mut stage)
    }

    /// How calls ended that a test began, by client and number: those that ended since this was last asked.
    pub fn take_ends(&mut self) -> impl Iterator<Item = ((u32, u64), Answer)> + use<M> {
        let told = std::mem::take(&mut self.crowd.told);
        told.into_iter().map(|(call, fate)| (call, Answer(fate)))
    }

    /// Sets a key.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Answer {
        let (key, value) = (key.into(), value.into());
        self.call(Call::Write(Op::Put { key, value }))
    }

    /// Removes a key.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> Answer {
        self.call(Call::Write(Op::Delete { key: key.into() }))
    }

    /// Sets a key if it holds what is expected.
    pub fn cas(&mut self, key: impl Into<Bytes>, expect: Option<Bytes>, value: Option<Bytes>) -> Answer {
        let key = key.into();
        self.call(Call::Write(Op::Cas { key, expect, value }))
    }

    /// Reads a key.
    pub fn get(&mut self, key: impl Into<Bytes>) -> Answer {
        self.call(Call::Get { key: key.into() })
    }

    /// Who leads, as far as replicas say.
    #[must_use]
    pub fn leader(&self) -> Option<ReplicaId> {
        audited::leader(&self.engine)
    }

    /// What a replica knows of itself; `None` if its process is down.
    #[must_use]
    pub fn status(&self, id: ReplicaId) -> Option<Status> {
        self.engine.machine(id).map(Subject::status)
    }

    /// How often each situation has occurred so far.
    #[must_use]
    pub fn coverage(&self) -> &Coverage {
        &self.engine.observer.coverage
    }

    /// How often a replica that was founded anew halted.
    #[must_use]
    pub fn halted_anew(&self) -> u64 {
        self.engine.observer.refounded_halts
    }

    /// The first slot that is not chosen.
    #[must_use]
    pub fn prefix(&self) -> Slot {
        self.engine.observer.prefix()
    }

    /// What lies durably on a replica's disk; `None` if that is damaged.
    #[must_use]
    pub fn records(&self, id: ReplicaId) -> Option<Vec<Record>> {
        self.engine.host(id).disk.read(0)
    }

    /// A replica's machine; `None` if its process is down.
    #[must_use]
    pub fn machine(&self, id: ReplicaId) -> Option<&M> {
        self.engine.machine(id)
    }
}

/// What a test can do to a cluster.
impl<M: Subject> World<M> {
    /// A process crashes.
    pub fn crash(&mut self, id: ReplicaId) {
        self.engine.crash(id);
    }

    /// A process that is down starts with what its disk holds.
    pub fn start(&mut self, id: ReplicaId) {
        self.engine.start(id, self.setup.memory_only);
    }

    /// A process that is down starts with an empty disk: its memory is lost.
    pub fn start_empty(&mut self, id: ReplicaId) {
        self.engine.start(id, true);
    }

    /// Disks may forget in silence from now on, so that replicas may come to differ. Agreement, and all that follows from it, is not judged any
    /// more; what is, is that no two histories are served by those who know of each other (D1).
    pub fn expect_forks(&mut self) {
        self.engine.observer.expect_divergence();
    }

    /// The disk of a process that is down loses the last so many records that it had synced, and nothing tells of it. Tells how many are gone.
    /// Only where logs lie as lists of records ([`Format::Plain`](crate::engine::disk::Format)).
    pub fn forget(&mut self, id: ReplicaId, records: usize) -> usize {
        self.engine.forget(id, records)
    }

    /// The disk of a process that is down is founded anew: it claims to be new, and is not.
    pub fn found_anew(&mut self, id: ReplicaId) {
        self.engine.found_anew(id);
    }

    /// A process stands still.
    pub fn pause(&mut self, id: ReplicaId) {
        self.engine.pause(id);
    }

    /// A process goes on.
    pub fn resume(&mut self, id: ReplicaId) {
        self.engine.resume(id);
    }

    /// Syncs of a replica that begin from now on take so long.
    pub fn slow_disk(&mut self, id: ReplicaId, latency: Table) {
        self.engine.set_latency(id, latency);
    }

    /// A role fails.
    pub fn fail(&mut self, id: ReplicaId, role: Role) {
        self.engine.fail_role(id, role);
    }

    /// A failed role restarts with its memory.
    pub fn restart(&mut self, id: ReplicaId, role: Role) {
        self.engine.restart_role(id, role, false);
    }

    /// A failed role restarts without its memory.
    pub fn restart_empty(&mut self, id: ReplicaId, role: Role) {
        self.engine.restart_role(id, role, true);
    }

    /// Cuts links; see [`crate::world::partition`].
    pub fn cut(&mut self, cuts: &[Cut]) {
        partition::cut(cuts, &mut self.engine.network);
    }

    /// Cuts the cluster in two.
    pub fn partition(&mut self, side: impl IntoIterator<Item = ReplicaId>) {
        let side: ReplicaSet = side.into_iter().collect();
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        self.cut(&partition::between(side, all.without(side)));
    }

    /// Cuts the test's client off from all replicas but these.
    pub fn talk_only_to(&mut self, replicas: impl IntoIterator<Item = ReplicaId>) {
        let these: ReplicaSet = replicas.into_iter().collect();
        let client = Node::client(self.crowd.scripted());
        for id in self.engine.ids() {
            let node = Node::from(id);
            self.engine.network.mend_all(client, node);
            self.engine.network.mend_all(node, client);
            if !these.contains(id) {
                self.engine.network.cut(client, node);
                self.engine.network.cut(node, client);
            }
        }
    }

    /// Mends every link between replicas.
    pub fn mend(&mut self) {
        for one in self.engine.ids() {
            for other in self.engine.ids() {
                self.engine.network.mend_all(one.into(), other.into());
            }
        }
    }

    /// The links of a replica behave like this; `None`: like all others.
    pub fn storm(&mut self, id: ReplicaId, weather: Option<crate::engine::network::Weather>) {
        self.engine.network.set_storm(id.into(), weather);
    }

    /// What the world is made of.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }
}
