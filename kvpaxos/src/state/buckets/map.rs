//! Maps that store each entry separately.

use std::borrow::Borrow;
use std::cmp::Ordering;

use super::{Bucket, Buckets, EntryPosition, guess};

/// The number of entries by which a full bucket grows.
const GROWTH: usize = 8;

/// A map from `K` to `V`.
pub(crate) type Map<K, V, const LOAD: usize> = Buckets<MapBucket<K, V>, LOAD>;

/// The entries of a bucket. A write is slow if it touches memory that is not cached. So the hashes are stored
/// separately: they are small enough to stay in the cache, and show which entry to touch.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MapBucket<K, V> {
    hashes: Vec<u32>,
    entries: Vec<Entry<K, V>>,
}

/// Aligned to cache lines, so that a small entry is in one line.
#[derive(Clone, PartialEq, Eq)]
#[repr(align(64))]
struct Entry<K, V> {
    key: K,
    value: V,
}

impl<K: Clone + Ord, V: Clone, const LOAD: usize> Map<K, V, LOAD> {
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
        let bucket = self.bucket_mut(hash);
        let at = bucket.find(hash, key).ok()?;
        Some(&mut bucket.entries[at].value)
    }

    /// Adds a key, or replaces its value.
    pub(crate) fn add(&mut self, hash: u32, key: K, value: V) {
        let bucket = self.bucket_mut(hash);
        match bucket.find(hash, &key) {
            Ok(at) => bucket.entries[at].value = value,
            Err(at) => {
                bucket.insert(at, hash, Entry { key, value });
                self.on_added();
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, hash: u32, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let bucket = self.bucket_mut(hash);
        let at = bucket.find(hash, key).ok()?;
        bucket.hashes.remove(at);
        let entry = bucket.entries.remove(at);
        self.on_removed();
        Some(entry.value)
    }

    /// The entries at `from` and after it, with their positions. See [`spots_from`](Buckets::spots_from).
    pub(crate) fn iter_from(&self, from: EntryPosition) -> impl Iterator<Item = (EntryPosition, &K, &V)> {
        self.spots_from(from).map(|(spot, bucket)| {
            let entry = &bucket.entries[spot.entry as usize];
            (spot, &entry.key, &entry.value)
        })
    }

    /// All entries, in the same order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.iter_from(EntryPosition::START)
            .map(|(_, key, value)| (key, value))
    }
}

impl<K: Clone + Ord, V: Clone> Bucket for MapBucket<K, V> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn split(self, goes: impl Fn(u32) -> bool) -> (Self, Self) {
        let (mut stay, mut go) = (MapBucket::default(), MapBucket::default());
        for (hash, entry) in self.hashes.into_iter().zip(self.entries) {
            let bucket = if goes(hash) { &mut go } else { &mut stay };
            bucket.insert(bucket.hashes.len(), hash, entry);
        }
        (stay, go)
    }

    fn merge(&mut self, other: Self) {
        for (hash, entry) in other.hashes.into_iter().zip(other.entries) {
            let (Ok(at) | Err(at)) = self.find(hash, &entry.key);
            self.insert(at, hash, entry);
        }
    }

    /// Entries may own further memory.
    fn cost(&self) -> usize {
        2 + self.entries.len()
    }
}

impl<K: Ord, V> MapBucket<K, V> {
    /// The index of the key, or the index where it belongs.
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

    /// The index of the first entry with this hash, or the index where it belongs.
    fn find_hash(&self, hash: u32) -> usize {
        let mut at = guess(hash, self.hashes.len());
        while at > 0 && self.hashes[at - 1] >= hash {
            at -= 1;
        }
        while self.hashes.get(at).is_some_and(|other| *other < hash) {
            at += 1;
        }
        at
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
}

impl<K, V> Default for MapBucket<K, V> {
    fn default() -> Self {
        MapBucket {
            hashes: Vec::new(),
            entries: Vec::new(),
        }
    }
}
