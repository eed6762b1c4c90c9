//! The codec from outside: golden bytes, round trips, strictness, one test for each named offence.

#![allow(clippy::unwrap_used, reason = "an assertion like any other")]

mod samples;

use std::fmt::Write;

use bytes::Bytes;
use expect_test::expect_file;
use kvpaxos::agreement::StateDigest;
use kvpaxos::codec::{
    DecodeError, Decoder, EncodeError, Frame, HEADER, Hello, HelloError, Kind, MAX_COMMANDS, MAX_COUNTER,
    MAX_REQUEST_PAYLOAD, PeerFrame, decode_datagram, decode_frame, decode_shared, encode_into,
    encode_message_into, wrap,
};
use kvpaxos::config::{MAX_KEY, MAX_VALUE};
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::Met;
use kvpaxos::message::{Accepted, Promise};
use kvpaxos::{
    Ballot, Batch, Command, Message, Op, ReplicaId, ReplicaSet, Reply, Request, RequestBody, Sequence,
    SessionId, Slot, Value, Watermark,
};
use proptest::prelude::*;
use serde::Serialize;

fn encode<F: Frame + Serialize>(content: &F) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(content, &mut bytes).unwrap();
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn golden<F: Frame + Serialize + std::fmt::Debug>(contents: &[F]) -> String {
    contents.iter().fold(String::new(), |mut text, content| {
        let frame = encode(content);
        let (header, payload) = frame.split_at(HEADER);
        writeln!(text, "{content:?}\n    {} {}\n", hex(header), hex(payload)).unwrap();
        text
    })
}

fn peer_frames() -> Vec<PeerFrame> {
    let hellos = samples::peer_frames().into_iter().take(1);
    hellos
        .chain(samples::messages().into_iter().map(PeerFrame::Message))
        .collect()
}

/// A change of these bytes is a new version of the format. `UPDATE_EXPECT=1` writes them anew.
#[test]
fn the_bytes_of_every_variant_are_golden() {
    expect_file!["golden/peer_frames.txt"].assert_eq(&golden(&peer_frames()));
    expect_file!["golden/requests.txt"].assert_eq(&golden(&samples::requests()));
    expect_file!["golden/replies.txt"].assert_eq(&golden(&samples::replies()));
}

fn check_round_trip<F: Frame + Serialize + PartialEq + std::fmt::Debug>(content: &F) {
    let bytes = encode(content);
    assert_eq!(decode_datagram::<F>(&bytes).as_ref(), Ok(content));
    assert_eq!(
        decode_shared::<F>(&Bytes::from(bytes.clone())).as_ref(),
        Ok(content)
    );
    let (decoded, length) = decode_frame::<F>(&bytes).unwrap().unwrap();
    assert_eq!((&decoded, length), (content, bytes.len()));
}

/// Cuts and single flipped bits: an error or more bytes wanted, never a panic, never something else.
fn check_damage<F: Frame + Serialize + PartialEq + std::fmt::Debug>(content: &F) {
    let bytes = encode(content);
    for cut in 0..bytes.len() {
        assert_eq!(decode_frame::<F>(&bytes[..cut]), Ok(None), "cut to {cut}");
        // A payload that ends early, in a frame that is otherwise right.
        if cut >= HEADER {
            assert!(
                decode_datagram::<F>(&wrap::<F>(&bytes[HEADER..cut])).is_err(),
                "payload cut to {cut}"
            );
        }
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_datagram::<F>(&flipped).is_err(), "bit {bit} flipped");
        assert!(
            !matches!(decode_frame::<F>(&flipped), Ok(Some(_))),
            "bit {bit} flipped"
        );
    }
    let mut longer = bytes[HEADER..].to_vec();
    longer.push(0);
    assert_eq!(
        decode_datagram::<F>(&wrap::<F>(&longer)),
        Err(DecodeError::TrailingPayload { count: 1 })
    );
}

#[test]
fn every_variant_comes_back_and_damage_does_not() {
    for frame in peer_frames() {
        check_round_trip(&frame);
        check_damage(&frame);
    }
    for request in samples::requests() {
        check_round_trip(&request);
        check_damage(&request);
    }
    for reply in samples::replies() {
        check_round_trip(&reply);
        check_damage(&reply);
    }
}

/// What is taken must be the one encoding of what was decoded, and what postcard's own, lenient decoding finds in it.
fn check_canonical<F: Frame + Serialize + PartialEq + std::fmt::Debug>(payload: &[u8]) -> Option<F> {
    let content = decode_datagram::<F>(&wrap::<F>(payload)).ok()?;
    assert_eq!(hex(&encode(&content)[HEADER..]), hex(payload));
    Some(content)
}

/// Wrong payloads under a right checksum, near right ones.
fn mangle(mut payload: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    for (at, byte) in changes {
        let length = payload.len();
        payload[at % length] = *byte;
    }
    payload
}

proptest! {
    #[test]
    fn any_message_comes_back(message in samples::any_message()) {
        let frame = PeerFrame::Message(message.clone());
        check_round_trip(&frame);
        let mut bytes = Vec::new();
        encode_message_into(&message, &mut bytes).unwrap();
        prop_assert_eq!(&bytes, &encode(&frame));
        prop_assert_eq!(postcard::from_bytes::<Message>(&bytes[HEADER + 1..]), Ok(message));
    }

    #[test]
    fn any_request_comes_back(request in samples::any_request()) {
        check_round_trip(&request);
        prop_assert_eq!(postcard::from_bytes::<Request>(&encode(&request)[HEADER..]), Ok(request));
    }

    #[test]
    fn any_reply_comes_back(reply in samples::any_reply()) {
        check_round_trip(&reply);
        prop_assert_eq!(postcard::from_bytes::<Reply>(&encode(&reply)[HEADER..]), Ok(reply));
    }

    #[test]
    fn what_is_taken_is_canonical(
        message in samples::any_message(),
        request in samples::any_request(),
        reply in samples::any_reply(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let payload = mangle(encode(&PeerFrame::Message(message))[HEADER..].to_vec(), &changes);
        if let Some(PeerFrame::Message(message)) = check_canonical::<PeerFrame>(&payload) {
            prop_assert_eq!(postcard::from_bytes::<Message>(&payload[1..]), Ok(message));
        }
        let payload = mangle(encode(&request)[HEADER..].to_vec(), &changes);
        if let Some(request) = check_canonical::<Request>(&payload) {
            prop_assert_eq!(postcard::from_bytes::<Request>(&payload), Ok(request));
        }
        let payload = mangle(encode(&reply)[HEADER..].to_vec(), &changes);
        if let Some(reply) = check_canonical::<Reply>(&payload) {
            prop_assert_eq!(postcard::from_bytes::<Reply>(&payload), Ok(reply));
        }
    }

    #[test]
    fn a_stream_may_be_split_anywhere(
        messages in proptest::collection::vec(samples::any_message(), 1..5),
        splits in proptest::collection::vec(1..50_usize, 1..20),
    ) {
        let frames: Vec<PeerFrame> = messages.into_iter().map(PeerFrame::Message).collect();
        let stream: Vec<u8> = frames.iter().flat_map(encode).collect();
        let mut decoder = Decoder::<PeerFrame>::new();
        let mut decoded = Vec::new();
        let mut rest = stream.as_slice();
        for length in splits.iter().cycle() {
            let (now, later) = rest.split_at((*length).min(rest.len()));
            decoder.extend(now);
            while let Some(frame) = decoder.next().unwrap() {
                decoded.push(frame);
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(decoded, frames);
        prop_assert!(!decoder.is_within_a_frame());
    }
}

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
    let good = encode(&samples::requests()[0]);
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
    // The length is refused before its bytes come.
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
    decoder.extend(&encode(&samples::requests()[0]));
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
    // A request's key is the replica's to refuse, as long as the frame holds it.
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

/// What is known of foundings has one encoding: each replica once, in ascending order, no more of them than there can be.
#[test]
fn known_foundings_are_in_order() {
    let frame = |known: &[u8]| {
        let at = match samples::messages().remove(7) {
            Message::Heartbeat(mut heartbeat) => {
                heartbeat.met = Met::default();
                PeerFrame::Message(Message::Heartbeat(heartbeat))
            }
            other => panic!("not a heartbeat: {other:?}"),
        };
        let mut payload = encode(&at)[HEADER..].to_vec();
        assert_eq!(payload.pop(), Some(0), "nothing is known");
        payload.extend_from_slice(known);
        decode_datagram::<PeerFrame>(&wrap::<PeerFrame>(&payload))
    };
    let order = Err(DecodeError::Number {
        what: "known foundings' order",
    });
    // The number of entries; of each the replica, which variant, and the founding.
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

/// A sequence that promises a million elements, of which none follows, reserves nothing.
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

/// `cargo test --release -p kvpaxos --test codec -- --ignored --nocapture` measures batches of 128 opaque commands of 100
/// bytes, encoded once and decoded four times, as a leader of five replicas has it.
#[test]
#[ignore = "a measurement, for release builds"]
fn speed_of_batches() {
    const BATCH: u64 = 128;
    let commands = (0..BATCH).map(|number| Command::Opaque {
        tag: kvpaxos::Tag {
            nonce: 0x8123_4567_89ab_cdef,
            number,
        },
        payload: vec![7; 100].into(),
    });
    let message = Message::Accept {
        ballot: Ballot::ZERO,
        slot: Slot(1_000_000),
        value: Value::Batch(Batch::new(commands.collect())),
        chosen: Watermark::default(),
        state: StateDigest::NOTHING,
    };
    let mut frame = Vec::new();
    encode_message_into(&message, &mut frame).unwrap();
    let shared = Bytes::from(frame.clone());
    let mut out = Vec::new();
    time("encode", || {
        out.clear();
        encode_message_into(&message, &mut out).unwrap();
    });
    time("checksum", || {
        std::hint::black_box(crc32fast::hash(std::hint::black_box(&frame)));
    });
    time("decode, shared frame", || {
        drop(decode_shared::<PeerFrame>(&shared).unwrap());
    });
    time("decode, copied frame", || {
        drop(decode_datagram::<PeerFrame>(&frame).unwrap());
    });
    time("decode, postcard's own", || {
        drop(postcard::from_bytes::<Message>(&frame[HEADER + 1..]).unwrap());
    });
    time("encode once, decode four times", || {
        let mut out = Vec::with_capacity(frame.len());
        encode_message_into(&message, &mut out).unwrap();
        let bytes = Bytes::from(out);
        for _ in 0..4 {
            drop(decode_shared::<PeerFrame>(&bytes).unwrap());
        }
    });

    /// The fastest of many short runs: what other programs on the machine take is not counted.
    fn time(what: &str, mut work: impl FnMut()) {
        let runs = (0..200).map(|_| {
            let start = std::time::Instant::now();
            (0..100).for_each(|_| work());
            start.elapsed().as_nanos() / 100
        });
        let fastest = runs.min().unwrap_or_default();
        println!("{what}: {:.1} ns a command", fastest as f64 / BATCH as f64);
    }
}
