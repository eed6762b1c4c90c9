//! Why a recording cannot be judged.

use std::fmt;
use std::path::PathBuf;

use kvpaxos::recording::ReadError;
use kvpaxos::{ConfigError, ImportError, ReplicaId};

/// A place in a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Where the block begins, in bytes from the beginning of the file.
    pub offset: u64,
    /// The number of the entry in the block, from 1.
    pub entry: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, offset, entry } = self;
        write!(f, "{}, block at offset {offset}, entry {entry}", file.display())
    }
}

/// Why recordings cannot be executed again, or cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The system cannot read a directory or open a file.
    #[error("{}: it cannot be read: {error}", path.display())]
    Io {
        /// The directory or the file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A directory holds no recording.
    #[error("{}: there is no recording (a file like r0-000001.recording): give the directory of `kvpaxos serve --record`", path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
    /// The bytes of a file are not those of a recording.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: ReadError,
    },
    /// A file is not what its name says.
    #[error("{}: the file holds {what}, and its name says otherwise: it was renamed or swapped", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// There are two recordings of the same life.
    #[error("{} and {}: both are life {life} of {replica}: give one directory of each replica", one.display(), other.display())]
    Twice {
        /// The replica.
        replica: ReplicaId,
        /// The life.
        life: u64,
        /// One file.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Recordings belong to different clusters.
    #[error("{}: {why} than in {}: give the recordings of one cluster", path.display(), first.display())]
    Stranger {
        /// The file.
        path: PathBuf,
        /// What differs.
        why: &'static str,
        /// The file that it was compared with.
        first: PathBuf,
    },
    /// A segment of a life is missing.
    #[error(
        "{replica} has a recording of segment {segment} of life {life}, and none of segment {expected}: a file is missing"
    )]
    MissingSegment {
        /// The replica.
        replica: ReplicaId,
        /// The life.
        life: u64,
        /// The segment after the hole.
        segment: u64,
        /// The segment that is missing.
        expected: u64,
    },
    /// A recording has no beginning.
    #[error("{}: the recording begins in the middle of a life, and there is no checkpoint (a file like r0-000001-000002.checkpoint): a file is missing", path.display())]
    NoBeginning {
        /// The first file.
        path: PathBuf,
    },
    /// The checkpoint with which a recording begins cannot be read.
    #[error(
        "{place}: the checkpoint with which the recording begins is not the state of a replica: {error}: the recording was changed, or another release recorded it"
    )]
    State {
        /// Where it ends.
        place: Place,
        /// What is wrong.
        error: Box<ImportError>,
    },
    /// The execution has come to another state than a checkpoint has.
    #[error(
        "{place}: the replica has come to another state than the checkpoint has with which the segment begins: {why}"
    )]
    OtherState {
        /// Where the checkpoint ends.
        place: Place,
        /// Which builds are involved.
        why: String,
    },
    /// A life between two others is missing.
    #[error(
        "{replica} has a recording of life {before} and of life {after}, and none between: a file is missing"
    )]
    MissingLife {
        /// The replica.
        replica: ReplicaId,
        /// The last life before the hole.
        before: u64,
        /// The first one after it.
        after: u64,
    },
    /// A replica cannot be started with the configuration of its recording.
    #[error("{}: the replica does not start: {error}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ConfigError,
    },
    /// A file has no beginning, or goes on where it must not.
    #[error("{place}: {why}: the recording has a hole or was changed")]
    Order {
        /// Where.
        place: Place,
        /// What does not fit.
        why: String,
    },
    /// The execution differs from what was recorded.
    #[error(
        "{place}: the replica does something else than it did when it was recorded, in this block or at its end: {why}"
    )]
    Differs {
        /// Where.
        place: Place,
        /// Which builds are involved.
        why: String,
    },
    /// A replica began with another memory than its recorded life before left.
    #[error(
        "{place}: {replica} begins with records that its recorded lives did not write: it ran unrecorded in between, or a file is missing"
    )]
    Unrecorded {
        /// Where.
        place: Place,
        /// The replica.
        replica: ReplicaId,
    },
    /// A replica received a message that none sent.
    #[error("{place}: {to} received from {from}: {message}. In no recording does {from} send that: {why}")]
    NeverSent {
        /// Where.
        place: Place,
        /// The receiver.
        to: ReplicaId,
        /// The sender, as the receiver's recording names it.
        from: ReplicaId,
        /// The message.
        message: String,
        /// Where the sender's recording stands.
        why: String,
    },
}
