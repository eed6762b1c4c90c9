//! Drives any [`Machine`]s under one event queue: processes, disks, clocks, network. Knows nothing of Paxos.
//!
//! Clients and the nemesis stand outside: what concerns them comes back from [`Engine::advance`] as a [`Turn`].

pub mod clock;
pub mod decider;
pub mod digest;
pub mod disk;
pub mod host;
pub mod latency;
pub mod lifecycle;
pub mod machine;
pub mod network;
pub mod observer;
pub mod queue;

use std::collections::BTreeSet;

use kvpaxos::{ClientId, Effect, Envelope, Event, Founding, Input, Micros, ReplicaId, Role, Time};
use serde::Serialize;

use crate::engine::decider::{Decider, Stream, What};
use crate::engine::digest::Digest;
use crate::engine::disk::{Format, Log, Next};
use crate::engine::host::{Arrival, Host, RoleState};
use crate::engine::latency::Table;
use crate::engine::machine::{EffectOf, EventOf, Machine};
use crate::engine::network::{Network, Node, Weather};
use crate::engine::observer::{Misbehaviour, Observer};
use crate::engine::queue::Queue;

/// How a shell keeps the mark of what is synced: again and again while syncs go on, and when nothing was written for a while. As
/// `kvpaxos-net` does.
const RENEWAL: Micros = Micros(200_000);
pub(crate) const REST: Micros = Micros(10_000);

/// What waits in the queue.
enum Pending<M: Machine> {
    Message {
        from: ReplicaId,
        /// That of the sender when it sent this.
        founding: Option<Founding>,
        to: ReplicaId,
        message: M::Message,
    },
    /// A message of a machine to itself: neither lost nor delayed, but gone with the process.
    Loop {
        host: ReplicaId,
        life: u32,
        message: M::Message,
    },
    Request {
        from: u32,
        to: ReplicaId,
        request: M::Request,
    },
    Reply {
        from: ReplicaId,
        to: u32,
        reply: M::Reply,
    },
    /// A process hears that its connection with a client is broken.
    Gone {
        host: ReplicaId,
        life: u32,
        client: u32,
    },
    /// A client hears the same.
    HungUp {
        from: ReplicaId,
        to: u32,
    },
    Tick {
        host: ReplicaId,
        life: u32,
    },
    Synced {
        host: ReplicaId,
        life: u32,
    },
    Alarm(Alarm),
}

/// Something that whoever stands outside asked to be reminded of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// A client wants to hear the clock.
    Client(u32),
    /// The nemesis acts.
    Strike,
    /// The nemesis ends, or goes on with, the fault of this number.
    Fault(u32),
    /// A phase ends.
    Phase,
}

/// What one event was, for whoever stands outside.
pub enum Turn<M: Machine> {
    /// Nothing that concerns anybody outside.
    Inside,
    /// A client is answered.
    Reply {
        /// By whom.
        from: ReplicaId,
        /// The client.
        to: u32,
        /// The answer.
        reply: M::Reply,
    },
    /// The connection of a client is broken.
    HungUp {
        /// With whom.
        from: ReplicaId,
        /// The client.
        to: u32,
    },
    /// The time of an alarm has come.
    Alarm(Alarm),
}

/// Counts of what was simulated.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Counts {
    /// All events taken from the queue.
    pub events: u64,
    /// Messages between replicas that arrived.
    pub messages: u64,
    /// Requests and replies of clients that arrived.
    pub client_messages: u64,
    /// Clock events.
    pub ticks: u64,
    /// Syncs.
    pub syncs: u64,
}

/// See the module.
pub struct Engine<M: Machine, O = ()> {
    pub(crate) now: Time,
    queue: Queue<Pending<M>>,
    pub(crate) hosts: Vec<Host<M>>,
    /// The network.
    pub network: Network,
    /// Connections that are broken, of which the client has not heard yet.
    broken: BTreeSet<(u32, ReplicaId)>,
    format: Format,
    pub(crate) decider: Box<dyn Decider + Send>,
    digest: Digest,
    counts: Counts,
    released: Vec<Envelope<M::Message>>,
    pub(crate) observer: O,
}

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// Hosts for machines of these configurations, in the order of their ids; none of them runs yet.
    ///
    /// # Panics
    /// If there are more than [`kvpaxos::types::MAX_REPLICAS`].
    #[must_use]
    pub fn new(
        configs: Vec<M::Config>,
        weather: Weather,
        latency: Table,
        format: Format,
        mut decider: Box<dyn Decider + Send>,
        observer: O,
    ) -> Engine<M, O> {
        assert!(
            configs.len() <= kvpaxos::types::MAX_REPLICAS,
            "an engine has at most {} hosts",
            kvpaxos::types::MAX_REPLICAS
        );
        let hosts = (0u8..)
            .map(ReplicaId)
            .zip(configs)
            .map(|(id, config)| Host::new(config, latency, found::<M>(id, format, &mut *decider)))
            .collect();
        Engine {
            now: Time(0),
            queue: Queue::default(),
            hosts,
            network: Network::new(weather),
            broken: BTreeSet::new(),
            format,
            decider,
            digest: Digest::default(),
            counts: Counts::default(),
            released: Vec::new(),
            observer,
        }
    }

    /// A new log of a host that is new, or claims to be.
    pub(crate) fn new_log(&mut self, id: ReplicaId) -> M::Log {
        found::<M>(id, self.format, &mut *self.decider)
    }

    /// A new log for a host whose disk was lost.
    pub(crate) fn found(&mut self, id: ReplicaId) -> M::Log {
        let (log, _) = found_log(id, self.format, &mut *self.decider);
        log
    }

    /// The world's time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The rolling digest over all events so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// Folds something from outside into the digest: what a client or the nemesis does is an event too.
    pub fn fold(&mut self, kind: u8, numbers: [u64; 3]) {
        self.digest.begin(kind, numbers);
        self.digest.end();
    }

    /// What was simulated so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Who observes.
    #[must_use]
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// Who observes.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Whom to ask for decisions.
    pub fn decider(&mut self) -> &mut (dyn Decider + Send + 'static) {
        &mut *self.decider
    }

    /// Everybody's id.
    pub fn ids(&self) -> impl Iterator<Item = ReplicaId> + use<M, O> {
        (0..u8::try_from(self.hosts.len()).unwrap_or(0)).map(ReplicaId)
    }

    /// The machine of a host, unless its process is down.
    #[must_use]
    pub fn machine(&self, id: ReplicaId) -> Option<&M> {
        self.host(id).machine.as_ref()
    }

    /// Whether the process is paused.
    #[must_use]
    pub fn is_paused(&self, id: ReplicaId) -> bool {
        self.host(id).paused
    }

    /// What the world knows of a role.
    #[must_use]
    pub fn role(&self, id: ReplicaId, role: Role) -> RoleState {
        self.host(id).roles[role as usize]
    }

    pub(crate) fn host(&self, id: ReplicaId) -> &Host<M> {
        &self.hosts[usize::from(id.0)]
    }

    pub(crate) fn host_mut(&mut self, id: ReplicaId) -> &mut Host<M> {
        &mut self.hosts[usize::from(id.0)]
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        self.queue.next_at()
    }

    /// Puts an alarm in the queue.
    pub fn alarm(&mut self, at: Time, alarm: Alarm) {
        self.queue.push(at.max(self.now), Pending::Alarm(alarm));
    }

    /// A client sends a request.
    pub fn request(&mut self, from: u32, to: ReplicaId, request: &M::Request) {
        if self.broken.contains(&(from, to)) {
            return;
        }
        let copies = self
            .network
            .send(self.now, Node::client(from), to.into(), &mut *self.decider);
        for at in copies.into_iter().flatten() {
            let request = request.clone();
            self.queue.push(at, Pending::Request { from, to, request });
        }
        if copies == [None, None] {
            self.break_connection(from, to);
        }
    }

    /// What a connection loses, it loses because it breaks: both ends hear of that, and until the client does, whatever is sent is lost
    /// too. What was on its way may still arrive. Nothing happens if the client speaks by datagrams.
    pub(crate) fn break_connection(&mut self, client: u32, id: ReplicaId) {
        let node = Node::client(client);
        if !self.network.is_connected(node) || !self.broken.insert((client, id)) {
            return;
        }
        let life = self.host(id).life;
        let gone = Pending::Gone {
            host: id,
            life,
            client,
        };
        self.queue.push(self.now, gone);
        let delay = self.network.weather.delay;
        let delay = self
            .decider
            .spread(Stream::Link(id.into(), node), What::Delay, &delay);
        let told = self.now.after(Micros(delay.max(1)));
        self.queue.push(told, Pending::HungUp { from: id, to: client });
    }

    /// Takes the next event and carries it out; `None` if nothing waits.
    pub fn advance(&mut self) -> Option<Turn<M>> {
        let (at, pending) = self.queue.pop()?;
        self.now = at;
        self.counts.events += 1;
        match pending {
            Pending::Message {
                from,
                founding,
                to,
                message,
            } => {
                self.digest.begin(1, [at.0, from.0.into(), to.0.into()]);
                self.digest.add(&message);
                self.digest.end();
                self.counts.messages += 1;
                if self.network.arrives(from.into(), to.into()) {
                    let event = Event::Peer {
                        from,
                        founding,
                        message,
                    };
                    self.arrive(to, Arrival::Input(event));
                }
            }
            Pending::Loop { host, life, message } => {
                self.digest.begin(2, [at.0, host.0.into(), life.into()]);
                self.digest.add(&message);
                self.digest.end();
                self.counts.messages += 1;
                if self.host(host).life == life {
                    let event = Event::Peer {
                        from: host,
                        founding: None,
                        message,
                    };
                    self.arrive(host, Arrival::Input(event));
                }
            }
            Pending::Request { from, to, request } => {
                self.digest.begin(3, [at.0, from.into(), to.0.into()]);
                self.digest.add(&request);
                self.digest.end();
                self.counts.client_messages += 1;
                if self.network.arrives(Node::client(from), to.into()) && self.machine(to).is_some() {
                    let event = Event::Client {
                        from: ClientId(from.into()),
                        request,
                    };
                    self.arrive(to, Arrival::Input(event));
                } else {
                    self.break_connection(from, to);
                }
            }
            Pending::Reply { from, to, reply } => {
                self.digest.begin(4, [at.0, from.0.into(), to.into()]);
                self.digest.add(&reply);
                self.digest.end();
                self.counts.client_messages += 1;
                if self.network.arrives(from.into(), Node::client(to)) {
                    return Some(Turn::Reply { from, to, reply });
                }
                self.break_connection(to, from);
            }
            Pending::Gone { host, life, client } => {
                self.fold(17, [at.0, host.0.into(), client.into()]);
                if self.host(host).life == life {
                    let client = ClientId(client.into());
                    self.arrive(host, Arrival::Input(Event::ClientGone { client }));
                }
            }
            Pending::HungUp { from, to } => {
                self.fold(18, [at.0, from.0.into(), to.into()]);
                self.broken.remove(&(to, from));
                return Some(Turn::HungUp { from, to });
            }
            Pending::Tick { host, life } => self.on_tick(host, life),
            Pending::Synced { host, life } => {
                self.fold(6, [at.0, host.0.into(), life.into()]);
                self.counts.syncs += 1;
                if self.host(host).life == life {
                    self.arrive(host, Arrival::Synced);
                }
            }
            Pending::Alarm(alarm) => return Some(Turn::Alarm(alarm)),
        }
        Some(Turn::Inside)
    }

    fn on_tick(&mut self, id: ReplicaId, life: u32) {
        let now = self.now;
        let host = self.host_mut(id);
        if host.life != life || host.armed != Some(now) {
            return;
        }
        host.armed = None;
        // A clock that jumped or changed speed: the deadline may lie elsewhere by now.
        let due = host.machine.as_ref().and_then(Machine::deadline);
        if due.is_some_and(|due| host.clock.read(now) >= due) {
            self.fold(5, [now.0, id.0.into(), life.into()]);
            self.counts.ticks += 1;
            self.arrive(id, Arrival::Input(Event::Clock));
        } else {
            self.arm(id);
        }
    }

    /// Something arrives at a process: at once, after its pause, or never if it is down.
    pub(crate) fn arrive(&mut self, id: ReplicaId, arrival: Arrival<M>) {
        let host = self.host_mut(id);
        if host.machine.is_none() {
            return;
        }
        if host.paused {
            host.backlog.push_back(arrival);
            return;
        }
        match arrival {
            Arrival::Input(event) => self.step(id, event),
            Arrival::Synced => self.on_synced(id),
        }
    }

    /// Steps a machine and carries out its effects in order.
    pub(crate) fn step(&mut self, id: ReplicaId, event: EventOf<M>) {
        let now = self.now;
        let host = &mut self.hosts[usize::from(id.0)];
        let at = host.local(now);
        let Some(machine) = &mut host.machine else { return };
        self.observer.enters(now, id, &event);
        let effects = machine.step(Input { at, event });
        self.observer.stepped(now, id, machine, &effects);
        for effect in effects {
            self.carry_out(id, effect);
        }
        self.check_deadline(id, at);
        self.arm(id);
    }

    fn carry_out(&mut self, id: ReplicaId, effect: EffectOf<M>) {
        match effect {
            Effect::Send(envelope) => self.send(id, envelope),
            Effect::Persist { role, records, then } => {
                let disk = &mut self.host_mut(id).disk;
                if records.is_empty() && disk.is_idle() {
                    for envelope in then {
                        self.send(id, envelope);
                    }
                } else if disk.write(role, records, then) == Next::Sync {
                    self.begin_sync(id);
                }
            }
            Effect::Reply { to, reply } => {
                let to = u32::try_from(to.0).unwrap_or(0);
                if self.broken.contains(&(to, id)) {
                    return;
                }
                let copies = self
                    .network
                    .send(self.now, id.into(), Node::client(to), &mut *self.decider);
                for at in copies.into_iter().flatten() {
                    let reply = reply.clone();
                    self.queue.push(at, Pending::Reply { from: id, to, reply });
                }
                if copies == [None, None] {
                    self.break_connection(to, id);
                }
            }
            Effect::Observe(_) => {}
            Effect::Halt(reason) => {
                let reason = reason.to_string();
                self.observer
                    .misbehaved(self.now, id, Misbehaviour::Halted { reason });
                self.crash(id);
            }
        }
    }

    fn send(&mut self, from: ReplicaId, envelope: Envelope<M::Message>) {
        let Envelope { to, mut message } = envelope;
        self.observer.leaves(self.now, from, to, &message);
        if self.host(from).garbles && from != to {
            self.garble(from, to, &mut message);
        }
        if usize::from(to.0) >= self.hosts.len() {
            return;
        }
        if from == to {
            let life = self.host(from).life;
            let pending = Pending::Loop {
                host: from,
                life,
                message,
            };
            self.queue.push(self.now, pending);
            return;
        }
        let founding = self.machine(from).and_then(Machine::founding);
        let pending = |message| Pending::Message {
            from,
            founding,
            to,
            message,
        };
        match self
            .network
            .send(self.now, from.into(), to.into(), &mut *self.decider)
        {
            [Some(first), Some(second)] => {
                self.queue.push(first, pending(message.clone()));
                self.queue.push(second, pending(message));
            }
            [Some(at), None] | [None, Some(at)] => self.queue.push(at, pending(message)),
            [None, None] => {}
        }
    }

    fn garble(&mut self, from: ReplicaId, to: ReplicaId, message: &mut M::Message) {
        let original = message.clone();
        let before = self.host_mut(from).last_sent.take();
        let draw = self.decider.below(Stream::Nemesis, What::FaultDetail, u64::MAX);
        if M::garble(message, before.as_ref(), draw) {
            self.observer.garbled(self.now, from, to);
            self.host_mut(from).last_sent = Some(original);
        } else {
            self.host_mut(from).last_sent = before;
        }
    }

    fn begin_sync(&mut self, id: ReplicaId) {
        let Host { latency, life, .. } = *self.host(id);
        let length = self.decider.spread(Stream::Disk(id), What::SyncLatency, &latency);
        let at = self.now.after(Micros(length.max(1)));
        self.queue.push(at, Pending::Synced { host: id, life });
    }

    fn on_synced(&mut self, id: ReplicaId) {
        if self.host(id).full {
            // A write has failed: the process stops, and nothing that waited for it was ever told.
            self.crash(id);
            return;
        }
        let now = self.now;
        let mut released = std::mem::take(&mut self.released);
        let Engine { hosts, observer, .. } = self;
        let host = &mut hosts[usize::from(id.0)];
        let disk = &mut host.disk;
        let next = disk.sync_done(|record| observer.durable(now, id, record), &mut released);
        host.synced_at = now;
        if now >= host.marked_at.after(RENEWAL) {
            host.marked_at = now;
            host.disk.mark();
        }
        if next == Next::Sync {
            self.begin_sync(id);
        }
        for envelope in released.drain(..) {
            self.send(id, envelope);
        }
        self.released = released;
        if next == Next::Sync && std::mem::take(&mut self.host_mut(id).doomed) {
            self.crash(id);
            return;
        }
        for role in Role::ALL {
            if matches!(self.role(id, role), RoleState::Restarting { .. }) {
                self.restart_role(id, role, false);
            }
        }
    }

    fn check_deadline(&mut self, id: ReplicaId, at: Time) {
        let deadline = self.host(id).machine.as_ref().and_then(Machine::deadline);
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= at) {
            self.observer
                .misbehaved(self.now, id, Misbehaviour::Deadline { at, deadline });
        }
    }

    /// Sees to it that a clock event comes when the machine's deadline is reached.
    pub(crate) fn arm(&mut self, id: ReplicaId) {
        let now = self.now;
        let host = self.host_mut(id);
        let Some(due) = host.machine.as_ref().and_then(Machine::deadline) else {
            return;
        };
        let at = host.clock.when(due).max(Time(now.0 + 1));
        // An earlier event that is already under way finds out by itself that it is early.
        if host.armed.is_none_or(|armed| armed > at) {
            host.armed = Some(at);
            let life = host.life;
            self.queue.push(at, Pending::Tick { host: id, life });
        }
    }
}

/// A log that begins with what a machine that is new founds it with.
fn found<M: Machine>(id: ReplicaId, format: Format, decider: &mut (dyn Decider + Send + 'static)) -> M::Log {
    let (mut log, seed): (M::Log, u64) = found_log(id, format, decider);
    log.append(&M::founds(seed));
    log.synced(log.len());
    log.mark();
    log
}

fn found_log<R, L: Log<R>>(
    id: ReplicaId,
    format: Format,
    decider: &mut (dyn Decider + Send + 'static),
) -> (L, u64) {
    let seed = decider.below(Stream::Disk(id), What::Entropy, u64::MAX);
    (L::found(id, seed, format), seed)
}
