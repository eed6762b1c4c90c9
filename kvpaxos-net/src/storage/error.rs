//! Why a log cannot go on, and why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use kvpaxos::wal::{self, Owner, SuperblockError};

use crate::system::shortage;

/// Why nothing more can be made durable, or why durable records cannot be read back. The replica stops.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// An operation on a file failed.
    #[error(
        "cannot {what} the log {}: {error}; the replica stops, because it could no longer keep its promises. \
         {}", path.display(), advice(error)
    )]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The log was damaged while the replica ran.
    #[error(
        "the log {} was damaged while the replica ran: {why}. The replica stops; when it is started again, \
         it sets the log aside",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: wal::Damage,
    },
    /// The log is not of this replica or this release.
    #[error("cannot read the log in {}: {error}; nothing was changed", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        error: wal::ReadError,
    },
}

/// What an operator does before the replica is started again.
fn advice(error: &io::Error) -> String {
    if shortage::is_shortage(error) {
        format!("{}, and start it again", shortage::ADVICE)
    } else {
        "Check the disk and start it again".to_owned()
    }
}

pub(crate) fn log_failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |error| LogError::Io { what, path, error }
}

/// Why a data directory cannot be used. Nothing was changed, except where a variant says so.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// An operation failed. A change may have begun; the next attempt completes it.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// Another process uses it.
    #[error(
        "the data directory {} is in use by another process; stop that one, or give this replica a directory \
         of its own",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to another replica or to another cluster.
    #[error(
        "the data directory {} belongs to {}, but this is {}; give each replica the directory that was \
         formatted for it, or a new one. If this is the right cluster, its name, members, quorums or limits \
         have changed",
        path.display(), described(*found), described(*expected)
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: Owner,
        /// Who wants to use it.
        expected: Owner,
    },
    /// It is not a replica's directory.
    #[error(
        "the data directory {} {what}. The directory of a new replica must be formatted first; a replica \
         whose disk is lost must be recovered: if it started as a new one, it would break its promises",
        path.display()
    )]
    NotFormatted {
        /// The directory.
        path: PathBuf,
        /// What there is instead, as the rest of a sentence.
        what: &'static str,
    },
    /// Formatting it was interrupted.
    #[error("formatting the data directory {} was interrupted; format it again", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// The superblock is damaged, or of another release.
    #[error(
        "{}: {error}; if this directory holds the replica's data, restore the file; otherwise recover the \
         replica, which discards the data",
        path.display()
    )]
    Superblock {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SuperblockError,
    },
    /// It was to be formatted, and holds something already.
    #[error(
        "the data directory {} holds {what} already, so it is not formatted; if that is the replica to be \
         started, serve it as it is, else choose another directory or delete this one",
        path.display()
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// It was to be recovered, and its log is intact.
    #[error(
        "the log in {} is intact: the replica has not lost its memory, so serve it as it is. To make it \
         forget all the same, discard its log",
        path.display()
    )]
    Healthy {
        /// The directory.
        path: PathBuf,
    },
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
}

pub(crate) fn described(owner: Owner) -> String {
    format!("replica {} of cluster {:016x}", owner.replica.0, owner.cluster)
}

pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |error| DirectoryError::Io { what, path, error }
}
