//! Which replica is started, and where it keeps its memory.

use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos::wal::Owner;

use crate::cluster::Cluster;
use crate::listen::bounds::Bounds;
use crate::node::error::StartError;
use crate::node::security::Security;
use crate::recording::RecordOptions;
use crate::redis::options::RedisOptions;
use crate::storage::directory::{self, Directory};

/// The options of one replica.
#[derive(Debug)]
pub struct NodeOptions {
    /// The id of the replica within the cluster.
    pub id: ReplicaId,
    /// The cluster it belongs to.
    pub cluster: Cluster,
    /// Where it keeps what it promised and accepted.
    pub memory: MemoryLocation,
    /// Limits on its clients.
    pub bounds: Bounds,
    /// How it serves Redis clients, if its sockets have a port for them.
    pub redis: RedisOptions,
    /// How it protects what it sends and receives.
    pub security: Security,
    /// Where it records what it takes in, if it does.
    pub record: Option<RecordOptions>,
}

/// Where a replica keeps what it promised and accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemoryLocation {
    /// In a data directory that was prepared for it: see [`NodeOptions::format`].
    Directory(PathBuf),
    /// In its process only. When the process ends or a role fails, the memory is lost; the replica gets it
    /// back from the others.
    Process {
        /// The cluster is new, and this replica has never run. Set it **only then**: a replica that has run
        /// before and claims to be new breaks its promises, and acknowledged writes may be lost.
        new_cluster: bool,
    },
}

impl NodeOptions {
    /// Prepares the data directory of a new replica. A replica does not start without: an empty disk is never
    /// taken for a new replica, as it may be that of an old one.
    ///
    /// # Errors
    /// If the directory already holds something of a replica, or the configuration is not valid.
    pub fn format(&self) -> Result<(), StartError> {
        Ok(Directory::format(self.directory()?, self.owner()?)?)
    }

    /// Prepares the data directory of a replica that is not new and has lost its disk. The replica then gets
    /// back from the others what it may have promised. A damaged log in the directory is moved aside, and the
    /// path of its new place is returned; an intact log is moved aside only if `discard` says so.
    ///
    /// # Errors
    /// If the directory belongs to another replica, or holds an intact log that is not to be discarded, or
    /// the configuration is not valid.
    pub fn recover(&self, discard: bool) -> Result<Option<PathBuf>, StartError> {
        Ok(Directory::recover(self.directory()?, self.owner()?, discard)?)
    }

    /// Whether the data directory was formatted or recovered, for any replica.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_formatted(&self) -> Result<bool, StartError> {
        Ok(directory::is_formatted(self.directory()?)?)
    }

    fn directory(&self) -> Result<&Path, StartError> {
        match &self.memory {
            MemoryLocation::Directory(path) => Ok(path),
            MemoryLocation::Process { .. } => Err(StartError::NoDirectory { id: self.id }),
        }
    }

    pub(crate) fn owner(&self) -> Result<Owner, StartError> {
        self.cluster.config(self.id)?;
        Ok(Owner {
            cluster: self.cluster.identity(),
            replica: self.id,
        })
    }
}
