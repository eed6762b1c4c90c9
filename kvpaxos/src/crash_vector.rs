//! Crash vectors: who has begun anew after losing its memory, and how often, as far as an acceptor knows (Michael, Ports, Sharma
//! and Szekeres, *Recovering Shared Objects Without Stable Storage*, 2017).
//!
//! Each acceptor keeps one, durably, and puts it on every promise and every vote. A set of votes counts only if it is
//! *crash-consistent*: nobody in it knows of a later life of another than the one that its vote was cast in. See
//! [`crate::recovery`] for what that is good for, and why it is enough.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{Incarnation, MAX_REPLICAS, ReplicaId};

/// For each acceptor the highest incarnation that is known to have begun. In a cluster that never lost any memory it is all zeros,
/// and takes no memory either.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct CrashVector(
    /// By replica, without zeros at the end, so that equal vectors are equal in every part.
    Vec<Incarnation>,
);

impl CrashVector {
    /// The incarnation of an acceptor.
    #[must_use]
    pub fn get(&self, acceptor: ReplicaId) -> Incarnation {
        let known = self.0.get(usize::from(acceptor.0));
        known.copied().unwrap_or_default()
    }

    /// Notes that an acceptor has begun an incarnation; tells whether that is news. Entries only ever go up.
    pub fn raise(&mut self, acceptor: ReplicaId, incarnation: Incarnation) -> bool {
        let place = usize::from(acceptor.0);
        if place >= MAX_REPLICAS || incarnation <= self.get(acceptor) {
            return false;
        }
        if self.0.len() <= place {
            self.0.resize(place + 1, Incarnation::default());
        }
        self.0[place] = incarnation;
        true
    }

    /// Notes all that another knows.
    pub fn merge(&mut self, other: &CrashVector) {
        for (acceptor, incarnation) in other.iter() {
            self.raise(acceptor, incarnation);
        }
    }

    /// The acceptors that have lost their memory at least once, in ascending order, with their incarnations.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, Incarnation)> {
        let known = (0..).map(ReplicaId).zip(self.0.iter().copied());
        known.filter(|(_, incarnation)| *incarnation > Incarnation::default())
    }

    /// Whether it says that what `acceptor` sent with the vector `other` was sent in a life that is over.
    #[must_use]
    pub fn outdates(&self, acceptor: ReplicaId, other: &CrashVector) -> bool {
        self.get(acceptor) > other.get(acceptor)
    }
}

impl FromIterator<(ReplicaId, Incarnation)> for CrashVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, Incarnation)>>(entries: I) -> CrashVector {
        let mut vector = CrashVector::default();
        for (acceptor, incarnation) in entries {
            vector.raise(acceptor, incarnation);
        }
        vector
    }
}

impl fmt::Debug for CrashVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `{r1:2}`: replica 1 is in its second life after the first.
impl fmt::Display for CrashVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (acceptor, incarnation)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{acceptor}:{}", incarnation.0)?;
        }
        f.write_str("}")
    }
}

/// Answers of several acceptors, of each the latest, of which none outdates another: the one place where crash-consistency is
/// kept (P4).
///
/// Adding an answer drops those that it shows to be of earlier lives; one that is itself of an earlier life, as far as the others
/// know, is not added. What was concluded from a set once stands, whatever is added to it later.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct ConsistentSet {
    /// In the order of the acceptors.
    answers: Vec<(ReplicaId, CrashVector)>,
}

/// What became of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Addition {
    /// It counts, and these do not any longer.
    Counts {
        /// Whose answers it showed to be of earlier lives.
        dropped: Vec<ReplicaId>,
    },
    /// It is of an earlier life than another knows of, and does not count.
    Outdated,
}

impl ConsistentSet {
    /// Adds an acceptor's answer, in the place of its earlier one if there was one.
    pub fn add(&mut self, acceptor: ReplicaId, vector: &CrashVector) -> Addition {
        let is_other = |(other, _): &&(ReplicaId, CrashVector)| *other != acceptor;
        let own = self.answers.iter().find(|(other, _)| *other == acceptor);
        // For progress: with its older answer the set would be consistent too, but fewer others would go together with it.
        let is_old = own.is_some_and(|(_, known)| known.outdates(acceptor, vector));
        let others = || self.answers.iter().filter(is_other);
        if is_old || others().any(|(_, known)| known.outdates(acceptor, vector)) {
            return Addition::Outdated;
        }
        let mut dropped = Vec::new();
        self.answers.retain(|(other, known)| {
            let outdated = *other != acceptor && vector.outdates(*other, known);
            if outdated {
                dropped.push(*other);
            }
            !outdated && *other != acceptor
        });
        let place = self.answers.partition_point(|(other, _)| *other < acceptor);
        self.answers.insert(place, (acceptor, vector.clone()));
        Addition::Counts { dropped }
    }

    /// How many answers count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether an acceptor's answer counts.
    #[must_use]
    pub fn contains(&self, acceptor: ReplicaId) -> bool {
        self.answers.iter().any(|(other, _)| *other == acceptor)
    }

    /// Whose answers count.
    pub fn iter(&self) -> impl Iterator<Item = ReplicaId> {
        self.answers.iter().map(|(acceptor, _)| *acceptor)
    }
}
