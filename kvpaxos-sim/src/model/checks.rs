//! Checks of states: agreement, cuts, counts of votes and progress. Invariants of a single acceptor are
//! checked when it is asked, in [`crate::model::node`] and [`crate::model::core_queries`].

use kvpaxos::{Slot, Value};

use crate::model::invariant::{Breach, Invariant};
use crate::model::proposer;
use crate::model::roles::{Draft, Roles, State, bit, in_any_ballot};
use crate::model::tables::{Miss, Tables};

impl Roles {
    /// Notes which values are chosen now.
    ///
    /// Returns a breach of P4 if the leader counts them otherwise than the definition, and one of agreement
    /// if another value is chosen as well.
    pub(super) fn count_votes(
        &self,
        tables: &Tables,
        draft: &mut Draft,
    ) -> Result<Option<Box<Breach>>, Miss> {
        for place in 0..self.bounds.ballots {
            let Some(leader) = draft.leaders[place].checked_sub(1) else {
                continue;
            };
            if draft.voted & (1 << place) == 0 {
                continue;
            }
            let ballot = self.bounds.ballot(place);
            for (slot, value) in &tables.leaders[leader as usize].elected.proposals {
                if draft.chosen & bit(place, *slot) != 0 {
                    continue;
                }
                let mut key = vec![leader, u32::try_from(slot.0).expect("the bounds were checked")];
                let is_vote = |id: &&u32| {
                    let packet = &tables.packet(**id).packet;
                    proposer::vote(packet).is_some_and(|vote| vote.1 == ballot && vote.2 == *slot)
                };
                key.extend(draft.packets.iter().filter(is_vote));
                tables.sort(&mut key[2..]);
                let count = tables.count(&key)?;
                if count.by_leader != count.by_definition && !self.bounds.agreement_only {
                    let what = format!("slot {slot} in {ballot}: {count:?}");
                    return Ok(Some(Box::new(Breach::new(Invariant::P4, what))));
                }
                if count.by_leader || count.by_definition {
                    draft.chosen |= bit(place, *slot);
                    self.drop_useless_packets(tables, draft);
                    if let Some(breach) = self.disagreement(tables, draft, place, *slot, value) {
                        return Ok(Some(breach));
                    }
                }
            }
        }
        Ok(None)
    }

    /// A breach if the acceptor at `place` has cut a slot for which nothing is chosen.
    pub(super) fn unfounded_cut(&self, tables: &Tables, draft: &Draft, place: usize) -> Option<Box<Breach>> {
        let node = tables.node(draft.nodes[place]);
        let cut = node.live()?.cut();
        let is_chosen = |slot: &u64| draft.chosen & in_any_ballot(Slot(*slot)) != 0;
        let slot = (0..cut.0).find(|slot| !is_chosen(slot))?;
        let what = format!("{} has cut slot {slot}, for which nothing is chosen", node.id);
        (!self.bounds.agreement_only).then(|| Box::new(Breach::new(Invariant::Cut, what)))
    }

    /// A breach if another ballot has another value chosen for the slot.
    fn disagreement(
        &self,
        tables: &Tables,
        draft: &Draft,
        place: usize,
        slot: Slot,
        value: &Value,
    ) -> Option<Box<Breach>> {
        for other in 0..self.bounds.ballots {
            let Some(leader) = draft.leaders[other].checked_sub(1) else {
                continue;
            };
            let proposals = &tables.leaders[leader as usize].elected.proposals;
            let proposed = proposals.iter().find(|(of, _)| *of == slot);
            if let Some((_, same)) = proposed
                && draft.chosen & bit(other, slot) != 0
                && same != value
            {
                let (low, high) = (place.min(other), place.max(other));
                let what = format!(
                    "slot {slot} has a value chosen in {} and another in {}",
                    self.bounds.ballot(low),
                    self.bounds.ballot(high)
                );
                return Some(Box::new(Breach::new(Invariant::Agreement, what)));
            }
        }
        None
    }

    /// A breach of progress, in a state in which nothing but crashes can happen: everything must have come to
    /// its end.
    pub(super) fn stuck(&self, tables: &Tables, state: &State) -> Option<Box<Breach>> {
        let stuck = |what: String| Some(Box::new(Breach::new(Invariant::Progress, what)));
        for node in &state.nodes[..self.bounds.acceptors] {
            let node = tables.node(*node);
            if node.recovery().is_some() {
                return stuck(format!(
                    "{} has received everything and does not recover",
                    node.id
                ));
            }
        }
        let highest = self.bounds.ballots - 1;
        let ballot = self.bounds.ballot(highest);
        let Some(leader) = state.leaders[highest].checked_sub(1) else {
            return stuck(format!(
                "{ballot} is the highest ballot, everything has arrived, and it is not elected"
            ));
        };
        for (slot, _) in &tables.leaders[leader as usize].elected.proposals {
            let is_cut = |node: &u32| tables.node(*node).live().is_some_and(|own| own.cut() > *slot);
            let is_known = state.nodes[..self.bounds.acceptors].iter().any(is_cut);
            if state.chosen & bit(highest, *slot) == 0 && !is_known {
                return stuck(format!(
                    "{ballot} is the highest ballot, everything has arrived, and slot {slot} is not chosen in it"
                ));
            }
        }
        None
    }
}
