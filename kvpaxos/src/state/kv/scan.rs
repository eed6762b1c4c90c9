//! Pages of keys, in an order that does not change when the store grows or shrinks.
//!
//! The order is that of the *rank* of a key: the low half of its hash with its bits reversed, then the high
//! half. A bucket holds the keys whose hashes have some low bits in common, which are the highest bits of
//! their ranks. So each bucket is one range of ranks, however many buckets there are: a store that grows
//! divides ranges, and a cursor, which is a rank, means the same before and after, and at every replica.
//! Redis orders its cursors in the same way.

use bytes::Bytes;

use super::packed::Packed;
use super::{Store, hash_key};
use crate::transaction::MAX_PAGE;

/// A page of keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) keys: Vec<Bytes>,
    /// The lowest rank that may be on the next page; 0 if this is the last.
    pub(crate) next: u64,
}

impl Store {
    /// The keys whose ranks are `cursor` or above, in the order of ranks: about `limit` of them, and as many
    /// as fit in `bytes` bytes. It looks at no more buckets than keys are allowed.
    ///
    /// # Errors
    /// The keys of the first rank are longer than `bytes`, all together. Returns their length.
    pub(crate) fn page(&self, cursor: u64, limit: u32, bytes: usize) -> Result<Page, usize> {
        let limit = limit.clamp(1, MAX_PAGE) as usize;
        let mut page = Page {
            keys: Vec::new(),
            next: cursor,
        };
        let mut length = 0;
        for _ in 0..limit {
            let (bucket, depth) = self.entries.bucket_with_depth(low_hash(page.next));
            let ranked = ranked(bucket, page.next);
            for group in ranked.chunk_by(|one, next| one.0 == next.0) {
                let rank = group[0].0;
                let more = group.iter().map(|(_, key)| key.len()).sum::<usize>();
                if page.keys.is_empty() && more > bytes {
                    return Err(more);
                }
                if page.keys.len() >= limit || length + more > bytes {
                    page.next = rank;
                    return Ok(page);
                }
                length += more;
                page.keys
                    .extend(group.iter().map(|(_, key)| Bytes::copy_from_slice(key)));
            }
            match end_of_range(page.next, depth) {
                Some(end) => page.next = end,
                None => {
                    page.next = 0;
                    break;
                }
            }
        }
        Ok(page)
    }
}

/// The keys of a bucket whose ranks are `from` or above, by rank.
fn ranked(bucket: &Packed, from: u64) -> Vec<(u64, &[u8])> {
    let keys = bucket.keys().map(|key| (rank(key), key));
    let mut ranked: Vec<_> = keys.filter(|(rank, _)| *rank >= from).collect();
    ranked.sort_unstable();
    ranked
}

fn rank(key: &[u8]) -> u64 {
    let hash = hash_key(key);
    u64::from(super::low(hash).reverse_bits()) << 32 | hash >> 32
}

/// The low half of the hashes with this rank.
fn low_hash(rank: u64) -> u32 {
    super::low(rank >> 32).reverse_bits()
}

/// The lowest rank above those that have their highest `depth` bits in common with this one, if there is one.
fn end_of_range(rank: u64, depth: u32) -> Option<u64> {
    let range = 1_u64.checked_shl(u64::BITS - depth)?;
    let start = rank & !(range - 1);
    start.checked_add(range)
}
