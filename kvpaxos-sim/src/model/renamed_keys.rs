//! The keys of nodes and packets under all renamings of the acceptors.

use kvpaxos::ReplicaId;

use crate::hashing::key_of;
use crate::model::bounds::MAX_ACCEPTORS;
use crate::model::node::Node;
use crate::model::tables::{Input, RenamedKeys, Tables};

impl Tables {
    /// The keys of a node that is part of a state.
    pub(super) fn keys_of_node(&self, id: u32) -> &RenamedKeys {
        let keys = self.renamed_nodes[id as usize].as_deref();
        keys.expect("the keys of a node are added when it first becomes part of a state")
    }

    /// The keys of a packet that was sent.
    pub(super) fn keys_of_packet(&self, id: u32) -> &RenamedKeys {
        let keys = self.renamed_packets[id as usize].as_deref();
        keys.expect("the keys of a packet are added when it is first sent")
    }

    /// Computes the keys of a packet, unless they are known.
    pub(super) fn add_packet_keys(&mut self, id: u32) {
        if self.renamed_packets[id as usize].is_some() {
            return;
        }
        let packet = &self.packet(id).packet;
        let keys = self.names.iter().map(|names| key_of(&packet.renamed(names)));
        let keys = self.with_signatures(keys.collect());
        self.renamed_packets[id as usize] = Some(Box::new(keys));
    }

    /// Computes the keys of a node, unless they are known.
    pub(super) fn add_node_keys(&mut self, id: u32) {
        if self.renamed_nodes[id as usize].is_some() {
            return;
        }
        let renamed: Vec<u32> = (0..self.names.len())
            .map(|place| self.renamed_node(id, place))
            .collect();
        let keys = renamed.into_iter().map(|id| key_of(self.node(id)));
        let keys = self.with_signatures(keys.collect());
        self.renamed_nodes[id as usize] = Some(Box::new(keys));
    }

    /// The number of a node under a renaming: the state to which the renamed inputs lead. That it is the
    /// renamed state is what symmetry means; that the renamed inputs lead to a state at all is asserted here.
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
                    Input::Receive(packet) => {
                        let packet = self.packet(packet).packet.renamed(&names);
                        Input::Receive(self.packet_id(packet))
                    }
                    other => other,
                };
                let transition = self.take_step(parent, input);
                let transition = transition.ok().flatten();
                transition
                    .expect("an acceptor behaves the same under other names")
                    .node
            }
        };
        self.renamed.insert((id, place), renamed);
        renamed
    }

    /// The signature of an acceptor is the lowest key among the renamings that call it 0. It stays the same
    /// when others exchange names.
    fn with_signatures(&self, keys: Box<[u128]>) -> RenamedKeys {
        let mut signatures = [u128::MAX; MAX_ACCEPTORS];
        for (key, names) in keys.iter().zip(&self.names) {
            for (id, signature) in (0..).zip(&mut signatures[..self.bounds.acceptors]) {
                if names.id(ReplicaId(id)) == ReplicaId(0) {
                    *signature = (*signature).min(*key);
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "64 bits are enough to sort by")]
        let signatures = signatures.map(|signature| signature as u64);
        RenamedKeys { keys, signatures }
    }
}
