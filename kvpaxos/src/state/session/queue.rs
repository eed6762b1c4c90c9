//! Sessions in the order in which they were queued. A clone shares them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::types::{Revision, SessionId};

/// The greatest number of entries in a chunk, which the first change after a clone copies.
const CHUNK: usize = 64;

/// The revision at which a session was queued, and the session.
pub(super) type QueueKey = (Revision, SessionId);

/// Sessions in the order in which they were queued. A session in use may have been used since then: the first
/// one whose [`Session::queued`](super::Session) and `last_use` are equal is the least recently used.
///
/// Sorted, in chunks that are shared by reference count. Most sessions are added at the end; they are removed
/// anywhere.
#[derive(Clone, Default)]
pub(super) struct Queue {
    /// No chunk is empty.
    chunks: VecDeque<Arc<Vec<QueueKey>>>,
    len: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn first(&self) -> Option<&QueueKey> {
        self.chunks.front()?.first()
    }

    /// Adds an entry; returns whether it was new.
    pub(super) fn insert(&mut self, place: QueueKey) -> bool {
        let at = self.chunk_of(&place);
        let is_last = at + 1 == self.chunks.len();
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push_back(Arc::new(vec![place]));
            self.len += 1;
            return true;
        };
        let Err(within) = chunk.binary_search(&place) else {
            return false;
        };
        self.len += 1;
        if chunk.len() < CHUNK {
            Arc::make_mut(chunk).insert(within, place);
        } else if within == CHUNK && is_last {
            // Entries that are added at the end leave full chunks.
            self.chunks.push_back(Arc::new(vec![place]));
        } else {
            let chunk = Arc::make_mut(chunk);
            let mut upper = chunk.split_off(CHUNK / 2);
            match within.checked_sub(CHUNK / 2) {
                Some(within) => upper.insert(within, place),
                None => chunk.insert(within, place),
            }
            self.chunks.insert(at + 1, Arc::new(upper));
        }
        true
    }

    /// Removes an entry; returns whether it existed.
    pub(super) fn remove(&mut self, place: &QueueKey) -> bool {
        let at = self.chunk_of(place);
        let Some(chunk) = self.chunks.get_mut(at) else {
            return false;
        };
        let Ok(within) = chunk.binary_search(place) else {
            return false;
        };
        self.len -= 1;
        if chunk.len() == 1 {
            self.chunks.remove(at);
        } else {
            Arc::make_mut(chunk).remove(within);
            self.join(at);
        }
        self.join(at.wrapping_sub(1));
        true
    }

    /// Frees chunks from the end until `work` is used up or nothing is left.
    pub(super) fn free_some(&mut self, work: &mut usize) {
        while *work > 0
            && let Some(chunk) = self.chunks.pop_back()
        {
            self.len -= chunk.len();
            *work -= 1;
        }
    }

    /// All entries in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &QueueKey> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The chunk in which the entry is or belongs: the last one that begins at it or before it, or the first.
    fn chunk_of(&self, place: &QueueKey) -> usize {
        let after = self.chunks.partition_point(|chunk| chunk.first() <= Some(place));
        after.saturating_sub(1)
    }

    /// Joins two neighbours that are at most half full together, so that removals do not leave many small
    /// chunks.
    fn join(&mut self, at: usize) {
        let (Some(one), Some(next)) = (self.chunks.get(at), self.chunks.get(at.wrapping_add(1))) else {
            return;
        };
        if one.len() + next.len() > CHUNK / 2 {
            return;
        }
        if let Some(next) = self.chunks.remove(at + 1) {
            Arc::make_mut(&mut self.chunks[at]).extend_from_slice(&next);
        }
    }
}

/// The division into chunks depends on the order of changes, and does not count.
impl PartialEq for Queue {
    fn eq(&self, other: &Queue) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Queue {}

#[cfg(test)]
impl Queue {
    pub(super) fn contains(&self, place: &QueueKey) -> bool {
        let chunk = self.chunks.get(self.chunk_of(place));
        chunk.is_some_and(|chunk| chunk.binary_search(place).is_ok())
    }

    pub(super) fn check(&self) {
        assert!(self.iter().is_sorted_by(|one, next| one < next));
        assert_eq!(self.iter().count(), self.len);
        assert!(self.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())));
        let pairs = self.chunks.iter().zip(self.chunks.iter().skip(1));
        for (one, next) in pairs {
            assert!(one.len() + next.len() > CHUNK / 2, "neighbours are joined");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::types::Slot;

    fn place((slot, session): (u64, u64)) -> QueueKey {
        let [slot, session] = [slot, session].map(|slot| Revision {
            slot: Slot(slot),
            index: 0,
        });
        (slot, SessionId(session))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn behaves_like_a_set_and_clones_keep_their_content(
            first in prop::collection::vec((0_u64..400, 0_u64..3), 0..1000),
            changes in prop::collection::vec((any::<bool>(), (0_u64..400, 0_u64..3)), 0..1500),
        ) {
            let (mut queue, mut model) = (Queue::default(), BTreeSet::new());
            for pair in first {
                prop_assert_eq!(queue.insert(place(pair)), model.insert(place(pair)));
            }
            queue.check();
            let (queue_before, model_before) = (queue.clone(), model.clone());
            for (add, pair) in changes {
                let place = place(pair);
                if add {
                    prop_assert_eq!(queue.insert(place), model.insert(place));
                } else {
                    prop_assert_eq!(queue.remove(&place), model.remove(&place));
                }
                prop_assert_eq!(queue.first(), model.first());
                prop_assert_eq!(queue.contains(&place), add);
            }
            queue.check();
            prop_assert!(queue.iter().eq(&model));
            prop_assert!(queue_before.iter().eq(&model_before));
            let mut other = Queue::default();
            for place in model.iter().rev() {
                other.insert(*place);
            }
            prop_assert!(other == queue);
            prop_assert_eq!(queue_before == queue, model_before == model);
        }
    }

    #[test]
    fn what_comes_in_order_fills_the_chunks() {
        let mut queue = Queue::default();
        for slot in 0..10 * CHUNK as u64 {
            queue.insert(place((slot, slot)));
        }
        assert_eq!(queue.chunks.len(), 10);
    }
}
