//! Freeing maps little by little.

use std::sync::Arc;

use super::{Bucket, Buckets, Segment};

/// The buckets of a map that is being freed.
pub(crate) struct BucketsToFree<B> {
    pub(super) segments: Vec<Arc<Segment<B>>>,
    /// The remaining buckets of the segment that was taken apart last.
    pub(super) buckets: Vec<Arc<B>>,
}

impl<B: Bucket> BucketsToFree<B> {
    /// Frees buckets until their cost has used up `work`, or nothing is left. Shared buckets cost little:
    /// their last owner frees them.
    pub(crate) fn free_some(&mut self, work: &mut usize) {
        while *work > 0 {
            let spent = if let Some(bucket) = self.buckets.pop() {
                1 + Arc::into_inner(bucket).map_or(0, |bucket| bucket.cost())
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

impl<B, const LOAD: usize> From<Buckets<B, LOAD>> for BucketsToFree<B> {
    fn from(map: Buckets<B, LOAD>) -> BucketsToFree<B> {
        BucketsToFree {
            segments: map.segments,
            buckets: Vec::new(),
        }
    }
}

impl<B> Default for BucketsToFree<B> {
    fn default() -> BucketsToFree<B> {
        BucketsToFree {
            segments: Vec::new(),
            buckets: Vec::new(),
        }
    }
}
