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
//! What makes a write slow is what it touches that is in no cache. So each bucket keeps the hashes apart from the entries:
//! they are small enough to stay at hand, and tell which one entry to touch.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

mod remains;
mod walk;

pub(crate) use remains::Remains;
pub(crate) use walk::{Spot, Walk};

/// Buckets a segment.
const SEGMENT: usize = 64;
/// By how many entries a full bucket grows.
const GROWTH: usize = 8;

/// See the module. `LOAD` is the average number of entries a bucket: what a first write after a clone copies. Keys come with
/// a hash, which the caller computes the same way on every machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Buckets<K, V, const LOAD: usize> {
    segments: Vec<Arc<Segment<K, V>>>,
    /// How many buckets are in use; those behind them in the last segment are empty.
    buckets: usize,
    len: usize,
}

type Segment<K, V> = [Arc<Bucket<K, V>>; SEGMENT];

/// Sorted by hash, then key.
#[derive(Clone, PartialEq, Eq)]
struct Bucket<K, V> {
    hashes: Vec<u32>,
    entries: Vec<Entry<K, V>>,
}

/// Aligned to the lines of the cache, so that a small one lies in a single line.
#[derive(Clone, PartialEq, Eq)]
#[repr(align(64))]
struct Entry<K, V> {
    key: K,
    value: V,
}

impl<K: Clone + Ord, V: Clone, const LOAD: usize> Buckets<K, V, LOAD> {
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

    pub(crate) fn get<Q: Ord + ?Sized>(&self, hash: u32, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let bucket = self.bucket(hash);
        let at = bucket.find(hash, key).ok()?;
        Some(&bucket.entries[at].value)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, hash: u32, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let bucket = self.bucket_mut(place(hash, self.buckets));
        let at = bucket.find(hash, key).ok()?;
        Some(&mut bucket.entries[at].value)
    }

    /// Adds a key that has no value yet.
    pub(crate) fn add(&mut self, hash: u32, key: K, value: V) {
        let bucket = self.bucket_mut(place(hash, self.buckets));
        match bucket.find(hash, &key) {
            Ok(at) => bucket.entries[at].value = value,
            Err(at) => {
                bucket.insert(at, hash, Entry { key, value });
                self.len += 1;
                if self.len > self.buckets * LOAD {
                    self.split();
                }
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, hash: u32, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let bucket = self.bucket_mut(place(hash, self.buckets));
        let at = bucket.find(hash, key).ok()?;
        bucket.hashes.remove(at);
        let entry = bucket.entries.remove(at);
        self.len -= 1;
        if self.len <= (self.buckets - 1) * LOAD && self.buckets > 1 {
            self.merge();
        }
        Some(entry.value)
    }

    /// Looks at where the hash belongs, without following any pointer from there.
    pub(crate) fn touch(&self, hash: u32) -> u64 {
        let bucket = self.bucket(hash);
        let near = bucket.hashes.get(bucket.guess(hash));
        near.copied().unwrap_or(0).into()
    }

    /// The value of the first key of this hash: most likely the only one.
    pub(crate) fn first_of(&self, hash: u32) -> Option<&V> {
        let bucket = self.bucket(hash);
        let at = bucket.find_hash(hash);
        let found = bucket.hashes.get(at) == Some(&hash);
        found.then(|| &bucket.entries[at].value)
    }

    /// The entries at `from` and after it, each with where it lies, in the order of [`iter`](Buckets::iter). Any spot will do:
    /// past the end of a bucket the next one follows, and after the last bucket nothing.
    pub(crate) fn iter_from(&self, from: Spot) -> impl Iterator<Item = (Spot, &K, &V)> {
        let buckets = (from.bucket..=u32::MAX).map_while(|bucket| Some((bucket, self.get_bucket(bucket)?)));
        buckets.flat_map(move |(at, bucket)| {
            let first = if at == from.bucket { from.entry } else { 0 };
            let entries = bucket.entries.iter().skip(first as usize);
            entries.zip(first..).map(move |(found, entry)| {
                let spot = Spot { bucket: at, entry };
                (spot, &found.key, &found.value)
            })
        })
    }

    /// Expects the entries of a map that holds `len` of them, in the order of [`iter`](Buckets::iter); keys are kept as `T`.
    pub(crate) fn walk<T>(len: u64) -> Walk<T> {
        Walk::new(len, len.div_ceil(LOAD as u64))
    }

    /// All entries, in an order that follows from the content.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let buckets = self.segments.iter().flat_map(|segment| segment.iter());
        let entries = buckets.flat_map(|bucket| bucket.entries.iter());
        entries.map(|entry| (&entry.key, &entry.value))
    }

    /// One bucket more: takes its entries from the one bucket that they were in.
    fn split(&mut self) {
        let new = self.buckets;
        if new == self.segments.len() * SEGMENT {
            self.segments.push(empty_segment());
        }
        self.buckets += 1;
        let old = new - previous_power_of_two(new);
        let (mut stay, mut go) = (Bucket::new(), Bucket::new());
        for (hash, entry) in std::mem::take(self.bucket_mut(old)).into_iter() {
            let bucket = if place(hash, new + 1) == old {
                &mut stay
            } else {
                &mut go
            };
            bucket.insert(bucket.hashes.len(), hash, entry);
        }
        *self.bucket_mut(old) = stay;
        *self.bucket_mut(new) = go;
    }

    /// One bucket less: gives its entries back.
    fn merge(&mut self) {
        let last = self.buckets - 1;
        self.buckets = last;
        let back = std::mem::take(self.bucket_mut(last));
        let bucket = self.bucket_mut(last - previous_power_of_two(last));
        for (hash, entry) in back.into_iter() {
            let (Ok(at) | Err(at)) = bucket.find(hash, &entry.key);
            bucket.insert(at, hash, entry);
        }
        if last.is_multiple_of(SEGMENT) {
            self.segments.pop();
        }
    }

    fn bucket(&self, hash: u32) -> &Bucket<K, V> {
        let place = place(hash, self.buckets);
        &self.segments[place / SEGMENT][place % SEGMENT]
    }

    /// The bucket of this number, if there is one.
    fn get_bucket(&self, number: u32) -> Option<&Bucket<K, V>> {
        let place = number as usize;
        let segment = self.segments.get(place / SEGMENT)?;
        (place < self.buckets).then(|| &*segment[place % SEGMENT])
    }

    fn bucket_mut(&mut self, place: usize) -> &mut Bucket<K, V> {
        let segment = Arc::make_mut(&mut self.segments[place / SEGMENT]);
        Arc::make_mut(&mut segment[place % SEGMENT])
    }
}

impl<K: Ord, V> Bucket<K, V> {
    fn new() -> Self {
        Bucket {
            hashes: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Where the key is, or belongs.
    fn find<Q: Ord + ?Sized>(&self, hash: u32, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        let mut at = self.find_hash(hash);
        while self.hashes.get(at) == Some(&hash) {
            match self.entries[at].key.borrow().cmp(key) {
                Ordering::Less => at += 1,
                Ordering::Equal => return Ok(at),
                Ordering::Greater => break,
            }
        }
        Err(at)
    }

    /// Where the first of this hash is, or belongs.
    fn find_hash(&self, hash: u32) -> usize {
        let mut at = self.guess(hash);
        while at > 0 && self.hashes[at - 1] >= hash {
            at -= 1;
        }
        while self.hashes.get(at).is_some_and(|other| *other < hash) {
            at += 1;
        }
        at
    }

    /// Hashes spread evenly: the place is near where this one falls between the lowest and the highest there could be. Where
    /// halving would have the processor guess at every step, it is thus known within a few places.
    fn guess(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.hashes.len() as u64) >> 32) as usize
    }

    fn insert(&mut self, at: usize, hash: u32, entry: Entry<K, V>) {
        if self.entries.len() == self.entries.capacity() {
            // Doubling would leave a quarter of the memory unused.
            self.entries.reserve_exact(GROWTH);
            self.hashes.reserve_exact(GROWTH);
        }
        self.hashes.insert(at, hash);
        self.entries.insert(at, entry);
    }

    fn into_iter(self) -> impl Iterator<Item = (u32, Entry<K, V>)> {
        self.hashes.into_iter().zip(self.entries)
    }
}

impl<K: Ord, V> Default for Bucket<K, V> {
    fn default() -> Self {
        Bucket::new()
    }
}

fn empty_segment<K: Ord, V>() -> Arc<Segment<K, V>> {
    let empty = Arc::new(Bucket::new());
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few different hashes, so that keys share buckets and even hashes.
    fn hash(key: u16) -> u32 {
        u32::from(key % 400).wrapping_mul(0x9E37_79B9)
    }

    fn check(map: &Buckets<u16, u32, 3>, model: &BTreeMap<u16, u32>) {
        assert_eq!(map.len(), model.len());
        assert_eq!(map.buckets, model.len().div_ceil(3).max(1));
        assert_eq!(map.segments.len(), map.buckets.div_ceil(SEGMENT));
        let mut fresh = Buckets::new();
        for (key, value) in model.iter().rev() {
            assert_eq!(map.get(hash(*key), key), Some(value));
            fresh.add(hash(*key), *key, *value);
        }
        assert!(*map == fresh, "the layout depends on the content alone");
        let found: BTreeMap<u16, u32> = map.iter().map(|(key, value)| (*key, *value)).collect();
        assert_eq!(found, *model);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn behaves_like_a_map_and_clones_keep_their_content(
            writes in prop::collection::vec((0_u16..900, prop::option::weighted(0.7, any::<u32>())), 0..3000),
            clone_at in 0_usize..3000,
        ) {
            let mut map = Buckets::new();
            let mut model = BTreeMap::new();
            let mut kept = None;
            for (count, (key, value)) in writes.into_iter().enumerate() {
                if count == clone_at {
                    kept = Some((map.clone(), model.clone()));
                }
                match value {
                    Some(value) => {
                        map.add(hash(key), key, value);
                        model.insert(key, value);
                    }
                    None => prop_assert_eq!(map.remove(hash(key), &key), model.remove(&key)),
                }
                if let Some(value) = map.get_mut(hash(key), &key) {
                    *value ^= 1;
                    *model.get_mut(&key).unwrap() ^= 1;
                }
            }
            check(&map, &model);
            if let Some((map, model)) = kept {
                check(&map, &model);
            }
            for key in model.keys() {
                map.remove(hash(*key), key);
            }
            check(&map, &BTreeMap::new());
        }
    }
}
