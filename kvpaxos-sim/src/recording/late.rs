//! A replica of a script that goes on from a checkpoint: its recording begins in the middle of a life.
//!
//! It is executed from there in every candidate and every future, as it is when its recording is read. The checkpoint has the
//! state of the replica, and what waits for its disk. What is on the disk it does not say: that is known if the memory of a
//! later start or restart shows it.

use std::sync::Arc;

use kvpaxos::recording::{Checkpoint, Header};
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use kvpaxos::{Record, Role, Status};

use super::execution::Execution;
use super::memory::tell_resumed;
use super::play::{Machine, Play};
use super::script::{Item, Late, What};
use super::tracks::Track;

impl Play {
    /// A replica goes on from a checkpoint. `None` if it has begun, or the checkpoint is not that of a replica.
    pub(super) fn resume(&mut self, item: &Item, header: usize, from: &Arc<Late>) -> Option<What> {
        let id = item.replica;
        let has_begun = |machine: &Machine| machine.execution.is_some();
        if self.machines.get(&id).is_some_and(has_begun) {
            return None;
        }
        let own = Header {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            ..self.headers.get(header)?.clone()
        };
        let read = || {
            let checkpoint = Checkpoint::decode(&from.checkpoint).ok()?;
            Execution::resume(&own, checkpoint, from.digest).ok()
        };
        let execution = from.begun.get(read)?;
        let at = execution.at();
        let (_, undurable) = execution.writes().clone().into_parts();
        let undurable: Vec<Record> = undurable.into_iter().map(|(_, record)| record).collect();

        let machine = self.machines.entry(id).or_default();
        machine.disk.resume(from.log.as_deref(), &undurable);
        // When they failed is not known. What they wrote before is among this.
        let written = machine.disk.records().len();
        let failed = failed_in(&execution.replica().status());
        machine.failed = failed.into_iter().map(|role| (role, written)).collect();
        machine.track = self
            .files
            .is_some()
            .then(|| Track::resume(&own, &from.checkpoint, from.digest));
        let headers = self.headers.iter().filter(|other| other.config.id == id);
        let first = headers.map(|other| other.life).min().unwrap_or(own.life);
        machine.lives = own.life - first + 1;
        machine.header = Some(own);
        machine.item = item.id;
        machine.last = at;
        self.begin(id, item.at);

        let now = self.now;
        tell_resumed(&mut self.audit, now, id, execution.replica());
        self.machines.get_mut(&id)?.execution = Some(execution);
        Some(What::Resume {
            header,
            from: Arc::clone(from),
        })
    }
}

/// The roles of a replica that have failed.
fn failed_in(status: &Status) -> Vec<Role> {
    let failed = [
        (Role::Proposer, status.proposer == ProposerStatus::Failed),
        (Role::Acceptor, status.acceptor == AcceptorStatus::Failed),
        (Role::Learner, status.learner == LearnerStatus::Failed),
    ];
    let failed = failed.into_iter().filter(|(_, has_failed)| *has_failed);
    failed.map(|(role, _)| role).collect()
}
