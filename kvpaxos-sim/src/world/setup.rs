//! What a world consists of, and what may happen in it.

use kvpaxos::recovery::answers_needed;
use kvpaxos::types::MAX_REPLICAS;
use kvpaxos::{Config, ConfigError, Limits, Micros, Quorums, ReplicaId, Time, Timing, Update};
use serde::{Deserialize, Serialize};

use crate::engine::{Damage, Format, LinkProfile, Node, Table, latency};
use crate::subject::Mutated;
use crate::world::moments::Moment;

/// Everything that is fixed before a run begins. The same setup gives the same run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The seed of all decisions of the run.
    pub seed: u64,
    /// The replicas.
    pub cluster: Cluster,
    /// What the replicas do wrong, if they are [mutants](crate::mutants). A scenario holds the name of the mutant instead.
    #[serde(skip)]
    pub mutated: Option<Mutated>,
    /// The profile of links.
    pub links: LinkProfile,
    /// The replicas and clients are spread over so many regions, one after the other. The distance between two regions
    /// adds to the delay of each message: see [`regions`](crate::engine::regions).
    pub regions: usize,
    /// The latency of syncs.
    pub sync: Table,
    /// The format of logs on disks.
    pub format: Format,
    /// Disks do not survive their processes: a process that stops loses its memory, and so does a role that
    /// fails.
    pub memory_only: bool,
    /// The clients.
    pub clients: Workload,
    /// The faults.
    pub faults: Faults,
    /// The length of the run.
    pub length: Length,
}

/// The replicas of a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// The number of replicas.
    pub replicas: usize,
    /// The sizes of quorums.
    pub quorums: Quorums,
    /// When a write is acknowledged.
    pub update: Update,
    /// The timing of replicas.
    pub timing: Timing,
    /// The limits of replicas.
    pub limits: Limits,
}

impl Cluster {
    /// A cluster with majority quorums, default timing and default limits.
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

    /// How many acceptors may lack their memory at a time. Where an acceptor can recover its memory, enough
    /// others must have theirs to answer it: see [`kvpaxos::recovery`]. Where the quorum sizes leave no way
    /// to recover, the others must be a quorum of both phases for good.
    #[must_use]
    pub fn losable(&self) -> usize {
        let Quorums { phase1, phase2 } = self.quorums;
        let kept = answers_needed(self.quorums, self.replicas).unwrap_or(phase1.max(phase2));
        self.replicas
            .checked_sub(kept)
            .expect("a quorum has no more members than the cluster")
    }

    /// Whether the quorum sizes let an acceptor recover its memory.
    #[must_use]
    pub fn recovers(&self) -> bool {
        answers_needed(self.quorums, self.replicas).is_some()
    }
}

/// What the clients of a world do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// The number of clients, each with a session of its own.
    pub count: u32,
    /// How many of them, the last ones, use connections, as over TCP. The others use datagrams.
    pub connected: u32,
    /// How many operations each client may have in flight.
    pub lanes: u32,
    /// The number of keys.
    pub keys: u64,
    /// Whether each value is written once only; otherwise values are drawn from four.
    pub unique: bool,
    /// The weights of operations: put, get, delete, compare-and-swap.
    pub mix: [u32; 4],
    /// How many operations of a hundred concern several keys, or keys that such operations share. These keys
    /// are others than those of the mix.
    pub shared: u32,
    /// The number of keys that such operations share. With many of them the store has several buckets.
    pub shared_keys: u64,
    /// How many operations of a hundred concern the first key, whatever they would have concerned otherwise.
    pub hot: u32,
    /// Values have up to so many bytes more than they need.
    pub value_bytes: usize,
    /// How many operations of a hundred add to a counter, which is a key that they share.
    pub counters: u32,
    /// All clients begin their operations in the first eighth of each period of this length; 0 if at any time.
    pub burst: Micros,
    /// The longest pause between two operations.
    pub think: Micros,
    /// How long a client waits for one replica.
    pub attempt: Micros,
    /// How long a client waits for the end of a call. Every other client waits much longer.
    pub deadline: Micros,
}

impl Workload {
    /// Whether the client of this number uses connections.
    #[must_use]
    pub fn is_connected(&self, number: u32) -> bool {
        number < self.count && number >= self.count.saturating_sub(self.connected)
    }

    /// When a client begins an operation that it would begin at this time, if all begin theirs in bursts.
    #[must_use]
    pub(crate) fn in_burst(&self, at: Time) -> Time {
        let Some(into) = at.0.checked_rem(self.burst.0) else {
            return at;
        };
        if into < self.burst.0.div_ceil(8) {
            return at;
        }
        Time(at.0 - into + self.burst.0)
    }
}

impl Workload {
    /// No clients but that of the test.
    #[must_use]
    pub fn none() -> Workload {
        Workload {
            count: 0,
            ..Workload::some(0)
        }
    }

    /// So many clients with operations of all kinds.
    #[must_use]
    pub fn some(count: u32) -> Workload {
        Workload {
            count,
            connected: 0,
            lanes: 1,
            keys: 4,
            unique: true,
            mix: [4, 4, 1, 2],
            shared: 0,
            shared_keys: 4,
            hot: 0,
            value_bytes: 0,
            counters: 0,
            burst: Micros(0),
            think: Micros(20_000),
            attempt: Micros(400_000),
            deadline: Micros(3_000_000),
        }
    }
}

/// The kinds of faults that the nemesis knows. The numbers are part of every digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum FaultKind {
    /// A process crashes and starts again later.
    Crash = 0,
    /// Every process crashes at once.
    CrashAll = 1,
    /// A process is paused.
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
    /// Messages of one replica leave or arrive, but not both.
    OneWay = 8,
    /// Some pairs of replicas are cut.
    Partial = 9,
    /// All pairs are cut but those with one replica (quorum loss).
    Hub = 10,
    /// A link is cut and mended in turn.
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
    /// The links of one replica lose and delay most messages.
    DegradeLinks = 17,
    /// A process crashes, and a bit of its log is flipped.
    FlipBit = 18,
    /// A process crashes, and a block, a write or a file of its log is lost.
    LoseBlock = 19,
    /// A process crashes, and a block of its log was written to the place of another one.
    MisdirectWrite = 20,
    /// A process crashes, and a part of its log is as it was earlier.
    StaleBlock = 21,
    /// A disk is full: the process stops at its next sync, and starts again when there is room.
    FullDisk = 22,
    /// Messages of one replica do not leave, it hears one other only, and its clock is slow. If it leads,
    /// another replica is elected, and it does not notice for a while.
    Overtake = 23,
    /// A replica changes the content of the snapshot parts that it sends, or mixes parts of two states.
    CorruptParts = 24,
    /// A process crashes at the end of a sync, while more writes wait.
    CrashAtSync = 25,
    /// A process crashes, and the end of its log is lost.
    LoseTail = 26,
    /// A process hears that it is to stop, hands leadership over, stops later, and starts again.
    OrderlyStop = 27,
}

/// How a kind of fault is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    /// Every run draws about half of these kinds.
    Common,
    /// Some runs draw some of these kinds, which damage files.
    OfFiles,
    /// Some runs draw some of these kinds. They were added later and are drawn last, so that they change
    /// nothing else in what a seed draws.
    Added,
    /// Some runs draw this kind, after everything else.
    Last,
    /// Only worlds that are made for it have this kind.
    Special,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 28] = [
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
        FaultKind::CorruptParts,
        FaultKind::CrashAtSync,
        FaultKind::LoseTail,
        FaultKind::OrderlyStop,
    ];

    /// The damage that this kind does to synced data, if it does any.
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
            FaultKind::CorruptParts | FaultKind::CrashAtSync | FaultKind::LoseTail => Group::Added,
            FaultKind::OrderlyStop => Group::Last,
            FaultKind::FullDisk => Group::OfFiles,
            _ if self.damage().is_some() => Group::OfFiles,
            _ => Group::Common,
        }
    }
}

/// What the nemesis does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Faults {
    /// The weight of each kind.
    pub weights: Vec<(FaultKind, u32)>,
    /// After how many of a hundred moments of each kind the replica crashes, or one of its roles does.
    pub moments: Vec<(Moment, u32)>,
    /// The longest pause between two faults.
    pub pause: Micros,
    /// The longest duration of a fault.
    pub length: Micros,
    /// How many acceptors may lack their memory at a time. With more than [`Cluster::losable`] the cluster
    /// may refuse service, but any answer it still gives must be correct.
    pub losses: usize,
    /// How often the leader is the target, in percent, unless the fault follows a moment. Otherwise any replica is.
    pub at_leader: u32,
    /// During the phase with faults every clock has a wrong speed of its own.
    pub uneven_clocks: bool,
}

impl Faults {
    /// No faults.
    #[must_use]
    pub fn none() -> Faults {
        Faults {
            weights: Vec::new(),
            moments: Vec::new(),
            pause: Micros(1_000_000),
            length: Micros(1_000_000),
            losses: 0,
            at_leader: 0,
            uneven_clocks: false,
        }
    }
}

impl Faults {
    /// Whether the world is made for special faults, and needs all else as it is.
    #[must_use]
    pub(crate) fn are_special(&self) -> bool {
        let mut kinds = self.weights.iter();
        kinds.any(|(kind, _)| kind.group() == Group::Special)
    }

    /// After how many of a hundred moments of this kind a crash follows.
    #[must_use]
    pub(crate) fn after(&self, moment: Moment) -> u32 {
        let mut moments = self.moments.iter();
        moments
            .find(|(one, _)| *one == moment)
            .map_or(0, |(_, percent)| *percent)
    }
}

/// The length of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Length {
    /// The least duration of the phase with faults. It is extended, up to sixteen times, until there were
    /// enough operations and events.
    pub faults: Micros,
    /// The least number of operations in that phase.
    pub operations: u64,
    /// The least number of events in that phase.
    pub events: u64,
}

/// One client is reserved for the calls of tests.
const MOST_CLIENTS: u32 = Node::CLIENTS - 1;

/// Why a [`Setup`] is not valid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SetupError {
    /// The configuration of the cluster is not valid.
    #[error("the configuration of the cluster is not valid: {0}")]
    Cluster(#[from] ConfigError),
    /// Too many or too few replicas.
    #[error("a cluster has 1 to {MAX_REPLICAS} replicas, not {0}")]
    Replicas(usize),
    /// Too many clients.
    #[error("a world has at most {MOST_CLIENTS} clients, not {0}")]
    Clients(u32),
    /// More than all moments.
    #[error("faults.moments: a crash follows at most 100 of a hundred moments, not {1} (of {0:?})")]
    Percent(Moment, u32),
    /// A number that must be positive is zero.
    #[error("{0} must be at least 1, not 0")]
    Zero(&'static str),
}

impl Setup {
    /// Five replicas on a good network, without faults, and no client but that of the test.
    #[must_use]
    pub fn quiet(seed: u64) -> Setup {
        Setup {
            seed,
            cluster: Cluster::new(5),
            mutated: None,
            links: LinkProfile::lossless(),
            regions: 1,
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

    /// Checks that the setup is valid.
    ///
    /// # Errors
    /// The first part that is not valid, with its value.
    pub fn check(&self) -> Result<(), SetupError> {
        let replicas = self.cluster.replicas;
        if !(1..=MAX_REPLICAS).contains(&replicas) {
            return Err(SetupError::Replicas(replicas));
        }
        self.cluster.config(ReplicaId(0)).check()?;
        if self.clients.count > MOST_CLIENTS {
            return Err(SetupError::Clients(self.clients.count));
        }
        if let Some((moment, percent)) = self.faults.moments.iter().find(|(_, percent)| *percent > 100) {
            return Err(SetupError::Percent(*moment, *percent));
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
