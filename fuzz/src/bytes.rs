//! Bytes as a supply of decisions.

/// Bytes from which decisions are taken, front to back. Once no bytes are left, every number is 0.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Decisions from these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes(bytes)
    }

    /// Whether no bytes are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below `bound`: one byte for bounds up to 256, two for larger ones.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound <= 256 {
            usize::from(self.byte()) % bound
        } else {
            usize::from(self.short()) % bound
        }
    }

    /// The next two bytes as a number, little-endian.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A length of two bytes, then that many bytes, or as many as are left.
    pub fn string(&mut self) -> &'a [u8] {
        let length = usize::from(self.short());
        self.take(length)
    }

    /// All bytes that are left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
