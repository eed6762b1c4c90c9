//! Hashes that are the same in every run: states are told apart by 128 bits of their content.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// 128 bits of the content of anything that derives [`Hash`].
///
/// Two contents share a key with probability 2^-128; whoever keeps the contents asserts that they do not.
pub(super) fn key_of(content: &impl Hash) -> u128 {
    let mut bytes = Bytes(Vec::with_capacity(256));
    content.hash(&mut bytes);
    xxh3_128(&bytes.0)
}

/// Spreads a number over 128 bits.
pub(super) fn spread(number: u64) -> u128 {
    xxh3_128(&number.to_le_bytes())
}

/// Collects what a `Hash` implementation writes.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        xxh3_64_with_seed(&self.0, 0)
    }
}
