//! From commands on keys to the steps and reads of the core, and from their results to replies.

use bytes::Bytes;
use kvpaxos::transaction::{Step, StepError, StepResult, When};

use crate::redis::command::{DataCommand, SetAnswer, SetWhen};
use crate::redis::reply::Reply;

impl DataCommand {
    /// The number of steps, or of keys that are read.
    pub(crate) fn len(&self) -> usize {
        match self {
            DataCommand::GetMany { keys } | DataCommand::Exists { keys } | DataCommand::Delete { keys } => {
                keys.len()
            }
            DataCommand::SetMany { pairs } | DataCommand::SetManyAbsent { pairs } => pairs.len(),
            _ => 1,
        }
    }

    /// How many values its results may include.
    pub(crate) fn values(&self) -> usize {
        match self {
            DataCommand::Get { .. } | DataCommand::GetDelete { .. } => 1,
            DataCommand::GetMany { keys } => keys.len(),
            DataCommand::Set { answer, .. } => usize::from(*answer == SetAnswer::Previous),
            _ => 0,
        }
    }

    /// Appends the steps. MSETNX sets all or nothing: its condition is not among them.
    pub(crate) fn steps(&self, steps: &mut Vec<Step>) {
        match self {
            DataCommand::Get { key } => steps.push(Step::Get { key: key.clone() }),
            DataCommand::GetMany { keys } => {
                steps.extend(keys.iter().cloned().map(|key| Step::Get { key }));
            }
            DataCommand::Length { key } => steps.push(Step::Length { key: key.clone() }),
            DataCommand::Type { key } | DataCommand::TimeToLive { key } => {
                steps.push(Step::Exists { key: key.clone() });
            }
            DataCommand::Exists { keys } => {
                steps.extend(keys.iter().cloned().map(|key| Step::Exists { key }));
            }
            DataCommand::Set {
                key,
                value,
                when,
                answer,
            } => steps.push(Step::Put {
                key: key.clone(),
                value: value.clone(),
                when: match when {
                    SetWhen::Always => When::Always,
                    SetWhen::Absent => When::Absent,
                    SetWhen::Present => When::Present,
                },
                previous: *answer == SetAnswer::Previous,
            }),
            DataCommand::GetDelete { key } => steps.push(Step::Delete {
                key: key.clone(),
                previous: true,
            }),
            DataCommand::Delete { keys } => steps.extend(
                keys.iter()
                    .cloned()
                    .map(|key| Step::Delete { key, previous: false }),
            ),
            DataCommand::SetMany { pairs } | DataCommand::SetManyAbsent { pairs } => {
                steps.extend(pairs.iter().cloned().map(|(key, value)| Step::Put {
                    key,
                    value,
                    when: When::Always,
                    previous: false,
                }));
            }
            DataCommand::Append { key, value } => steps.push(Step::Append {
                key: key.clone(),
                value: value.clone(),
            }),
            DataCommand::Add { key, delta } => steps.push(Step::Add {
                key: key.clone(),
                delta: *delta,
            }),
        }
    }

    /// Turns the lengths of keys that were read into the results that its steps would have had.
    pub(crate) fn results_of_lengths(
        &self,
        lengths: &mut impl Iterator<Item = Option<u64>>,
    ) -> Vec<StepResult> {
        let is_length = matches!(self, DataCommand::Length { .. });
        let result = |length: Option<u64>| {
            if is_length {
                StepResult::Length(length.unwrap_or(0))
            } else {
                StepResult::Exists(length.is_some())
            }
        };
        lengths.take(self.len()).map(result).collect()
    }

    /// Its reply, from the results of its steps.
    pub(crate) fn reply(&self, results: &mut impl Iterator<Item = StepResult>) -> Reply {
        let mut results = results.take(self.len());
        let reply = match self {
            DataCommand::GetMany { .. } => many(&mut results),
            DataCommand::Exists { .. } | DataCommand::Delete { .. } => count(&mut results),
            DataCommand::SetMany { .. } => results
                .by_ref()
                .find_map(|result| failure(&result))
                .unwrap_or(Reply::OK),
            DataCommand::SetManyAbsent { .. } => Reply::Integer(1),
            _ => results
                .next()
                .map_or_else(missing, |result| self.reply_to_one(result)),
        };
        // The next command's results follow these.
        results.for_each(drop);
        reply
    }

    fn reply_to_one(&self, result: StepResult) -> Reply {
        match (self, result) {
            (_, StepResult::Failed(error)) => failed(error),
            (DataCommand::Type { .. }, StepResult::Exists(exists)) => {
                Reply::Status(if exists { "string" } else { "none" })
            }
            (DataCommand::TimeToLive { .. }, StepResult::Exists(exists)) => {
                Reply::Integer(if exists { -1 } else { -2 })
            }
            (DataCommand::Set { answer, .. }, StepResult::Changed { applied, previous }) => match answer {
                SetAnswer::Done if applied => Reply::OK,
                SetAnswer::Done => Reply::Null,
                SetAnswer::Previous => Reply::bulk(previous),
                SetAnswer::Number => Reply::Integer(i64::from(applied)),
            },
            (_, StepResult::Value(value)) => Reply::bulk(value),
            (_, StepResult::Length(length)) => Reply::count(length),
            (_, StepResult::Exists(exists)) => Reply::Integer(i64::from(exists)),
            (_, StepResult::Integer(number)) => Reply::Integer(number),
            (_, StepResult::Changed { previous, .. }) => Reply::bulk(previous),
        }
    }
}

fn many(results: &mut impl Iterator<Item = StepResult>) -> Reply {
    let mut values = Vec::new();
    for result in results {
        match result {
            StepResult::Value(value) => values.push(Reply::bulk(value)),
            StepResult::Failed(error) => return failed(error),
            _ => return missing(),
        }
    }
    Reply::Array(values)
}

fn count(results: &mut impl Iterator<Item = StepResult>) -> Reply {
    let counts = |result: &StepResult| {
        matches!(
            result,
            StepResult::Exists(true) | StepResult::Changed { applied: true, .. }
        )
    };
    Reply::count(results.filter(counts).count() as u64)
}

fn failure(result: &StepResult) -> Option<Reply> {
    match result {
        StepResult::Failed(error) => Some(failed(*error)),
        _ => None,
    }
}

fn failed(error: StepError) -> Reply {
    match error {
        StepError::NotAnInteger => Reply::error("ERR value is not an integer or out of range"),
        StepError::Overflow => Reply::error("ERR increment or decrement would overflow"),
        StepError::TooLong { .. } => {
            Reply::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        }
        StepError::AnswerTooLong { .. } => Reply::error(format!("ERR {error}")),
    }
}

/// The replica answered something else than it was asked. It never does; and a client is told rather than
/// given a wrong answer.
pub(crate) fn missing() -> Reply {
    Reply::error("UNKNOWN the replica's answer is not one to this command; it may have been done")
}

/// The keys that a read names.
pub(crate) fn keys_of<'a>(commands: impl Iterator<Item = &'a DataCommand>) -> Vec<Bytes> {
    let mut keys = Vec::new();
    for command in commands {
        command.visit(|key| keys.push(key.clone()), |_| {});
    }
    keys
}
