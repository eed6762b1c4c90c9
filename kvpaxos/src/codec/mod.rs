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
//! There are three [kinds](Kind) of frames: what peers say to each other ([`PeerFrame`]), what clients ask ([`Request`](crate::Request)) and
//! what they are answered ([`Reply`](crate::Reply)). Over TCP, frames follow each other and a [`Decoder`] takes them apart; over UDP a
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

mod decode;
mod frame;
mod peer;
mod stream;

pub use crate::encoding::{
    DecodeError, EncodeError, HEADER, Kind, MAGIC, MAX_COMMANDS, MAX_COUNTER, MAX_DATAGRAM, MAX_PART,
    MAX_PEER_PAYLOAD, MAX_REPLY_PAYLOAD, MAX_REQUEST_PAYLOAD, MAX_SMALL_COUNTER, MAX_VALUES, VERSION,
};
pub use frame::{
    Frame, decode_datagram, decode_frame, decode_shared, encode_into, encode_message_into, wrap,
};
pub use peer::{Hello, HelloError, PeerFrame};
pub use stream::Decoder;
