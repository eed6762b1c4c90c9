//! When what is no longer needed is freed: little by little, for each message a bit.
//!
//! A state of a million keys and the log before its snapshot become free at once. Freeing costs more than anything else
//! that a replica does with a message, and messages wait in line meanwhile, heartbeats among them: if each step freed
//! as much as a message takes time, leaders would be given up under load after every snapshot.

use crate::replica::Replica;
use crate::roles::learner::AppliedSlots;

/// How much is freed at a time.
#[derive(Clone, Copy)]
pub(super) struct FreeWork {
    /// Values of the log, from each place that holds them.
    values: usize,
    /// Pieces of memory of states, or pages of them.
    pieces: usize,
}

impl FreeWork {
    /// At each tick. This is what frees in a replica without load: a million keys within about 6 s.
    pub(super) const TICK: FreeWork = FreeWork {
        values: 64,
        pieces: 1024,
    };

    /// After a step that has applied this.
    ///
    /// It keeps up. Until the next snapshot as many slots are applied as the last one cut, or more bytes than the
    /// state has; and a piece of a state stands for several entries, which count for more than 64 bytes each.
    pub(super) fn after(applied: AppliedSlots) -> FreeWork {
        let number = |amount: u64| usize::try_from(amount).unwrap_or(usize::MAX);
        FreeWork {
            values: number(applied.slots.saturating_mul(2)).saturating_add(2),
            pieces: number(applied.bytes / 128),
        }
    }
}

impl Replica {
    pub(super) fn free_some(&mut self, work: FreeWork) {
        self.to_free.free_some(work.pieces);
        if let Some(learner) = &mut self.learner {
            learner.free_some(work.values);
        }
        if let Some(memory) = self.memory() {
            memory.acceptor.free_some(work.values);
            memory.archive.chosen.free_some(work.values);
        }
    }
}
