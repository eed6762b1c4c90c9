//! How replicas notice that one of them claims to be new and is not.
//!
//! # The problem
//!
//! A replica that is new has promised nothing, and votes at once. If its directory is deleted, or its disk replaced, and it is *formatted* again
//! instead of recovered, it believes the same, and what it promised and accepted is forgotten. With five replicas:
//!
//! 1. r0, r1 and r2 accept a write, and it is acknowledged. r3 and r4 are down.
//! 2. All stop. r0 is formatted anew. r0, r3 and r4 start.
//! 3. r0, r3 and r4 are a quorum, and none of them knows of the write: it is lost.
//!
//! Incarnations do not show it (see [`crate::recovery`]): both lives of r0 say that they are the first.
//!
//! # What is done
//!
//! Whoever formats a directory draws a number at random, the [`Founding`]: it names the first life of the replica. It is the first record of
//! the log ([`Record::Founded`](crate::Record::Founded)), and every message comes with that of its sender. A replica remembers the foundings of
//! all others that it hears from ([`KnownFoundings`]), and heartbeats tell what it remembers, so that one learns it, too, that has not met the other
//! itself, or has lost its own disk since.
//!
//! - A message from a founding that does not fit what is remembered of the sender is dropped, whatever it says. Where two foundings of a replica
//!   are known, for one of them was believed here and the other elsewhere, both are refused.
//! - A replica that hears of another founding of itself than its own halts ([`Reason::FoundedAnew`](crate::Reason::FoundedAnew)), and is to be
//!   recovered. Heartbeats go to a replica that is refused as to any other, so it hears that.
//! - A replica that has lost its disk has no founding, however it was founded. It votes only in an incarnation of its own, which crash vectors
//!   tell from all others; so it is heard, and hears, like any other, and what is remembered of its earlier founding does not matter to it.
//!
//! - What is told to an acceptor that recovers comes with the foundings that the teller knows. If it had taken an answer of a replica that was
//!   founded anew before it hears so, it begins again.
//!
//! What is learned of a founding is written to the log before anything that the same message leads to. The log is one sequence: a vote,
//! promise or ballot that is durable is so together with all foundings that were known before.
//!
//! # Why it is safe, and what is left
//!
//! A vote or a promise of the later life is never counted by a replica that knows of the earlier one, and neither does such a replica promise or
//! accept anything that the later life proposes. A replica stands for election only when it is connected to a quorum of acceptors that vote,
//! that is, when it has heard a heartbeat of each: it then knows of all foundings that any of them knew of when it sent that. So a value that was
//! chosen with a vote of the earlier life can be missed only if a quorum is found in which nobody knew, when it sent its last heartbeat, that the
//! earlier life had been there. A replica that was connected to the earlier life for as long as a sync takes knows it; so what is left is this:
//!
//! - a peer that met the earlier life so shortly before it stopped that this had not become durable;
//! - a quorum of the later life and of peers that never heard, from the earlier life or from anybody who knew it, that it was there: because they
//!   were down or cut off ever since the cluster was founded, or lost their disks since, and meet the later life first.
//!
//! Shells that do not tell foundings (`None`) leave all of it to the operator.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{Founding, MAX_REPLICAS, ReplicaId};

/// What is known of the foundings of a replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum KnownFounding {
    /// It was founded once, as far as is known.
    Founded(Founding),
    /// It was founded more than once, and is not believed in any life that has a founding.
    FoundedAgain,
}

impl KnownFounding {
    /// Whether a replica of which this is known may claim that founding.
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

/// Which foundings of others a replica knows.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct KnownFoundings(
    /// In the order of the replicas, each at most once.
    Vec<(ReplicaId, KnownFounding)>,
);

impl KnownFoundings {
    /// What is known of a replica.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> Option<KnownFounding> {
        let place = self.0.binary_search_by_key(&replica, |(id, _)| *id).ok()?;
        Some(self.0[place].1)
    }

    /// Notes what was learned of a replica, beside what is known; tells whether it is news. What was known once is never forgotten: of two
    /// foundings none is believed.
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

    /// Notes all that another knows.
    pub fn merge(&mut self, other: &KnownFoundings) {
        for (replica, learned) in other.iter() {
            self.note(replica, learned);
        }
    }

    /// What is known of each, in the order of the replicas.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, KnownFounding)> {
        self.0.iter().copied()
    }

    /// Whether nothing is known of anybody.
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

/// `{r1:00000000000000ab}`: replica 1 was founded with that number.
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
