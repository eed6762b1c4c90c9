//! One replica whose peers are played by the test.

use bytes::Bytes;
use kvpaxos::agreement::StateDigest;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::{Accepted, AcceptorHealth, Heartbeat, Promise};
use kvpaxos::{
    Ballot, Batch, ClientId, Command, Config, Effect, Entropy, Envelope, Event, Input, Life, Memory, Message,
    Observation, Record, Replica, ReplicaId, Request, RequestBody, Role, Slot, Tag, Time, Value, Watermark,
};

pub(crate) const R0: ReplicaId = ReplicaId(0);
pub(crate) const R1: ReplicaId = ReplicaId(1);
pub(crate) const R2: ReplicaId = ReplicaId(2);
/// All here happens in one instance of Paxos.
pub(crate) const SLOT: Slot = Slot(0);

/// A replica of three, and its disk, which syncs at once.
#[derive(Debug)]
pub(crate) struct Lone {
    pub(crate) replica: Replica,
    pub(crate) disk: Vec<Record>,
    /// The highest ballot that its peers have met.
    pub(crate) met: Ballot,
    now: Time,
    beats: u64,
}

/// What came of a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) messages: Vec<Envelope>,
    pub(crate) records: Vec<Record>,
    pub(crate) notes: Vec<Observation>,
}

impl Lone {
    pub(crate) fn new(id: ReplicaId) -> Lone {
        Lone::from_disk(id, Vec::new(), 1)
    }

    /// A replica that starts with what its disk holds.
    pub(crate) fn from_disk(id: ReplicaId, disk: Vec<Record>, entropy: u8) -> Lone {
        let memory = Memory::Kept(disk.clone());
        let now = Time(0);
        let replica = Replica::new(Config::new(id, 3), memory, Entropy([entropy; 32]), now);
        Lone {
            replica: replica.expect("the configuration is sound"),
            disk,
            met: Ballot::ZERO,
            now,
            beats: 0,
        }
    }

    /// The replica stops and starts again.
    pub(crate) fn restart(&mut self) {
        let id = self.replica.config().id;
        *self = Lone::from_disk(id, std::mem::take(&mut self.disk), 2);
    }

    pub(crate) fn step_raw(&mut self, event: Event) -> Vec<Effect> {
        self.replica.step(Input { at: self.now, event })
    }

    /// A step; writes are synced, and what the replica says to itself it hears at once.
    pub(crate) fn step(&mut self, event: Event) -> Said {
        let mut said = Said::default();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut leaving = Vec::new();
            for effect in self.step_raw(event) {
                match effect {
                    Effect::Send(envelope) => leaving.push(envelope),
                    Effect::Persist { records, then, .. } => {
                        self.disk.extend(records.clone());
                        said.records.extend(records);
                        leaving.extend(then);
                    }
                    Effect::Observe(note) => said.notes.push(note),
                    Effect::Reply { .. } => {}
                    Effect::Halt(reason) => panic!("halted: {reason}"),
                }
            }
            let own = self.replica.config().id;
            for Envelope { to, message } in leaving {
                if to == own {
                    events.insert(
                        0,
                        Event::Peer {
                            from: own,
                            founding: None,
                            message,
                        },
                    );
                } else {
                    said.messages.push(Envelope { to, message });
                }
            }
        }
        said
    }

    pub(crate) fn hears(&mut self, from: ReplicaId, message: Message) -> Said {
        self.step(Event::Peer {
            from,
            founding: None,
            message,
        })
    }

    /// A client hands it a value to propose.
    pub(crate) fn is_asked(&mut self, payload: &'static str) -> Said {
        let payload = Bytes::from_static(payload.as_bytes());
        let request = Request {
            id: 1,
            body: RequestBody::Submit { payload },
        };
        let from = ClientId(1);
        self.step(Event::Client { from, request })
    }

    /// Time passes, and both peers are there and follow nobody, until it sends Prepares.
    pub(crate) fn stands(&mut self) -> (Ballot, Said) {
        for _ in 0..400 {
            self.now = self.replica.deadline().expect("it runs");
            let said = self.step(Event::Clock);
            if let Some(ballot) = said.prepared() {
                return (ballot, said);
            }
            self.peers_beat(&said);
        }
        panic!("it does not stand: {:?}", self.replica.status());
    }

    fn peers_beat(&mut self, said: &Said) {
        let beats = said
            .messages
            .iter()
            .filter_map(|Envelope { to, message }| match message {
                Message::Heartbeat(own) => Some((*to, (own.nonce, own.beat))),
                _ => None,
            });
        for (from, echo) in beats.collect::<Vec<_>>() {
            self.beats += 1;
            let heartbeat = Heartbeat {
                beat: self.beats,
                nonce: 1,
                echo: Some(echo),
                acceptor: AcceptorHealth::Votes,
                highest: self.met,
                leader: None,
                learned: Slot::ZERO,
                chosen: None,
                vector: CrashVector::default(),
                state: StateDigest::NOTHING,
                differs: None,
                met: KnownFoundings::default(),
            };
            self.hears(from, Message::Heartbeat(Box::new(heartbeat)));
        }
    }

    /// It stands, and gets the promise of one other acceptor that reports `entries`: with its own, a majority.
    pub(crate) fn leads(&mut self, other: ReplicaId, entries: Vec<Accepted>) -> (Ballot, Said) {
        let (ballot, _) = self.stands();
        let said = self.hears(other, promise(ballot, entries));
        (ballot, said)
    }

    /// It stands and leads with the promises of both others, its own acceptor being down.
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

impl Said {
    /// The ballot of the Prepares in it.
    pub(crate) fn prepared(&self) -> Option<Ballot> {
        self.find(|message| match message {
            Message::Prepare { ballot, .. } => Some(*ballot),
            _ => None,
        })
    }

    /// The ballot and the value of the Accepts in it.
    pub(crate) fn proposed(&self) -> Option<(Ballot, Value)> {
        self.find(|message| match message {
            Message::Accept { ballot, value, .. } => Some((*ballot, value.clone())),
            _ => None,
        })
    }

    /// The ballot promised in it, and what was reported with that.
    pub(crate) fn promised(&self) -> Option<(Ballot, Vec<Accepted>)> {
        self.find(|message| match message {
            Message::Promise(Promise { ballot, entries, .. }) => Some((*ballot, entries.clone())),
            _ => None,
        })
    }

    /// The ballot of the votes in it.
    pub(crate) fn accepted(&self) -> Option<Ballot> {
        self.find(|message| match message {
            Message::Accepted { ballot, .. } => Some(*ballot),
            _ => None,
        })
    }

    /// The higher ballot that a refusal in it names.
    pub(crate) fn refused(&self) -> Option<Ballot> {
        self.find(|message| match message {
            Message::Refused { promised, .. } => Some(*promised),
            _ => None,
        })
    }

    fn find<T>(&self, what: impl FnMut(&Message) -> Option<T>) -> Option<T> {
        self.messages
            .iter()
            .map(|envelope| &envelope.message)
            .find_map(what)
    }
}

/// A ballot of a replica's first life.
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
