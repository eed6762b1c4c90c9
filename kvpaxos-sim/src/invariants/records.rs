//! What becomes durable (A1, A2, P1, L1).

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::{Ballot, Record, ReplicaId, Slot, Watermark};

use super::audit::Audit;
use super::coverage::Sometimes;
use super::slots::VoteStatus;
use super::violation::Property;

impl Audit {
    pub(super) fn check_record(&mut self, by: ReplicaId, record: &Record) {
        if let Err((promise, why)) = self.acceptor(by).write(record) {
            let property = if promise { Property::A1 } else { Property::A2 };
            self.wrong(property, format!("{by} {why}"));
        }
        match record {
            // A leader's own acceptor hears of a proposal within the step that makes it.
            Record::Accepted { ballot, slot, value } if ballot.replica == by => {
                self.check_accept(by, *ballot, *slot, value, Watermark::default());
            }
            Record::Accepted { ballot, slot, value } if !self.slots.was_proposed(*ballot, *slot, value) => {
                let what = format!("{by} accepts {value:?} for slot {slot}, which {ballot} never proposed");
                self.wrong(Property::P1, what);
            }
            Record::Chosen { up_to, .. } => self.check_prefix(by, *up_to, "the disk"),
            Record::Learned { slot, value } => self.check_chosen(by, *slot, value),
            _ => {}
        }
    }

    pub(super) fn on_durable(&mut self, by: ReplicaId, record: &Record) {
        self.protocol.records += 1;
        if self.acceptor(by).durable(record) {
            self.coverage.hit(Sometimes::AcceptorRecovered);
        }
        // A vote of one that lost its memory is on the disk in vain: nobody will hear of it.
        if let Record::Accepted { ballot, slot, .. } = record
            && !self.acceptor(by).out
        {
            let vector = self.acceptor(by).vector.clone();
            self.count_vote(by, *ballot, *slot, &vector);
        }
    }

    /// A vote is durable, or given again.
    pub(super) fn count_vote(&mut self, by: ReplicaId, ballot: Ballot, slot: Slot, vector: &CrashVector) {
        match self.slots.vote(by, ballot, slot, vector) {
            Ok(VoteStatus::Counted) => {}
            Ok(VoteStatus::Chosen) => {
                self.protocol.chosen += 1;
                self.on_chosen(slot);
            }
            Err(why) => self.wrong(Property::L1, why),
        }
    }

    pub(super) fn on_chosen(&mut self, slot: Slot) {
        let Some(value) = self.slots.chosen(slot) else {
            return;
        };
        if value.commands().len() > 1 {
            self.coverage.hit(Sometimes::Batched);
        }
        for command in value.commands() {
            if self.answers.was_chosen_before(command) {
                self.coverage.hit(Sometimes::Deduplicated);
            }
        }
    }
}
