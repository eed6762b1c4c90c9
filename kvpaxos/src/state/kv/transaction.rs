//! Executing transactions.

use bytes::Bytes;

use super::Store;
use super::packed::Value;
use crate::config::Limits;
use crate::state::session::{Execution, StoredOutcome};
use crate::transaction::{Condition, Holds, Step, StepError, StepResult, Transaction, When};
use crate::types::Revision;

impl Store {
    /// Executes the steps if all conditions hold.
    pub(super) fn transact(
        &mut self,
        revision: Revision,
        Transaction { conditions, steps }: &Transaction,
        limits: &Limits,
    ) -> Execution {
        if !conditions.iter().all(|condition| self.holds(condition)) {
            return StoredOutcome::executed(revision, false).into();
        }
        let mut answer = Answer {
            length: 0,
            limit: limits.answer_bytes,
        };
        let step = |step| {
            let result = self.execute_step(revision, step, limits, &mut answer);
            result.unwrap_or_else(StepResult::Failed)
        };
        Execution::executed(revision, steps.iter().map(step).collect())
    }

    fn holds(&self, Condition { key, holds }: &Condition) -> bool {
        match holds {
            Holds::Absent => self.value(key).is_none(),
            Holds::Present => self.value(key).is_some(),
            Holds::Equals(value) => self.value(key).is_some_and(|held| held.bytes() == value),
            Holds::Unchanged { existed, since } => match self.changed(key) {
                Some(changed) => *existed && changed <= *since,
                None => !existed,
            },
        }
    }

    fn execute_step(
        &mut self,
        revision: Revision,
        step: &Step,
        limits: &Limits,
        answer: &mut Answer,
    ) -> Result<StepResult, StepError> {
        Ok(match step {
            Step::Get { key } => StepResult::Value(answer.take(self.value(key))?),
            Step::Length { key } => StepResult::Length(self.length(key).unwrap_or(0)),
            Step::Exists { key } => StepResult::Exists(self.value(key).is_some()),
            Step::Put {
                key,
                value,
                when,
                previous,
            } => {
                let held = match (when, previous) {
                    (When::Always, false) => None,
                    _ => self.value(key),
                };
                let applied = match when {
                    When::Always => true,
                    When::Absent => held.is_none(),
                    When::Present => held.is_some(),
                };
                let previous = answer.take(held.filter(|_| *previous))?;
                if applied {
                    self.put(revision, key, value);
                }
                StepResult::Changed { applied, previous }
            }
            Step::Append { key, value } => {
                let held = self.value(key).map_or(&[][..], Value::bytes);
                let length = held.len() + value.len();
                if length > limits.value {
                    return Err(StepError::TooLong {
                        length: length as u64,
                        limit: limits.value as u64,
                    });
                }
                let whole = Bytes::from([held, value].concat());
                self.put(revision, key, &whole);
                StepResult::Length(length as u64)
            }
            Step::Add { key, delta } => {
                let held = self.value(key).map_or(Some(0), |value| integer(value.bytes()));
                let number = held.ok_or(StepError::NotAnInteger)?;
                let sum = number.checked_add(*delta).ok_or(StepError::Overflow)?;
                let text = Bytes::from(sum.to_string());
                if text.len() > limits.value {
                    return Err(StepError::TooLong {
                        length: text.len() as u64,
                        limit: limits.value as u64,
                    });
                }
                self.put(revision, key, &text);
                StepResult::Integer(sum)
            }
            Step::Delete { key, previous } => {
                let held = if *previous { self.value(key) } else { None };
                let previous = answer.take(held)?;
                let applied = self.delete(key);
                StepResult::Changed { applied, previous }
            }
        })
    }
}

/// The values in the results so far.
struct Answer {
    length: usize,
    limit: usize,
}

impl Answer {
    /// Adds a value to the results, if it fits.
    fn take(&mut self, value: Option<Value>) -> Result<Option<Bytes>, StepError> {
        let Some(value) = value else { return Ok(None) };
        let length = self.length + value.bytes().len();
        if length > self.limit {
            return Err(StepError::AnswerTooLong {
                length: length as u64,
                limit: self.limit as u64,
            });
        }
        self.length = length;
        Ok(Some(value.to_bytes()))
    }
}

/// The integer that the text is in its shortest form.
fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let text = std::str::from_utf8(text).ok().filter(|_| canonical)?;
    text.parse().ok()
}
