//! The write-ahead log's format, as pure code over bytes: shells and the simulator's disks run it.
//!
//! ```text
//! log file    header | group | group | group ...                      only ever appended to
//!
//! header      magic "KPAXLOG\n" | version u16 | replica u8 | 0 | previous u32 | cluster u64 | segment u64
//!   52 bytes  | base u64 | seed u64 | crc u32
//!
//! group       magic "KPGR" | length u32 | position u64 | synced u64 | previous u32 | count u32 | crc u32
//!             | payload: `count` records, `length` bytes | crc u32 | "end\n"
//!             integers are little-endian; the first crc covers the seed and the group's header, the second the whole group
//! ```
//!
//! A group is what one [`append`](Writer::append) wrote: all the records of one write, so that many writes can share a sync. It knows
//!
//! - its `position` in the log: a write that the disk put elsewhere, and a copy of another group, are not taken for good;
//! - the checksum of the group before it (`previous`): groups cannot be missing, swapped or of another history;
//! - how far the log was known to be `synced` when it was written (the *mark*). This tells a torn tail from damage: after a
//!   flaw, the reader goes on looking for groups further back, and if one of them says that the flawed bytes had been
//!   synced, then the disk has lost what it had promised to keep.
//!
//! The log is one segment for now; `segment` and `base` (the position at which the segment begins) are there for more.
//!
//! # What becomes of which damage
//!
//! A write that was under way at a crash leaves each sector of [`SECTOR`] bytes as it was (zeros, past the old end of the
//! file) or as it was to be, in any combination, or a file that ends somewhere within: this is the model. A group in which no sector
//! is missing, and that is wrong all the same, was not torn: it was damaged. Damage is always reported as
//! [`Log::Damaged`], lost memory; records are never made up, and never reported in another order.
//!
//! | damage | what the reader does |
//! | --- | --- |
//! | torn tail: the last writes, never synced, are there in part | cut at the first group that is not whole; kept before it |
//! | lost tail of what was not synced: the file ends after a whole group | kept: nothing is missing that was promised |
//! | lost tail of what was synced: likewise | **not seen**, unless `known_synced` (a mark kept elsewhere) says more; then lost memory |
//! | bit flip in the last batch, nothing written since | lost memory: the group is there in full and wrong (unless it also has a whole sector of zeros, or its end is zeroed: cut as torn) |
//! | bit flip in the middle | lost memory: a later mark covers it, or the group is there in full |
//! | bit flip in the file's header, or an empty file | lost memory: a log is founded before it is used, and never empty |
//! | block missing (zeros), a later group has a mark over it | lost memory |
//! | block missing (zeros) in the last batch | cut as torn, unless `known_synced` covers it; then lost memory |
//! | blocks swapped, or written to the wrong place | lost memory: position and checksums do not fit |
//! | block of an older version in the middle: zeros after an older end | as a missing block |
//! | whole group of another history (a cut that was not made durable) | lost memory: `previous` does not fit |
//! | last blocks of an older version: the end as it was at an earlier sync | **not seen**, as a lost tail |
//! | whole directory replaced by an older copy | **not seen** here: every mark in it is as old; outside the model but for `known_synced` |
//! | another replica's, another cluster's, or a newer format's log | refused ([`ReadError`]): an operator's mistake, not a disk's |
//!
//! To narrow the rows that are not seen: [`mark`](Writer::mark) appends a group that holds nothing but the mark, for quiet
//! moments and before a shutdown; `known_synced` is for shells that keep the mark on another device.
//!
//! # What a shell owes
//!
//! 1. *Found* a log by writing [`Writer::create`]'s bytes to a file of another name, syncing it, renaming it, and syncing the directory.
//! 2. After reading, cut the file at [`Torn::at`] if there is a torn tail, and **sync before the first step**, torn or not: what was read may
//!    stand in the system's cache only, and the replica will act on it.
//! 3. Append in order, and call [`on_synced`](Writer::on_synced) with the position that the sync covered, after it succeeded. A sync that
//!    failed is fatal.
//! 4. Never append to a log that is damaged: set it aside and found a new one, which begins with what was salvaged and
//!    [`Record::DiskLost`].

mod read;
mod write;

pub use read::{Damage, Damaged, Log, Owner, ReadError, Torn, read};
pub use write::{Header, Writer};

#[cfg(doc)]
use crate::io::Record;

/// The version of the format.
pub const VERSION: u16 = 1;
/// The length of the file's header.
pub const HEADER: usize = 52;
/// The length of a group's header.
pub const GROUP_HEADER: usize = 36;
/// The length of what follows a group's payload.
pub const GROUP_TRAILER: usize = 8;
/// What the disk writes as a whole or not at all.
pub const SECTOR: usize = 512;

const MAGIC: [u8; 8] = *b"KPAXLOG\n";
const GROUP_MAGIC: [u8; 4] = *b"KPGR";
/// Ends in a byte that is not zero, so that an end that was not written is not taken for one that was.
const GROUP_END: [u8; 4] = *b"end\n";

/// The header of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct GroupHeader {
    /// Bytes of the payload.
    length: u32,
    /// Where in the log the group begins.
    position: u64,
    /// Where the log was known to be synced up to.
    synced: u64,
    /// The checksum of the group before.
    previous: u32,
    /// Records in the payload.
    count: u32,
}

impl GroupHeader {
    fn encode(self, seed: u64) -> [u8; GROUP_HEADER] {
        let mut bytes = [0; GROUP_HEADER];
        bytes[..4].copy_from_slice(&GROUP_MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.previous.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.count.to_le_bytes());
        let checksum = checksum(&[&seed.to_le_bytes(), &bytes[..32]]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header that `bytes` begins with, if it is whole.
    fn decode(bytes: &[u8], seed: u64) -> Option<GroupHeader> {
        let bytes = bytes.first_chunk::<GROUP_HEADER>()?;
        let header = GroupHeader {
            length: u32_at(bytes, 4),
            position: u64_at(bytes, 8),
            synced: u64_at(bytes, 16),
            previous: u32_at(bytes, 24),
            count: u32_at(bytes, 28),
        };
        (header.encode(seed) == *bytes).then_some(header)
    }
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
