//! Coverage: situations that must occur in some runs of a sweep.
//!
//! An invariant that holds proves little if the situation that endangers it never occurred. Each such situation has a name here, each
//! run counts how often it occurred, and a sweep of enough seeds fails if one never did. (Antithesis and FoundationDB call these
//! *sometimes assertions*.)

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

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
    /// A second leader, and each one after it.
    LeaderChange = "leader change",
    /// A candidate stood while another's phase 1 was under way, or met a higher ballot.
    ContestedElection = "contested election",
    /// A leader stepped down because it lost its quorum.
    QuorumLost = "leader without a quorum stepped down",
    /// A candidacy ran out of time.
    CandidacyTimedOut = "candidacy timed out",
    /// A gap in the log was filled with a no-op.
    GapFilled = "gap filled with a no-op",
    /// Phase 1 carried a value over.
    CarriedOver = "value carried over by phase 1",
    /// A lagging learner took values from another replica.
    CaughtUp = "lagging learner caught up",
    /// A proposer failed alone.
    ProposerFailed = "proposer failed",
    /// An acceptor failed alone.
    AcceptorFailed = "acceptor failed",
    /// A learner failed alone.
    LearnerFailed = "learner failed",
    /// A leader's proposer failed.
    LeaderFailed = "proposer of the leader failed",
    /// A process crashed.
    Crashed = "process crashed",
    /// A crash lost writes that were not synced.
    LostWrites = "crash lost unsynced writes",
    /// A role failed while a write of it was on its way to the disk.
    FailedMidWrite = "role failed with a write under way",
    /// An acceptor lost its memory.
    AcceptorLost = "acceptor lost its memory",
    /// An acceptor that lost its memory votes again.
    AcceptorRecovered = "acceptor recovered without memory",
    /// Several acceptors recovered at once.
    SeveralRecover = "several acceptors recovered at once",
    /// An acceptor that had not recovered lost its memory again.
    LostWhileRecovering = "memory lost again while recovering",
    /// A learner took a snapshot and cut its log.
    SnapshotTaken = "snapshot taken",
    /// A checkpoint with a snapshot became durable.
    Checkpointed = "log cut by a checkpoint",
    /// A learner went on from another's snapshot.
    SnapshotInstalled = "snapshot installed",
    /// A snapshot was sent in several parts.
    SnapshotInParts = "snapshot in parts",
    /// A client was told that too many acceptors have lost their memory.
    MemoryLost = "service refused: too much memory lost",
    /// No disk outlived its process.
    MemoryOnly = "memory-only cluster",
    /// A learner lost its memory.
    LearnerLost = "learner lost its memory",
    /// A proposer lost its memory.
    ProposerLost = "proposer lost its memory",
    /// A process was paused for longer than a leader may be silent.
    Paused = "process paused",
    /// A clock jumped.
    ClockJumped = "clock jumped",
    /// A clock ran at a wrong speed.
    ClockDrifted = "clock drifted",
    /// Replicas were cut off in both directions.
    PartitionSymmetric = "symmetric partition",
    /// A link worked in one direction only.
    PartitionAsymmetric = "asymmetric partition",
    /// Some pairs were cut though others connected them.
    PartitionPartial = "partial partition",
    /// A link flapped.
    PartitionFlapping = "flapping partition",
    /// A client was cut off from replicas.
    ClientCut = "client cut off",
    /// In the two-phase setting an update stalled and the silent replica was named.
    TwoPhaseStall = "two-phase update stalled, naming the silent replica",
    /// In the two-phase setting an update was answered.
    TwoPhaseUpdate = "two-phase update answered",
    /// A read was answered after a leader change.
    ReadAfterChange = "read index confirmed after a leader change",
    /// A leader was told that its ballot stands, in answer to an earlier question than its last, by an acceptor that has promised a
    /// higher one meanwhile.
    LateConfirmation = "late confirmation of an acceptor that promised another",
    /// The same write was chosen twice, and must have been applied once.
    Deduplicated = "session retry chosen twice",
    /// A client was told that the outcome is unknown.
    UnknownOutcome = "unknown outcome",
    /// A client was told that the cluster is unavailable or busy.
    Refused = "request refused",
    /// A session was dropped to make room.
    SessionDropped = "session dropped",
    /// A write that had been asked for before was told that its session had expired: nobody can tell what became of it.
    DoubtExpired = "write in doubt met an expired session",
    /// A write that was certain not to have taken effect left an expired session.
    SessionLeft = "write moved from an expired session to a new one",
    /// A connection broke while its client waited for answers.
    ConnectionBroke = "connection broke with requests under way",
    /// A compare-and-swap took place.
    Swapped = "compare-and-swap applied",
    /// A compare-and-swap found something else.
    NotSwapped = "compare-and-swap not applied",
    /// A slot held several commands.
    Batched = "several commands in one slot",
    /// A Promise came in chunks.
    Chunked = "promise in chunks",
    /// A bit of a log was flipped, and the reader saw it.
    BitFlipped = "flipped bit seen as lost memory",
    /// A block of a log was lost, and the reader saw it.
    BlockLost = "lost block seen as lost memory",
    /// A block was written to another's place, and the reader saw it.
    WriteMisdirected = "misdirected write seen as lost memory",
    /// A block was as it had been before, and the reader saw it.
    BlockStale = "stale block seen as lost memory",
    /// The end of a log was lost, and the reader saw it.
    TailLost = "lost end of a log seen as lost memory",
    /// A process crashed when something that it had synced was not covered by a mark: the loss of that would not be seen.
    TailUnmarked = "crash right after a sync, which no mark covers",
    /// A process stopped because its disk was full.
    DiskFull = "full disk stopped a process",
    /// A process crashed at the end of a sync, when more was on its way to the disk.
    CrashedAtSync = "crash at the end of a sync, with more on its way",
    /// A part of a snapshot was changed by its sender.
    PartChanged = "part of a snapshot changed by its sender",
    /// Quorums that are no majorities.
    FlexibleQuorums = "quorums other than majorities",
}

impl fmt::Display for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says())
    }
}

/// How often each situation occurred.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage(Vec<u64>);

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage(vec![0; Sometimes::ALL.len()])
    }
}

impl Coverage {
    /// Counts one occurrence.
    pub fn hit(&mut self, situation: Sometimes) {
        self.0[situation as usize] += 1;
    }

    /// How often the situation occurred.
    #[must_use]
    pub fn count(&self, situation: Sometimes) -> u64 {
        self.0[situation as usize]
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Coverage) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// Every situation with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Sometimes, u64)> {
        Sometimes::ALL.iter().copied().zip(self.0.iter().copied())
    }

    /// The situations that never occurred.
    #[must_use]
    pub fn missing(&self) -> Vec<Sometimes> {
        self.iter()
            .filter(|(_, count)| *count == 0)
            .map(|(situation, _)| situation)
            .collect()
    }
}

impl Serialize for Coverage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (situation, count) in self.iter() {
            map.serialize_entry(situation.says(), &count)?;
        }
        map.end()
    }
}
