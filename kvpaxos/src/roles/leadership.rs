//! Phase 2: a leader proposes values for slots and counts votes, several slots at once within a window.
//!
//! The methods that propose and that count votes are public for the model checker.

use std::collections::{BTreeMap, VecDeque};

use crate::command::{Batch, Command, CommandKey, Value};
use crate::config::Limits;
use crate::crash_vector::{ConsistentSet, CrashVector};
use crate::export::export_fields;
use crate::message::Watermark;
use crate::roles::chosen_log::ChosenLog;
use crate::roles::read::Confirmation;
use crate::roles::under_way::UnderWay;
use crate::types::{Ballot, ReplicaId, ReplicaSet, Slot};

/// A proposer in phase 2.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Leadership {
    /// The ballot of the leader.
    pub(crate) ballot: Ballot,
    /// Values that phase 1 found and that are not proposed again yet.
    carried: BTreeMap<Slot, Value>,
    /// The end of the slots that were open when this leader was elected. Each of them gets the value that
    /// phase 1 found, or a no-op.
    carried_up_to: Slot,
    /// The next slot to propose for.
    next: Slot,
    /// Slots that are proposed, from the first one that is not chosen.
    open: BTreeMap<Slot, Proposal>,
    /// Every slot below is chosen.
    chosen: Slot,
    /// Two-phase setting: the first slot that each replica has not applied.
    applied: BTreeMap<ReplicaId, Slot>,
    /// Commands that wait for a slot.
    queue: VecDeque<Command>,
    /// The bytes of the queue.
    queue_bytes: usize,
    /// The commands that are carried over, queued or proposed. Repeats of them are dropped: replicas resend
    /// commands while a leader is slow, and repeats in the log would make it slower still.
    under_way: UnderWay,
    /// The watermark that was sent to all last.
    announced: Watermark,
    /// Read index requests that wait until the ballot is confirmed.
    pub(crate) confirmation: Confirmation,
}

export_fields!(Leadership {
    ballot,
    carried,
    carried_up_to,
    next,
    open,
    chosen,
    applied,
    queue,
    queue_bytes,
    under_way,
    announced,
    confirmation,
});

/// A value that is proposed for a slot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Proposal {
    value: Value,
    /// The votes for it in this ballot: at most one per acceptor, and consistent with each other (P4).
    votes: ConsistentSet,
    /// Set once enough votes counted together. It stays set, whatever happens to the voters.
    chosen: bool,
    /// Ticks since it was last sent.
    age: u32,
}

export_fields!(Proposal {
    value,
    votes,
    chosen,
    age
});

/// An Accept that must be sent again to the acceptors that have not voted.
pub(crate) struct Resend {
    pub(crate) slot: Slot,
    pub(crate) value: Value,
    pub(crate) voted: ReplicaSet,
}

impl Leadership {
    /// A leader whose phase 1 found `carried`; all slots below `start` are chosen.
    #[must_use]
    pub fn new(ballot: Ballot, start: Slot, mut carried: BTreeMap<Slot, Value>) -> Leadership {
        carried = carried.split_off(&start);
        let carried_up_to = carried.last_key_value().map_or(start, |(slot, _)| slot.next());
        Leadership {
            ballot,
            under_way: carried.values().flat_map(keys).collect(),
            carried,
            carried_up_to,
            next: start,
            open: BTreeMap::new(),
            chosen: start,
            applied: BTreeMap::new(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            announced: Watermark::default(),
            confirmation: Confirmation::default(),
        }
    }

    /// The number of slots with a value from phase 1, and the number of gaps between them.
    pub(crate) fn carried(&self) -> (u64, u64) {
        let found = self.carried.len() as u64;
        (found, self.carried_up_to.0 - self.next.0 - found)
    }

    /// Queues a command. Drops it if it is a repeat of a command that is under way, or if the queue is full;
    /// its replica will send it again.
    pub fn enqueue(&mut self, command: Command, bound: usize, bound_bytes: usize) {
        let size = command.size();
        let has_room = self.queue.len() < bound && self.queue_bytes + size <= bound_bytes;
        if has_room && self.under_way.insert(command.key()) {
            self.queue_bytes += size;
            self.queue.push_back(command);
        }
    }

    /// Proposes a value for the next slot, if the window allows and there is a value: first what phase 1
    /// found, with no-ops in the gaps (P2), then new commands, as many as fit in a batch. Commands for which
    /// `is_applied` is true are repeats, and are dropped.
    pub fn propose_next(
        &mut self,
        limits: &Limits,
        is_applied: impl Fn(&Command) -> bool,
    ) -> Option<(Slot, Value)> {
        if self.next.0 >= self.chosen.0 + limits.window as u64 {
            return None;
        }
        let slot = self.next;
        let value = if slot < self.carried_up_to {
            self.carried.remove(&slot).unwrap_or(Value::Noop)
        } else {
            self.next_batch(limits, is_applied)?
        };
        let proposal = Proposal {
            value: value.clone(),
            votes: ConsistentSet::default(),
            chosen: false,
            age: 0,
        };
        let before = self.open.insert(slot, proposal);
        assert!(
            before.is_none(),
            "P1: slot {slot:?} was proposed twice in ballot {:?}",
            self.ballot
        );
        self.next = slot.next();
        Some((slot, value))
    }

    fn next_batch(&mut self, limits: &Limits, is_applied: impl Fn(&Command) -> bool) -> Option<Value> {
        let mut commands = Vec::with_capacity(self.queue.len().min(limits.batch_commands));
        let mut bytes = 0;
        while commands.len() < limits.batch_commands
            && let Some(command) = self.queue.front()
        {
            let size = command.size();
            let applied = is_applied(command);
            if !applied && !commands.is_empty() && bytes + size > limits.batch_bytes {
                break;
            }
            let Some(command) = self.queue.pop_front() else {
                break;
            };
            self.queue_bytes -= size;
            if applied {
                self.under_way.remove(command.key());
            } else {
                bytes += size;
                commands.push(command);
            }
        }
        (!commands.is_empty()).then(|| Value::Batch(Batch::new(commands)))
    }

    /// The commands of this value are no longer under way.
    fn forget(&mut self, value: &Value) {
        for key in keys(value) {
            self.under_way.remove(key);
        }
    }

    /// Removes the chosen slots up to the first one that is not chosen.
    fn advance(&mut self) {
        while let Some(entry) = self.open.first_entry()
            && *entry.key() == self.chosen
            && entry.get().chosen
        {
            let proposal = entry.remove();
            self.forget(&proposal.value);
            self.chosen = self.chosen.next();
        }
    }

    /// Counts a vote. Returns whether the slot is chosen by it: `quorum` acceptors accepted its value in this
    /// ballot, and their votes are crash-consistent.
    pub fn on_accepted(
        &mut self,
        acceptor: ReplicaId,
        slot: Slot,
        vector: &CrashVector,
        quorum: usize,
    ) -> bool {
        let Some(proposal) = self.open.get_mut(&slot).filter(|proposal| !proposal.chosen) else {
            return false;
        };
        proposal.votes.add(acceptor, vector);
        proposal.chosen = proposal.votes.len() >= quorum;
        let chosen = proposal.chosen;
        self.advance();
        chosen
    }

    /// Whether the values that this leader proposed are the chosen ones, for all slots that this replica has
    /// learned from others.
    ///
    /// If one is not, or if a snapshot has replaced the value so that it cannot be compared, a leader with a
    /// higher ballot has been elected that this one has not heard of. It must stop: "every slot below is
    /// chosen", said in this ballot, means the values that were proposed in it. A counterexample to going on:
    ///
    /// 1. r0 leads with b1 and proposes x for a slot; r3 accepts it, and nobody else but r0.
    /// 2. r1 is elected with b2 by r2 and r4, and y is chosen for the slot.
    /// 3. r0 learns y from r2, and tells r3 in b1 that the slot is chosen: r3 takes it for x.
    pub(crate) fn agrees_with(&self, log: &ChosenLog) -> bool {
        // No slot below `chosen` is open. This is asked in each step.
        if log.next() <= self.chosen {
            return true;
        }
        let learned = self.open.range(..log.next());
        let mut unsure = learned.filter(|(_, proposal)| !proposal.chosen);
        unsure.all(|(slot, proposal)| log.get(*slot) == Some(&proposal.value))
    }

    /// This replica has learned from others that every slot below is chosen, with the values that this leader
    /// proposed. Their votes are no longer needed; acceptors that have cut their logs would not send them.
    pub(crate) fn on_learned(&mut self, below: Slot) {
        if below > self.chosen {
            let open = self.open.split_off(&below);
            for proposal in std::mem::replace(&mut self.open, open).into_values() {
                self.forget(&proposal.value);
            }
            let carried = self.carried.split_off(&below);
            for value in std::mem::replace(&mut self.carried, carried).into_values() {
                self.forget(&value);
            }
            self.chosen = below;
            self.next = self.next.max(below);
            self.advance();
        }
    }

    /// Two-phase setting: a replica has applied every slot below `up_to`.
    pub(crate) fn on_applied(&mut self, replica: ReplicaId, up_to: Slot) {
        let applied = self.applied.entry(replica).or_default();
        *applied = (*applied).max(up_to);
    }

    /// How far the log is chosen and settled. `two_phase` is the set of replicas that must have applied a
    /// slot before it is settled, in the two-phase setting.
    pub(crate) fn watermark(&self, two_phase: Option<ReplicaSet>) -> Watermark {
        let settled = two_phase.map_or(self.chosen, |members| {
            let applied = |id| self.applied.get(&id).copied().unwrap_or_default();
            members
                .iter()
                .map(applied)
                .min()
                .expect("a cluster has members")
                .min(self.chosen)
        });
        Watermark {
            chosen: self.chosen,
            settled,
        }
    }

    /// Notes that this watermark is being sent to all; returns whether it is new.
    pub(crate) fn tell(&mut self, watermark: Watermark) -> bool {
        let news = watermark != self.announced;
        self.announced = watermark;
        news
    }

    /// Whether reads may be answered: every slot that phase 1 carried over is chosen, so that `chosen` covers
    /// everything that earlier leaders acknowledged. One chosen slot of its own ballot would not be enough,
    /// because slots are chosen out of order.
    pub(crate) fn may_read(&self) -> bool {
        self.chosen >= self.carried_up_to
    }

    /// Every slot below is chosen.
    pub(crate) fn chosen(&self) -> Slot {
        self.chosen
    }

    /// A tick has passed. Returns the proposals that have waited for votes for too long.
    pub(crate) fn on_tick(&mut self, patience: u32) -> Vec<Resend> {
        let mut late = Vec::new();
        for (slot, proposal) in &mut self.open {
            proposal.age += 1;
            if proposal.age >= patience && !proposal.chosen {
                proposal.age = 0;
                late.push(Resend {
                    slot: *slot,
                    value: proposal.value.clone(),
                    voted: proposal.votes.iter().collect(),
                });
            }
        }
        late
    }

    /// The replicas that have not voted for the lowest open slot or, in the two-phase setting, have not
    /// applied what is chosen.
    pub(crate) fn waiting_for(&self, members: ReplicaSet, two_phase: bool) -> ReplicaSet {
        if let Some(proposal) = self.open.values().next() {
            return members.without(proposal.votes.iter().collect());
        }
        let behind = |id: &ReplicaId| self.applied.get(id).copied().unwrap_or_default() < self.chosen;
        if two_phase {
            members.iter().filter(behind).collect()
        } else {
            ReplicaSet::EMPTY
        }
    }
}

fn keys(value: &Value) -> impl Iterator<Item = CommandKey> {
    value.commands().iter().map(Command::key)
}
