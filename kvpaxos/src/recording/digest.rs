//! What an execution is compared by.

use std::hash::{Hash, Hasher};
use std::mem::discriminant;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use crate::io::{Effect, Envelope};
use crate::message::Message;
use crate::types::ReplicaId;

/// A digest of all effects of a life so far: a chain of hashes, one for each step that has effects, with the digest
/// before as its seed. Records, answers and observations count in full, digests of the state among them; of a message
/// its receiver and its kind do. What else a message says is compared with what its receiver recorded. For programs of the same release it is the same on
/// all machines of one byte order.
#[derive(Clone, Default)]
pub struct EffectDigest {
    value: u64,
    bytes: Portable,
}

impl EffectDigest {
    /// Goes on from this digest of earlier effects.
    #[must_use]
    pub fn from_value(value: u64) -> EffectDigest {
        EffectDigest {
            value,
            ..EffectDigest::default()
        }
    }

    /// Adds the effects of a step.
    pub fn add(&mut self, effects: &[Effect]) {
        if effects.is_empty() {
            return;
        }
        self.bytes.0.clear();
        for effect in effects {
            self.bytes.add(effect);
        }
        self.value = xxh3_64_with_seed(&self.bytes.0, self.value);
    }

    /// The digest.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }
}

/// What a message is recognized by when it arrives: its sender, its receiver and its content.
#[must_use]
pub fn message_digest(from: ReplicaId, to: ReplicaId, message: &Message) -> u128 {
    let mut bytes = Portable::default();
    (from, to, message).hash(&mut bytes);
    xxh3_128(&bytes.0)
}

/// Collects what a `Hash` implementation writes: numbers with the lowest byte first, and those of the machine's size as
/// 64 bits.
#[derive(Clone, Default)]
struct Portable(Vec<u8>);

impl Portable {
    fn add(&mut self, effect: &Effect) {
        discriminant(effect).hash(self);
        match effect {
            Effect::Send(envelope) => self.add_envelope(envelope),
            Effect::Persist { role, records, then } => {
                (role, records).hash(self);
                then.iter().for_each(|envelope| self.add_envelope(envelope));
            }
            other => other.hash(self),
        }
    }

    fn add_envelope(&mut self, envelope: &Envelope) {
        (envelope.to, discriminant(&envelope.message)).hash(self);
    }
}

impl Hasher for Portable {
    fn finish(&self) -> u64 {
        xxh3_64_with_seed(&self.0, 0)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_i64(number as i64);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }
}
