//! What a refusal says of the call, and what it does not.

use expect_test::expect;

use super::script::*;
use crate::client::*;
use crate::command::{Outcome, Refusal};

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

/// Whoever connects to nobody knows that nothing was done.
#[test]
fn a_write_that_no_connection_took_is_certainly_not_done() {
    Script::with(|config| config.deadline = Micros(120_000))
        .put(1, "k", "v")
        .connecting(0)
        .connected(0)
        .reply(0, 1, opened(5))
        .reply(0, 2, done(6))
        .disconnected(0)
        .at(10)
        .put(2, "k", "w")
        .connecting(1)
        .unreachable(1)
        .connecting(2)
        .clock_until(115)
        .connecting(0)
        .clock_until(200)
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 connecting to r0
            0.000 connected to r0
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            0.000 r0 answers #2 Done { revision: 6.0 }
                call 1 ends: Done(Done { revision: 6.0 })
            0.000 r0 disconnects
            10.000 call 2 put b"k" b"w"
                r1 <- #3 session 5.0 sequence 1 lowest 1 b"k"
            10.000 connecting to r1
            10.000 r1 is unreachable
                r2 <- #4 session 5.0 sequence 1 lowest 1 b"k"
            10.000 connecting to r2
            110.000 clock
                #4 to r2 is withdrawn
                r0 <- #5 session 5.0 sequence 1 lowest 1 b"k"
            115.000 connecting to r0
            130.000 clock
                #5 to r0 is withdrawn
                call 2 ends: Refused(Unavailable { silent: {} })
        "#]]);
}

/// Nor is a session opened behind the back of a write that has ended.
#[test]
fn a_session_that_nobody_waits_for_is_not_asked_for() {
    Script::with(|config| config.deadline = Micros(50_000))
        .put(1, "k", "v")
        .connecting(0)
        .clock_until(60)
        .connected(0)
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 connecting to r0
            50.000 clock
                call 1 ends: Refused(Unavailable { silent: {} })
                #1 to r0 is withdrawn
            60.000 connected to r0
        "#]]);
}

/// Once a connection has taken it, it may be done.
#[test]
fn a_write_that_a_connection_took_may_be_done() {
    Script::with(|config| config.deadline = Micros(120_000))
        .put(1, "k", "v")
        .connecting(0)
        .connected(0)
        .reply(0, 1, opened(5))
        .disconnected(0)
        .connecting(1)
        .unreachable(1)
        .connecting(2)
        .clock_until(200)
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 connecting to r0
            0.000 connected to r0
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            0.000 r0 disconnects
                r1 <- #3 session 5.0 sequence 0 lowest 0 b"k"
            0.000 connecting to r1
            0.000 r1 is unreachable
                r2 <- #4 session 5.0 sequence 0 lowest 0 b"k"
            0.000 connecting to r2
            100.000 clock
                #4 to r2 is withdrawn
                r0 <- #5 session 5.0 sequence 0 lowest 0 b"k"
            120.000 clock
                call 1 ends: Unknown { silent: {} }
        "#]]);
    Script::with(|config| config.deadline = Micros(80_000))
        .put(1, "k", "v")
        .connecting(0)
        .connected(0)
        .reply(0, 1, opened(5))
        .reply(0, 2, done(6))
        .disconnected(0)
        .put(2, "k", "w")
        .connecting(1)
        .connected(1)
        .clock_until(200)
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 connecting to r0
            0.000 connected to r0
            0.000 r0 answers #1 Opened { session: SessionId(5.0) }
                r0 <- #2 session 5.0 sequence 0 lowest 0 b"k"
            0.000 r0 answers #2 Done { revision: 6.0 }
                call 1 ends: Done(Done { revision: 6.0 })
            0.000 r0 disconnects
            0.000 call 2 put b"k" b"w"
                r1 <- #3 session 5.0 sequence 1 lowest 1 b"k"
            0.000 connecting to r1
            0.000 connected to r1
            80.000 clock
                call 2 ends: Unknown { silent: {} }
        "#]]);
}

/// No replica of the cluster takes another password, so nothing is repeated.
#[test]
fn a_client_without_the_password_is_refused_at_once() {
    let refused = |refusal| Outcome::Refused(refusal);
    Script::new()
        .put(1, "k", "v")
        .put(2, "l", "v")
        .reply(0, 1, refused(Refusal::PasswordRequired))
        .get(3, "k")
        .reply(0, 2, refused(Refusal::WrongPassword))
        .put(4, "k", "v")
        .reply(0, 3, opened(5))
        .reply(0, 4, refused(Refusal::WrongPassword))
        .check(&expect![[r#"
            0.000 call 1 put b"k" b"v"
                r0 <- #1 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 call 2 put b"l" b"v"
            0.000 r0 answers #1 Refused(PasswordRequired)
                call 1 ends: Refused(PasswordRequired)
                call 2 ends: Refused(PasswordRequired)
            0.000 call 3 Get { key: b"k" }
                r0 <- #2 Get { key: b"k" }
            0.000 r0 answers #2 Refused(WrongPassword)
                call 3 ends: Refused(WrongPassword)
            0.000 call 4 put b"k" b"v"
                r0 <- #3 Open { tag: Tag { nonce: 15345232379140719590, number: 0 } }
            0.000 r0 answers #3 Opened { session: SessionId(5.0) }
                r0 <- #4 session 5.0 sequence 0 lowest 0 b"k"
            0.000 r0 answers #4 Refused(WrongPassword)
                call 4 ends: Refused(WrongPassword)
        "#]]);
}
