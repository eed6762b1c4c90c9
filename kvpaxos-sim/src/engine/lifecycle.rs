//! What the nemesis or a test can do to hosts: crashes and restarts, failing roles, damaged and full disks,
//! pauses, wrong clocks.

use kvpaxos::{ClientId, Event, Memory, Micros, ReplicaId, Role, Time};

use crate::engine::decider::{Decision, FileDecider, Stream};
use crate::engine::digest::EntryKind;
use crate::engine::disk::{Damage, DamageOutcome, Disk};
use crate::engine::host::{Arrival, Host, RoleState};
use crate::engine::latency::Table;
use crate::engine::machine::Machine;
use crate::engine::node::Node;
use crate::engine::observer::{Loss, Misbehaviour, Observer};
use crate::engine::state::Engine;

/// What the nemesis or a test can do to hosts.
impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// Starts a process that is down. It finds the records of its disk or, if `lost`, an empty disk that
    /// replaces a lost one. Until a record is durable on that disk, every later start finds its memory lost
    /// as well. Nothing happens if the process runs.
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
        // Before the first step: the crash may have come between a sync and the note of it.
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

    /// Crashes a process. An arbitrary part of what was not synced is lost. Nothing happens if the process is
    /// down.
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
        let backlog = std::mem::take(&mut host.backlog);
        host.armed = None;
        let (left, lost) = host.disk.crash(surviving, &mut decider);
        for arrival in backlog {
            if let Arrival::Input(_, Some(packet)) = arrival {
                self.observer.lost(now, packet, Loss::Down);
            }
        }
        self.observer.crashed(now, id, left.as_deref(), lost);
        self.add_to_digest(EntryKind::Crash, [now.0, id.0.into(), surviving as u64]);
        for client in 0..Node::CLIENTS {
            self.break_connection(client, id);
        }
    }

    /// Formats the disk of a process that is down, as if its machine had never run. This is the mistake of an
    /// operator who formats a directory instead of recovering it. Nothing happens if the process runs.
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

    /// Damages synced data on the disk of a process that is down. Returns whether the memory is lost by that.
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

    /// Loses the last synced records of a process that is down, and leaves no trace of them: the process
    /// takes the rest for the whole log. Returns how many records are lost. A log can detect such a loss only
    /// below the position that was noted elsewhere as synced; [`kvpaxos::agreement`] describes what replicas
    /// do about the rest.
    pub fn lose_silently(&mut self, id: ReplicaId, records: usize) -> usize {
        let host = self.host_mut(id);
        let gone = if host.machine.is_some() {
            0
        } else {
            host.disk.lose_silently(records)
        };
        self.add_to_digest(EntryKind::LoseUnnoticed, [self.now.0, id.0.into(), gone as u64]);
        gone
    }

    /// Fills a disk, or makes room again. A process stops when a write fails on a full disk.
    pub fn set_full(&mut self, id: ReplicaId, full: bool) {
        self.host_mut(id).full = full;
        self.add_to_digest(EntryKind::SetFull, [self.now.0, id.0.into(), full.into()]);
    }

    /// Makes a process crash at the end of the next sync during which more was written, or takes that back.
    pub fn set_crash_at_sync(&mut self, id: ReplicaId, crash_at_sync: bool) {
        self.host_mut(id).crash_at_sync = crash_at_sync;
        self.add_to_digest(
            EntryKind::CrashAtSync,
            [self.now.0, id.0.into(), crash_at_sync.into()],
        );
    }

    /// Begins or ends to change messages that a host sends: see [`Machine::corrupt`].
    pub fn set_corrupting(&mut self, id: ReplicaId, corrupts: bool) {
        let host = self.host_mut(id);
        host.corrupts = corrupts;
        host.last_sent = None;
        self.add_to_digest(
            EntryKind::SetCorrupting,
            [self.now.0, id.0.into(), corrupts.into()],
        );
    }

    fn host_and_decider(&mut self, id: ReplicaId) -> (&mut Host<M>, FileDecider<'_>) {
        let decider = FileDecider {
            decider: &mut *self.decider,
            replica: id,
        };
        (&mut self.hosts[usize::from(id.0)], decider)
    }

    /// Pauses a process. What arrives meanwhile waits until it is resumed.
    pub fn pause(&mut self, id: ReplicaId) {
        let now = self.now;
        let host = self.host_mut(id);
        let was = std::mem::replace(&mut host.paused, host.machine.is_some());
        if !was && self.host(id).paused {
            self.observer.paused(now, id);
        }
        self.add_to_digest(EntryKind::Pause, [now.0, id.0.into(), 0]);
    }

    /// Resumes a paused process.
    pub fn resume(&mut self, id: ReplicaId) {
        self.add_to_digest(EntryKind::Resume, [self.now.0, id.0.into(), 0]);
        if std::mem::take(&mut self.host_mut(id).paused) {
            self.observer.resumed(self.now, id);
        }
        while let Some(arrival) = self.host_mut(id).backlog.pop_front() {
            self.arrive(id, arrival);
        }
    }

    /// Makes a role of a running process fail. Messages that wait for its writes are never sent. Nothing
    /// happens if the role has failed already.
    pub fn fail_role(&mut self, id: ReplicaId, role: Role) {
        let now = self.now;
        let host = self.host_mut(id);
        if host.machine.is_none() || host.paused || *host.role(role) != RoleState::Running {
            return;
        }
        let last_write = host.disk.fail(role);
        *host.role(role) = RoleState::Failed { last_write };
        self.add_to_digest(EntryKind::FailRole, [now.0, id.0.into(), role as u64]);
        self.observer.role_failed(now, id, role);
        self.step(id, Event::Fail(role));
    }

    /// Restarts a failed role. A role that keeps its memory waits until every write of its earlier life has
    /// settled.
    pub fn restart_role(&mut self, id: ReplicaId, role: Role, lost: bool) {
        let now = self.now;
        let host = self.host_mut(id);
        let (RoleState::Failed { last_write } | RoleState::Restarting { last_write }) = *host.role(role)
        else {
            return;
        };
        if host.machine.is_none() || host.paused {
            return;
        }
        if !lost && !host.disk.has_settled(last_write) {
            *host.role(role) = RoleState::Restarting { last_write };
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

    /// Whether a write of the role waits for a sync.
    #[must_use]
    pub fn has_write_under_way(&self, id: ReplicaId, role: Role) -> bool {
        self.host(id).disk.has_waiting(role)
    }

    /// Tells a replica that its connection to a client is gone.
    pub fn hang_up(&mut self, id: ReplicaId, client: u32) {
        let client = ClientId(client.into());
        self.arrive(id, Arrival::Input(Event::ClientGone { client }, None));
    }

    /// Tells a process that it is to stop soon.
    pub fn hand_over(&mut self, id: ReplicaId) {
        self.add_to_digest(EntryKind::HandOver, [self.now.0, id.0.into(), 0]);
        self.arrive(id, Arrival::Input(Event::HandOver, None));
    }

    /// Sets the speed of a clock, in local microseconds per million simulated ones.
    pub fn set_speed(&mut self, id: ReplicaId, speed: u64) {
        let now = self.now;
        self.host_mut(id).clock.set_speed(now, speed);
        self.add_to_digest(EntryKind::SetSpeed, [now.0, id.0.into(), speed]);
        self.arm(id);
    }

    /// Makes a clock jump forward.
    pub fn jump_clock(&mut self, id: ReplicaId, length: Micros) {
        let now = self.now;
        self.host_mut(id).clock.jump(length);
        self.add_to_digest(EntryKind::JumpClock, [now.0, id.0.into(), length.0]);
        self.arm(id);
    }

    /// Sets how long syncs take that begin from now on.
    pub fn set_latency(&mut self, id: ReplicaId, latency: Table) {
        self.host_mut(id).latency = latency;
    }
}
