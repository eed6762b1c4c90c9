//! Maps that nobody needs any more, freed bit by bit.

use std::sync::Arc;

use super::{Bucket, Buckets, Segment};

/// What is left of a map that is being freed.
pub(crate) struct Remains<K, V> {
    segments: Vec<Arc<Segment<K, V>>>,
    /// Of the segment that was taken apart last.
    buckets: Vec<Arc<Bucket<K, V>>>,
}

impl<K, V> Remains<K, V> {
    /// Frees buckets until what they cost has used up `work`, or nothing is left. What others share costs little: it is for them to
    /// free it.
    pub(crate) fn free_some(&mut self, work: &mut usize, cost: impl Fn(&V) -> usize) {
        while *work > 0 {
            let spent = if let Some(bucket) = self.buckets.pop() {
                let bucket = Arc::into_inner(bucket);
                let entries = bucket.iter().flat_map(|bucket| &bucket.entries);
                1 + entries.map(|entry| cost(&entry.value)).sum::<usize>()
            } else if let Some(segment) = self.segments.pop() {
                self.buckets
                    .extend(Arc::into_inner(segment).into_iter().flatten());
                1
            } else {
                return;
            };
            *work = work.saturating_sub(spent);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.buckets.is_empty()
    }
}

impl<K, V, const LOAD: usize> From<Buckets<K, V, LOAD>> for Remains<K, V> {
    fn from(map: Buckets<K, V, LOAD>) -> Remains<K, V> {
        Remains {
            segments: map.segments,
            buckets: Vec::new(),
        }
    }
}
