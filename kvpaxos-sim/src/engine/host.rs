//! What holds one machine: its process, its disk, its clock, and what waits for it.

use std::collections::VecDeque;

use kvpaxos::{Role, Time};

use crate::engine::clock::Clock;
use crate::engine::disk::Disk;
use crate::engine::latency::Table;
use crate::engine::machine::{EventOf, Machine};

/// A role as the world knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RoleState {
    /// It runs.
    #[default]
    Running,
    /// It failed; its last write has this mark.
    Failed {
        /// See [`Disk::has_settled`].
        mark: u64,
    },
    /// It restarts with its memory as soon as every write up to the mark has settled.
    Restarting {
        /// See [`Disk::has_settled`].
        mark: u64,
    },
}

/// One host.
pub(super) struct Host<M: Machine> {
    pub(super) config: M::Config,
    /// `None` while the process is down.
    pub(super) machine: Option<M>,
    /// Counts the lives of the process: what was addressed to an earlier one is void.
    pub(super) life: u32,
    pub(super) disk: Disk<M::Record, M::Message, M::Log>,
    /// The disk takes no more bytes.
    pub(super) full: bool,
    /// The process crashes at the end of the next sync during which more was written.
    pub(super) crash_at_sync: bool,
    /// What it sends may be changed: see [`Machine::garble`].
    pub(super) garbles: bool,
    /// The last message of those that may be changed, as it was.
    pub(super) last_sent: Option<M::Message>,
    /// When a sync was last done, and when that was last noted elsewhere.
    pub(super) synced_at: Time,
    pub(super) marked_at: Time,
    /// How long a sync takes.
    pub(super) latency: Table,
    pub(super) clock: Clock,
    /// The local time of the last step: never goes down in a life.
    pub(super) stepped: Time,
    /// When its next clock event is due, in the world's time.
    pub(super) armed: Option<Time>,
    /// While paused, what arrives waits here.
    pub(super) paused: bool,
    pub(super) backlog: VecDeque<Arrival<M>>,
    pub(super) roles: [RoleState; 3],
}

/// What arrives at a running process.
pub(super) enum Arrival<M: Machine> {
    Input(EventOf<M>),
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
            garbles: false,
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

    /// The local time for a step.
    pub(super) fn local(&mut self, now: Time) -> Time {
        self.stepped = self.stepped.max(self.clock.read(now));
        self.stepped
    }

    pub(super) fn role(&mut self, role: Role) -> &mut RoleState {
        &mut self.roles[role as usize]
    }
}
