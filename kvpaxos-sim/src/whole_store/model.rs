//! A model of the store: a sorted map, and nothing that makes it fast.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::{
    Condition, Holds, Limits, Op, Outcome, Query, Revision, Step, StepError, StepResult, Transaction, When,
};

/// All keys that have a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Model {
    entries: BTreeMap<Bytes, Entry>,
}

/// A value and the revision at which it was written; none if it is not known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry {
    value: Bytes,
    changed: Option<Revision>,
}

/// Whether a condition holds.
enum Holding {
    Yes,
    No,
    /// It depends on a revision that is not known.
    Unknown,
}

impl Model {
    pub(crate) fn value(&self, key: &Bytes) -> Option<&Bytes> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.entries.keys()
    }

    /// Executes a write at a revision, if that is known. Returns all outcomes that it may have: more than one
    /// only if a condition depends on a revision that is not known. The revision in them is that of `at`, or
    /// the lowest one.
    pub(crate) fn write(&self, at: Option<Revision>, op: &Op, limits: &Limits) -> Vec<(Outcome, Model)> {
        let revision = at.unwrap_or_default();
        let mut after = self.clone();
        let outcome = match op {
            Op::Put { key, value } => {
                after.set(key, value.clone(), at);
                Outcome::Done { revision }
            }
            Op::Delete { key } => {
                let existed = after.entries.remove(key).is_some();
                Outcome::Deleted { revision, existed }
            }
            Op::Cas { key, expect, value } => {
                let applied = self.value(key) == expect.as_ref();
                match value {
                    Some(value) if applied => after.set(key, value.clone(), at),
                    None if applied => _ = after.entries.remove(key),
                    _ => {}
                }
                Outcome::Swapped { revision, applied }
            }
            Op::Transaction(transaction) => return self.transact(at, transaction, limits),
        };
        vec![(outcome, after)]
    }

    /// The answer to a read; none for a scan, whose pages depend on hashes.
    pub(crate) fn read(&self, revision: Revision, query: &Query) -> Option<Outcome> {
        let value = |key: &Bytes| self.value(key).cloned();
        let length = |key: &Bytes| self.value(key).map(|value| value.len() as u64);
        Some(match query {
            Query::Get { key } => Outcome::Value {
                revision,
                value: value(key),
            },
            Query::GetMany { keys } => Outcome::Values {
                revision,
                values: keys.iter().map(value).collect(),
            },
            Query::Lengths { keys } => Outcome::Lengths {
                revision,
                lengths: keys.iter().map(length).collect(),
            },
            Query::Count => Outcome::Count {
                revision,
                keys: self.entries.len() as u64,
            },
            Query::Scan { .. } => return None,
        })
    }

    fn transact(
        &self,
        at: Option<Revision>,
        Transaction { conditions, steps }: &Transaction,
        limits: &Limits,
    ) -> Vec<(Outcome, Model)> {
        let revision = at.unwrap_or_default();
        let mut answers = Vec::new();
        let (mut may_hold, mut may_fail) = (true, false);
        for condition in conditions {
            match self.holds(condition) {
                Holding::Yes => {}
                Holding::No => (may_hold, may_fail) = (false, true),
                Holding::Unknown => may_fail = true,
            }
        }
        if may_hold {
            let mut after = self.clone();
            let mut answered = 0;
            let step = |step| {
                let done = after.step(at, step, limits, &mut answered);
                done.unwrap_or_else(StepResult::Failed)
            };
            let results = Some(steps.iter().map(step).collect());
            answers.push((Outcome::Executed { revision, results }, after));
        }
        if may_fail {
            let results = None;
            answers.push((Outcome::Executed { revision, results }, self.clone()));
        }
        answers
    }

    fn holds(&self, Condition { key, holds }: &Condition) -> Holding {
        let entry = self.entries.get(key);
        let holds = match holds {
            Holds::Absent => entry.is_none(),
            Holds::Present => entry.is_some(),
            Holds::Equals(value) => entry.is_some_and(|entry| entry.value == value),
            Holds::Unchanged { existed, since } => match (existed, entry) {
                (false, entry) => entry.is_none(),
                (true, None) => false,
                (true, Some(entry)) => match entry.changed {
                    Some(changed) => changed <= *since,
                    None => return Holding::Unknown,
                },
            },
        };
        if holds { Holding::Yes } else { Holding::No }
    }

    fn step(
        &mut self,
        at: Option<Revision>,
        step: &Step,
        limits: &Limits,
        answered: &mut usize,
    ) -> Result<StepResult, StepError> {
        let before = self.value(step.key()).cloned();
        let mut answer = |before: &Option<Bytes>| {
            let length = *answered + before.as_ref().map_or(0, Bytes::len);
            if length > limits.answer_bytes {
                let (length, limit) = (length as u64, limits.answer_bytes as u64);
                return Err(StepError::AnswerTooLong { length, limit });
            }
            *answered = length;
            Ok(before.clone())
        };
        Ok(match step {
            Step::Get { .. } => StepResult::Value(answer(&before)?),
            Step::Length { .. } => StepResult::Length(before.map_or(0, |value| value.len() as u64)),
            Step::Exists { .. } => StepResult::Exists(before.is_some()),
            Step::Put {
                key,
                value,
                when,
                previous,
            } => {
                let previous = if *previous { answer(&before)? } else { None };
                let applied = match when {
                    When::Always => true,
                    When::Absent => before.is_none(),
                    When::Present => before.is_some(),
                };
                if applied {
                    self.set(key, value.clone(), at);
                }
                StepResult::Changed { applied, previous }
            }
            Step::Append { key, value } => {
                let whole = [before.unwrap_or_default(), value.clone()].concat();
                within(whole.len(), limits)?;
                let length = whole.len() as u64;
                self.set(key, whole.into(), at);
                StepResult::Length(length)
            }
            Step::Add { key, delta } => {
                let number = match before {
                    Some(text) => integer(&text).ok_or(StepError::NotAnInteger)?,
                    None => 0,
                };
                let sum = number.checked_add(*delta).ok_or(StepError::Overflow)?;
                let text = sum.to_string();
                within(text.len(), limits)?;
                self.set(key, text.into(), at);
                StepResult::Integer(sum)
            }
            Step::Delete { key, previous } => {
                let previous = if *previous { answer(&before)? } else { None };
                let applied = self.entries.remove(key).is_some();
                StepResult::Changed { applied, previous }
            }
        })
    }

    fn set(&mut self, key: &Bytes, value: Bytes, changed: Option<Revision>) {
        self.entries.insert(key.clone(), Entry { value, changed });
    }
}

/// The integer that is written so, and in no other way.
fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let number = text.parse::<i64>().ok()?;
    (number.to_string() == text).then_some(number)
}

fn within(length: usize, limits: &Limits) -> Result<(), StepError> {
    if length <= limits.value {
        return Ok(());
    }
    let (length, limit) = (length as u64, limits.value as u64);
    Err(StepError::TooLong { length, limit })
}
