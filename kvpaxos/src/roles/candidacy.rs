//! Phase 1: a candidate collects promises for all open slots at once (*Paxos Made Simple*, section 3).

use std::collections::BTreeMap;

use crate::command::Value;
use crate::crash_vector::{Addition, ConsistentSet};
use crate::export::export_fields;
use crate::message::{Accepted, Promise};
use crate::types::{Ballot, Incarnation, ReplicaId, Slot};

/// A proposer in phase 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Candidacy {
    /// The ballot of the candidate.
    ballot: Ballot,
    /// All slots below are chosen and known to this replica.
    from: Slot,
    /// How much each acceptor has reported.
    progress: BTreeMap<ReplicaId, ChunkProgress>,
    /// The complete promises that are consistent with each other; at most one per acceptor (P4).
    promises: ConsistentSet,
    /// For each slot the value that was accepted in the highest ballot, among all promises. Promises that no
    /// longer count still contribute: a value of a higher ballot is always a safe choice.
    highest: BTreeMap<Slot, (Ballot, Value)>,
    /// Ticks since the candidacy began, and since the last promise arrived. It does not time out as long as
    /// promises arrive.
    ticks: u32,
    idle: u32,
}

export_fields!(Candidacy {
    ballot,
    from,
    progress,
    promises,
    highest,
    ticks,
    idle
});

/// How much of a promise has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ChunkProgress {
    /// The incarnation that the acceptor sent it in: chunks of two incarnations do not make a promise.
    incarnation: Incarnation,
    /// Everything that was accepted below this slot is reported.
    below: Slot,
    /// Nothing was accepted beyond.
    complete: bool,
    /// Every slot below is chosen, and what was accepted there is not reported.
    cut: Slot,
}

export_fields!(ChunkProgress {
    incarnation,
    below,
    complete,
    cut
});

/// The effect of a promise on the candidacy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// None: the promise is stale or repeated, or no correct acceptor sends it.
    Nothing,
    /// The acceptor has more to report, from this slot on.
    More(Slot),
    /// Another acceptor's promise is complete.
    Complete,
}

impl Candidacy {
    /// A candidate with this ballot. All slots below `from` are chosen and known to this replica.
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

    /// The ballot of the candidate.
    #[must_use]
    pub fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// All slots below were chosen and known to this replica when the candidacy began.
    #[must_use]
    pub fn from(&self) -> Slot {
        self.from
    }

    /// Takes a promise, or a chunk of one. It counts only for exactly this ballot: a promise for an earlier
    /// ballot says nothing about what was accepted since. It counts only together with promises that it is
    /// crash-consistent with: see [`crate::recovery`].
    pub fn on_promise(&mut self, acceptor: ReplicaId, promise: Promise) -> Progress {
        let Promise {
            ballot,
            from,
            vector,
            cut,
            entries,
            more,
        } = promise;
        let sent = self.progress_of(acceptor, vector.get(acceptor));
        let least = from.max(cut);
        let in_order = entries
            .iter()
            .map(|entry| entry.slot)
            .is_sorted_by(|left, right| left < right);
        let in_range = entries
            .iter()
            .all(|entry| entry.slot >= least && entry.ballot < ballot);
        let onward = more.is_none_or(|more| entries.last().is_some_and(|last| last.slot < more));
        if ballot != self.ballot || sent.complete || sent.below != from || !in_order || !in_range || !onward {
            return Progress::Nothing;
        }
        let end = entries.last().map_or(from, |last| last.slot.next());
        for Accepted { slot, ballot, value } in entries {
            // P2c: of all values that the quorum reports for a slot, the one of the highest ballot.
            if self
                .highest
                .get(&slot)
                .is_none_or(|(highest, _)| *highest < ballot)
            {
                self.highest.insert(slot, (ballot, value));
            }
        }
        self.idle = 0;
        let sent = ChunkProgress {
            below: more.unwrap_or(end),
            complete: more.is_none(),
            cut: sent.cut.max(cut),
            ..sent
        };
        self.progress.insert(acceptor, sent);
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

    /// What an acceptor has reported in its present incarnation.
    fn progress_of(&self, acceptor: ReplicaId, incarnation: Incarnation) -> ChunkProgress {
        let nothing = ChunkProgress {
            incarnation,
            below: self.from,
            complete: false,
            cut: Slot::ZERO,
        };
        let sent = self.progress.get(&acceptor).copied();
        sent.filter(|sent| sent.incarnation == incarnation)
            .unwrap_or(nothing)
    }

    /// The complete promises that count together.
    #[must_use]
    pub fn promises(&self) -> &ConsistentSet {
        &self.promises
    }

    /// Whether the candidate may lead if it knows all slots below `learned`: `quorum` complete promises count
    /// together and report everything that was accepted from there on.
    ///
    /// A promise that reports less, because its acceptor has cut its log at a higher slot, does not count.
    /// The candidate does not wait for the missing slots either: the replicas that know them may be down for
    /// good, while the other promises are a quorum. By P2c these promises are enough, even for a slot that is
    /// already chosen.
    #[must_use]
    pub fn is_ready(&self, quorum: usize, learned: Slot) -> bool {
        let all_sent = |id: &ReplicaId| self.progress.get(id).is_some_and(|sent| sent.cut <= learned);
        self.promises.iter().filter(all_sent).count() >= quorum
    }

    /// The slot from which an acceptor is to be asked. An acceptor whose promise is complete is asked beyond
    /// its report: its answer changes nothing, but it hears that the candidate still stands.
    #[must_use]
    pub fn next_for(&self, acceptor: ReplicaId) -> Slot {
        self.progress.get(&acceptor).map_or(self.from, |sent| sent.below)
    }

    /// This replica is learning slots that acceptors have cut, which counts as progress.
    pub(crate) fn on_learning(&mut self) {
        self.idle = 0;
    }

    /// A tick has passed. Returns the ticks since the candidacy began and since the last promise arrived.
    pub(crate) fn on_tick(&mut self) -> (u32, u32) {
        self.ticks = self.ticks.saturating_add(1);
        self.idle = self.idle.saturating_add(1);
        (self.ticks, self.idle)
    }

    /// The result of phase 1 for a candidate that [is ready](Candidacy::is_ready): the first open slot, and
    /// the values that the leader must propose from there on. `learned` is the first slot that this replica
    /// does not know.
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
