//! The key-value store.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::command::{Command, Op};
use crate::config::Limits;
use crate::state::buckets::{Buckets, BucketsToFree, EntryPosition};
use crate::state::session::{Execution, StoredOutcome, digest_words};
use crate::types::Revision;

mod assembly;
mod packed;
mod scan;
mod transaction;

pub(crate) use assembly::{ReceivedEntry, StoreAssembly};
use packed::{Packed, Pair, Value};
pub(crate) use scan::Page;

/// The seed of the hash of keys. It must never change: the order of entries follows from it.
const KEY_SEED: u64 = 0x6B76_7061_786F_7301;

/// The average number of entries per bucket, which the first write after a clone copies.
const LOAD: usize = 16;

/// Keys and values, and the digest of all of them, updated as they change. A clone shares all buckets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Store {
    entries: Buckets<Packed, LOAD>,
    /// The sum of the digests of the entries, so that it does not depend on the order of changes.
    digest: u64,
    /// The sum of the lengths of keys and values.
    bytes: u64,
}

impl Store {
    pub(crate) fn new() -> Store {
        Store {
            entries: Buckets::new(),
            digest: 0,
            bytes: 0,
        }
    }

    /// Executes a write whose revision is `revision`.
    pub(crate) fn execute(&mut self, revision: Revision, op: &Op, limits: &Limits) -> Execution {
        match op {
            Op::Put { key, value } => {
                self.put(revision, key, value);
                StoredOutcome::done(revision).into()
            }
            Op::Delete { key } => {
                let existed = self.delete(key);
                StoredOutcome::deleted(revision, existed).into()
            }
            Op::Cas { key, expect, value } => {
                let holds = self.value(key).map(Value::bytes);
                let applied = holds == expect.as_deref();
                match value {
                    Some(value) if applied => self.put(revision, key, value),
                    None if applied => _ = self.delete(key),
                    _ => {}
                }
                StoredOutcome::swapped(revision, applied).into()
            }
            Op::Transaction(transaction) => self.transact(revision, transaction, limits),
        }
    }

    /// The value of a key. A short value is copied.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.value(key).map(Value::to_bytes)
    }

    fn value(&self, key: &[u8]) -> Option<Value<'_>> {
        self.find(key).map(|(bucket, at)| bucket.value(at))
    }

    /// The length of the value of a key.
    pub(crate) fn length(&self, key: &[u8]) -> Option<u64> {
        self.value(key).map(|value| value.bytes().len() as u64)
    }

    /// The revision of the last write of a key that has a value.
    fn changed(&self, key: &[u8]) -> Option<Revision> {
        self.find(key).map(|(bucket, at)| bucket.changed(at))
    }

    fn find(&self, key: &[u8]) -> Option<(&Packed, usize)> {
        let hash = Store::hash(key);
        let bucket = self.entries.bucket(hash);
        let at = bucket.find(hash, key).ok()?;
        Some((bucket, at))
    }

    /// Reads the memory that these commands will write to, only to load it into the caches. Reading it
    /// step by step for all keys loads many of them at once; the writes alone would wait for each.
    pub(crate) fn touch(&self, commands: &[Command]) {
        let mut hashes = Vec::new();
        for command in commands {
            let Command::Apply { op, .. } = command else {
                continue;
            };
            if hashes.is_empty() {
                hashes.reserve(commands.len());
            }
            // Most operations have one key. An iterator over the keys of any operation takes longer than their hashes.
            match op {
                Op::Put { key, .. } | Op::Delete { key } | Op::Cas { key, .. } => {
                    hashes.push(Store::hash(key));
                }
                Op::Transaction(transaction) => hashes.extend(transaction.keys().map(|key| Store::hash(key))),
            }
        }
        let buckets = || hashes.iter().map(|hash| (*hash, self.entries.bucket(*hash)));
        let seen = buckets().fold(0, |seen, (hash, bucket)| seen ^ bucket.touch(hash));
        let data = buckets().fold(0, |seen, (hash, bucket)| seen ^ bucket.touch_data(hash));
        std::hint::black_box((seen, data));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// The sum of the lengths of keys and values.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The entries at `from` and after it, in an order that follows from the content, with their positions.
    pub(crate) fn iter_from(
        &self,
        from: EntryPosition,
    ) -> impl Iterator<Item = (EntryPosition, EntryRef<'_>)> {
        self.entries.spots_from(from).map(|(spot, bucket)| {
            let at = spot.entry as usize;
            let entry = EntryRef {
                key: bucket.key(at),
                value: bucket.value(at).bytes(),
                changed: bucket.changed(at),
            };
            (spot, entry)
        })
    }

    /// All entries, in the same order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.iter_from(EntryPosition::START).map(|(_, entry)| entry)
    }

    fn put(&mut self, revision: Revision, key: &Bytes, value: &Bytes) {
        let hash = hash_key(key);
        let digest = digest_entry(hash, value, revision);
        let bucket = self.entries.bucket_mut(low(hash));
        match bucket.find(low(hash), key) {
            Ok(at) => {
                let (before, length_before) = bucket.set(at, value, revision, digest);
                self.digest = self.digest.wrapping_sub(before);
                self.bytes -= length_before as u64;
            }
            Err(at) => {
                let pair = Pair {
                    hash: low(hash),
                    key,
                    value: Value::new(value),
                    changed: revision,
                    digest,
                };
                bucket.insert(at, pair);
                self.entries.on_added();
                self.bytes += key.len() as u64;
            }
        }
        self.digest = self.digest.wrapping_add(digest);
        self.bytes += value.len() as u64;
    }

    /// The hash that decides in which bucket a key is.
    pub(crate) fn hash(key: &[u8]) -> u32 {
        low(hash_key(key))
    }

    fn delete(&mut self, key: &Bytes) -> bool {
        let hash = Store::hash(key);
        let bucket = self.entries.bucket_mut(hash);
        let Ok(at) = bucket.find(hash, key) else {
            return false;
        };
        let (digest, length) = bucket.remove(at);
        self.entries.on_removed();
        self.digest = self.digest.wrapping_sub(digest);
        self.bytes -= (key.len() + length) as u64;
        true
    }
}

/// An entry of the store.
#[derive(Clone, Copy)]
pub(crate) struct EntryRef<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// The revision of the last write of the key.
    pub(crate) changed: Revision,
}

/// A store that is being freed.
#[derive(Default)]
pub(crate) struct StoreToFree(BucketsToFree<Packed>);

impl StoreToFree {
    /// See [`BucketsToFree::free_some`].
    pub(crate) fn free_some(&mut self, work: &mut usize) {
        self.0.free_some(work);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Store> for StoreToFree {
    fn from(store: Store) -> StoreToFree {
        StoreToFree(store.entries.into())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low(hash: u64) -> u32 {
    hash as u32
}

fn hash_key(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, KEY_SEED)
}

/// The digest of an entry. The key enters through its hash.
fn digest_entry(hash: u64, value: &[u8], changed: Revision) -> u64 {
    let Revision { slot, index } = changed;
    digest_words([xxh3_64_with_seed(value, hash), slot.0, u64::from(index)])
}

/// Equal stores have equal digests; different ones differ, except for a negligible probability.
impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
        self.len().hash(state);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |entry: EntryRef| {
            let [key, value] = [entry.key, entry.value].map(Bytes::copy_from_slice);
            (key, (value, entry.changed))
        };
        let entries = self.iter().map(bytes);
        f.debug_map().entries(entries).finish()
    }
}

#[cfg(test)]
impl Store {
    /// What the keys and short values take.
    pub(crate) fn memory(&self) -> usize {
        let buckets = self.entries.spots_from(EntryPosition::START);
        let first = buckets.filter(|(spot, _)| spot.entry == 0);
        first.map(|(_, bucket)| bucket.memory()).sum()
    }

    /// The bytes as they would be if nothing had been kept.
    pub(crate) fn bytes_from_scratch(&self) -> u64 {
        self.iter()
            .map(|entry| (entry.key.len() + entry.value.len()) as u64)
            .sum()
    }

    /// The digest as it would be if nothing had been kept.
    pub(crate) fn digest_from_scratch(&self) -> u64 {
        self.iter().fold(0, |sum, entry| {
            sum.wrapping_add(digest_entry(hash_key(entry.key), entry.value, entry.changed))
        })
    }
}

#[cfg(test)]
mod tests;
