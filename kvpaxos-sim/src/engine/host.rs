//! A host: one machine with its process, disk and clock.

use std::collections::VecDeque;

use kvpaxos::{Role, Time};

use crate::engine::clock::Clock;
use crate::engine::disk::Disk;
use crate::engine::latency::Table;
use crate::engine::machine::{EventOf, Machine};
use crate::engine::observer::PacketId;

/// The state of a role, as the engine sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RoleState {
    /// It runs.
    #[default]
    Running,
    /// It has failed.
    Failed {
        /// The number of its last write before it failed.
        last_write: u64,
    },
    /// It restarts with its memory once every write of its earlier life has settled.
    Restarting {
        /// The number of its last write before it failed.
        last_write: u64,
    },
}

/// One host.
pub(super) struct Host<M: Machine> {
    pub(super) config: M::Config,
    /// `None` while the process is down.
    pub(super) machine: Option<M>,
    /// How often the process has crashed. An event for an earlier life is dropped.
    pub(super) life: u32,
    pub(super) disk: Disk<M::Record, M::Message, M::Log>,
    /// The disk is full.
    pub(super) full: bool,
    /// The process crashes at the end of the next sync during which more was written.
    pub(super) crash_at_sync: bool,
    /// Messages that it sends are changed: see [`Machine::corrupt`].
    pub(super) corrupts: bool,
    /// The last message that was changed, as it was before.
    pub(super) last_sent: Option<M::Message>,
    /// When the last sync ended, and when the synced position was last noted elsewhere.
    pub(super) synced_at: Time,
    pub(super) marked_at: Time,
    /// How long a sync takes.
    pub(super) latency: Table,
    pub(super) clock: Clock,
    /// The local time of the last step. It never goes down within a life.
    pub(super) stepped: Time,
    /// When its next clock event is due, in simulated time.
    pub(super) armed: Option<Time>,
    /// What arrived during a pause.
    pub(super) paused: bool,
    pub(super) backlog: VecDeque<Arrival<M>>,
    pub(super) roles: [RoleState; 3],
}

/// What is delivered to a process.
pub(super) enum Arrival<M: Machine> {
    /// An event, and the packet that brings it.
    Input(EventOf<M>, Option<PacketId>),
    Synced,
}

impl<M: Machine> Host<M> {
    pub(super) fn new(config: M::Config, latency: Table, log: M::Log) -> Host<M> {
        Host {
            config,
            machine: None,
            life: 0,
            disk: Disk::new(log),
            full: false,
            crash_at_sync: false,
            corrupts: false,
            last_sent: None,
            synced_at: Time(0),
            marked_at: Time(0),
            latency,
            clock: Clock::new(Time(0), Time(0)),
            stepped: Time(0),
            armed: None,
            paused: false,
            backlog: VecDeque::new(),
            roles: [RoleState::Running; 3],
        }
    }

    /// The local time for a step at `now`.
    pub(super) fn local(&mut self, now: Time) -> Time {
        self.stepped = self.stepped.max(self.clock.read(now));
        self.stepped
    }

    pub(super) fn role(&mut self, role: Role) -> &mut RoleState {
        &mut self.roles[role as usize]
    }
}
