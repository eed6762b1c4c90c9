//! Checks of messages when they leave: what each claims is compared with what is durable and with what is
//! chosen (A1 to A4, P1 to P4, L1, L4, S5).

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::{Heartbeat, Promise, Remembered, SnapshotPart};
use kvpaxos::{Ballot, Incarnation, Message, ReplicaId, Slot, Value, Watermark};

use super::audit::Audit;
use super::coverage::Sometimes;
use super::violation::Property;

impl Audit {
    /// Checks a message that leaves `from`.
    pub(super) fn check_message(&mut self, from: ReplicaId, to: ReplicaId, message: &Message) {
        if let Some(Err(why)) = self
            .acknowledgements
            .as_mut()
            .map(|acknowledgements| acknowledgements.leaves(from, message))
        {
            self.violated(Property::S5, why);
        }
        match message {
            Message::Prepare { ballot, .. } => self.check_prepare(from, *ballot),
            Message::Promise(_) => self.check_promise(from, message),
            Message::Refused { ballot, promised } => self.check_refused(from, *ballot, *promised),
            Message::Accept {
                ballot,
                slot,
                value,
                chosen,
                ..
            } => self.check_accept(from, *ballot, *slot, value, *chosen),
            Message::Accepted { ballot, slot, vector } => self.check_accepted(from, *ballot, *slot, vector),
            Message::Chosen { ballot, chosen, .. } => self.check_watermark(from, Some(*ballot), *chosen),
            Message::Heartbeat(heartbeat) => self.check_heartbeat(from, heartbeat),
            Message::ReadIndexed { up_to, .. } => self.check_prefix(from, *up_to, "a read index"),
            Message::Confirm { ballot, round, .. } => self.ballots.asks(*ballot, *round),
            Message::Confirmed { ballot, .. } => self.check_confirmed(from, *ballot),
            Message::Learned { from: first, values } => self.check_learned(from, *first, values),
            Message::Recall { .. } => self.check_recall(from),
            Message::Announce { incarnation, .. } => {
                let acceptor = self.acceptor(from);
                acceptor.incarnation_announced = acceptor.incarnation_announced.max(*incarnation);
            }
            Message::Recalled { heard, .. } => self.check_recalled(from, *heard),
            Message::Remembered(memory) => self.check_remembered(from, to, memory),
            Message::SnapshotPart(part) => self.check_part(from, part),
            Message::Stand { ballot } => self.check_stand(from, *ballot),
            _ => {}
        }
    }

    /// P4: a promise or a vote contains every incarnation that its acceptor has heard of. Without them it
    /// could be counted together with votes of lives that are over.
    pub(super) fn check_vector(&mut self, by: ReplicaId, message: &Message) {
        let (Message::Promise(Promise { ballot, vector, .. }) | Message::Accepted { ballot, vector, .. }) =
            message
        else {
            return;
        };
        let heard = &self.acceptors[usize::from(by.0)].vector_written;
        if !knows(vector, heard) {
            let what =
                format!("{by} promises or votes in {ballot} with the vector {vector}, and has heard {heard}");
            self.violated(Property::P4, what);
        }
    }

    /// A3: no one hears of a loss of memory before the loss is durable. Otherwise a crash could undo it, and
    /// the acceptor would go on in a life that others know to be over.
    fn check_recall(&mut self, from: ReplicaId) {
        let acceptor = self.acceptor(from);
        if acceptor.memory_lost && !acceptor.loss_durable {
            let what = format!("{from} asks for its memory, but the loss is not on its disk");
            self.violated(Property::A3, what);
        }
    }

    fn check_refused(&mut self, from: ReplicaId, ballot: Ballot, promised: Ballot) {
        let durable = self.acceptor(from).promise_durable;
        if durable < promised {
            let what = format!("{from} refuses {ballot} for {promised}, but only {durable} is on its disk");
            self.violated(Property::A3, what);
        }
    }

    fn check_prepare(&mut self, from: ReplicaId, ballot: Ballot) {
        // If it was outlived, its proposer has stopped. What it asks was written before and waited for the disk.
        if !self.acceptor(from).outlived
            && let Err(why) = self.ballots.used(from, ballot)
        {
            self.violated(Property::P3, why);
        }
        if self.acceptor(from).proposed < ballot {
            self.violated(
                Property::A3,
                format!("{from} prepares {ballot}, which is not on its disk"),
            );
        }
    }

    fn check_promise(&mut self, from: ReplicaId, message: &Message) {
        let Message::Promise(Promise {
            ballot,
            from: first,
            vector,
            cut,
            entries,
            more,
        }) = message
        else {
            return;
        };
        let acceptor = &self.acceptors[usize::from(from.0)];
        if acceptor.speaks_without_memory() {
            let what = format!("{from} promises {ballot}, though it lost its memory");
            return self.violated(Property::A4, what);
        }
        if acceptor.promise_durable < *ballot {
            let durable = acceptor.promise_durable;
            let what = format!("{from} promises {ballot}, but only {durable} is on its disk");
            return self.violated(Property::A3, what);
        }
        if !knows(&acceptor.vector_durable, vector) {
            let what = format!("{from} promises {ballot} with the vector {vector}, which is not on its disk");
            return self.violated(Property::A3, what);
        }
        if let Some(slot) = acceptor.left_out(*ballot, *first.max(cut), *more, entries) {
            let what = format!("{from} promises {ballot} and leaves out what it accepted at slot {slot}");
            return self.violated(Property::P2, what);
        }
        for entry in entries {
            if !self.slots.was_proposed(entry.ballot, entry.slot, &entry.value) {
                let (slot, ballot) = (entry.slot, entry.ballot);
                let what =
                    format!("{from} promises with a value for slot {slot} that {ballot} never proposed");
                return self.violated(Property::P1, what);
            }
        }
        let acceptor = self.acceptor(from);
        acceptor.promise_sent = acceptor.promise_sent.max(*ballot);
        if more.is_some() {
            self.coverage.hit(Sometimes::Chunked);
        } else {
            self.ballots.promised(from, *ballot, vector);
        }
        self.check_prefix(from, *cut, "a promise");
    }

    /// P1, P2, P3: a leader proposes a value.
    pub(super) fn check_accept(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        slot: Slot,
        value: &Value,
        chosen: Watermark,
    ) {
        if let Err(why) = self.ballots.used(from, ballot) {
            self.violated(Property::P3, why);
        }
        if let Err(why) = self.slots.propose(ballot, slot, value) {
            self.violated(Property::P1, why);
        }
        self.ballots.proposes(ballot, slot);
        // *Paxos Made Simple*, P2b: once a value is chosen, every higher ballot proposes that value. A lower
        // ballot may still propose another; that value can no longer be chosen.
        if let Some((in_ballot, known)) = self.slots.chosen_in(slot)
            && in_ballot < ballot
            && known != value
        {
            let what = format!("{ballot} proposes {value} for slot {slot}, where {in_ballot} chose {known}");
            self.violated(Property::P2, what);
        }
        self.check_watermark(from, Some(ballot), chosen);
    }

    fn check_accepted(&mut self, from: ReplicaId, ballot: Ballot, slot: Slot, vector: &CrashVector) {
        let acceptor = self.acceptor(from);
        if acceptor.speaks_without_memory() {
            let what = format!("{from} votes for slot {slot} in {ballot}, though it lost its memory");
            self.violated(Property::A4, what);
        } else if !acceptor.has_accepted(ballot, slot) {
            let what = format!("{from} votes for slot {slot} in {ballot}, which is not on its disk");
            self.violated(Property::A3, what);
        } else if !knows(&acceptor.vector_durable, vector) {
            let what =
                format!("{from} votes for slot {slot} with the vector {vector}, which is not on its disk");
            self.violated(Property::A3, what);
        } else {
            self.count_vote(from, ballot, slot, vector);
        }
    }

    /// P3: a leader that is to stop names the ballot that it leads with, and leaves it to nobody.
    fn check_stand(&mut self, from: ReplicaId, ballot: Ballot) {
        if let Err(why) = self.ballots.used(from, ballot) {
            self.violated(Property::P3, why);
        }
    }

    /// A4: an acceptor that lost its memory does not answer the recovery of another.
    fn check_recalled(&mut self, from: ReplicaId, heard: Option<Incarnation>) {
        if heard.is_some() && self.acceptor(from).memory_lost {
            let what = format!("{from} answers which life it has heard of, though it lost its memory");
            self.violated(Property::A4, what);
        }
    }

    fn check_remembered(&mut self, from: ReplicaId, to: ReplicaId, memory: &Remembered) {
        let acceptor = self.acceptor(from);
        let (memory_lost, vector, durable) = (
            acceptor.speaks_without_memory(),
            acceptor.vector_durable.clone(),
            acceptor.promise_durable,
        );
        if memory_lost {
            let what = format!("{from} answers the recovery of {to}, though it lost its memory");
            self.violated(Property::A4, what);
        } else if vector.get(to) < memory.incarnation || !knows(&vector, &memory.vector) {
            let incarnation = memory.incarnation.0;
            let what =
                format!("{from} answers life {incarnation} of {to} before that is on its disk ({vector})");
            self.violated(Property::A3, what);
        } else if durable < memory.promised {
            let promised = memory.promised;
            let what =
                format!("{from} tells {to} of its promise {promised}, but only {durable} is on its disk");
            self.violated(Property::A3, what);
        }
        self.check_prefix(from, memory.cut, "a memory");
    }

    fn check_part(&mut self, from: ReplicaId, part: &SnapshotPart) {
        self.check_prefix(from, part.slot, "a snapshot");
        self.check_snapshot(from, part.slot, part.digest);
        if part.next.is_some() {
            self.coverage.hit(Sometimes::SnapshotInParts);
        }
    }

    /// L4: a snapshot of what lies below `slot` is the state after the slot before it.
    pub(super) fn check_snapshot(&mut self, by: ReplicaId, slot: Slot, digest: u128) {
        let Some(last) = slot.0.checked_sub(1).map(Slot) else {
            return;
        };
        if let Err(other) = self.slots.digest(last, digest) {
            let what = format!(
                "{by} has a snapshot with digest {digest:032x} of what lies below slot {slot}, where others have {other:032x}"
            );
            self.violated(Property::L4, what);
        }
    }

    /// A1: a confirmation says that its acceptor has sent no higher promise, which is what a read needs. It
    /// need not wait for the disk: a promise that a crash undoes has not been sent.
    fn check_confirmed(&mut self, from: ReplicaId, ballot: Ballot) {
        let acceptor = self.acceptor(from);
        if acceptor.speaks_without_memory() {
            self.violated(
                Property::A4,
                format!("{from} confirms {ballot}, though it lost its memory"),
            );
        } else if acceptor.promise_sent > ballot {
            let promised = acceptor.promise_sent;
            self.violated(
                Property::A1,
                format!("{from} confirms {ballot}, but it has promised {promised}"),
            );
        }
    }

    fn check_heartbeat(&mut self, from: ReplicaId, heartbeat: &Heartbeat) {
        self.check_prefix(from, heartbeat.learned, "a heartbeat");
        if let Some(chosen) = heartbeat.chosen {
            self.check_watermark(from, heartbeat.leader, chosen);
        }
    }

    /// P4, L1: a leader says which slots are chosen, and thereby that its proposals for them are.
    fn check_watermark(&mut self, from: ReplicaId, ballot: Option<Ballot>, chosen: Watermark) {
        self.check_prefix(from, chosen.chosen.max(chosen.settled), "a leader");
        // A replica that has the ballot's proposal takes it for chosen when it hears this.
        let announced = ballot.map_or(Slot::ZERO..Slot::ZERO, |ballot| {
            self.ballots.announces(ballot, chosen.chosen)
        });
        for slot in announced.start.0..announced.end.0 {
            let slot = Slot(slot);
            let proposed = ballot.and_then(|ballot| self.slots.proposed(ballot, slot));
            if let (Some(proposed), Some(known)) = (proposed, self.slots.chosen(slot))
                && proposed != known
            {
                let what = format!(
                    "{from} says that slot {slot} is chosen, for which it proposed {proposed}, but {known} was"
                );
                return self.violated(Property::L1, what);
            }
        }
    }

    /// P4: `from` says that every slot below `up_to` is chosen. `who` names the part of it that says so.
    pub(super) fn check_prefix(&mut self, from: ReplicaId, up_to: Slot, who: &str) {
        let prefix = self.slots.prefix();
        if up_to > prefix {
            let what =
                format!("{who} of {from} calls all below slot {up_to} chosen, but slot {prefix} is not");
            self.violated(Property::P4, what);
        }
    }

    fn check_learned(&mut self, from: ReplicaId, first: Slot, values: &[Value]) {
        let mut slot = first;
        for value in values {
            self.check_chosen(from, slot, value);
            slot = slot.next();
        }
    }

    /// L1, P4: `by` takes this value for chosen.
    pub(super) fn check_chosen(&mut self, by: ReplicaId, slot: Slot, value: &Value) {
        match self.slots.chosen(slot) {
            Some(chosen) if chosen == value => {}
            Some(chosen) => {
                let what = format!("{by} takes {value} for chosen at slot {slot}, which has {chosen}");
                self.violated(Property::L1, what);
            }
            None => {
                let what = format!("{by} takes {value} for chosen at slot {slot}, where nothing is");
                self.violated(Property::P4, what);
            }
        }
    }
}

/// Whether `known` contains every incarnation in `other`.
fn knows(known: &CrashVector, other: &CrashVector) -> bool {
    other
        .iter()
        .all(|(acceptor, incarnation)| known.get(acceptor) >= incarnation)
}
