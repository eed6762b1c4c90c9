//! The format of a recording: every input that a replica took, so that it can be executed again.
//!
//! The core is pure: the same configuration, memory, entropy and inputs give the same effects. So a shell that
//! writes down what enters [`Replica::step`](crate::Replica::step) has all that is needed to see later what the
//! replica did, event by event. This is pure code over bytes, as [`crate::wal`] is. The shell brings the files, and
//! `kvpaxos-sim replay --recording` executes them.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `entry` | [`Header`] and [`Entry`]: what a recording says |
//! | `checkpoint` | [`Checkpoint`]: with what a recording may begin in the middle of a life; [`Writes`]: what waits for the disk |
//! | `checkpoint_file` | [`CheckpointFile`]: a checkpoint to bytes, piece by piece |
//! | `writer` | [`Writer`]: entries to bytes |
//! | `reader` | [`Reader`]: bytes to entries |
//! | `error` | [`ReadError`]: what can be wrong with the bytes, and where |
//! | `digest` | [`EffectDigest`], [`message_digest`]: what an execution is compared by |
//!
//! ```text
//! recording   life 1, life 2, life 3 ...          a life is the time between two starts of the process
//!
//! life        segment 1, segment 2 ...            one file each, and a file for the checkpoint of each but the first
//!
//! file        magic "KPAXREC\n" | version u16 | block | block | block ...
//!
//! block       length u32 | crc u32 | payload, length bytes            integers are little-endian; the crc covers the
//!                                                                     length and the payload
//!
//! payload     of the first block: a Header
//!             of every other block: entry | entry ... | digest u64    the digest of all effects so far
//! ```
//!
//! A segment goes on where the one before ended, whether or not it has a checkpoint. The file of a checkpoint has the header of the
//! segment, and then nothing but the pieces of the checkpoint: the state with which the segment begins. It takes time to
//! write a large state, and the segment is being written meanwhile; so they are two files. Without its checkpoint, a segment cannot be
//! executed without those before it. The pieces may stand at the beginning of the segment instead.
//!
//! Numbers in a payload are postcard's: a `u8` is one byte, longer ones are varints. Messages, requests and records
//! are encoded as they are on the wire and in the log.
//!
//! | entry | kind | content |
//! | --- | --- | --- |
//! | remember | 0 | a record of the memory with which the next start or restart begins |
//! | start | 1 | at, kept (0 or 1), entropy (32 bytes). The first entry of a file that is no remember |
//! | clock | 2 | at |
//! | peer | 3 | at, sender, founding (0, or 1 and the number), message |
//! | own | 4 | at. The oldest message that the replica sent to itself and that has not arrived yet |
//! | client | 5 | at, client, request |
//! | gone | 6 | at, client |
//! | fail | 7 | at, role (0 proposer, 1 acceptor, 2 learner) |
//! | restart | 8 | at, role, kept, entropy |
//! | hand over | 9 | at |
//! | durable | 10 | batch. This batch of records and all before it are durable |
//! | flush | 11 | The records since the last flush, if there are any or something waits for them, are one batch. The first is 1 |
//! | stopped | 12 | The process stopped in order. The last entry of its file |
//! | full | 13 | The recording has reached its bound, and the replica went on unrecorded. The last entry of its file |
//! | checkpoint | 14 | 1 if it is the last piece of the checkpoint, else 0; the length of the piece; the piece. Alone in its block |
//!
//! `at` is how many microseconds have passed since the `at` before it in the file; the first one is on the clock of the
//! replica.
//!
//! # What a driver owes
//!
//! A block is written (to the operating system, not to the disk) before any effect of its entries leaves the process.
//! So whatever happens to the process, every message that another process received is the effect of an entry. A block
//! that is cut off at the end of a file has had no effect outside. The file of a checkpoint gets its name once it is complete.

mod checkpoint;
mod checkpoint_file;
mod digest;
mod entry;
mod error;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use checkpoint::{Checkpoint, Deferred, Writes};
pub use checkpoint_file::CheckpointFile;
pub use digest::{EffectDigest, message_digest};
pub use entry::{Entry, FileName, Header};
pub use error::ReadError;
pub use reader::{Block, Reader};
pub use writer::Writer;

/// The version of the format. Recordings of other versions are refused.
pub const VERSION: u16 = 4;
/// The first bytes of every file.
pub const MAGIC: [u8; 8] = *b"KPAXREC\n";
/// The longest payload of a block, in bytes.
pub const MAX_BLOCK: usize = 64 * 1024 * 1024;
/// The longest piece of a checkpoint, in bytes.
pub const MAX_PIECE: usize = 1024 * 1024;
/// The most entries of a block.
pub const MAX_ENTRIES: usize = 1 << 16;

/// The kinds of entries, as they stand in the bytes.
mod kind {
    pub(super) const REMEMBER: u8 = 0;
    pub(super) const START: u8 = 1;
    pub(super) const CLOCK: u8 = 2;
    pub(super) const PEER: u8 = 3;
    pub(super) const OWN: u8 = 4;
    pub(super) const CLIENT: u8 = 5;
    pub(super) const GONE: u8 = 6;
    pub(super) const FAIL: u8 = 7;
    pub(super) const RESTART: u8 = 8;
    pub(super) const HAND_OVER: u8 = 9;
    pub(super) const DURABLE: u8 = 10;
    pub(super) const FLUSH: u8 = 11;
    pub(super) const STOPPED: u8 = 12;
    pub(super) const FULL: u8 = 13;
    pub(super) const CHECKPOINT: u8 = 14;
}

/// The checksum of a block.
fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}
