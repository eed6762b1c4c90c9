//! What can be wrong with bytes, by name.

use super::format::{HEADER, Kind, MAGIC, MAX_COUNTER, VERSION};
use crate::types::{Ballot, MAX_REPLICAS, ReplicaId, Slot};

/// What was not encoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// The payload is over the limit of its kind.
    #[error(
        "a {kind:?} frame of {length} bytes is over the limit of {limit}; nothing was encoded, send less at once"
    )]
    TooLong {
        /// The kind of frame.
        kind: Kind,
        /// The payload's length.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

/// What is wrong with bytes that were received. Nothing was taken from them; the connection that they came on is to be
/// closed, and a datagram dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a frame at all.
    #[error(
        "a frame begins with {MAGIC:02x?}, these bytes with {found:02x?}: the sender speaks another protocol"
    )]
    Magic {
        /// What stands in its place; zeros where nothing came yet.
        found: [u8; 2],
    },
    /// The frame is of another version of the format.
    #[error(
        "a frame of format version {found}, where this program speaks {VERSION}: run one release on both ends"
    )]
    Version {
        /// The frame's version.
        found: u8,
    },
    /// The frame is of another kind than is spoken here.
    #[error("a frame of kind {found} where {expected:?} ({}) is spoken: check which port was dialled", *expected as u8)]
    Kind {
        /// The frame's kind.
        found: u8,
        /// What is spoken here.
        expected: Kind,
    },
    /// The frame says that it is longer than its kind may be. Nothing was allocated for it.
    #[error("a {kind:?} frame of {length} bytes is over the limit of {limit}: send less at once")]
    TooLong {
        /// The kind of frame.
        kind: Kind,
        /// The payload's length, as the header says.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes were changed on the way.
    #[error(
        "the frame's checksum is {computed:08x}, it says {received:08x}: it was damaged on the way, send it again"
    )]
    Checksum {
        /// What the frame says.
        received: u32,
        /// What it is.
        computed: u32,
    },
    /// A datagram that ends within its frame.
    #[error(
        "the datagram of {length} bytes ends within its frame (header of {HEADER} bytes): it was cut, send it again"
    )]
    Incomplete {
        /// The datagram's length.
        length: usize,
    },
    /// A datagram that goes on after its frame.
    #[error("{count} bytes follow the datagram's frame: send one frame a datagram")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A payload that ends within a value.
    #[error("the payload ends within its {what}: the sender does not encode as this program does")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// A payload that goes on after its value.
    #[error("{count} bytes follow the payload's value: the sender does not encode as this program does")]
    TrailingPayload {
        /// How many.
        count: usize,
    },
    /// A number that is not in its shortest form, or has more bits than its type.
    #[error(
        "the number of a {what} is not in its one shortest form: the sender does not encode as this program does"
    )]
    Number {
        /// What was being read.
        what: &'static str,
    },
    /// A byte that is to be 0 or 1.
    #[error(
        "{what} is told by the byte {found}, neither 0 nor 1: the sender does not encode as this program does"
    )]
    Flag {
        /// What was being read.
        what: &'static str,
        /// The byte.
        found: u8,
    },
    /// A variant that this version does not know.
    #[error("{what} has no variant {found}: run one release on both ends")]
    Variant {
        /// The enum.
        what: &'static str,
        /// The number.
        found: u32,
    },
    /// A counter that no honest cluster reaches.
    #[error(
        "{what} {number} is over {limit} (64-bit ones end at {MAX_COUNTER}), beyond what any cluster reaches: the sender lies"
    )]
    Absurd {
        /// Which.
        what: &'static str,
        /// Its value.
        number: u64,
        /// The greatest that is taken.
        limit: u64,
    },
    /// An identity that no replica can have.
    #[error("replica {} does not exist: ids end at {}", id.0, MAX_REPLICAS - 1)]
    Replica {
        /// The identity.
        id: ReplicaId,
    },
    /// A key, value or payload that is longer than one may be.
    #[error(
        "a {what} of {length} bytes is over the limit of {limit}: no replica lets one in, the sender lies"
    )]
    Oversize {
        /// Key, value or payload.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// More elements than a frame may have.
    #[error("{count} {what} are over the {limit} that are left to this frame: send fewer at once")]
    TooMany {
        /// Commands, values or entries.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many may come.
        limit: usize,
    },
    /// The entries of a promise must ascend from the slot that was asked for, and the next chunk begin after them.
    #[error("slot {slot} comes in a promise where {least} is the lowest that may: entries must ascend")]
    Order {
        /// The slot.
        slot: Slot,
        /// The lowest that may stand there.
        least: Slot,
    },
    /// An acceptor that promised a ballot has accepted nothing above it.
    #[error(
        "the promise of {promised} tells of slot {slot} accepted in {accepted}, a higher ballot: the sender lies"
    )]
    AbovePromise {
        /// The slot.
        slot: Slot,
        /// The ballot that was promised.
        promised: Ballot,
        /// The ballot of the entry.
        accepted: Ballot,
    },
    /// No slot is settled that is not chosen.
    #[error("slots below {settled} are told settled, but only those below {chosen} chosen: the sender lies")]
    Watermark {
        /// The first slot not settled.
        settled: Slot,
        /// The first slot not chosen.
        chosen: Slot,
    },
}
