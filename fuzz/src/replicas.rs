//! Replicas under arbitrary inputs, in any order, from each other and from liars: none panics, and each keeps the contract of
//! `step`. That lying peers may make them disagree, or halt, is expected.
//!
//! The bytes are a script. Each step is a byte that picks one of the [`Step`]s below, and what that step needs.

use std::collections::VecDeque;

use kvpaxos::codec::{PeerFrame, decode_datagram, encode_into, wrap};
use kvpaxos::{
    ClientId, Config, Effect, Entropy, Envelope, Event, Input, Memory, Message, Micros, Op, Record, Replica,
    ReplicaId, Request, RequestBody, Revision, Role, Sequence, SessionId, Slot, Tag, Time,
};

use crate::Bytes;

/// Messages on their way; the oldest is lost when more come.
const IN_FLIGHT: usize = 64;
/// A script ends after so many steps of replicas, so that no input takes long.
const STEPS: usize = 3000;

/// Runs a script.
pub fn check_replicas(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut world = World::new(&mut bytes);
    while !bytes.is_empty() && world.steps < STEPS {
        world.play(&mut bytes);
    }
}

/// What a step of the script does; its number is the byte that picks it, modulo their count.
const SCRIPT: [Step; 16] = [
    World::run,
    World::deliver,
    World::deliver,
    World::deliver_all,
    World::tick,
    World::sync,
    World::write,
    World::ask,
    World::request,
    World::lie,
    World::tamper,
    World::duplicate,
    World::lose,
    World::fail,
    World::restart,
    World::crash,
];

type Step = fn(&mut World, &mut Bytes);

struct World {
    nodes: Vec<Node>,
    network: VecDeque<(ReplicaId, Envelope)>,
    now: Time,
    steps: usize,
    /// How often a replica or a role started: each start has entropy of its own.
    starts: u8,
}

struct Node {
    config: Config,
    /// `None` once it has halted.
    replica: Option<Replica>,
    /// What is durable.
    log: Vec<Record>,
    /// What is not yet.
    writes: VecDeque<Write>,
}

struct Write {
    role: Role,
    records: Vec<Record>,
    then: Vec<Envelope>,
}

impl World {
    fn new(bytes: &mut Bytes) -> World {
        let kind = bytes.byte();
        let count = [3, 1, 3, 5][usize::from(kind % 4)];
        let mut world = World {
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
                world.entropy(),
                world.now,
            );
            let replica = Some(replica.expect("the default configuration fits together"));
            world.nodes.push(Node {
                config,
                replica,
                log: Vec::new(),
                writes: VecDeque::new(),
            });
        }
        world
    }

    fn play(&mut self, bytes: &mut Bytes) {
        let step = SCRIPT[bytes.below(SCRIPT.len())];
        step(self, bytes);
    }

    /// An undisturbed while: everything is synced and delivered, clocks tick.
    fn run(&mut self, bytes: &mut Bytes) {
        for _ in 0..=bytes.below(32) {
            for node in 0..self.nodes.len() {
                self.sync_all(node);
            }
            self.deliver_all(bytes);
            for node in 0..self.nodes.len() {
                self.tick_at(node);
            }
        }
    }

    /// Any message on its way arrives.
    fn deliver(&mut self, bytes: &mut Bytes) {
        let place = bytes.below(IN_FLIGHT);
        let length = self.network.len().max(1);
        if let Some((from, envelope)) = self.network.remove(place % length) {
            self.hand_over(from, envelope);
        }
    }

    /// All messages that are on their way now arrive, in order.
    fn deliver_all(&mut self, _: &mut Bytes) {
        for (from, envelope) in std::mem::take(&mut self.network) {
            self.hand_over(from, envelope);
        }
    }

    /// Time passes until a replica wants to hear the clock, or not quite.
    fn tick(&mut self, bytes: &mut Bytes) {
        let node = self.pick(bytes);
        if bytes.below(4) == 0 {
            self.now = self.now.after(Micros(1000));
            self.step(node, Event::Clock);
        } else {
            self.tick_at(node);
        }
    }

    /// A write becomes durable.
    fn sync(&mut self, bytes: &mut Bytes) {
        let node = self.pick(bytes);
        for _ in 0..=bytes.below(4) {
            self.sync_one(node);
        }
    }

    /// A client writes, in a session that may exist.
    fn write(&mut self, bytes: &mut Bytes) {
        let session = SessionId(Revision {
            slot: Slot(bytes.below(8) as u64),
            index: bytes.below(2) as u32,
        });
        let key = vec![bytes.byte() % 2].into();
        let op = match bytes.below(3) {
            0 => Op::Put {
                key,
                value: vec![bytes.byte()].into(),
            },
            1 => Op::Delete { key },
            _ => Op::Cas {
                key,
                expect: None,
                value: Some(vec![bytes.byte()].into()),
            },
        };
        let sequence = Sequence(bytes.below(4) as u64);
        let lowest_unanswered = Sequence(bytes.below(4) as u64);
        self.client(
            bytes,
            RequestBody::Apply {
                session,
                sequence,
                lowest_unanswered,
                op,
            },
        );
    }

    /// A client asks for something small, or leaves.
    fn ask(&mut self, bytes: &mut Bytes) {
        let body = match bytes.below(6) {
            0 => RequestBody::Get {
                key: vec![bytes.byte() % 2].into(),
            },
            1 => RequestBody::Submit {
                payload: vec![bytes.byte(); 3].into(),
            },
            2 => RequestBody::Status,
            3 => RequestBody::Close {
                session: SessionId(Revision::default()),
            },
            4 => RequestBody::Open {
                tag: Tag {
                    nonce: bytes.below(3) as u64,
                    number: bytes.below(3) as u64,
                },
            },
            _ => {
                let node = self.pick(bytes);
                return self.step(
                    node,
                    Event::ClientGone {
                        client: ClientId(bytes.below(3) as u64),
                    },
                );
            }
        };
        self.client(bytes, body);
    }

    /// A client sends whatever the codec lets in.
    fn request(&mut self, bytes: &mut Bytes) {
        if let Ok(request) = decode_datagram::<Request>(&wrap::<Request>(bytes.string())) {
            let node = self.pick(bytes);
            self.step(
                node,
                Event::Client {
                    from: ClientId(bytes.below(3) as u64),
                    request,
                },
            );
        }
    }

    /// A peer sends whatever the codec lets in.
    fn lie(&mut self, bytes: &mut Bytes) {
        let (from, to) = (self.pick(bytes), self.pick(bytes));
        if let Ok(PeerFrame::Message(message)) = decode_datagram(&wrap::<PeerFrame>(bytes.string()))
            && from != to
        {
            self.step(
                to,
                Event::Peer {
                    from: self.nodes[from].config.id,
                    founding: None,
                    message,
                },
            );
        }
    }

    /// A byte of a message changes on its way, and its checksum too.
    fn tamper(&mut self, bytes: &mut Bytes) {
        let (place, at, byte) = (bytes.below(IN_FLIGHT), bytes.short(), bytes.byte());
        let length = self.network.len().max(1);
        if let Some((from, Envelope { to, message })) = self.network.remove(place % length) {
            let mut frame = Vec::new();
            encode_into(&PeerFrame::Message(message), &mut frame).expect("messages fit in their frames");
            let payload = &mut frame[kvpaxos::codec::HEADER..];
            let length = payload.len();
            payload[usize::from(at) % length] = byte;
            if let Ok(PeerFrame::Message(message)) = decode_datagram(&wrap::<PeerFrame>(payload)) {
                self.hand_over(from, Envelope { to, message });
            }
        }
    }

    /// A message will arrive twice.
    fn duplicate(&mut self, bytes: &mut Bytes) {
        let place = bytes.below(IN_FLIGHT) % self.network.len().max(1);
        if let Some((from, envelope)) = self.network.get(place).cloned() {
            self.post(from, envelope);
        }
    }

    /// A message is lost.
    fn lose(&mut self, bytes: &mut Bytes) {
        let place = bytes.below(IN_FLIGHT);
        let length = self.network.len().max(1);
        let _ = self.network.remove(place % length);
    }

    /// A role fails: what waits for its writes is void.
    fn fail(&mut self, bytes: &mut Bytes) {
        let (node, role) = (self.pick(bytes), Role::ALL[bytes.below(3)]);
        let writes = self.nodes[node].writes.iter_mut();
        writes
            .filter(|write| write.role == role)
            .for_each(|write| write.then.clear());
        self.step(node, Event::Fail(role));
    }

    /// A role restarts, once all writes have settled.
    fn restart(&mut self, bytes: &mut Bytes) {
        let (node, role) = (self.pick(bytes), Role::ALL[bytes.below(3)]);
        self.sync_all(node);
        let lost = bytes.below(4) == 3;
        let memory = if lost {
            Memory::Lost
        } else {
            Memory::Kept(self.nodes[node].log.clone())
        };
        let entropy = self.entropy();
        self.step(
            node,
            Event::Restart {
                role,
                memory,
                entropy,
            },
        );
    }

    /// A replica stops, and starts again with what its disk holds. Writes that were not synced may be there or not.
    fn crash(&mut self, bytes: &mut Bytes) {
        let (node, settled, lost) = (self.pick(bytes), bytes.below(4), bytes.below(4) == 3);
        let entropy = self.entropy();
        let Node {
            config,
            replica,
            log,
            writes,
        } = &mut self.nodes[node];
        log.extend(writes.drain(..).take(settled).flat_map(|write| write.records));
        if lost {
            log.clear();
        }
        if replica.is_some() {
            let memory = if lost {
                Memory::Lost
            } else {
                Memory::Kept(log.clone())
            };
            *replica = Replica::new(config.clone(), memory, entropy, self.now).ok();
        }
    }

    fn client(&mut self, bytes: &mut Bytes, body: RequestBody) {
        let node = self.pick(bytes);
        let request = Request {
            id: self.steps as u64,
            body,
        };
        self.step(
            node,
            Event::Client {
                from: ClientId(bytes.below(3) as u64),
                request,
            },
        );
    }

    fn tick_at(&mut self, node: usize) {
        let deadline = self.nodes[node].replica.as_ref().and_then(Replica::deadline);
        self.now = self.now.max(deadline.unwrap_or_default());
        self.step(node, Event::Clock);
    }

    fn sync_all(&mut self, node: usize) {
        while self.sync_one(node) {}
    }

    fn sync_one(&mut self, node: usize) -> bool {
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

    /// One step of one replica, and the contract that it must keep.
    fn step(&mut self, node: usize, event: Event) {
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
                "the same step of the same state has other effects"
            );
            assert!(
                twin == *replica,
                "the same step of the same state leads elsewhere"
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

    fn post(&mut self, from: ReplicaId, envelope: Envelope) {
        self.network.push_back((from, envelope));
        if self.network.len() > IN_FLIGHT {
            self.network.pop_front();
        }
    }

    fn hand_over(&mut self, from: ReplicaId, Envelope { to, message }: Envelope) {
        let message: Message = message;
        self.step(
            usize::from(to.0),
            Event::Peer {
                from,
                founding: None,
                message,
            },
        );
    }

    fn pick(&self, bytes: &mut Bytes) -> usize {
        bytes.below(self.nodes.len())
    }

    fn entropy(&mut self) -> Entropy {
        self.starts = self.starts.wrapping_add(1);
        Entropy([self.starts; 32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvpaxos::status::{LearnerStatus, ProposerStatus};

    fn played(script: &[u8]) -> World {
        let mut bytes = Bytes::new(script);
        let mut world = World::new(&mut bytes);
        while !bytes.is_empty() {
            world.play(&mut bytes);
        }
        world
    }

    /// A fuzzer that only ever sees followers finds little.
    #[test]
    fn the_seeds_reach_a_leader_that_commits() {
        for name in [
            "elect",
            "open-and-write",
            "submit-through-a-follower",
            "two-phase",
            "alone",
            "five",
            "roles-fail",
            "crash",
        ] {
            let path = format!("{}/seeds/replica_step/{name}", env!("CARGO_MANIFEST_DIR"));
            let world = played(&std::fs::read(path).expect("seeds are committed"));
            let status = world
                .nodes
                .iter()
                .filter_map(|node| node.replica.as_ref())
                .map(Replica::status);
            let status: Vec<_> = status.collect();
            let leads = status
                .iter()
                .any(|status| matches!(status.proposer, ProposerStatus::Leading { .. }));
            let applied = status.iter().map(|status| match status.learner {
                LearnerStatus::Learning { applied, .. } => applied,
                LearnerStatus::Failed => Slot(0),
            });
            let applied = applied.max();
            assert!(leads, "{name}: nobody leads: {status:?}");
            assert!(
                name == "elect" || applied > Some(Slot(0)),
                "{name}: nothing was applied: {status:?}"
            );
        }
    }
}
