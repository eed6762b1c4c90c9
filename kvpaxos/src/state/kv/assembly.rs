//! Assembling a store from entries that arrive in order.

use bytes::Bytes;

use super::packed::{LONG, Packed, Pair, Value};
use super::{EntryRef, LOAD, Store, StoreToFree, digest_entry, hash_key, low};
use crate::state::buckets::{Assembly, Buckets, EntryPosition, Walk};
use crate::types::Revision;

/// A store that is assembled from the entries of another one, in the order of [`Store::iter_from`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreAssembly {
    buckets: Assembly<Packed>,
    digest: u64,
    bytes: u64,
}

/// An entry of a part that is not added yet.
pub(crate) struct ReceivedEntry<'a> {
    bucket: u32,
    hash: u32,
    key: &'a [u8],
    value: &'a [u8],
    /// The value as a slice of the part, if it is long.
    long: Option<Bytes>,
    changed: Revision,
    digest: u64,
}

impl<'a> ReceivedEntry<'a> {
    /// The next entry of a part, and its position; `None` if it cannot be the next one.
    pub(crate) fn next(
        walk: &mut Walk<Vec<u8>>,
        part: &Bytes,
        entry: EntryRef<'a>,
    ) -> Option<(EntryPosition, ReceivedEntry<'a>)> {
        let EntryRef { key, value, changed } = entry;
        let hash = hash_key(key);
        let spot = walk.step(low(hash), key)?;
        let arrived = ReceivedEntry {
            bucket: spot.bucket,
            hash: low(hash),
            key,
            value,
            long: (value.len() > LONG).then(|| part.slice_ref(value)),
            changed,
            digest: digest_entry(hash, value, changed),
        };
        Some((spot, arrived))
    }

    fn pair(&self) -> Pair<'_> {
        Pair {
            hash: self.hash,
            key: self.key,
            value: self.long.as_ref().map_or(Value::Short(self.value), Value::Long),
            changed: self.changed,
            digest: self.digest,
        }
    }
}

impl StoreAssembly {
    pub(crate) fn new() -> StoreAssembly {
        StoreAssembly {
            buckets: Assembly::new(),
            digest: 0,
            bytes: 0,
        }
    }

    /// Checks the order of the keys of a store that holds `len` of them.
    pub(crate) fn walk(len: u64) -> Walk<Vec<u8>> {
        Buckets::<Packed, LOAD>::walk(len)
    }

    /// The number of keys so far.
    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// The digest of the entries so far.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Adds the entries of a part.
    pub(crate) fn add(&mut self, entries: &[ReceivedEntry]) {
        for entry in entries {
            self.digest = self.digest.wrapping_add(entry.digest);
            self.bytes += (entry.key.len() + entry.value.len()) as u64;
        }
        for group in entries.chunk_by(|one, next| one.bucket == next.bucket) {
            let add = |bucket: &mut Packed| bucket.extend(group.iter().map(ReceivedEntry::pair));
            self.buckets.add(group[0].bucket, group.len(), add);
        }
    }

    /// The complete store.
    pub(crate) fn finish(self) -> Store {
        Store {
            entries: self.buckets.finish(),
            digest: self.digest,
            bytes: self.bytes,
        }
    }
}

impl From<StoreAssembly> for StoreToFree {
    fn from(assembly: StoreAssembly) -> StoreToFree {
        StoreToFree(assembly.buckets.into())
    }
}
