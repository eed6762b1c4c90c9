//! Checks of the records that replicas write, and of the votes that become durable with them (A1, A2, P1,
//! L1).

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::{Ballot, Record, ReplicaId, Slot, Watermark};

use super::audit::Audit;
use super::coverage::Sometimes;
use super::slots::VoteStatus;
use super::violation::Property;

impl Audit {
    /// A replica hands a record to its disk.
    pub(super) fn check_record(&mut self, by: ReplicaId, record: &Record) {
        if let Err(breach) = self.acceptor(by).on_written(record) {
            self.violated(breach.property, format!("{by} {}", breach.explanation));
        }
        match record {
            // The acceptor of the leader accepts a proposal in the same step that makes it, before any Accept
            // leaves.
            Record::Accepted { ballot, slot, value } if ballot.replica == by => {
                self.check_accept(by, *ballot, *slot, value, Watermark::default());
            }
            Record::Accepted { ballot, slot, value } if !self.slots.was_proposed(*ballot, *slot, value) => {
                let what = format!("{by} accepts {value} for slot {slot}, which {ballot} never proposed");
                self.violated(Property::P1, what);
            }
            Record::Chosen { up_to, .. } => self.check_prefix(by, *up_to, "the disk"),
            Record::Learned { slot, value } => self.check_chosen(by, *slot, value),
            _ => {}
        }
    }

    /// A record became durable.
    pub(super) fn on_durable(&mut self, by: ReplicaId, record: &Record) {
        self.protocol.records += 1;
        if self.acceptor(by).on_durable(record) {
            self.coverage.hit(Sometimes::AcceptorRecovered);
        }
        // A vote of an acceptor that lost its memory never leaves, so it does not count.
        if let Record::Accepted { ballot, slot, .. } = record
            && !self.acceptor(by).speaks_without_memory()
        {
            let vector = self.acceptor(by).vector_durable.clone();
            self.count_vote(by, *ballot, *slot, &vector);
        }
    }

    /// A vote is durable, or is sent again.
    pub(super) fn count_vote(&mut self, by: ReplicaId, ballot: Ballot, slot: Slot, vector: &CrashVector) {
        match self.slots.vote(by, ballot, slot, vector) {
            Ok(VoteStatus::Counted) => {}
            Ok(VoteStatus::Chosen) => {
                self.protocol.chosen += 1;
                self.on_chosen(slot);
            }
            Err(why) => self.violated(Property::L1, why),
        }
    }

    fn on_chosen(&mut self, slot: Slot) {
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
