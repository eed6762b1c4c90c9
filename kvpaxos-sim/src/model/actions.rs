//! What can happen in a state.

use kvpaxos::Slot;

use crate::model::packet::PacketKind;
use crate::model::roles::{Action, Roles, State, in_any_ballot};
use crate::model::tables::{Input, Miss, Tables};

impl Roles {
    /// What can happen in a state, in an order that is the same in every run.
    pub(super) fn find_actions(&self, tables: &Tables, state: &State) -> Result<Vec<Action>, Miss> {
        let mut actions = Vec::new();
        if self.all_propose_the_same(tables, state) {
            return Ok(actions);
        }
        for place in 0..self.bounds.acceptors {
            if tables.node(state.nodes[place]).recovery().is_some() {
                self.find_recoveries(tables, state, place, &mut actions)?;
            } else {
                self.find_deliveries(tables, state, place, &mut actions)?;
            }
        }
        for place in 0..self.bounds.ballots {
            if state.leaders[place] == 0 {
                self.find_elections(tables, state, place, &mut actions)?;
            }
        }
        if actions.is_empty()
            && let Some(breach) = self.stuck(tables, state)
        {
            actions.push(Action::Broken(breach));
        }
        self.find_crashes(tables, state, &mut actions)?;
        Ok(actions)
    }

    /// Requests that reach an acceptor, its disk, and its cuts.
    fn find_deliveries(
        &self,
        tables: &Tables,
        state: &State,
        place: usize,
        actions: &mut Vec<Action>,
    ) -> Result<(), Miss> {
        for packet in &state.packets {
            let kind = tables.packet(*packet).kind;
            if !kind.is_request() || self.is_deferred(tables, state, kind) {
                continue;
            }
            let input = Input::Receive(*packet);
            match tables.step(state.nodes[place], input)? {
                Ok(Some(transition)) if !transition.is_mere_answer => actions.push(Action::Acceptor {
                    place,
                    input: Some(input),
                    transition: transition.clone(),
                }),
                Ok(_) => {}
                Err(breach) => actions.push(Action::Broken(breach.clone())),
            }
        }
        if self.bounds.unsynced > 0 {
            add_action(tables, state, place, Input::Sync, actions)?;
        }
        if self.bounds.cuts {
            for slot in 0..self.bounds.slots {
                let slot = Slot(slot as u64);
                if state.chosen & in_any_ballot(slot) == 0 {
                    break;
                }
                add_action(tables, state, place, Input::Cut(slot.next()), actions)?;
            }
        }
        Ok(())
    }

    /// What the recovery of an acceptor can conclude.
    fn find_recoveries(
        &self,
        tables: &Tables,
        state: &State,
        place: usize,
        actions: &mut Vec<Action>,
    ) -> Result<(), Miss> {
        let key = self.recovery_key(tables, state, place);
        match tables.recovery(&key)? {
            Ok(transitions) => actions.extend(transitions.iter().map(|transition| Action::Acceptor {
                place,
                input: None,
                transition: transition.clone(),
            })),
            Err(breach) => actions.push(Action::Broken(breach.clone())),
        }
        Ok(())
    }

    /// The key of [`Tables::recovery`]: the packets for an acceptor that recovers.
    pub(super) fn recovery_key(&self, tables: &Tables, state: &State, place: usize) -> Vec<u32> {
        self.key_for(
            tables,
            state,
            state.nodes[place],
            |kind| matches!(kind, PacketKind::Recalled { to, .. } | PacketKind::Remembered { to, .. } if to == place),
        )
    }

    /// Which leaders a candidate can become.
    fn find_elections(
        &self,
        tables: &Tables,
        state: &State,
        place: usize,
        actions: &mut Vec<Action>,
    ) -> Result<(), Miss> {
        let key = self.election_key(tables, state, place);
        match tables.election(&key)? {
            Ok(leaders) => {
                let leaders = leaders.iter().copied();
                actions.extend(leaders.map(|leader| Action::Lead { place, leader }));
            }
            Err(breach) => actions.push(Action::Broken(breach.clone())),
        }
        Ok(())
    }

    /// The key of [`Tables::election`]: the packets for a candidate.
    pub(super) fn election_key(&self, tables: &Tables, state: &State, place: usize) -> Vec<u32> {
        let to = self.bounds.acceptors + place;
        let first = u32::try_from(place).expect("the bounds were checked");
        self.key_for(tables, state, first, |kind| kind == PacketKind::Promise { to })
    }

    /// A key of the tables: a number, then the packets for which `is_for_it` holds.
    fn key_for(
        &self,
        tables: &Tables,
        state: &State,
        first: u32,
        is_for_it: impl Fn(PacketKind) -> bool,
    ) -> Vec<u32> {
        let mut key = vec![first];
        let for_it = |packet: &&u32| is_for_it(tables.packet(**packet).kind);
        key.extend(state.packets.iter().filter(for_it));
        tables.sort(&mut key[1..]);
        key
    }

    /// Crashes and losses of memory.
    fn find_crashes(&self, tables: &Tables, state: &State, actions: &mut Vec<Action>) -> Result<(), Miss> {
        let is_recovering = |place: &usize| tables.node(state.nodes[*place]).recovery().is_some();
        let recovering = (0..self.bounds.acceptors).filter(is_recovering).count();
        for place in 0..self.bounds.acceptors {
            let already = usize::from(is_recovering(&place));
            if state.losses > 0 && recovering + 1 - already <= self.bounds.most_without_memory() {
                add_action(tables, state, place, Input::Lose { knows_life: false }, actions)?;
                add_action(tables, state, place, Input::Lose { knows_life: true }, actions)?;
            }
            if self.bounds.unsynced > 0 {
                add_action(tables, state, place, Input::Restart, actions)?;
            }
        }
        Ok(())
    }
}

/// Adds the action that an input to a node is, if the input has an effect.
fn add_action(
    tables: &Tables,
    state: &State,
    place: usize,
    input: Input,
    actions: &mut Vec<Action>,
) -> Result<(), Miss> {
    match tables.step(state.nodes[place], input)? {
        Ok(Some(transition)) => actions.push(Action::Acceptor {
            place,
            input: Some(input),
            transition: transition.clone(),
        }),
        Ok(None) => {}
        Err(breach) => actions.push(Action::Broken(breach.clone())),
    }
    Ok(())
}
