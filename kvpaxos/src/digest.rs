//! Digests of 128 bits in halves of 64: as they are chained, encoded and compared.

/// The higher half and the lower one.
pub(crate) fn halves(digest: u128) -> [u64; 2] {
    let bytes = digest.to_be_bytes();
    let half = |from: usize| u64::from_be_bytes(std::array::from_fn(|place| bytes[from + place]));
    [half(0), half(8)]
}
