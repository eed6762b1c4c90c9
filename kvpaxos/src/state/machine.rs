//! The replicated state machine: sessions and the key-value store, driven by the log.
//!
//! Every replica applies the same commands in the same order and reaches the same state, including the
//! sessions: any replica knows which writes were executed. A clone shares everything except for a few
//! pointers, so that a snapshot of any size is taken without a stall.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::command::{Command, Op, Outcome, Refusal};
use crate::config::Limits;
use crate::digest::halves;
use crate::state::kv::Store;
use crate::state::session::Sessions;
use crate::types::{Revision, Slot};

/// What each key and each session adds to [`StateMachine::bytes`]: roughly its overhead in memory. It decides
/// when snapshots are taken, at all replicas alike.
const ENTRY_BYTES: u64 = 64;
const SESSION_BYTES: u64 = 256;

/// The replicated state. It is the same at every replica after the same prefix of the log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StateMachine {
    limits: Limits,
    last: Option<Revision>,
    sessions: Sessions,
    store: Store,
    /// The chain of the digests after all earlier slots: see [`StateMachine::digest`].
    history: u128,
}

impl StateMachine {
    /// The state before the first slot.
    #[must_use]
    pub fn new(limits: Limits) -> StateMachine {
        StateMachine {
            limits,
            last: None,
            sessions: Sessions::new(&limits),
            store: Store::new(),
            history: 0,
        }
    }

    /// The state that was assembled from the parts of a snapshot.
    pub(crate) fn restored(
        limits: Limits,
        last: Option<Revision>,
        sessions: Sessions,
        store: Store,
        history: u128,
    ) -> StateMachine {
        StateMachine {
            limits,
            last,
            sessions,
            store,
            history,
        }
    }

    /// Takes the state apart, to free it or its parts.
    pub(crate) fn into_content(self) -> (Sessions, Store) {
        (self.sessions, self.store)
    }

    /// The parts of the state, except for the limits.
    pub(crate) fn content(&self) -> (Option<Revision>, &Sessions, &Store) {
        (self.last, &self.sessions, &self.store)
    }

    /// The chain of the digests after all applied slots.
    pub(crate) fn history(&self) -> u128 {
        self.history
    }

    /// Applies one command, exactly once per session and sequence.
    ///
    /// Total: a command that should have been refused before it entered the log has no effect, and every
    /// replica returns the same refusal.
    ///
    /// # Panics
    /// If `revision` is not above that of the last command (L2).
    pub fn apply(&mut self, revision: Revision, command: &Command) -> Outcome {
        assert!(
            self.last.is_none_or(|last| last < revision),
            "L2: {revision} is applied after {}",
            self.revision()
        );
        self.last = Some(revision);
        match command {
            Command::Open { tag } => {
                let session = self.sessions.open(revision, *tag);
                Outcome::Opened { session }
            }
            Command::Close { session } => {
                self.sessions.close(*session);
                Outcome::Closed
            }
            Command::Apply {
                session,
                sequence,
                lowest_unanswered,
                op,
            } => {
                if let Err(refusal) = check_limits(&self.limits, op) {
                    return Outcome::Refused(refusal);
                }
                let store = &mut self.store;
                let execute = || store.execute(revision, op);
                let kept = self
                    .sessions
                    .once(revision, *session, *sequence, *lowest_unanswered, execute);
                kept.map_or_else(Outcome::Refused, Outcome::from)
            }
            Command::Opaque { tag, payload } => {
                // It changes nothing else in the state.
                let [high, low] = halves(xxh3_128(payload));
                self.history = hash(&[tag.nonce, tag.number, high, low], self.history);
                Outcome::Done { revision }
            }
        }
    }

    /// The outcome of a command that is applied already, if it is still stored. `None` if the command is not
    /// applied, or if its outcome was dropped. The outcome is final, even if later slots are not applied here
    /// yet.
    pub(crate) fn outcome_of(&self, command: &Command) -> Option<Outcome> {
        match command {
            Command::Open { tag } => {
                let session = self.sessions.opened(*tag)?;
                Some(Outcome::Opened { session })
            }
            Command::Apply {
                session, sequence, ..
            } => {
                let known = self.sessions.known(*session, *sequence)?;
                Some(known.map_or_else(Outcome::Refused, Outcome::from))
            }
            Command::Close { .. } | Command::Opaque { .. } => None,
        }
    }

    /// Applies the commands of one slot, in order. See [`apply`](StateMachine::apply).
    pub fn apply_all(&mut self, slot: Slot, commands: &[Command]) -> Vec<Outcome> {
        self.store.touch(commands.iter().filter_map(key_of));
        let commands = (0..).zip(commands);
        let apply = |(index, command)| self.apply(Revision { slot, index }, command);
        let outcomes = commands.map(apply).collect();
        let [high, low] = halves(self.digest());
        self.history = hash(&[slot.0, high, low], self.history);
        outcomes
    }

    /// The value of a key. A short value is copied, a long one is shared.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.store.get(key)
    }

    /// All keys and their values, in an order that is the same for equal stores.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.store.iter()
    }

    /// The revision of the last applied command; the lowest revision if there is none.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.last.unwrap_or_default()
    }

    /// The digest of the whole state and of the history that led to it, updated as the state changes (L3).
    ///
    /// Each slot adds the digest after it to a chain ([`apply_all`](StateMachine::apply_all)), including
    /// no-ops and opaque payloads. So two histories that differ after one slot differ after every later one,
    /// even if the same keys have the same values again.
    #[must_use]
    pub fn digest(&self) -> u128 {
        digest_of(self.last, &self.sessions, self.store.digest(), self.history)
    }

    /// The approximate size of the state in bytes: all keys and values, 64 more for each key, and 256 for
    /// each session. The same at every replica.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.store.bytes() + ENTRY_BYTES * self.keys() + SESSION_BYTES * self.sessions()
    }

    /// The number of keys that have a value.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.store.len() as u64
    }

    /// The number of open sessions.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// The number of sessions that were dropped to make room, since the first slot. The difference before and
    /// after an [`apply`](StateMachine::apply) is the number that it dropped.
    #[must_use]
    pub fn sessions_dropped(&self) -> u64 {
        self.sessions.dropped()
    }
}

/// See [`StateMachine::digest`].
pub(crate) fn digest_of(last: Option<Revision>, sessions: &Sessions, store: u64, history: u128) -> u128 {
    let revision = last.unwrap_or_default();
    let words = [
        u64::from(last.is_some()),
        revision.slot.0,
        u64::from(revision.index),
        store,
        sessions.digest(),
        sessions.dropped(),
    ];
    hash(&words, history)
}

/// The hash of some words, chained to an earlier hash.
fn hash<const WORDS: usize>(words: &[u64; WORDS], before: u128) -> u128 {
    let mut bytes = [0; 64];
    let (history, rest) = bytes.split_at_mut(16);
    history.copy_from_slice(&before.to_le_bytes());
    for (word, bytes) in words.iter().zip(rest.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    xxh3_128(&bytes[..16 + 8 * WORDS])
}

fn key_of(command: &Command) -> Option<&Bytes> {
    match command {
        Command::Apply { op, .. } => Some(op.key()),
        Command::Open { .. } | Command::Close { .. } | Command::Opaque { .. } => None,
    }
}

/// Checks a write against the limits of keys and values. A replica checks it when it admits the request, and
/// again when it applies the command.
pub(crate) fn check_limits(limits: &Limits, op: &Op) -> Result<(), Refusal> {
    let key = op.key().len();
    if key > limits.key {
        return Err(Refusal::KeyTooLong {
            length: key as u64,
            limit: limits.key as u64,
        });
    }
    match op.values().find(|value| value.len() > limits.value) {
        Some(value) => Err(Refusal::ValueTooLong {
            length: value.len() as u64,
            limit: limits.value as u64,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
