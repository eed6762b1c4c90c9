//! A whole replica whose peers are played by the scene.

use kvpaxos::agreement::StateDigest;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::{AcceptorHealth, Heartbeat, Remembered};
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{
    Ballot, Config, Effect, Entropy, Envelope, Event, Founding, Incarnation, Input, Memory, Message,
    Observation, Record, Replica, ReplicaId, Slot, Time,
};

use crate::stage::{A, B, C, SLOT};

/// A replica whose peers are played by the test, and its disk.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) replica: Replica,
    pub(crate) disk: Vec<Record>,
    /// What waits for the disk; `None` where it syncs at once.
    pub(crate) waiting: Option<Vec<Envelope>>,
}

/// What came of a step.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) sent: Vec<Envelope>,
    pub(crate) notes: Vec<Observation>,
}

impl Whole {
    pub(crate) fn starts(id: ReplicaId, memory: Memory, entropy: u8) -> Whole {
        let disk = match &memory {
            Memory::Kept(records) => records.clone(),
            Memory::Lost => Vec::new(),
        };
        let replica = Replica::new(Config::new(id, 3), memory, Entropy([entropy; 32]), Time(0));
        Whole {
            replica: replica.expect("the configuration is sound"),
            disk,
            waiting: None,
        }
    }

    pub(crate) fn kept(id: ReplicaId, records: &[Record]) -> Whole {
        Whole::starts(id, Memory::Kept(records.to_vec()), 1)
    }

    pub(crate) fn lost(id: ReplicaId) -> Whole {
        Whole::starts(id, Memory::Lost, 1)
    }

    pub(crate) fn restarts(&mut self) {
        *self = Whole::kept(self.replica.config().id, &self.disk);
    }

    pub(crate) fn step(&mut self, event: Event) -> Said {
        self.step_at(Time(0), event)
    }

    pub(crate) fn step_at(&mut self, at: Time, event: Event) -> Said {
        let own = self.replica.config().id;
        let mut said = Said::default();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut leaving = Vec::new();
            for effect in self.replica.step(Input { at, event }) {
                match effect {
                    Effect::Send(envelope) => leaving.push(envelope),
                    Effect::Persist { records, then, .. } => match &mut self.waiting {
                        Some(waiting) => waiting.extend(then),
                        None => {
                            self.disk.extend(records);
                            leaving.extend(then);
                        }
                    },
                    Effect::Observe(note) => said.notes.push(note),
                    Effect::Reply { .. } => {}
                    Effect::Halt(reason) => panic!("halted: {reason}"),
                }
            }
            let (loops, sent): (Vec<_>, Vec<_>) =
                leaving.into_iter().partition(|envelope| envelope.to == own);
            let from = own;
            events.extend(loops.into_iter().map(|Envelope { message, .. }| Event::Peer {
                from,
                founding: None,
                message,
            }));
            said.sent.extend(sent);
        }
        said
    }

    pub(crate) fn hears(&mut self, from: ReplicaId, message: Message) -> Said {
        self.hears_founded(from, None, message)
    }

    /// The same, from a peer with a founding.
    pub(crate) fn hears_founded(
        &mut self,
        from: ReplicaId,
        founding: Option<Founding>,
        message: Message,
    ) -> Said {
        self.step(Event::Peer {
            from,
            founding,
            message,
        })
    }

    /// The time has come that it named.
    pub(crate) fn ticks(&mut self) -> Said {
        let at = self.replica.deadline().expect("it runs");
        self.step_at(at, Event::Clock)
    }

    /// Time passes until it asks something of recovery; returns the question.
    pub(crate) fn asks(&mut self, whom: ReplicaId) -> Message {
        for _ in 0..100 {
            let at = self.replica.deadline().expect("it runs");
            for effect in self.replica.step(Input {
                at,
                event: Event::Clock,
            }) {
                let leaving = match effect {
                    Effect::Persist { records, then, .. } => {
                        self.disk.extend(records);
                        then
                    }
                    Effect::Send(envelope) => vec![envelope],
                    _ => continue,
                };
                let is_question =
                    |message: &Message| matches!(message, Message::Recall { .. } | Message::Announce { .. });
                let mut asked = leaving.into_iter().filter(|envelope| envelope.to == whom);
                if let Some(question) = asked.find(|envelope| is_question(&envelope.message)) {
                    return question.message;
                }
            }
        }
        panic!("it asks nothing: {:?}", self.replica.status());
    }

    /// (a): B and C have heard of no life but the first.
    pub(crate) fn is_recalled(&mut self) -> (u64, Incarnation) {
        let Message::Recall { nonce } = self.asks(B) else {
            panic!("it has asked already")
        };
        let heard = Some(Incarnation::default());
        self.hears(B, Message::Recalled { nonce, heard });
        self.hears(C, Message::Recalled { nonce, heard });
        match self.asks(B) {
            Message::Announce {
                nonce, incarnation, ..
            } => (nonce, incarnation),
            other => panic!("two are enough: {other:?}"),
        }
    }

    /// (a) and (b): B and C have promised this, cut that, and accepted nothing.
    pub(crate) fn is_told(&mut self, promised: Ballot, cut: Slot) -> Said {
        let (nonce, incarnation) = self.is_recalled();
        let told = Remembered {
            nonce,
            incarnation,
            vector: CrashVector::from_iter([(A, incarnation)]),
            promised,
            cut,
            from: SLOT,
            entries: Vec::new(),
            more: None,
            met: KnownFoundings::default(),
        };
        let both = Message::Remembered(Box::new(told));
        self.hears(B, both.clone());
        self.hears(C, both)
    }

    /// Time passes, and B and C are connected and hear no leader, until it stands; returns the ballot.
    pub(crate) fn stands(&mut self) -> Ballot {
        for beat in 1..100 {
            let Said { sent, mut notes } = self.ticks();
            let echoed = sent.into_iter().find_map(|envelope| match envelope.message {
                Message::Heartbeat(heartbeat) => Some((heartbeat.nonce, heartbeat.beat)),
                _ => None,
            });
            for peer in [B, C] {
                let heartbeat = Heartbeat {
                    beat,
                    nonce: 5,
                    echo: echoed,
                    acceptor: AcceptorHealth::Votes,
                    highest: Ballot::ZERO,
                    leader: None,
                    learned: SLOT,
                    chosen: None,
                    vector: CrashVector::default(),
                    state: StateDigest::NOTHING,
                    differs: None,
                    met: KnownFoundings::default(),
                };
                let said = self.hears(peer, Message::Heartbeat(Box::new(heartbeat)));
                notes.extend(said.notes);
            }
            let stood = notes.into_iter().find_map(|note| match note {
                Observation::Standing { ballot } => Some(ballot),
                _ => None,
            });
            if let Some(ballot) = stood {
                return ballot;
            }
        }
        panic!("it does not stand: {:?}", self.replica.status());
    }

    pub(crate) fn votes(&self) -> bool {
        matches!(self.replica.status().acceptor, AcceptorStatus::Voting { .. })
    }
}

impl Said {
    pub(crate) fn answers(&self) -> Vec<&Message> {
        let messages = self.sent.iter().map(|envelope| &envelope.message);
        messages
            .filter(|message| !matches!(message, Message::Heartbeat(_)))
            .collect()
    }
}
