//! What an execution is compared by.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3;

use crate::io::Effect;
use crate::message::Message;
use crate::types::ReplicaId;

/// A digest of all effects of a life so far. It is the same on every machine for programs of the same release.
#[derive(Clone, Default)]
pub struct EffectDigest(Portable);

impl EffectDigest {
    /// Adds the effects of a step.
    pub fn add(&mut self, effects: &[Effect]) {
        effects.hash(&mut self.0);
    }

    /// The digest.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.0.digest()
    }
}

/// What a message is recognized by when it arrives: its sender, its receiver and its content.
#[must_use]
pub fn message_digest(from: ReplicaId, to: ReplicaId, message: &Message) -> u128 {
    let mut hasher = Portable::default();
    (from, to, message).hash(&mut hasher);
    hasher.0.digest128()
}

/// Hashes numbers of the machine's size as 64 bits, and all numbers with the lowest byte first.
#[derive(Clone, Default)]
struct Portable(Xxh3);

impl Hasher for Portable {
    fn finish(&self) -> u64 {
        self.0.digest()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u16(&mut self, number: u16) {
        self.0.update(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.0.update(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.0.update(&number.to_le_bytes());
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
