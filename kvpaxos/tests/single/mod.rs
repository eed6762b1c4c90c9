//! One of three replicas. The test plays its peers.
#![allow(dead_code, reason = "each test program uses a part")]

use kvpaxos::agreement::StateDigest;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::{AcceptorHealth, Heartbeat};
use kvpaxos::{
    Ballot, Config, Effect, Entropy, Envelope, Event, Founding, Input, Memory, Message, Observation, Record,
    Replica, ReplicaId, Slot, Time,
};

/// The replica and its disk.
#[derive(Debug)]
pub(crate) struct SingleReplica {
    pub(crate) replica: Replica,
    pub(crate) disk: Vec<Record>,
    /// The messages that wait for the disk; `None` if it syncs at once.
    pub(crate) waiting: Option<Vec<Envelope>>,
    /// The highest ballot that its peers report.
    pub(crate) highest: Ballot,
    now: Time,
    beats: u64,
}

/// The effects of a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepResult {
    /// The messages to other replicas.
    pub(crate) messages: Vec<Envelope>,
    pub(crate) records: Vec<Record>,
    pub(crate) notes: Vec<Observation>,
}

impl SingleReplica {
    pub(crate) fn start(id: ReplicaId, memory: Memory, entropy: u8) -> SingleReplica {
        let disk = match &memory {
            Memory::Kept(records) => records.clone(),
            Memory::Lost => Vec::new(),
        };
        let now = Time(0);
        let replica = Replica::new(Config::new(id, 3), memory, Entropy([entropy; 32]), now);
        SingleReplica {
            replica: replica.expect("the configuration is valid"),
            disk,
            waiting: None,
            highest: Ballot::ZERO,
            now,
            beats: 0,
        }
    }

    /// A replica that starts with these records.
    pub(crate) fn with_disk(id: ReplicaId, records: &[Record]) -> SingleReplica {
        SingleReplica::start(id, Memory::Kept(records.to_vec()), 1)
    }

    /// A replica that starts without its memory.
    pub(crate) fn without_disk(id: ReplicaId) -> SingleReplica {
        SingleReplica::start(id, Memory::Lost, 1)
    }

    /// The replica stops, and starts again with the records on its disk.
    pub(crate) fn restart(&mut self) {
        let id = self.replica.config().id;
        *self = SingleReplica::start(id, Memory::Kept(std::mem::take(&mut self.disk)), 2);
    }

    /// Makes a step, but does not carry out its effects.
    pub(crate) fn step_raw(&mut self, event: Event) -> Vec<Effect> {
        self.replica.step(Input { at: self.now, event })
    }

    /// Makes a step. Its records become durable at once, unless the disk waits. Messages of the replica to
    /// itself are delivered at once.
    pub(crate) fn step(&mut self, event: Event) -> StepResult {
        let own = self.replica.config().id;
        let mut result = StepResult::default();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut leaving = Vec::new();
            for effect in self.step_raw(event) {
                match effect {
                    Effect::Send(envelope) => leaving.push(envelope),
                    Effect::Persist { records, then, .. } => match &mut self.waiting {
                        Some(waiting) => waiting.extend(then),
                        None => {
                            self.disk.extend(records.clone());
                            result.records.extend(records);
                            leaving.extend(then);
                        }
                    },
                    Effect::Observe(note) => result.notes.push(note),
                    Effect::Reply { .. } => {}
                    Effect::Halt(reason) => panic!("halted: {reason}"),
                }
            }
            for Envelope { to, message } in leaving {
                if to == own {
                    let founding = None;
                    events.insert(
                        0,
                        Event::Peer {
                            from: own,
                            founding,
                            message,
                        },
                    );
                } else {
                    result.messages.push(Envelope { to, message });
                }
            }
        }
        result
    }

    pub(crate) fn hears(&mut self, from: ReplicaId, message: Message) -> StepResult {
        self.hears_founded(from, None, message)
    }

    /// A message arrives from a peer that claims this founding.
    pub(crate) fn hears_founded(
        &mut self,
        from: ReplicaId,
        founding: Option<Founding>,
        message: Message,
    ) -> StepResult {
        self.step(Event::Peer {
            from,
            founding,
            message,
        })
    }

    /// Time passes until the deadline of the replica.
    pub(crate) fn ticks(&mut self) -> StepResult {
        self.now = self.replica.deadline().expect("a running replica has a deadline");
        self.step(Event::Clock)
    }

    /// Time passes until the replica stands for election. Both peers are connected, and report no leader.
    pub(crate) fn stands(&mut self) -> (Ballot, StepResult) {
        for _ in 0..400 {
            let result = self.ticks();
            let stands = |note: &Observation| match note {
                Observation::Candidate { ballot } => Some(*ballot),
                _ => None,
            };
            if let Some(ballot) = result.notes.iter().find_map(stands) {
                return (ballot, result);
            }
            self.peers_beat(&result);
        }
        panic!("it does not stand: {:?}", self.replica.status());
    }

    /// Each peer answers each heartbeat with its own.
    fn peers_beat(&mut self, result: &StepResult) {
        let echo = |Envelope { to, message }: &Envelope| match message {
            Message::Heartbeat(own) => Some((*to, (own.nonce, own.beat))),
            _ => None,
        };
        for (from, echo) in result.messages.iter().filter_map(echo) {
            self.beats += 1;
            let heartbeat = Heartbeat {
                beat: self.beats,
                nonce: 1,
                echo: Some(echo),
                acceptor: AcceptorHealth::Votes,
                highest: self.highest,
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
}

impl StepResult {
    /// The first message for which `what` returns something.
    pub(crate) fn find<T>(&self, what: impl FnMut(&Message) -> Option<T>) -> Option<T> {
        let messages = self.messages.iter().map(|envelope| &envelope.message);
        { messages }.find_map(what)
    }

    /// The messages, except for heartbeats.
    pub(crate) fn answers(&self) -> Vec<&Message> {
        let messages = self.messages.iter().map(|envelope| &envelope.message);
        messages
            .filter(|message| !matches!(message, Message::Heartbeat(_)))
            .collect()
    }
}
