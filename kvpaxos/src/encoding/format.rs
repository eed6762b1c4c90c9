//! The numbers of the format: the header of a frame, and the limits of its content.

use crate::config::{MAX_CHUNK, MAX_KEY, MAX_VALUE};
use crate::transaction::{MAX_ANSWER, MAX_STEPS, STEP_BYTES};

/// The version of the format. Frames of other versions are refused.
pub const VERSION: u8 = 4;
/// The first bytes of every frame.
pub const MAGIC: [u8; 2] = *b"KP";
/// The length of the header, in bytes.
pub const HEADER: usize = 12;

/// The longest payload of a [`PeerFrame`](crate::codec::PeerFrame): a chunk, as many bytes again for the
/// slots and ballots of many small values, and one more value, which is at most as large as a chunk.
pub const MAX_PEER_PAYLOAD: usize = 4 * MAX_CHUNK;
/// The longest part of a snapshot: a chunk and one more entry.
pub const MAX_PART: usize = MAX_CHUNK + MAX_KEY + MAX_VALUE + 64;
/// The longest payload of a [`Request`](crate::Request): a compare-and-swap of the longest values, or the
/// largest transaction. A longer key or value that still fits is decoded, so that the replica can refuse it with the length and the limit.
pub const MAX_REQUEST_PAYLOAD: usize = MAX_KEY + 2 * MAX_VALUE + 64;
/// The longest payload of a [`Reply`](crate::Reply).
pub const MAX_REPLY_PAYLOAD: usize = MAX_ANSWER + 16 * MAX_STEPS + 512;
/// The longest frame that fits in one UDP datagram.
pub const MAX_DATAGRAM: usize = 65_507;

/// The largest slot, round, sequence or other 64-bit counter that is accepted from outside. The core can
/// still add to it without overflow, and a cluster that counts a thousand million per second does not reach
/// it in a century.
pub const MAX_COUNTER: u64 = 1 << 62;
/// The same for 32-bit counters: restarts, incarnations, and indices within a batch.
pub const MAX_SMALL_COUNTER: u32 = 1 << 31;
/// The greatest number of commands in one frame: as many of the smallest commands as fit into two chunks (by
/// [`Command::size`](crate::Command::size)) hold.
pub const MAX_COMMANDS: usize = 2 * MAX_CHUNK / 32;
/// The most values in one frame: what two full chunks of the smallest values (by
/// [`Value::size`](crate::Value::size)) hold.
pub const MAX_VALUES: usize = 2 * MAX_CHUNK / 16;
/// The most steps, conditions, keys and results in one frame, all together: as many of the smallest steps as
/// fit into two chunks.
pub const MAX_PARTS: usize = 2 * MAX_CHUNK / STEP_BYTES;

/// The kind of content of a frame: its fourth byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A [`PeerFrame`](crate::codec::PeerFrame).
    Peer = 1,
    /// A [`Request`](crate::Request).
    Request = 2,
    /// A [`Reply`](crate::Reply).
    Reply = 3,
}
