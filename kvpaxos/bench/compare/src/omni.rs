//! Five replicas of OmniPaxos, driven as its manual says: messages are taken from each and handed to their receivers.

use bytes::Bytes;
use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;
use serde::{Deserialize, Serialize};

use crate::cluster::{IN_FLIGHT, REPLICAS, VALUE_BYTES, cpu_time, per_second};

/// An opaque value.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Value(Bytes);

impl Entry for Value {
    type Snapshot = NoSnapshot;
}

type Node = OmniPaxos<Value, MemoryStorage<Value>>;

/// Plays one run. Returns values per second of processor time.
pub(crate) fn run(bytes: bool, values: u64) -> u64 {
    let mut cluster = Cluster::new(bytes);
    let leader = cluster.elect();
    let values = usize::try_from(values).expect("so many values are in memory");
    let in_flight = usize::try_from(IN_FLIGHT).expect("it is 1,024");
    let begun = cpu_time();
    let mut appended = 0;
    while cluster.learned.iter().any(|learned| *learned < values) {
        let room = (cluster.learned[leader] + in_flight).min(values);
        while appended < room {
            let value = Value(Bytes::from(vec![0x61; VALUE_BYTES]));
            cluster.nodes[leader]
                .append(value)
                .expect("a leader takes values");
            appended += 1;
        }
        cluster.exchange();
        cluster.learn();
    }
    per_second(values as u64, cpu_time() - begun)
}

struct Cluster {
    nodes: Vec<Node>,
    /// How many decided values each has handed over.
    learned: Vec<usize>,
    outgoing: Vec<Message<Value>>,
    bytes: bool,
}

impl Cluster {
    fn new(bytes: bool) -> Cluster {
        let nodes = (1..=REPLICAS as u64).map(|pid| {
            let config = OmniPaxosConfig {
                cluster_config: ClusterConfig {
                    configuration_id: 1,
                    nodes: (1..=REPLICAS as u64).collect(),
                    flexible_quorum: None,
                },
                server_config: ServerConfig {
                    pid,
                    ..ServerConfig::default()
                },
            };
            config
                .build(MemoryStorage::default())
                .expect("the configuration is valid")
        });
        Cluster {
            nodes: nodes.collect(),
            learned: vec![0; REPLICAS],
            outgoing: Vec::new(),
            bytes,
        }
    }

    /// Lets time pass until a leader is elected and has finished phase 1.
    fn elect(&mut self) -> usize {
        loop {
            self.nodes.iter_mut().for_each(Node::tick);
            self.exchange();
            if let Some((leader, true)) = self.nodes[0].get_current_leader() {
                return usize::try_from(leader - 1).expect("there are five");
            }
        }
    }

    /// Carries the messages that every node has to send, in their order.
    fn exchange(&mut self) {
        for sender in 0..REPLICAS {
            let mut outgoing = std::mem::take(&mut self.outgoing);
            self.nodes[sender].take_outgoing_messages(&mut outgoing);
            for message in outgoing.drain(..) {
                let message = if self.bytes {
                    through_bytes(&message)
                } else {
                    message
                };
                let receiver = usize::try_from(message.get_receiver() - 1).expect("there are five");
                self.nodes[receiver].handle_incoming(message);
            }
            self.outgoing = outgoing;
        }
    }

    /// Reads at each node what is decided since.
    fn learn(&mut self) {
        for (node, learned) in self.nodes.iter().zip(&mut self.learned) {
            let decided = node.get_decided_idx();
            if decided > *learned {
                let entries = node.read_entries(*learned..decided).expect("they are decided");
                for entry in entries {
                    let LogEntry::Decided(Value(value)) = entry else {
                        panic!("not a decided value: {entry:?}")
                    };
                    assert_eq!(value.len(), VALUE_BYTES);
                }
                *learned = decided;
            }
        }
    }
}

fn through_bytes(message: &Message<Value>) -> Message<Value> {
    let bytes = bincode::serialize(message).expect("messages have an encoding");
    bincode::deserialize(&bytes).expect("an encoded message can be decoded")
}
