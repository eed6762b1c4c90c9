//! Which situation follows which.

use std::collections::BTreeSet;

use super::coverage::Sometimes;

/// A situation, and the one that occurred before it. What is dangerous is rarely one situation alone; it is one on top
/// of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Turn {
    /// The situation before; `None` at the first of a run.
    pub before: Option<Sometimes>,
    /// The situation.
    pub now: Sometimes,
}

/// The turns of a run so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Turns {
    last: Option<Sometimes>,
    seen: BTreeSet<Turn>,
    /// Those that occurred for the first time since these were taken last.
    fresh: Vec<Turn>,
}

impl Turns {
    /// A situation occurs.
    pub(crate) fn hit(&mut self, now: Sometimes) {
        if is_everyday(now) {
            return;
        }
        let turn = Turn {
            before: self.last,
            now,
        };
        self.last = Some(now);
        if self.seen.insert(turn) {
            self.fresh.push(turn);
        }
    }

    /// Takes those that are new.
    pub(crate) fn take_fresh(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.fresh)
    }
}

/// Situations of clients' everyday requests, which would stand between all others.
fn is_everyday(situation: Sometimes) -> bool {
    use Sometimes::{
        AcrossRegions, Batched, Bursts, CaughtUp, Chunked, Counted, Executed, FlexibleQuorums, HotKey,
        LargeValue, LoneReplica, MemoryOnly, NotExecuted, NotSwapped, ReadAfterChange, StepFailed, Swapped,
        TwoPhaseUpdate,
    };
    matches!(
        situation,
        AcrossRegions
            | Batched
            | Bursts
            | CaughtUp
            | Chunked
            | Counted
            | Executed
            | FlexibleQuorums
            | HotKey
            | LargeValue
            | LoneReplica
            | MemoryOnly
            | NotExecuted
            | NotSwapped
            | ReadAfterChange
            | StepFailed
            | Swapped
            | TwoPhaseUpdate
    )
}
