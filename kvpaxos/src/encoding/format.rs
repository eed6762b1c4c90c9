//! The numbers of the format: what a frame begins with, and what it may hold at most.

use crate::config::{MAX_CHUNK, MAX_KEY, MAX_VALUE};

/// The version of the format. A replica speaks one; frames of another are refused.
pub const VERSION: u8 = 3;
/// What every frame begins with.
pub const MAGIC: [u8; 2] = *b"KP";
/// The length of the header before the payload.
pub const HEADER: usize = 12;

/// The longest payload of a [`PeerFrame`](crate::codec::PeerFrame): a chunk (of which the slots and ballots of many small values can take as much
/// again) and one value more, which is itself at most as large as a chunk.
pub const MAX_PEER_PAYLOAD: usize = 4 * MAX_CHUNK;
/// The longest part of a snapshot: a chunk and one entry more.
pub const MAX_PART: usize = MAX_CHUNK + MAX_KEY + MAX_VALUE + 64;
/// The longest payload of a [`Request`](crate::Request): a compare-and-swap of the longest values. What is longer than a key or a value may
/// be, and still fits in here, is decoded: it is the replica that refuses it, by name and number.
pub const MAX_REQUEST_PAYLOAD: usize = MAX_KEY + 2 * MAX_VALUE + 64;
/// The longest payload of a [`Reply`](crate::Reply).
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
    /// A [`PeerFrame`](crate::codec::PeerFrame).
    Peer = 1,
    /// A [`Request`](crate::Request).
    Request = 2,
    /// A [`Reply`](crate::Reply).
    Reply = 3,
}
