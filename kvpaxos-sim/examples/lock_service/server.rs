//! A replica of kvpaxos with locks beside it: requests go into the log as opaque commands, and each replica applies
//! the commands to its locks in the order of the log.

use std::collections::BTreeMap;

use kvpaxos::{
    Command, Config, Effect, Entropy, Founding, Input, Memory, Message, Observation, Outcome, Reason, Record,
    Replica, ReplicaId, Request, RequestBody, Revision, Slot, Time,
};
use kvpaxos_sim::engine::{EffectOf, InputOf, Label, Machine};
use kvpaxos_sim::subject::ReplicaLog;

use super::locks::{Answer, Ask, Locks, Told};

/// Answers of the locks are kept for so many commands: that long the replica may take to answer a client.
const KEPT: usize = 10_000;

pub(crate) struct Server {
    replica: Replica,
    pub(crate) locks: Locks,
    answers: BTreeMap<Revision, Told>,
}

/// The configuration of one of three replicas. No snapshot is taken: those of the core do not hold the locks.
pub(crate) fn config(id: u8) -> Config {
    let mut config = Config::new(ReplicaId(id), 3);
    (config.limits.log_bytes, config.limits.log_slots) = (usize::MAX, u64::MAX);
    config
}

impl Server {
    /// Applies the commands of a slot.
    fn apply(&mut self, slot: Slot) {
        if slot == Slot::ZERO {
            // A learner that starts anew applies everything again.
            self.locks = Locks::default();
        }
        let value = self
            .replica
            .chosen(slot)
            .expect("no snapshot was taken, so the log is whole");
        for (index, command) in (0..).zip(value.commands()) {
            let Command::Opaque { payload, .. } = command else {
                continue;
            };
            if let Ok(ask) = serde_json::from_slice::<Ask>(payload) {
                let (number, revision) = (ask.number, Revision { slot, index });
                let answer = self.locks.apply(ask);
                self.answers.insert(revision, Told { number, answer });
            }
        }
        while self.answers.len() > KEPT {
            self.answers.pop_first();
        }
    }
}

fn submit(ask: &Ask) -> Request {
    let payload = serde_json::to_vec(ask).expect("a request is plain data").into();
    let body = RequestBody::Submit { payload };
    Request { id: ask.number, body }
}

impl Machine for Server {
    type Config = Config;
    type Message = Message;
    type Record = Record;
    type Request = Ask;
    type Reply = Told;
    type Observation = Observation;
    type Reason = Reason;
    type Log = ReplicaLog;

    fn start(config: &Config, memory: Memory, entropy: Entropy, at: Time) -> Server {
        Server {
            replica: Replica::new(config.clone(), memory, entropy, at).expect("the configuration is valid"),
            locks: Locks::default(),
            answers: BTreeMap::new(),
        }
    }

    fn step(&mut self, input: InputOf<Server>) -> Vec<EffectOf<Server>> {
        let event = input.event.map_request(|ask| submit(&ask));
        let effects = self.replica.step(Input { at: input.at, event });
        let answered = effects.into_iter().map(|effect| {
            if let Effect::Observe(Observation::Applied { slot, .. }) = effect {
                self.apply(slot);
            }
            effect.map_reply(|reply| match reply.outcome {
                Outcome::Done { revision } => self.answers[&revision].clone(),
                _ => Told {
                    number: reply.id,
                    answer: Answer::Unknown,
                },
            })
        });
        answered.collect()
    }

    fn deadline(&self) -> Option<Time> {
        self.replica.deadline()
    }

    fn founds(draw: u64) -> Vec<Record> {
        <Replica as Machine>::founds(draw)
    }

    fn founding(&self) -> Option<Founding> {
        self.replica.founding()
    }

    fn label(message: &Message) -> Label {
        <Replica as Machine>::label(message)
    }
}
