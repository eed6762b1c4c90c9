//! Scripts: what the caller and the replicas do, and what the client does about it. Regenerate with `UPDATE_EXPECT=1`.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;
use crate::types::{Revision, Slot};

/// Steps a client and writes down both sides. Times are in milliseconds.
struct Script {
    client: Client,
    at: u64,
    text: String,
}

impl Script {
    /// A client of three replicas that asks r0 first, for 100 ms an attempt and 1 s in all.
    fn new() -> Script {
        Script::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ClientConfig)) -> Script {
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

    fn at(&mut self, millis: u64) -> &mut Script {
        self.at = millis * 1000;
        self
    }

    fn put(&mut self, number: u64, key: &'static str, value: &'static str) -> &mut Script {
        let (key, value) = (Bytes::from(key), Bytes::from(value));
        self.call(number, Call::Write(Op::Put { key, value }))
    }

    fn get(&mut self, number: u64, key: &'static str) -> &mut Script {
        let key = Bytes::from(key);
        self.call(number, Call::Get { key })
    }

    fn call(&mut self, number: u64, call: Call) -> &mut Script {
        let line = format!("call {number} {}", show_call(&call));
        self.step(&line, ClientEvent::Call { number, call })
    }

    fn reply(&mut self, from: u8, id: u64, outcome: Outcome) -> &mut Script {
        let line = format!("r{from} answers #{id} {outcome:?}");
        let from = ReplicaId(from);
        let reply = Reply { id, outcome };
        self.step(&line, ClientEvent::Reply { from, reply })
    }

    fn disconnected(&mut self, from: u8) -> &mut Script {
        let event = ClientEvent::Disconnected {
            from: ReplicaId(from),
        };
        self.step(&format!("r{from} disconnects"), event)
    }

    /// The clock, whenever the client asked for it, up to a time.
    fn clock_until(&mut self, millis: u64) -> &mut Script {
        while let Some(due) = self.client.deadline().filter(|due| due.0 <= millis * 1000) {
            assert!(due.0 > self.at || self.at == 0, "a deadline lies ahead");
            self.at = due.0;
            self.step("clock", ClientEvent::Clock);
        }
        self.at(millis)
    }

    fn step(&mut self, line: &str, event: ClientEvent) -> &mut Script {
        let (millis, micros) = (self.at / 1000, self.at % 1000);
        writeln!(self.text, "{millis}.{micros:03} {line}").unwrap();
        for effect in self.client.step(Time(self.at), event) {
            let line = match effect {
                ClientEffect::Send { to, request } => {
                    format!("{to} <- #{} {}", request.id, show_body(&request.body))
                }
                ClientEffect::Done { number, fate } => format!("call {number} ends: {fate:?}"),
            };
            writeln!(self.text, "    {line}").unwrap();
        }
        let due = self.client.deadline();
        assert!(due.is_none_or(|due| due.0 > self.at), "due {due:?}");
        self
    }

    fn check(&mut self, expect: &Expect) {
        expect.assert_eq(&self.text);
    }
}

fn show_call(call: &Call) -> String {
    match call {
        Call::Write(Op::Put { key, value }) => format!("put {key:?} {value:?}"),
        call => format!("{call:?}"),
    }
}

fn show_body(body: &RequestBody) -> String {
    match body {
        RequestBody::Apply {
            session,
            sequence,
            lowest_unanswered,
            op,
        } => {
            let (sequence, lowest) = (sequence.0, lowest_unanswered.0);
            format!(
                "session {session} sequence {sequence} lowest {lowest} {:?}",
                op.key()
            )
        }
        body => format!("{body:?}"),
    }
}

fn revision(slot: u64) -> Revision {
    Revision {
        slot: Slot(slot),
        index: 0,
    }
}

fn opened(slot: u64) -> Outcome {
    let session = SessionId(revision(slot));
    Outcome::Opened { session }
}

fn done(slot: u64) -> Outcome {
    let revision = revision(slot);
    Outcome::Done { revision }
}

fn value(slot: u64, value: &'static str) -> Outcome {
    let (revision, value) = (revision(slot), Some(Bytes::from(value)));
    Outcome::Value { revision, value }
}

fn expired(slot: u64) -> Outcome {
    let session = SessionId(revision(slot));
    Outcome::Refused(Refusal::SessionExpired { session })
}

fn busy() -> Outcome {
    Outcome::Refused(Refusal::Busy { pending: 9 })
}

fn unavailable() -> Outcome {
    let silent = ReplicaSet::from_iter([ReplicaId(2)]);
    Outcome::Refused(Refusal::Unavailable { silent })
}

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
fn an_expired_session_is_replaced_if_nothing_was_in_doubt() {
    Script::new()
        .put(1, "k", "v")
        .reply(0, 1, opened(5))
        .reply(0, 2, done(6))
        .put(2, "l", "v")
        .put(3, "m", "v")
        .reply(0, 3, expired(5))
        .reply(0, 4, expired(5))
        .reply(0, 5, opened(9))
        .reply(0, 6, done(10))
        .reply(0, 7, done(11))
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            0.000 r0 answers #2 Done { revision: 6.0 }
                call 1 ends: Done(Done { revision: 6.0 })
            0.000 call 2 put b"l" b"v"
                r0 <- #3 session 5.0 sequence 1 lowest 1 b"l"
            0.000 call 3 put b"m" b"v"
                r0 <- #4 session 5.0 sequence 2 lowest 1 b"m"
            0.000 r0 answers #3 Refused(SessionExpired { session: SessionId(5.0) })
                r0 <- #5 Open { tag: Tag { nonce: 15345232379140719590, number: 1 } }
            0.000 r0 answers #4 Refused(SessionExpired { session: SessionId(5.0) })
            0.000 r0 answers #5 Opened { session: SessionId(9.0) }
                r0 <- #6 session 9.0 sequence 0 lowest 0 b"l"
                r0 <- #7 session 9.0 sequence 1 lowest 0 b"m"
            0.000 r0 answers #6 Done { revision: 10.0 }
                call 2 ends: Done(Done { revision: 10.0 })
            0.000 r0 answers #7 Done { revision: 11.0 }
                call 3 ends: Done(Done { revision: 11.0 })
        "#]]);
}

#[test]
fn an_expired_session_leaves_an_earlier_attempt_in_doubt() {
    Script::new()
        .put(1, "k", "v")
        .reply(0, 1, opened(5))
        .clock_until(100)
        .reply(1, 3, expired(5))
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            100.000 clock
                r1 <- #3 session 5.0 sequence 0 lowest 0 b"k"
            100.000 r1 answers #3 Refused(SessionExpired { session: SessionId(5.0) })
                call 1 ends: Unknown { silent: {} }
        "#]]);
}

#[test]
fn a_refusal_says_nothing_of_an_earlier_attempt() {
    Script::new()
        .put(1, "k", "v")
        .reply(0, 1, opened(5))
        .clock_until(100)
        .reply(1, 3, busy())
        .clock_until(105)
        .reply(2, 4, unavailable())
        .clock_until(950)
        .clock_until(1000)
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            100.000 clock
                r1 <- #3 session 5.0 sequence 0 lowest 0 b"k"
            100.000 r1 answers #3 Refused(Busy { pending: 9 })
            104.033 clock
                r2 <- #4 session 5.0 sequence 0 lowest 0 b"k"
            105.000 r2 answers #4 Refused(Unavailable { silent: {r2} })
            113.461 clock
                r0 <- #5 session 5.0 sequence 0 lowest 0 b"k"
            213.461 clock
                r1 <- #6 session 5.0 sequence 0 lowest 0 b"k"
            313.461 clock
                r2 <- #7 session 5.0 sequence 0 lowest 0 b"k"
            413.461 clock
                r0 <- #8 session 5.0 sequence 0 lowest 0 b"k"
            513.461 clock
                r1 <- #9 session 5.0 sequence 0 lowest 0 b"k"
            613.461 clock
                r2 <- #10 session 5.0 sequence 0 lowest 0 b"k"
            713.461 clock
                r0 <- #11 session 5.0 sequence 0 lowest 0 b"k"
            813.461 clock
                r1 <- #12 session 5.0 sequence 0 lowest 0 b"k"
            913.461 clock
                r2 <- #13 session 5.0 sequence 0 lowest 0 b"k"
            1000.000 clock
                call 1 ends: Unknown { silent: {r2} }
        "#]]);
}

#[test]
fn refused_by_all_until_the_deadline_is_refused() {
    Script::with(|config| config.deadline = Micros(12_000))
        .put(1, "k", "v")
        .reply(0, 1, opened(5))
        .reply(0, 2, busy())
        .clock_until(5)
        .reply(1, 3, unavailable())
        .clock_until(10)
        .reply(2, 4, busy())
        .clock_until(12)
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            0.000 r0 answers #2 Refused(Busy { pending: 9 })
            2.016 clock
                r1 <- #3 session 5.0 sequence 0 lowest 0 b"k"
            5.000 r1 answers #3 Refused(Unavailable { silent: {r2} })
            9.230 clock
                r2 <- #4 session 5.0 sequence 0 lowest 0 b"k"
            10.000 r2 answers #4 Refused(Busy { pending: 9 })
            12.000 clock
                call 1 ends: Refused(Busy { pending: 9 })
        "#]]);
}

#[test]
fn on_a_network_that_repeats_a_refusal_is_not_certain() {
    let short = |config: &mut ClientConfig| (config.deadline, config.repeats) = (Micros(10_000), true);
    Script::with(short)
        .put(1, "k", "v")
        .reply(0, 1, opened(5))
        .put(2, "l", "v")
        .reply(0, 2, busy())
        .reply(0, 3, expired(5))
        .clock_until(10)
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            0.000 call 2 put b"l" b"v"
                r0 <- #3 session 5.0 sequence 1 lowest 0 b"l"
            0.000 r0 answers #2 Refused(Busy { pending: 9 })
            0.000 r0 answers #3 Refused(SessionExpired { session: SessionId(5.0) })
                call 2 ends: Unknown { silent: {} }
            2.016 clock
                r1 <- #4 session 5.0 sequence 0 lowest 0 b"k"
            10.000 clock
                call 1 ends: Unknown { silent: {} }
        "#]]);
}

/// Found by the comparison of clients: one went on in a session that was gone, and none of its writes was ever done.
#[test]
fn on_a_network_that_repeats_an_expired_session_is_left() {
    Script::with(|config| config.repeats = true)
        .put(1, "k", "v")
        .reply(0, 1, opened(5))
        .put(2, "l", "v")
        .reply(0, 3, expired(5))
        .put(3, "m", "v")
        .reply(0, 4, opened(9))
        .reply(0, 2, expired(5))
        .reply(0, 5, done(10))
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            0.000 call 2 put b"l" b"v"
                r0 <- #3 session 5.0 sequence 1 lowest 0 b"l"
            0.000 r0 answers #3 Refused(SessionExpired { session: SessionId(5.0) })
                call 2 ends: Unknown { silent: {} }
            0.000 call 3 put b"m" b"v"
                r0 <- #4 Open { tag: Tag { nonce: 15345232379140719590, number: 1 } }
            0.000 r0 answers #4 Opened { session: SessionId(9.0) }
                r0 <- #5 session 9.0 sequence 0 lowest 0 b"m"
            0.000 r0 answers #2 Refused(SessionExpired { session: SessionId(5.0) })
                call 1 ends: Unknown { silent: {} }
            0.000 r0 answers #5 Done { revision: 10.0 }
                call 3 ends: Done(Done { revision: 10.0 })
        "#]]);
}

#[test]
fn a_limit_is_refused_at_once_whatever_happened_before() {
    let refusal = Refusal::ValueTooLong { length: 9, limit: 8 };
    Script::new()
        .put(1, "k", "123456789")
        .reply(0, 1, opened(5))
        .clock_until(100)
        .reply(1, 3, Outcome::Refused(refusal))
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"123456789"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            100.000 clock
                r1 <- #3 session 5.0 sequence 0 lowest 0 b"k"
            100.000 r1 answers #3 Refused(ValueTooLong { length: 9, limit: 8 })
                call 1 ends: Refused(ValueTooLong { length: 9, limit: 8 })
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
