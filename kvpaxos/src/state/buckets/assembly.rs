//! Maps whose buckets come from elsewhere, in order.

use std::sync::Arc;

use super::{Bucket, Buckets, BucketsToFree, SEGMENT, Segment, empty_segment};

/// A segment with fewer buckets than these that hold anything is not put together before all is there: there may never be more.
/// Of honest maps, hardly a bucket is empty.
const DENSE: usize = SEGMENT / 4;

/// A map that is put together bucket by bucket. Costs nothing for those that are left out, however many.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Assembly<B> {
    /// Whole segments by their numbers, ascending.
    segments: Vec<(usize, Arc<Segment<B>>)>,
    /// Buckets that are in none of these, by their numbers, ascending.
    buckets: Vec<(usize, Arc<B>)>,
    /// How many of them are of segments before the present one.
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

    /// How many entries have come.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds entries to a bucket: the one that was added to last, or one behind it.
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

    /// All of the map has come. Costs a step for each of its segments.
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

    /// What comes next is of another segment.
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
