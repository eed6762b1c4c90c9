//! Where a replica records, and how much.

use std::path::PathBuf;

/// Where a replica records what it takes in, and how much it keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordOptions {
    /// The directory. It is made if it is not there. Several replicas may share it.
    pub directory: PathBuf,
    /// The most bytes that the recordings of this replica take. Those of its earlier lives are removed first, the
    /// oldest before the others. If the present one alone is larger, it ends there and says so.
    pub bytes: u64,
}

impl RecordOptions {
    /// The most bytes by default: 256 MiB.
    pub const BYTES: u64 = 256 * 1024 * 1024;
}
