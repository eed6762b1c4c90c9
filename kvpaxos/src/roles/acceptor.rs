//! The acceptor: it promises, votes and remembers (*Paxos Made Simple*, 2.2, P1a: "an acceptor can accept a
//! proposal numbered n iff it has not responded to a prepare request having a number greater than n").
//!
//! Every answer that reveals a promise, a vote or an entry of the crash vector leaves only after the record
//! of it is durable. So does every refusal, because it reveals the promise (A3).
//!
//! An acceptor that lost its memory is not an [`Acceptor`] but a [`Recovery`](crate::recovery::Recovery)
//! until it has recovered.

use std::collections::BTreeMap;

use crate::command::Value;
use crate::crash_vector::CrashVector;
use crate::export::export_fields;
use crate::founding::KnownFoundings;
use crate::io::{Reason, Record};
use crate::message::{Accepted, Message, Promise, Remembered};
use crate::types::{Ballot, Incarnation, ReplicaId, Slot};

/// What an acceptor accepted last, by slot: the ballot and the value.
pub type AcceptedValues = BTreeMap<Slot, (Ballot, Value)>;

/// An acceptor that has its memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Acceptor {
    id: ReplicaId,
    /// The promise: nothing below is accepted (A2), and it never goes down (A1).
    promised: Ballot,
    /// The highest incarnation of each acceptor that it has heard of, and its own incarnation.
    vector: CrashVector,
    /// Every slot below is chosen, and this replica has the chosen values or a snapshot. What was accepted
    /// there is dropped.
    cut: Slot,
    /// What it accepted last for each slot from the cut on, and for some slots below, which are still to be
    /// freed. Learning a chosen value never changes an entry: a promise must report each value with the
    /// ballot in which it was accepted.
    accepted: AcceptedValues,
}

export_fields!(Acceptor {
    id,
    promised,
    vector,
    cut,
    accepted
});

/// The answer of an acceptor. `message` leaves once `records`, and all earlier records, are durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Answer {
    /// The records that the message reveals.
    pub records: Vec<Record>,
    /// The message.
    pub message: Message,
}

export_fields!(Answer { records, message });

impl Acceptor {
    /// An acceptor that has never promised or accepted anything.
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

    /// An acceptor with this memory, from its own records or from the answers of others.
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

    /// The highest incarnation of each acceptor that it has heard of, including its own.
    #[must_use]
    pub fn vector(&self) -> &CrashVector {
        &self.vector
    }

    /// Every slot below is chosen, and what was accepted there is dropped.
    #[must_use]
    pub fn cut(&self) -> Slot {
        self.cut
    }

    /// What it accepted. From the cut on, a learner without memory may treat these values as proposed.
    #[must_use]
    pub fn accepted(&self) -> &AcceptedValues {
        &self.accepted
    }

    /// No longer reports what it accepted below `slot`: a snapshot of what was chosen there is durable, or
    /// the values are.
    pub fn cut_below(&mut self, slot: Slot) {
        self.cut = self.cut.max(slot);
    }

    /// Frees so many of the entries below the cut. To free all at once would stall the replica.
    pub(crate) fn free_some(&mut self, count: usize) {
        for _ in 0..count {
            match self.accepted.first_entry() {
                Some(entry) if *entry.key() < self.cut => _ = entry.remove(),
                _ => break,
            }
        }
    }

    /// Phase 1b. Promises a ballot that is not below the present promise, and reports what was accepted from
    /// `from` on, chosen or not: the new leader would take a missing slot for a gap and fill it with another
    /// value. Of slots below the cut it reports only that they are chosen.
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

    /// As many of the accepted values as fit into a chunk, and the slot at which the next chunk begins.
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

    /// Phase 2b. Accepts the value unless a higher ballot was promised. Accepting promises the ballot as
    /// well. A repeat is answered again with the present vector: it is a new vote for the same value. `None`
    /// for a slot below the cut: it is chosen, and the leader will learn that from others.
    ///
    /// # Errors
    /// If another value was accepted in the same ballot and slot. No correct leader proposes two (P1).
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
                // The first answer may have been lost, or outdated by a new incarnation of an acceptor.
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

    /// A refusal if the ballot is below the promise, for a leader whose heartbeat came too late.
    pub(crate) fn on_leader(&self, ballot: Ballot) -> Option<Answer> {
        (ballot < self.promised).then(|| self.refuse(ballot))
    }

    /// Whether the promise is exactly this ballot, so that no leader with a higher ballot was elected with
    /// this acceptor's promise. This needs no sync: a promise of this ballot that is lost in a crash only
    /// refused lower ballots.
    pub(crate) fn confirms(&self, ballot: Ballot) -> bool {
        self.promised == ballot
    }

    /// The leader asks for a confirmation of its ballot. An acceptor that did not promise this ballot
    /// promises it now. Raising a promise is always safe; without it, a leader could not be confirmed after
    /// the acceptors that elected it have failed.
    pub(crate) fn on_confirm(&mut self, ballot: Ballot, round: u64) -> Answer {
        if ballot < self.promised {
            return self.refuse(ballot);
        }
        Answer {
            records: self.promise(ballot),
            message: Message::Confirmed { ballot, round },
        }
    }

    /// Recovery, step (a): another acceptor lost its memory and asks which incarnation of it is known. The
    /// answer need not be durable: an incarnation that is too high is safe.
    #[must_use]
    pub fn on_recall(&self, from: ReplicaId, nonce: u64) -> Message {
        Message::Recalled {
            nonce,
            heard: Some(self.vector.get(from)),
        }
    }

    /// Recovery, step (b): another acceptor begins an incarnation. The incarnation is durable before the
    /// answer leaves. So votes that this acceptor casts later are not consistent with votes of the other's
    /// earlier incarnations, and everything that it accepted before is in the answer.
    pub fn on_announce(
        &mut self,
        asker: ReplicaId,
        nonce: u64,
        incarnation: Incarnation,
        from: Slot,
        chunk_bytes: usize,
    ) -> Answer {
        let mut records = Vec::new();
        // Only the acceptor itself decides its own incarnation.
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
