//! Positions of entries, and their order, for maps that are sent in parts.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::place;

/// The position of an entry in a map. Positions ascend in the order of iteration, and are the same in maps
/// with equal content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub(crate) struct EntryPosition {
    /// The number of the bucket.
    pub(crate) bucket: u32,
    /// The index within the bucket.
    pub(crate) entry: u32,
}

impl EntryPosition {
    /// The first position.
    pub(crate) const START: EntryPosition = EntryPosition { bucket: 0, entry: 0 };

    /// The next position in the same bucket.
    pub(crate) fn next(self) -> EntryPosition {
        EntryPosition {
            entry: self.entry + 1,
            ..self
        }
    }
}

/// Checks the order of a map's entries that arrive from elsewhere, and computes their positions. It trusts
/// neither their number nor their order, and stores one key only: a claimed number of entries costs nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Walk<K> {
    /// The number of entries that are missing.
    left: u64,
    /// The number of buckets of the whole map.
    buckets: usize,
    last: Option<Last<K>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Last<K> {
    spot: EntryPosition,
    hash: u32,
    key: K,
}

impl<K> Walk<K> {
    pub(super) fn new(len: u64, buckets: u64) -> Walk<K> {
        // There are no more buckets than hashes.
        let buckets = buckets.clamp(1, 1 << 31);
        Walk {
            left: len,
            buckets: usize::try_from(buckets).expect("31 bits"),
            last: None,
        }
    }

    /// The number of entries that are missing.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next entry, and returns its position. Returns `None`, without a change, if it cannot be the
    /// next one.
    pub(crate) fn step<Q>(&mut self, hash: u32, key: &Q) -> Option<EntryPosition>
    where
        K: Borrow<Q>,
        Q: Ord + ToOwned<Owned = K> + ?Sized,
    {
        let left = self.left.checked_sub(1)?;
        let bucket = u32::try_from(place(hash, self.buckets)).expect("some bits of a hash");
        let mut spot = EntryPosition { bucket, entry: 0 };
        match &mut self.last {
            None => {
                let key = key.to_owned();
                self.last = Some(Last { spot, hash, key });
            }
            Some(last) => {
                if last.spot.bucket == bucket && (last.hash, last.key.borrow()) < (hash, key) {
                    spot = last.spot.next();
                } else if last.spot.bucket >= bucket {
                    return None;
                }
                (last.spot, last.hash) = (spot, hash);
                key.clone_into(&mut last.key);
            }
        }
        self.left = left;
        Some(spot)
    }
}
