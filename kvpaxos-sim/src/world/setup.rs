//! What a world is made of and what may happen in it.

use kvpaxos::recovery::answers_needed;
use kvpaxos::types::MAX_REPLICAS;
use kvpaxos::{Config, ConfigError, Limits, Micros, Quorums, ReplicaId, Timing, Update};
use serde::Serialize;

use crate::engine::{Damage, Format, LinkProfile, Node, Table, latency};

/// Everything that is settled before a run begins. The same setup gives the same run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Setup {
    /// Where every decision of the run comes from.
    pub seed: u64,
    /// The replicas.
    pub cluster: Cluster,
    /// How links behave.
    pub links: LinkProfile,
    /// How long a sync takes.
    pub sync: Table,
    /// How logs lie on disks.
    pub format: Format,
    /// No disk outlives its process: whoever stops has lost its memory, and so has a role that fails.
    pub memory_only: bool,
    /// Who asks.
    pub clients: Workload,
    /// What strikes.
    pub faults: Faults,
    /// How long the run is.
    pub length: Length,
}

/// The replicas of a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Cluster {
    /// How many.
    pub replicas: usize,
    /// How many make a quorum.
    pub quorums: Quorums,
    /// When a client may be answered.
    pub update: Update,
    /// Paces and patience.
    pub timing: Timing,
    /// Bounds.
    pub limits: Limits,
}

impl Cluster {
    /// A cluster of majorities with default paces and limits.
    #[must_use]
    pub fn new(replicas: usize) -> Cluster {
        Cluster {
            replicas,
            quorums: Quorums::majority(replicas),
            update: Update::Quorum,
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }

    /// The configuration of one replica.
    ///
    /// # Panics
    /// If there are more replicas than a cluster may have.
    #[must_use]
    pub fn config(&self, id: ReplicaId) -> Config {
        let mut config = Config::new(id, self.replicas);
        config.quorums = self.quorums;
        config.update = self.update;
        config.timing = self.timing;
        config.limits = self.limits;
        config
    }

    /// How many acceptors may be without memory at a time: so many that those that have theirs can make up for it (design 4.9); or,
    /// where the quorum sizes leave no way back, so many that a quorum of both kinds is left without them for good.
    #[must_use]
    pub fn losable(&self) -> usize {
        let Quorums { phase1, phase2 } = self.quorums;
        let kept = answers_needed(self.quorums, self.replicas).unwrap_or(phase1.max(phase2));
        self.replicas
            .checked_sub(kept)
            .expect("a quorum is a part of the cluster")
    }

    /// Whether an acceptor that lost its memory comes back.
    #[must_use]
    pub fn recovers(&self) -> bool {
        answers_needed(self.quorums, self.replicas).is_some()
    }
}

/// The clients of a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Workload {
    /// How many, each with a session of its own.
    pub count: u32,
    /// How many of them, the last ones, speak over connections, as over TCP, and not by datagrams.
    pub connected: u32,
    /// How many operations each may have in flight at once.
    pub lanes: u32,
    /// Over how many keys.
    pub keys: u64,
    /// Values are never repeated; else they are drawn from a handful.
    pub unique: bool,
    /// How often each kind of operation is drawn: put, get, delete, compare-and-swap.
    pub mix: [u32; 4],
    /// Longest pause between two operations.
    pub think: Micros,
    /// How long a client waits for one replica.
    pub attempt: Micros,
    /// How long a client waits in all; every other client waits much longer.
    pub deadline: Micros,
}

impl Workload {
    /// Whether the client of this number speaks over connections.
    #[must_use]
    pub fn is_connected(&self, number: u32) -> bool {
        number < self.count && number >= self.count.saturating_sub(self.connected)
    }
}

impl Workload {
    /// Nobody asks but the test.
    #[must_use]
    pub fn none() -> Workload {
        Workload {
            count: 0,
            ..Workload::some(0)
        }
    }

    /// So many clients that do a bit of everything.
    #[must_use]
    pub fn some(count: u32) -> Workload {
        Workload {
            count,
            connected: 0,
            lanes: 1,
            keys: 4,
            unique: true,
            mix: [4, 4, 1, 2],
            think: Micros(20_000),
            attempt: Micros(400_000),
            deadline: Micros(3_000_000),
        }
    }
}

/// The kinds of faults that the nemesis knows. The numbers are part of every digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum FaultKind {
    /// A process crashes and starts again later.
    Crash = 0,
    /// Every process crashes at once.
    CrashAll = 1,
    /// A process stands still for a while.
    Pause = 2,
    /// A role fails and restarts with its memory.
    FailRole = 3,
    /// A role fails and restarts without its memory.
    LoseMemory = 4,
    /// A process crashes and starts again with an empty disk.
    LoseDisk = 5,
    /// The cluster is cut in two.
    Split = 6,
    /// One replica is cut off from all others.
    Isolate = 7,
    /// One replica's messages leave or arrive, but not both.
    OneWay = 8,
    /// Some pairs of replicas are cut.
    Partial = 9,
    /// All pairs but those of one replica are cut (quorum loss); or the leader hears nobody but that one.
    Hub = 10,
    /// A link comes and goes.
    Flap = 11,
    /// A client is cut off from some replicas.
    CutClient = 12,
    /// A client's connection breaks.
    HangUp = 13,
    /// A clock jumps forward.
    JumpClock = 14,
    /// A clock runs at a wrong speed.
    DriftClock = 15,
    /// A disk becomes slow.
    SlowDisk = 16,
    /// The links of one replica lose and delay most of what passes.
    DegradeLinks = 17,
    /// A process crashes, and a bit of its log is another one when it starts again.
    FlipBit = 18,
    /// A process crashes, and a block, a write or a file of its log is gone when it starts again.
    LoseBlock = 19,
    /// A process crashes, and a block of its log stands in the place of another when it starts again.
    MisdirectWrite = 20,
    /// A process crashes, and a part of its log is as it was before when it starts again.
    StaleBlock = 21,
    /// A disk takes no more bytes: the process stops at its next write, and starts again when there is room.
    FullDisk = 22,
    /// A replica speaks to nobody and hears one other only, and its clock is slow: if it leads, another is elected, and it does not find
    /// out for a while.
    Overtake = 23,
    /// A replica changes the content of the snapshot parts that it sends, or mixes those of two states.
    GarbleParts = 24,
    /// A process crashes at the end of a sync, when more is on its way to the disk.
    CrashAtSync = 25,
    /// A process crashes, and the end of its log is gone when it starts again.
    LoseTail = 26,
}

/// How a kind of fault comes into a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    /// Every run draws about half of these.
    Common,
    /// Some runs draw some of these, which strike files.
    OfFiles,
    /// Some runs draw some of these. They came later, and are drawn last: what else a seed means does not depend on them.
    Added,
    /// Of worlds that are made for it.
    Special,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 27] = [
        FaultKind::Crash,
        FaultKind::CrashAll,
        FaultKind::Pause,
        FaultKind::FailRole,
        FaultKind::LoseMemory,
        FaultKind::LoseDisk,
        FaultKind::Split,
        FaultKind::Isolate,
        FaultKind::OneWay,
        FaultKind::Partial,
        FaultKind::Hub,
        FaultKind::Flap,
        FaultKind::CutClient,
        FaultKind::HangUp,
        FaultKind::JumpClock,
        FaultKind::DriftClock,
        FaultKind::SlowDisk,
        FaultKind::DegradeLinks,
        FaultKind::FlipBit,
        FaultKind::LoseBlock,
        FaultKind::MisdirectWrite,
        FaultKind::StaleBlock,
        FaultKind::FullDisk,
        FaultKind::Overtake,
        FaultKind::GarbleParts,
        FaultKind::CrashAtSync,
        FaultKind::LoseTail,
    ];

    /// What the kind does to what a disk promised to keep.
    #[must_use]
    pub fn damage(self) -> Option<Damage> {
        match self {
            FaultKind::FlipBit => Some(Damage::FlipBit),
            FaultKind::LoseBlock => Some(Damage::LoseBlock),
            FaultKind::MisdirectWrite => Some(Damage::MisdirectWrite),
            FaultKind::StaleBlock => Some(Damage::StaleBlock),
            FaultKind::LoseTail => Some(Damage::LoseTail),
            _ => None,
        }
    }

    pub(crate) fn group(self) -> Group {
        match self {
            FaultKind::Overtake => Group::Special,
            FaultKind::GarbleParts | FaultKind::CrashAtSync | FaultKind::LoseTail => Group::Added,
            FaultKind::FullDisk => Group::OfFiles,
            _ if self.damage().is_some() => Group::OfFiles,
            _ => Group::Common,
        }
    }
}

/// What the nemesis does by itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Faults {
    /// How often each kind strikes, against the others.
    pub weights: Vec<(FaultKind, u32)>,
    /// Longest pause between two faults.
    pub pause: Micros,
    /// Longest life of a fault.
    pub length: Micros,
    /// How many acceptors may be without memory at a time. More than [`Cluster::losable`] is beyond what the protocol can make up
    /// for: then the cluster may refuse to serve, and what it does serve must be right.
    pub losses: usize,
    /// In a hundred: how often the leader is the target rather than anybody.
    pub at_leader: u32,
    /// Every clock runs at a speed of its own, for as long as there are faults.
    pub uneven_clocks: bool,
}

impl Faults {
    /// None.
    #[must_use]
    pub fn none() -> Faults {
        Faults {
            weights: Vec::new(),
            pause: Micros(1_000_000),
            length: Micros(1_000_000),
            losses: 0,
            at_leader: 0,
            uneven_clocks: false,
        }
    }
}

/// How long a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Length {
    /// The phase with faults takes at least so long ...
    pub faults: Micros,
    /// ... and until so many operations were begun ...
    pub operations: u64,
    /// ... and so many events have happened, but at most sixteen times as long.
    pub events: u64,
}

/// One place is the test's own client's.
const MOST_CLIENTS: u32 = Node::CLIENTS - 1;

/// What does not fit in a [`Setup`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SetupError {
    /// The cluster does not fit together.
    #[error("the cluster does not fit together: {0}")]
    Cluster(#[from] ConfigError),
    /// Too many or too few replicas.
    #[error("a cluster has 1 to {MAX_REPLICAS} replicas, not {0}")]
    Replicas(usize),
    /// Too many clients.
    #[error("a world has at most {MOST_CLIENTS} clients, not {0}")]
    Clients(u32),
    /// A number that must be positive is zero.
    #[error("{0} must be at least 1, not 0")]
    Zero(&'static str),
}

impl Setup {
    /// Five replicas on a fair network, no faults, nobody who asks but the test.
    #[must_use]
    pub fn quiet(seed: u64) -> Setup {
        Setup {
            seed,
            cluster: Cluster::new(5),
            links: LinkProfile::lossless(),
            sync: latency::FLASH,
            format: Format::Bytes,
            memory_only: false,
            clients: Workload::none(),
            faults: Faults::none(),
            length: Length {
                faults: Micros(10_000_000),
                operations: 0,
                events: 0,
            },
        }
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// Names the first part that does not, and its value.
    pub fn check(&self) -> Result<(), SetupError> {
        let replicas = self.cluster.replicas;
        if !(1..=MAX_REPLICAS).contains(&replicas) {
            return Err(SetupError::Replicas(replicas));
        }
        self.cluster.config(ReplicaId(0)).check()?;
        if self.clients.count > MOST_CLIENTS {
            return Err(SetupError::Clients(self.clients.count));
        }
        for (name, number) in [
            ("clients.lanes", u64::from(self.clients.lanes)),
            ("clients.keys", self.clients.keys),
            (
                "one weight of clients.mix",
                self.clients.mix.iter().map(|weight| u64::from(*weight)).sum(),
            ),
            ("clients.attempt", self.clients.attempt.0),
            ("clients.deadline", self.clients.deadline.0),
            ("faults.pause", self.faults.pause.0),
            ("faults.length", self.faults.length.0),
        ] {
            if number == 0 {
                return Err(SetupError::Zero(name));
            }
        }
        Ok(())
    }
}
