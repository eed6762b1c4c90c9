//! Where entries lie, and in which order they come: for maps that travel in parts.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::place;

/// Where an entry lies in a map. Spots ascend in the order in which a map is gone through, and are the same in maps of equal
/// content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub(crate) struct EntryPosition {
    /// The bucket. A hash has 32 bits, so that there are no more.
    pub(crate) bucket: u32,
    /// The place in the bucket.
    pub(crate) entry: u32,
}

impl EntryPosition {
    /// Where the first entry may lie.
    pub(crate) const START: EntryPosition = EntryPosition { bucket: 0, entry: 0 };

    /// The next place in the same bucket.
    pub(crate) fn next(self) -> EntryPosition {
        EntryPosition {
            entry: self.entry + 1,
            ..self
        }
    }
}

/// Follows the entries of a map that come from elsewhere, and checks that they are in order. It trusts neither their number
/// nor their order and keeps one key: whatever the map is said to hold, it costs nothing until it comes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Walk<K> {
    /// How many are still to come.
    left: u64,
    /// Of the whole map.
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
        // As many as there are hashes are as good as more.
        let buckets = buckets.clamp(1, 1 << 31);
        Walk {
            left: len,
            buckets: usize::try_from(buckets).expect("31 bits"),
            last: None,
        }
    }

    /// How many are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next entry has come: tells where it lies. `None`, and nothing has changed, if it is none of those that can follow.
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
