//! The handle to a running replica.

use std::sync::Arc;

use kvpaxos::{ReplicaId, Role, Status};
use tokio::sync::{mpsc, oneshot};

use crate::chaos::ports::ChaosPorts;
use crate::replica::inbox::{Control, RestartMemory};

/// A handle to a running replica. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    pub(crate) id: ReplicaId,
    pub(crate) spare: usize,
    pub(crate) keeps_records: bool,
    pub(crate) controls: mpsc::Sender<Control>,
    pub(crate) chaos: Arc<ChaosPorts>,
}

impl NodeHandle {
    /// The id of the replica.
    #[must_use]
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// How many acceptors of the cluster may be without memory at once, so that each can get it back from the
    /// others.
    #[must_use]
    pub fn spare_memories(&self) -> usize {
        self.spare
    }

    /// Whether the replica keeps a log: then what it promised and accepted outlives its roles and its
    /// process.
    #[must_use]
    pub fn keeps_records(&self) -> bool {
        self.keeps_records
    }

    /// Makes a role fail: it stops, and loses what it has in memory, until it is
    /// [restarted](NodeHandle::restart). Does nothing if the replica has stopped.
    pub async fn fail(&self, role: Role) {
        self.control(Control::Fail(role)).await;
    }

    /// Restarts a role that has failed. Does nothing if the replica has stopped.
    pub async fn restart(&self, role: Role, memory: RestartMemory) {
        self.control(Control::Restart(role, memory)).await;
    }

    /// Returns what the replica knows of itself and its peers; `None` if it has stopped.
    pub async fn status(&self) -> Option<Status> {
        let (answer, status) = oneshot::channel();
        self.control(Control::Status(answer)).await;
        status.await.ok()
    }

    pub(crate) async fn control(&self, control: Control) {
        // A replica that has stopped needs no more requests.
        let _ = self.controls.send(control).await;
    }
}
