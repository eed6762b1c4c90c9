//! Frames that are refused, each with its named error.

use bytes::Bytes;
use kvpaxos::agreement::StateDigest;
use kvpaxos::codec::{
    DecodeError, Decoder, EncodeError, Frame, HEADER, Hello, HelloError, Kind, MAX_COMMANDS, MAX_COUNTER,
    MAX_REQUEST_PAYLOAD, PeerFrame, decode_datagram, decode_frame, decode_shared, encode_into, wrap,
};
use kvpaxos::config::{MAX_KEY, MAX_VALUE};
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::{Accepted, Promise};
use kvpaxos::{
    Ballot, Batch, Command, Message, Op, ReplicaId, ReplicaSet, Request, RequestBody, Sequence, SessionId,
    Slot, Value, Watermark,
};
use serde::Serialize;

use crate::{check_round_trip, encode};

fn refused<F: Frame + Serialize + std::fmt::Debug>(content: &F) -> DecodeError {
    decode_datagram::<F>(&encode(content)).map(|_| ()).unwrap_err()
}

fn refused_message(message: Message) -> DecodeError {
    refused(&PeerFrame::Message(message))
}

fn put(key: usize, value: usize) -> Command {
    Command::Apply {
        session: SessionId(kvpaxos::Revision::default()),
        sequence: Sequence(0),
        lowest_unanswered: Sequence(0),
        op: Op::Put {
            key: vec![7; key].into(),
            value: vec![7; value].into(),
        },
    }
}

fn forward(command: Command) -> Message {
    Message::Forward {
        commands: vec![command],
    }
}

#[test]
fn frames_that_are_none_have_their_offence_named() {
    let good = encode(&crate::samples::requests()[0]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode_datagram::<Request>(&bytes).unwrap_err()
    };
    assert_eq!(with(0, b'G'), DecodeError::Magic { found: *b"GP" });
    assert_eq!(
        decode_frame::<Request>(b"G"),
        Err(DecodeError::Magic { found: *b"G\0" })
    );
    assert_eq!(with(2, 9), DecodeError::Version { found: 9 });
    assert_eq!(
        with(3, 1),
        DecodeError::Kind {
            found: 1,
            expected: Kind::Request
        }
    );
    assert!(matches!(with(8, 0xff ^ good[8]), DecodeError::Checksum { .. }));
    assert_eq!(
        decode_datagram::<Request>(&good[..13]).unwrap_err(),
        DecodeError::Incomplete { length: 13 }
    );
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(
        decode_datagram::<Request>(&twice).unwrap_err(),
        DecodeError::TrailingBytes { count: good.len() }
    );
    // The length is refused before the payload arrives.
    let mut header = good[..HEADER].to_vec();
    header[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        decode_frame::<Request>(&header),
        Err(DecodeError::TooLong {
            kind: Kind::Request,
            length: u32::MAX as usize,
            limit: MAX_REQUEST_PAYLOAD
        })
    );
}

#[test]
fn a_decoder_that_met_an_offence_does_not_go_on() {
    let mut decoder = Decoder::<Request>::new();
    decoder.extend(b"GET / HTTP/1.1\r\n");
    let error = decoder.next().unwrap_err();
    decoder.extend(&encode(&crate::samples::requests()[0]));
    assert_eq!(decoder.next(), Err(error));
}

#[test]
fn what_is_over_a_limit_is_refused_by_name() {
    assert_eq!(
        refused_message(forward(put(MAX_KEY + 1, 0))),
        DecodeError::Oversize {
            what: "key",
            length: MAX_KEY + 1,
            limit: MAX_KEY
        }
    );
    assert_eq!(
        refused_message(forward(put(1, MAX_VALUE + 1))),
        DecodeError::Oversize {
            what: "value",
            length: MAX_VALUE + 1,
            limit: MAX_VALUE
        }
    );
    check_round_trip(&PeerFrame::Message(forward(put(MAX_KEY, MAX_VALUE))));
    // The codec accepts a key of any length that fits into the frame, because the replica refuses long keys
    // of requests.
    let get = |length: usize| Request {
        id: 1,
        body: RequestBody::Get {
            key: vec![7; length].into(),
        },
    };
    check_round_trip(&get(MAX_KEY + 1));
    let mut out = b"before".to_vec();
    let too_long = encode_into(&get(MAX_REQUEST_PAYLOAD), &mut out).unwrap_err();
    assert!(matches!(
        too_long,
        EncodeError::TooLong {
            kind: Kind::Request,
            limit: MAX_REQUEST_PAYLOAD,
            ..
        }
    ));
    assert_eq!(out, b"before");
    let close = Command::Close {
        session: SessionId(kvpaxos::Revision::default()),
    };
    assert_eq!(
        refused_message(Message::Forward {
            commands: vec![close; MAX_COMMANDS + 1]
        }),
        DecodeError::TooMany {
            what: "commands",
            count: MAX_COMMANDS + 1,
            limit: MAX_COMMANDS
        }
    );
}

/// Known foundings have only one encoding: ascending replicas, each at most once, and no more than there can
/// be.
#[test]
fn known_foundings_are_in_order() {
    let frame = |known: &[u8]| {
        let at = match crate::samples::messages().remove(7) {
            Message::Heartbeat(mut heartbeat) => {
                heartbeat.met = KnownFoundings::default();
                PeerFrame::Message(Message::Heartbeat(heartbeat))
            }
            other => panic!("not a heartbeat: {other:?}"),
        };
        let mut payload = encode(&at)[HEADER..].to_vec();
        assert_eq!(payload.pop(), Some(0), "no founding is known");
        payload.extend_from_slice(known);
        decode_datagram::<PeerFrame>(&wrap::<PeerFrame>(&payload))
    };
    let order = Err(DecodeError::Number {
        what: "known foundings' order",
    });
    // The number of entries, and then for each entry the replica, the variant and the founding.
    assert!(frame(&[2, 1, 0, 9, 3, 1]).is_ok());
    assert_eq!(frame(&[2, 3, 1, 1, 0, 9]), order);
    assert_eq!(frame(&[2, 3, 0, 9, 3, 0, 8]), order);
    assert_eq!(
        frame(&[17]),
        Err(DecodeError::TooMany {
            what: "known foundings",
            count: 17,
            limit: 16
        })
    );
    assert_eq!(
        frame(&[1, 0, 2]),
        Err(DecodeError::Variant {
            what: "known founding",
            found: 2
        })
    );
}

/// A sequence that claims a million elements but has none must not reserve memory for them.
#[test]
fn received_lengths_are_not_trusted() {
    let payload = [1, 8, 0x80, 0x80, 0x10];
    assert_eq!(
        decode_datagram::<PeerFrame>(&wrap::<PeerFrame>(&payload)),
        Err(DecodeError::Truncated { what: "commands" })
    );
}

#[test]
fn counters_that_no_cluster_reaches_are_refused() {
    let absurd = |what, number, limit| DecodeError::Absurd { what, number, limit };
    assert_eq!(
        refused_message(Message::Learn {
            from: Slot(MAX_COUNTER + 1)
        }),
        absurd("slot", MAX_COUNTER + 1, MAX_COUNTER)
    );
    let mut ballot = Ballot {
        round: u64::MAX,
        ..Ballot::ZERO
    };
    let prepare = |ballot| {
        refused_message(Message::Prepare {
            ballot,
            from: Slot(0),
            state: StateDigest::NOTHING,
        })
    };
    assert_eq!(prepare(ballot), absurd("round", u64::MAX, MAX_COUNTER));
    ballot.round = 1;
    ballot.life.restarts = u32::MAX;
    assert_eq!(
        prepare(ballot),
        absurd("count of restarts", u64::from(u32::MAX), 1 << 31)
    );
    ballot.life.restarts = 0;
    ballot.replica = ReplicaId(16);
    assert_eq!(prepare(ballot), DecodeError::Replica { id: ReplicaId(16) });
}

#[test]
fn numbers_have_one_form() {
    let learn = |number: &[u8]| {
        let payload = [&[1, 13], number].concat();
        decode_datagram::<PeerFrame>(&wrap::<PeerFrame>(&payload))
    };
    let padded = Err(DecodeError::Number { what: "slot" });
    assert_eq!(
        learn(&[0x05]),
        Ok(PeerFrame::Message(Message::Learn { from: Slot(5) }))
    );
    assert_eq!(learn(&[0x85, 0x00]), padded);
    assert_eq!(learn(&[0xff; 10]), padded);
    assert_eq!(
        learn(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
        padded
    );
    assert_eq!(
        decode_datagram::<PeerFrame>(&wrap::<PeerFrame>(&[1, 99])),
        Err(DecodeError::Variant {
            what: "message",
            found: 99
        })
    );
}

#[test]
fn a_promise_must_ascend_and_stay_below_itself() {
    let ballot = |round| Ballot {
        round,
        ..Ballot::ZERO
    };
    let entry = |slot, round| Accepted {
        slot: Slot(slot),
        ballot: ballot(round),
        value: Value::Noop,
    };
    let promise = |entries: &[Accepted], more: Option<u64>| {
        refused_message(Message::Promise(Promise {
            ballot: ballot(5),
            from: Slot(10),
            vector: CrashVector::default(),
            cut: Slot::ZERO,
            entries: entries.to_vec(),
            more: more.map(Slot),
        }))
    };
    let order = |slot, least| DecodeError::Order {
        slot: Slot(slot),
        least: Slot(least),
    };
    assert_eq!(promise(&[entry(9, 1)], None), order(9, 10));
    assert_eq!(promise(&[entry(11, 1), entry(11, 1)], None), order(11, 12));
    assert_eq!(promise(&[entry(11, 1)], Some(11)), order(11, 12));
    assert_eq!(
        promise(&[entry(11, 6)], None),
        DecodeError::AbovePromise {
            slot: Slot(11),
            promised: ballot(5),
            accepted: ballot(6)
        }
    );
    let (chosen, settled) = (Slot(3), Slot(4));
    assert_eq!(
        refused_message(Message::Chosen {
            ballot: ballot(1),
            chosen: Watermark { chosen, settled },
            state: StateDigest::NOTHING
        }),
        DecodeError::Watermark { settled, chosen }
    );
}

/// Keys and values of a shared frame are slices of it, not copies.
#[test]
fn shared_frames_are_not_copied() {
    let payload = Bytes::from(vec![9; 100]);
    let tag = kvpaxos::Tag { nonce: 1, number: 1 };
    let command = Command::Opaque { tag, payload };
    let frame = Bytes::from(encode(&PeerFrame::Message(Message::Learned {
        from: Slot(0),
        values: vec![Value::Batch(Batch::new(vec![command]))],
    })));
    let PeerFrame::Message(Message::Learned { values, .. }) = decode_shared(&frame).unwrap() else {
        panic!("a Learned was encoded");
    };
    let Command::Opaque { payload, .. } = &values[0].commands()[0] else {
        panic!("an opaque command was encoded");
    };
    assert!(frame.as_ptr_range().contains(&payload.as_ptr()));
}

#[test]
fn a_hello_is_checked_by_name() {
    let members = ReplicaSet::first(5);
    let hello = Hello {
        cluster: 1,
        from: ReplicaId(1),
        to: ReplicaId(0),
        members,
        founding: None,
    };
    let check = |hello: Hello| hello.check(1, ReplicaId(0), members);
    assert_eq!(check(hello), Ok(()));
    assert!(matches!(
        check(Hello { cluster: 2, ..hello }),
        Err(HelloError::Cluster { theirs: 2, ours: 1 })
    ));
    assert!(matches!(
        check(Hello {
            to: ReplicaId(2),
            ..hello
        }),
        Err(HelloError::Receiver { .. })
    ));
    assert!(matches!(
        check(Hello {
            members: ReplicaSet::first(3),
            ..hello
        }),
        Err(HelloError::Members { .. })
    ));
    for from in [ReplicaId(0), ReplicaId(7)] {
        assert!(matches!(
            check(Hello { from, ..hello }),
            Err(HelloError::Sender { .. })
        ));
    }
}
