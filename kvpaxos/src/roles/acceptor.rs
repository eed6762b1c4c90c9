//! The acceptor: promises, votes, and remembers (*Paxos Made Simple*, 2.2, P1a: "an acceptor can accept a proposal
//! numbered n iff it has not responded to a prepare request having a number greater than n").
//!
//! Every answer that reveals a promise, a vote or what was heard of others is handed to the driver *behind* the record of it, and so
//! is every refusal: it reveals the promise too (A3).
//!
//! One that lost its memory is not an acceptor but a [`Recovery`](crate::recovery::Recovery), until it has got back what counts.

use std::collections::BTreeMap;

use crate::command::Value;
use crate::crash_vector::CrashVector;
use crate::founding::KnownFoundings;
use crate::io::{Reason, Record};
use crate::message::{Accepted, Message, Promise, Remembered};
use crate::types::{Ballot, Incarnation, ReplicaId, Slot};

/// What an acceptor accepted, by slot.
pub type AcceptedValues = BTreeMap<Slot, (Ballot, Value)>;

/// An acceptor that has its memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Acceptor {
    id: ReplicaId,
    /// It accepts nothing below this (A2), and it never goes down (A1).
    promised: Ballot,
    /// Which lives of others are over, as far as it has heard, and which life of its own this is.
    vector: CrashVector,
    /// Every slot below is chosen, and this replica holds a snapshot or the chosen values. What it accepted there is not kept.
    cut: Slot,
    /// What it accepted last for each slot from the cut on, and for some below, which are on their way out. Learning what was chosen never changes this: a value that is reported
    /// in a promise must be one that was accepted in the ballot that is reported with it.
    accepted: AcceptedValues,
}

/// What an acceptor answers: `message` leaves once `records`, and all earlier ones, are durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Answer {
    /// What it reveals.
    pub records: Vec<Record>,
    /// The answer itself.
    pub message: Message,
}

impl Acceptor {
    /// One that has never promised or accepted anything.
    #[must_use]
    pub fn new(id: ReplicaId) -> Acceptor {
        Acceptor::recovered(
            id,
            Ballot::ZERO,
            CrashVector::default(),
            Slot::ZERO,
            AcceptedValues::new(),
        )
    }

    /// One that remembers this, from its own records or from what others told.
    pub(crate) fn recovered(
        id: ReplicaId,
        promised: Ballot,
        vector: CrashVector,
        cut: Slot,
        accepted: AcceptedValues,
    ) -> Acceptor {
        let highest = accepted.values().map(|(ballot, _)| *ballot).max();
        assert!(
            highest.is_none_or(|ballot| ballot <= promised),
            "A2: accepted in {highest:?}, above the promise {promised:?}"
        );
        Acceptor {
            id,
            promised,
            vector,
            cut,
            accepted,
        }
    }

    /// The highest ballot that it promised.
    #[must_use]
    pub fn promised(&self) -> Ballot {
        self.promised
    }

    /// Which lives of others it knows to be over, and which life of its own this is.
    #[must_use]
    pub fn vector(&self) -> &CrashVector {
        &self.vector
    }

    /// Every slot below is chosen, and what was accepted for it is not kept.
    #[must_use]
    pub fn cut(&self) -> Slot {
        self.cut
    }

    /// What was accepted: a learner without memory may take it for proposed, from the cut on.
    #[must_use]
    pub fn accepted(&self) -> &AcceptedValues {
        &self.accepted
    }

    /// Tells no more of what it accepted below: a snapshot of all that was chosen there is durable, or the values are.
    pub fn cut_below(&mut self, slot: Slot) {
        self.cut = self.cut.max(slot);
    }

    /// Frees a few of the entries below the cut. All at once would hold up the replica.
    pub(crate) fn free_some(&mut self) {
        for _ in 0..16 {
            match self.accepted.first_entry() {
                Some(entry) if *entry.key() < self.cut => _ = entry.remove(),
                _ => break,
            }
        }
    }

    /// Phase 1b. Promises a ballot that is not below the present promise, and tells what was accepted from `from` on,
    /// whether chosen or not: a slot left out would look like a gap, and the new leader would fill it anew. What is cut is not
    /// told, but for the fact that it is chosen.
    pub fn on_prepare(&mut self, ballot: Ballot, from: Slot, chunk_bytes: usize) -> Answer {
        if ballot < self.promised {
            return self.refuse(ballot);
        }
        let records = self.promise(ballot);
        let (entries, more) = self.entries_from(from, chunk_bytes);
        Answer {
            records,
            message: Message::Promise(Promise {
                ballot,
                from,
                vector: self.vector.clone(),
                cut: self.cut,
                entries,
                more,
            }),
        }
    }

    fn promise(&mut self, ballot: Ballot) -> Vec<Record> {
        if ballot <= self.promised {
            return Vec::new();
        }
        self.promised = ballot;
        vec![Record::Promised { ballot }]
    }

    /// As many of the accepted values as fit, and where the rest begins.
    fn entries_from(&self, from: Slot, chunk_bytes: usize) -> (Vec<Accepted>, Option<Slot>) {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (slot, (ballot, value)) in self.accepted.range(from.max(self.cut)..) {
            if !entries.is_empty() && bytes + value.size() > chunk_bytes {
                return (entries, Some(*slot));
            }
            bytes += value.size();
            entries.push(Accepted {
                slot: *slot,
                ballot: *ballot,
                value: value.clone(),
            });
        }
        (entries, None)
    }

    /// Phase 2b. Accepts unless a higher ballot was promised; accepting promises the ballot as well. A repeat is answered afresh,
    /// with the present vector: it is a new vote for what was accepted before. `None` for a slot that is cut: it is chosen, as the
    /// leader will learn from others.
    ///
    /// # Errors
    /// If another value was accepted in this very ballot and slot, which no honest leader sends (P1).
    pub fn on_accept(&mut self, ballot: Ballot, slot: Slot, value: &Value) -> Result<Option<Answer>, Reason> {
        if ballot < self.promised {
            return Ok(Some(self.refuse(ballot)));
        }
        if slot < self.cut {
            return Ok(None);
        }
        let message = Message::Accepted {
            ballot,
            slot,
            vector: self.vector.clone(),
        };
        match self.accepted.get(&slot) {
            Some((before, same)) if *before == ballot => {
                if same != value {
                    return Err(Reason::TwoValues { ballot, slot });
                }
                // The first answer may have been lost, or have been outdated by somebody's new life.
                return Ok(Some(Answer {
                    records: Vec::new(),
                    message,
                }));
            }
            Some((before, _)) => assert!(
                *before < ballot,
                "A2: accepted in {before:?}, above the promise, then {ballot:?}"
            ),
            None => {}
        }
        self.promised = ballot;
        self.accepted.insert(slot, (ballot, value.clone()));
        Ok(Some(Answer {
            records: vec![Record::Accepted {
                ballot,
                slot,
                value: value.clone(),
            }],
            message,
        }))
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
        Answer {
            records: self.promise(ballot),
            message: Message::Confirmed { ballot, round },
        }
    }

    /// Recovery, (a): another lost its memory, and asks which life of it was heard of. What is told may not be durable yet: too
    /// high an answer does no harm.
    #[must_use]
    pub fn on_recall(&self, from: ReplicaId, nonce: u64) -> Message {
        Message::Recalled {
            nonce,
            heard: Some(self.vector.get(from)),
        }
    }

    /// Recovery, (b): another begins an incarnation. It is written down before anything is answered: a vote that this acceptor
    /// casts afterwards does not go together with one of the other's earlier lives, and all that it accepted before is in the answer.
    pub fn on_announce(
        &mut self,
        asker: ReplicaId,
        nonce: u64,
        incarnation: Incarnation,
        from: Slot,
        chunk_bytes: usize,
    ) -> Answer {
        let mut records = Vec::new();
        // Nobody else says in which life this acceptor is.
        if asker != self.id && self.vector.raise(asker, incarnation) {
            records.push(Record::Heard {
                acceptor: asker,
                incarnation,
            });
        }
        let (entries, more) = self.entries_from(from, chunk_bytes);
        Answer {
            records,
            message: Message::Remembered(Box::new(Remembered {
                nonce,
                incarnation,
                vector: self.vector.clone(),
                promised: self.promised,
                cut: self.cut,
                from,
                entries,
                more,
                met: KnownFoundings::default(),
            })),
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
}
