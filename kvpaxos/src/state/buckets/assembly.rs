//! Assembling a map from buckets that arrive in order.

use std::sync::Arc;

use super::{Bucket, Buckets, BucketsToFree, SEGMENT, Segment, empty_segment};

/// A segment with fewer non-empty buckets than this is not assembled before the map is complete, because a
/// faulty sender may never fill it. In a correct map hardly a bucket is empty.
const DENSE: usize = SEGMENT / 4;

/// A map that is assembled bucket by bucket. Buckets that are left out cost nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Assembly<B> {
    /// The complete segments, by ascending number.
    segments: Vec<(usize, Arc<Segment<B>>)>,
    /// The other buckets, by ascending number.
    buckets: Vec<(usize, Arc<B>)>,
    /// The number of these buckets that are in segments before the present one.
    before: usize,
    len: usize,
}

impl<B: Bucket> Assembly<B> {
    pub(crate) fn new() -> Assembly<B> {
        Assembly {
            segments: Vec::new(),
            buckets: Vec::new(),
            before: 0,
            len: 0,
        }
    }

    /// The number of entries so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds entries to a bucket: the last one that entries were added to, or a later one.
    pub(crate) fn add(&mut self, number: u32, count: usize, add: impl FnOnce(&mut B)) {
        let number = number as usize;
        match self.buckets.last().map(|(last, _)| *last) {
            Some(last) if last == number => {}
            last => {
                if last.is_some_and(|last| last / SEGMENT < number / SEGMENT) {
                    self.end_segment();
                }
                self.buckets.push((number, Arc::new(B::default())));
            }
        }
        if let Some((_, bucket)) = self.buckets.last_mut() {
            add(Arc::make_mut(bucket));
            self.len += count;
        }
    }

    /// The complete map. Takes a step per segment.
    pub(crate) fn finish<const LOAD: usize>(mut self) -> Buckets<B, LOAD> {
        self.end_segment();
        let buckets = self.len.div_ceil(LOAD).max(1);
        let mut segments = vec![empty_segment(); buckets.div_ceil(SEGMENT)];
        for (number, segment) in self.segments {
            segments[number] = segment;
        }
        for (number, bucket) in self.buckets {
            Arc::make_mut(&mut segments[number / SEGMENT])[number % SEGMENT] = bucket;
        }
        Buckets {
            segments,
            buckets,
            len: self.len,
        }
    }

    /// The next bucket belongs to another segment.
    fn end_segment(&mut self) {
        let present = &self.buckets[self.before..];
        if present.len() >= DENSE
            && let Some((first, _)) = present.first()
        {
            let number = first / SEGMENT;
            let mut segment = empty_segment();
            let places = Arc::make_mut(&mut segment);
            for (number, bucket) in self.buckets.drain(self.before..) {
                places[number % SEGMENT] = bucket;
            }
            self.segments.push((number, segment));
        }
        self.before = self.buckets.len();
    }
}

impl<B> From<Assembly<B>> for BucketsToFree<B> {
    fn from(assembly: Assembly<B>) -> BucketsToFree<B> {
        BucketsToFree {
            segments: assembly
                .segments
                .into_iter()
                .map(|(_, segment)| segment)
                .collect(),
            buckets: assembly.buckets.into_iter().map(|(_, bucket)| bucket).collect(),
        }
    }
}
