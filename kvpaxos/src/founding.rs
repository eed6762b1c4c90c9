//! How replicas notice that one of them claims to be new although it is not.
//!
//! # The problem
//!
//! A new replica has promised nothing, so it votes at once. If the directory of an old replica is deleted, or
//! its disk replaced, and an operator *formats* it again instead of recovering it, the replica also believes
//! that it has promised nothing. With five replicas this loses a write:
//!
//! 1. r0, r1 and r2 accept a write, and it is acknowledged. r3 and r4 are down.
//! 2. All stop. r0 is formatted anew. r0, r3 and r4 start.
//! 3. r0, r3 and r4 are a quorum, and none of them knows of the write.
//!
//! Incarnations (see [`crate::recovery`]) do not show it: both lives of r0 claim to be incarnation 0.
//!
//! # What is done
//!
//! Formatting a directory draws a random number, the [`Founding`], which names the first life of the replica.
//! It is the first record of the log ([`Record::Founded`](crate::Record::Founded)), and every message comes
//! with the founding of its sender. A replica remembers the foundings of all replicas that it hears from
//! ([`KnownFoundings`]). Heartbeats carry what it remembers, so that replicas learn a founding even if they
//! never met its owner, or have lost their own disk since.
//!
//! - A message whose founding is not the one remembered for its sender is dropped, whatever it says. If two
//!   foundings of a replica are known, because different replicas believed different ones, messages of both
//!   are dropped.
//! - A replica that hears of another founding of itself than its own halts
//!   ([`Reason::FoundedAnew`](crate::Reason::FoundedAnew)). An operator must recover it. Heartbeats are also
//!   sent to replicas whose messages are dropped, so the replica does hear of it.
//! - A replica that has lost its disk has no founding any more. It votes only in a new incarnation, which
//!   crash vectors distinguish from all others. So its messages are accepted, whatever founding is remembered
//!   for it.
//!
//! - Answers to a recovering acceptor carry the foundings that the sender knows. If they show that the
//!   acceptor has taken an answer of a replica that was founded again, it restarts its recovery.
//!
//! A new founding is written to the log before anything else that the same message leads to. Because the log
//! is one sequence, a durable vote, promise or ballot implies that all foundings known before it are durable.
//!
//! # Why it is safe, and what is left
//!
//! A replica that knows of the earlier life never counts a vote or a promise of the later one, and never
//! promises or accepts anything that the later one proposes. A replica stands for election only when it is
//! connected to a quorum of voting acceptors. Then it has received a heartbeat of each, and knows all
//! foundings that they knew when they sent it. So a value that was chosen with a vote of the earlier life can
//! be missed only if there is a quorum in which no member knew of the earlier life when it sent its last
//! heartbeat. A replica that was connected to the earlier life for as long as one sync takes knows of it. Two
//! cases remain:
//!
//! - the peers met the earlier life so shortly before they stopped that the record of it was not durable;
//! - the quorum consists of the later life and of peers that never heard of the earlier life, directly or
//!   through others: they were down or disconnected since the cluster was founded, or have lost their disks
//!   since, and meet the later life first.
//!
//! A driver that does not transmit foundings (`None`) leaves all of this to the operator.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{Founding, MAX_REPLICAS, ReplicaId};

/// What is known of the foundings of one replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum KnownFounding {
    /// One founding of it is known.
    Founded(Founding),
    /// Several foundings of it are known. No message that claims any founding of it is accepted.
    FoundedAgain,
}

impl KnownFounding {
    /// Whether messages that claim this founding are accepted.
    #[must_use]
    pub fn admits(self, claimed: Founding) -> bool {
        self == KnownFounding::Founded(claimed)
    }
}

impl fmt::Display for KnownFounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnownFounding::Founded(founding) => write!(f, "{founding}"),
            KnownFounding::FoundedAgain => f.write_str("several foundings"),
        }
    }
}

/// The foundings of other replicas that a replica knows.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct KnownFoundings(
    /// In the order of the replicas, each at most once.
    Vec<(ReplicaId, KnownFounding)>,
);

impl KnownFoundings {
    /// What is known of one replica.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> Option<KnownFounding> {
        let place = self.0.binary_search_by_key(&replica, |(id, _)| *id).ok()?;
        Some(self.0[place].1)
    }

    /// Adds something that was learned of a replica; returns whether it was unknown. Nothing is forgotten: if
    /// two foundings differ, the result is [`KnownFounding::FoundedAgain`].
    pub fn note(&mut self, replica: ReplicaId, learned: KnownFounding) -> bool {
        if usize::from(replica.0) >= MAX_REPLICAS {
            return false;
        }
        match self.0.binary_search_by_key(&replica, |(id, _)| *id) {
            Err(place) => {
                self.0.insert(place, (replica, learned));
                true
            }
            Ok(place) => {
                let known = &mut self.0[place].1;
                if *known == learned || *known == KnownFounding::FoundedAgain {
                    return false;
                }
                *known = KnownFounding::FoundedAgain;
                true
            }
        }
    }

    /// Adds everything that another replica knows.
    pub fn merge(&mut self, other: &KnownFoundings) {
        for (replica, learned) in other.iter() {
            self.note(replica, learned);
        }
    }

    /// What is known of each replica, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, KnownFounding)> {
        self.0.iter().copied()
    }

    /// Whether nothing is known of any replica.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ReplicaId, KnownFounding)> for KnownFoundings {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, KnownFounding)>>(entries: I) -> KnownFoundings {
        let mut met = KnownFoundings::default();
        for (replica, known) in entries {
            met.note(replica, known);
        }
        met
    }
}

impl fmt::Debug for KnownFoundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `{r1:00000000000000ab}`: one founding of replica 1 is known.
impl fmt::Display for KnownFoundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (replica, known)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{replica}:{known}")?;
        }
        f.write_str("}")
    }
}
