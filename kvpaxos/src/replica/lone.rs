//! A cluster of one replica, for tests.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::command::{Outcome, Request, RequestBody, Tag};
use crate::io::{Effect, Envelope, Event, Input, Memory, Record};
use crate::replica::Replica;
use crate::types::{ClientId, Entropy, ReplicaId, Role, Sequence, SessionId, Time};
use crate::{Config, Op};

/// A cluster of one replica, whose disk syncs at once.
pub(super) struct Lone {
    pub(super) replica: Replica,
    pub(super) at: Time,
    /// What its disk holds.
    pub(super) disk: Vec<Record>,
}

impl Lone {
    pub(super) fn leading() -> Lone {
        let config = Config::new(ReplicaId(0), 1);
        let replica = Replica::new(config, Memory::Kept(vec![]), Entropy([1; 32]), Time(0));
        let mut lone = Lone {
            replica: replica.expect("the configuration is valid"),
            at: Time(0),
            disk: Vec::new(),
        };
        while !lone.replica.leads() {
            lone.at = lone.replica.deadline().expect("it has the next tick");
            lone.step(Event::Clock);
        }
        lone
    }

    /// Steps until nothing is under way, and returns the last reply.
    pub(super) fn step(&mut self, event: Event) -> Option<Outcome> {
        let mut events = VecDeque::from([event]);
        let mut outcome = None;
        while let Some(event) = events.pop_front() {
            for effect in self.replica.step(Input { at: self.at, event }) {
                let sent = match effect {
                    Effect::Send(envelope) => vec![envelope],
                    Effect::Persist { records, then, .. } => {
                        self.disk.extend(records);
                        then
                    }
                    Effect::Reply { reply, .. } => {
                        outcome = Some(reply.outcome);
                        vec![]
                    }
                    Effect::Observe(_) => vec![],
                    Effect::Halt(reason) => panic!("{reason}"),
                };
                events.extend(sent.into_iter().map(|Envelope { to, message }| Event::Peer {
                    from: to,
                    founding: None,
                    message,
                }));
            }
        }
        outcome
    }

    pub(super) fn ask(&mut self, body: RequestBody) -> Outcome {
        let (from, request) = (ClientId(1), Request { id: 1, body });
        let mut outcome = self.step(Event::Client { from, request });
        while outcome.is_none() {
            self.at = self.replica.deadline().expect("it has the next tick");
            outcome = self.step(Event::Clock);
        }
        outcome.expect("an answer")
    }

    pub(super) fn opens(&mut self) -> SessionId {
        let tag = Tag { nonce: 1, number: 0 };
        match self.ask(RequestBody::Open { tag }) {
            Outcome::Opened { session } => session,
            other => panic!("{other:?}"),
        }
    }

    /// Writes so many bytes. Each key is written once.
    pub(super) fn puts(&mut self, session: SessionId, key: u64, length: usize) {
        let body = RequestBody::Apply {
            session,
            sequence: Sequence(key),
            lowest_unanswered: Sequence(key),
            op: Op::Put {
                key: Bytes::copy_from_slice(&key.to_be_bytes()),
                value: Bytes::from(vec![0; length]),
            },
        };
        let outcome = self.ask(body);
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }

    /// The role fails, and restarts with what is on the disk.
    pub(super) fn restarts(&mut self, role: Role) {
        self.step(Event::Fail(role));
        self.step(Event::Restart {
            role,
            memory: Memory::Kept(self.disk.clone()),
            entropy: Entropy([2; 32]),
        });
    }
}
