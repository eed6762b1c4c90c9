//! Checks of the codec: everything that it accepts has one encoding, and a stream may be split anywhere.

use std::fmt::Debug;

use kvpaxos::codec::{
    Decoder, Frame, HEADER, PeerFrame, decode_datagram, decode_frame, decode_shared, encode_into, wrap,
};
use kvpaxos::{Reply, Request};

use crate::Bytes;

/// Decodes any bytes as the payload of a frame between peers.
pub fn check_peer_payload(payload: &[u8]) {
    check_payload(payload, encode_into::<PeerFrame>);
}

/// Decodes any bytes as the payload of a request (first byte even) or a reply (first byte odd).
pub fn check_client_payload(bytes: &[u8]) {
    match bytes.split_first() {
        Some((kind, payload)) if kind % 2 == 0 => check_payload(payload, encode_into::<Request>),
        Some((_, payload)) => check_payload(payload, encode_into::<Reply>),
        None => {}
    }
}

type Encode<F> = fn(&F, &mut Vec<u8>) -> Result<(), kvpaxos::codec::EncodeError>;

fn check_payload<F: Frame + PartialEq + Debug>(payload: &[u8], encode: Encode<F>) {
    let frame = wrap::<F>(payload);
    let decoded = decode_datagram::<F>(&frame);
    assert_eq!(decode_shared::<F>(&frame.clone().into()), decoded);
    if let Ok(content) = decoded {
        let mut again = Vec::new();
        encode(&content, &mut again).expect("what came in a frame fits in one");
        assert_eq!(again, frame, "two encodings of {content:?}");
    }
}

/// Decodes a stream of frames in pieces. The first byte picks the kind of frames, and the next sixteen are
/// the lengths of the pieces. If the first byte is 128 or more, checksums are corrected first, so that the
/// payloads are decoded.
pub fn check_stream(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let first = bytes.byte();
    let mut lengths = [0; 16];
    lengths.fill_with(|| usize::from(bytes.byte()) + 1);
    let mut stream = bytes.rest().to_vec();
    match first % 3 {
        0 => check_pieces(&mut stream, first >= 128, &lengths, encode_into::<PeerFrame>),
        1 => check_pieces(&mut stream, first >= 128, &lengths, encode_into::<Request>),
        _ => check_pieces(&mut stream, first >= 128, &lengths, encode_into::<Reply>),
    }
}

fn check_pieces<F: Frame + PartialEq + Debug>(
    stream: &mut [u8],
    repair: bool,
    lengths: &[usize],
    encode: Encode<F>,
) {
    if repair {
        repair_checksums::<F>(stream);
    }
    let (mut at_once, mut error_at_once, mut rest) = (Vec::new(), None, &*stream);
    loop {
        match decode_frame::<F>(rest) {
            Ok(Some((content, length))) => {
                let mut again = Vec::new();
                encode(&content, &mut again).expect("what came in a frame fits in one");
                assert_eq!(again, rest[..length], "two encodings of {content:?}");
                at_once.push(content);
                rest = &rest[length..];
            }
            Ok(None) => break,
            Err(error) => {
                error_at_once = Some(error);
                break;
            }
        }
    }
    let (mut decoder, mut in_pieces, mut error_in_pieces) = (Decoder::<F>::new(), Vec::new(), None);
    let (mut rest, mut lengths) = (&*stream, lengths.iter().cycle());
    while error_in_pieces.is_none() && !rest.is_empty() {
        let length = lengths.next().map_or(1, |length| (*length).min(rest.len()));
        let (piece, later) = rest.split_at(length);
        decoder.extend(piece);
        rest = later;
        loop {
            match decoder.next() {
                Ok(Some(content)) => in_pieces.push(content),
                Ok(None) => break,
                Err(error) => {
                    error_in_pieces = Some(error);
                    break;
                }
            }
        }
    }
    assert_eq!(in_pieces, at_once, "a stream in pieces yields different frames");
    // The two may find different faults first in a header, but both must find one.
    assert_eq!(error_in_pieces.is_some(), error_at_once.is_some());
}

/// Corrects the checksum of each frame in the stream.
pub(crate) fn repair_checksums<F: Frame>(mut rest: &mut [u8]) {
    while let Some((header, after)) = rest.split_first_chunk_mut::<HEADER>() {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if length > after.len() {
            return;
        }
        let (payload, later) = after.split_at_mut(length);
        header.copy_from_slice(&wrap::<F>(payload)[..HEADER]);
        rest = later;
    }
}
