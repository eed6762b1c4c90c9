//! Why a log cannot go on, and why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use kvpaxos::wal::{self, Owner, SuperblockError};

use crate::system::shortage;

/// Why nothing more can be made durable, or what was cannot be read back. The replica stops.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused.
    #[error(
        "cannot {what} the log {}: {error}; the replica stops, for it could no longer keep what it promises. \
         {}", path.display(), advice(error)
    )]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The log was damaged under the running replica.
    #[error(
        "the log {} was damaged while the replica ran: {why}. The replica stops; started again, it sets the log aside",
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

/// What to do before the replica is started again.
fn advice(error: &io::Error) -> String {
    if shortage::is_shortage(error) {
        format!("{}, and start it again", shortage::ADVICE)
    } else {
        "Look after the disk and start it again".to_owned()
    }
}

pub(crate) fn log_failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |error| LogError::Io { what, path, error }
}

/// Why a data directory cannot be used. Nothing was changed, but where it says so.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Another process uses it.
    #[error(
        "the data directory {} is in use by another process; stop that one, or give this replica a directory of its own",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to another replica, or to another cluster.
    #[error(
        "the data directory {} belongs to {}, but this is {}; give each replica the directory it was formatted with, \
         or a new one. If the cluster is the right one, its name, members, quorums or limits have changed",
        path.display(), described(*found), described(*expected)
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: Owner,
        /// Who wants it.
        expected: Owner,
    },
    /// It is no replica's.
    #[error(
        "the data directory {} {what}. A replica that is new must have its directory formatted first; one whose disk \
         is gone must be recovered: started as if it were new, it would break what it promised",
        path.display()
    )]
    NotFormatted {
        /// The directory.
        path: PathBuf,
        /// What there is instead.
        what: &'static str,
    },
    /// Formatting it was begun and not finished.
    #[error("formatting the data directory {} was not finished; format it again", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// The superblock is none.
    #[error(
        "{}: {error}; if the replica's data is what this directory holds, restore the file, or let the replica recover \
         and discard the data",
        path.display()
    )]
    Superblock {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SuperblockError,
    },
    /// It is to be formatted, and holds something already.
    #[error(
        "the data directory {} holds {what} already, and is not formatted over it; if the replica is the one to be \
         started, serve it as it is, else choose another directory or delete this one",
        path.display()
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// It is to be recovered, and its log is whole.
    #[error(
        "the log in {} is whole: the replica has not lost its memory, serve it as it is. If it must forget all the same, \
         say that its log is to be discarded",
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
