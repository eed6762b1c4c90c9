//! Bytes: the one codec of everything that leaves a process for another one.
//!
//! ```text
//! offset  0       2         3      4          8         12
//!         +-------+---------+------+----------+---------+------------------+
//!         | magic | version | kind | length   | crc32   | payload          |
//!         | "KP"  | 3       | 1..3 | u32, LE  | u32, LE | postcard, length |
//!         +-------+---------+------+----------+---------+------------------+
//!                                  the crc32 covers the first 8 bytes and the payload
//! ```
//!
//! There are three [kinds](Kind) of frames: what peers say to each other ([`PeerFrame`]), what clients ask ([`Request`]) and
//! what they are answered ([`Reply`]). Over TCP, frames follow each other and a [`Decoder`] takes them apart; over UDP a
//! datagram is exactly one frame ([`decode_datagram`]).
//!
//! **Encoding** is postcard's, from the serde derives of the types. The order of the variants of an enum and of the fields
//! of a struct is therefore the format: variants are only ever appended, fields never change, and anything else is a new
//! [`VERSION`]. Golden bytes of every variant are tested.
//!
//! **Decoding** is written by hand (in `decode`), for two reasons. Postcard's is lenient, and this one is not: the only
//! bytes that it takes for a value are the ones that encoding the value yields. It also checks what the types alone do
//! not say: identities, lengths, order, and counters that an honest cluster never reaches ([`MAX_COUNTER`]), so that no
//! arithmetic of the core can overflow. Each offence has its name in [`DecodeError`]. And keys, values and payloads come out as slices of
//! the frame, shared by reference count and not copied one by one: they live as long as the last of the frame, so whoever
//! keeps one of them for long, and not the others, copies it first.
//!
//! Nothing is allocated on the word of a received length: a frame's is checked against the limit of its kind first, and no
//! sequence reserves more than what the bytes that are there can hold.

pub(crate) mod decode;
mod decoder;
mod error;
mod peer;
mod reader;

use bytes::Bytes;
use serde::Serialize;

pub(crate) use decode::Decode;
pub use decoder::Decoder;
pub use error::{DecodeError, EncodeError};
pub use peer::{Hello, HelloError, PeerFrame};
pub(crate) use reader::Reader;

use crate::command::{Reply, Request};
use crate::config::{MAX_CHUNK, MAX_KEY, MAX_VALUE};
use crate::message::Message;

/// The version of the format. A replica speaks one; frames of another are refused.
pub const VERSION: u8 = 3;
/// What every frame begins with.
pub const MAGIC: [u8; 2] = *b"KP";
/// The length of the header before the payload.
pub const HEADER: usize = 12;

/// The longest payload of a [`PeerFrame`]: a chunk (of which the slots and ballots of many small values can take as much
/// again) and one value more, which is itself at most as large as a chunk.
pub const MAX_PEER_PAYLOAD: usize = 4 * MAX_CHUNK;
/// The longest part of a snapshot: a chunk and one entry more.
pub const MAX_PART: usize = MAX_CHUNK + MAX_KEY + MAX_VALUE + 64;
/// The longest payload of a [`Request`]: a compare-and-swap of the longest values. What is longer than a key or a value may
/// be, and still fits in here, is decoded: it is the replica that refuses it, by name and number.
pub const MAX_REQUEST_PAYLOAD: usize = MAX_KEY + 2 * MAX_VALUE + 64;
/// The longest payload of a [`Reply`].
pub const MAX_REPLY_PAYLOAD: usize = MAX_VALUE + 512;
/// The longest frame that fits in one UDP datagram.
pub const MAX_DATAGRAM: usize = 65_507;

/// The largest slot, round, sequence or other count of 64 bits that is taken from outside: half of what the core's
/// arithmetic could still raise, and more than a cluster that counts a thousand million a second reaches in a century.
pub const MAX_COUNTER: u64 = 1 << 62;
/// The same for counts of 32 bits: restarts, incarnations, and places within a batch.
pub const MAX_SMALL_COUNTER: u32 = 1 << 31;
/// The most commands in one frame: what two full chunks of the smallest commands (by
/// [`Command::size`](crate::Command::size)) hold.
pub const MAX_COMMANDS: usize = 2 * MAX_CHUNK / 32;
/// The most values in one frame: what two full chunks of the smallest values (by [`Value::size`](crate::Value::size)) hold.
pub const MAX_VALUES: usize = 2 * MAX_CHUNK / 16;

/// What a frame holds; its fourth byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A [`PeerFrame`].
    Peer = 1,
    /// A [`Request`].
    Request = 2,
    /// A [`Reply`].
    Reply = 3,
}

/// What travels in a frame of its own: [`PeerFrame`], [`Request`] or [`Reply`].
pub trait Frame: sealed::Sealed {
    /// The kind of frame it travels in.
    const KIND: Kind;
    /// The longest payload.
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
/// If the payload is over the limit of its kind; `out` is then as it was.
pub fn encode_into<F: Frame + Serialize>(content: &F, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    seal(F::KIND, F::LIMIT, content, out)
}

/// Appends the frame of [`PeerFrame::Message`] to `out`, without needing the message by value. The bytes name neither
/// sender nor receiver, so that a message to all is encoded once.
///
/// # Errors
/// If the payload is over [`MAX_PEER_PAYLOAD`]; `out` is then as it was.
pub fn encode_message_into(message: &Message, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    seal(Kind::Peer, MAX_PEER_PAYLOAD, &peer::MessageRef(message), out)
}

/// Reads the frame that `bytes` begins with: its content and how many bytes it took, or `None` if more bytes are needed.
///
/// # Errors
/// Names the offence. Nothing that follows on the same connection can be trusted to be a frame.
pub fn decode_frame<F: Frame>(bytes: &[u8]) -> Result<Option<(F, usize)>, DecodeError> {
    match next_payload::<F>(bytes)? {
        Some(payload) => Ok(Some((decode_payload(payload)?, HEADER + payload.len()))),
        None => Ok(None),
    }
}

/// Reads bytes that are exactly one frame.
///
/// # Errors
/// Names the offence, [`DecodeError::Incomplete`] and [`DecodeError::TrailingBytes`] among them.
pub fn decode_datagram<F: Frame>(bytes: &[u8]) -> Result<F, DecodeError> {
    decode_payload(only_payload::<F>(bytes)?)
}

/// Like [`decode_datagram`], of bytes that are shared already: keys and values are slices of them, and nothing is copied.
///
/// # Errors
/// As [`decode_datagram`].
pub fn decode_shared<F: Frame>(bytes: &Bytes) -> Result<F, DecodeError> {
    let length = only_payload::<F>(bytes)?.len();
    let payload = bytes.slice(HEADER..HEADER + length);
    let mut reader = Reader::of_shared(&payload);
    let content = F::decode(&mut reader)?;
    reader.finish()?;
    Ok(content)
}

/// Puts a frame of kind `F` around a payload that is encoded already, whatever it holds: for tests and fuzzers, which
/// could not guess a checksum.
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

/// Fills in the header of a frame whose payload is in place.
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

/// Appends the postcard encoding.
pub(crate) fn append_payload<T: Serialize>(content: &T, out: &mut Vec<u8>) {
    postcard::serialize_with_flavor(content, Append(out))
        .expect("our types know their lengths, and memory takes all that comes");
}

/// Postcard's way of writing to the end of a vector that has something in it already.
struct Append<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
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

/// The checked payload of the frame that `bytes` begins with; `None` if more bytes are needed. What is there of a header is
/// checked as soon as it is there, so that a foreign stream is refused at its first byte.
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
    /// Keeps the kinds of frames to those of this crate.
    pub trait Sealed: super::Decode {}
    impl Sealed for super::PeerFrame {}
    impl Sealed for super::Request {}
    impl Sealed for super::Reply {}
}
