//! Talks to a running replica.

use kvpaxos::{ReplicaId, Role, Status};
use tokio::sync::{mpsc, oneshot};

use crate::replica::inbox::{Control, Remembers};

/// Talks to a running replica; as many as are wanted.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    pub(crate) id: ReplicaId,
    pub(crate) spare: usize,
    pub(crate) keeps_records: bool,
    pub(crate) controls: mpsc::Sender<Control>,
}

impl NodeHandle {
    /// Which replica it is.
    #[must_use]
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// How many acceptors of the cluster may be without memory at once, so that each gets it back from the others.
    #[must_use]
    pub fn spare_memories(&self) -> usize {
        self.spare
    }

    /// Whether what it promised and accepted outlives its roles and its process.
    #[must_use]
    pub fn keeps_records(&self) -> bool {
        self.keeps_records
    }

    /// Lets a role fail on purpose: its memory is gone, and it hears nothing until it restarts.
    pub async fn fail(&self, role: Role) {
        self.control(Control::Fail(role)).await;
    }

    /// Lets a role that has failed start again.
    pub async fn restart(&self, role: Role, remembers: Remembers) {
        self.control(Control::Restart(role, remembers)).await;
    }

    /// What the replica knows of itself and its peers; `None` if it has stopped.
    pub async fn status(&self) -> Option<Status> {
        let (answer, status) = oneshot::channel();
        self.control(Control::Status(answer)).await;
        status.await.ok()
    }

    pub(crate) async fn control(&self, control: Control) {
        // A replica that has stopped has no roles to fail.
        let _ = self.controls.send(control).await;
    }
}
