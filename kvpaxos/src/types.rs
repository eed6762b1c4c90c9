//! Plain types that everything else uses: identities, positions, ballots, time.
//!
//! Every kind of number has a type of its own, so that a slot cannot be passed where a round is expected.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The greatest number of replicas a cluster may have. A [`ReplicaSet`] is a bit for each.
pub const MAX_REPLICAS: usize = MAX_ID as usize;
const MAX_ID: u8 = 16;

/// Names a replica of the cluster: 0 to [`MAX_REPLICAS`] - 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ReplicaId(pub u8);

/// Names a client of one replica. The driver that owns the connection chooses the number. It never leaves the
/// process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ClientId(pub u64);

/// A position in the replicated log: one instance of Paxos.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Slot(pub u64);

impl Slot {
    /// The first slot of the log.
    pub const ZERO: Slot = Slot(0);

    /// The slot after this one.
    ///
    /// # Panics
    /// Past 2^64 - 1, which a log that fills a million slots a second reaches in 584,000 years.
    #[must_use]
    pub fn next(self) -> Slot {
        Slot(self.0 + 1)
    }
}

/// How many times an acceptor has started again after it lost its memory: its entry in the crash vector.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Incarnation(pub u32);

/// Names the first life of a replica. It is drawn at random, once, when the directory of the replica is
/// formatted; see [`crate::founding`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Founding(pub u64);

/// Distinguishes the lives of one replica's proposer, so that no ballot is used twice. Peers remember the
/// incarnation; the disk remembers the number of restarts within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Life {
    /// Raised each time the replica has lost its memory.
    pub incarnation: Incarnation,
    /// Raised, durably, each time the replica or its proposer starts.
    pub restarts: u32,
}

/// A proposal number (*Paxos Made Simple*, 2.2): totally ordered, and used by one life of one proposer only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Ballot {
    /// A candidate takes a round above every round that it has seen.
    pub round: u64,
    /// The replica whose proposer uses it.
    pub replica: ReplicaId,
    /// The life of that proposer.
    pub life: Life,
}

impl Ballot {
    /// Lower than every ballot a proposer uses: proposers begin with round 1.
    pub const ZERO: Ballot = Ballot {
        round: 0,
        replica: ReplicaId(0),
        life: Life {
            incarnation: Incarnation(0),
            restarts: 0,
        },
    };
}

/// A position in the order of all commands.
///
/// The revision of a write is its own position. The revision of a read is the position of the last command
/// whose effect it saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Revision {
    /// The slot of the command.
    pub slot: Slot,
    /// The place within the slot's batch, from 0.
    pub index: u32,
}

/// Names a client session: the position of the command that opened it, so that no id is ever used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SessionId(pub Revision);

/// Numbers the commands of one session, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Sequence(pub u64);

/// A time as the driver reads it from its clock: microseconds since some fixed moment.
///
/// Only differences matter, and safety does not depend on them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Time(pub u64);

/// A length of time in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Micros(pub u64);

impl Time {
    /// The time `length` later. Saturates at the largest value.
    #[must_use]
    pub fn after(self, length: Micros) -> Time {
        Time(self.0.saturating_add(length.0))
    }
}

/// Fresh random bits. The driver brings them when a replica or a role starts, so that a role without memory
/// does not repeat the random numbers of an earlier life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Entropy(pub [u8; 32]);

/// One of the three parts of a replica. Each can fail and restart while the others run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Runs phase 1 and phase 2 (*Paxos Made Simple*, 2.2).
    Proposer,
    /// Promises and votes.
    Acceptor,
    /// Learns what was chosen and applies it.
    Learner,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Proposer, Role::Acceptor, Role::Learner];
}

/// A set of replicas, of at most [`MAX_REPLICAS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ReplicaSet(u16);

impl ReplicaSet {
    /// The empty set.
    pub const EMPTY: ReplicaSet = ReplicaSet(0);

    /// The replicas 0 to `count` - 1.
    ///
    /// # Panics
    /// If `count` exceeds [`MAX_REPLICAS`].
    #[must_use]
    pub fn first(count: usize) -> ReplicaSet {
        assert!(
            count <= MAX_REPLICAS,
            "a cluster has at most {MAX_REPLICAS} replicas, not {count}"
        );
        let mut set = ReplicaSet::EMPTY;
        for id in 0..MAX_ID {
            if usize::from(id) < count {
                set.insert(ReplicaId(id));
            }
        }
        set
    }

    /// Adds a replica and returns whether it was new. An id of [`MAX_REPLICAS`] or above is never added.
    pub fn insert(&mut self, id: ReplicaId) -> bool {
        let new = usize::from(id.0) < MAX_REPLICAS && !self.contains(id);
        if new {
            self.0 |= 1 << id.0;
        }
        new
    }

    /// Removes a replica and returns whether it was a member.
    pub fn remove(&mut self, id: ReplicaId) -> bool {
        let there = self.contains(id);
        if there {
            self.0 &= !(1 << id.0);
        }
        there
    }

    /// Whether the replica is a member.
    #[must_use]
    pub fn contains(self, id: ReplicaId) -> bool {
        usize::from(id.0) < MAX_REPLICAS && self.0 & (1 << id.0) != 0
    }

    /// The number of members.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether the set has no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ReplicaId> {
        (0..MAX_ID).map(ReplicaId).filter(move |id| self.contains(*id))
    }

    /// The members that are not in `other`.
    #[must_use]
    pub fn without(self, other: ReplicaSet) -> ReplicaSet {
        ReplicaSet(self.0 & !other.0)
    }

    /// The members of either set.
    #[must_use]
    pub fn union(self, other: ReplicaSet) -> ReplicaSet {
        ReplicaSet(self.0 | other.0)
    }
}

impl FromIterator<ReplicaId> for ReplicaSet {
    fn from_iter<I: IntoIterator<Item = ReplicaId>>(ids: I) -> ReplicaSet {
        let mut set = ReplicaSet::EMPTY;
        for id in ids {
            set.insert(id);
        }
        set
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Debug for ReplicaSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for ReplicaSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, id) in self.iter().enumerate() {
            write!(f, "{}{id}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Founding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for Founding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// `b3.r1` is round 3 of replica 1 in its first life. `b3.r1.0.2` is round 3 in its life of incarnation 0
/// after two restarts.
impl fmt::Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}.{}", self.round, self.replica)?;
        if self.life != Life::default() {
            write!(f, ".{}.{}", self.life.incarnation.0, self.life.restarts)?;
        }
        Ok(())
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `12.0`: the slot and the place in its batch.
impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot.0, self.index)
    }
}

/// `12.0`: the revision at which the session was opened.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
