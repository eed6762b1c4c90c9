//! The format of the write-ahead log, as pure code over bytes. Both the real log on disk and the simulator's
//! disks use it.
//!
//! ```text
//! log         segment 0, segment 1, segment 2 ...                     one file each; only the last one is appended to
//!
//! segment     header | group | group | group ... | zeros              zeros: space that was allocated in advance, if any
//!
//! header      magic "KPAXLOG\n" | version u16 | replica u8 | 0 | previous u32 | cluster u64 | segment u64
//!   52 bytes  | base u64 | seed u64 | crc u32
//!
//! group       magic "KPGR" | length u32 | position u64 | synced u64 | previous u32 | count u32 | crc u32
//!             | payload: `count` records, `length` bytes | crc u32 | "end\n"
//!             integers are little-endian; the first crc covers the seed and the group's header, the second the whole group
//! ```
//!
//! A group holds the records of one write ([`append`](Writer::append)). Many groups can share one sync. The
//! header of a group contains
//!
//! - its `position` in the log, so that a write that the disk put elsewhere, or a copy of another group, is
//!   detected;
//! - the checksum of the group before it (`previous`), so that a missing or swapped group, or one of another
//!   history, is detected;
//! - up to where the log was known to be `synced` when the group was written (the *mark*). It distinguishes a
//!   torn tail from damage: after a flaw the reader searches for later groups, and if the mark of one of them
//!   is above the flaw, the disk has lost synced bytes.
//!
//! The header of a segment contains its number, the position at which it begins (`base`: where the one before
//! ended), the last checksum of the one before, and the `seed` that all segments of a log share.
//!
//! # Segments
//!
//! The writer begins a segment with every [`Record::Checkpoint`], and when the last segment is full
//! ([`SEGMENT`]). It begins one only when everything before it is synced, so its header is a mark too, and
//! only the last segment can have a torn tail. Once the [`Record::CheckpointEnd`] of a checkpoint is durable,
//! the segments before that checkpoint are *obsolete* ([`Writer::keep_from`]): the reader ignores them,
//! whatever they contain.
//!
//! What a crash leaves, depending on its moment, while segment n + 1 follows n and a checkpoint makes n and
//! the segments before it obsolete:
//!
//! | the shell was about to | what it left | what the reader does |
//! | --- | --- | --- |
//! | append the last groups to n | n, perhaps torn | cuts n; the writer goes on in n |
//! | sync n | n, perhaps torn | the same; nothing that was appended since was promised |
//! | create the draft of n + 1 | n, whole | goes on in n; n + 1 is begun again when the next record asks for it |
//! | write the draft's header, sync it | n, whole; a draft, perhaps torn | the same: drafts do not bear a segment's name, and shells remove them |
//! | rename the draft | n, whole; a draft, whole | the same |
//! | sync the directory | n, whole; n + 1 with its header, or not there | goes on in n + 1 if it is there, else in n |
//! | append to n + 1 | n + 1 with its header only | goes on in n + 1 |
//! | sync n + 1 | n + 1, perhaps torn after its header | cuts n + 1; if the checkpoint's beginning is gone, the log begins where it did |
//! | sync the end of the checkpoint | n + 1 and those after it, the last perhaps torn | if the end is there, reads from n + 1 on; if not, from where the log began |
//! | delete 0 to n | all of them | reads from n + 1 on, and names the others as obsolete |
//! | sync the directory | n + 1 and any of the others | the same: what is obsolete may have holes |
//!
//! The end of a checkpoint that was read may not be durable yet. It is durable after the sync that the shell
//! must do before its first step, and only then may segments be deleted. So a log always begins with segment
//! 0 or with a checkpoint whose end is durable. A log that begins otherwise has lost memory.
//!
//! # Which damage is noticed
//!
//! The model is this: a write that was in progress at a crash leaves each sector of [`SECTOR`] bytes either
//! as it was (zeros, past the old end of the file) or as it should become, in any combination; or the file
//! ends within the write. A group of which no sector is missing and that is wrong nevertheless is not torn
//! but damaged. Damage is always reported as [`LogState::Damaged`], lost memory. The reader never invents
//! records, and never returns them in another order.
//!
//! | damage | what the reader does |
//! | --- | --- |
//! | torn tail: the last writes, never synced, are there in part | cut at the first group that is not whole; kept before it |
//! | lost tail of what was not synced: the file ends after a whole group | kept: nothing is missing that was promised |
//! | lost tail of what was synced: likewise | lost memory if a later segment or `known_synced` (a mark kept elsewhere) says more; else **not seen** |
//! | bit flip in the last batch, nothing written since | lost memory: the group is there in full and wrong (unless it also has a whole sector of zeros, or its end is zeroed: cut as torn) |
//! | bit flip in the middle | lost memory: a later mark covers it, or the group is there in full |
//! | bit flip in a segment's header, or an empty file | lost memory: a segment bears its name only when its header is durable |
//! | block missing (zeros), a later group, segment or `known_synced` has a mark over it | lost memory |
//! | block missing (zeros) in the last batch | cut as torn, unless `known_synced` covers it; then lost memory |
//! | blocks swapped, or written to the wrong place | lost memory: position and checksums do not fit (in the last batch as torn, if its end is zeroed by that) |
//! | block of an older version in the middle: zeros after an older end | as a missing block |
//! | whole group of another history (a cut that was not made durable) | lost memory: `previous` does not fit |
//! | last blocks of an older version: the end as it was at an earlier sync | as a lost tail |
//! | a segment missing in the middle, or those at the beginning without a complete checkpoint after them | lost memory |
//! | the last segments missing | lost memory, if `known_synced` says more; else **not seen** |
//! | an older version of a segment that is not the last, zeros or other bytes after its end | lost memory: the next begins where it ended, and knows its checksum |
//! | a segment copied under another number, or of another log of the same replica | lost memory: it says its number, and its log's seed |
//! | anything at all in an obsolete segment, but a header of another log | kept: nothing of it is needed |
//! | all segments replaced by those of an older log that was set aside | lost memory, if `known_synced` names the log |
//! | whole directory replaced by an older copy, `known_synced` with it | **not seen**: every mark in it is as old; outside the model |
//! | another replica's, another cluster's, or a newer format's log | refused ([`ReadError`]): an operator's mistake, not a disk's |
//!
//! Only the loss of bytes that were synced after the last mark is not noticed. To keep that window short,
//! shells store `known_synced` in a [`Superblock`]. They renew it when a segment begins, when a checkpoint is
//! complete, every 200 ms while syncs continue, after 10 ms without a write, and before a clean shutdown,
//! when they also append a [`mark`](Writer::mark). So if a disk loses only what it synced in the last moments
//! before its process stopped, that looks like an interrupted write.
//!
//! # Why no second header is written under the same sync
//!
//! A copy of each group's header in another place would show that loss too. It depends on when the copy
//! becomes durable.
//!
//! *Under the same sync as its group*, as Alagappan et al. keep identifiers of log entries (*Protocol-Aware
//! Recovery for Consensus-Based Storage*, FAST 2018): until that sync is complete, the disk may hold the copy
//! and not the group. Those are the bytes that a tail leaves which was lost after the sync. So a reader that
//! calls the second lost memory calls the first lost memory, too. One replica recovers from that with the
//! help of the others. But power may fail for all of them in the same moment, and under load each is then in
//! the middle of a sync. To doubt that one group only, instead of all memory, does not help where a quorum
//! holds its header and nobody the group: its value may have been chosen, and nobody can say what it is.
//!
//! *Under a sync of its own, after that of its group* and before anybody is told, as TigerBeetle's journal
//! writes a prepare and then its header: no power failure leaves a copy without its group. Each write waits
//! for two syncs.
//!
//! The tests of power failures in `kvpaxos-net` build both out of the file operations of a real log
//! (`power::headers`). Under the same sync, the two cases are the same bytes at every sync. The second column
//! counts simulated power failures of five replicas, each in the middle of a sync, where each sector that is
//! not synced is there or not with even chances; five replicas recover from two losses. The last column is
//! the mean time of a write in the benchmark `marks` of `kvpaxos-net` (ext4, groups of 200 bytes, one run on
//! a busy machine):
//!
//! | a header or mark elsewhere | of 10,000 failures, some memory is lost; of more than two | a tail lost after its sync | time of a write |
//! | --- | --- | --- | --- |
//! | under the same sync | 8,678; 2,031 | seen | not measured |
//! | under a second sync, in place | 0; 0 | seen | 1.9 |
//! | under a second sync, as the superblock is written | 0; 0 | seen | 3.9 |
//! | a mark that nobody waits for, as here | 0; 0 | seen up to the last mark | 1 |
//!
//! The window that is left needs a second fault, a disk that loses what it had synced, and is at most some
//! 200 ms of writes; replicas that differ because of it notice ([`agreement`](crate::agreement)). That is not
//! worth twice the time of each write.
//!
//! # What a shell must do
//!
//! 1. *Begin* a segment by syncing the one before it, writing the [`HEADER`] bytes to a file of another name,
//!    syncing that, renaming it, and syncing the directory; then call [`on_synced`](Writer::on_synced) with
//!    the position after the header, and only then append to it. The same for the first segment of a new log,
//!    with whatever it is to begin with.
//! 2. After reading, cut the last segment at [`TornTail::at`] if there is a torn tail, and **sync before the
//!    first step**, torn or not: what was read may stand in the system's cache only, and the replica will act
//!    on it.
//! 3. Append in order, and call [`on_synced`](Writer::on_synced) with the position that the sync covered,
//!    after it succeeded. A sync that failed is fatal.
//! 4. Delete segments below [`keep_from`](Writer::keep_from), oldest first, and sync the directory.
//! 5. Never append to a log that is damaged: set it aside and found a new one, which begins with the
//!    [`counters`] of the old one and [`Record::DiskLost`].

mod cut;
mod damage;
mod header;
mod read;
mod scan;
mod superblock;
mod write;

pub use damage::{Damage, DamagedLog, ReadError, counters};
pub use header::Header;
pub use read::{LogState, Owner, TornTail, read};
pub use scan::{Scan, ScannedGroup, scan};
pub use superblock::{Superblock, SuperblockError, SuperblockState};
pub use write::{Batch, Piece, SEGMENT, Writer};

#[cfg(doc)]
use crate::io::Record;

/// The version of the format.
pub const VERSION: u16 = 4;
/// The length of a segment's header.
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

/// Up to where a log was synced: what is worth keeping elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SyncedPosition {
    /// The log's [`seed`](Header::seed).
    pub log: u64,
    /// The position.
    pub position: u64,
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
