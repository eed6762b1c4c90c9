//! A hash map whose clone shares everything with it. The store and the session table are made of it.
//!
//! Buckets hold entries, and segments hold buckets; both are shared by reference count. A clone copies one
//! pointer per segment (hundreds or thousands of entries). The first write after that copies the pointers of
//! one segment, and one bucket. The map grows and shrinks by one bucket at a time (linear hashing: Litwin,
//! 1980), so no write does work in proportion to the size of the map.
//!
//! The layout depends only on the content, and not on the order of changes: the number of buckets follows
//! from the number of entries, and a bucket is sorted. So maps with equal content are equal in every part, on
//! every machine, and iterate in the same order.
//!
//! The [`Bucket`] decides how its entries are stored: the buckets of a [`Map`] store each one separately;
//! those of the store pack them.

use std::sync::Arc;

mod assembly;
mod map;
mod to_free;
mod walk;

pub(crate) use assembly::Assembly;
pub(crate) use map::{Map, MapBucket};
pub(crate) use to_free::BucketsToFree;
pub(crate) use walk::{EntryPosition, Walk};

/// The number of buckets in a segment.
const SEGMENT: usize = 64;

/// A hash map in shared buckets. `LOAD` is the average number of entries per bucket, which the first write
/// after a clone copies. The caller computes the hash of a key, in the same way on every machine.
#[derive(PartialEq, Eq)]
pub(crate) struct Buckets<B, const LOAD: usize> {
    segments: Vec<Arc<Segment<B>>>,
    /// The number of buckets in use. The others in the last segment are empty.
    buckets: usize,
    len: usize,
}

type Segment<B> = [Arc<B>; SEGMENT];

/// Some entries, sorted by hash, then key.
pub(crate) trait Bucket: Clone + Default {
    fn len(&self) -> usize;

    /// Splits it into the entries that stay and those for whose hash `goes` is true.
    fn split(self, goes: impl Fn(u32) -> bool) -> (Self, Self);

    /// Adds the entries of another bucket, none of which it has.
    fn merge(&mut self, other: Self);

    /// The work of freeing it: 1 for each piece of memory, or page of one.
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

    /// The bucket of a hash, and the number of low bits that all hashes of its entries have in common.
    pub(crate) fn bucket_with_depth(&self, hash: u32) -> (&B, u32) {
        let place = place(hash, self.buckets);
        let full = self.buckets.next_power_of_two();
        let half = (full / 2).max(1);
        // As in `place`: a bucket whose other half does not exist yet has one bit fewer.
        let is_divided = place % half + half < self.buckets;
        let depth = if is_divided { full } else { half }.ilog2();
        (&self.segments[place / SEGMENT][place % SEGMENT], depth)
    }

    /// The bucket of a hash, to change it. If an entry is added or removed, the caller must call `on_added`
    /// or `on_removed`.
    pub(crate) fn bucket_mut(&mut self, hash: u32) -> &mut B {
        self.bucket_at(place(hash, self.buckets))
    }

    /// An entry was added to a bucket.
    pub(crate) fn on_added(&mut self) {
        self.len += 1;
        if self.len > self.buckets * LOAD {
            self.split();
        }
    }

    /// An entry was removed from a bucket.
    pub(crate) fn on_removed(&mut self) {
        self.len -= 1;
        if self.len <= (self.buckets - 1) * LOAD && self.buckets > 1 {
            self.merge();
        }
    }

    /// The positions of the entries at `from` and after it, with their buckets, in an order that follows from
    /// the content. Any position is allowed: one past the end of a bucket stands for the beginning of the
    /// next bucket.
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

    /// Checks the order of the entries of a map that holds `len` of them, which is that of
    /// [`spots_from`](Buckets::spots_from); keys are kept as `T`.
    pub(crate) fn walk<T>(len: u64) -> Walk<T> {
        Walk::new(len, len.div_ceil(LOAD as u64))
    }

    /// Adds a bucket, and moves the entries to it that belong there. All of them are in one other bucket.
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

    /// Removes the last bucket, and moves its entries back.
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

/// Reads the reference counts, only to load them into the cache. Raising each of them would wait for the
/// memory one by one; reading all of them first waits once.
fn look_at_counts<T>(shared: &[Arc<T>]) {
    let looks = shared.iter().map(Arc::strong_count);
    std::hint::black_box(looks.fold(0, |seen, look| seen ^ look));
}

/// The likely index of a hash among `len` sorted ones. Hashes are spread evenly, so the guess is off by a few
/// places only, while each step of a binary search is a branch that the processor cannot predict.
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
