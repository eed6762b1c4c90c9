//! A hash map whose clone shares everything with it: what the store and the session table are kept in.
//!
//! Entries lie in small buckets shared by reference count, buckets in segments likewise. Cloning copies one pointer a
//! segment (a few hundred entries); a write after that copies the segment's pointers and its one bucket. The map grows
//! and shrinks by one bucket at a time (linear hashing: Litwin, 1980), so that no write does work in proportion to
//! the whole.
//!
//! The layout depends on the content alone, not on how it came about: the number of buckets follows from the number of
//! entries, and a bucket is sorted. Maps of equal content are thus equal in every part, on every machine, and are gone
//! through in the same order.

use std::borrow::Borrow;
use std::sync::Arc;

/// Entries a bucket, on average.
const LOAD: usize = 4;
/// Buckets a segment.
const SEGMENT: usize = 64;

/// See the module. Keys come with a hash, which the caller computes the same way on every machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Buckets<K, V> {
    segments: Vec<Arc<Segment<K, V>>>,
    /// How many buckets are in use; those behind them in the last segment are empty.
    buckets: usize,
    len: usize,
}

type Segment<K, V> = [Arc<Bucket<K, V>>; SEGMENT];
/// Sorted by hash, then key.
type Bucket<K, V> = Vec<Entry<K, V>>;

#[derive(Clone, PartialEq, Eq)]
struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
}

impl<K: Clone + Ord, V: Clone> Buckets<K, V> {
    pub(crate) fn new() -> Buckets<K, V> {
        Buckets {
            segments: vec![empty_segment()],
            buckets: 1,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = place(hash, self.buckets);
        let bucket = &self.segments[place / SEGMENT][place % SEGMENT];
        let at = find(bucket, hash, key).ok()?;
        Some(&bucket[at].value)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let bucket = self.bucket_mut(place(hash, self.buckets));
        let at = find(bucket, hash, key).ok()?;
        Some(&mut bucket[at].value)
    }

    /// Sets the key, which `own` is asked for if it is new; returns the value that it had.
    pub(crate) fn insert<Q: Ord + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        own: impl FnOnce(&Q) -> K,
        value: V,
    ) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let bucket = self.bucket_mut(place(hash, self.buckets));
        match find(bucket, hash, key) {
            Ok(at) => Some(std::mem::replace(&mut bucket[at].value, value)),
            Err(at) => {
                let key = own(key);
                bucket.insert(at, Entry { hash, key, value });
                self.len += 1;
                if self.len > self.buckets * LOAD {
                    self.split();
                }
                None
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let bucket = self.bucket_mut(place(hash, self.buckets));
        let at = find(bucket, hash, key).ok()?;
        let entry = bucket.remove(at);
        self.len -= 1;
        if self.len <= (self.buckets - 1) * LOAD && self.buckets > 1 {
            self.merge();
        }
        Some(entry.value)
    }

    /// All entries, in an order that follows from the content.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let buckets = self.segments.iter().flat_map(|segment| segment.iter());
        let entries = buckets.flat_map(|bucket| bucket.iter());
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
        let (stay, go) = std::mem::take(self.bucket_mut(old))
            .into_iter()
            .partition(|entry| place(entry.hash, new + 1) == old);
        *self.bucket_mut(old) = stay;
        *self.bucket_mut(new) = go;
    }

    /// One bucket less: gives its entries back.
    fn merge(&mut self) {
        let last = self.buckets - 1;
        self.buckets = last;
        let back = std::mem::take(self.bucket_mut(last));
        let bucket = self.bucket_mut(last - previous_power_of_two(last));
        bucket.extend(back);
        bucket.sort_unstable_by(|one, other| (one.hash, &one.key).cmp(&(other.hash, &other.key)));
        if last.is_multiple_of(SEGMENT) {
            self.segments.pop();
        }
    }

    fn bucket_mut(&mut self, place: usize) -> &mut Bucket<K, V> {
        let segment = Arc::make_mut(&mut self.segments[place / SEGMENT]);
        Arc::make_mut(&mut segment[place % SEGMENT])
    }
}

fn empty_segment<K, V>() -> Arc<Segment<K, V>> {
    let empty = Arc::new(Vec::new());
    Arc::new(std::array::from_fn(|_| Arc::clone(&empty)))
}

/// The bucket of a hash among `buckets`: its low bits, one bit fewer where that bucket does not exist yet.
fn place(hash: u64, buckets: usize) -> usize {
    let full = buckets.next_power_of_two();
    #[expect(clippy::cast_possible_truncation, reason = "only low bits count")]
    let place = hash as usize & (full - 1);
    if place < buckets { place } else { place - full / 2 }
}

fn previous_power_of_two(number: usize) -> usize {
    1 << number.ilog2()
}

/// Buckets are short, and comparing hashes first leaves keys in peace.
fn find<K: Borrow<Q>, V, Q: Ord + ?Sized>(
    bucket: &[Entry<K, V>],
    hash: u64,
    key: &Q,
) -> Result<usize, usize> {
    for (at, entry) in bucket.iter().enumerate() {
        if entry.hash >= hash {
            match (entry.hash, entry.key.borrow()).cmp(&(hash, key)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(at),
                std::cmp::Ordering::Greater => return Err(at),
            }
        }
    }
    Err(bucket.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few different hashes, so that keys share buckets and even hashes.
    fn hash(key: u16) -> u64 {
        u64::from(key % 400).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7
    }

    fn check(map: &Buckets<u16, u32>, model: &BTreeMap<u16, u32>) {
        assert_eq!(map.len(), model.len());
        assert_eq!(map.buckets, model.len().div_ceil(LOAD).max(1));
        assert_eq!(map.segments.len(), map.buckets.div_ceil(SEGMENT));
        let mut fresh = Buckets::new();
        for (key, value) in model.iter().rev() {
            assert_eq!(map.get(hash(*key), key), Some(value));
            fresh.insert(hash(*key), key, |key| *key, *value);
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
                        prop_assert_eq!(map.insert(hash(key), &key, |key| *key, value), model.insert(key, value));
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
