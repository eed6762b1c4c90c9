//! Scripts: what the caller and the replicas do, and what the client does about it. Regenerate with `UPDATE_EXPECT=1`.

mod refusals;
mod script;

use bytes::Bytes;
use expect_test::expect;

use self::script::*;
use crate::client::*;
use crate::command::{Op, Refusal, Reply};
use crate::types::ReplicaSet;

#[test]
fn a_write_opens_the_session_and_a_read_needs_none() {
    Script::new()
        .get(1, "k")
        .reply(0, 1, value(3, "old"))
        .put(2, "k", "new")
        .reply(0, 2, opened(5))
        .reply(0, 3, done(6))
        .put(3, "k", "newer")
        .reply(0, 4, done(7))
        .call(4, Call::Close)
        .reply(0, 5, Outcome::Closed)
        .call(5, Call::Close)
        .check(&expect![[r#"
            0.000 call 1 Get { key: b"k" }
                r0 <- #1 Get { key: b"k" }
            0.000 r0 answers #1 Value { revision: 3.0, value: Some(b"old") }
                call 1 ends: Done(Value { revision: 3.0, value: Some(b"old") })
            0.000 call 2 put b"k" b"new"
                r0 <- #2 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #2 Opened { session: SessionId(5.0) }
                r0 <- #3 session 5.0 sequence 0 lowest 0 b"k"
            0.000 r0 answers #3 Done { revision: 6.0 }
                call 2 ends: Done(Done { revision: 6.0 })
            0.000 call 3 put b"k" b"newer"
                r0 <- #4 session 5.0 sequence 1 lowest 1 b"k"
            0.000 r0 answers #4 Done { revision: 7.0 }
                call 3 ends: Done(Done { revision: 7.0 })
            0.000 call 4 Close
                r0 <- #5 Close { session: SessionId(5.0) }
            0.000 r0 answers #5 Closed
                call 4 ends: Done(Closed)
            0.000 call 5 Close
                call 5 ends: Done(Closed)
        "#]]);
}

#[test]
fn writes_in_flight_stay_within_the_window() {
    Script::with(|config| config.window = 2)
        .put(1, "a", "")
        .put(2, "b", "")
        .put(3, "c", "")
        .put(4, "d", "")
        .reply(0, 1, opened(1))
        // Out of order: the lowest unanswered one is what counts.
        .reply(0, 3, done(3))
        .reply(0, 2, done(2))
        .reply(0, 4, done(4))
        .reply(0, 5, done(5))
        .check(&expect![[r#"
            0.000 call 1 put b"a" b""
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 call 2 put b"b" b""
            0.000 call 3 put b"c" b""
            0.000 call 4 put b"d" b""
            0.000 r0 answers #1 Opened { session: SessionId(1.0) }
                r0 <- #2 session 1.0 sequence 0 lowest 0 b"a"
                r0 <- #3 session 1.0 sequence 1 lowest 0 b"b"
            0.000 r0 answers #3 Done { revision: 3.0 }
                call 2 ends: Done(Done { revision: 3.0 })
            0.000 r0 answers #2 Done { revision: 2.0 }
                call 1 ends: Done(Done { revision: 2.0 })
                r0 <- #4 session 1.0 sequence 2 lowest 2 b"c"
                r0 <- #5 session 1.0 sequence 3 lowest 2 b"d"
            0.000 r0 answers #4 Done { revision: 4.0 }
                call 3 ends: Done(Done { revision: 4.0 })
            0.000 r0 answers #5 Done { revision: 5.0 }
                call 4 ends: Done(Done { revision: 5.0 })
        "#]]);
}

#[test]
fn a_silent_replica_is_left_under_the_same_sequence() {
    Script::new()
        .put(1, "k", "v")
        .at(1)
        .reply(0, 1, opened(5))
        .put(2, "l", "v")
        .clock_until(150)
        // Too late: the attempt was given up, and its id is not used again.
        .reply(0, 2, done(6))
        .disconnected(1)
        .reply(2, 6, done(6))
        .reply(2, 7, done(7))
        .put(3, "m", "v")
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            1.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            1.000 call 2 put b"l" b"v"
                r0 <- #3 session 5.0 sequence 1 lowest 0 b"l"
            101.000 clock
                r1 <- #4 session 5.0 sequence 0 lowest 0 b"k"
                r1 <- #5 session 5.0 sequence 1 lowest 0 b"l"
            150.000 r0 answers #2 Done { revision: 6.0 }
            150.000 r1 disconnects
                r2 <- #6 session 5.0 sequence 0 lowest 0 b"k"
                r2 <- #7 session 5.0 sequence 1 lowest 0 b"l"
            150.000 r2 answers #6 Done { revision: 6.0 }
                call 1 ends: Done(Done { revision: 6.0 })
            150.000 r2 answers #7 Done { revision: 7.0 }
                call 2 ends: Done(Done { revision: 7.0 })
            150.000 call 3 put b"m" b"v"
                r2 <- #8 session 5.0 sequence 2 lowest 2 b"m"
        "#]]);
}

#[test]
fn disconnections_everywhere_do_not_make_it_spin() {
    Script::new()
        .get(1, "k")
        .disconnected(0)
        .disconnected(1)
        .disconnected(2)
        .clock_until(20)
        .disconnected(0)
        .clock_until(20)
        .check(&expect![[r#"
            0.000 call 1 Get { key: b"k" }
                r0 <- #1 Get { key: b"k" }
            0.000 r0 disconnects
                r1 <- #2 Get { key: b"k" }
            0.000 r1 disconnects
                r2 <- #3 Get { key: b"k" }
            0.000 r2 disconnects
            8.067 clock
                r0 <- #4 Get { key: b"k" }
            20.000 r0 disconnects
        "#]]);
}

#[test]
fn the_fate_of_a_write_is_unknown_and_the_session_goes_on() {
    let silent = ReplicaSet::from_iter([ReplicaId(1), ReplicaId(2)]);
    Script::with(|config| config.deadline = Micros(150_000))
        .put(1, "k", "v")
        .reply(0, 1, opened(5))
        .at(50)
        .reply(0, 2, Outcome::Unknown { silent })
        .clock_until(155)
        // The floor moves past the write that nobody waits for; the next replica is asked, for this one did not answer.
        .put(2, "l", "v")
        .reply(2, 4, done(8))
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            50.000 r0 answers #2 Unknown { silent: {r1, r2} }
            52.016 clock
                r1 <- #3 session 5.0 sequence 0 lowest 0 b"k"
            150.000 clock
                call 1 ends: Unknown { silent: {r1, r2} }
            155.000 call 2 put b"l" b"v"
                r2 <- #4 session 5.0 sequence 1 lowest 1 b"l"
            155.000 r2 answers #4 Done { revision: 8.0 }
                call 2 ends: Done(Done { revision: 8.0 })
        "#]]);
}

#[test]
fn no_session_can_be_opened() {
    Script::with(|config| config.deadline = Micros(150_000))
        .put(1, "k", "v")
        .clock_until(120)
        .reply(1, 2, unavailable())
        .clock_until(200)
        // The answer to the attempt that was given up is not taken for one to the next.
        .put(2, "k", "v")
        .reply(1, 2, opened(3))
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            100.000 clock
                r1 <- #2 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            120.000 r1 answers #2 Refused(Unavailable { silent: {r2} })
            124.033 clock
                r2 <- #3 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            150.000 clock
                call 1 ends: Refused(Unavailable { silent: {r2} })
            200.000 call 2 put b"k" b"v"
                r2 <- #4 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            200.000 r1 answers #2 Opened { session: SessionId(3.0) }
        "#]]);
}

#[test]
fn a_read_is_asked_again_and_is_never_unknown() {
    let silent = ReplicaSet::from_iter([ReplicaId(1)]);
    Script::with(|config| config.deadline = Micros(250_000))
        .get(1, "k")
        .reply(0, 1, Outcome::Unknown { silent })
        .clock_until(20)
        .reply(1, 2, Outcome::Refused(Refusal::Busy { pending: 3 }))
        .get(2, "l")
        .reply(2, 3, value(4, "x"))
        .clock_until(300)
        .check(&expect![[r#"
            0.000 call 1 Get { key: b"k" }
                r0 <- #1 Get { key: b"k" }
            0.000 r0 answers #1 Unknown { silent: {r1} }
            2.016 clock
                r1 <- #2 Get { key: b"k" }
            20.000 r1 answers #2 Refused(Busy { pending: 3 })
            20.000 call 2 Get { key: b"l" }
                r2 <- #3 Get { key: b"l" }
            20.000 r2 answers #3 Value { revision: 4.0, value: Some(b"x") }
                call 2 ends: Done(Value { revision: 4.0, value: Some(b"x") })
            24.230 clock
                r2 <- #4 Get { key: b"k" }
            124.230 clock
                r0 <- #5 Get { key: b"k" }
            224.230 clock
                r1 <- #6 Get { key: b"k" }
            250.000 clock
                call 1 ends: Refused(Busy { pending: 3 })
        "#]]);
}

/// Whichever replica is asked, and also when nobody wanted the session for a while; the next session has a tag of its own.
#[test]
fn a_session_is_asked_for_under_one_tag_until_it_is_open() {
    let mut client = Script::new().client;
    let mut tags = Vec::new();
    let mut last = 0;
    let mut step = |client: &mut Client, millis: u64, event| {
        for effect in client.step(Time(millis * 1000), event) {
            if let ClientEffect::Send { request, .. } = effect
                && let RequestBody::Open { tag } = request.body
            {
                last = request.id;
                tags.push(tag);
            }
        }
        (tags.clone(), last)
    };
    let put = |number| {
        let op = Op::Delete {
            key: Bytes::from_static(b"k"),
        };
        let call = Call::Write(op);
        ClientEvent::Call { number, call }
    };
    step(&mut client, 0, put(1));
    for millis in (100..=1000).step_by(100) {
        step(&mut client, millis, ClientEvent::Clock);
    }
    assert_eq!(client.pending(), 0, "its deadline has passed");
    let (tags, id) = step(&mut client, 2000, put(2));
    assert!(
        tags.len() > 2 && tags.iter().all(|tag| *tag == tags[0]),
        "{tags:?}"
    );

    let from = client.server;
    let outcome = opened(3);
    let reply = Reply { id, outcome };
    step(&mut client, 2010, ClientEvent::Reply { from, reply });
    assert!(client.session().is_some());
    let call = Call::Close;
    step(&mut client, 2020, ClientEvent::Call { number: 3, call });
    let (tags, _) = step(&mut client, 2030, put(4));
    assert_ne!(tags.last(), tags.first());
}
