//! The rolling digest over all events of a run. The same seed gives the same digest on every machine.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The kind of an entry. The numbers are part of every digest: a kind keeps its number, and a new kind gets a
/// new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum EntryKind {
    /// A message between replicas arrives.
    Message = 1,
    /// A message that a machine sent to itself arrives.
    OwnMessage = 2,
    /// A client's request arrives.
    Request = 3,
    /// A reply to a client arrives.
    Reply = 4,
    /// A machine hears the clock.
    Tick = 5,
    /// A sync ends.
    Sync = 6,
    /// A process starts.
    Start = 7,
    /// A process crashes.
    Crash = 8,
    /// A process is paused.
    Pause = 9,
    /// A paused process goes on.
    Resume = 10,
    /// A role fails.
    FailRole = 11,
    /// A failed role restarts.
    RestartRole = 12,
    /// The speed of a clock changes.
    SetSpeed = 13,
    /// A clock jumps.
    JumpClock = 14,
    /// A disk damages what it had synced.
    Damage = 15,
    /// A disk becomes full, or has room again.
    SetFull = 16,
    /// A process hears that its connection to a client broke.
    ConnectionGone = 17,
    /// A client hears that its connection to a process broke.
    HungUp = 18,
    /// A process is to crash at the end of a sync, or no longer.
    CrashAtSync = 19,
    /// A client hears the clock.
    ClientTick = 20,
    /// A host begins, or ceases, to change what it sends.
    SetCorrupting = 21,
    /// A disk loses its last records unnoticed.
    LoseUnnoticed = 22,
    /// A disk is formatted as if its machine had never run.
    FoundAnew = 23,
    /// A process hears that it is to stop.
    HandOver = 24,
    /// The nemesis begins a fault.
    Fault = 30,
    /// A fault of the nemesis ends, or goes on in another way.
    FaultEnd = 31,
    /// The nemesis begins a crash that follows a moment of a replica.
    Strike = 32,
}

/// A chain of hashes: each entry is encoded and hashed by xxh3, with the digest so far as the seed.
#[derive(Default)]
pub(crate) struct Digest {
    state: u64,
    buffer: Vec<u8>,
}

impl Digest {
    /// Adds an entry: its kind and three numbers, of which the first is the time.
    pub(crate) fn add(&mut self, kind: EntryKind, numbers: [u64; 3]) {
        self.begin(kind, numbers);
        self.end();
    }

    /// Adds an entry with contents, such as a message.
    ///
    /// # Panics
    /// If the contents have no stable encoding. Only maps of unknown length have none, and no message
    /// contains one.
    pub(crate) fn add_with(&mut self, kind: EntryKind, numbers: [u64; 3], contents: &impl Serialize) {
        self.begin(kind, numbers);
        postcard::serialize_with_flavor::<_, _, ()>(contents, Tail(&mut self.buffer))
            .expect("messages have a stable encoding");
        self.end();
    }

    fn begin(&mut self, kind: EntryKind, numbers: [u64; 3]) {
        let mut bytes = [kind as u8; 25];
        for (number, bytes) in numbers.iter().zip(bytes[1..].chunks_exact_mut(8)) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(&bytes);
    }

    fn end(&mut self) {
        self.state = xxh3_64_with_seed(&self.buffer, self.state);
    }

    /// The digest so far.
    #[must_use]
    pub(crate) fn value(&self) -> u64 {
        self.state
    }
}

/// Appends to a buffer that is reused for each entry.
struct Tail<'a>(&'a mut Vec<u8>);

impl Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // Most numbers are encoded in one byte or two. To copy so few by a call takes longer than to push them.
        match bytes {
            [byte] => self.0.push(*byte),
            [first, second] => self.0.extend([*first, *second]),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins the chain, so that digests of different versions can be compared.
    #[test]
    fn the_chain_is_pinned() {
        let mut digest = Digest::default();
        digest.add_with(EntryKind::Message, [2, 3, 4], &("five", 6u64));
        let first = digest.value();
        digest.add_with(EntryKind::Message, [2, 3, 4], &("five", 6u64));
        assert_ne!(first, digest.value(), "the same entry changes the digest again");
        assert_eq!(first, 2_152_026_012_409_617_022);
    }
}
