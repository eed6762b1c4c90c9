//! Scripts for a cluster: arbitrary inputs in any order, from replicas, clients and lying peers. No replica
//! may panic, and each must keep the contract of `step`. Lying peers may make replicas disagree or halt.
//!
//! The bytes are the script. One byte picks a [`Step`], and the bytes behind it are what that step reads.

use kvpaxos::codec::{PeerFrame, decode_datagram, encode_into, wrap};
use kvpaxos::{
    ClientId, Envelope, Event, Memory, Micros, Op, Replica, Request, RequestBody, Revision, Role, Sequence,
    SessionId, Slot, Tag,
};

use crate::Bytes;
use crate::cluster::{Cluster, IN_FLIGHT, Node, STEPS};

/// Runs the script that the bytes are.
pub fn check_replicas(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut cluster = Cluster::new(&mut bytes);
    while !bytes.is_empty() && cluster.steps < STEPS {
        cluster.play(&mut bytes);
    }
}

/// The steps of scripts. A byte modulo their number picks one.
const SCRIPT: [Step; 16] = [
    Cluster::run,
    Cluster::deliver,
    Cluster::deliver,
    Cluster::deliver_all,
    Cluster::tick,
    Cluster::sync,
    Cluster::write,
    Cluster::ask,
    Cluster::request,
    Cluster::lie,
    Cluster::tamper,
    Cluster::duplicate,
    Cluster::lose,
    Cluster::fail,
    Cluster::restart,
    Cluster::crash,
];

type Step = fn(&mut Cluster, &mut Bytes);

impl Cluster {
    /// Runs the next step of the script.
    fn play(&mut self, bytes: &mut Bytes) {
        let step = SCRIPT[bytes.below(SCRIPT.len())];
        step(self, bytes);
    }

    /// Some time without faults: everything is synced and delivered, and clocks tick.
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

    /// One of the messages on their way arrives.
    fn deliver(&mut self, bytes: &mut Bytes) {
        let place = bytes.below(IN_FLIGHT);
        let length = self.network.len().max(1);
        if let Some((from, envelope)) = self.network.remove(place % length) {
            self.hand_over(from, envelope);
        }
    }

    /// All messages on their way arrive, in order.
    fn deliver_all(&mut self, _: &mut Bytes) {
        for (from, envelope) in std::mem::take(&mut self.network) {
            self.hand_over(from, envelope);
        }
    }

    /// A replica hears the clock, at its deadline or after a millisecond.
    fn tick(&mut self, bytes: &mut Bytes) {
        let node = self.pick(bytes);
        if bytes.below(4) == 0 {
            self.now = self.now.after(Micros(1000));
            self.step(node, Event::Clock);
        } else {
            self.tick_at(node);
        }
    }

    /// Up to four writes of a replica become durable.
    fn sync(&mut self, bytes: &mut Bytes) {
        let node = self.pick(bytes);
        for _ in 0..=bytes.below(4) {
            self.sync_one(node);
        }
    }

    /// A client writes, in a session that may or may not exist.
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

    /// A client sends another request, or leaves.
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

    /// A client sends any request that the codec accepts.
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

    /// A peer sends any message that the codec accepts.
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

    /// A byte of a message changes on its way, with a correct checksum.
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

    /// A message is duplicated.
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

    /// A role fails, and the messages that wait for its writes never leave; or the replica hears that it is to stop.
    fn fail(&mut self, bytes: &mut Bytes) {
        let (node, which) = (self.pick(bytes), bytes.below(4));
        let Some(role) = Role::ALL.get(which).copied() else {
            return self.step(node, Event::HandOver);
        };
        let writes = self.nodes[node].writes.iter_mut();
        writes
            .filter(|write| write.role == role)
            .for_each(|write| write.then.clear());
        self.step(node, Event::Fail(role));
    }

    /// A role restarts, with its memory or without, once all writes of its replica are durable.
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

    /// A replica crashes and starts again with what its disk holds. Writes that were not synced may have
    /// survived or not.
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

    /// A client sends a request to a replica.
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

    /// The place of a replica.
    fn pick(&self, bytes: &mut Bytes) -> usize {
        bytes.below(self.nodes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvpaxos::status::{LearnerStatus, ProposerStatus};

    fn played(script: &[u8]) -> Cluster {
        let mut bytes = Bytes::new(script);
        let mut cluster = Cluster::new(&mut bytes);
        while !bytes.is_empty() {
            cluster.play(&mut bytes);
        }
        cluster
    }

    /// A fuzzer that starts from seeds without a leader finds little.
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
            let cluster = played(&std::fs::read(path).expect("seeds are committed"));
            let status = cluster
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
            assert!(leads, "{name}: no replica leads: {status:?}");
            assert!(
                name == "elect" || applied > Some(Slot(0)),
                "{name}: nothing was applied: {status:?}"
            );
        }
    }
}
