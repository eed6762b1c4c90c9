//! Where a replica records, and how much.

use std::path::PathBuf;

/// Where a replica records what it takes in, and how much it keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordOptions {
    /// The directory. It is made if it is not there. Several replicas may share it.
    pub directory: PathBuf,
    /// The most bytes that the recordings of this replica take. The oldest segments are removed to make room. If the state
    /// of the replica takes more than a quarter of this, there is no checkpoint of it: the recording ends at the bound, and
    /// the log says so.
    pub bytes: u64,
}

impl RecordOptions {
    /// The most bytes by default: 1 GiB.
    pub const BYTES: u64 = 1024 * 1024 * 1024;
}
