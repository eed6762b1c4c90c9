//! What can be done to the hosts of an [`Engine`]: crashes, pauses, failing roles, clocks that go wrong.

use kvpaxos::{ClientId, Event, Memory, Micros, ReplicaId, Role, Time};

use crate::engine::decider::{Decision, FileDecider, Stream};
use crate::engine::digest::EntryKind;
use crate::engine::disk::{Damage, DamageOutcome, Disk};
use crate::engine::host::{Arrival, Host, RoleState};
use crate::engine::latency::Table;
use crate::engine::machine::Machine;
use crate::engine::node::Node;
use crate::engine::observer::{Misbehaviour, Observer};
use crate::engine::state::Engine;

/// What a nemesis, or a test, can do to hosts.
impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// Starts a process that is down, with what its disk holds, or (`lost`) with an empty disk that is known to replace one that was lost.
    /// So it is at the next start, too, until a record is durable there. Nothing happens if it runs.
    pub fn start(&mut self, id: ReplicaId, lost: bool) {
        if self.host(id).machine.is_some() {
            return;
        }
        let now = self.now;
        let lost = lost || self.host(id).disk.replaces_lost();
        let stream = Stream::Life(id);
        let entropy = self.decider.entropy(stream);
        let shown = Time(self.decider.below(stream, Decision::ClockStart, 1 << 40));
        let fresh = lost.then(|| self.found(id));
        let Engine { hosts, observer, .. } = self;
        let host = &mut hosts[usize::from(id.0)];
        let kept = if lost { None } else { host.disk.read(0) };
        if let Some(log) = fresh {
            host.disk = Disk::replacing(log);
        } else if kept.is_none() {
            observer.misbehaved(now, id, Misbehaviour::Damaged);
        }
        // Before the first step: a crash may have come between a sync and the mark that says so.
        host.disk.mark();
        host.marked_at = now;
        let records = kept.as_ref().map(Vec::len);
        let memory = kept.map_or(Memory::Lost, Memory::Kept);
        host.clock.restart(now, shown);
        host.stepped = shown;
        host.armed = None;
        host.roles = [RoleState::Running; 3];
        let machine = M::start(&host.config, memory, entropy, shown);
        observer.started(now, id, &machine, records);
        host.machine = Some(machine);
        self.add_to_digest(EntryKind::Start, [now.0, id.0.into(), lost.into()]);
        self.arm(id);
    }

    /// The process is gone, and of what was not synced an arbitrary part. Nothing happens if it is down.
    pub fn crash(&mut self, id: ReplicaId) {
        if self.host(id).machine.is_none() {
            return;
        }
        let unsynced = self.host(id).disk.unsynced();
        let surviving = self
            .decider
            .index(Stream::Disk(id), Decision::SurvivingWrites, unsynced + 1);
        let now = self.now;
        if self.is_at_rest(id) {
            self.host_mut(id).disk.mark();
        }
        self.observer
            .unmarked(now, id, self.hosts[usize::from(id.0)].disk.unmarked());
        let (host, mut decider) = self.host_and_decider(id);
        host.machine = None;
        host.life += 1;
        host.paused = false;
        host.backlog.clear();
        host.armed = None;
        let (left, lost) = host.disk.crash(surviving, &mut decider);
        self.observer.crashed(now, id, left.as_deref(), lost);
        self.add_to_digest(EntryKind::Crash, [now.0, id.0.into(), surviving as u64]);
        for client in 0..Node::CLIENTS {
            self.break_connection(client, id);
        }
    }

    /// The disk of a process that is down is founded anew, as if its machine had never run: what an operator does who formats a directory that
    /// should have been recovered. Nothing happens if it runs.
    pub fn found_anew(&mut self, id: ReplicaId) {
        if self.host(id).machine.is_some() {
            return;
        }
        let now = self.now;
        let log = self.new_log(id);
        self.host_mut(id).disk = Disk::new(log);
        self.add_to_digest(EntryKind::FoundAnew, [now.0, id.0.into(), 0]);
        self.observer.founded_anew(now, id);
    }

    /// A disk damages what was synced, while the process is down; tells whether the memory is lost by that.
    pub fn damage(&mut self, id: ReplicaId, how: Damage) -> bool {
        if self.host(id).machine.is_some() {
            return false;
        }
        let (host, mut decider) = self.host_and_decider(id);
        let outcome = host.disk.damage(how, &mut decider);
        if outcome == DamageOutcome::Undetected {
            self.observer
                .misbehaved(self.now, id, Misbehaviour::DamageUndetected);
        }
        self.add_to_digest(
            EntryKind::Damage,
            [self.now.0, id.0.into(), how as u64 + 8 * (outcome as u64)],
        );
        outcome == DamageOutcome::Detected
    }

    /// A disk loses the last records that it synced, while the process is down, and nothing tells of it: the process will take what is
    /// left for all there was. No log can prevent that within the window that its mark leaves; see [`kvpaxos::agreement`]. Tells how many are
    /// gone.
    pub fn forget(&mut self, id: ReplicaId, records: usize) -> usize {
        let host = self.host_mut(id);
        let gone = if host.machine.is_some() {
            0
        } else {
            host.disk.forget(records)
        };
        self.add_to_digest(EntryKind::LoseUnnoticed, [self.now.0, id.0.into(), gone as u64]);
        gone
    }

    /// The disk of a replica takes no more bytes, or does again. A process whose write fails stops.
    pub fn set_full(&mut self, id: ReplicaId, full: bool) {
        self.host_mut(id).full = full;
        self.add_to_digest(EntryKind::SetFull, [self.now.0, id.0.into(), full.into()]);
    }

    /// The process crashes at the end of the next sync during which more was written, or does not any more.
    pub fn set_crash_at_sync(&mut self, id: ReplicaId, crash_at_sync: bool) {
        self.host_mut(id).crash_at_sync = crash_at_sync;
        self.add_to_digest(
            EntryKind::CrashAtSync,
            [self.now.0, id.0.into(), crash_at_sync.into()],
        );
    }

    /// What a host sends is changed from now on where the protocol has a checksum of its own for it, or is not any more.
    pub fn set_garbling(&mut self, id: ReplicaId, garbles: bool) {
        let host = self.host_mut(id);
        host.garbles = garbles;
        host.last_sent = None;
        self.add_to_digest(EntryKind::SetGarbling, [self.now.0, id.0.into(), garbles.into()]);
    }

    fn host_and_decider(&mut self, id: ReplicaId) -> (&mut Host<M>, FileDecider<'_>) {
        let decider = FileDecider {
            decider: &mut *self.decider,
            replica: id,
        };
        (&mut self.hosts[usize::from(id.0)], decider)
    }

    /// The process stands still until it is resumed; what arrives meanwhile waits.
    pub fn pause(&mut self, id: ReplicaId) {
        let now = self.now;
        let host = self.host_mut(id);
        host.paused = host.machine.is_some();
        self.add_to_digest(EntryKind::Pause, [now.0, id.0.into(), 0]);
    }

    /// The process goes on.
    pub fn resume(&mut self, id: ReplicaId) {
        self.add_to_digest(EntryKind::Resume, [self.now.0, id.0.into(), 0]);
        self.host_mut(id).paused = false;
        while let Some(arrival) = self.host_mut(id).backlog.pop_front() {
            self.arrive(id, arrival);
        }
    }

    /// A role of a running process fails: what waits for its writes is void. Nothing happens if it has failed.
    pub fn fail_role(&mut self, id: ReplicaId, role: Role) {
        let now = self.now;
        let host = self.host_mut(id);
        if host.machine.is_none() || host.paused || *host.role(role) != RoleState::Running {
            return;
        }
        let mark = host.disk.fail(role);
        *host.role(role) = RoleState::Failed { mark };
        self.add_to_digest(EntryKind::FailRole, [now.0, id.0.into(), role as u64]);
        self.observer.role_failed(now, id, role);
        self.step(id, Event::Fail(role));
    }

    /// A failed role starts again. With its memory kept it waits until every write of its earlier life has settled.
    pub fn restart_role(&mut self, id: ReplicaId, role: Role, lost: bool) {
        let now = self.now;
        let host = self.host_mut(id);
        let (RoleState::Failed { mark } | RoleState::Restarting { mark }) = *host.role(role) else {
            return;
        };
        if host.machine.is_none() || host.paused {
            return;
        }
        if !lost && !host.disk.has_settled(mark) {
            *host.role(role) = RoleState::Restarting { mark };
            return;
        }
        *host.role(role) = RoleState::Running;
        let unsynced = host.disk.unsynced();
        let visible = self
            .decider
            .index(Stream::Disk(id), Decision::VisibleWrites, unsynced + 1);
        let entropy = self.decider.entropy(Stream::Life(id));
        let kept = if lost {
            None
        } else {
            self.host(id).disk.read(visible)
        };
        let memory = kept.map_or(Memory::Lost, Memory::Kept);
        self.add_to_digest(
            EntryKind::RestartRole,
            [now.0, id.0.into(), role as u64 + 4 * u64::from(lost)],
        );
        self.observer.role_restarting(now, id, role, lost);
        let event = Event::Restart {
            role,
            memory,
            entropy,
        };
        self.step(id, event);
        let Engine { hosts, observer, .. } = self;
        if let Some(machine) = &hosts[usize::from(id.0)].machine {
            observer.role_restarted(now, id, role, machine);
        }
    }

    /// Whether a write of the role is on its way to the disk.
    #[must_use]
    pub fn has_write_under_way(&self, id: ReplicaId, role: Role) -> bool {
        self.host(id).disk.has_waiting(role)
    }

    /// The connection between a replica and a client is gone: the replica hears of it.
    pub fn hang_up(&mut self, id: ReplicaId, client: u32) {
        let client = ClientId(client.into());
        self.arrive(id, Arrival::Input(Event::ClientGone { client }));
    }

    /// The clock of a replica runs at this speed from now on (a million is right).
    pub fn set_speed(&mut self, id: ReplicaId, speed: u64) {
        let now = self.now;
        self.host_mut(id).clock.set_speed(now, speed);
        self.add_to_digest(EntryKind::SetSpeed, [now.0, id.0.into(), speed]);
        self.arm(id);
    }

    /// The clock of a replica jumps forward.
    pub fn jump_clock(&mut self, id: ReplicaId, length: Micros) {
        let now = self.now;
        self.host_mut(id).clock.jump(length);
        self.add_to_digest(EntryKind::JumpClock, [now.0, id.0.into(), length.0]);
        self.arm(id);
    }

    /// Syncs of a replica take so long from now on.
    pub fn set_latency(&mut self, id: ReplicaId, latency: Table) {
        self.host_mut(id).latency = latency;
    }
}
