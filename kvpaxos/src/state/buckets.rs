//! A hash map whose clone shares everything with it: what the store and the session table are kept in.
//!
//! Entries lie in buckets shared by reference count, and buckets in segments likewise. Cloning copies one pointer a segment
//! (hundreds or thousands of entries); a write after that copies the segment's pointers and its one bucket. The map
//! grows and shrinks by one bucket at a time (linear hashing: Litwin, 1980), so that no write does work in proportion to
//! the whole.
//!
//! The layout depends on the content alone, not on how it came about: the number of buckets follows from the number of
//! entries, and a bucket is sorted. Maps of equal content are thus equal in every part, on every machine, and are gone
//! through in the same order.
//!
//! How entries lie in a bucket is the business of the [`Bucket`]: in those of a [`Map`], each by itself; those of the store are
//! packed.

use std::sync::Arc;

mod assembly;
mod map;
mod to_free;
mod walk;

pub(crate) use assembly::Assembly;
pub(crate) use map::{Map, MapBucket};
pub(crate) use to_free::BucketsToFree;
pub(crate) use walk::{EntryPosition, Walk};

/// Buckets a segment.
const SEGMENT: usize = 64;

/// See the module. `LOAD` is the average number of entries a bucket: what a first write after a clone copies. Keys come with
/// a hash, which the caller computes the same way on every machine.
#[derive(PartialEq, Eq)]
pub(crate) struct Buckets<B, const LOAD: usize> {
    segments: Vec<Arc<Segment<B>>>,
    /// How many buckets are in use; those behind them in the last segment are empty.
    buckets: usize,
    len: usize,
}

type Segment<B> = [Arc<B>; SEGMENT];

/// Some entries, sorted by hash, then key.
pub(crate) trait Bucket: Clone + Default {
    fn len(&self) -> usize;

    /// Takes it apart: the entries that stay, and those whose hash goes.
    fn split(self, goes: impl Fn(u32) -> bool) -> (Self, Self);

    /// Takes in the entries of another, none of which it has.
    fn merge(&mut self, other: Self);

    /// How much work it is to free it: 1 for each piece of memory, or page of one.
    fn cost(&self) -> usize;
}

impl<B: Bucket, const LOAD: usize> Buckets<B, LOAD> {
    pub(crate) fn new() -> Self {
        Buckets {
            segments: vec![empty_segment()],
            buckets: 1,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bucket of a hash.
    pub(crate) fn bucket(&self, hash: u32) -> &B {
        let place = place(hash, self.buckets);
        &self.segments[place / SEGMENT][place % SEGMENT]
    }

    /// The bucket of a hash, to change it. When an entry was added or removed, say so.
    pub(crate) fn bucket_mut(&mut self, hash: u32) -> &mut B {
        self.bucket_at(place(hash, self.buckets))
    }

    /// One of the buckets holds an entry more.
    pub(crate) fn on_added(&mut self) {
        self.len += 1;
        if self.len > self.buckets * LOAD {
            self.split();
        }
    }

    /// One of the buckets holds an entry less.
    pub(crate) fn on_removed(&mut self) {
        self.len -= 1;
        if self.len <= (self.buckets - 1) * LOAD && self.buckets > 1 {
            self.merge();
        }
    }

    /// Where entries lie, at `from` and after it, and in which bucket, in an order that follows from the content. Any spot
    /// will do: past the end of a bucket the next one follows, and after the last bucket nothing.
    pub(crate) fn spots_from(&self, from: EntryPosition) -> impl Iterator<Item = (EntryPosition, &B)> {
        let buckets = (from.bucket..=u32::MAX).map_while(|bucket| Some((bucket, self.get_bucket(bucket)?)));
        buckets.flat_map(move |(number, bucket)| {
            let first = if number == from.bucket { from.entry } else { 0 };
            let len = u32::try_from(bucket.len()).expect("a bucket is small");
            let spot = move |entry| EntryPosition {
                bucket: number,
                entry,
            };
            (first..len).map(move |entry| (spot(entry), bucket))
        })
    }

    /// Expects the entries of a map that holds `len` of them, in the order of [`spots_from`](Buckets::spots_from); keys are kept as
    /// `T`.
    pub(crate) fn walk<T>(len: u64) -> Walk<T> {
        Walk::new(len, len.div_ceil(LOAD as u64))
    }

    /// One bucket more: takes its entries from the one bucket that they were in.
    fn split(&mut self) {
        let new = self.buckets;
        if new == self.segments.len() * SEGMENT {
            self.segments.push(empty_segment());
        }
        self.buckets += 1;
        let old = new - previous_power_of_two(new);
        let whole = std::mem::take(self.bucket_at(old));
        let (stay, go) = whole.split(|hash| place(hash, new + 1) != old);
        *self.bucket_at(old) = stay;
        *self.bucket_at(new) = go;
    }

    /// One bucket less: gives its entries back.
    fn merge(&mut self) {
        let last = self.buckets - 1;
        self.buckets = last;
        let back = std::mem::take(self.bucket_at(last));
        self.bucket_at(last - previous_power_of_two(last)).merge(back);
        if last.is_multiple_of(SEGMENT) {
            self.segments.pop();
        }
    }

    /// The bucket of this number, if there is one.
    fn get_bucket(&self, number: u32) -> Option<&B> {
        let place = number as usize;
        let segment = self.segments.get(place / SEGMENT)?;
        (place < self.buckets).then(|| &*segment[place % SEGMENT])
    }

    fn bucket_at(&mut self, place: usize) -> &mut B {
        let segment = &mut self.segments[place / SEGMENT];
        if Arc::strong_count(segment) > 1 {
            look_at_counts(&segment[..]);
        }
        Arc::make_mut(&mut Arc::make_mut(segment)[place % SEGMENT])
    }
}

impl<B, const LOAD: usize> Clone for Buckets<B, LOAD> {
    fn clone(&self) -> Self {
        look_at_counts(&self.segments);
        Buckets {
            segments: self.segments.clone(),
            ..*self
        }
    }
}

/// Looks at how often each is shared, to no effect but that it comes into the cache. To count one more reference waits for the
/// memory, and everything else with it; to look at all of them first waits once.
fn look_at_counts<T>(shared: &[Arc<T>]) {
    let looks = shared.iter().map(Arc::strong_count);
    std::hint::black_box(looks.fold(0, |seen, look| seen ^ look));
}

/// Hashes spread evenly: the place of one among `len` that are sorted is near where it falls between the lowest and the highest
/// there could be. Where halving would have the processor guess at every step, it is thus known within a few places.
pub(crate) fn guess(hash: u32, len: usize) -> usize {
    ((u64::from(hash) * len as u64) >> 32) as usize
}

fn empty_segment<B: Bucket>() -> Arc<Segment<B>> {
    let empty = Arc::new(B::default());
    Arc::new(std::array::from_fn(|_| Arc::clone(&empty)))
}

/// The bucket of a hash among `buckets`: its low bits, one bit fewer where that bucket does not exist yet.
fn place(hash: u32, buckets: usize) -> usize {
    let full = buckets.next_power_of_two();
    let place = hash as usize & (full - 1);
    if place < buckets { place } else { place - full / 2 }
}

fn previous_power_of_two(number: usize) -> usize {
    1 << number.ilog2()
}

#[cfg(test)]
mod tests;
