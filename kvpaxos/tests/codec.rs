//! The codec from outside: golden bytes, round trips, strictness, and a test for each named offence.

#![allow(clippy::unwrap_used, reason = "an assertion like any other")]

#[path = "codec/offences.rs"]
mod offences;
mod samples;

use std::fmt::Write;

use bytes::Bytes;
use expect_test::expect_file;
use kvpaxos::agreement::StateDigest;
use kvpaxos::codec::{
    DecodeError, Decoder, Frame, HEADER, PeerFrame, Settings, decode_datagram, decode_frame, decode_shared,
    encode_into, encode_message_into, wrap,
};
use kvpaxos::{Ballot, Batch, Command, Message, Reply, Request, Slot, Value, Watermark};
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
    let (messages, others): (Vec<_>, Vec<_>) = samples::peer_frames()
        .into_iter()
        .partition(|frame| matches!(frame, PeerFrame::Message(_)));
    assert_eq!(messages.len(), 1, "the samples have one frame with a message");
    let mut frames: Vec<PeerFrame> = samples::messages().into_iter().map(PeerFrame::Message).collect();
    // In the golden file the hello is first, and frames that were added later are last.
    let mut others = others.into_iter();
    frames.splice(0..0, others.next());
    frames.extend(others);
    frames
}

/// If these bytes change, the version of the format must change. `UPDATE_EXPECT=1` writes them anew.
#[test]
fn the_bytes_of_every_variant_are_golden() {
    expect_file!["golden/peer_frames.txt"].assert_eq(&golden(&peer_frames()));
    expect_file!["golden/requests.txt"].assert_eq(&golden(&samples::requests()));
    expect_file!["golden/replies.txt"].assert_eq(&golden(&samples::replies()));
}

/// The message for operators names the settings that differ, and no others.
#[test]
fn settings_that_differ_are_named() {
    let ours = samples::settings();
    assert_eq!(ours.differences(&ours), "");
    let theirs = Settings {
        name: "other\n".into(),
        phase2: 4,
        ..ours.clone()
    };
    assert_eq!(
        ours.differences(&theirs),
        "the cluster's name is \"other\\n\" there and \"kvpaxos\" here; the phase-2 quorum is 4 there and 3 here"
    );
}

/// A reader of many connections limits its buffers by these numbers.
#[test]
fn a_decoder_tells_what_it_holds() {
    let frame = encode(&peer_frames()[0]);
    let mut decoder = Decoder::<PeerFrame>::new();
    decoder.extend(&frame[..HEADER - 1]);
    assert_eq!((decoder.next(), decoder.next_length()), (Ok(None), None));
    decoder.extend(&frame[HEADER - 1..HEADER + 1]);
    assert_eq!(decoder.next_length(), Some(frame.len()));
    assert_eq!(decoder.buffered(), HEADER + 1);
    decoder.extend(&frame[HEADER + 1..]);
    decoder.extend(b"garbage");
    assert!(decoder.next().unwrap().is_some());
    assert!(decoder.next().is_err());
    assert_eq!(decoder.buffered(), 0);
    assert!(!decoder.is_within_a_frame());
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

/// A cut frame, or a frame with one flipped bit, gives an error or asks for more bytes. It never panics, and
/// never decodes to a value.
fn check_damage<F: Frame + Serialize + PartialEq + std::fmt::Debug>(content: &F) {
    let bytes = encode(content);
    for cut in 0..bytes.len() {
        assert_eq!(decode_frame::<F>(&bytes[..cut]), Ok(None), "cut to {cut}");
        // A payload that ends early, in a frame with the right length and checksum.
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

/// An accepted payload must be the only encoding of its content. The callers compare the content with
/// postcard's own, lenient decoding.
fn check_canonical<F: Frame + Serialize + PartialEq + std::fmt::Debug>(payload: &[u8]) -> Option<F> {
    let content = decode_datagram::<F>(&wrap::<F>(payload)).ok()?;
    assert_eq!(hex(&encode(&content)[HEADER..]), hex(payload));
    Some(content)
}

/// Changes some bytes of a valid payload. `wrap` then adds the right checksum.
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

/// `cargo test --release -p kvpaxos --test codec -- --ignored --nocapture` measures batches of 128 opaque
/// commands of 100 bytes. Like the leader of five replicas, it encodes each batch once, and the others decode
/// it four times.
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

    /// Prints the time of the fastest of many short runs, which other programs on the machine disturb least.
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
