//! Frames: a header with a checksum around the encoding of a message, a request or a reply.

use bytes::Bytes;
use serde::Serialize;

use super::peer::{self, PeerFrame};
use crate::command::{Reply, Request};
use crate::encoding::{
    Decode, DecodeError, EncodeError, HEADER, Kind, MAGIC, MAX_PEER_PAYLOAD, MAX_REPLY_PAYLOAD,
    MAX_REQUEST_PAYLOAD, Reader, VERSION, append_payload,
};
use crate::message::Message;

/// The content of a frame: [`PeerFrame`], [`Request`] or [`Reply`].
pub trait Frame: sealed::Sealed {
    /// The kind of its frame.
    const KIND: Kind;
    /// The longest payload, in bytes.
    const LIMIT: usize;
}

impl Frame for PeerFrame {
    const KIND: Kind = Kind::Peer;
    const LIMIT: usize = MAX_PEER_PAYLOAD;
}

impl Frame for Request {
    const KIND: Kind = Kind::Request;
    const LIMIT: usize = MAX_REQUEST_PAYLOAD;
}

impl Frame for Reply {
    const KIND: Kind = Kind::Reply;
    const LIMIT: usize = MAX_REPLY_PAYLOAD;
}

/// Appends the frame of `content` to `out`.
///
/// # Errors
/// If the payload is longer than the limit of its kind. `out` is not changed then.
pub fn encode_into<F: Frame + Serialize>(content: &F, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    seal(F::KIND, F::LIMIT, content, out)
}

/// Appends the frame of [`PeerFrame::Message`] to `out`, for a message by reference. The bytes contain
/// neither sender nor receiver, so a message to all is encoded once.
///
/// # Errors
/// If the payload is longer than [`MAX_PEER_PAYLOAD`]. `out` is not changed then.
pub fn encode_message_into(message: &Message, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    seal(Kind::Peer, MAX_PEER_PAYLOAD, &peer::MessageRef(message), out)
}

/// Decodes the frame at the beginning of `bytes`. Returns its content and its length in bytes, or `None` if
/// more bytes are needed.
///
/// # Errors
/// If the bytes are not a valid frame. Nothing that follows on the same connection can be decoded.
pub fn decode_frame<F: Frame>(bytes: &[u8]) -> Result<Option<(F, usize)>, DecodeError> {
    match next_payload::<F>(bytes)? {
        Some(payload) => Ok(Some((decode_payload(payload)?, HEADER + payload.len()))),
        None => Ok(None),
    }
}

/// Decodes bytes that are exactly one frame.
///
/// # Errors
/// If the bytes are not exactly one valid frame.
pub fn decode_datagram<F: Frame>(bytes: &[u8]) -> Result<F, DecodeError> {
    decode_payload(only_payload::<F>(bytes)?)
}

/// Like [`decode_datagram`], for bytes that are shared already: keys and values become slices of them, and
/// nothing is copied.
///
/// # Errors
/// Those of [`decode_datagram`].
pub fn decode_shared<F: Frame>(bytes: &Bytes) -> Result<F, DecodeError> {
    let length = only_payload::<F>(bytes)?.len();
    let payload = bytes.slice(HEADER..HEADER + length);
    let mut reader = Reader::of_shared(&payload);
    let content = F::decode(&mut reader)?;
    reader.finish()?;
    Ok(content)
}

/// The length of the frame at the beginning of `bytes`, as its header says; `None` if the header is not
/// complete. Nothing is checked.
pub(super) fn frame_length(bytes: &[u8]) -> Option<usize> {
    let [.., l0, l1, l2, l3, _, _, _, _] = *bytes.first_chunk::<HEADER>()?;
    Some(HEADER.saturating_add(u32::from_le_bytes([l0, l1, l2, l3]) as usize))
}

/// Wraps an encoded payload into a frame of kind `F`, whatever the payload holds. For tests and fuzzers.
#[must_use]
pub fn wrap<F: Frame>(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    frame.extend_from_slice(payload);
    write_header(F::KIND, &mut frame);
    frame
}

fn seal<T: Serialize>(kind: Kind, limit: usize, content: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    append_payload(content, out);
    let length = out.len() - start - HEADER;
    if length > limit {
        out.truncate(start);
        return Err(EncodeError::TooLong { kind, length, limit });
    }
    write_header(kind, &mut out[start..]);
    Ok(())
}

/// Writes the header of a frame whose payload is in place.
fn write_header(kind: Kind, frame: &mut [u8]) {
    let (header, payload) = frame.split_at_mut(HEADER);
    let length = u32::try_from(payload.len()).expect("a payload is far shorter than 4 GiB");
    header[..2].copy_from_slice(&MAGIC);
    header[2] = VERSION;
    header[3] = kind as u8;
    header[4..8].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(&header[..8], payload);
    header[8..].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

fn decode_payload<F: Frame>(payload: &[u8]) -> Result<F, DecodeError> {
    let mut reader = Reader::new(payload);
    let content = F::decode(&mut reader)?;
    reader.finish()?;
    Ok(content)
}

fn only_payload<F: Frame>(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let payload = next_payload::<F>(bytes)?.ok_or(DecodeError::Incomplete { length: bytes.len() })?;
    match bytes.len() - HEADER - payload.len() {
        0 => Ok(payload),
        count => Err(DecodeError::TrailingBytes { count }),
    }
}

/// The checked payload of the frame at the beginning of `bytes`; `None` if more bytes are needed. An
/// incomplete header is checked as far as it goes, so that a stream of another protocol is refused at its
/// first byte.
fn next_payload<F: Frame>(bytes: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let magic = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(magic) {
        let mut found = [0; MAGIC.len()];
        found[..magic.len()].copy_from_slice(magic);
        return Err(DecodeError::Magic { found });
    }
    if let Some(&found) = bytes.get(2)
        && found != VERSION
    {
        return Err(DecodeError::Version { found });
    }
    if let Some(&found) = bytes.get(3)
        && found != F::KIND as u8
    {
        return Err(DecodeError::Kind {
            found,
            expected: F::KIND,
        });
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [.., l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > F::LIMIT {
        return Err(DecodeError::TooLong {
            kind: F::KIND,
            length,
            limit: F::LIMIT,
        });
    }
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let (received, computed) = (
        u32::from_le_bytes([c0, c1, c2, c3]),
        checksum(&header[..8], payload),
    );
    if received != computed {
        return Err(DecodeError::Checksum { received, computed });
    }
    Ok(Some(payload))
}

mod sealed {
    /// Only this crate defines kinds of frames.
    pub trait Sealed: super::Decode {}
    impl Sealed for super::PeerFrame {}
    impl Sealed for super::Request {}
    impl Sealed for super::Reply {}
}
