//! Linearizable reads at any replica, without clocks: read index (Ongaro's thesis, 6.4).
//!
//! A read must see every write that was acknowledged before it began. The replica that received the read asks
//! the leader how far the log is chosen. The leader answers once acceptors have confirmed, *after* the
//! request arrived, that its ballot is still the highest that they have promised. The replica serves the read
//! when it has applied that far.
//!
//! Why n - q1 + 1 confirmations are enough: a later leader needs q1 promises, and q1 + (n - q1 + 1) > n. So
//! one of the acceptors that confirmed would have promised the later ballot. It had not promised it when it
//! confirmed. So no later leader had been elected before the request, and nothing had been chosen or
//! acknowledged that this leader does not know.
//!
//! What goes wrong if a leader answers without confirmations: the leader is disconnected, a new leader is
//! elected, a write is chosen and acknowledged there, and a read at the old leader returns the value from
//! before the write. Several stores had this bug; the mutant `11-read-by-deposed-leader` of the simulator has
//! it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::command::Query;
use crate::export::export_fields;
use crate::types::{ClientId, ReplicaId, ReplicaSet, Slot};

/// The leader's side: requests wait for the next round of confirmations. One round runs at a time.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Confirmation {
    /// Requests that arrived after the present round began. They wait for the next one.
    waiting: Vec<ReadIndexRequest>,
    /// The present round.
    round: Option<Round>,
    /// The number of rounds so far.
    rounds: u64,
}

export_fields!(Confirmation {
    waiting,
    round,
    rounds
});

/// A request for a read index: the replica that asks, and its number for the request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ReadIndexRequest {
    pub(crate) from: ReplicaId,
    pub(crate) number: u64,
}

export_fields!(ReadIndexRequest { from, number });

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Round {
    /// How far the log was chosen when the round began.
    up_to: Slot,
    questions: Vec<ReadIndexRequest>,
    confirmed: ReplicaSet,
    /// Ticks since it was last sent.
    age: u32,
}

export_fields!(Round {
    up_to,
    questions,
    confirmed,
    age
});

/// A round that enough acceptors have confirmed.
pub(crate) struct ConfirmedRound {
    pub(crate) up_to: Slot,
    pub(crate) questions: Vec<ReadIndexRequest>,
}

impl Confirmation {
    /// Adds a request. It replaces a waiting request of the same replica.
    pub(crate) fn ask(&mut self, question: ReadIndexRequest) {
        self.waiting.retain(|waiting| waiting.from != question.from);
        self.waiting.push(question);
    }

    /// Begins a round if requests wait and no round is running. Returns its number.
    pub(crate) fn begin(&mut self, up_to: Slot) -> Option<u64> {
        if self.round.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.rounds += 1;
        let questions = std::mem::take(&mut self.waiting);
        self.round = Some(Round {
            up_to,
            questions,
            confirmed: ReplicaSet::EMPTY,
            age: 0,
        });
        Some(self.rounds)
    }

    /// An acceptor confirms a round. Returns the round once `quorum` acceptors have.
    pub(crate) fn on_confirmed(
        &mut self,
        from: ReplicaId,
        round: u64,
        quorum: usize,
    ) -> Option<ConfirmedRound> {
        let under_way = self.round.as_mut().filter(|_| round == self.rounds)?;
        under_way.confirmed.insert(from);
        if under_way.confirmed.len() < quorum {
            return None;
        }
        self.round
            .take()
            .map(|Round { up_to, questions, .. }| ConfirmedRound { up_to, questions })
    }

    /// A tick has passed. Returns the present round, if it must be sent again, and the acceptors that have
    /// confirmed it.
    pub(crate) fn on_tick(&mut self, patience: u32) -> Option<(u64, ReplicaSet)> {
        let under_way = self.round.as_mut()?;
        under_way.age += 1;
        if under_way.age < patience {
            return None;
        }
        under_way.age = 0;
        Some((self.rounds, under_way.confirmed))
    }
}

/// The side of the replica that received the reads.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Reads {
    /// Reads that arrived after the present request was sent. They wait for the next one.
    fresh: Vec<Read>,
    /// Reads that the present request is for.
    asked: Vec<Read>,
    /// Ticks since the request was last sent.
    asked_age: u32,
    /// The number of the last request. It is unanswered if `asked` is not empty.
    number: u64,
    /// Reads that wait for a slot to be applied.
    ready: BTreeMap<Slot, Vec<Read>>,
    /// The number of all these reads, and the bytes of their keys.
    count: usize,
    bytes: usize,
}

export_fields!(Reads {
    fresh,
    asked,
    asked_age,
    number,
    ready,
    count,
    bytes
});

/// A client's read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Read {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    pub(crate) query: Query,
    /// Ticks since it arrived.
    pub(crate) age: u32,
}

export_fields!(Read {
    client,
    id,
    query,
    age
});

impl Read {
    fn bytes(&self) -> usize {
        self.query.keys().iter().map(Bytes::len).sum()
    }
}

impl Reads {
    /// Requests are numbered from a random number of this life, so that answers to an earlier life match none
    /// of them.
    pub(crate) fn new(nonce: u64) -> Reads {
        // The upper part of the range is left for counting.
        Reads {
            number: nonce >> 3,
            ..Reads::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The bytes of the keys that the reads name.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The clients that wait for an answer, each as often as it does.
    pub(crate) fn clients(&self) -> impl Iterator<Item = ClientId> {
        let reads = [&self.fresh, &self.asked].into_iter().chain(self.ready.values());
        reads.flatten().map(|read| read.client)
    }

    pub(crate) fn add(&mut self, read: Read) {
        self.count += 1;
        self.bytes += read.bytes();
        self.fresh.push(read);
    }

    /// The number of the next request to the leader, if reads wait for one and none is unanswered.
    pub(crate) fn next_question(&mut self) -> Option<u64> {
        if self.fresh.is_empty() || !self.asked.is_empty() {
            return None;
        }
        std::mem::swap(&mut self.fresh, &mut self.asked);
        self.asked_age = 0;
        self.number += 1;
        Some(self.number)
    }

    /// The unanswered request, to be sent again. All reads that it is for began before it was first sent.
    pub(crate) fn question(&self) -> Option<u64> {
        (!self.asked.is_empty()).then_some(self.number)
    }

    /// The leader's answer: the reads of that request may be served once every slot below `up_to` is applied.
    pub(crate) fn on_indexed(&mut self, number: u64, up_to: Slot) {
        if number == self.number && !self.asked.is_empty() {
            self.ready.entry(up_to).or_default().append(&mut self.asked);
        }
    }

    /// Whether reads wait for a slot to be applied.
    pub(crate) fn may_be_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Removes and returns the reads that may be served when every slot below `applied` is applied.
    pub(crate) fn take_ready(&mut self, applied: Slot) -> Vec<Read> {
        let mut served = Vec::new();
        while let Some(entry) = self.ready.first_entry().filter(|entry| *entry.key() <= applied) {
            served.append(&mut entry.remove());
        }
        self.on_removed(&served);
        served
    }

    /// A tick has passed. Removes and returns the reads that have waited for `deadline` ticks, and whether
    /// the request must be sent again.
    pub(crate) fn on_tick(&mut self, resend: u32, deadline: u32) -> (Vec<Read>, bool) {
        let mut expired = Vec::new();
        for reads in [&mut self.fresh, &mut self.asked]
            .into_iter()
            .chain(self.ready.values_mut())
        {
            reads.iter_mut().for_each(|read| read.age += 1);
            expired.extend(reads.extract_if(.., |read| read.age >= deadline));
        }
        self.ready.retain(|_, reads| !reads.is_empty());
        self.on_removed(&expired);
        self.asked_age += 1;
        let again = !self.asked.is_empty() && self.asked_age >= resend;
        if again {
            self.asked_age = 0;
        }
        (expired, again)
    }

    /// A client is gone: removes its reads.
    pub(crate) fn forget(&mut self, client: ClientId) {
        let mut gone = Vec::new();
        for reads in [&mut self.fresh, &mut self.asked]
            .into_iter()
            .chain(self.ready.values_mut())
        {
            gone.extend(reads.extract_if(.., |read| read.client == client));
        }
        self.ready.retain(|_, reads| !reads.is_empty());
        self.on_removed(&gone);
    }

    fn on_removed(&mut self, reads: &[Read]) {
        self.count -= reads.len();
        self.bytes -= reads.iter().map(Read::bytes).sum::<usize>();
    }
}
