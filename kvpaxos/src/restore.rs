//! What the records of a log add up to, for roles that restart with their memory.

use std::collections::BTreeMap;

use crate::command::Value;
use crate::io::Record;
use crate::types::{Ballot, Life, Slot};

/// The sum of a log's records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Restored {
    /// The highest ballot promised.
    pub(crate) promised: Ballot,
    /// The last value accepted for each slot.
    pub(crate) accepted: BTreeMap<Slot, (Ballot, Value)>,
    /// Chosen values from slot 0 on.
    pub(crate) chosen: Vec<Value>,
    /// The highest ballot that the proposer used.
    pub(crate) proposed: Ballot,
    /// Whether the acceptor lost its memory at some time, and so must stay out.
    pub(crate) memory_lost: bool,
    /// Whether the ballots that the proposer used are not all known, so that it must use none.
    pub(crate) ballots_lost: bool,
}

impl Restored {
    pub(crate) fn new(records: &[Record]) -> Restored {
        let mut restored = Restored::default();
        for record in records {
            restored.add(record);
        }
        restored
    }

    fn add(&mut self, record: &Record) {
        match record {
            Record::Proposed { ballot } => self.proposed = self.proposed.max(*ballot),
            Record::Promised { ballot } => self.promised = self.promised.max(*ballot),
            Record::Accepted { ballot, slot, value } => {
                self.promised = self.promised.max(*ballot);
                self.accepted.insert(*slot, (*ballot, value.clone()));
            }
            Record::Chosen { ballot, up_to } => self.add_chosen(*ballot, *up_to),
            Record::Learned { slot, value } => {
                if slot.0 == self.chosen.len() as u64 {
                    self.chosen.push(value.clone());
                }
            }
            Record::MemoryLost => self.memory_lost = true,
            Record::DiskLost => {
                self.memory_lost = true;
                self.ballots_lost = true;
            }
        }
    }

    /// An accepted value below the mark is the chosen one if it was accepted in the ballot of the leader that set the
    /// mark: that leader proposed one value for the slot. Of another ballot it may be a value that lost.
    fn add_chosen(&mut self, ballot: Ballot, up_to: Slot) {
        loop {
            let slot = Slot(self.chosen.len() as u64);
            match self.accepted.get(&slot) {
                Some((accepted_in, value)) if slot < up_to && *accepted_in == ballot => {
                    self.chosen.push(value.clone());
                }
                _ => return,
            }
        }
    }

    /// The life that follows all lives whose ballots stand in the log. A life that used no ballot left no trace and may
    /// be had again: there is nothing of it that could be repeated. `None` if the log does not hold all ballots that were used.
    pub(crate) fn next_life(&self) -> Option<Life> {
        if self.ballots_lost {
            return None;
        }
        let last = self.proposed.life;
        let restarts = if self.proposed == Ballot::ZERO {
            0
        } else {
            last.restarts + 1
        };
        Some(Life {
            incarnation: last.incarnation,
            restarts,
        })
    }
}
