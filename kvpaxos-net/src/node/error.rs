//! Why a replica does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use kvpaxos::{ConfigError, ReplicaId};

use crate::storage::error::DirectoryError;
use crate::storage::error::LogError;
use crate::system::shortage;

/// Why a replica did not start. Nothing was changed, except where the [disk
/// failed](StartError::is_disk_failure).
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A directory was to be prepared for a replica that uses none.
    #[error(
        "replica {id} keeps its memory in its process and has no directory to prepare; start it as it is"
    )]
    NoDirectory {
        /// The replica.
        id: ReplicaId,
    },
    /// A port cannot be bound.
    #[error("cannot listen for {what} on {address}: {error}; choose a free address of this machine")]
    Bind {
        /// What the port was for.
        what: &'static str,
        /// The address.
        address: String,
        /// The reason.
        error: io::Error,
    },
    /// A port without TLS would listen beyond loopback, and nobody said that it may.
    #[error(
        "{address}, for {what}, is not a loopback address, and there is no TLS at this port: whoever is on the way can \
         read and change what is sent. Give the replica a certificate (--tls-ca, --tls-cert, --tls-key), listen on \
         loopback, or say that it may be so (--plaintext-beyond-loopback)"
    )]
    Plaintext {
        /// What the port was for.
        what: &'static str,
        /// Its address.
        address: SocketAddr,
    },
    /// Datagrams were to be served where that is not safe.
    #[error(
        "datagrams cannot be served where {why}: they are not encrypted, and show no password; serve no UDP"
    )]
    Datagrams {
        /// What they do not keep.
        why: &'static str,
    },
    /// The recording cannot be begun.
    #[error("cannot record in {}: {error}; choose another directory, or do not record", path.display())]
    Record {
        /// The directory.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The system has no more random bits or threads.
    #[error("the system gives no {what}: {error}")]
    System {
        /// What it lacks.
        what: &'static str,
        /// The reason.
        error: io::Error,
    },
}

impl StartError {
    /// Whether the disk failed or is full, as when a running replica stops with
    /// [`NodeError::Disk`](crate::NodeError::Disk). Then a change may have begun; the next start completes
    /// it.
    #[must_use]
    pub fn is_disk_failure(&self) -> bool {
        let error = match self {
            StartError::Directory(DirectoryError::Io { error, .. }) => error,
            StartError::Directory(DirectoryError::Log(LogError::Io { error, .. })) => error,
            _ => return false,
        };
        shortage::is_disk_failure(error)
    }
}
