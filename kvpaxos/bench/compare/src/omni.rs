//! Five replicas of OmniPaxos. Messages are taken from each and handed to their receivers, as its manual says.

use std::collections::VecDeque;

use bytes::Bytes;
use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;
use serde::{Deserialize, Serialize};

use crate::cluster::{Drive, IN_FLIGHT, REPLICAS, VALUE_BYTES, cpu_time, per_second};

/// The values that the leader collects before it sends them, when clients ask one by one: the window of kvpaxos has eight
/// slots, and so at most nine batches share what is in flight.
const BATCH: usize = 113;

/// An opaque value.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Value(Bytes);

impl Entry for Value {
    type Snapshot = NoSnapshot;
}

type Node = OmniPaxos<Value, MemoryStorage<Value>>;

/// How messages between replicas go through bytes.
#[derive(Clone, Copy)]
pub(crate) enum Codec {
    /// Not at all.
    None,
    /// bincode, as the storage of OmniPaxos has it, without frames.
    Bincode,
    /// postcard in a frame with length and CRC-32, as the codec of kvpaxos has it.
    Frames,
}

/// Plays one run. Returns values per second of processor time.
pub(crate) fn run(drive: Drive, codec: Codec, values: u64) -> u64 {
    let mut cluster = Cluster::new(codec);
    let leader = cluster.elect();
    let begun = cpu_time();
    match drive {
        Drive::Loop => cluster.loop_until(leader, values),
        Drive::Rounds => cluster.rounds_until(leader, values),
    }
    per_second(values, cpu_time() - begun)
}

struct Cluster {
    nodes: Vec<Node>,
    /// How many decided values each has handed over.
    learned: Vec<u64>,
    outgoing: Vec<Message<Value>>,
    inbox: VecDeque<Event>,
    codec: Codec,
}

/// What a node is given next.
enum Event {
    Message(Message<Value>),
    /// A client asks the leader.
    Ask,
}

impl Cluster {
    fn new(codec: Codec) -> Cluster {
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
            inbox: VecDeque::new(),
            codec,
        }
    }

    /// Lets time pass until a leader is elected and has finished phase 1.
    fn elect(&mut self) -> usize {
        loop {
            self.nodes.iter_mut().for_each(Node::tick);
            while self.exchange() {}
            if let Some((leader, true)) = self.nodes[0].get_current_leader() {
                return usize::try_from(leader - 1).expect("there are five");
            }
        }
    }

    /// Each client asks again as soon as the leader has read that its value is decided. Requests and messages are delivered
    /// one by one, in their order. The leader sends once [`BATCH`] values wait, or when nothing else is to be delivered.
    fn loop_until(&mut self, leader: usize, values: u64) {
        let mut asked = IN_FLIGHT.min(values);
        let mut waiting = 0;
        self.inbox.extend((0..asked).map(|_| Event::Ask));
        while self.learned.iter().any(|learned| *learned < values) {
            let at = match self.inbox.pop_front() {
                Some(Event::Message(message)) => self.deliver(message),
                Some(Event::Ask) => {
                    self.append(leader);
                    waiting += 1;
                    leader
                }
                None => panic!("nothing is under way, but not all is decided: {:?}", self.learned),
            };
            if at != leader || waiting >= BATCH {
                self.send_from(at);
            }
            if at == leader {
                waiting %= BATCH;
                let next = (asked + self.learn(at)).min(values);
                self.inbox.extend((asked..next).map(|_| Event::Ask));
                asked = next;
            } else {
                self.learn(at);
            }
            if self.inbox.is_empty() {
                self.send_from(leader);
                waiting = 0;
            }
        }
    }

    /// The leader appends all that is in flight, then the messages of each node are taken and delivered until there are none.
    fn rounds_until(&mut self, leader: usize, values: u64) {
        let mut asked = 0;
        while asked < values {
            let round = IN_FLIGHT.min(values - asked);
            (0..round).for_each(|_| self.append(leader));
            asked += round;
            while self.exchange() {}
            for node in 0..REPLICAS {
                self.learn(node);
            }
        }
        assert!(self.learned.iter().all(|learned| *learned == values));
    }

    fn append(&mut self, leader: usize) {
        let value = Value(Bytes::from(vec![0x61; VALUE_BYTES]));
        self.nodes[leader].append(value).expect("a leader takes values");
    }

    /// Carries the messages that every node has to send, in their order. Returns whether there were any.
    fn exchange(&mut self) -> bool {
        for sender in 0..REPLICAS {
            self.send_from(sender);
        }
        let some = !self.inbox.is_empty();
        while let Some(event) = self.inbox.pop_front() {
            if let Event::Message(message) = event {
                self.deliver(message);
            }
        }
        some
    }

    /// Queues what a node has to send.
    fn send_from(&mut self, node: usize) {
        self.nodes[node].take_outgoing_messages(&mut self.outgoing);
        let codec = self.codec;
        let carried = self
            .outgoing
            .drain(..)
            .map(|message| Event::Message(codec.carry(message)));
        self.inbox.extend(carried);
    }

    /// Returns the receiver.
    fn deliver(&mut self, message: Message<Value>) -> usize {
        let receiver = usize::try_from(message.get_receiver() - 1).expect("there are five");
        self.nodes[receiver].handle_incoming(message);
        receiver
    }

    /// Reads at a node what is decided since. Returns how many values that is.
    fn learn(&mut self, node: usize) -> u64 {
        let (learned, node) = (&mut self.learned[node], &self.nodes[node]);
        let decided = node.get_decided_idx() as u64;
        let new = decided - *learned;
        if new > 0 {
            let range = index(*learned)..index(decided);
            for entry in node.read_entries(range).expect("they are decided") {
                let LogEntry::Decided(Value(value)) = entry else {
                    panic!("not a decided value: {entry:?}")
                };
                assert_eq!(value.len(), VALUE_BYTES);
            }
            *learned = decided;
        }
        new
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("so many values are in memory")
}

impl Codec {
    fn carry(self, message: Message<Value>) -> Message<Value> {
        match self {
            Codec::None => message,
            Codec::Bincode => {
                let bytes = bincode::serialize(&message).expect("messages have an encoding");
                bincode::deserialize(&bytes).expect("an encoded message can be decoded")
            }
            Codec::Frames => {
                // The length and the checksum stand before the message.
                let mut frame = postcard::to_extend(&message, vec![0; 8]).expect("messages have an encoding");
                let content = &frame[8..];
                let (length, checksum) = (content.len(), crc32fast::hash(content));
                let length = u32::try_from(length).expect("a message is small");
                frame[..4].copy_from_slice(&length.to_le_bytes());
                frame[4..8].copy_from_slice(&checksum.to_le_bytes());
                open(&frame)
            }
        }
    }
}

fn open(frame: &[u8]) -> Message<Value> {
    let (header, content) = frame.split_at(8);
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|place| header[at + place]));
    assert_eq!(word(0) as usize, content.len(), "the length of the frame");
    assert_eq!(word(4), crc32fast::hash(content), "the checksum of the frame");
    postcard::from_bytes(content).expect("an encoded message can be decoded")
}
