//! Phase 1: a candidate gathers promises for all open slots at once (*Paxos Made Simple*, section 3).

use std::collections::BTreeMap;

use crate::command::Value;
use crate::crash_vector::{Addition, ConsistentSet};
use crate::message::{Accepted, Promise};
use crate::types::{Ballot, Incarnation, ReplicaId, Slot};

/// A proposer in phase 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Candidacy {
    /// The ballot it stands with.
    ballot: Ballot,
    /// All slots below are chosen and known here.
    from: Slot,
    /// How far each acceptor has told what it accepted.
    progress: BTreeMap<ReplicaId, ChunkProgress>,
    /// Whose promises are complete and count together: nobody is in it twice (P4).
    promises: ConsistentSet,
    /// The accepted value of the highest ballot for each slot, among the promises. Those that do not count any more have their
    /// share in it: what was accepted in a higher ballot is always the better choice.
    highest: BTreeMap<Slot, (Ballot, Value)>,
    /// Ticks since it began, and since a promise last came: as long as they come, it goes on, however much they have to tell.
    ticks: u32,
    idle: u32,
}

/// How much of a promise has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ChunkProgress {
    /// In which life of the acceptor: chunks of two lives are no promise.
    incarnation: Incarnation,
    /// All that was accepted below.
    below: Slot,
    /// Nothing was accepted beyond.
    complete: bool,
    /// Every slot below is chosen, and what was accepted there is not told.
    cut: Slot,
}

/// What a promise led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing new: stale, repeated, or of a shape that no honest acceptor sends.
    Nothing,
    /// The acceptor has more to tell, from this slot on.
    More(Slot),
    /// Another acceptor's promise is complete.
    Complete,
}

impl Candidacy {
    /// Stands with a ballot; all slots below `from` are chosen and known here.
    #[must_use]
    pub fn new(ballot: Ballot, from: Slot) -> Candidacy {
        Candidacy {
            ballot,
            from,
            progress: BTreeMap::new(),
            promises: ConsistentSet::default(),
            highest: BTreeMap::new(),
            ticks: 0,
            idle: 0,
        }
    }

    /// The ballot it stands with.
    #[must_use]
    pub fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// All slots below were chosen and known here when it began.
    #[must_use]
    pub fn from(&self) -> Slot {
        self.from
    }

    /// A promise, or a chunk of one. It counts only for this very ballot: one for an earlier ballot says nothing about
    /// what was accepted since. And it counts only together with those that it is crash-consistent with: see [`crate::recovery`].
    pub fn on_promise(&mut self, acceptor: ReplicaId, promise: Promise) -> Progress {
        let Promise {
            ballot,
            from,
            vector,
            cut,
            entries,
            more,
        } = promise;
        let told = self.told(acceptor, vector.get(acceptor));
        let least = from.max(cut);
        let in_order = entries
            .iter()
            .map(|entry| entry.slot)
            .is_sorted_by(|left, right| left < right);
        let in_range = entries
            .iter()
            .all(|entry| entry.slot >= least && entry.ballot < ballot);
        let onward = more.is_none_or(|more| entries.last().is_some_and(|last| last.slot < more));
        if ballot != self.ballot || told.complete || told.below != from || !in_order || !in_range || !onward {
            return Progress::Nothing;
        }
        let end = entries.last().map_or(from, |last| last.slot.next());
        for Accepted { slot, ballot, value } in entries {
            // P2c: of all values that the quorum reports for the slot, the one of the highest ballot.
            if self
                .highest
                .get(&slot)
                .is_none_or(|(highest, _)| *highest < ballot)
            {
                self.highest.insert(slot, (ballot, value));
            }
        }
        self.idle = 0;
        let told = ChunkProgress {
            below: more.unwrap_or(end),
            complete: more.is_none(),
            cut: told.cut.max(cut),
            ..told
        };
        self.progress.insert(acceptor, told);
        if let Some(slot) = more {
            return Progress::More(slot);
        }
        match self.promises.add(acceptor, &vector) {
            Addition::Counts { dropped } => {
                for outdated in dropped {
                    self.progress.remove(&outdated);
                }
            }
            Addition::Outdated => _ = self.progress.remove(&acceptor),
        }
        Progress::Complete
    }

    /// What an acceptor has told in its present life.
    fn told(&self, acceptor: ReplicaId, incarnation: Incarnation) -> ChunkProgress {
        let nothing = ChunkProgress {
            incarnation,
            below: self.from,
            complete: false,
            cut: Slot::ZERO,
        };
        let told = self.progress.get(&acceptor).copied();
        told.filter(|told| told.incarnation == incarnation)
            .unwrap_or(nothing)
    }

    /// Whose promises are complete and count.
    #[must_use]
    pub fn promises(&self) -> &ConsistentSet {
        &self.promises
    }

    /// Whether it can lead where all slots below `learned` are chosen and known: `quorum` promises are complete, count together, and have
    /// told all that was accepted from there on.
    ///
    /// A promise that tells less, because its acceptor has cut its log further up, is not counted, and not waited for: whoever knows what was
    /// chosen there may be down, for good, while the promises of others are a quorum. What these tell of a slot is enough (P2c), though it be
    /// chosen.
    #[must_use]
    pub fn is_ready(&self, quorum: usize, learned: Slot) -> bool {
        let told_all = |id: &ReplicaId| self.progress.get(id).is_some_and(|told| told.cut <= learned);
        self.promises.iter().filter(told_all).count() >= quorum
    }

    /// From which slot on an acceptor is to be asked. Those whose promises are complete are asked beyond what they told: the
    /// answer counts for nothing, but they hear that somebody stands.
    #[must_use]
    pub fn next_for(&self, acceptor: ReplicaId) -> Slot {
        self.progress.get(&acceptor).map_or(self.from, |told| told.below)
    }

    /// What has been cut is being learned: that is progress too.
    pub(crate) fn on_learning(&mut self) {
        self.idle = 0;
    }

    /// A tick has passed; tells how many since it began, and since a promise last came.
    pub(crate) fn on_tick(&mut self) -> (u32, u32) {
        self.ticks = self.ticks.saturating_add(1);
        self.idle = self.idle.saturating_add(1);
        (self.ticks, self.idle)
    }

    /// What phase 1 found, for the leader to carry over, if it [is ready](Candidacy::is_ready) with all known below `learned`: the first
    /// slot that is open, and what is to be proposed from there on.
    #[must_use]
    pub fn into_highest(mut self, learned: Slot) -> (Slot, BTreeMap<Slot, Value>) {
        let start = self.from.max(learned);
        let open = self.highest.split_off(&start);
        (
            start,
            open.into_iter().map(|(slot, (_, value))| (slot, value)).collect(),
        )
    }
}
