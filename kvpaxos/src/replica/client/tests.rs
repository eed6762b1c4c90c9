use std::collections::VecDeque;

use bytes::Bytes;

use super::*;
use crate::io::{Envelope, Event, Input, Memory};
use crate::state::snapshot::{Builder, Cursor};
use crate::types::{Entropy, ReplicaId, Revision, Role, Sequence, SessionId, Time};
use crate::{Config, Limits, Op};

/// A cluster of one replica, whose disk syncs at once.
struct Lone {
    replica: Replica,
    at: Time,
}

impl Lone {
    fn leading() -> Lone {
        let config = Config::new(ReplicaId(0), 1);
        let replica = Replica::new(config, Memory::Kept(vec![]), Entropy([1; 32]), Time(0));
        let mut lone = Lone {
            replica: replica.expect("the configuration is valid"),
            at: Time(0),
        };
        while !lone.replica.leads() {
            lone.at = lone.replica.deadline().expect("it has the next tick");
            lone.step(Event::Clock);
        }
        lone
    }

    /// Steps until nothing is under way, and returns the last reply.
    fn step(&mut self, event: Event) -> Option<Outcome> {
        let mut events = VecDeque::from([event]);
        let mut outcome = None;
        while let Some(event) = events.pop_front() {
            for effect in self.replica.step(Input { at: self.at, event }) {
                let sent = match effect {
                    Effect::Send(envelope) => vec![envelope],
                    Effect::Persist { then, .. } => then,
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

    fn ask(&mut self, body: RequestBody) -> Outcome {
        let (from, request) = (ClientId(1), Request { id: 1, body });
        let mut outcome = self.step(Event::Client { from, request });
        while outcome.is_none() {
            self.at = self.replica.deadline().expect("it has the next tick");
            outcome = self.step(Event::Clock);
        }
        outcome.expect("an answer")
    }
}

#[test]
fn a_client_copies_the_state_part_by_part() {
    let mut lone = Lone::leading();
    let tag = Tag { nonce: 1, number: 0 };
    let Outcome::Opened { session } = lone.ask(RequestBody::Open { tag }) else {
        panic!("a session")
    };
    for key in 0..3u8 {
        put(&mut lone, session, key, 400_000);
    }
    let Outcome::Count { revision, keys: 3 } = lone.ask(RequestBody::Count) else {
        panic!("three keys")
    };
    let mut state: Option<Builder> = None;
    loop {
        let at = state.as_ref().map_or(Cursor::START, Builder::next);
        let Outcome::SnapshotPart(part) = lone.ask(RequestBody::SnapshotPart { at }) else {
            panic!("a part")
        };
        assert!(part.slot > revision.slot && part.bytes.len() < 500_000);
        let builder = state.get_or_insert_with(|| Builder::new(Limits::default(), part.slot, part.digest));
        if builder
            .add(at, &part.bytes, part.next)
            .expect("a part of the state")
        {
            break;
        }
    }
    let copy = state.expect("parts").finish().expect("the digest is right");
    let machine = lone.replica.learner.as_ref().expect("it learns").machine();
    assert_eq!((copy.digest(), copy.machine().keys()), (machine.digest(), 3));

    // The next state is another one.
    put(&mut lone, session, 3, 1);
    let Outcome::SnapshotPart(part) = lone.ask(RequestBody::SnapshotPart { at: Cursor::START }) else {
        panic!("a part")
    };
    assert!(part.slot > copy.slot() && part.digest != copy.digest());
    // Without a learner there is no state to be copied.
    lone.step(Event::Fail(Role::Learner));
    let outcome = lone.ask(RequestBody::SnapshotPart { at: Cursor::START });
    assert!(
        matches!(outcome, Outcome::Refused(Refusal::Unavailable { .. })),
        "{outcome:?}"
    );
}

#[test]
fn clients_wait_until_they_are_answered_or_gone() {
    let mut lone = Lone::leading();
    for client in [4, 5] {
        let tag = Tag {
            nonce: client,
            number: 0,
        };
        let body = RequestBody::Open { tag };
        let request = Request { id: 1, body };
        let from = ClientId(client);
        let event = Event::Client { from, request };
        // What it sends to itself is lost for now.
        lone.replica.step(Input { at: lone.at, event });
    }
    lone.replica.read(ClientId(6), 1, Query::Count);
    let waiting = |lone: &Lone| -> Vec<u64> {
        let clients = lone.replica.waiting_clients().into_iter();
        clients.map(|client| client.0).collect()
    };
    assert_eq!(waiting(&lone), [4, 5, 6]);
    let client = ClientId(4);
    lone.step(Event::ClientGone { client });
    assert!(!waiting(&lone).contains(&4));
    while !waiting(&lone).is_empty() {
        lone.at = lone.replica.deadline().expect("it has the next tick");
        lone.step(Event::Clock);
    }
}

fn put(lone: &mut Lone, session: SessionId, key: u8, length: usize) -> Revision {
    let sequence = Sequence(u64::from(key));
    let body = RequestBody::Apply {
        session,
        sequence,
        lowest_unanswered: sequence,
        op: Op::Put {
            key: Bytes::from(vec![key]),
            value: Bytes::from(vec![key; length]),
        },
    };
    match lone.ask(body) {
        Outcome::Done { revision } => revision,
        other => panic!("{other:?}"),
    }
}
