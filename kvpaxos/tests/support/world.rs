//! Replicas, their disks and the links between them. Nothing happens unless a test asks for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kvpaxos::{
    ClientId, Config, Effect, Entropy, Envelope, Event, Input, Memory, Message, Micros, Observation, Reason,
    Record, Replica, ReplicaId, Reply, Request, RequestBody, Role, Time,
};

use super::checks::Checks;
use super::disk::Disk;

/// A cluster, and everything in flight.
#[derive(Debug)]
pub(crate) struct World {
    nodes: BTreeMap<ReplicaId, Node>,
    /// The messages in flight, including those of a replica to itself.
    links: BTreeMap<(ReplicaId, ReplicaId), VecDeque<Message>>,
    /// The links that lose all messages.
    cut: BTreeSet<(ReplicaId, ReplicaId)>,
    /// The checks of the invariants.
    pub(crate) checks: Checks,
    /// What has happened since [`World::take_seen`] was last called.
    seen: Vec<Seen>,
    /// The number of draws of entropy, so that each draw is fresh.
    draws: u64,
    /// The number of requests.
    requests: u64,
}

#[derive(Debug)]
struct Node {
    config: Config,
    /// `None` while the replica is down.
    replica: Option<Replica>,
    disk: Disk,
    /// The replica's own clock.
    now: Time,
}

/// Something that has happened, for the story of a script.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// A replica makes a step.
    Input { at: ReplicaId, event: Event },
    /// A replica starts.
    Start { at: ReplicaId, found: Found },
    /// A replica stops.
    Crash { at: ReplicaId },
    /// All its writes become durable.
    Synced { at: ReplicaId },
    /// Records are written, and durable if `synced`.
    Written { records: Vec<Record>, synced: bool },
    /// A message leaves.
    Sent {
        from: ReplicaId,
        envelope: Envelope,
        lost: bool,
    },
    /// A message will never leave, because its role has failed.
    Void { envelope: Envelope },
    /// A client is answered.
    Reply { to: ClientId, reply: Reply },
    /// A replica reports an observation.
    Note(Observation),
    /// A replica halts.
    Halt(Reason),
}

/// The memory with which a replica or a role starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// The records on its disk.
    Kept,
    /// No memory.
    Lost,
}

impl World {
    /// A new cluster of running replicas. Their entropy is derived from `seed`.
    pub(crate) fn new(configs: Vec<Config>, seed: u64, auto_sync: bool) -> World {
        let first = configs.first().expect("a cluster has a replica");
        let checks = Checks::new(first.quorums.phase2, first.limits);
        let mut world = World {
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            checks,
            seen: Vec::new(),
            draws: seed << 32,
            requests: 0,
        };
        for config in configs {
            let id = config.id;
            let disk = Disk::new(auto_sync);
            let node = Node {
                config,
                replica: None,
                disk,
                now: Time(0),
            };
            world.nodes.insert(id, node);
            world.start(id, Found::Kept);
        }
        world.seen.clear();
        world
    }

    pub(crate) fn ids(&self) -> Vec<ReplicaId> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn replica(&self, id: ReplicaId) -> Option<&Replica> {
        self.node(id).replica.as_ref()
    }

    pub(crate) fn is_up(&self, id: ReplicaId) -> bool {
        self.replica(id).is_some()
    }

    pub(crate) fn disk(&self, id: ReplicaId) -> &Disk {
        &self.node(id).disk
    }

    pub(crate) fn disk_mut(&mut self, id: ReplicaId) -> &mut Disk {
        &mut self.node_mut(id).disk
    }

    /// Takes what has happened since the last call.
    pub(crate) fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// The messages in flight on a link, oldest first.
    pub(crate) fn in_flight(&self, from: ReplicaId, to: ReplicaId) -> impl Iterator<Item = &Message> {
        self.links.get(&(from, to)).into_iter().flatten()
    }

    /// The links with messages in flight, in order.
    pub(crate) fn busy_links(&self) -> Vec<(ReplicaId, ReplicaId)> {
        let busy = self.links.iter().filter(|(_, messages)| !messages.is_empty());
        busy.map(|(link, _)| *link).collect()
    }

    fn node(&self, id: ReplicaId) -> &Node {
        self.nodes
            .get(&id)
            .unwrap_or_else(|| panic!("there is no replica {id}"))
    }

    fn node_mut(&mut self, id: ReplicaId) -> &mut Node {
        self.nodes
            .get_mut(&id)
            .unwrap_or_else(|| panic!("there is no replica {id}"))
    }

    fn fresh_entropy(&mut self) -> Entropy {
        self.draws += 1;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.draws.to_le_bytes());
        Entropy(bytes)
    }

    /// The clock of a replica ticks once. Before that, the replica applies the log of an earlier life, which it wants to
    /// do as soon as possible.
    pub(crate) fn tick(&mut self, id: ReplicaId) {
        loop {
            let node = self.node_mut(id);
            let Some(deadline) = node.replica.as_ref().and_then(Replica::deadline) else {
                return;
            };
            let is_tick = deadline > node.now.after(Micros(1));
            node.now = deadline;
            self.step(id, Event::Clock);
            if is_tick {
                return;
            }
        }
    }

    /// A running replica makes a step, and its effects are carried out.
    pub(crate) fn step(&mut self, id: ReplicaId, event: Event) {
        let node = self.node_mut(id);
        let at = node.now;
        let Some(replica) = &mut node.replica else {
            return;
        };
        let input = Input { at, event };
        let mut twin = replica.clone();
        let effects = replica.step(input.clone());
        assert_eq!(
            effects,
            twin.step(input.clone()),
            "a step depends on more than its state and input"
        );
        assert!(*replica == twin, "a step leads to two states");
        if let Some(deadline) = replica.deadline() {
            assert!(
                deadline > at,
                "the deadline {deadline:?} is not later than the step at {at:?}"
            );
        }
        self.seen.push(Seen::Input {
            at: id,
            event: input.event,
        });
        // The answers are checked last: the step that answers a request may be the first to show that its
        // slot is chosen.
        let mut replies = Vec::new();
        for effect in effects {
            if let Effect::Reply { to, reply } = &effect {
                replies.push((*to, reply.clone()));
            }
            self.carry_out(id, effect);
        }
        if let Some(replica) = &self.nodes[&id].replica {
            self.checks.on_state(replica);
        }
        for (to, reply) in replies {
            self.checks.on_reply(id, to, &reply);
        }
    }

    fn carry_out(&mut self, id: ReplicaId, effect: Effect) {
        match effect {
            Effect::Send(envelope) => self.send(id, envelope),
            Effect::Persist { role, records, then } => {
                let disk = self.disk_mut(id);
                let synced = disk.auto;
                disk.write(role, records.clone(), then);
                if !records.is_empty() {
                    self.seen.push(Seen::Written { records, synced });
                }
                if synced {
                    self.sync_all(id);
                }
            }
            Effect::Reply { to, reply } => {
                self.seen.push(Seen::Reply { to, reply });
            }
            Effect::Observe(observation) => {
                self.checks.on_observation(id, &observation);
                self.seen.push(Seen::Note(observation));
            }
            Effect::Halt(reason) => self.seen.push(Seen::Halt(reason)),
        }
    }

    fn send(&mut self, from: ReplicaId, envelope: Envelope) {
        self.checks
            .on_leaves(from, &envelope.message, &self.nodes[&from].disk);
        let Envelope { to, message } = envelope.clone();
        let lost = self.cut.contains(&(from, to));
        if !lost {
            self.links.entry((from, to)).or_default().push_back(message);
        }
        self.seen.push(Seen::Sent { from, envelope, lost });
    }

    /// Makes the oldest write durable. Returns whether there was one.
    pub(crate) fn sync_one(&mut self, id: ReplicaId) -> bool {
        let Some(leaving) = self.disk_mut(id).sync_one() else {
            return false;
        };
        for envelope in leaving {
            self.send(id, envelope);
        }
        true
    }

    fn sync_all(&mut self, id: ReplicaId) {
        while self.sync_one(id) {}
    }

    /// Makes all writes durable.
    pub(crate) fn sync(&mut self, id: ReplicaId) {
        self.seen.push(Seen::Synced { at: id });
        self.sync_all(id);
    }

    /// Removes the message at a place on a link, and returns it.
    pub(crate) fn lose(&mut self, from: ReplicaId, to: ReplicaId, place: usize) -> Option<Message> {
        self.links.get_mut(&(from, to))?.remove(place)
    }

    /// Changes one bit of the snapshot part at a place on a link. Any other message is left as it is.
    pub(crate) fn garble(&mut self, from: ReplicaId, to: ReplicaId, place: usize) {
        let message = self
            .links
            .get_mut(&(from, to))
            .and_then(|link| link.get_mut(place));
        if let Some(Message::SnapshotPart(part)) = message {
            let mut bytes = part.bytes.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            part.bytes = bytes.into();
        }
    }

    fn hears(&mut self, id: ReplicaId, from: ReplicaId, message: Message) {
        let founding = None;
        self.step(
            id,
            Event::Peer {
                from,
                founding,
                message,
            },
        );
    }

    /// Delivers the message at a place on a link. If the receiver is down, the message is lost.
    pub(crate) fn deliver(&mut self, from: ReplicaId, to: ReplicaId, place: usize) {
        if let Some(message) = self.lose(from, to, place) {
            self.hears(to, from, message);
        }
    }

    /// Delivers a copy of the message at a place on a link. The message stays in flight.
    pub(crate) fn deliver_copy(&mut self, from: ReplicaId, to: ReplicaId, place: usize) {
        let message = self.in_flight(from, to).nth(place).cloned();
        if let Some(message) = message {
            self.hears(to, from, message);
        }
    }

    /// Sets whether messages that are sent on the link from now on are lost.
    pub(crate) fn cut(&mut self, from: ReplicaId, to: ReplicaId, cut: bool) {
        if cut {
            self.cut.insert((from, to));
        } else {
            self.cut.remove(&(from, to));
        }
    }

    /// A client sends a request to a replica. Returns the id of the request.
    pub(crate) fn request(&mut self, at: ReplicaId, from: ClientId, body: RequestBody) -> u64 {
        self.requests += 1;
        let id = self.requests;
        if self.is_up(at) {
            self.checks.on_request(at, from, id, &body);
            let request = Request { id, body };
            self.step(at, Event::Client { from, request });
        }
        id
    }

    /// A client disconnects from a replica, and receives no more answers.
    pub(crate) fn client_gone(&mut self, at: ReplicaId, client: ClientId) {
        self.checks.forget_client(at, client);
        self.step(at, Event::ClientGone { client });
    }

    /// A replica hears that it is to stop.
    pub(crate) fn hand_over(&mut self, id: ReplicaId) {
        self.step(id, Event::HandOver);
    }

    /// A role fails. Its writes may still reach the disk, but the messages that wait for them are void.
    pub(crate) fn fail(&mut self, id: ReplicaId, role: Role) {
        self.step(id, Event::Fail(role));
        match role {
            Role::Proposer => self.checks.new_proposer(id),
            Role::Acceptor => self.checks.forget_acceptor(id),
            Role::Learner => self.checks.forget_learner(id),
        }
        for envelope in self.disk_mut(id).fail(role) {
            self.seen.push(Seen::Void { envelope });
        }
    }

    /// A role restarts. Before that, each of its earlier writes either becomes durable or is lost. The last
    /// `unseen` writes are lost, unless a write of a running role follows them.
    pub(crate) fn restart(&mut self, id: ReplicaId, role: Role, found: Found, unseen: usize) {
        if !self.is_up(id) {
            return;
        }
        self.disk_mut(id).lose_void(unseen);
        self.sync_all(id);
        let memory = self.memory(id, found);
        let entropy = self.fresh_entropy();
        let event = Event::Restart {
            role,
            memory,
            entropy,
        };
        self.step(id, event);
    }

    /// A replica stops. The first `keep` of its unsynced records reach the disk.
    pub(crate) fn crash(&mut self, id: ReplicaId, keep: usize) {
        let node = self.node_mut(id);
        if node.replica.take().is_none() {
            return;
        }
        node.disk.crash(keep);
        self.links.remove(&(id, id));
        self.checks.new_proposer(id);
        self.checks.forget_acceptor(id);
        self.checks.forget_learner(id);
        self.checks.forget_requests(id);
        self.seen.push(Seen::Crash { at: id });
    }

    /// A replica that is down starts.
    pub(crate) fn start(&mut self, id: ReplicaId, found: Found) {
        if self.is_up(id) {
            return;
        }
        let found = if self.disk(id).is_unmarked() {
            Found::Lost
        } else {
            found
        };
        if found == Found::Lost {
            self.disk_mut(id).wipe();
        }
        let memory = self.memory(id, found);
        let entropy = self.fresh_entropy();
        let node = self.node_mut(id);
        let replica = Replica::new(node.config.clone(), memory, entropy, node.now);
        node.replica = Some(replica.expect("the configuration is valid"));
        self.seen.push(Seen::Start { at: id, found });
    }

    fn memory(&self, id: ReplicaId, found: Found) -> Memory {
        match found {
            Found::Kept => Memory::Kept(self.disk(id).records().to_vec()),
            Found::Lost => Memory::Lost,
        }
    }
}
