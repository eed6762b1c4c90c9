//! Crash vectors: how often each acceptor has started again after losing its memory, as far as one acceptor
//! knows (Michael, Ports, Sharma and Szekeres, *Recovering Shared Objects Without Stable Storage*, 2017).
//!
//! Each acceptor keeps a crash vector, durably, and adds it to every promise and every vote. A set of votes
//! counts only if it is *crash-consistent*: no voter knows of a later incarnation of another voter than the
//! one in which that vote was cast. [`crate::recovery`] says why this is needed, and why it is enough.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{Incarnation, MAX_REPLICAS, ReplicaId};

/// For each acceptor the highest incarnation that is known to have begun. While no acceptor has lost its
/// memory, all are zero and nothing is stored.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct CrashVector(
    /// By replica, without trailing zeros, so that equal vectors have equal representations.
    Vec<Incarnation>,
);

impl CrashVector {
    /// The incarnation of an acceptor.
    #[must_use]
    pub fn get(&self, acceptor: ReplicaId) -> Incarnation {
        let known = self.0.get(usize::from(acceptor.0));
        known.copied().unwrap_or_default()
    }

    /// Notes that an acceptor has begun an incarnation; returns whether that was unknown. Entries never go
    /// down.
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

    /// Takes the higher entry of the two vectors for each acceptor.
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

    /// Whether a message that `acceptor` sent with the vector `other` is of an incarnation that is over, as
    /// far as this vector knows.
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

/// `{r1:2}`: replica 1 is in incarnation 2; all others are in incarnation 0.
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

/// The latest answers of several acceptors, of which none outdates another. Crash-consistency is kept here
/// and nowhere else (P4).
///
/// A new answer removes those that it shows to be of earlier incarnations. An answer that is itself of an
/// earlier incarnation, as far as the others know, is not added. A conclusion that was once drawn from the
/// set stays valid, whatever is added later.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct ConsistentSet {
    /// In the order of the acceptors.
    answers: Vec<(ReplicaId, CrashVector)>,
}

crate::export::export_fields!(ConsistentSet { answers });

/// The result of adding an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Addition {
    /// It counts. These answers no longer do.
    Counts {
        /// The acceptors whose answers were of earlier incarnations.
        dropped: Vec<ReplicaId>,
    },
    /// It is of an earlier incarnation than another answer knows of, and does not count.
    Outdated,
}

impl ConsistentSet {
    /// Adds an acceptor's answer. It replaces the acceptor's earlier one.
    pub fn add(&mut self, acceptor: ReplicaId, vector: &CrashVector) -> Addition {
        let is_other = |(other, _): &&(ReplicaId, CrashVector)| *other != acceptor;
        let own = self.answers.iter().find(|(other, _)| *other == acceptor);
        // For progress only: the set would be consistent with the older answer too, but fewer others would be
        // consistent with it.
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

    /// The number of answers that count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether no answer counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether an acceptor's answer counts.
    #[must_use]
    pub fn contains(&self, acceptor: ReplicaId) -> bool {
        self.answers.iter().any(|(other, _)| *other == acceptor)
    }

    /// The acceptors whose answers count, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ReplicaId> {
        self.answers.iter().map(|(acceptor, _)| *acceptor)
    }
}
