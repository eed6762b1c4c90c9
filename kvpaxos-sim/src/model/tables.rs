//! Nodes, packets and leaders by number, and the answers of the core to every question that it was asked
//! about them.
//!
//! The search handles small integers and is as fast as that of an abstract model. Every transition is
//! nevertheless made by the core.

use std::collections::HashMap;

use kvpaxos::Slot;

use crate::hashing::{BuildQuick, key_of};
use crate::model::bounds::{Bounds, MAX_ACCEPTORS};
use crate::model::invariant::Breach;
use crate::model::node::{Change, Node};
use crate::model::packet::{Packet, PacketKind, Renaming};
use crate::model::proposer::Elected;

/// How a node handles a request: [`Node::on_request`], or a mutant of it in tests of the model checker.
pub(super) type OnRequest = fn(&Node, &Packet, &Bounds) -> Result<Option<Change>, Breach>;

/// What can happen to a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Input {
    /// It receives the packet of this number.
    Receive(u32),
    /// It loses its memory.
    Lose {
        /// Whether its replica still knows which life it was in.
        knows_life: bool,
    },
    /// Its oldest write becomes durable.
    Sync,
    /// It crashes and restarts with what is durable.
    Restart,
    /// It cuts its log below this slot.
    Cut(Slot),
}

impl Input {
    /// The input as a part of a key of the tables.
    pub(super) fn code(self) -> u64 {
        match self {
            Input::Receive(packet) => u64::from(packet),
            Input::Lose { knows_life: false } => 1 << 32,
            Input::Lose { knows_life: true } => 4 << 32,
            Input::Sync => 2 << 32,
            Input::Restart => 3 << 32,
            Input::Cut(slot) => (5 + slot.0) << 32,
        }
    }
}

/// What an input to a node leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transition {
    /// The number of the node's next state.
    pub(super) node: u32,
    /// The numbers of the packets that leave.
    pub(super) sent: Box<[u32]>,
    /// Whether nothing in the node's memory changes.
    pub(super) is_mere_answer: bool,
}

/// What a node does with an input: nothing, a transition, or a breach of an invariant.
pub(super) type StepResult = Result<Option<Transition>, Box<Breach>>;
/// Everything that packets which arrive one after the other can lead to.
pub(super) type Transitions = Result<Box<[Transition]>, Box<Breach>>;
/// The numbers of all leaders that a candidate can become.
pub(super) type Leaders = Result<Box<[u32]>, Box<Breach>>;

/// A question whose answer is not in the tables. [`Tables::ask_core`] adds it.
#[derive(Debug)]
pub(super) enum Miss {
    /// What the node does with the input.
    Step(u32, Input),
    /// See [`Tables::recovery`].
    Recovery(Box<[u32]>),
    /// See [`Tables::election`].
    Election(Box<[u32]>),
    /// See [`Tables::count`].
    Count(Box<[u32]>),
}

/// Whether votes make a value chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Count {
    /// According to the leader of the core.
    pub(super) by_leader: bool,
    /// According to the definition: a crash-consistent quorum voted.
    pub(super) by_definition: bool,
}

/// A node in one state.
pub(super) struct NodeRow {
    pub(super) node: Node,
    /// The state and the input that led to it first. Renaming these leads to the renamed state.
    pub(super) origin: Option<(u32, Input)>,
}

/// A packet, and what the search needs to know of it.
pub(super) struct PacketRow {
    pub(super) packet: Packet,
    pub(super) kind: PacketKind,
    /// Equal for packets of which the first stands for all: a hash of [`Packet::representative`].
    pub(super) class: u64,
}

/// A leader that was elected.
pub(super) struct LeaderRow {
    pub(super) elected: Elected,
    /// The numbers of its proposals as packets.
    pub(super) accepts: Box<[u32]>,
    pub(super) key: u128,
}

/// The keys of a node or a packet under all renamings of the acceptors (see [`crate::model::symmetry`]).
pub(super) struct RenamedKeys {
    /// The key under each renaming, in the order of [`Tables::names`].
    pub(super) keys: Box<[u128]>,
    /// By acceptor: a number that stays the same when other acceptors exchange their names.
    pub(super) signatures: [u64; MAX_ACCEPTORS],
}

/// See the head of this file.
pub(super) struct Tables {
    pub(super) bounds: Bounds,
    pub(super) on_request: OnRequest,
    /// All renamings of the acceptors.
    pub(super) names: Vec<Renaming>,
    pub(super) nodes: Vec<NodeRow>,
    pub(super) packets: Vec<PacketRow>,
    pub(super) leaders: Vec<LeaderRow>,
    pub(super) renamed_nodes: Vec<Option<Box<RenamedKeys>>>,
    pub(super) renamed_packets: Vec<Option<Box<RenamedKeys>>>,
    node_ids: HashMap<u128, u32, BuildQuick>,
    packet_ids: HashMap<u128, u32, BuildQuick>,
    packet_keys: Vec<u128>,
    pub(super) leader_ids: HashMap<u128, u32, BuildQuick>,
    /// The number of a node under a renaming.
    pub(super) renamed: HashMap<(u32, usize), u32, BuildQuick>,
    /// By node and input: whether the result may become part of a state of the search, and the result.
    pub(super) steps: HashMap<(u32, u64), (bool, StepResult), BuildQuick>,
    pub(super) recoveries: HashMap<Box<[u32]>, Transitions, BuildQuick>,
    pub(super) elections: HashMap<Box<[u32]>, Leaders, BuildQuick>,
    pub(super) counts: HashMap<Box<[u32]>, Count, BuildQuick>,
}

impl Tables {
    pub(super) fn new(bounds: Bounds, on_request: OnRequest) -> Tables {
        Tables {
            bounds,
            on_request,
            names: Renaming::all(bounds.acceptors),
            nodes: Vec::new(),
            packets: Vec::new(),
            leaders: Vec::new(),
            renamed_nodes: Vec::new(),
            renamed_packets: Vec::new(),
            node_ids: HashMap::default(),
            packet_ids: HashMap::default(),
            packet_keys: Vec::new(),
            leader_ids: HashMap::default(),
            renamed: HashMap::default(),
            steps: HashMap::default(),
            recoveries: HashMap::default(),
            elections: HashMap::default(),
            counts: HashMap::default(),
        }
    }

    /// What the node does with the input.
    pub(super) fn step(&self, node: u32, input: Input) -> Result<&StepResult, Miss> {
        match self.steps.get(&(node, input.code())) {
            Some((true, known)) => Ok(known),
            _ => Err(Miss::Step(node, input)),
        }
    }

    /// What a recovery can lead to when any of some packets reach it. `key` is the node, then the packets in
    /// the order of [`Tables::sort`].
    pub(super) fn recovery(&self, key: &[u32]) -> Result<&Transitions, Miss> {
        let known = self.recoveries.get(key);
        known.ok_or_else(|| Miss::Recovery(key.into()))
    }

    /// Which leaders a candidate can become. `key` is the proposer's place, then the packets.
    pub(super) fn election(&self, key: &[u32]) -> Result<&Leaders, Miss> {
        let known = self.elections.get(key);
        known.ok_or_else(|| Miss::Election(key.into()))
    }

    /// Whether votes make a value chosen. `key` is the leader, the slot, then the packets.
    pub(super) fn count(&self, key: &[u32]) -> Result<Count, Miss> {
        let known = self.counts.get(key);
        known.copied().ok_or_else(|| Miss::Count(key.into()))
    }

    /// The node of this number.
    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize].node
    }

    /// The packet of this number.
    pub(super) fn packet(&self, id: u32) -> &PacketRow {
        &self.packets[id as usize]
    }

    /// Sorts packets by their content. That order is the same in every run, while numbers depend on the order
    /// of the search.
    pub(super) fn sort(&self, packets: &mut [u32]) {
        packets.sort_unstable_by_key(|id| self.packet_keys[*id as usize]);
    }

    /// The number of a packet.
    pub(super) fn packet_id(&mut self, packet: Packet) -> u32 {
        let key = key_of(&packet);
        if let Some(id) = self.packet_ids.get(&key) {
            assert_eq!(self.packet(*id).packet, packet, "two packets share a key");
            return *id;
        }
        let id = number(self.packets.len());
        let kind = packet.kind();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "64 bits tell thousands of packets apart"
        )]
        let class = key_of(&packet.representative()) as u64;
        self.packets.push(PacketRow { packet, kind, class });
        self.packet_keys.push(key);
        self.renamed_packets.push(None);
        self.packet_ids.insert(key, id);
        id
    }

    /// The number of a node in this state. `origin` is what led to the state.
    pub(super) fn node_id(&mut self, node: Node, origin: Option<(u32, Input)>) -> u32 {
        let key = key_of(&node);
        if let Some(id) = self.node_ids.get(&key) {
            assert_eq!(*self.node(*id), node, "two nodes share a key");
            return *id;
        }
        let id = number(self.nodes.len());
        self.nodes.push(NodeRow { node, origin });
        self.renamed_nodes.push(None);
        self.node_ids.insert(key, id);
        id
    }
}

/// The number of the next row of a table.
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 of anything fit into memory")
}
