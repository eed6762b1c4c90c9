//! Phase 2: a leader proposes values for slots and counts votes, several slots at once within a window.
//!
//! What proposes and what counts votes is public for the model checker's sake; the rest is the replica's own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::command::{Batch, Command, CommandKey, Value};
use crate::config::Limits;
use crate::crash_vector::{ConsistentSet, CrashVector};
use crate::message::Watermark;
use crate::roles::chosen_log::ChosenLog;
use crate::roles::read::Confirmation;
use crate::types::{Ballot, ReplicaId, ReplicaSet, Slot};

/// A proposer in phase 2.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Leadership {
    /// The ballot it leads with.
    pub(crate) ballot: Ballot,
    /// Values that phase 1 found, not yet proposed anew.
    carried: BTreeMap<Slot, Value>,
    /// Slots below were open when this leader was elected: each gets the value that phase 1 found, or a no-op.
    carried_up_to: Slot,
    /// The next slot to propose for.
    next: Slot,
    /// Slots that are proposed and not all chosen below.
    open: BTreeMap<Slot, Proposal>,
    /// Every slot below is chosen.
    chosen: Slot,
    /// Two-phase setting: the first slot that each replica has not applied.
    applied: BTreeMap<ReplicaId, Slot>,
    /// Commands that wait for a slot.
    queue: VecDeque<Command>,
    /// Their bytes.
    queue_bytes: usize,
    /// What is carried, queued or open. A repeat of it is not proposed again: commands are handed in again and again while a leader is
    /// slow, and repeats that took slots would make it slower still.
    under_way: BTreeSet<CommandKey>,
    /// What was told to everybody last.
    told: Watermark,
    /// Reads that wait for the ballot to be confirmed.
    pub(crate) confirmation: Confirmation,
}

/// A value on its way to being chosen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Proposal {
    value: Value,
    /// Who accepted it in this ballot: nobody counts twice, and those that count do so together (P4).
    votes: ConsistentSet,
    /// Enough votes counted together once. That stands, whatever becomes of the voters.
    chosen: bool,
    /// Ticks since it was last sent.
    age: u32,
}

/// Something that must be sent again to those that have not voted.
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
            told: Watermark::default(),
            confirmation: Confirmation::default(),
        }
    }

    /// How many slots carry a value over, and how many are gaps.
    pub(crate) fn carried(&self) -> (u64, u64) {
        let found = self.carried.len() as u64;
        (found, self.carried_up_to.0 - self.next.0 - found)
    }

    /// Takes a command in. Drops it if it is a repeat of what is under way, or if the queue is full: then its replica will send it
    /// again.
    pub fn enqueue(&mut self, command: Command, bound: usize, bound_bytes: usize) {
        let size = command.size();
        let has_room = self.queue.len() < bound && self.queue_bytes + size <= bound_bytes;
        if has_room && self.under_way.insert(command.key()) {
            self.queue_bytes += size;
            self.queue.push_back(command);
        }
    }

    /// Opens the next slot, if the window allows and there is a value for it: first what phase 1 found, with no-ops in
    /// the gaps (P2), then new commands, as many as fit in a batch. Those that `is_applied` tells of are dropped: they were repeats.
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
                self.under_way.remove(&command.key());
            } else {
                bytes += size;
                commands.push(command);
            }
        }
        (!commands.is_empty()).then(|| Value::Batch(Batch::new(commands)))
    }

    /// What was proposed for a slot needs no votes any more, or what was carried for it will not be proposed.
    fn forget(&mut self, value: &Value) {
        for key in keys(value) {
            self.under_way.remove(&key);
        }
    }

    /// Goes past the slots that are chosen, up to the first that is not.
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

    /// A vote. Returns whether the slot is chosen by it, which it is once `quorum` acceptors, whose votes are crash-consistent,
    /// accepted its value in this ballot.
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

    /// Whether what it proposed is what was chosen, wherever this replica has learned it from others.
    ///
    /// Where it is not, or that cannot be told any more because a snapshot took the place of the value, a higher ballot was elected,
    /// of which nothing was heard yet. To go on would be a lie: "every slot below is chosen", said in this ballot, means what was
    /// proposed in it. The counterexample:
    ///
    /// 1. r0 leads with b1 and proposes x for a slot; r3 accepts it, and nobody else but r0.
    /// 2. r1 is elected with b2 by r2 and r4, and y is chosen for the slot.
    /// 3. r0 learns y from r2, and tells r3 in b1 that the slot is chosen: r3 takes it for x.
    pub(crate) fn agrees_with(&self, log: &ChosenLog) -> bool {
        let learned = self.open.range(..log.next());
        let mut unsure = learned.filter(|(_, proposal)| !proposal.chosen);
        unsure.all(|(slot, proposal)| log.get(*slot) == Some(&proposal.value))
    }

    /// This replica has learned from others that every slot below is chosen, and that its proposals agree with it: their votes are
    /// needed no more. Acceptors that have cut their log would not give them.
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

    /// How far the log is chosen and settled; `members` are those that must have applied, in the two-phase setting.
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

    /// Notes that everybody is being told this; tells whether it is news.
    pub(crate) fn tell(&mut self, watermark: Watermark) -> bool {
        let news = watermark != self.told;
        self.told = watermark;
        news
    }

    /// Reads may be answered: every slot that phase 1 carried over is chosen, so that `chosen` covers all that was ever
    /// acknowledged by earlier leaders. "Something of its own ballot" would not be enough, as slots are chosen out of order.
    pub(crate) fn may_read(&self) -> bool {
        self.chosen >= self.carried_up_to
    }

    /// Everything below is chosen.
    pub(crate) fn chosen(&self) -> Slot {
        self.chosen
    }

    /// A tick has passed; returns what has waited for votes too long.
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

    /// Who has not voted for the lowest open slot; or, in the two-phase setting, who has not applied what is chosen.
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
