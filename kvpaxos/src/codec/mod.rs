//! The codec of everything that is sent from one process to another.
//!
//! ```text
//! offset  0       2         3      4          8         12
//!         +-------+---------+------+----------+---------+------------------+
//!         | magic | version | kind | length   | crc32   | payload          |
//!         | "KP"  | 4       | 1..3 | u32, LE  | u32, LE | postcard, length |
//!         +-------+---------+------+----------+---------+------------------+
//!                                  the crc32 covers the first 8 bytes and the payload
//! ```
//!
//! There are three [kinds](Kind) of frames: messages between peers ([`PeerFrame`]), requests of clients
//! ([`Request`](crate::Request)) and replies to them ([`Reply`](crate::Reply)). Over TCP, frames follow each
//! other, and a [`Decoder`] separates them. Over UDP, a datagram is exactly one frame ([`decode_datagram`]).
//!
//! **Encoding** is done by postcard, from the serde derives of the types. So the order of variants and fields
//! is part of the format: new variants are appended, fields never change, and every other change is a new
//! [`VERSION`]. The tests compare golden bytes of every variant.
//!
//! **Decoding** is written by hand (in `decode`), for two reasons. First, postcard is lenient and this
//! decoder is not: it accepts only the bytes that encoding the value yields. It also checks what the types do
//! not say: ids, lengths, order, and counters that no correct cluster reaches ([`MAX_COUNTER`]), so that
//! arithmetic in the core cannot overflow. [`DecodeError`] names each fault. Second, keys, values and
//! payloads become slices of the frame, which share its memory instead of being copied. The memory of the
//! frame is freed with the last slice, so code that keeps one slice for long copies it first.
//!
//! No allocation depends on a received length alone. The length of a frame is checked against the limit of
//! its kind first, and a sequence reserves no more than the received bytes can hold.

mod decode;
mod frame;
mod peer;
mod stream;

pub(crate) use decode::transactions::step_results;

pub use crate::encoding::{
    DecodeError, EncodeError, HEADER, Kind, MAGIC, MAX_COMMANDS, MAX_COUNTER, MAX_DATAGRAM, MAX_PART,
    MAX_PARTS, MAX_PEER_PAYLOAD, MAX_REPLY_PAYLOAD, MAX_REQUEST_PAYLOAD, MAX_SMALL_COUNTER, MAX_VALUES,
    VERSION,
};
pub use frame::{
    Frame, decode_datagram, decode_frame, decode_shared, encode_into, encode_message_into, wrap,
};
pub use peer::{Hello, HelloError, MAX_NAME, PeerFrame, Settings};
pub use stream::Decoder;
