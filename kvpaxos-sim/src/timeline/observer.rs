//! Fills a timeline while an engine runs.

use kvpaxos::{Effect, Envelope, Event as MachineEvent, Memory, ReplicaId, Role, Time};

use super::builder::Builder;
use super::model::{CallId, EventId, Found, Kind, MessageId, NodeId, NodeKind, Timeline};
use super::narrator::{Narrator, Words};
use crate::engine::{self, EffectOf, EventOf, Loss, Machine, Misbehaviour, Observer, Packet, PacketId};

/// An observer of an engine that makes a [`Timeline`]. `N` puts the machines into words.
#[derive(Clone, Debug)]
pub struct TimelineObserver<N> {
    narrator: N,
    builder: Builder,
    /// The line of the faults.
    world: NodeId,
    replicas: Vec<NodeId>,
    clients: Vec<NodeId>,
    /// The packet that the next event of a machine takes in.
    delivered: Option<PacketId>,
}

impl<N> TimelineObserver<N> {
    /// An observer of an engine with so many replicas and clients. Faults get the first line, replicas the next ones.
    #[must_use]
    pub fn new(narrator: N, replicas: usize, clients: u32) -> TimelineObserver<N> {
        let mut builder = Builder::default();
        let world = builder.node("faults", NodeKind::World);
        let replicas = (0..replicas)
            .map(|id| builder.node(format!("r{id}"), NodeKind::Replica))
            .collect();
        let clients = (0..clients)
            .map(|number| builder.node(format!("c{number}"), NodeKind::Client))
            .collect();
        TimelineObserver {
            narrator,
            builder,
            world,
            replicas,
            clients,
            delivered: None,
        }
    }

    /// A client begins a call.
    pub fn call(&mut self, now: Time, client: u32, text: &str, keys: Vec<String>) -> Option<CallId> {
        let node = *self.clients.get(client as usize)?;
        Some(self.builder.call(now.0, node, text, keys))
    }

    /// A call ends.
    pub fn ended(&mut self, now: Time, call: CallId, outcome: &str) {
        self.builder.ended(now.0, call, outcome);
    }

    /// The fault of this number begins.
    pub fn fault_begins(&mut self, now: Time, number: u32, text: String) {
        self.builder.fault_begins(now.0, self.world, number, text);
    }

    /// The fault of this number ends.
    pub fn fault_ends(&mut self, now: Time, number: u32) {
        self.builder.fault_ends(now.0, self.world, number);
    }

    /// Something happens to the world that is no fault.
    pub fn remark(&mut self, now: Time, text: String) {
        self.builder.event(now.0, self.world, Kind::Other, text);
    }

    /// Something is found wrong, after what happened last.
    pub fn violated(&mut self, found: Found) {
        self.builder.violated(found);
    }

    /// How many events there are so far.
    #[must_use]
    pub fn events(&mut self) -> usize {
        self.builder.timeline().events.len()
    }

    /// The timeline.
    #[must_use]
    pub fn finish(self) -> Timeline {
        self.builder.finish()
    }

    fn node(&self, node: engine::Node) -> NodeId {
        let known = match (node.as_replica(), node.as_client()) {
            (Some(id), _) => self.replicas.get(usize::from(id.0)),
            (None, Some(client)) => self.clients.get(client as usize),
            (None, None) => None,
        };
        *known.expect("the observer was made for this engine")
    }

    /// The event in which something happens to a node now: the last one if that is its, else a new one.
    fn present(&mut self, now: Time, node: NodeId, kind: Kind, text: &str) -> EventId {
        match self.builder.last_at(now.0, node) {
            Some(event) => event,
            None => self.builder.event(now.0, node, kind, text),
        }
    }

    fn add(&mut self, now: Time, host: ReplicaId, kind: Kind, text: impl Into<String>) -> EventId {
        let node = self.node(host.into());
        self.builder.event(now.0, node, kind, text)
    }

    /// The event of a packet that a node takes in.
    fn arrival(&mut self, now: Time, node: NodeId, text: String) -> EventId {
        match self.delivered.take() {
            Some(packet) => self.builder.arrived(now.0, node, MessageId(packet.0), text),
            None => self.builder.event(now.0, node, Kind::Arrival, text),
        }
    }
}

impl<M: Machine, N: Narrator<M>> Observer<M> for TimelineObserver<N> {
    fn started(&mut self, now: Time, host: ReplicaId, machine: &M, kept: Option<usize>) {
        let memory = match kept {
            Some(records) => format!("starts with {records} records"),
            None => "starts without its memory".to_owned(),
        };
        let event = self.add(now, host, Kind::Start, memory);
        self.builder.state(event, self.narrator.state(machine));
        self.builder.timeline().ballot = self.narrator.ballot().map(str::to_owned);
    }

    fn enters(&mut self, now: Time, host: ReplicaId, event: &EventOf<M>) {
        let node = self.node(host.into());
        match event {
            MachineEvent::Clock => _ = self.builder.event(now.0, node, Kind::Clock, "clock"),
            MachineEvent::Peer { from, message, .. } => {
                let words = self.narrator.message(message);
                self.arrival(now, node, format!("<- {from}: {}", words.text));
            }
            MachineEvent::Client { from, request } => {
                let words = self.narrator.request(request);
                self.arrival(now, node, format!("<- {from}: {}", words.text));
            }
            MachineEvent::ClientGone { client } => {
                self.builder
                    .event(now.0, node, Kind::Other, format!("{client} is gone"));
            }
            MachineEvent::Fail(role) => {
                self.builder
                    .event(now.0, node, Kind::RoleFails, format!("{role} fails"));
            }
            MachineEvent::HandOver => _ = self.builder.event(now.0, node, Kind::Other, "is to stop"),
            MachineEvent::Restart { role, memory, .. } => {
                let memory = match memory {
                    Memory::Kept(records) => format!("with {} records", records.len()),
                    Memory::Lost => "without its memory".to_owned(),
                };
                let text = format!("{role} restarts {memory}");
                self.builder.event(now.0, node, Kind::RoleRestarts, text);
            }
        }
        self.delivered = None;
    }

    fn stepped(&mut self, now: Time, host: ReplicaId, machine: &M, effects: &[EffectOf<M>]) {
        let node = self.node(host.into());
        let event = self.present(now, node, Kind::Other, "steps");
        for effect in effects {
            match effect {
                // The engine tells when it leaves.
                Effect::Send(_) | Effect::Reply { .. } => {}
                Effect::Persist { records, then, .. } => {
                    for record in records {
                        let mut words = self.narrator.record(record);
                        words.text.insert_str(0, "writes ");
                        self.builder.note(event, words, None);
                    }
                    for Envelope { to, message } in then {
                        let mut words = self.narrator.message(message);
                        words.text = format!("once that is durable -> {to}: {}", words.text);
                        self.builder.note(event, words, None);
                    }
                }
                Effect::Observe(observation) => {
                    let (words, mark) = self.narrator.observation(observation);
                    self.builder.note(event, words, mark);
                }
                Effect::Halt(reason) => {
                    let text = format!("halts: {reason}");
                    let words = Words {
                        text,
                        ..Words::default()
                    };
                    self.builder.note(event, words, None);
                }
            }
        }
        self.builder.state(event, self.narrator.state(machine));
    }

    fn sent(&mut self, now: Time, from: engine::Node, to: engine::Node, packet: &Packet<'_, M>) -> PacketId {
        let words = match packet {
            Packet::Message(message) => self.narrator.message(message),
            Packet::Request(request) => self.narrator.request(request),
            Packet::Reply(reply) => self.narrator.reply(reply),
        };
        let (from, to) = (self.node(from), self.node(to));
        let event = self.present(now, from, Kind::Clock, "clock");
        let MessageId(number) = self.builder.sent(event, to, words);
        PacketId(number)
    }

    fn delivered(&mut self, now: Time, packet: PacketId, to: engine::Node) {
        self.delivered = Some(packet);
        // A machine says itself what it takes in; a client does not.
        if to.as_client().is_some() {
            let node = self.node(to);
            let timeline = self.builder.timeline();
            let message = timeline.messages.get(packet.0 as usize);
            let text = message.map_or_else(String::new, |message| {
                let by = timeline.events[message.sent.0 as usize].node;
                let from = &timeline.nodes[usize::from(by.0)].name;
                format!("<- {from}: {}", message.text)
            });
            self.arrival(now, node, text);
        }
    }

    fn lost(&mut self, now: Time, packet: PacketId, why: Loss) {
        self.builder.lost(now.0, MessageId(packet.0), why);
    }

    fn corrupted(&mut self, now: Time, from: ReplicaId, to: ReplicaId) {
        let node = self.node(from.into());
        let event = self.present(now, node, Kind::Other, "sends");
        let words = Words {
            text: format!("the message to {to} is changed on its way"),
            ..Words::default()
        };
        self.builder.note(event, words, None);
    }

    fn durable(&mut self, now: Time, host: ReplicaId, record: &M::Record) {
        let node = self.node(host.into());
        let event = self.present(now, node, Kind::Sync, "sync");
        let mut words = self.narrator.record(record);
        words.text.insert_str(0, "on its disk: ");
        self.builder.note(event, words, None);
    }

    fn synced(&mut self, now: Time, host: ReplicaId) {
        self.add(now, host, Kind::Sync, "sync");
    }

    fn hung_up(&mut self, now: Time, client: u32, from: ReplicaId) {
        let node = self.node(engine::Node::client(client));
        let text = format!("the connection to {from} is broken");
        self.builder.event(now.0, node, Kind::Other, text);
    }

    fn paused(&mut self, now: Time, host: ReplicaId) {
        self.add(now, host, Kind::Pause, "is paused");
    }

    fn resumed(&mut self, now: Time, host: ReplicaId) {
        self.add(now, host, Kind::Resume, "goes on");
    }

    fn crashed(&mut self, now: Time, host: ReplicaId, survived: Option<&[M::Record]>, lost: usize) {
        let left = survived.map_or(0, <[M::Record]>::len);
        let text = format!("crashes: {left} records more are durable, {lost} writes lost");
        let event = self.add(now, host, Kind::Crash, text);
        self.builder.state(event, []);
    }

    fn founded_anew(&mut self, now: Time, host: ReplicaId) {
        self.add(now, host, Kind::Other, "is founded anew");
    }

    fn role_restarted(&mut self, now: Time, host: ReplicaId, _: Role, machine: &M) {
        let node = self.node(host.into());
        if let Some(event) = self.builder.last_at(now.0, node) {
            self.builder.state(event, self.narrator.state(machine));
        }
    }

    fn misbehaved(&mut self, now: Time, host: ReplicaId, what: Misbehaviour) {
        let node = self.node(host.into());
        let text = match what {
            // Its step said so.
            Misbehaviour::Halted { .. } => return,
            Misbehaviour::Deadline { deadline, .. } => {
                format!("its deadline {} is not after the step", deadline.0)
            }
            Misbehaviour::Damaged => "calls its log damaged, but nothing that was synced is lost".to_owned(),
            Misbehaviour::DamageUndetected => "takes a damaged log for a whole one".to_owned(),
        };
        let event = self.present(now, node, Kind::Other, "misbehaves");
        let words = Words {
            text,
            ..Words::default()
        };
        self.builder.note(event, words, None);
    }
}
