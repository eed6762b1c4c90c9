//! The replicated state machine: sessions and the key-value store, driven by the log.

use bytes::Bytes;

use crate::command::{Command, Outcome};
use crate::config::Limits;
use crate::types::Revision;

/// The state that every replica holds alike after the same prefix of the log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StateMachine {
    limits: Limits,
}

impl StateMachine {
    /// The state before the first slot.
    #[must_use]
    pub fn new(limits: Limits) -> StateMachine {
        StateMachine { limits }
    }

    /// Applies one command, exactly once per session and sequence.
    pub fn apply(&mut self, revision: Revision, command: &Command) -> Outcome {
        let _ = (revision, command, self.limits);
        unimplemented!()
    }

    /// How many sessions were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        0
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        let _ = key;
        unimplemented!()
    }

    /// Where the last command that was applied stands.
    #[must_use]
    pub fn revision(&self) -> Revision {
        unimplemented!()
    }

    /// The digest of the whole state, kept as it changes (L3).
    #[must_use]
    pub fn digest(&self) -> u128 {
        unimplemented!()
    }

    /// How many keys hold a value.
    #[must_use]
    pub fn keys(&self) -> u64 {
        unimplemented!()
    }

    /// How many sessions are open.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        unimplemented!()
    }
}
