//! Steps a client and writes down both sides.

use std::fmt::Write;

use bytes::Bytes;
use expect_test::Expect;

use crate::client::*;
use crate::command::{Op, Outcome, Query, Refusal, Reply, RequestBody};
use crate::types::{Entropy, Micros, ReplicaId, ReplicaSet, Revision, SessionId, Slot, Time};

/// Steps a client and writes down both sides. Times are in milliseconds.
pub(super) struct Script {
    pub(super) client: Client,
    at: u64,
    text: String,
}

impl Script {
    /// A client of three replicas that asks r0 first, for 100 ms an attempt and 1 s in all.
    pub(super) fn new() -> Script {
        Script::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut ClientConfig)) -> Script {
        let mut config = ClientConfig {
            first: Some(ReplicaId(0)),
            attempt: Micros(100_000),
            deadline: Micros(1_000_000),
            ..ClientConfig::new(ReplicaSet::first(3))
        };
        change(&mut config);
        let client = Client::new(config, Entropy([7; 32]));
        let (at, text) = (0, String::new());
        Script { client, at, text }
    }

    pub(super) fn at(&mut self, millis: u64) -> &mut Script {
        self.at = millis * 1000;
        self
    }

    pub(super) fn put(&mut self, number: u64, key: &'static str, value: &'static str) -> &mut Script {
        let (key, value) = (Bytes::from(key), Bytes::from(value));
        self.call(number, Call::Write(Op::Put { key, value }))
    }

    pub(super) fn get(&mut self, number: u64, key: &'static str) -> &mut Script {
        let key = Bytes::from(key);
        self.call(number, Call::Read(Query::Get { key }))
    }

    pub(super) fn call(&mut self, number: u64, call: Call) -> &mut Script {
        let line = format!("call {number} {}", show_call(&call));
        self.step(&line, ClientEvent::Call { number, call })
    }

    pub(super) fn reply(&mut self, from: u8, id: u64, outcome: Outcome) -> &mut Script {
        let line = format!("r{from} answers #{id} {outcome:?}");
        let from = ReplicaId(from);
        let reply = Reply { id, outcome };
        self.step(&line, ClientEvent::Reply { from, reply })
    }

    pub(super) fn disconnected(&mut self, from: u8) -> &mut Script {
        let event = ClientEvent::Disconnected {
            from: ReplicaId(from),
        };
        self.step(&format!("r{from} disconnects"), event)
    }

    pub(super) fn connecting(&mut self, to: u8) -> &mut Script {
        let to = ReplicaId(to);
        self.step(&format!("connecting to {to}"), ClientEvent::Connecting { to })
    }

    pub(super) fn connected(&mut self, to: u8) -> &mut Script {
        let to = ReplicaId(to);
        self.step(&format!("connected to {to}"), ClientEvent::Connected { to })
    }

    pub(super) fn unreachable(&mut self, from: u8) -> &mut Script {
        let from = ReplicaId(from);
        self.step(
            &format!("{from} is unreachable"),
            ClientEvent::Unreachable { from },
        )
    }

    /// The clock, whenever the client asked for it, up to a time.
    pub(super) fn clock_until(&mut self, millis: u64) -> &mut Script {
        while let Some(due) = self.client.deadline().filter(|due| due.0 <= millis * 1000) {
            assert!(due.0 > self.at || self.at == 0, "a deadline lies ahead");
            self.at = due.0;
            self.step("clock", ClientEvent::Clock);
        }
        self.at(millis)
    }

    pub(super) fn step(&mut self, line: &str, event: ClientEvent) -> &mut Script {
        let (millis, micros) = (self.at / 1000, self.at % 1000);
        writeln!(self.text, "{millis}.{micros:03} {line}").unwrap();
        for effect in self.client.step(Time(self.at), event) {
            let line = match effect {
                ClientEffect::Send { to, request } => {
                    format!("{to} <- #{} {}", request.id, show_body(&request.body))
                }
                ClientEffect::Withdraw { to, request } => format!("#{request} to {to} is withdrawn"),
                ClientEffect::Done { number, completion } => format!("call {number} ends: {completion:?}"),
            };
            writeln!(self.text, "    {line}").unwrap();
        }
        let due = self.client.deadline();
        assert!(due.is_none_or(|due| due.0 > self.at), "due {due:?}");
        self
    }

    pub(super) fn check(&mut self, expect: &Expect) {
        expect.assert_eq(&self.text);
    }
}

pub(super) fn show_call(call: &Call) -> String {
    match call {
        Call::Write(Op::Put { key, value }) => format!("put {key:?} {value:?}"),
        Call::Read(query) => format!("{query:?}"),
        call => format!("{call:?}"),
    }
}

pub(super) fn show_body(body: &RequestBody) -> String {
    match body {
        RequestBody::Apply {
            session,
            sequence,
            lowest_unanswered,
            op,
        } => {
            let (sequence, lowest) = (sequence.0, lowest_unanswered.0);
            let key = op.keys().next().expect("the scripts' writes have keys");
            format!("session {session} sequence {sequence} lowest {lowest} {key:?}")
        }
        body => format!("{body:?}"),
    }
}

pub(super) fn revision(slot: u64) -> Revision {
    Revision {
        slot: Slot(slot),
        index: 0,
    }
}

pub(super) fn opened(slot: u64) -> Outcome {
    let session = SessionId(revision(slot));
    Outcome::Opened { session }
}

pub(super) fn done(slot: u64) -> Outcome {
    let revision = revision(slot);
    Outcome::Done { revision }
}

pub(super) fn value(slot: u64, value: &'static str) -> Outcome {
    let (revision, value) = (revision(slot), Some(Bytes::from(value)));
    Outcome::Value { revision, value }
}

pub(super) fn expired(slot: u64) -> Outcome {
    let session = SessionId(revision(slot));
    Outcome::Refused(Refusal::SessionExpired { session })
}

pub(super) fn busy() -> Outcome {
    Outcome::Refused(Refusal::Busy { pending: 9 })
}

pub(super) fn unavailable() -> Outcome {
    let silent = ReplicaSet::from_iter([ReplicaId(2)]);
    Outcome::Refused(Refusal::Unavailable { silent })
}
