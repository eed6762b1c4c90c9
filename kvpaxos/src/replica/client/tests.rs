use super::*;
use crate::Limits;
use crate::io::{Event, Input};
use crate::replica::lone::Lone;
use crate::state::snapshot::{Builder, Cursor};
use crate::types::Role;

#[test]
fn a_client_copies_the_state_part_by_part() {
    let mut lone = Lone::leading();
    let session = lone.opens();
    for key in 0..3 {
        lone.puts(session, key, 400_000);
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
    lone.puts(session, 3, 1);
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
