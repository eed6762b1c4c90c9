//! What can be wrong with the bytes of a recording.

use super::{MAGIC, MAX_BLOCK, VERSION};
use crate::encoding::DecodeError;

/// Why a file of a recording cannot be read, and where. Offsets are in bytes from the beginning of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system cannot read it.
    #[error("offset {offset}: it cannot be read: {error}")]
    Io {
        /// Where.
        offset: u64,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is not a recording.
    #[error("offset 0: a recording begins with \"{}\", this file with \"{}\": give a directory that `kvpaxos serve --record` wrote", MAGIC.escape_ascii(), found.escape_ascii())]
    Magic {
        /// The bytes in its place.
        found: Vec<u8>,
    },
    /// It is a recording in another version of the format.
    #[error(
        "offset 8: the recording has version {found} of the format, this program reads {VERSION}: use the release that recorded it"
    )]
    Version {
        /// The version of the file.
        found: u16,
    },
    /// It ends within a block.
    #[error("offset {offset}: the file ends within a block: it was cut off")]
    Cut {
        /// Where the block begins.
        offset: u64,
    },
    /// A block claims to be longer than any is. Nothing was allocated for it.
    #[error(
        "offset {offset}: a block of {length} bytes is over the limit of {MAX_BLOCK}: the file is damaged"
    )]
    TooLong {
        /// Where the block begins.
        offset: u64,
        /// What it claims.
        length: usize,
    },
    /// A block is not as it was written.
    #[error(
        "offset {offset}: the checksum of the block is {computed:08x}, but it says {stored:08x}: the file is damaged"
    )]
    Checksum {
        /// Where the block begins.
        offset: u64,
        /// What the block says.
        stored: u32,
        /// What its bytes have.
        computed: u32,
    },
    /// The header of the file makes no sense.
    #[error(
        "offset {offset}: the header of the recording {why}: the file was not written by `kvpaxos serve --record`"
    )]
    Header {
        /// Where its block begins.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// An entry makes no sense.
    #[error("offset {offset}: entry {entry} of the block: {error}")]
    Entry {
        /// Where its block begins.
        offset: u64,
        /// Its number in the block, from 1.
        entry: usize,
        /// What is wrong.
        error: DecodeError,
    },
}
