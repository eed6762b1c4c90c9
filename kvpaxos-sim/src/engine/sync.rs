//! Syncs of disks: when they begin, what becomes durable when they end, and when the synced position is noted
//! elsewhere.

use kvpaxos::{Micros, ReplicaId, Role};

use crate::engine::disk::SyncRequest;
use crate::engine::host::{Host, RoleState};
use crate::engine::machine::Machine;
use crate::engine::observer::Observer;
use crate::engine::pending::Pending;
use crate::engine::state::Engine;

/// How often the synced position is noted elsewhere while syncs go on, and how long after the last one.
/// `kvpaxos-net` uses the same times.
const RENEWAL: Micros = Micros(200_000);
pub(super) const REST: Micros = Micros(10_000);

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// Whether nothing was written for a while: then everything that is synced is noted elsewhere as synced.
    #[must_use]
    pub fn is_at_rest(&self, id: ReplicaId) -> bool {
        let host = self.host(id);
        host.disk.is_idle() && self.now >= host.synced_at.after(REST)
    }

    pub(super) fn begin_sync(&mut self, id: ReplicaId) {
        let Host { latency, life, .. } = *self.host(id);
        let length = self.decider.sync(id, &latency);
        let at = self.now.after(Micros(length.max(1)));
        self.queue.push(at, Pending::Synced { host: id, life });
    }

    pub(super) fn on_synced(&mut self, id: ReplicaId) {
        if self.host(id).full {
            // The write has failed. The process stops, and what waited for the write is never sent.
            self.crash(id);
            return;
        }
        let now = self.now;
        let mut released = std::mem::take(&mut self.released);
        let Engine { hosts, observer, .. } = self;
        observer.synced(now, id);
        let host = &mut hosts[usize::from(id.0)];
        let disk = &mut host.disk;
        let next = disk.sync_done(|record| observer.durable(now, id, record), &mut released);
        host.synced_at = now;
        if now >= host.marked_at.after(RENEWAL) {
            host.marked_at = now;
            host.disk.mark();
        }
        if next == SyncRequest::Begin {
            self.begin_sync(id);
        }
        for envelope in released.drain(..) {
            self.send(id, envelope);
        }
        self.released = released;
        if next == SyncRequest::Begin && std::mem::take(&mut self.host_mut(id).crash_at_sync) {
            self.crash(id);
            return;
        }
        for role in Role::ALL {
            if matches!(self.role(id, role), RoleState::Restarting { .. }) {
                self.restart_role(id, role, false);
            }
        }
    }
}
