//! What messages say when they leave, held against what is durable and what is chosen (A1 to A4, P1 to P4, L1).

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::{Heartbeat, Promise, Remembered, SnapshotPart};
use kvpaxos::{Ballot, Incarnation, Message, ReplicaId, Slot, Value, Watermark};

use super::audit::Audit;
use super::coverage::Sometimes;
use super::violation::Property;

impl Audit {
    pub(super) fn check_message(&mut self, from: ReplicaId, to: ReplicaId, message: &Message) {
        if let Some(Err(why)) = self
            .acknowledgements
            .as_mut()
            .map(|acknowledgements| acknowledgements.leaves(from, message))
        {
            self.wrong(Property::S5, why);
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
                acceptor.announced = acceptor.announced.max(*incarnation);
            }
            Message::Recalled { heard, .. } => self.check_recalled(from, *heard),
            Message::Remembered(told) => self.check_remembered(from, to, told),
            Message::SnapshotPart(part) => self.check_part(from, part),
            _ => {}
        }
    }

    /// P4: a promise or a vote shows all that its acceptor has heard when it gives it. One that does not would be counted together with
    /// others of lives that are over.
    pub(super) fn check_cast(&mut self, by: ReplicaId, message: &Message) {
        let (Message::Promise(Promise { ballot, vector, .. }) | Message::Accepted { ballot, vector, .. }) =
            message
        else {
            return;
        };
        let heard = &self.acceptors[usize::from(by.0)].heard;
        if !knows(vector, heard) {
            let what =
                format!("{by} promises or votes in {ballot} with the vector {vector}, and has heard {heard}");
            self.wrong(Property::P4, what);
        }
    }

    /// A3: a loss of memory is known to nobody before its mark is durable. Else a crash could undo it, and leave an acceptor that goes on in
    /// a life that others know to be over.
    pub(super) fn check_recall(&mut self, from: ReplicaId) {
        let acceptor = self.acceptor(from);
        if acceptor.out && !acceptor.marked {
            let what = format!("{from} asks for its memory, but the mark of the loss is not on its disk");
            self.wrong(Property::A3, what);
        }
    }

    pub(super) fn check_refused(&mut self, from: ReplicaId, ballot: Ballot, promised: Ballot) {
        let durable = self.acceptor(from).durable;
        if durable < promised {
            let what = format!("{from} refuses {ballot} for {promised}, but only {durable} is on its disk");
            self.wrong(Property::A3, what);
        }
    }

    pub(super) fn check_prepare(&mut self, from: ReplicaId, ballot: Ballot) {
        if let Err(why) = self.ballots.used(from, ballot) {
            self.wrong(Property::P3, why);
        }
        if self.acceptor(from).proposed < ballot {
            self.wrong(
                Property::A3,
                format!("{from} prepares {ballot}, which is not on its disk"),
            );
        }
    }

    pub(super) fn check_promise(&mut self, from: ReplicaId, message: &Message) {
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
        if acceptor.out {
            let what = format!("{from} promises {ballot}, though it lost its memory");
            return self.wrong(Property::A4, what);
        }
        if acceptor.durable < *ballot {
            let durable = acceptor.durable;
            let what = format!("{from} promises {ballot}, but only {durable} is on its disk");
            return self.wrong(Property::A3, what);
        }
        if !knows(&acceptor.vector, vector) {
            let what = format!("{from} promises {ballot} with the vector {vector}, which is not on its disk");
            return self.wrong(Property::A3, what);
        }
        if let Some(slot) = acceptor.left_out(*ballot, *first.max(cut), *more, entries) {
            let what = format!("{from} promises {ballot} and does not tell what it accepted at slot {slot}");
            return self.wrong(Property::P2, what);
        }
        for entry in entries {
            if !self.slots.was_proposed(entry.ballot, entry.slot, &entry.value) {
                let (slot, ballot) = (entry.slot, entry.ballot);
                let what =
                    format!("{from} promises with a value for slot {slot} that {ballot} never proposed");
                return self.wrong(Property::P1, what);
            }
        }
        let acceptor = self.acceptor(from);
        acceptor.told = acceptor.told.max(*ballot);
        if more.is_some() {
            self.coverage.hit(Sometimes::Chunked);
        } else {
            self.ballots.promised(from, *ballot, vector);
        }
        self.check_prefix(from, *cut, "a promise");
    }

    pub(super) fn check_accept(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        slot: Slot,
        value: &Value,
        chosen: Watermark,
    ) {
        if let Err(why) = self.ballots.used(from, ballot) {
            self.wrong(Property::P3, why);
        }
        if let Err(why) = self.slots.propose(ballot, slot, value) {
            self.wrong(Property::P1, why);
        }
        self.ballots.proposes(ballot, slot);
        // *Paxos Made Simple*, P2b: once a value is chosen, every higher ballot proposes that value. A lower ballot may
        // still be proposing another, in vain.
        if let Some((in_ballot, known)) = self.slots.chosen_in(slot)
            && in_ballot < ballot
            && known != value
        {
            let what =
                format!("{ballot} proposes {value:?} for slot {slot}, where {in_ballot} chose {known:?}");
            self.wrong(Property::P2, what);
        }
        self.check_watermark(from, Some(ballot), chosen);
    }

    pub(super) fn check_accepted(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        slot: Slot,
        vector: &CrashVector,
    ) {
        let acceptor = self.acceptor(from);
        if acceptor.out {
            let what = format!("{from} votes for slot {slot} in {ballot}, though it lost its memory");
            self.wrong(Property::A4, what);
        } else if !acceptor.has_accepted(ballot, slot) {
            let what = format!("{from} votes for slot {slot} in {ballot}, which is not on its disk");
            self.wrong(Property::A3, what);
        } else if !knows(&acceptor.vector, vector) {
            let what =
                format!("{from} votes for slot {slot} with the vector {vector}, which is not on its disk");
            self.wrong(Property::A3, what);
        } else {
            self.count_vote(from, ballot, slot, vector);
        }
    }

    /// One that lost its memory tells nobody what it knows.
    pub(super) fn check_recalled(&mut self, from: ReplicaId, heard: Option<Incarnation>) {
        if heard.is_some() && self.acceptor(from).out {
            let what = format!("{from} tells what it heard of another, though it lost its memory");
            self.wrong(Property::A4, what);
        }
    }

    pub(super) fn check_remembered(&mut self, from: ReplicaId, to: ReplicaId, told: &Remembered) {
        let acceptor = self.acceptor(from);
        let (out, vector, durable) = (acceptor.out, acceptor.vector.clone(), acceptor.durable);
        if out {
            let what = format!("{from} tells {to} what it remembers, though it lost its memory");
            self.wrong(Property::A4, what);
        } else if vector.get(to) < told.incarnation || !knows(&vector, &told.vector) {
            let incarnation = told.incarnation.0;
            let what =
                format!("{from} answers life {incarnation} of {to} before that is on its disk ({vector})");
            self.wrong(Property::A3, what);
        } else if durable < told.promised {
            let promised = told.promised;
            let what =
                format!("{from} tells {to} of its promise {promised}, but only {durable} is on its disk");
            self.wrong(Property::A3, what);
        }
        self.check_prefix(from, told.cut, "a memory");
    }

    pub(super) fn check_part(&mut self, from: ReplicaId, part: &SnapshotPart) {
        self.check_prefix(from, part.slot, "a snapshot");
        self.check_snapshot(from, part.slot, part.digest);
        if part.next.is_some() {
            self.coverage.hit(Sometimes::SnapshotInParts);
        }
    }

    /// L4: it is the state after the slot before.
    pub(super) fn check_snapshot(&mut self, by: ReplicaId, slot: Slot, digest: u128) {
        let Some(last) = slot.0.checked_sub(1).map(Slot) else {
            return;
        };
        if let Err(other) = self.slots.digest(last, digest) {
            let what = format!(
                "{by} has a snapshot with digest {digest:032x} of what lies below slot {slot}, where others have {other:032x}"
            );
            self.wrong(Property::L4, what);
        }
    }

    /// A confirmation says "I have not promised anything higher", which is what a read needs. It need not wait for the
    /// disk: a promise that is forgotten in a crash was not told to anybody, and a higher one can only come later.
    pub(super) fn check_confirmed(&mut self, from: ReplicaId, ballot: Ballot) {
        let acceptor = self.acceptor(from);
        if acceptor.out {
            self.wrong(
                Property::A4,
                format!("{from} confirms {ballot}, though it lost its memory"),
            );
        } else if acceptor.told > ballot {
            let told = acceptor.told;
            self.wrong(
                Property::A1,
                format!("{from} confirms {ballot}, but it has promised {told}"),
            );
        }
    }

    pub(super) fn check_heartbeat(&mut self, from: ReplicaId, heartbeat: &Heartbeat) {
        self.check_prefix(from, heartbeat.learned, "a heartbeat");
        if let Some(chosen) = heartbeat.chosen {
            self.check_watermark(from, heartbeat.leader, chosen);
        }
    }

    pub(super) fn check_watermark(&mut self, from: ReplicaId, ballot: Option<Ballot>, chosen: Watermark) {
        self.check_prefix(from, chosen.chosen.max(chosen.settled), "a leader");
        // Whoever holds what the ballot proposed takes it for chosen by this.
        let told = ballot.map_or(Slot::ZERO..Slot::ZERO, |ballot| {
            self.ballots.tells(ballot, chosen.chosen)
        });
        for slot in told.start.0..told.end.0 {
            let slot = Slot(slot);
            let proposed = ballot.and_then(|ballot| self.slots.proposed(ballot, slot));
            if let (Some(proposed), Some(known)) = (proposed, self.slots.chosen(slot))
                && proposed != known
            {
                let what = format!(
                    "{from} says in {ballot:?} that slot {slot} is chosen, for which it proposed {proposed:?}, but {known:?} was"
                );
                return self.wrong(Property::L1, what);
            }
        }
    }

    pub(super) fn check_prefix(&mut self, from: ReplicaId, up_to: Slot, who: &str) {
        let prefix = self.slots.prefix();
        if up_to > prefix {
            let what =
                format!("{who} of {from} calls all below slot {up_to} chosen, but slot {prefix} is not");
            self.wrong(Property::P4, what);
        }
    }

    pub(super) fn check_learned(&mut self, from: ReplicaId, first: Slot, values: &[Value]) {
        let mut slot = first;
        for value in values {
            self.check_chosen(from, slot, value);
            slot = slot.next();
        }
    }

    pub(super) fn check_chosen(&mut self, by: ReplicaId, slot: Slot, value: &Value) {
        match self.slots.chosen(slot) {
            Some(chosen) if chosen == value => {}
            Some(chosen) => {
                let what = format!("{by} takes {value:?} for chosen at slot {slot}, which has {chosen:?}");
                self.wrong(Property::L1, what);
            }
            None => {
                let what = format!("{by} takes {value:?} for chosen at slot {slot}, where nothing is");
                self.wrong(Property::P4, what);
            }
        }
    }
}

/// Whether all of `told` is known.
fn knows(known: &CrashVector, told: &CrashVector) -> bool {
    told.iter()
        .all(|(acceptor, incarnation)| known.get(acceptor) >= incarnation)
}
