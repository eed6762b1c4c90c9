//! What can be wrong with bytes.

use super::format::{HEADER, Kind, MAGIC, MAX_COUNTER, VERSION};
use crate::types::{Ballot, MAX_REPLICAS, ReplicaId, Slot};

/// Why something was not encoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// The payload is longer than the limit of its kind.
    #[error(
        "a {kind:?} frame of {length} bytes is over the limit of {limit}; nothing was encoded, send less at \
         once"
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

/// What is wrong with received bytes. Nothing was taken from them. The receiver must close the connection, or
/// drop the datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a frame at all.
    #[error(
        "a frame begins with {MAGIC:02x?}, these bytes with {found:02x?}: the sender speaks another protocol"
    )]
    Magic {
        /// The bytes in its place; zero where none has arrived.
        found: [u8; 2],
    },
    /// The frame is of another version of the format.
    #[error(
        "a frame of format version {found}, but this program uses {VERSION}: run the same release on both \
         ends"
    )]
    Version {
        /// The frame's version.
        found: u8,
    },
    /// The frame is of another kind than is expected here.
    #[error("a frame of kind {found} where {expected:?} ({}) is expected: check which port was dialled", *expected as u8)]
    Kind {
        /// The frame's kind.
        found: u8,
        /// The kind that is expected.
        expected: Kind,
    },
    /// The frame claims to be longer than its kind may be. Nothing was allocated for it.
    #[error("a {kind:?} frame of {length} bytes is over the limit of {limit}: send less at once")]
    TooLong {
        /// The kind of frame.
        kind: Kind,
        /// The length of the payload, as the header claims.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes were changed in transit.
    #[error(
        "the checksum of the frame is {computed:08x}, but it says {received:08x}: it was damaged in \
         transit, send it again"
    )]
    Checksum {
        /// The checksum in the frame.
        received: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// The datagram ends within its frame.
    #[error(
        "the datagram of {length} bytes ends within its frame (header of {HEADER} bytes): it was cut, send \
         it again"
    )]
    Incomplete {
        /// The datagram's length.
        length: usize,
    },
    /// Bytes follow the frame of the datagram.
    #[error("{count} bytes follow the datagram's frame: send one frame a datagram")]
    TrailingBytes {
        /// The number of bytes.
        count: usize,
    },
    /// The payload ends within a value.
    #[error("the payload ends within its {what}: the sender uses another encoding")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// Bytes follow the value of the payload.
    #[error("{count} bytes follow the payload's value: the sender uses another encoding")]
    TrailingPayload {
        /// How many.
        count: usize,
    },
    /// A number is not in its shortest form, or has more bits than its type.
    #[error("the number of a {what} is not in its one shortest form: the sender uses another encoding")]
    Number {
        /// What was being read.
        what: &'static str,
    },
    /// A byte that must be 0 or 1 is neither.
    #[error("{what} is the byte {found}, neither 0 nor 1: the sender uses another encoding")]
    Flag {
        /// What was being read.
        what: &'static str,
        /// The byte.
        found: u8,
    },
    /// A variant that this version does not have.
    #[error("{what} has no variant {found}: run the same release on both ends")]
    Variant {
        /// The enum.
        what: &'static str,
        /// The number.
        found: u32,
    },
    /// A counter that no correct cluster reaches.
    #[error(
        "{what} {number} is over {limit} (64-bit ones end at {MAX_COUNTER}), beyond what any cluster \
         reaches: the sender is faulty"
    )]
    Absurd {
        /// The counter.
        what: &'static str,
        /// The value of the counter.
        number: u64,
        /// The greatest value that is accepted.
        limit: u64,
    },
    /// An id that no replica can have.
    #[error("replica {} does not exist: ids end at {}", id.0, MAX_REPLICAS - 1)]
    Replica {
        /// The id.
        id: ReplicaId,
    },
    /// A key, value or payload is longer than the limit.
    #[error(
        "a {what} of {length} bytes is over the limit of {limit}: no replica admits one, the sender is faulty"
    )]
    Oversize {
        /// Key, value or payload.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A frame has more elements than it may have.
    #[error("{count} {what} are over the {limit} that are left to this frame: send fewer at once")]
    TooMany {
        /// Commands, values or entries.
        what: &'static str,
        /// The number of elements.
        count: usize,
        /// The number that may still follow.
        limit: usize,
    },
    /// The entries of a promise do not ascend from the requested slot, or the next chunk does not begin after
    /// them.
    #[error("slot {slot} is in a promise where {least} is the lowest possible: entries must ascend")]
    Order {
        /// The slot.
        slot: Slot,
        /// The lowest slot that is possible there.
        least: Slot,
    },
    /// An acceptor reports a value that was accepted above its promise.
    #[error(
        "the promise of {promised} reports slot {slot} as accepted in {accepted}, a higher ballot: the \
         sender is faulty"
    )]
    AbovePromise {
        /// The slot.
        slot: Slot,
        /// The ballot that was promised.
        promised: Ballot,
        /// The ballot of the entry.
        accepted: Ballot,
    },
    /// A slot is reported as settled that is not chosen.
    #[error(
        "slots below {settled} are reported as settled, but only those below {chosen} as chosen: the sender is faulty"
    )]
    Watermark {
        /// The first slot not settled.
        settled: Slot,
        /// The first slot not chosen.
        chosen: Slot,
    },
}
