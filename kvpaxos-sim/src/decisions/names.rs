//! Names of what a run decides: a message by its link, kind and count; a sync by its disk and count; any
//! other draw by its fault, its replica and what it decides.

use std::fmt;

use kvpaxos::ReplicaId;

use crate::engine::{Choice, Decision, Label, Node, Stream};

/// The name of a message: for instance the third `Accept` of slot 7 from r0 to r2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageName {
    /// The sender.
    pub from: Node,
    /// The receiver.
    pub to: Node,
    /// The kind of the message, and what it is about.
    pub label: Label,
    /// It is so many of these messages on this link, counted from 1.
    pub count: u32,
}

impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageName {
            from,
            to,
            label,
            count,
        } = self;
        write!(f, "{from}->{to} {label} #{count}")
    }
}

/// The name of a sync: for instance the third one of r1's disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SyncName {
    /// The replica whose disk syncs.
    pub id: ReplicaId,
    /// Counted from 1.
    pub count: u32,
}

impl fmt::Display for SyncName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.id, self.count)
    }
}

/// The name of any other draw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DrawName {
    /// The number of the fault that begins or ends; `None` if the draw belongs to no fault.
    pub fault: Option<u32>,
    /// The replica, if the draw concerns one.
    pub id: Option<ReplicaId>,
    /// What is decided.
    pub what: Draw,
    /// Counted from 1.
    pub count: u32,
}

impl fmt::Display for DrawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Some(fault) => write!(f, "fault {fault} ")?,
            None => f.write_str("- ")?,
        }
        match self.id {
            Some(id) => write!(f, "{id} ")?,
            None => f.write_str("- ")?,
        }
        write!(f, "{} #{}", self.what.word(), self.count)
    }
}

/// What such a draw decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Draw {
    /// How much of what was not synced survives a crash.
    SurvivingWrites,
    /// Before which operation on its files a process crashes.
    CrashPoint,
    /// Whether a file name that was not synced is present after a crash.
    UnsyncedName,
    /// Whether sectors of what was not synced are missing after a crash, and which.
    TornSector,
    /// The kind of damage, and its place.
    Damage,
    /// How much of what is not synced a restarting role reads.
    VisibleWrites,
    /// How the content of a message is changed.
    Corruption,
    /// When a client notices that its connection broke.
    HangUpDelay,
    /// Which replicas heal for good, and what stays wrong with the others.
    Healed,
    /// The number that identifies a log which replaces a lost one. By default it comes from the seed.
    LogNumber,
}

impl Draw {
    /// All of them.
    pub const ALL: [Draw; 10] = [
        Draw::SurvivingWrites,
        Draw::CrashPoint,
        Draw::UnsyncedName,
        Draw::TornSector,
        Draw::Damage,
        Draw::VisibleWrites,
        Draw::Corruption,
        Draw::HangUpDelay,
        Draw::Healed,
        Draw::LogNumber,
    ];

    /// Its word in scenario files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Draw::SurvivingWrites => "surviving-writes",
            Draw::CrashPoint => "crash-point",
            Draw::UnsyncedName => "unsynced-name",
            Draw::TornSector => "torn-sector",
            Draw::Damage => "damage",
            Draw::VisibleWrites => "visible-writes",
            Draw::Corruption => "corruption",
            Draw::HangUpDelay => "hang-up-delay",
            Draw::Healed => "healed",
            Draw::LogNumber => "log-number",
        }
    }

    /// The draw for this decision; `None` for decisions that a scenario holds in another form (calls, faults,
    /// messages, syncs), and for the random bits of processes, which always come from the seed.
    pub(crate) fn of(choice: &Choice<'_>) -> Option<Draw> {
        match choice.decision {
            Decision::Entropy if matches!(choice.stream, Stream::Disk(_)) => Some(Draw::LogNumber),
            Decision::SurvivingWrites => Some(Draw::SurvivingWrites),
            Decision::CrashPoint => Some(Draw::CrashPoint),
            Decision::UnsyncedName => Some(Draw::UnsyncedName),
            Decision::TornSector => Some(Draw::TornSector),
            Decision::Damage => Some(Draw::Damage),
            Decision::VisibleWrites => Some(Draw::VisibleWrites),
            Decision::Corruption => Some(Draw::Corruption),
            Decision::HangUpDelay => Some(Draw::HangUpDelay),
            Decision::Healed => Some(Draw::Healed),
            Decision::Setup(_)
            | Decision::Drop
            | Decision::Duplicate
            | Decision::Delay
            | Decision::SyncLatency
            | Decision::Entropy
            | Decision::ClockStart
            | Decision::FaultPause
            | Decision::FaultMoment
            | Decision::FaultKind
            | Decision::FaultTarget
            | Decision::FaultLength
            | Decision::FaultDetail
            | Decision::Operation
            | Decision::Key
            | Decision::Value
            | Decision::Think => None,
        }
    }
}

/// The replica that a stream belongs to.
pub(crate) fn owner(stream: Stream) -> Option<ReplicaId> {
    match stream {
        Stream::Disk(id) | Stream::Life(id) | Stream::Files(id) => Some(id),
        Stream::Link(from, _) => from.as_replica(),
        Stream::Setup | Stream::Nemesis | Stream::Moments | Stream::Healing | Stream::Client(_) => None,
    }
}
