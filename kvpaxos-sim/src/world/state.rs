//! A world, and how time passes in it.

use kvpaxos::{Micros, Replica, ReplicaSet, Time};

use crate::engine::{Alarm, Decider, Environment, Node, Output, Seeded};
use crate::invariants::{Audit, Finding, Sometimes, Trace, Turn};
use crate::subject::Subject;
use crate::timeline::{Replicas, TimelineObserver};
use crate::world::audited::{AuditedEngine, Watch};
use crate::world::clients::{Clients, Context};
use crate::world::nemesis::{BrokenConnection, Nemesis};
use crate::world::recorder::Recorder;
use crate::world::setup::{Setup, SetupError};

/// Replicas (or mutants) with their network, disks and clocks, and clients and a nemesis around them.
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
    pub(super) setup: Setup,
    pub(super) engine: AuditedEngine<M>,
    pub(super) clients: Clients,
    pub(super) nemesis: Nemesis,
    pub(super) recorder: Recorder,
    /// When the phase with faults ended.
    pub(super) healed_at: Option<Time>,
    /// The run is judged at this time, if the phase with faults has not ended.
    pub(super) horizon: Option<Time>,
    /// After so many events the plan of a scenario is given up.
    pub(super) planned_events: Option<u64>,
    /// The turns that occurred before, if they are followed, each with the number of events after which it first had.
    pub(super) turns: Vec<(Turn, u64)>,
}

impl World<Replica> {
    /// A world of replicas in which the setup's seed decides everything. All replicas have just started.
    ///
    /// # Errors
    /// If the setup is not valid.
    pub fn new(setup: Setup) -> Result<World, SetupError> {
        World::of(setup)
    }
}

impl<M: Subject> World<M> {
    /// Like [`new`](World::new), with other machines.
    ///
    /// # Errors
    /// If the setup is not valid.
    pub fn of(setup: Setup) -> Result<World<M>, SetupError> {
        let decider = Box::new(Seeded::new(setup.seed));
        World::decided_by(setup, decider)
    }

    /// Like [`of`](World::of), with another decider.
    ///
    /// # Errors
    /// If the setup is not valid.
    pub fn decided_by(setup: Setup, decider: Box<dyn Decider + Send>) -> Result<World<M>, SetupError> {
        World::watched(setup, decider, false)
    }

    /// Like [`decided_by`](World::decided_by), perhaps with a timeline.
    pub(super) fn watched(
        setup: Setup,
        decider: Box<dyn Decider + Send>,
        is_drawn: bool,
    ) -> Result<World<M>, SetupError> {
        setup.check()?;
        let ids = ReplicaSet::first(setup.cluster.replicas);
        let config = |id| M::config(setup.cluster.config(id), setup.mutated);
        let configs = ids.iter().map(config).collect();
        let cluster = &setup.cluster;
        let mut audit = Audit::new(cluster.replicas, cluster.quorums, cluster.update);
        for situation in fixed(&setup) {
            audit.coverage.hit(situation);
        }
        // The client for the calls of tests comes after the others.
        let clients = setup.clients.count + 1;
        let timeline = is_drawn.then(|| TimelineObserver::new(Replicas, cluster.replicas, clients));
        let mut engine = Self::engine(&setup, configs, decider, Watch::new(audit, timeline));
        for id in ids.iter() {
            engine.start(id, false);
        }
        Ok(World::around(setup, engine))
    }

    /// An engine for this setup. No process has started.
    pub(super) fn engine(
        setup: &Setup,
        configs: Vec<M::Config>,
        decider: Box<dyn Decider + Send>,
        watch: Watch,
    ) -> AuditedEngine<M> {
        let environment = Environment {
            links: setup.links,
            sync: setup.sync,
            format: setup.format,
        };
        let mut engine = AuditedEngine::new(configs, environment, decider, watch);
        engine.network.spread_over(setup.regions);
        let clients = 0..setup.clients.count;
        for client in clients.filter(|client| setup.clients.is_connected(*client)) {
            engine.network.connect(Node::client(client));
        }
        engine
    }

    /// A world around an engine.
    pub(super) fn around(setup: Setup, mut engine: AuditedEngine<M>) -> World<M> {
        World {
            clients: Clients::new(&setup, engine.decider()),
            nemesis: Nemesis::new(&setup),
            recorder: Recorder::default(),
            engine,
            setup,
            healed_at: None,
            horizon: None,
            planned_events: None,
            turns: Vec::new(),
        }
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.engine.now()
    }

    /// The first finding, if anything was found wrong.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        self.engine.observer.finding()
    }

    /// From now on the audit judges this property alone.
    #[cfg(test)]
    pub(crate) fn judge_only(&mut self, property: crate::Property) {
        self.engine.observer.judge_only(property);
    }

    /// Sets what happens to the trace: a line for each event from now on.
    pub fn trace(&mut self, trace: Trace) {
        self.engine.observer.trace = trace;
    }

    /// The lines of the trace that were kept.
    #[must_use]
    pub fn traced(&self) -> Vec<String> {
        self.engine.observer.trace.kept()
    }

    pub(super) fn context(&mut self) -> (&mut Clients, Context<'_, M>) {
        let context = Context {
            engine: &mut self.engine,
            recorder: &mut self.recorder,
        };
        (&mut self.clients, context)
    }

    /// Carries out one event. Returns whether there was one.
    pub fn step(&mut self) -> bool {
        self.begin_event();
        let Some(output) = self.engine.advance() else {
            return false;
        };
        let quiet = in_words(&output);
        match output {
            Output::Nothing | Output::Alarm(Alarm::Phase) => {}
            Output::Reply { from, to, reply } => {
                let (clients, mut context) = self.context();
                clients.on_reply(to, from, reply, &mut context);
            }
            Output::HungUp { from, to } => {
                let (clients, mut context) = self.context();
                clients.on_hang_up(to, from, &mut context);
            }
            Output::Alarm(Alarm::Client(number)) => {
                let (clients, mut context) = self.context();
                clients.on_alarm(number, &mut context);
            }
            Output::Alarm(Alarm::NextFault) => {
                if let Some(BrokenConnection { client, id }) = self.nemesis.on_next_fault(&mut self.engine) {
                    let (clients, mut context) = self.context();
                    clients.on_hang_up(client, id, &mut context);
                }
            }
            Output::Alarm(Alarm::Strike) => self.nemesis.on_strike(&mut self.engine),
            Output::Alarm(Alarm::FaultEnd(number)) => {
                self.nemesis.on_end(number, &mut self.engine);
            }
        }
        self.nemesis.on_moments(&mut self.engine);
        self.engine.observer.tell_finding();
        self.engine.observer.trace.or_else(|| quiet.to_owned());
        self.follow_turns();
        true
    }

    /// Notes the turns that the last event brought, unless the phase with faults is over.
    fn follow_turns(&mut self) {
        let fresh = self.engine.observer.coverage.take_turns();
        if !fresh.is_empty() && self.healed_at.is_none() {
            let after = self.engine.counts().events;
            self.turns.extend(fresh.into_iter().map(|turn| (turn, after)));
        }
    }

    /// Runs for `length` of simulated time. Stops early if something is found wrong.
    pub fn run_for(&mut self, length: Micros) {
        let end = self.now().after(length);
        self.engine.alarm(end, Alarm::Phase);
        while self.now() < end && !self.is_at_horizon() && self.finding().is_none() && self.step() {}
    }

    /// Runs until a condition holds, but no longer than `bound`. Returns whether it holds.
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

    /// Starts the clients of the setup.
    pub fn start_clients(&mut self) {
        let (clients, mut context) = self.context();
        clients.begin(&mut context);
    }

    /// Stops the clients: they begin no operation from now on.
    pub fn stop_clients(&mut self) {
        self.clients.asking = 0;
    }

    /// How many operations are under way.
    #[must_use]
    pub fn open(&self) -> usize {
        self.clients.open()
    }

    /// Starts the nemesis of the setup.
    pub fn start_faults(&mut self) {
        self.nemesis.begin(&mut self.engine);
    }
}

/// The situations that the setup alone brings about.
fn fixed(setup: &Setup) -> impl Iterator<Item = Sometimes> {
    let situations = [
        (setup.memory_only, Sometimes::MemoryOnly),
        (setup.regions > 1, Sometimes::AcrossRegions),
        (setup.cluster.replicas == 1, Sometimes::LoneReplica),
        (setup.clients.hot > 0, Sometimes::HotKey),
        (setup.clients.burst.0 > 0, Sometimes::Bursts),
    ];
    situations
        .into_iter()
        .filter_map(|(is_so, situation)| is_so.then_some(situation))
}

/// What an event is called that leads to nothing else that a trace shows.
fn in_words<M: Subject>(output: &Output<M>) -> &'static str {
    match output {
        Output::Nothing => "a message that does not arrive, or an alarm that has no meaning any more",
        Output::Reply { .. } => "a reply that no call waits for",
        Output::HungUp { .. } => "a client hears that its connection is broken",
        Output::Alarm(Alarm::Client(_)) => "a client's alarm: it has nothing to do",
        Output::Alarm(Alarm::NextFault) => "no fault begins, and the time of the next one is drawn",
        Output::Alarm(Alarm::Strike) => {
            "no fault begins: what it was to hit is down, or must keep its memory"
        }
        Output::Alarm(Alarm::FaultEnd(_)) => "a fault that is over already was to end",
        Output::Alarm(Alarm::Phase) => "a phase of the run ends",
    }
}
