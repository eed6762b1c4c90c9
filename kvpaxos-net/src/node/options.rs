//! Which replica is started, and where it keeps its memory.

use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos::wal::Owner;

use crate::cluster::Cluster;
use crate::listen::bounds::Bounds;
use crate::node::error::StartError;
use crate::storage::directory::{self, Directory};

/// What a replica is started with.
#[derive(Debug)]
pub struct NodeOptions {
    /// Which of the cluster's replicas it is.
    pub id: ReplicaId,
    /// The cluster.
    pub cluster: Cluster,
    /// Where it keeps its memory.
    pub memory: KeptIn,
    /// Bounds on clients.
    pub bounds: Bounds,
}

/// Where a replica keeps what it promised and accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeptIn {
    /// In a data directory that was founded for it: see [`NodeOptions::format`].
    Directory(PathBuf),
    /// In its process only: when that ends, or a role of it fails, that memory is lost, and is got back from the others.
    Process {
        /// The cluster is new, and this replica has never run. **Only then**: a replica that has, and says that it has not, breaks
        /// what it promised, and acknowledged writes may be lost.
        new_cluster: bool,
    },
}

impl NodeOptions {
    /// Founds the data directory of a replica that is new. Without it the replica does not start: an empty disk is never taken for a new
    /// replica.
    ///
    /// # Errors
    /// If the directory holds something of a replica already, or the configuration does not fit together.
    pub fn format(&self) -> Result<(), StartError> {
        Ok(Directory::format(self.directory()?, self.owner()?)?)
    }

    /// Founds the data directory of a replica that is not new, and has lost its disk: it gets back from its peers what counts. A log that
    /// is there and damaged is set aside; the path says where to. One that is whole is set aside only to `discard` it.
    ///
    /// # Errors
    /// If the directory belongs to another replica or holds a log that is whole, or the configuration does not fit together.
    pub fn recover(&self, discard: bool) -> Result<Option<PathBuf>, StartError> {
        Ok(Directory::recover(self.directory()?, self.owner()?, discard)?)
    }

    /// Whether the data directory was formatted, for whichever replica.
    ///
    /// # Errors
    /// If that cannot be seen.
    pub fn is_formatted(&self) -> Result<bool, StartError> {
        Ok(directory::is_formatted(self.directory()?)?)
    }

    fn directory(&self) -> Result<&Path, StartError> {
        match &self.memory {
            KeptIn::Directory(path) => Ok(path),
            KeptIn::Process { .. } => Err(StartError::NoDirectory { id: self.id }),
        }
    }

    pub(crate) fn owner(&self) -> Result<Owner, StartError> {
        self.cluster.config(self.id)?;
        Ok(Owner {
            cluster: self.cluster.fingerprint(),
            replica: self.id,
        })
    }
}
