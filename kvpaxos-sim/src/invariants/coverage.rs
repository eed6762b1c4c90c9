//! Coverage: situations that must occur in some runs of a sweep.
//!
//! An invariant that holds proves little if the situation that endangers it never occurred. Each such
//! situation has a name here, each run counts how often it occurred, and a sweep of enough seeds fails if one
//! never did. (Antithesis and FoundationDB call these *sometimes assertions*.)

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::turns::{Turn, Turns};

macro_rules! situations {
    ($($(#[doc = $doc:literal])* $name:ident = $says:literal,)*) => {
        /// A situation that must occur in some runs of a sweep.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Sometimes { $($(#[doc = $doc])* $name,)* }

        impl Sometimes {
            /// Every situation, in the order in which reports print them.
            pub const ALL: &'static [Sometimes] = &[$(Sometimes::$name,)*];

            /// The situation in a few words, as reports print it.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self { $(Sometimes::$name => $says,)* }
            }
        }
    };
}

situations! {
    /// A replica was elected after another leader.
    LeaderChange = "leader change",
    /// A replica began phase 1 while another's was under way, or met a higher ballot during its own.
    ContestedElection = "contested election",
    /// A leader stepped down because it lost its quorum.
    QuorumLost = "leader without a quorum stepped down",
    /// A candidate gave up because phase 1 took too long.
    CandidacyTimedOut = "candidacy timed out",
    /// A gap in the log was filled with a no-op.
    GapFilled = "gap filled with a no-op",
    /// Phase 1 carried a value over.
    CarriedOver = "value carried over by phase 1",
    /// A lagging learner received chosen values from another replica.
    CaughtUp = "lagging learner caught up",
    /// A proposer failed alone.
    ProposerFailed = "proposer failed",
    /// An acceptor failed alone.
    AcceptorFailed = "acceptor failed",
    /// A learner failed alone.
    LearnerFailed = "learner failed",
    /// The proposer of a leader failed.
    LeaderFailed = "proposer of the leader failed",
    /// A process crashed.
    Crashed = "process crashed",
    /// A crash lost writes that were not synced.
    LostWrites = "crash lost unsynced writes",
    /// A role failed while one of its writes was on its way to the disk.
    FailedMidWrite = "role failed with a write under way",
    /// An acceptor lost its memory.
    AcceptorLost = "acceptor lost its memory",
    /// An acceptor that lost its memory votes again.
    AcceptorRecovered = "acceptor recovered without memory",
    /// Several acceptors recovered at once.
    SeveralRecover = "several acceptors recovered at once",
    /// An acceptor lost its memory again before it had recovered.
    LostWhileRecovering = "memory lost again while recovering",
    /// A replica took a snapshot of its state.
    SnapshotTaken = "snapshot taken",
    /// A checkpoint with a snapshot became durable, and the log before it was cut.
    Checkpointed = "log cut by a checkpoint",
    /// A learner installed a snapshot from another replica.
    SnapshotInstalled = "snapshot installed",
    /// A snapshot was sent in several parts.
    SnapshotInParts = "snapshot in parts",
    /// A client was refused because too many acceptors have lost their memory.
    MemoryLost = "service refused: too much memory lost",
    /// Replicas kept nothing on disks.
    MemoryOnly = "memory-only cluster",
    /// A learner lost its memory.
    LearnerLost = "learner lost its memory",
    /// A proposer lost its memory.
    ProposerLost = "proposer lost its memory",
    /// A process was paused for longer than followers wait for a silent leader.
    Paused = "process paused",
    /// A clock jumped.
    ClockJumped = "clock jumped",
    /// A clock ran at a wrong speed.
    ClockDrifted = "clock drifted",
    /// Replicas were cut off from others in both directions.
    PartitionSymmetric = "symmetric partition",
    /// A link worked in one direction only.
    PartitionAsymmetric = "asymmetric partition",
    /// Two replicas were cut off from each other while a third reached both.
    PartitionPartial = "partial partition",
    /// A link failed and healed repeatedly.
    PartitionFlapping = "flapping partition",
    /// A client was cut off from replicas.
    ClientCut = "client cut off",
    /// In the two-phase setting an update stalled, and the error named the silent replica.
    TwoPhaseStall = "two-phase update stalled, naming the silent replica",
    /// In the two-phase setting an update was answered.
    TwoPhaseUpdate = "two-phase update answered",
    /// A read was answered after a leader change.
    ReadAfterChange = "read index confirmed after a leader change",
    /// A leader received a confirmation of an earlier round than its last from an acceptor that has promised
    /// a higher ballot since.
    LateConfirmation = "late confirmation of an acceptor that promised another",
    /// The same request was chosen twice. It must take effect once.
    Deduplicated = "session retry chosen twice",
    /// A client was told that the outcome of its request is unknown.
    UnknownOutcome = "unknown outcome",
    /// A client was told that the cluster is unavailable or busy.
    Refused = "request refused",
    /// A session was dropped to make room.
    SessionDropped = "session dropped",
    /// A repeated write was refused because its session had expired. Whether the first one took effect
    /// remains unknown.
    DoubtExpired = "write in doubt met an expired session",
    /// A write whose session had expired, and that had certainly not taken effect, was sent again in a new
    /// session.
    SessionLeft = "write moved from an expired session to a new one",
    /// A connection broke while its client waited for answers.
    ConnectionBroke = "connection broke with requests under way",
    /// A compare-and-swap was applied.
    Swapped = "compare-and-swap applied",
    /// A compare-and-swap found another value.
    NotSwapped = "compare-and-swap not applied",
    /// A transaction was executed.
    Executed = "transaction executed",
    /// A transaction was not executed, because a condition did not hold.
    NotExecuted = "condition of a transaction did not hold",
    /// A step of a transaction failed.
    StepFailed = "step of a transaction failed",
    /// All keys were read, page by page.
    Scanned = "scan from the first page to the last",
    /// The whole store was searched for an order of the operations.
    StoreSearched = "orders of operations on the whole store searched",
    /// A slot held several commands.
    Batched = "several commands in one slot",
    /// A promise came in chunks.
    Chunked = "promise in chunks",
    /// A bit of a log was flipped, and its replica noticed when it started.
    BitFlipped = "flipped bit seen as lost memory",
    /// A block of a log was lost, and its replica noticed when it started.
    BlockLost = "lost block seen as lost memory",
    /// A block was written to the place of another, and its replica noticed when it started.
    WriteMisdirected = "misdirected write seen as lost memory",
    /// A block had its earlier content, and its replica noticed when it started.
    BlockStale = "stale block seen as lost memory",
    /// The end of a log was lost, and its replica noticed when it started.
    TailLost = "lost end of a log seen as lost memory",
    /// A process crashed before a mark in its log covered all that it had synced. A loss of the rest would go
    /// unnoticed.
    TailUnmarked = "crash right after a sync, which no mark covers",
    /// A process stopped because its disk was full.
    DiskFull = "full disk stopped a process",
    /// A process crashed at the end of a sync, while more was on its way to the disk.
    CrashedAtSync = "crash at the end of a sync, with more on its way",
    /// A replica or one of its roles crashed right after the log began a new file.
    CrashedAtRotation = "crash right after a new file of the log was begun",
    /// A replica or one of its roles crashed right after a checkpoint began.
    CrashedAtCheckpoint = "crash right after a checkpoint began",
    /// A replica or one of its roles crashed right after a checkpoint was written to its end, or that end was durable.
    CrashedAfterCheckpoint = "crash right after the end of a checkpoint",
    /// A replica or one of its roles crashed while it recovered its memory, or right after it learned that another does.
    CrashedInRecovery = "crash in the midst of a recovery",
    /// The sender of a snapshot changed a part of it.
    PartChanged = "part of a snapshot changed by its sender",
    /// A leader that was to stop asked another replica to stand, and that one stood.
    StoodWhenAsked = "replica stood because a leader that was to stop asked it",
    /// It was elected.
    HandedOver = "leadership handed over",
    /// Replicas and clients were spread over several regions.
    AcrossRegions = "cluster across regions",
    /// A cluster had one replica.
    LoneReplica = "cluster of one replica",
    /// Many operations concerned one key.
    HotKey = "hot key",
    /// All clients began their operations at about the same times.
    Bursts = "operations in bursts",
    /// A value of more than a thousand bytes was written.
    LargeValue = "large value written",
    /// A counter was incremented.
    Counted = "counter incremented",
    /// Quorums were not majorities.
    FlexibleQuorums = "quorums other than majorities",
}

impl fmt::Display for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says())
    }
}

/// How often each situation occurred.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    counts: Vec<u64>,
    /// The situations one after another, if somebody wants to know.
    turns: Option<Box<Turns>>,
}

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage {
            counts: vec![0; Sometimes::ALL.len()],
            turns: None,
        }
    }
}

impl Coverage {
    /// Counts one occurrence.
    pub(crate) fn hit(&mut self, situation: Sometimes) {
        self.counts[situation as usize] += 1;
        if let Some(turns) = &mut self.turns {
            turns.hit(situation);
        }
    }

    /// How often the situation occurred.
    #[must_use]
    pub fn count(&self, situation: Sometimes) -> u64 {
        self.counts[situation as usize]
    }

    /// From now on notes which situation occurs after which.
    pub(crate) fn follow_turns(&mut self) {
        self.turns = Some(Box::default());
    }

    /// The turns that occurred for the first time since they were taken last.
    pub(crate) fn take_turns(&mut self) -> Vec<Turn> {
        self.turns
            .as_mut()
            .map_or_else(Vec::new, |turns| turns.take_fresh())
    }

    /// Adds the counts of another run.
    pub(crate) fn add(&mut self, other: &Coverage) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Every situation with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Sometimes, u64)> {
        Sometimes::ALL.iter().copied().zip(self.counts.iter().copied())
    }

    /// The situations that never occurred.
    #[must_use]
    pub(crate) fn missing(&self) -> Vec<Sometimes> {
        self.iter()
            .filter(|(_, count)| *count == 0)
            .map(|(situation, _)| situation)
            .collect()
    }
}

impl Serialize for Coverage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.counts.len()))?;
        for (situation, count) in self.iter() {
            map.serialize_entry(situation.says(), &count)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Coverage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Coverage, D::Error> {
        struct Counts;

        impl<'de> Visitor<'de> for Counts {
            type Value = Coverage;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count for each situation")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Coverage, A::Error> {
                let mut counts: Vec<Option<u64>> = vec![None; Sometimes::ALL.len()];
                while let Some(name) = map.next_key::<String>()? {
                    let known = Sometimes::ALL.iter().position(|one| one.says() == name);
                    let place = known.ok_or_else(|| {
                        A::Error::custom(format!("this version knows no situation {name:?}"))
                    })?;
                    if counts[place].replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom(format!("{name:?} is counted twice")));
                    }
                }
                let counted = counts.iter().zip(Sometimes::ALL).map(|(count, situation)| {
                    count.ok_or_else(|| A::Error::custom(format!("there is no count of \"{situation}\"")))
                });
                Ok(Coverage {
                    counts: counted.collect::<Result<_, _>>()?,
                    turns: None,
                })
            }
        }

        deserializer.deserialize_map(Counts)
    }
}
