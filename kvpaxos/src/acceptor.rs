//! The acceptor: promises, votes, and remembers (*Paxos Made Simple*, 2.2, P1a: "an acceptor can accept a proposal
//! numbered n iff it has not responded to a prepare request having a number greater than n").
//!
//! Every answer that reveals a promise or a vote is handed to the driver *behind* the record of it, and so is every
//! refusal: it reveals the promise too (A3).

use std::collections::BTreeMap;

use crate::command::Value;
use crate::io::{Reason, Record};
use crate::message::{Accepted, Message};
use crate::restore::Restored;
use crate::types::{Ballot, Slot};

/// An acceptor that has its memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Acceptor {
    /// It accepts nothing below this (A2), and it never goes down (A1).
    promised: Ballot,
    /// What it accepted last for each slot. Learning what was chosen never changes this: a value that is reported in a
    /// promise must be one that was accepted in the ballot that is reported with it.
    accepted: BTreeMap<Slot, (Ballot, Value)>,
    /// The chosen values from slot 0 on, as far as this replica knows: learners are rebuilt from here.
    chosen: Vec<Value>,
    /// What of `chosen` is not written down yet, if it follows from accepted values.
    unwritten: Option<(Ballot, Slot)>,
}

/// What an acceptor answers: `message` leaves once `records`, and all earlier ones, are durable.
pub(crate) struct Answer {
    pub(crate) records: Vec<Record>,
    pub(crate) message: Message,
}

impl Acceptor {
    pub(crate) fn new(restored: &Restored) -> Acceptor {
        Acceptor {
            promised: restored.promised,
            accepted: restored.accepted.clone(),
            chosen: restored.chosen.clone(),
            unwritten: None,
        }
    }

    pub(crate) fn promised(&self) -> Ballot {
        self.promised
    }

    /// The chosen values that a learner without memory may begin with.
    pub(crate) fn chosen(&self) -> &[Value] {
        &self.chosen
    }

    /// What was accepted: a learner without memory may take it for proposed.
    pub(crate) fn accepted(&self) -> &BTreeMap<Slot, (Ballot, Value)> {
        &self.accepted
    }

    /// Phase 1b. Promises a ballot that is not below the present promise, and tells what was accepted from `from` on,
    /// whether chosen or not: a slot left out would look like a gap, and the new leader would fill it anew.
    pub(crate) fn on_prepare(&mut self, ballot: Ballot, from: Slot, chunk_bytes: usize) -> Answer {
        if ballot < self.promised {
            return self.refuse(ballot);
        }
        let mut records = Vec::new();
        if ballot > self.promised {
            self.promised = ballot;
            records.push(Record::Promised { ballot });
        }
        let mut entries = Vec::new();
        let mut more = None;
        let mut bytes = 0;
        for (slot, (accepted_in, value)) in self.accepted.range(from..) {
            if !entries.is_empty() && bytes + value.size() > chunk_bytes {
                more = Some(*slot);
                break;
            }
            bytes += value.size();
            entries.push(Accepted {
                slot: *slot,
                ballot: *accepted_in,
                value: value.clone(),
            });
        }
        Answer {
            records,
            message: Message::Promise {
                ballot,
                from,
                entries,
                more,
            },
        }
    }

    /// Phase 2b. Accepts unless a higher ballot was promised; accepting promises the ballot as well.
    ///
    /// # Errors
    /// If another value was accepted in this very ballot and slot, which no honest leader sends (P1).
    pub(crate) fn on_accept(&mut self, ballot: Ballot, slot: Slot, value: &Value) -> Result<Answer, Reason> {
        if ballot < self.promised {
            return Ok(self.refuse(ballot));
        }
        let message = Message::Accepted { ballot, slot };
        match self.accepted.get(&slot) {
            Some((before, same)) if *before == ballot => {
                if same != value {
                    return Err(Reason::TwoValues { ballot, slot });
                }
                // A repeat is answered afresh: the first answer may have been lost.
                return Ok(Answer {
                    records: Vec::new(),
                    message,
                });
            }
            Some((before, _)) => assert!(
                *before < ballot,
                "A2: accepted in {before:?}, above the promise, then {ballot:?}"
            ),
            None => {}
        }
        self.promised = ballot;
        self.accepted.insert(slot, (ballot, value.clone()));
        Ok(Answer {
            records: vec![Record::Accepted {
                ballot,
                slot,
                value: value.clone(),
            }],
            message,
        })
    }

    /// A refusal, if the ballot is below the promise: for a leader whose heartbeat or question came too late.
    pub(crate) fn on_leader(&self, ballot: Ballot) -> Option<Answer> {
        (ballot < self.promised).then(|| self.refuse(ballot))
    }

    /// Whether the promise is still this ballot, so that no higher one was elected with this acceptor's help. Needs no
    /// sync: if the promise is forgotten in a crash, what is forgotten forbade only lower ballots than the leader's.
    pub(crate) fn confirms(&self, ballot: Ballot) -> bool {
        self.promised == ballot
    }

    /// The leader asks whether its ballot still stands. An acceptor that did not take part in its election joins it now: to
    /// raise a promise is always safe, and without it a leader whose electors are gone could not be confirmed.
    pub(crate) fn on_confirm(&mut self, ballot: Ballot, round: u64) -> Answer {
        if ballot < self.promised {
            return self.refuse(ballot);
        }
        let mut records = Vec::new();
        if ballot > self.promised {
            self.promised = ballot;
            records.push(Record::Promised { ballot });
        }
        Answer {
            records,
            message: Message::Confirmed { ballot, round },
        }
    }

    fn refuse(&self, ballot: Ballot) -> Answer {
        assert!(
            ballot < self.promised,
            "refused {ballot:?}, which is not below {:?}",
            self.promised
        );
        Answer {
            records: Vec::new(),
            message: Message::Refused {
                ballot,
                promised: self.promised,
            },
        }
    }

    /// Remembers values that are chosen, from slot `from` on. If a leader's watermark of `ballot` told so, one record for
    /// many slots will do; if they came from another replica (`None`), the values themselves must be written down.
    pub(crate) fn remember(&mut self, from: Slot, values: &[Value], ballot: Option<Ballot>) -> Vec<Record> {
        let mut records = Vec::new();
        for (slot, value) in (from.0..).map(Slot).zip(values) {
            if slot.0 != self.chosen.len() as u64 {
                continue;
            }
            self.chosen.push(value.clone());
            match ballot {
                Some(ballot) => self.unwritten = Some((ballot, slot.next())),
                None => records.push(Record::Learned {
                    slot,
                    value: value.clone(),
                }),
            }
        }
        records
    }

    /// The record that says how far the log is known to be chosen, if that has changed. Nobody waits for it.
    pub(crate) fn take_unwritten(&mut self) -> Option<Record> {
        self.unwritten
            .take()
            .map(|(ballot, up_to)| Record::Chosen { ballot, up_to })
    }
}
