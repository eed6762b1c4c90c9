//! The key-value store.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::buckets::{Buckets, Remains, Spot, Walk};
use crate::command::Op;
use crate::session::Kept;
use crate::types::Revision;

/// Seeds the hash of keys. Never changed: buckets, and with them the order of entries, follow from it.
const KEY_SEED: u64 = 0x6B76_7061_786F_7301;

/// Entries a bucket: what the first write after a clone copies.
const LOAD: usize = 32;

/// A decoded value is a slice of its whole frame, and to keep it is to keep the frame. A value at least this long is
/// shared nevertheless; what is shorter is copied, so that the store takes no more than a few times its content.
const SHARE_FROM: usize = 64 * 1024;

/// Keys and values, and the digest of all of them, kept as they change. A clone shares all buckets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Store {
    entries: Buckets<Key, Held, LOAD>,
    /// The sum of the entries' digests, so that it does not depend on how they came about.
    digest: u64,
    /// The sum of the lengths of keys and values.
    bytes: u64,
}

#[derive(Clone, PartialEq, Eq)]
struct Held {
    value: Bytes,
    /// Of key and value, so that taking them out needs no look at the value.
    digest: u64,
}

/// A key, in the entry itself if it is short: to follow a pointer to every key that is compared costs more than all else.
#[derive(Clone)]
enum Key {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Arc<[u8]>),
}

/// With this, an entry takes 64 bytes: as much as a cache fetches at once.
const SHORT: usize = 22;

impl Key {
    fn new(key: &[u8]) -> Key {
        match u8::try_from(key.len()) {
            Ok(length) if key.len() <= SHORT => {
                let mut bytes = [0; SHORT];
                bytes[..key.len()].copy_from_slice(key);
                Key::Short { length, bytes }
            }
            _ => Key::Long(key.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Key::Short { length, bytes } => &bytes[..usize::from(*length)],
            Key::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

const _: () = assert!(
    size_of::<Key>() + size_of::<Held>() == 64,
    "an entry fills a line of the cache"
);

impl Store {
    pub(crate) fn new() -> Store {
        Store {
            entries: Buckets::new(),
            digest: 0,
            bytes: 0,
        }
    }

    /// Carries out a write that stands at `revision`.
    pub(crate) fn execute(&mut self, revision: Revision, op: &Op) -> Kept {
        match op {
            Op::Put { key, value } => {
                self.put(key, value);
                Kept::done(revision)
            }
            Op::Delete { key } => {
                let existed = self.delete(key);
                Kept::deleted(revision, existed)
            }
            Op::Cas { key, expect, value } => {
                let applied = self.get(key) == expect.as_ref();
                match value {
                    Some(value) if applied => self.put(key, value),
                    None if applied => _ = self.delete(key),
                    _ => {}
                }
                Kept::swapped(revision, applied)
            }
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        let held = self.entries.get(low(hash_key(key)), key)?;
        Some(&held.value)
    }

    /// Looks at what writes to these keys will touch, to no effect but that it comes into the caches: step by step for all
    /// keys, so that it comes for many of them at once. One write after the other would wait for each.
    pub(crate) fn touch<'a>(&self, keys: impl Iterator<Item = &'a Bytes>) {
        let hashes: Vec<u32> = keys.map(|key| low(hash_key(key))).collect();
        let each = || hashes.iter().copied();
        let mut seen = each().fold(0, |seen, hash| seen ^ self.entries.touch(hash));
        let held = || each().filter_map(|hash| self.entries.first_of(hash));
        seen = held().fold(seen, |seen, held| seen ^ held.digest);
        seen = held().fold(seen, |seen, held| {
            let ends = (held.value.first(), held.value.last());
            let ends = u64::from(*ends.0.unwrap_or(&0)) ^ u64::from(*ends.1.unwrap_or(&0));
            seen ^ ends ^ u64::from(held.value.get(held.value.len() / 2).copied().unwrap_or(0))
        });
        std::hint::black_box(seen);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// How many bytes the keys and values are long.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The entries at `from` and after it, in the order of [`iter`](Store::iter), each with where it lies.
    pub(crate) fn iter_from(&self, from: Spot) -> impl Iterator<Item = (Spot, &[u8], &Bytes)> {
        let entries = self.entries.iter_from(from);
        entries.map(|(spot, key, held)| (spot, key.bytes(), &held.value))
    }

    /// Expects the keys of a store that holds `len` of them, in the order of [`iter`](Store::iter). A step takes the
    /// [`Store::hash`] of a key.
    pub(crate) fn walk(len: u64) -> Walk<Vec<u8>> {
        Buckets::<Key, Held, LOAD>::walk(len)
    }

    /// What decides where a key lies.
    pub(crate) fn hash(key: &[u8]) -> u32 {
        low(hash_key(key))
    }

    /// All entries, in an order that follows from the content.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Bytes)> {
        self.entries.iter().map(|(key, held)| (key.bytes(), &held.value))
    }

    /// Adds a key that has no value yet.
    pub(crate) fn add(&mut self, key: &Bytes, value: &Bytes) {
        let hash = hash_key(key);
        self.add_hashed(hash, key, value, digest_entry(hash, value));
    }

    fn put(&mut self, key: &Bytes, value: &Bytes) {
        let hash = hash_key(key);
        let digest = digest_entry(hash, value);
        let Some(held) = self.entries.get_mut(low(hash), &key[..]) else {
            self.add_hashed(hash, key, value, digest);
            return;
        };
        self.bytes = self.bytes - held.value.len() as u64 + value.len() as u64;
        replace(&mut held.value, value);
        let before = std::mem::replace(&mut held.digest, digest);
        self.digest = self.digest.wrapping_sub(before).wrapping_add(digest);
    }

    fn add_hashed(&mut self, hash: u64, key: &Bytes, value: &Bytes, digest: u64) {
        let mut held = Held {
            value: Bytes::new(),
            digest,
        };
        replace(&mut held.value, value);
        self.entries.add(low(hash), Key::new(key), held);
        self.bytes += (key.len() + value.len()) as u64;
        self.digest = self.digest.wrapping_add(digest);
    }

    fn delete(&mut self, key: &Bytes) -> bool {
        let held = self.entries.remove(low(hash_key(key)), &key[..]);
        if let Some(held) = &held {
            self.digest = self.digest.wrapping_sub(held.digest);
            self.bytes -= (key.len() + held.value.len()) as u64;
        }
        held.is_some()
    }
}

/// What is left of a store that is being freed.
pub(crate) struct StoreRemains(Remains<Key, Held>);

impl StoreRemains {
    /// See [`Remains::free_some`]. A unit of work is an entry, or a page of its value.
    pub(crate) fn free_some(&mut self, work: &mut usize) {
        self.0.free_some(work, |held| 1 + held.value.len() / PAGE);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Store> for StoreRemains {
    fn from(store: Store) -> StoreRemains {
        StoreRemains(store.entries.into())
    }
}

/// Long values cost the system that they are given back to as much time as there are pages in them.
const PAGE: usize = 4096;

/// Puts `value` in the place of `old`, whose memory is used again if it fits and nobody else reads it: a snapshot, say, or an
/// answer on its way.
fn replace(old: &mut Bytes, value: &Bytes) {
    if value.len() >= SHARE_FROM {
        *old = value.clone();
        return;
    }
    let fits = old.len() == value.len() && !old.is_empty();
    match std::mem::take(old).try_into_mut() {
        Ok(mut memory) if fits => {
            memory.copy_from_slice(value);
            *old = memory.freeze();
        }
        _ => *old = Bytes::copy_from_slice(value),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low(hash: u64) -> u32 {
    hash as u32
}

fn hash_key(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, KEY_SEED)
}

/// The key enters through its hash.
fn digest_entry(hash: u64, value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, hash)
}

/// Equal stores have equal digests, and the reverse is as good as certain.
impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
        self.len().hash(state);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.iter();
        let entries = entries.map(|(key, value)| (Bytes::copy_from_slice(key), value));
        f.debug_map().entries(entries).finish()
    }
}

#[cfg(test)]
impl Store {
    /// The bytes as they would be if nothing had been kept.
    pub(crate) fn bytes_from_scratch(&self) -> u64 {
        self.iter()
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum()
    }

    /// The digest as it would be if nothing had been kept.
    pub(crate) fn digest_from_scratch(&self) -> u64 {
        self.iter().fold(0, |sum, (key, value)| {
            sum.wrapping_add(digest_entry(hash_key(key), value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(slot: u64) -> Revision {
        let (slot, index) = (crate::types::Slot(slot), 0);
        Revision { slot, index }
    }

    fn put(store: &mut Store, key: &'static str, value: &[u8]) {
        let (key, value) = (Bytes::from(key), Bytes::copy_from_slice(value));
        store.execute(at(1), &Op::Put { key, value });
    }

    fn delete(store: &mut Store, key: &'static str) -> Kept {
        let key = Bytes::from(key);
        store.execute(at(2), &Op::Delete { key })
    }

    fn cas(
        store: &mut Store,
        key: &'static str,
        expect: Option<&'static str>,
        value: Option<&'static str>,
    ) -> bool {
        let (expect, value) = (expect.map(Bytes::from), value.map(Bytes::from));
        let key = Bytes::from(key);
        let kept = store.execute(at(3), &Op::Cas { key, expect, value });
        kept == Kept::swapped(at(3), true)
    }

    #[test]
    fn cas_tells_absent_from_empty() {
        let mut store = Store::new();
        assert!(!cas(&mut store, "k", Some(""), Some("a")));
        assert!(cas(&mut store, "k", None, Some("")));
        assert!(!cas(&mut store, "k", None, Some("a")));
        assert!(cas(&mut store, "k", Some(""), Some("a")));
        assert!(cas(&mut store, "k", Some("a"), None));
        assert_eq!(store.get(b"k"), None);
        assert!(cas(&mut store, "k", None, None), "absent stays absent");
        assert_eq!((store.len(), store.digest()), (0, 0));
    }

    #[test]
    fn the_digest_does_not_remember_the_way() {
        let (mut one, mut other) = (Store::new(), Store::new());
        put(&mut one, "a", b"1");
        put(&mut one, "b", b"2");
        put(&mut other, "b", b"0");
        put(&mut other, "c", b"3");
        assert_ne!(one.digest(), other.digest());
        put(&mut other, "b", b"2");
        put(&mut other, "a", b"1");
        delete(&mut other, "c");
        assert_eq!(one, other);
        assert_eq!(one.digest(), one.digest_from_scratch());
    }

    #[test]
    fn key_and_value_do_not_run_together() {
        let (mut one, mut other) = (Store::new(), Store::new());
        put(&mut one, "ab", b"c");
        put(&mut other, "a", b"bc");
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn a_small_slice_does_not_keep_its_frame() {
        let frame = Bytes::from(vec![7; 200_000]);
        let mut store = Store::new();
        let (key, value) = (frame.slice(..16), frame.slice(100..200));
        store.execute(at(1), &Op::Put { key, value });
        assert!(frame.is_unique(), "nothing of the frame is shared");
        let (key, value) = (frame.slice(..17), frame.slice(..SHARE_FROM));
        store.execute(at(2), &Op::Put { key, value });
        assert!(!frame.is_unique(), "what is large is not copied");
    }

    /// Pins the digest: replicas of different releases compare theirs.
    #[test]
    fn the_digest_is_pinned() {
        let mut store = Store::new();
        put(&mut store, "key", b"value");
        put(&mut store, "other", &[9; 300]);
        expect_test::expect!["e9d62eff833608d7"].assert_eq(&format!("{:016x}", store.digest()));
    }
}
