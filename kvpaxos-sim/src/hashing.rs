//! Hashes that are the same in every run: std's hash tables are seeded at random.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// 128 bits of the content of a value that derives [`Hash`].
///
/// Two contents share a key with probability 2^-128. Callers that keep the contents assert that they do not.
pub(crate) fn key_of(content: &impl Hash) -> u128 {
    let mut bytes = HashedBytes(Vec::with_capacity(256));
    content.hash(&mut bytes);
    xxh3_128(&bytes.0)
}

/// Spreads a number over 128 bits.
pub(crate) fn spread(number: u64) -> u128 {
    xxh3_128(&number.to_le_bytes())
}

/// Collects the bytes that a `Hash` implementation writes.
struct HashedBytes(Vec<u8>);

impl Hasher for HashedBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        xxh3_64_with_seed(&self.0, 0)
    }
}

/// A fast hasher for tables in memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct Quick(u64);

pub(crate) type BuildQuick = BuildHasherDefault<Quick>;

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15_u128;
        #[expect(clippy::cast_possible_truncation, reason = "the halves are folded")]
        let folded = (mixed >> 64) as u64 ^ mixed as u64;
        self.0 = folded;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
