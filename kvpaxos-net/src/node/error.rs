//! Why a replica does not start.

use std::io;

use kvpaxos::{ConfigError, ReplicaId};

use crate::storage::error::DirectoryError;
use crate::storage::error::LogError;
use crate::system::shortage::is_disk_failure;

/// Why a replica did not start. Nothing was changed, but where it [is the disk](StartError::is_of_disk).
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A directory is to be prepared for a replica that uses none.
    #[error(
        "replica {id} keeps its memory in its process, so that it has no directory to prepare; start it as it is"
    )]
    NoDirectory {
        /// Which.
        id: ReplicaId,
    },
    /// A port cannot be had.
    #[error("cannot listen for {what} on {address}: {error}; choose a free address of this machine")]
    Bind {
        /// For whom.
        what: &'static str,
        /// Where.
        address: String,
        /// Why not.
        error: io::Error,
    },
    /// The system refuses something that every program needs.
    #[error("the system gives no {what}: {error}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
}

impl StartError {
    /// Whether the disk failed or is full: what stops a replica that runs with [`NodeError::Disk`](crate::NodeError::Disk). Then it may be that something was
    /// changed, and is not finished; the next start does that.
    #[must_use]
    pub fn is_of_disk(&self) -> bool {
        let error = match self {
            StartError::Directory(DirectoryError::Io { error, .. }) => error,
            StartError::Directory(DirectoryError::Log(LogError::Io { error, .. })) => error,
            _ => return false,
        };
        is_disk_failure(error)
    }
}
