//! The learner: finds out what was chosen, applies it in slot order, and helps others that lag.

use std::collections::BTreeMap;

use crate::command::{Outcome, Value};
use crate::config::Limits;
use crate::io::Reason;
use crate::machine::StateMachine;
use crate::types::{Ballot, ReplicaId, Slot};

/// Accepts this far beyond the last chosen slot are remembered; what lies further is asked for when its time comes.
const LOOKAHEAD: u64 = 4096;

/// A learner.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Learner {
    /// The chosen values from slot 0 on.
    log: Vec<Value>,
    /// What leaders proposed for later slots, of the highest ballot for each.
    proposed: BTreeMap<Slot, (Ballot, Value)>,
    /// The state after all of `log`, but for what `apply_next` has not applied yet.
    machine: StateMachine,
    /// The first slot not applied.
    applied: Slot,
    /// The highest slot below which all is said to be chosen.
    known: Slot,
    /// Ticks for which it has lacked something that is chosen, without learning anything.
    behind: u32,
    /// How much of the log there was at the last tick.
    before: Slot,
    /// Whom it asked for what it lacks, and how many ticks ago.
    asked: Option<(ReplicaId, u32)>,
}

/// A command that was applied, by its place in the log, and how it went.
pub(crate) struct AppliedSlot {
    pub(crate) slot: Slot,
    pub(crate) value: Value,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) digest: u128,
    pub(crate) sessions_dropped: u64,
}

impl Learner {
    /// A learner that begins with what is known to be chosen, and with what was accepted: that was proposed, in the ballot that
    /// stands with it, and may turn out to be chosen.
    pub(crate) fn new(
        limits: Limits,
        chosen: &[Value],
        accepted: &BTreeMap<Slot, (Ballot, Value)>,
    ) -> Learner {
        let next = Slot(chosen.len() as u64);
        let within = accepted
            .range(next..)
            .take_while(|(slot, _)| slot.0 < next.0 + LOOKAHEAD);
        Learner {
            log: chosen.to_vec(),
            proposed: within.map(|(slot, proposal)| (*slot, proposal.clone())).collect(),
            behind: 0,
            before: next,
            machine: StateMachine::new(limits),
            applied: Slot::ZERO,
            known: Slot(chosen.len() as u64),
            asked: None,
        }
    }

    /// The first slot not known to be chosen.
    pub(crate) fn next(&self) -> Slot {
        Slot(self.log.len() as u64)
    }

    /// The first slot not applied.
    pub(crate) fn applied(&self) -> Slot {
        self.applied
    }

    pub(crate) fn machine(&self) -> &StateMachine {
        &self.machine
    }

    pub(crate) fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.log.get(usize::try_from(slot.0).ok()?)
    }

    /// Remembers what the leader of `ballot` proposed.
    ///
    /// # Errors
    /// If it proposed another value before (P1).
    pub(crate) fn on_accept(&mut self, ballot: Ballot, slot: Slot, value: &Value) -> Result<(), Reason> {
        if slot < self.next() || slot.0 >= self.next().0 + LOOKAHEAD {
            return Ok(());
        }
        match self.proposed.get(&slot) {
            Some((before, same)) if *before == ballot && same != value => {
                Err(Reason::TwoValues { ballot, slot })
            }
            Some((before, _)) if *before >= ballot => Ok(()),
            _ => {
                self.proposed.insert(slot, (ballot, value.clone()));
                Ok(())
            }
        }
    }

    /// The leader of `ballot` says that every slot below `up_to` is chosen. What it proposed for them is the chosen value;
    /// what another leader proposed may not be. Returns the slots that were learned by this.
    pub(crate) fn on_watermark(&mut self, ballot: Ballot, up_to: Slot) -> &[Value] {
        self.known = self.known.max(up_to);
        let before = self.log.len();
        while self.next() < up_to {
            let next = self.next();
            match self.proposed.get(&next) {
                Some((proposed_in, _)) if *proposed_in == ballot => {
                    let (_, value) = self.proposed.remove(&next).expect("it was there a moment ago");
                    self.log.push(value);
                }
                _ => break,
            }
        }
        &self.log[before..]
    }

    /// Another replica says that every slot below `up_to` is chosen.
    pub(crate) fn on_learned_elsewhere(&mut self, up_to: Slot) {
        self.known = self.known.max(up_to);
    }

    /// Another replica tells the values chosen for consecutive slots. Returns those that were new.
    ///
    /// # Errors
    /// If one of them is not what was learned here for the same slot (L1).
    pub(crate) fn on_learned(&mut self, from: Slot, values: &[Value]) -> Result<&[Value], Reason> {
        let before = self.log.len();
        for (slot, value) in (from.0..).map(Slot).zip(values) {
            match self.chosen(slot) {
                Some(known) if known != value => return Err(Reason::TwoChosen { slot }),
                Some(_) => {}
                None if slot == self.next() => {
                    self.proposed.remove(&slot);
                    self.log.push(value.clone());
                }
                None => break,
            }
        }
        if self.log.len() > before {
            // An answer that brought nothing is no answer: asking again at once would go round and round.
            self.asked = None;
        }
        self.known = self.known.max(self.next());
        Ok(&self.log[before..])
    }

    /// Applies the next chosen slot, if there is one that is not applied (L2).
    pub(crate) fn apply_next(&mut self) -> Option<AppliedSlot> {
        let slot = self.applied;
        let value = self.chosen(slot)?.clone();
        let dropped_before = self.machine.sessions_dropped();
        let outcomes = self.machine.apply_all(slot, value.commands());
        self.applied = slot.next();
        let sessions_dropped = self.machine.sessions_dropped() - dropped_before;
        Some(AppliedSlot {
            slot,
            value,
            outcomes,
            digest: self.machine.digest(),
            sessions_dropped,
        })
    }

    /// Chosen values from a slot on, as many as fit; empty if the first is not known here.
    pub(crate) fn values_from(&self, from: Slot, chunk_bytes: usize) -> Vec<Value> {
        let mut values = Vec::new();
        let mut bytes = 0;
        let start = usize::try_from(from.0).unwrap_or(usize::MAX).min(self.log.len());
        for value in &self.log[start..] {
            if !values.is_empty() && bytes + value.size() > chunk_bytes {
                break;
            }
            bytes += value.size();
            values.push(value.clone());
        }
        values
    }

    /// Whether something is chosen elsewhere that is not known here and that nobody was asked for.
    pub(crate) fn lacks(&self) -> bool {
        self.next() < self.known && self.asked.is_none()
    }

    /// Notes whom it asks.
    pub(crate) fn ask(&mut self, whom: ReplicaId) {
        self.asked = Some((whom, 0));
    }

    /// For how many ticks it has lacked something that is chosen, and learned nothing.
    pub(crate) fn behind(&self) -> u32 {
        self.behind
    }

    /// This replica leads from now on: what the learner lacks, phase 2 is about to bring.
    pub(crate) fn on_elected(&mut self) {
        self.behind = 0;
    }

    /// A tick has passed. Tells who did not answer in time, if somebody did not.
    pub(crate) fn on_tick(&mut self, patience: u32) -> Option<ReplicaId> {
        let stuck = self.next() < self.known && self.next() == self.before;
        self.behind = if stuck { self.behind.saturating_add(1) } else { 0 };
        self.before = self.next();
        let (whom, age) = self.asked.as_mut()?;
        *age += 1;
        if *age < patience {
            return None;
        }
        let whom = *whom;
        self.asked = None;
        Some(whom)
    }
}
