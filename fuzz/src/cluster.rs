//! A cluster of replicas, their network and their disks, and the contract that every step of a replica must
//! keep.

use std::collections::VecDeque;

use kvpaxos::{
    Config, Effect, Entropy, Envelope, Event, Input, Memory, Record, Replica, ReplicaId, Role, Time,
};

use crate::Bytes;

/// How many messages can be on their way. The oldest is lost when there are more.
pub(crate) const IN_FLIGHT: usize = 64;
/// After how many steps of replicas a script ends, so that no input takes long.
pub(crate) const STEPS: usize = 3000;

/// One, three or five replicas, with the messages on their way.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// Messages on their way, each with its sender, oldest first.
    pub(crate) network: VecDeque<(ReplicaId, Envelope)>,
    pub(crate) now: Time,
    /// How many steps the replicas have taken.
    pub(crate) steps: usize,
    /// How often a replica or a role has started. Each start has entropy of its own.
    starts: u8,
}

/// A replica and its disk.
pub(crate) struct Node {
    pub(crate) config: Config,
    /// `None` once it has halted.
    pub(crate) replica: Option<Replica>,
    /// The durable records.
    pub(crate) log: Vec<Record>,
    /// The writes that are not durable yet, oldest first.
    pub(crate) writes: VecDeque<Write>,
}

/// Records on their way to the disk, and the messages that wait for them.
pub(crate) struct Write {
    pub(crate) role: Role,
    pub(crate) records: Vec<Record>,
    pub(crate) then: Vec<Envelope>,
}

impl Cluster {
    /// A cluster whose size and settings the first byte picks.
    pub(crate) fn new(bytes: &mut Bytes) -> Cluster {
        let kind = bytes.byte();
        let count = [3, 1, 3, 5][usize::from(kind % 4)];
        let mut cluster = Cluster {
            nodes: Vec::new(),
            network: VecDeque::new(),
            now: Time(0),
            steps: 0,
            starts: 0,
        };
        for id in (0..).take(count) {
            let config = Config::new(ReplicaId(id), count);
            let config = if kind & 4 == 0 { config } else { config.two_phase() };
            let replica = Replica::new(
                config.clone(),
                Memory::Kept(Vec::new()),
                cluster.entropy(),
                cluster.now,
            );
            let replica = Some(replica.expect("the default configuration is valid"));
            cluster.nodes.push(Node {
                config,
                replica,
                log: Vec::new(),
                writes: VecDeque::new(),
            });
        }
        cluster
    }

    /// Time passes until the replica's deadline, and it hears the clock.
    pub(crate) fn tick_at(&mut self, node: usize) {
        let deadline = self.nodes[node].replica.as_ref().and_then(Replica::deadline);
        self.now = self.now.max(deadline.unwrap_or_default());
        self.step(node, Event::Clock);
    }

    /// All writes of a replica become durable.
    pub(crate) fn sync_all(&mut self, node: usize) {
        while self.sync_one(node) {}
    }

    /// The oldest write of a replica becomes durable. Returns whether there was one.
    pub(crate) fn sync_one(&mut self, node: usize) -> bool {
        let Some(write) = self.nodes[node].writes.pop_front() else {
            return false;
        };
        self.nodes[node].log.extend(write.records);
        let from = self.nodes[node].config.id;
        write
            .then
            .into_iter()
            .for_each(|envelope| self.post(from, envelope));
        true
    }

    /// Steps a replica and checks the contract of `step`: the deadline lies in the future, and the same step
    /// of the same state has the same effects.
    pub(crate) fn step(&mut self, node: usize, event: Event) {
        let Some(replica) = &mut self.nodes[node].replica else {
            return;
        };
        self.steps += 1;
        if self.steps >= STEPS {
            return;
        }
        let input = Input { at: self.now, event };
        let twin = self
            .steps
            .is_multiple_of(16)
            .then(|| (replica.clone(), input.clone()));
        let effects = replica.step(input);
        if let Some((mut twin, input)) = twin {
            assert_eq!(
                twin.step(input),
                effects,
                "the same step of the same state has different effects"
            );
            assert!(
                twin == *replica,
                "the same step of the same state leads to another state"
            );
        }
        let halted = effects.iter().any(|effect| matches!(effect, Effect::Halt(_)));
        let deadline = replica.deadline();
        assert!(
            halted || deadline.is_none_or(|deadline| deadline > self.now),
            "after a step at {:?} the deadline is {deadline:?}",
            self.now
        );
        let _ = replica.status();
        effects
            .into_iter()
            .for_each(|effect| self.carry_out(node, effect));
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send(envelope) => self.post(self.nodes[node].config.id, envelope),
            Effect::Persist { role, records, then } => {
                self.nodes[node].writes.push_back(Write { role, records, then });
            }
            Effect::Reply { .. } | Effect::Observe(_) => {}
            Effect::Halt(_) => self.nodes[node].replica = None,
        }
    }

    /// Puts a message on its way.
    pub(crate) fn post(&mut self, from: ReplicaId, envelope: Envelope) {
        self.network.push_back((from, envelope));
        if self.network.len() > IN_FLIGHT {
            self.network.pop_front();
        }
    }

    /// Delivers a message.
    pub(crate) fn hand_over(&mut self, from: ReplicaId, Envelope { to, message }: Envelope) {
        self.step(
            usize::from(to.0),
            Event::Peer {
                from,
                founding: None,
                message,
            },
        );
    }

    /// Entropy that no other start has.
    pub(crate) fn entropy(&mut self) -> Entropy {
        self.starts = self.starts.wrapping_add(1);
        Entropy([self.starts; 32])
    }
}
