//! Digests of 128 bits in halves of 64: as they are chained, encoded and compared.

/// The higher half and the lower one.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
pub(crate) fn halves(digest: u128) -> [u64; 2] {
    [(digest >> 64) as u64, digest as u64]
}
