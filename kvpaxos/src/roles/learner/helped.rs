//! What a learner keeps for the replicas that it helps.
//!
//! A replica that lags fetches a snapshot part by part, and then the values after it. The load goes on meanwhile, and its
//! helper takes new snapshots and cuts its log at them. If it dropped what the other still needs, the other would have to
//! begin anew, again and again, for as long as the load lasts. So the helper keeps the snapshot that is being fetched,
//! and its log from the slot that was last asked for.
//!
//! It stops when the other has asked for nothing for a while, and when it has kept as much for it alone as a
//! [`Bound`] allows. Safety does not depend on it: a learner may keep any part of the log for as long as it likes.

use std::collections::BTreeMap;

use super::Learner;
use crate::command::Value;
use crate::export::export_fields;
use crate::state::snapshot::{DeferredFree, Snapshot};
use crate::types::{ReplicaId, Slot};

/// The replicas that are helped.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Helped {
    needs: BTreeMap<ReplicaId, Need>,
}

export_fields!(Helped { needs });

/// What one of them needs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Need {
    /// The values of the log from this slot on.
    from: Slot,
    /// The snapshot at that slot, while it is being fetched.
    snapshot: Option<Snapshot>,
    /// Ticks since it asked.
    silent: u32,
    /// The numbers of slots and of bytes that were applied while the log was kept for it alone.
    kept: (u64, u64),
}

export_fields!(Need {
    from,
    snapshot,
    silent,
    kept
});

/// How much is applied at most while the log is kept for one replica alone.
pub(super) struct Bound {
    pub(super) slots: u64,
    pub(super) bytes: u64,
}

impl Helped {
    /// A replica asks for the values from a slot on, which are held. If it is close behind, it needs nothing
    /// that would be cut soon.
    pub(super) fn on_learn(
        &mut self,
        asker: ReplicaId,
        from: Slot,
        last: Option<&Snapshot>,
        to_free: &mut DeferredFree,
    ) {
        if last.is_some_and(|last| from < last.slot()) {
            self.note(asker, from, None, to_free);
        } else if let Some(need) = self.needs.remove(&asker) {
            need.snapshot.into_iter().for_each(|it| to_free.push(it));
        }
    }

    /// A replica is sent a part of a snapshot.
    pub(super) fn on_fetch(&mut self, asker: ReplicaId, snapshot: &Snapshot, to_free: &mut DeferredFree) {
        self.note(asker, snapshot.slot(), Some(snapshot), to_free);
    }

    /// The snapshot at this slot, if this replica is fetching it.
    pub(super) fn fetched_by(&self, asker: ReplicaId, slot: Slot) -> Option<&Snapshot> {
        let snapshot = self.needs.get(&asker)?.snapshot.as_ref()?;
        (snapshot.slot() == slot).then_some(snapshot)
    }

    fn note(
        &mut self,
        asker: ReplicaId,
        from: Slot,
        snapshot: Option<&Snapshot>,
        to_free: &mut DeferredFree,
    ) {
        let kept = self.needs.get(&asker).map_or((0, 0), |need| need.kept);
        let need = Need {
            from,
            snapshot: snapshot.cloned(),
            silent: 0,
            kept,
        };
        let before = self.needs.insert(asker, need);
        let snapshot = before.and_then(|need| need.snapshot);
        snapshot.into_iter().for_each(|it| to_free.push(it));
    }

    /// A tick has passed. Who has asked for nothing for so many ticks has what it needs, or is gone.
    pub(super) fn on_tick(&mut self, patience: u32, to_free: &mut DeferredFree) {
        self.needs.values_mut().for_each(|need| need.silent += 1);
        self.end_where(|need| need.silent >= patience, to_free);
    }

    /// The log is to be cut below a slot, after so many slots and bytes were applied since the last time. Returns the slot
    /// below which nobody needs it.
    pub(super) fn cut(
        &mut self,
        below: Slot,
        applied: (u64, u64),
        bound: &Bound,
        to_free: &mut DeferredFree,
    ) -> Slot {
        for need in self.needs.values_mut() {
            let (slots, bytes) = need.kept;
            need.kept = match need.from < below {
                true => (slots.saturating_add(applied.0), bytes.saturating_add(applied.1)),
                false => (0, 0),
            };
        }
        self.end_where(
            |need| need.kept.0 > bound.slots || need.kept.1 > bound.bytes,
            to_free,
        );
        let needed = self.needs.values().map(|need| need.from);
        needed.fold(below, Slot::min)
    }

    /// Nothing is kept any more.
    pub(super) fn end(&mut self, to_free: &mut DeferredFree) {
        self.end_where(|_| true, to_free);
    }

    fn end_where(&mut self, is_over: impl Fn(&Need) -> bool, to_free: &mut DeferredFree) {
        self.needs.retain(|_, need| {
            let is_over = is_over(need);
            let snapshot = need.snapshot.take_if(|_| is_over);
            snapshot.into_iter().for_each(|it| to_free.push(it));
            !is_over
        });
    }
}

/// How it helps.
impl Learner {
    /// The chosen values that another replica asks for, from a slot on, as many as fit into a chunk; none if the first is
    /// not known. `None` if the log is cut above the slot.
    pub(crate) fn values_for(
        &mut self,
        asker: ReplicaId,
        from: Slot,
        to_free: &mut DeferredFree,
    ) -> Option<Vec<Value>> {
        if from < self.log.base() {
            return None;
        }
        self.helped.on_learn(asker, from, self.snapshot.as_ref(), to_free);
        let mut values = Vec::new();
        let mut bytes = 0;
        for (_, value) in self.log.iter_from(from) {
            if !values.is_empty() && bytes + value.size() > self.limits.chunk_bytes {
                break;
            }
            bytes += value.size();
            values.push(value.clone());
        }
        Some(values)
    }

    /// The snapshot of which another replica that lags is sent a part, which is kept for it from now on. If it has
    /// begun to fetch one, at this slot, that one, as long as it is kept; otherwise the last one, if it is not
    /// older.
    pub(crate) fn snapshot_for(
        &mut self,
        asker: ReplicaId,
        begun: Option<Slot>,
        to_free: &mut DeferredFree,
    ) -> Option<Snapshot> {
        let kept = begun.and_then(|slot| self.helped.fetched_by(asker, slot));
        let last = self.snapshot.as_ref();
        let last = last.filter(|last| begun.is_none_or(|slot| last.slot() >= slot));
        let snapshot = kept.or(last)?.clone();
        self.helped.on_fetch(asker, &snapshot, to_free);
        Some(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::state::machine::StateMachine;

    const BOUND: Bound = Bound {
        slots: 10,
        bytes: 1000,
    };
    const ASKER: ReplicaId = ReplicaId(2);

    fn snapshot(slot: u64) -> Snapshot {
        Snapshot::new(Slot(slot), &StateMachine::new(Limits::default()))
    }

    /// Somebody fetches the snapshot at slot 4.
    fn fetched() -> Helped {
        let mut helped = Helped::default();
        helped.on_fetch(ASKER, &snapshot(4), &mut DeferredFree::default());
        helped
    }

    fn cut(helped: &mut Helped, below: u64, applied: (u64, u64)) -> Slot {
        helped.cut(Slot(below), applied, &BOUND, &mut DeferredFree::default())
    }

    #[test]
    fn the_log_is_kept_from_the_snapshot_on_until_it_is_too_much() {
        for applied in [(4, 100), (1, 400)] {
            let mut helped = fetched();
            assert_eq!(cut(&mut helped, 4, applied), Slot(4));
            assert_eq!(cut(&mut helped, 8, applied), Slot(4));
            assert_eq!(cut(&mut helped, 12, applied), Slot(4));
            assert!(helped.fetched_by(ASKER, Slot(4)).is_some());
            assert_eq!(cut(&mut helped, 16, applied), Slot(16));
            assert_eq!(helped, Helped::default());
        }
    }

    #[test]
    fn the_count_begins_anew_once_it_has_caught_up() {
        let (mut helped, mut to_free) = (fetched(), DeferredFree::default());
        assert_eq!(cut(&mut helped, 8, (9, 0)), Slot(4));
        helped.on_learn(ASKER, Slot(9), Some(&snapshot(12)), &mut to_free);
        assert!(
            helped.fetched_by(ASKER, Slot(4)).is_none(),
            "it asks for values now"
        );
        assert_eq!(cut(&mut helped, 9, (9, 0)), Slot(9));
        assert_eq!(cut(&mut helped, 12, (9, 0)), Slot(9));
        helped.on_learn(ASKER, Slot(12), Some(&snapshot(12)), &mut to_free);
        assert_eq!(helped, Helped::default(), "what it asks for is not cut soon");
    }

    #[test]
    fn who_is_silent_is_forgotten() {
        let (mut helped, mut to_free) = (fetched(), DeferredFree::default());
        helped.on_tick(2, &mut to_free);
        helped.on_fetch(ASKER, &snapshot(4), &mut to_free);
        helped.on_tick(2, &mut to_free);
        assert_eq!(cut(&mut helped, 8, (1, 1)), Slot(4));
        helped.on_tick(2, &mut to_free);
        assert_eq!(cut(&mut helped, 8, (1, 1)), Slot(8));
    }
}
