//! The core's roles as a space to search: states, actions, and what an action leads to.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use kvpaxos::Slot;

use crate::hashing::spread;
use crate::model::bounds::{Bounds, MAX_ACCEPTORS, MAX_BALLOTS};
use crate::model::invariant::Breach;
use crate::model::node::Node;
use crate::model::packet::PacketKind;
use crate::model::proposer;
use crate::model::search::{Next, Space};
use crate::model::symmetry::Symmetry;
use crate::model::tables::{Input, Miss, OnRequest, Tables, Transition};

/// A state of all acceptors and proposers, and the packets that were sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The number of each acceptor's node.
    pub(super) nodes: [u32; MAX_ACCEPTORS],
    /// By ballot: one more than the number of its leader, or 0 while it has none.
    pub(super) leaders: [u32; MAX_BALLOTS],
    /// A bit for each ballot and slot in which a value is chosen.
    pub(super) chosen: u8,
    /// How often memory can still be lost.
    pub(super) losses: u8,
    /// The numbers of the packets that were sent and may still have an effect.
    pub(super) packets: Box<[u32]>,
}

/// What can happen in a state.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Something happens to an acceptor. Without an input, it receives whichever packets its recovery needs
    /// to get further.
    Acceptor {
        place: usize,
        input: Option<Input>,
        transition: Transition,
    },
    /// A proposer receives whichever packets it needs to lead.
    Lead { place: usize, leader: u32 },
    /// An invariant does not hold.
    Broken(Box<Breach>),
}

/// The core's roles within bounds, as a [`Space`].
pub struct Roles {
    pub(super) bounds: Bounds,
    pub(super) tables: RwLock<Tables>,
    symmetry: Symmetry,
}

/// A state that is being built.
pub(super) struct Draft {
    pub(super) nodes: [u32; MAX_ACCEPTORS],
    pub(super) leaders: [u32; MAX_BALLOTS],
    pub(super) chosen: u8,
    pub(super) losses: u8,
    pub(super) packets: Vec<u32>,
    /// A bit for each ballot for which a vote was sent by this action.
    pub(super) voted: u8,
}

impl Roles {
    /// The acceptors, recoveries and proposers of the core.
    ///
    /// # Panics
    /// If the bounds do not pass [`Bounds::check`].
    #[must_use]
    pub fn new(bounds: Bounds) -> Roles {
        Roles::with(bounds, Node::on_request, true)
    }

    /// For tests of the model checker: with a mutant of the acceptors, or without exchanging their names.
    pub(super) fn with(bounds: Bounds, on_request: OnRequest, is_symmetric: bool) -> Roles {
        bounds.check().expect("bounds are checked before they are used");
        let tables = Tables::new(bounds, on_request);
        Roles {
            bounds,
            symmetry: Symmetry::new(bounds.acceptors, &tables.names, is_symmetric),
            tables: RwLock::new(tables),
        }
    }

    /// The bounds within which they are explored.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a question up in the tables. Asks the core if they have no answer yet.
    fn ask<'a, T>(
        &'a self,
        tables: &mut Option<RwLockReadGuard<'a, Tables>>,
        mut question: impl FnMut(&Tables) -> Result<T, Miss>,
    ) -> T {
        loop {
            match question(tables.get_or_insert_with(|| self.read())) {
                Ok(answer) => return answer,
                Err(miss) => {
                    *tables = None;
                    self.update(|tables| tables.ask_core(miss));
                }
            }
        }
    }

    /// Changes the tables.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        change(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state in which every Prepare was sent and none has arrived.
    pub(super) fn blank(&self) -> State {
        self.update(|tables| {
            let mut draft = Draft::empty();
            for id in self.bounds.members().iter() {
                let node = tables.node_id(Node::new(id), None);
                tables.add_node_keys(node);
                draft.nodes[usize::from(id.0)] = node;
            }
            draft.losses = u8::try_from(self.bounds.losses).expect("the bounds were checked");
            for place in 0..self.bounds.ballots {
                let packet = tables.packet_id(proposer::prepare(&self.bounds, place));
                tables.add_packet_keys(packet);
                draft.packets.push(packet);
            }
            draft.finish()
        })
    }

    /// What can happen in a state, in an order that is the same in every run.
    pub(super) fn actions(&self, state: &State) -> Vec<Action> {
        self.ask(&mut None, |tables| self.find_actions(tables, state))
    }

    /// The state that an action leads to, and the breach in it.
    pub(super) fn take(&self, state: &State, action: &Action) -> (State, Option<Box<Breach>>) {
        let mut draft = Draft::empty();
        let breach = self.ask(&mut None, |tables| self.apply(tables, state, action, &mut draft));
        (draft.finish(), breach)
    }

    /// Builds the state that an action leads to. Returns the breach in it, if there is one.
    fn apply(
        &self,
        tables: &Tables,
        state: &State,
        action: &Action,
        draft: &mut Draft,
    ) -> Result<Option<Box<Breach>>, Miss> {
        draft.begin(state);
        let (touched, sent) = match action {
            Action::Broken(breach) => return Ok(Some(breach.clone())),
            Action::Acceptor {
                place,
                input,
                transition,
            } => {
                draft.nodes[*place] = transition.node;
                draft.losses -= u8::from(matches!(input, Some(Input::Lose { .. })));
                (Some(*place), &transition.sent)
            }
            Action::Lead { place, leader } => {
                draft.leaders[*place] = leader + 1;
                (None, &tables.leaders[*leader as usize].accepts)
            }
        };
        self.drop_useless_packets(tables, draft);
        let first_new = draft.packets.len();
        for packet in sent {
            self.send(tables, draft, *packet);
        }
        self.answer_requests(tables, draft, touched, first_new)?;
        if let Some(breach) = touched.and_then(|place| self.unfounded_cut(tables, draft, place)) {
            return Ok(Some(breach));
        }
        self.count_votes(tables, draft)
    }

    /// Drops the packets that can no longer have an effect.
    pub(super) fn drop_useless_packets(&self, tables: &Tables, draft: &mut Draft) {
        let mut packets = std::mem::take(&mut draft.packets);
        packets.retain(|packet| self.is_useful(tables, draft, *packet));
        draft.packets = packets;
    }

    fn send(&self, tables: &Tables, draft: &mut Draft, packet: u32) {
        if self.is_sent(tables, draft, packet) || !self.is_useful(tables, draft, packet) {
            return;
        }
        draft.packets.push(packet);
        if let PacketKind::Vote { to } = tables.packet(packet).kind {
            draft.voted |= 1 << (to - self.bounds.acceptors);
        }
    }

    /// Every acceptor answers each request that it can answer without changing. Such an answer can be lost,
    /// so it only adds to what can happen, and need not be an action of its own.
    fn answer_requests(
        &self,
        tables: &Tables,
        draft: &mut Draft,
        touched: Option<usize>,
        first_new: usize,
    ) -> Result<(), Miss> {
        let requests = draft.packets.len();
        for place in 0..self.bounds.acceptors {
            let from = if touched == Some(place) { 0 } else { first_new };
            for index in from..requests {
                let packet = draft.packets[index];
                if !tables.packet(packet).kind.is_request() {
                    continue;
                }
                if let Ok(Some(transition)) = tables.step(draft.nodes[place], Input::Receive(packet))?
                    && transition.is_mere_answer
                {
                    draft.nodes[place] = transition.node;
                    for sent in &transition.sent {
                        self.send(tables, draft, *sent);
                    }
                }
            }
        }
        Ok(())
    }

    /// How many states differ from this one only in the names of acceptors, this one included.
    #[cfg(test)]
    pub(super) fn count_renamed(&self, state: &State) -> usize {
        let tables = self.read();
        let key = |place: usize| {
            let nodes = state.nodes[..self.bounds.acceptors].iter();
            let nodes = nodes.map(|node| tables.keys_of_node(*node).keys[place]);
            let packets = state.packets.iter();
            let packets = packets.map(|packet| tables.keys_of_packet(*packet).keys[place]);
            nodes.chain(packets).fold(0, u128::wrapping_add)
        };
        let mut keys: Vec<u128> = (0..tables.names.len()).map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    }

    /// The lowest of the state's keys under the renamings that sort the acceptors by their signatures.
    fn fingerprint_of(&self, tables: &Tables, draft: &Draft) -> u128 {
        let nodes = &draft.nodes[..self.bounds.acceptors];
        let looks = || {
            let nodes = nodes.iter().map(|node| tables.keys_of_node(*node));
            nodes.chain(draft.packets.iter().map(|packet| tables.keys_of_packet(*packet)))
        };
        let mut signatures = [0u64; MAX_ACCEPTORS];
        for look in looks() {
            for (sum, signature) in signatures.iter_mut().zip(&look.signatures) {
                *sum = sum.wrapping_add(*signature);
            }
        }
        let candidates = self.symmetry.candidates(&signatures).iter();
        let sums = candidates.map(|place| {
            let keys = looks().map(|look| look.keys[usize::from(*place)]);
            keys.fold(0u128, u128::wrapping_add)
        });
        let mut sum = sums.min().expect("there is always a renaming");
        for leader in draft.leaders.iter().filter_map(|leader| leader.checked_sub(1)) {
            sum = sum.wrapping_add(tables.leaders[leader as usize].key);
        }
        sum.wrapping_add(spread(u64::from(draft.losses) << 8 | u64::from(draft.chosen)))
    }
}

/// The bit of a ballot, by its place, and a slot.
pub(super) fn bit(place: usize, slot: Slot) -> u8 {
    1 << (place as u64 * 2 + slot.0)
}

/// The bits of a slot in all ballots.
pub(super) fn in_any_ballot(slot: Slot) -> u8 {
    (0..MAX_BALLOTS).fold(0, |bits, place| bits | bit(place, slot))
}

impl Draft {
    fn empty() -> Draft {
        Draft {
            nodes: [0; MAX_ACCEPTORS],
            leaders: [0; MAX_BALLOTS],
            chosen: 0,
            losses: 0,
            packets: Vec::new(),
            voted: 0,
        }
    }

    fn begin(&mut self, state: &State) {
        self.nodes = state.nodes;
        self.leaders = state.leaders;
        self.chosen = state.chosen;
        self.losses = state.losses;
        self.packets.clear();
        self.packets.extend_from_slice(&state.packets);
        self.voted = 0;
    }

    fn finish(&self) -> State {
        State {
            nodes: self.nodes,
            leaders: self.leaders,
            chosen: self.chosen,
            losses: self.losses,
            packets: self.packets.as_slice().into(),
        }
    }
}

impl Space for Roles {
    type State = State;

    fn initial(&self) -> State {
        let last = self.prefix().pop();
        last.map_or_else(|| self.blank(), |(_, state)| state)
    }

    fn expand(&self, state: &State, is_known: &dyn Fn(u128) -> bool, visit: &mut dyn FnMut(Next<State>)) {
        let mut tables = None;
        let actions = self.ask(&mut tables, |tables| self.find_actions(tables, state));
        let mut draft = Draft::empty();
        for action in &actions {
            let breach = self.ask(&mut tables, |tables| {
                self.apply(tables, state, action, &mut draft)
            });
            if let Some(breach) = breach {
                visit(Next::Breach(breach));
                continue;
            }
            let print = self.ask(&mut tables, |tables| Ok(self.fingerprint_of(tables, &draft)));
            if !is_known(print) {
                visit(Next::State(print, draft.finish()));
            }
        }
    }

    fn fingerprint(&self, state: &State) -> u128 {
        let mut draft = Draft::empty();
        draft.begin(state);
        self.fingerprint_of(&self.read(), &draft)
    }
}
