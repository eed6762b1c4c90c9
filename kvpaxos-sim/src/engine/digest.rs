//! The rolling digest over all events of a run: the same seed gives the same digest everywhere.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A chain of xxh3: each event is encoded and hashed with the digest so far as the seed.
#[derive(Default)]
pub(super) struct Digest {
    state: u64,
    buffer: Vec<u8>,
}

impl Digest {
    /// Begins the description of one event.
    pub(super) fn begin(&mut self, kind: u8, numbers: [u64; 3]) {
        self.buffer.clear();
        self.buffer.push(kind);
        for number in numbers {
            self.buffer.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Adds contents to the event that was begun.
    ///
    /// # Panics
    /// If the contents have no stable encoding (maps of unknown length), which no message has.
    pub(super) fn add(&mut self, contents: &impl Serialize) {
        postcard::serialize_with_flavor::<_, _, ()>(contents, Tail(&mut self.buffer))
            .expect("messages have a stable encoding");
    }

    /// Ends the event.
    pub(super) fn end(&mut self) {
        self.state = xxh3_64_with_seed(&self.buffer, self.state);
    }

    /// The digest so far.
    #[must_use]
    pub(super) fn value(&self) -> u64 {
        self.state
    }
}

/// Appends to a buffer that is used again and again.
struct Tail<'a>(&'a mut Vec<u8>);

impl Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins the chain: digests that were written down stay comparable.
    #[test]
    fn the_chain_is_pinned() {
        let mut digest = Digest::default();
        digest.begin(1, [2, 3, 4]);
        digest.add(&("five", 6u64));
        digest.end();
        let first = digest.value();
        digest.begin(1, [2, 3, 4]);
        digest.add(&("five", 6u64));
        digest.end();
        assert_ne!(first, digest.value(), "the same event moves the digest on");
        assert_eq!(first, 2_152_026_012_409_617_022);
    }
}
