//! The replicated state machine: sessions and the key-value store, driven by the log.
//!
//! Every replica applies the same commands in the same order and reaches the same state, including the
//! sessions: any replica knows which writes were executed. A clone shares everything except for a few
//! pointers, so that a snapshot of any size is taken without a stall.

use bytes::Bytes;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::command::{Command, Listed, Op, Outcome, Query, Refusal, Tag};
use crate::config::Limits;
use crate::digest::halves;
use crate::state::kv::{Page, Store};
use crate::state::session::Sessions;
use crate::transaction::{MAX_STEPS, Transaction};
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
                let (store, limits) = (&mut self.store, &self.limits);
                let execute = || store.execute(revision, op, limits);
                let kept = self
                    .sessions
                    .once(revision, *session, *sequence, *lowest_unanswered, execute);
                kept.map_or_else(Outcome::Refused, Outcome::from)
            }
            Command::Opaque { tag, payload } => {
                // It changes nothing else in the state.
                self.history = with_opaque(self.history, *tag, payload);
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
        let mut outcomes = Vec::with_capacity(commands.len());
        self.apply_each(slot, commands, |outcome| outcomes.push(outcome));
        outcomes
    }

    /// Like [`apply_all`](StateMachine::apply_all), and hands out each outcome.
    pub(crate) fn apply_each(&mut self, slot: Slot, commands: &[Command], mut ended: impl FnMut(Outcome)) {
        // One command alone would not wait any longer for the memory that it writes to.
        if commands.len() > 1 {
            self.store.touch(commands);
        }
        for (index, command) in (0..).zip(commands) {
            ended(self.apply(Revision { slot, index }, command));
        }
        let [high, low] = halves(self.digest());
        self.history = hash(&[slot.0, high, low], self.history);
    }

    /// The value of a key. A short value is copied, a long one is shared.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.store.get(key)
    }

    /// Answers a read with the present state.
    #[must_use]
    pub fn answer(&self, query: &Query) -> Outcome {
        let revision = self.revision();
        match query {
            Query::Get { key } => Outcome::Value {
                revision,
                value: self.get(key),
            },
            Query::GetMany { keys } => self.values(keys),
            Query::Lengths { keys } => Outcome::Lengths {
                revision,
                lengths: keys.iter().map(|key| self.store.length(key)).collect(),
            },
            Query::Scan { cursor, limit } => match self.store.page(*cursor, *limit, self.limits.answer_bytes)
            {
                Ok(Page { keys, next }) => Outcome::Page { revision, keys, next },
                Err(length) => self.too_long(length),
            },
            Query::Count => Outcome::Count {
                revision,
                keys: self.keys(),
            },
        }
    }

    fn values(&self, keys: &[Bytes]) -> Outcome {
        let mut length = 0;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.get(key);
            length += value.as_ref().map_or(0, Bytes::len);
            if length > self.limits.answer_bytes {
                return self.too_long(length);
            }
            values.push(value);
        }
        let revision = self.revision();
        Outcome::Values { revision, values }
    }

    fn too_long(&self, length: usize) -> Outcome {
        Outcome::Refused(Refusal::AnswerTooLong {
            length: length as u64,
            limit: self.limits.answer_bytes as u64,
        })
    }

    /// All keys and their values, in an order that is the same for equal stores.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.store.iter().map(|entry| (entry.key, entry.value))
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

    /// The approximate size of the state in bytes: all keys and values, 64 more for each key, 256 for each
    /// session, and the results of transactions that sessions store. The same at every replica.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sessions = SESSION_BYTES * self.sessions() + self.sessions.results_bytes();
        self.store.bytes() + ENTRY_BYTES * self.keys() + sessions
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

/// The history with one opaque command more. Hashing all of it once more for each command would take twice as long.
///
/// Two histories differ afterwards if they did before, or if the tags differ, or the hashes of the payloads: multiplying by an odd
/// number loses nothing. If several of these differ, the product spreads the difference over bits that the others would have to
/// match by chance.
fn with_opaque(before: u128, tag: Tag, payload: &[u8]) -> u128 {
    /// The golden ratio in 128 bits, odd.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let tag = u128::from(tag.nonce) << 64 | u128::from(tag.number);
    (before ^ tag)
        .wrapping_mul(FACTOR)
        .wrapping_add(xxh3_64(payload).into())
}

/// The hash of some words, chained to an earlier hash.
fn hash<const WORDS: usize>(words: &[u64; WORDS], before: u128) -> u128 {
    let mut bytes = [0; 64];
    bytes[..16].copy_from_slice(&before.to_le_bytes());
    let mut end = 16;
    for word in words {
        bytes[end..end + 8].copy_from_slice(&word.to_le_bytes());
        end += 8;
    }
    xxh3_128(&bytes[..end])
}

/// Checks a write against the limits of keys, values and transactions. A replica checks it when it admits the
/// request, and again when it applies the command.
pub(crate) fn check_limits(limits: &Limits, op: &Op) -> Result<(), Refusal> {
    // Each kind by itself: iterators over the keys and values of any operation take 3 % of all instructions of a
    // PUT.
    match op {
        Op::Put { key, value } => {
            check_key(limits, key)?;
            check_value(limits, value)
        }
        Op::Delete { key } => check_key(limits, key),
        Op::Cas { key, expect, value } => {
            check_key(limits, key)?;
            let mut values = expect.iter().chain(value);
            values.try_for_each(|value| check_value(limits, value))
        }
        Op::Transaction(transaction) => check_transaction(limits, transaction),
    }
}

fn check_transaction(limits: &Limits, transaction: &Transaction) -> Result<(), Refusal> {
    let Transaction { conditions, steps } = transaction;
    check_count(Listed::Conditions, conditions.len())?;
    check_count(Listed::Steps, steps.len())?;
    transaction.keys().try_for_each(|key| check_key(limits, key))?;
    transaction
        .values()
        .try_for_each(|value| check_value(limits, value))?;
    over(transaction.size(), limits.transaction_bytes).map_or(Ok(()), |(length, limit)| {
        Err(Refusal::TransactionTooLong { length, limit })
    })
}

/// Checks the keys of a read against the limits.
pub(crate) fn check_keys(limits: &Limits, keys: &[Bytes]) -> Result<(), Refusal> {
    check_count(Listed::Keys, keys.len())?;
    keys.iter().try_for_each(|key| check_key(limits, key))
}

pub(crate) fn check_value(limits: &Limits, value: &Bytes) -> Result<(), Refusal> {
    over(value.len(), limits.value).map_or(Ok(()), |(length, limit)| {
        Err(Refusal::ValueTooLong { length, limit })
    })
}

fn check_key(limits: &Limits, key: &Bytes) -> Result<(), Refusal> {
    over(key.len(), limits.key).map_or(Ok(()), |(length, limit)| {
        Err(Refusal::KeyTooLong { length, limit })
    })
}

fn check_count(what: Listed, count: usize) -> Result<(), Refusal> {
    over(count, MAX_STEPS).map_or(Ok(()), |(count, limit)| {
        Err(Refusal::TooMany { what, count, limit })
    })
}

/// The length and the limit, if it is over it.
fn over(length: usize, limit: usize) -> Option<(u64, u64)> {
    (length > limit).then_some((length as u64, limit as u64))
}

#[cfg(test)]
pub(crate) mod tests;
