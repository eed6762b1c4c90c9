//! What the replica under test does, and the messages that its peers send to it.

use bytes::Bytes;
use kvpaxos::agreement::StateDigest;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::{Accepted, Promise};
use kvpaxos::{
    Ballot, Batch, ClientId, Command, Event, Life, Message, ReplicaId, Request, RequestBody, Role, Slot, Tag,
    Value, Watermark,
};

use crate::single::{SingleReplica, StepResult};

pub(crate) const R0: ReplicaId = ReplicaId(0);
pub(crate) const R1: ReplicaId = ReplicaId(1);
pub(crate) const R2: ReplicaId = ReplicaId(2);
/// All tests of the paper use one slot, which is one instance of Paxos.
pub(crate) const SLOT: Slot = Slot(0);

impl SingleReplica {
    /// A new replica with an empty disk.
    pub(crate) fn new(id: ReplicaId) -> SingleReplica {
        SingleReplica::with_disk(id, &[])
    }

    /// A client asks the replica to propose this value.
    pub(crate) fn is_asked(&mut self, payload: &'static str) -> StepResult {
        let payload = Bytes::from_static(payload.as_bytes());
        let request = Request {
            id: 1,
            body: RequestBody::Submit { payload },
        };
        let from = ClientId(1);
        self.step(Event::Client { from, request })
    }

    /// The replica stands, and gets the promise of one other acceptor, which reports `entries`. With its own
    /// promise this is a majority.
    pub(crate) fn leads(&mut self, other: ReplicaId, entries: Vec<Accepted>) -> (Ballot, StepResult) {
        let (ballot, _) = self.stands();
        let said = self.hears(other, promise(ballot, entries));
        (ballot, said)
    }

    /// The replica's acceptor fails. It then leads with the promises of both others.
    pub(crate) fn leads_without_own_vote(&mut self) -> Ballot {
        self.fail(Role::Acceptor);
        let (ballot, _) = self.stands();
        self.hears(R1, promise(ballot, Vec::new()));
        self.hears(R2, promise(ballot, Vec::new()));
        ballot
    }

    pub(crate) fn chosen(&self) -> Option<&Value> {
        self.replica.chosen(SLOT)
    }

    pub(crate) fn fail(&mut self, role: Role) {
        self.step(Event::Fail(role));
    }
}

impl StepResult {
    /// The ballot and the value of the first Accept among the messages.
    pub(crate) fn proposed(&self) -> Option<(Ballot, Value)> {
        self.find(|message| match message {
            Message::Accept { ballot, value, .. } => Some((*ballot, value.clone())),
            _ => None,
        })
    }

    /// The ballot of the first Promise among the messages, and the entries that it reports.
    pub(crate) fn promised(&self) -> Option<(Ballot, Vec<Accepted>)> {
        self.find(|message| match message {
            Message::Promise(Promise { ballot, entries, .. }) => Some((*ballot, entries.clone())),
            _ => None,
        })
    }

    /// The ballot of the first vote among the messages.
    pub(crate) fn accepted(&self) -> Option<Ballot> {
        self.find(|message| match message {
            Message::Accepted { ballot, .. } => Some(*ballot),
            _ => None,
        })
    }

    /// The higher ballot that the first refusal among the messages names.
    pub(crate) fn refused(&self) -> Option<Ballot> {
        self.find(|message| match message {
            Message::Refused { promised, .. } => Some(*promised),
            _ => None,
        })
    }
}

/// A ballot of the first life of a replica's proposer.
pub(crate) fn ballot(round: u64, replica: ReplicaId) -> Ballot {
    Ballot {
        round,
        replica,
        life: Life::default(),
    }
}

pub(crate) fn value(payload: &'static str) -> Value {
    let tag = Tag { nonce: 0, number: 0 };
    let payload = Bytes::from_static(payload.as_bytes());
    Value::Batch(Batch::new(vec![Command::Opaque { tag, payload }]))
}

/// The payload of a value with one command.
pub(crate) fn payload(value: &Value) -> &[u8] {
    match value.commands() {
        [Command::Opaque { payload, .. }] => payload,
        other => panic!("not one payload: {other:?}"),
    }
}

pub(crate) fn prepare(ballot: Ballot) -> Message {
    Message::Prepare {
        ballot,
        from: SLOT,
        state: StateDigest::NOTHING,
    }
}

pub(crate) fn promise(ballot: Ballot, entries: Vec<Accepted>) -> Message {
    Message::Promise(Promise {
        ballot,
        from: SLOT,
        vector: CrashVector::default(),
        cut: Slot::ZERO,
        entries,
        more: None,
    })
}

pub(crate) fn entry(ballot: Ballot, payload: &'static str) -> Accepted {
    Accepted {
        slot: SLOT,
        ballot,
        value: value(payload),
    }
}

pub(crate) fn accept(ballot: Ballot, value: Value) -> Message {
    Message::Accept {
        ballot,
        slot: SLOT,
        value,
        chosen: Watermark::default(),
        state: StateDigest::NOTHING,
    }
}

pub(crate) fn accepted(ballot: Ballot) -> Message {
    Message::Accepted {
        ballot,
        slot: SLOT,
        vector: CrashVector::default(),
    }
}
