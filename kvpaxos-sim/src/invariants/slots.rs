//! What is known of every slot, from outside: who was asked to accept what, whose votes are durable, what is chosen.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::{Ballot, ReplicaId, Slot, Value};

use super::votes::VoteSet;

/// The highest slot that a run of this simulator can reach honestly.
const ABSURD: u64 = 1 << 20;

/// One ballot's value in one slot.
struct Proposal {
    ballot: Ballot,
    value: Value,
    /// Those whose votes are durable, and what each knew when it voted. A vote once durable stays: whether its acceptor
    /// forgets it later changes nothing about what it was counted with before.
    votes: VoteSet,
}

#[derive(Default)]
struct SlotEntry {
    proposals: Vec<Proposal>,
    /// The value, and the first ballot in which it was chosen.
    chosen: Option<(Ballot, Value)>,
    digest: Option<u128>,
}

/// See the module.
pub(super) struct SlotTable {
    entries: Vec<SlotEntry>,
    phase2: usize,
    /// The first slot that is not chosen.
    prefix: Slot,
}

/// What a new vote led to.
pub(super) enum VoteStatus {
    /// Nothing yet, or it was chosen before.
    Counted,
    /// The value is chosen now.
    Chosen,
}

impl SlotTable {
    pub(super) fn new(phase2: usize) -> SlotTable {
        SlotTable {
            entries: Vec::new(),
            phase2,
            prefix: Slot::ZERO,
        }
    }

    /// The first slot that is not chosen.
    pub(super) fn prefix(&self) -> Slot {
        self.prefix
    }

    pub(super) fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.chosen_in(slot).map(|(_, value)| value)
    }

    /// The value chosen for a slot, and in which ballot first.
    pub(super) fn chosen_in(&self, slot: Slot) -> Option<(Ballot, &Value)> {
        let (ballot, value) = self.entry(slot)?.chosen.as_ref()?;
        Some((*ballot, value))
    }

    fn entry(&self, slot: Slot) -> Option<&SlotEntry> {
        self.entries.get(usize::try_from(slot.0).ok()?)
    }

    fn entry_mut(&mut self, slot: Slot) -> Result<&mut SlotEntry, String> {
        if slot.0 > ABSURD {
            return Err(format!("slot {slot} is beyond what any run reaches"));
        }
        let index = usize::try_from(slot.0).map_err(|e| e.to_string())?;
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, SlotEntry::default);
        }
        Ok(&mut self.entries[index])
    }

    /// A leader asks for this value to be accepted. Tells of a second value for the ballot.
    pub(super) fn propose(&mut self, ballot: Ballot, slot: Slot, value: &Value) -> Result<(), String> {
        let entry = self.entry_mut(slot)?;
        match entry
            .proposals
            .iter()
            .rev()
            .find(|proposal| proposal.ballot == ballot)
        {
            Some(known) if known.value == *value => Ok(()),
            Some(known) => Err(format!(
                "ballot {ballot} proposes {value:?} for slot {slot} and proposed {:?} before",
                known.value
            )),
            None => {
                entry.proposals.push(Proposal {
                    ballot,
                    value: value.clone(),
                    votes: VoteSet::default(),
                });
                Ok(())
            }
        }
    }

    /// Whether this value was proposed for the slot in the ballot.
    pub(super) fn was_proposed(&self, ballot: Ballot, slot: Slot, value: &Value) -> bool {
        self.entry(slot).is_some_and(|entry| {
            let mut proposals = entry.proposals.iter().rev();
            proposals.any(|proposal| proposal.ballot == ballot && proposal.value == *value)
        })
    }

    /// What a ballot proposed for the slot.
    pub(super) fn proposed(&self, ballot: Ballot, slot: Slot) -> Option<&Value> {
        let mut proposals = self.entry(slot)?.proposals.iter().rev();
        let proposal = proposals.find(|proposal| proposal.ballot == ballot)?;
        Some(&proposal.value)
    }

    /// How many durable votes the ballot has for the slot that count together.
    pub(super) fn votes(&self, ballot: Ballot, slot: Slot) -> usize {
        let entry = self.entry(slot);
        let proposal = entry.and_then(|e| e.proposals.iter().rev().find(|p| p.ballot == ballot));
        proposal.map_or(0, |proposal| proposal.votes.largest_consistent())
    }

    /// An acceptor's vote is durable. Tells of a second value chosen for the slot.
    pub(super) fn vote(
        &mut self,
        by: ReplicaId,
        ballot: Ballot,
        slot: Slot,
        vector: &CrashVector,
    ) -> Result<VoteStatus, String> {
        let phase2 = self.phase2;
        let entry = self.entry_mut(slot)?;
        let found = entry.proposals.iter_mut().rev().find(|p| p.ballot == ballot);
        let Some(proposal) = found else {
            return Ok(VoteStatus::Counted);
        };
        proposal.votes.add(by, vector);
        if proposal.votes.largest_consistent() < phase2 {
            return Ok(VoteStatus::Counted);
        }
        match &entry.chosen {
            Some((_, chosen)) if *chosen == proposal.value => Ok(VoteStatus::Counted),
            Some((earlier, chosen)) => Err(format!(
                "slot {slot} has {:?} chosen in ballot {ballot} and {chosen:?} in {earlier}",
                proposal.value
            )),
            None => {
                entry.chosen = Some((ballot, proposal.value.clone()));
                while self.chosen(self.prefix).is_some() {
                    self.prefix = self.prefix.next();
                }
                Ok(VoteStatus::Chosen)
            }
        }
    }

    /// The digest that a replica has after the slot. Tells of one that differs.
    pub(super) fn digest(&mut self, slot: Slot, digest: u128) -> Result<(), u128> {
        let Ok(entry) = self.entry_mut(slot) else {
            return Ok(());
        };
        let known = *entry.digest.get_or_insert(digest);
        if known == digest { Ok(()) } else { Err(known) }
    }
}
