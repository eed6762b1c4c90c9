//! Machines that ran elsewhere go on in an engine: what a recording of them leads to is drawn.

use kvpaxos::{Envelope, Founding, ReplicaId, Role, Time};

use crate::engine::disk::{Disk, Log, SyncRequest};
use crate::engine::host::RoleState;
use crate::engine::machine::Machine;
use crate::engine::observer::{Observer, PacketId};
use crate::engine::pending::Pending;
use crate::engine::state::Engine;

/// A machine that ran elsewhere.
pub(crate) struct Adopted<M: Machine> {
    /// The machine; `None` if its process is down.
    pub(crate) machine: Option<M>,
    /// The time on its clock.
    pub(crate) shown: Time,
    /// What is durable on its disk.
    pub(crate) records: Vec<M::Record>,
    /// Writes that are not, and what waits for them.
    pub(crate) writes: Vec<Unsynced<M>>,
    /// The roles that have failed.
    pub(crate) failed: Vec<Role>,
}

/// A write that waits for its sync.
pub(crate) struct Unsynced<M: Machine> {
    pub(crate) role: Role,
    pub(crate) records: Vec<M::Record>,
    pub(crate) then: Vec<Envelope<M::Message>>,
}

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// The simulated time begins at `now`. No process has started.
    pub(crate) fn begin_at(&mut self, now: Time) {
        self.now = now;
    }

    /// A host goes on with this machine. The sync of its writes begins now.
    pub(crate) fn adopt(&mut self, id: ReplicaId, adopted: Adopted<M>) {
        let Adopted {
            machine,
            shown,
            records,
            writes,
            failed,
        } = adopted;
        let now = self.now;
        let mut log = self.found(id);
        log.append(&records);
        log.synced(log.len());
        log.mark();
        let host = self.host_mut(id);
        host.disk = Disk::new(log);
        host.clock.restart(now, shown);
        host.stepped = shown;
        host.machine = machine;
        let last_write = writes.len() as u64;
        for role in failed {
            *host.role(role) = RoleState::Failed { last_write };
        }
        let mut begins = false;
        for Unsynced { role, records, then } in writes {
            begins |= host.disk.write(role, records, then) == SyncRequest::Begin;
        }
        if begins {
            self.begin_sync(id);
        }
        self.arm(id);
    }

    /// A message between two hosts is on its way, and arrives `at` this time.
    pub(crate) fn on_its_way(
        &mut self,
        [from, to]: [ReplicaId; 2],
        founding: Option<Founding>,
        message: M::Message,
        packet: PacketId,
        at: Time,
    ) {
        let pending = Pending::Message {
            from,
            founding,
            to,
            message,
            packet,
        };
        self.queue.push(at.max(self.now), pending);
    }
}
