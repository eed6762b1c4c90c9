//! The core, asked once for each question.
//!
//! Acceptors, packets and leaders get numbers, and what the core does with them is remembered by number: the search itself then handles
//! small integers, and is as fast as that of an abstract model, but every transition in it was made by the code that ships.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kvpaxos::{Message, ReplicaId, Slot};

use crate::hashing::BuildQuick;
use crate::hashing::key_of;
use crate::model::bounds::{Bounds, Breach, Invariant, MAX_ACCEPTORS};
use crate::model::node::{Change, Node};
use crate::model::packet::{Packet, PacketKind, Renaming};
use crate::model::proposer::{self, Elected};

/// Wrong acceptors for tests of the checker: the shipping ones are `node.on_request(packet, bounds)`.
pub(super) type OnRequest = fn(&Node, &Packet, &Bounds) -> Result<Option<Change>, Breach>;

/// What happens to an acceptor: a packet's number, or one of these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Input {
    Hear(u32),
    /// Whether the life that it was in is still known.
    Lose {
        knows_life: bool,
    },
    Sync,
    Restart,
    Cut(Slot),
}

impl Input {
    /// For the tables.
    fn code(self) -> u64 {
        match self {
            Input::Hear(packet) => u64::from(packet),
            Input::Lose { knows_life: false } => 1 << 32,
            Input::Lose { knows_life: true } => 4 << 32,
            Input::Sync => 2 << 32,
            Input::Restart => 3 << 32,
            Input::Cut(slot) => (5 + slot.0) << 32,
        }
    }
}

/// What came of an input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Transition {
    pub(super) node: u32,
    pub(super) sent: Box<[u32]>,
    pub(super) is_mere_answer: bool,
}

/// What the core was seen to do: nothing, something, or what it must not.
type Learned = Result<Option<Transition>, Box<Breach>>;
/// All that can come of packets that arrive one after the other.
type Transitions = Result<Box<[Transition]>, Box<Breach>>;
/// All leaders that a candidate can become.
type Leaders = Result<Box<[u32]>, Box<Breach>>;

/// Something that the core was not asked yet.
#[derive(Debug)]
pub(super) enum Miss {
    Step(u32, Input),
    Recovery(Box<[u32]>),
    Election(Box<[u32]>),
    Count(Box<[u32]>),
}

/// Whether votes add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Count {
    /// As the leader counts.
    pub(super) by_leader: bool,
    /// As the definition says.
    pub(super) by_definition: bool,
}

pub(super) struct NodeRow {
    pub(super) node: Node,
    /// How it came about; exchanging names there gives the same node with exchanged names.
    origin: Option<(u32, Input)>,
}

pub(super) struct PacketRow {
    pub(super) packet: Packet,
    pub(super) kind: PacketKind,
    /// The same for packets of which the first stands for all.
    pub(super) essence: u64,
}

pub(super) struct LeaderRow {
    pub(super) elected: Elected,
    /// The packets that it sends.
    pub(super) accepts: Box<[u32]>,
    pub(super) key: u128,
}

/// How something looks under all renamings of the acceptors.
pub(super) struct RenamedKeys {
    /// Its key under each renaming, in the order of [`Tables::names`].
    pub(super) keys: Box<[u128]>,
    /// For each acceptor what does not change if others exchange their names.
    pub(super) signatures: [u64; MAX_ACCEPTORS],
}

pub(super) struct Tables {
    pub(super) bounds: Bounds,
    on_request: OnRequest,
    pub(super) names: Vec<Renaming>,
    pub(super) nodes: Vec<NodeRow>,
    pub(super) packets: Vec<PacketRow>,
    pub(super) leaders: Vec<LeaderRow>,
    renamed_nodes: Vec<Option<Box<RenamedKeys>>>,
    renamed_packets: Vec<Option<Box<RenamedKeys>>>,
    node_ids: HashMap<u128, u32, BuildQuick>,
    packet_ids: HashMap<u128, u32, BuildQuick>,
    packet_keys: Vec<u128>,
    leader_ids: HashMap<u128, u32, BuildQuick>,
    renamed: HashMap<(u32, usize), u32, BuildQuick>,
    /// Whether what it leads to may be part of states, and what that is.
    steps: HashMap<(u32, u64), (bool, Learned), BuildQuick>,
    recoveries: HashMap<Box<[u32]>, Transitions, BuildQuick>,
    elections: HashMap<Box<[u32]>, Leaders, BuildQuick>,
    counts: HashMap<Box<[u32]>, Count, BuildQuick>,
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

    // What is known.

    pub(super) fn step(&self, node: u32, input: Input) -> Result<&Learned, Miss> {
        match self.steps.get(&(node, input.code())) {
            Some((true, known)) => Ok(known),
            _ => Err(Miss::Step(node, input)),
        }
    }

    /// What can come of a recovery when any of these packets reach it. `key` is the node, then the packets in the order of
    /// [`Tables::sort`].
    pub(super) fn recovery(&self, key: &[u32]) -> Result<&Transitions, Miss> {
        let known = self.recoveries.get(key);
        known.ok_or_else(|| Miss::Recovery(key.into()))
    }

    /// What can come of a candidacy. `key` is the proposer's place, then the packets.
    pub(super) fn election(&self, key: &[u32]) -> Result<&Leaders, Miss> {
        let known = self.elections.get(key);
        known.ok_or_else(|| Miss::Election(key.into()))
    }

    /// Whether votes add up. `key` is the leader, the slot, then the packets.
    pub(super) fn count(&self, key: &[u32]) -> Result<Count, Miss> {
        let known = self.counts.get(key);
        known.copied().ok_or_else(|| Miss::Count(key.into()))
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize].node
    }

    pub(super) fn packet(&self, id: u32) -> &PacketRow {
        &self.packets[id as usize]
    }

    pub(super) fn keys_of_node(&self, id: u32) -> &RenamedKeys {
        let looks = self.renamed_nodes[id as usize].as_deref();
        looks.expect("the looks of a node are made when it first comes up in a state")
    }

    pub(super) fn keys_of_packet(&self, id: u32) -> &RenamedKeys {
        let looks = self.renamed_packets[id as usize].as_deref();
        looks.expect("the looks of a packet are made when it is first sent")
    }

    /// In the order of their content, which is the same in every run, whatever numbers they got.
    pub(super) fn sort(&self, packets: &mut [u32]) {
        packets.sort_unstable_by_key(|id| self.packet_keys[*id as usize]);
    }

    // What is learned.

    pub(super) fn learn(&mut self, miss: Miss) {
        match miss {
            Miss::Step(node, input) => {
                let learned = self.take_step(node, input);
                if let Ok(Some(transition)) = &learned {
                    self.show(transition);
                }
                self.steps.insert((node, input.code()), (true, learned));
            }
            Miss::Recovery(key) => {
                let learned = self.recover(key[0], &key[1..]);
                let transitions =
                    learned.map(|found| found.into_iter().map(|(transition, _)| transition).collect());
                if let Ok(transitions) = &transitions {
                    for transition in <Box<[Transition]> as AsRef<[Transition]>>::as_ref(transitions) {
                        self.show(transition);
                    }
                }
                self.recoveries.insert(key, transitions);
            }
            Miss::Election(key) => {
                let learned = self.elect(key[0] as usize, &key[1..]);
                let leaders = learned.map(|found| found.into_iter().map(|(leader, _)| leader).collect());
                self.elections.insert(key, leaders);
            }
            Miss::Count(key) => {
                let (leader, slot) = (&self.leaders[key[0] as usize], Slot(u64::from(key[1])));
                let votes: Vec<&Packet> = key[2..].iter().map(|id| &self.packet(*id).packet).collect();
                let leadership = &leader.elected.leadership;
                let count = Count {
                    by_leader: proposer::count(&self.bounds, leadership, slot, &votes).is_some(),
                    by_definition: proposer::has_consistent_quorum(&self.bounds, &votes),
                };
                self.counts.insert(key, count);
            }
        }
    }

    /// Asks the core.
    fn take_step(&mut self, node: u32, input: Input) -> Learned {
        if let Some((_, known)) = self.steps.get(&(node, input.code())) {
            return known.clone();
        }
        let before = self.node(node);
        let bounds = &self.bounds;
        let ask = || match input {
            Input::Hear(packet) => match (&self.packet(packet).packet, self.packet(packet).kind) {
                (packet, kind) if kind.is_request() => (self.on_request)(before, packet, bounds),
                (packet, _) => before.on_answer(packet, bounds),
            },
            Input::Lose { knows_life } => Ok(before.lose_memory(bounds, knows_life)),
            Input::Sync => Ok(before.sync()),
            Input::Restart => Ok(before.restart()),
            Input::Cut(slot) => Ok(before.cut(slot)),
        };
        let change = guarded(ask)?;
        if let Some(change) = &change {
            check_recovering(before, change)?;
        }
        let transition = change.map(|change| self.take_in(node, input, change));
        self.steps
            .insert((node, input.code()), (false, Ok(transition.clone())));
        Ok(transition)
    }

    fn take_in(&mut self, node: u32, input: Input, change: Change) -> Transition {
        let Change {
            node: after,
            sent,
            is_mere_answer,
        } = change;
        Transition {
            node: self.node_id(after, Some((node, input))),
            sent: sent.into_iter().map(|packet| self.packet_id(packet)).collect(),
            is_mere_answer,
        }
    }

    /// What an transition holds will be part of states.
    fn show(&mut self, transition: &Transition) {
        self.rename_node(transition.node);
        for packet in &transition.sent {
            self.rename_packet(*packet);
        }
    }

    /// All that can come of a recovery when these packets reach it, any number of them in any order, up to the point where it sends
    /// something new or returns; and what leads there. A recovery does nothing but listen meanwhile, so that it can as well listen
    /// to all of it at the end.
    pub(super) fn recover(
        &mut self,
        node: u32,
        packets: &[u32],
    ) -> Result<Vec<(Transition, Vec<u32>)>, Box<Breach>> {
        let asked: Vec<Packet> = self
            .node(node)
            .recovery()
            .map(|recovery| recovery.questions())
            .into_iter()
            .flatten()
            .map(|(_, message)| Packet {
                from: self.node(node).id,
                to: None,
                message,
            })
            .collect();
        let asked: Vec<u32> = asked.into_iter().map(|packet| self.packet_id(packet)).collect();
        let mut found: Vec<(Transition, Vec<u32>)> = Vec::new();
        let mut open = vec![(node, Vec::new())];
        let mut next = 0;
        while next < open.len() {
            let (node, heard) = open[next].clone();
            next += 1;
            for packet in packets {
                let Some(transition) = self.take_step(node, Input::Hear(*packet))? else {
                    continue;
                };
                if transition.is_mere_answer {
                    continue;
                }
                let mut path: Vec<u32> = heard.clone();
                path.push(*packet);
                let goes_on = self.node(transition.node).recovery().is_some()
                    && transition.sent.iter().all(|packet| asked.contains(packet));
                self.check_fresh(node, *packet)?;
                if !goes_on {
                    if !found.iter().any(|(known, _)| *known == transition) {
                        found.push((transition, path));
                    }
                } else if !open.iter().any(|(known, _)| *known == transition.node) {
                    open.push((transition.node, path));
                }
            }
        }
        Ok(found)
    }

    /// The very same answer to an earlier question must change nothing.
    fn check_fresh(&self, node: u32, packet: u32) -> Result<(), Box<Breach>> {
        let mut stale = self.packet(packet).packet.clone();
        match &mut stale.message {
            Message::Recalled { nonce, .. } => *nonce -= 1,
            Message::Remembered(told) => told.nonce -= 1,
            _ => return Ok(()),
        }
        let change = guarded(|| self.node(node).on_answer(&stale, &self.bounds))?;
        if change.is_some_and(|change| !change.is_mere_answer) && !self.bounds.agreement_only {
            let what = format!("{} takes {stale:?} for fresh", self.node(node).id);
            return Err(Box::new(Breach::new(Invariant::Fresh, what)));
        }
        Ok(())
    }

    /// All that the candidate at `place` can become, and what leads there.
    pub(super) fn elect(
        &mut self,
        place: usize,
        packets: &[u32],
    ) -> Result<Vec<(u32, Vec<u32>)>, Box<Breach>> {
        let promises: Vec<&Packet> = packets.iter().map(|id| &self.packet(*id).packet).collect();
        let elections = guarded(|| proposer::elections(&self.bounds, place, &promises))?;
        let mut leaders = Vec::new();
        for (elected, path) in elections {
            let heard = path.into_iter().map(|index| packets[index]).collect();
            leaders.push((self.leader_id(place, elected), heard));
        }
        Ok(leaders)
    }

    fn leader_id(&mut self, place: usize, elected: Elected) -> u32 {
        let key = key_of(&elected);
        if let Some(id) = self.leader_ids.get(&key) {
            return *id;
        }
        let accept = |(slot, value): &(Slot, _)| proposer::accept(&self.bounds, place, *slot, value);
        let accepts: Vec<Packet> = elected.proposals.iter().map(accept).collect();
        let accepts: Box<[u32]> = accepts.into_iter().map(|packet| self.packet_id(packet)).collect();
        for packet in &accepts {
            self.rename_packet(*packet);
        }
        let id = number(self.leaders.len());
        self.leaders.push(LeaderRow {
            elected,
            accepts,
            key,
        });
        self.leader_ids.insert(key, id);
        id
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
        #[expect(clippy::cast_possible_truncation, reason = "half of it tells thousands apart")]
        let essence = key_of(&packet.essence()) as u64;
        self.packets.push(PacketRow {
            packet,
            kind,
            essence,
        });
        self.packet_keys.push(key);
        self.renamed_packets.push(None);
        self.packet_ids.insert(key, id);
        id
    }

    /// The number of a node.
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

    // How things look under other names.

    pub(super) fn rename_packet(&mut self, id: u32) {
        if self.renamed_packets[id as usize].is_some() {
            return;
        }
        let packet = &self.packet(id).packet;
        let keys = self.names.iter().map(|names| key_of(&packet.renamed(names)));
        let looks = self.looks(keys.collect());
        self.renamed_packets[id as usize] = Some(Box::new(looks));
    }

    pub(super) fn rename_node(&mut self, id: u32) {
        if self.renamed_nodes[id as usize].is_some() {
            return;
        }
        let renamed: Vec<u32> = (0..self.names.len())
            .map(|place| self.renamed_node(id, place))
            .collect();
        let keys = renamed.into_iter().map(|id| key_of(self.node(id)));
        let looks = self.looks(keys.collect());
        self.renamed_nodes[id as usize] = Some(Box::new(looks));
    }

    /// The same acceptor with other names: it lives through the same with other names.
    fn renamed_node(&mut self, id: u32, place: usize) -> u32 {
        if let Some(known) = self.renamed.get(&(id, place)) {
            return *known;
        }
        let names = self.names[place];
        let renamed = match self.nodes[id as usize].origin {
            None => {
                let node = Node::new(names.id(self.node(id).id));
                self.node_id(node, None)
            }
            Some((parent, input)) => {
                let parent = self.renamed_node(parent, place);
                let input = match input {
                    Input::Hear(packet) => {
                        let packet = self.packet(packet).packet.renamed(&names);
                        Input::Hear(self.packet_id(packet))
                    }
                    other => other,
                };
                let transition = self.take_step(parent, input);
                let transition = transition.ok().flatten();
                transition.expect("acceptors do not care for names").node
            }
        };
        self.renamed.insert((id, place), renamed);
        renamed
    }

    /// An acceptor's signature is the least key of all under which it is called 0: whoever else exchanges names, it stays the same.
    fn looks(&self, keys: Box<[u128]>) -> RenamedKeys {
        let mut signatures = [u128::MAX; MAX_ACCEPTORS];
        for (key, names) in keys.iter().zip(&self.names) {
            for (id, signature) in (0..).zip(&mut signatures[..self.bounds.acceptors]) {
                if names.id(ReplicaId(id)) == ReplicaId(0) {
                    *signature = (*signature).min(*key);
                }
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "64 bits of it are enough to sort by"
        )]
        let signatures = signatures.map(|signature| signature as u64);
        RenamedKeys { keys, signatures }
    }
}

/// A4: who recovers neither promises nor votes.
fn check_recovering(before: &Node, change: &Change) -> Result<(), Box<Breach>> {
    let mut kinds = change.sent.iter().map(Packet::kind);
    let speaks = kinds.any(|kind| matches!(kind, PacketKind::Promise { .. } | PacketKind::Vote { .. }));
    if before.recovery().is_some() && speaks {
        let what = format!("{} sends {:?} while it recovers", before.id, change.sent);
        return Err(Box::new(Breach::new(Invariant::A4, what)));
    }
    Ok(())
}

/// An assertion that fails in the core is a finding.
pub(super) fn guarded<T>(ask: impl FnOnce() -> Result<T, Breach>) -> Result<T, Box<Breach>> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => answer.map_err(Box::new),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "a panic without words".to_owned());
            Err(Box::new(Breach::new(Invariant::Assertion, text)))
        }
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 of anything fit into memory")
}
