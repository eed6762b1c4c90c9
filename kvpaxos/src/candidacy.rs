//! Phase 1: a candidate gathers promises for all open slots at once (*Paxos Made Simple*, section 3).

use std::collections::BTreeMap;

use crate::command::Value;
use crate::message::Accepted;
use crate::types::{Ballot, ReplicaId, ReplicaSet, Slot};

/// A proposer in phase 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Candidacy {
    /// The ballot it stands with.
    pub(crate) ballot: Ballot,
    /// All slots below are chosen and known here.
    from: Slot,
    /// How far each acceptor has told what it accepted. Nobody is in it twice, so that an acceptor counts once (P4).
    progress: BTreeMap<ReplicaId, Told>,
    /// The accepted value of the highest ballot for each slot, among the promises.
    highest: BTreeMap<Slot, (Ballot, Value)>,
    /// Ticks since it began, and since a promise last came: as long as they come, it goes on, however much they have to tell.
    ticks: u32,
    idle: u32,
}

/// How much of a promise has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Told {
    /// All that was accepted below.
    below: Slot,
    /// Nothing was accepted beyond.
    complete: bool,
}

/// What a promise led to.
pub(crate) enum Progress {
    /// Nothing new: stale, repeated, or of a shape that no honest acceptor sends.
    Nothing,
    /// The acceptor has more to tell, from this slot on.
    More(Slot),
    /// Another acceptor's promise is complete.
    Complete,
}

impl Candidacy {
    pub(crate) fn new(ballot: Ballot, from: Slot) -> Candidacy {
        Candidacy {
            ballot,
            from,
            progress: BTreeMap::new(),
            highest: BTreeMap::new(),
            ticks: 0,
            idle: 0,
        }
    }

    /// All slots below were chosen and known here when it began.
    pub(crate) fn from(&self) -> Slot {
        self.from
    }

    /// A promise, or a chunk of one. It counts only for this very ballot: one for an earlier ballot says nothing about
    /// what was accepted since.
    pub(crate) fn on_promise(
        &mut self,
        acceptor: ReplicaId,
        ballot: Ballot,
        from: Slot,
        entries: Vec<Accepted>,
        more: Option<Slot>,
    ) -> Progress {
        let told = self.told(acceptor);
        let in_order = entries
            .iter()
            .map(|entry| entry.slot)
            .is_sorted_by(|left, right| left < right);
        let in_range = entries
            .iter()
            .all(|entry| entry.slot >= from && entry.ballot < ballot);
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
        let told = Told {
            below: more.unwrap_or(end),
            complete: more.is_none(),
        };
        self.progress.insert(acceptor, told);
        match more {
            Some(slot) => Progress::More(slot),
            None => Progress::Complete,
        }
    }

    fn told(&self, acceptor: ReplicaId) -> Told {
        let nothing = Told {
            below: self.from,
            complete: false,
        };
        self.progress.get(&acceptor).copied().unwrap_or(nothing)
    }

    /// Whose promises are complete.
    pub(crate) fn promised(&self) -> ReplicaSet {
        self.progress
            .iter()
            .filter(|(_, told)| told.complete)
            .map(|(id, _)| *id)
            .collect()
    }

    /// From which slot on an acceptor is to be asked. Those whose promises are complete are asked beyond what they told: the
    /// answer counts for nothing, but they hear that somebody stands.
    pub(crate) fn next_for(&self, acceptor: ReplicaId) -> Slot {
        self.told(acceptor).below
    }

    /// A tick has passed; tells how many since it began, and since a promise last came.
    pub(crate) fn on_tick(&mut self) -> (u32, u32) {
        self.ticks = self.ticks.saturating_add(1);
        self.idle = self.idle.saturating_add(1);
        (self.ticks, self.idle)
    }

    /// What phase 1 found, for the leader to carry over.
    pub(crate) fn into_highest(self) -> (Slot, BTreeMap<Slot, Value>) {
        (
            self.from,
            self.highest
                .into_iter()
                .map(|(slot, (_, value))| (slot, value))
                .collect(),
        )
    }
}
