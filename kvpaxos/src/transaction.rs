//! Transactions: several steps on any keys, executed together if all conditions hold.
//!
//! ```text
//!   Transaction ── conditions ──▶ all hold at this place of the log?  no ──▶ Executed { results: None }
//!        │                                     │ yes                         nothing was changed
//!        └──────── steps ──────────────────────▼
//!                                   executed in order ──▶ Executed { results: Some([one per step]) }
//! ```
//!
//! Nothing else happens between the conditions and the steps, or between two steps. As in Redis' `EXEC`, a
//! step that fails does nothing, and undoes nothing: the steps before it stand, and those after it follow.
//!
//! # Bounds
//!
//! | what | bound | over it |
//! | --- | --- | --- |
//! | steps of a transaction; its conditions | [`MAX_STEPS`] each | the request is refused ([`Refusal::TooMany`](crate::Refusal::TooMany)) |
//! | bytes of a transaction: keys, values, and [`STEP_BYTES`] for each step and each condition | [`Limits::transaction_bytes`](crate::Limits::transaction_bytes) | refused ([`Refusal::TransactionTooLong`](crate::Refusal::TransactionTooLong)) |
//! | bytes of the values in its results | [`Limits::answer_bytes`](crate::Limits::answer_bytes) | the step whose value would exceed it fails ([`StepError::AnswerTooLong`]) |
//! | bytes of all results that sessions store, because their clients may ask again | [`Limits::results_bytes`](crate::Limits::results_bytes) | the sessions that hold the oldest ones are dropped |

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::types::Revision;

/// The greatest number of steps in a transaction, of conditions in a transaction, and of keys in a
/// [`Query`](crate::Query).
pub const MAX_STEPS: usize = 4096;
/// What each step and each condition counts for, in bytes, in addition to its key and value.
pub const STEP_BYTES: usize = 32;
/// The most bytes of a transaction that can be configured: as many as the largest compare-and-swap has.
pub const MAX_TRANSACTION: usize = crate::config::MAX_KEY + 2 * crate::config::MAX_VALUE;
/// The most bytes of values in one answer that can be configured.
pub const MAX_ANSWER: usize = crate::config::MAX_CHUNK;
/// The most keys in a page of [`Query::Scan`](crate::Query::Scan).
pub const MAX_PAGE: u32 = 1000;

/// Steps that are executed together if all conditions hold: see the [module](self).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Transaction {
    /// All of them must hold before the first step. Without any, the steps are always executed.
    pub conditions: Vec<Condition>,
    /// They are executed in order; each sees the effects of those before it.
    pub steps: Vec<Step>,
}

/// Something that must be true of a key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Condition {
    /// The key.
    pub key: Bytes,
    /// What must be true of it.
    pub holds: Holds,
}

/// What must be true of a key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Holds {
    /// It has no value.
    Absent,
    /// It has a value.
    Present,
    /// It has this value.
    Equals(Bytes),
    /// It has not changed since a reader saw it (Redis' `WATCH`): it has a value if and only if it had one
    /// then, and if it has, no command above `since` has written it. To write the value that it has already
    /// is a change too. A key that was absent then and is absent now holds, whatever happened in between.
    Unchanged {
        /// Whether it had a value.
        existed: bool,
        /// The revision of the answer in which it was seen.
        since: Revision,
    },
}

/// One step of a [`Transaction`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Step {
    /// Reads a value. Its result is [`StepResult::Value`].
    Get {
        /// The key.
        key: Bytes,
    },
    /// Reads the length of a value, which is 0 if the key is absent. Its result is [`StepResult::Length`].
    Length {
        /// The key.
        key: Bytes,
    },
    /// Tells whether the key has a value. Its result is [`StepResult::Exists`].
    Exists {
        /// The key.
        key: Bytes,
    },
    /// Sets the key, under a condition that concerns this step only. Its result is [`StepResult::Changed`].
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
        /// When it takes place.
        when: When,
        /// Whether the result includes the value from before, also if the put does not take place.
        previous: bool,
    },
    /// Adds bytes to the end of the value; an absent key is set. Its result is [`StepResult::Length`], the
    /// length of the new value.
    Append {
        /// The key.
        key: Bytes,
        /// The bytes.
        value: Bytes,
    },
    /// Adds to the integer that the value is in decimal, as Redis writes it: no sign but a minus, no leading
    /// zeros, no spaces, 64 bits. An absent key counts as 0. Its result is [`StepResult::Integer`], the sum.
    Add {
        /// The key.
        key: Bytes,
        /// The summand.
        delta: i64,
    },
    /// Removes the key. Its result is [`StepResult::Changed`]: `applied` tells whether it had a value.
    Delete {
        /// The key.
        key: Bytes,
        /// Whether the result includes the value from before.
        previous: bool,
    },
}

/// When a [`Step::Put`] takes place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum When {
    /// Always.
    Always,
    /// Only if the key has no value.
    Absent,
    /// Only if the key has a value.
    Present,
}

/// The result of a [`Step`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum StepResult {
    /// The value, or `None` if the key is absent.
    Value(Option<Bytes>),
    /// The length of the value, in bytes.
    Length(u64),
    /// Whether the key has a value.
    Exists(bool),
    /// The new integer.
    Integer(i64),
    /// Of a put or delete.
    Changed {
        /// Whether the put took place, or the deleted key had a value.
        applied: bool,
        /// The value from before, if the step asked for it and the key had one.
        previous: Option<Bytes>,
    },
    /// The step did nothing.
    Failed(StepError),
}

/// Why a step did nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum StepError {
    /// The value is not a decimal integer of 64 bits in its shortest form.
    #[error("the value is not an integer of 64 bits in decimal; this step did nothing")]
    NotAnInteger,
    /// The sum does not fit in 64 bits.
    #[error("the sum does not fit in an integer of 64 bits; this step did nothing")]
    Overflow,
    /// The value would be longer than the limit.
    #[error("the value would be {length} bytes long, over the limit of {limit}; this step did nothing")]
    TooLong {
        /// The length that it would have, in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The values in the results of the transaction would be longer than the limit, all together.
    #[error(
        "with this value, the results of the transaction would be {length} bytes long, over the limit of \
         {limit}; this step did nothing: ask for fewer values at once"
    )]
    AnswerTooLong {
        /// The length of the values so far and this one, in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
}

impl Transaction {
    /// The keys that it reads or writes: those of the conditions, then those of the steps.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        let conditions = self.conditions.iter().map(|condition| &condition.key);
        conditions.chain(self.steps.iter().map(Step::key))
    }

    /// The values that it carries: those of the conditions, then those of the steps.
    pub fn values(&self) -> impl Iterator<Item = &Bytes> {
        let conditions = self
            .conditions
            .iter()
            .filter_map(|condition| match &condition.holds {
                Holds::Equals(value) => Some(value),
                Holds::Absent | Holds::Present | Holds::Unchanged { .. } => None,
            });
        conditions.chain(self.steps.iter().filter_map(Step::value))
    }

    /// Its size in bytes: all keys and values, and [`STEP_BYTES`] for each step and each condition. The
    /// encoding is not longer.
    #[must_use]
    pub fn size(&self) -> usize {
        let parts = self.conditions.len() + self.steps.len();
        let bytes = self.keys().chain(self.values()).map(Bytes::len);
        parts * STEP_BYTES + bytes.sum::<usize>()
    }
}

impl Step {
    /// The key that it reads or writes.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Step::Get { key }
            | Step::Length { key }
            | Step::Exists { key }
            | Step::Put { key, .. }
            | Step::Append { key, .. }
            | Step::Add { key, .. }
            | Step::Delete { key, .. } => key,
        }
    }

    /// The value that it carries.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Step::Put { value, .. } | Step::Append { value, .. } => Some(value),
            Step::Get { .. }
            | Step::Length { .. }
            | Step::Exists { .. }
            | Step::Add { .. }
            | Step::Delete { .. } => None,
        }
    }
}

impl StepResult {
    /// The value that it includes.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            StepResult::Value(value) | StepResult::Changed { previous: value, .. } => value.as_ref(),
            StepResult::Length(_)
            | StepResult::Exists(_)
            | StepResult::Integer(_)
            | StepResult::Failed(_) => None,
        }
    }
}
