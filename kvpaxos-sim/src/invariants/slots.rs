//! The log as it is known from outside: which values were proposed for each slot, which votes are durable,
//! and which value is chosen.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::{Ballot, ReplicaId, Slot, Value};

use super::votes::VoteSet;

/// No run of the simulator reaches a higher slot. A replica that names one is broken.
const HIGHEST_SLOT: u64 = 1 << 20;

/// The place of a slot in a list of all slots.
pub(super) fn slot_index(slot: Slot) -> usize {
    usize::try_from(slot.0).expect("a slot number fits into an address of 64 bits")
}

/// The value that one ballot proposed for one slot.
struct Proposal {
    ballot: Ballot,
    value: Value,
    /// The durable votes. They stay here even if their acceptors lose their memory later: what they were
    /// counted for is chosen.
    votes: VoteSet,
}

#[derive(Default)]
struct SlotEntry {
    proposals: Vec<Proposal>,
    /// The chosen value and the first ballot in which it was chosen.
    chosen: Option<(Ballot, Value)>,
    /// The digest of the state after the slot, as the first replica reported it.
    digest: Option<u128>,
}

/// All slots of a run.
pub(super) struct SlotTable {
    entries: Vec<SlotEntry>,
    phase2: usize,
    highest: u64,
    /// The first slot without a chosen value.
    prefix: Slot,
}

/// What a vote led to.
pub(super) enum VoteStatus {
    /// Nothing new: there is no quorum yet, or the value was chosen before.
    Counted,
    /// The value is chosen by this vote.
    Chosen,
}

impl SlotTable {
    pub(super) fn new(phase2: usize) -> SlotTable {
        SlotTable {
            entries: Vec::new(),
            phase2,
            highest: HIGHEST_SLOT,
            prefix: Slot::ZERO,
        }
    }

    /// Allows for higher slots than any run of the simulator reaches.
    pub(super) fn allow_up_to(&mut self, highest: u64) {
        self.highest = highest;
    }

    /// The first slot without a chosen value.
    pub(super) fn prefix(&self) -> Slot {
        self.prefix
    }

    pub(super) fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.chosen_in(slot).map(|(_, value)| value)
    }

    /// The value chosen for a slot, and the first ballot in which it was chosen.
    pub(super) fn chosen_in(&self, slot: Slot) -> Option<(Ballot, &Value)> {
        let (ballot, value) = self.entry(slot)?.chosen.as_ref()?;
        Some((*ballot, value))
    }

    fn entry(&self, slot: Slot) -> Option<&SlotEntry> {
        self.entries.get(slot_index(slot))
    }

    fn entry_mut(&mut self, slot: Slot) -> Result<&mut SlotEntry, String> {
        if slot.0 > self.highest {
            return Err(format!("slot {slot} is beyond what any run reaches"));
        }
        let index = slot_index(slot);
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, SlotEntry::default);
        }
        Ok(&mut self.entries[index])
    }

    /// A leader proposes a value.
    ///
    /// # Errors
    /// If the ballot has proposed another value for the slot.
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
                "ballot {ballot} proposes {value} for slot {slot} and proposed {} before",
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

    /// Whether the ballot proposed this value for the slot.
    pub(super) fn was_proposed(&self, ballot: Ballot, slot: Slot, value: &Value) -> bool {
        self.entry(slot).is_some_and(|entry| {
            let mut proposals = entry.proposals.iter().rev();
            proposals.any(|proposal| proposal.ballot == ballot && proposal.value == *value)
        })
    }

    /// The value that the ballot proposed for the slot.
    pub(super) fn proposed(&self, ballot: Ballot, slot: Slot) -> Option<&Value> {
        let mut proposals = self.entry(slot)?.proposals.iter().rev();
        let proposal = proposals.find(|proposal| proposal.ballot == ballot)?;
        Some(&proposal.value)
    }

    /// How many durable votes for the slot in the ballot are consistent with each other.
    pub(super) fn votes(&self, ballot: Ballot, slot: Slot) -> usize {
        let entry = self.entry(slot);
        let proposal = entry.and_then(|e| e.proposals.iter().rev().find(|p| p.ballot == ballot));
        proposal.map_or(0, |proposal| proposal.votes.largest_consistent())
    }

    /// An acceptor's vote is durable.
    ///
    /// # Errors
    /// If it makes a second value chosen for the slot.
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
                "slot {slot} has {} chosen in ballot {ballot} and {chosen} in {earlier}",
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

    /// A replica reports the digest of its state after the slot.
    ///
    /// # Errors
    /// With the digest that another replica reported, if they differ.
    pub(super) fn digest(&mut self, slot: Slot, digest: u128) -> Result<(), u128> {
        let Ok(entry) = self.entry_mut(slot) else {
            return Ok(());
        };
        let known = *entry.digest.get_or_insert(digest);
        if known == digest { Ok(()) } else { Err(known) }
    }
}
