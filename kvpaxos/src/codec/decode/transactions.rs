//! How transactions and their results are read.

use super::commands::Lengths;
use crate::config::MAX_VALUE;
use crate::encoding::plain::{counter, revision};
use crate::encoding::{DecodeError, Elements, Reader};
use crate::transaction::{Condition, Holds, Step, StepError, StepResult, Transaction, When};

/// The shortest condition is a variant and an empty key.
const CONDITIONS: Elements = Elements::Parts {
    what: "conditions",
    shortest: 2,
};
/// The shortest step is a variant and an empty key.
const STEPS: Elements = Elements::Parts {
    what: "steps",
    shortest: 2,
};
/// The shortest result is a variant and a flag.
const RESULTS: Elements = Elements::Parts {
    what: "results",
    shortest: 2,
};

pub(super) fn transaction(r: &mut Reader, lengths: Lengths) -> Result<Transaction, DecodeError> {
    Ok(Transaction {
        conditions: r.sequence(CONDITIONS, |r, conditions| {
            conditions.push(condition(r, lengths)?);
            Ok(())
        })?,
        steps: r.sequence(STEPS, |r, steps| {
            steps.push(step(r, lengths)?);
            Ok(())
        })?,
    })
}

fn condition(r: &mut Reader, lengths: Lengths) -> Result<Condition, DecodeError> {
    let key = r.bytes("key", lengths.key)?;
    let what = "condition";
    let holds = match r.u32(what)? {
        0 => Holds::Absent,
        1 => Holds::Present,
        2 => Holds::Equals(r.bytes("expected value", lengths.value)?),
        3 => Holds::Unchanged {
            existed: r.flag("existed")?,
            since: revision(r)?,
        },
        found => return Err(DecodeError::Variant { what, found }),
    };
    Ok(Condition { key, holds })
}

fn step(r: &mut Reader, lengths: Lengths) -> Result<Step, DecodeError> {
    let key = |r: &mut Reader| r.bytes("key", lengths.key);
    let value = |r: &mut Reader| r.bytes("value", lengths.value);
    let what = "step";
    Ok(match r.u32(what)? {
        0 => Step::Get { key: key(r)? },
        1 => Step::Length { key: key(r)? },
        2 => Step::Exists { key: key(r)? },
        3 => Step::Put {
            key: key(r)?,
            value: value(r)?,
            when: when(r)?,
            previous: r.flag("previous")?,
        },
        4 => Step::Append {
            key: key(r)?,
            value: value(r)?,
        },
        5 => Step::Add {
            key: key(r)?,
            delta: r.i64("delta")?,
        },
        6 => Step::Delete {
            key: key(r)?,
            previous: r.flag("previous")?,
        },
        found => return Err(DecodeError::Variant { what, found }),
    })
}

fn when(r: &mut Reader) -> Result<When, DecodeError> {
    let what = "condition of a put";
    match r.u32(what)? {
        0 => Ok(When::Always),
        1 => Ok(When::Absent),
        2 => Ok(When::Present),
        found => Err(DecodeError::Variant { what, found }),
    }
}

/// The results of a transaction. Their values are at most `limit` bytes long, all together.
pub(crate) fn step_results(r: &mut Reader, limit: usize) -> Result<Vec<StepResult>, DecodeError> {
    let results = r.sequence(RESULTS, |r, results| {
        results.push(step_result(r)?);
        Ok(())
    })?;
    let values = results.iter().filter_map(StepResult::value);
    let length = values.map(bytes::Bytes::len).sum();
    if length > limit {
        let what = "list of results";
        return Err(DecodeError::Oversize { what, length, limit });
    }
    Ok(results)
}

fn step_result(r: &mut Reader) -> Result<StepResult, DecodeError> {
    let value = |r: &mut Reader| r.option("value", |r| r.bytes("value", MAX_VALUE));
    let what = "result";
    Ok(match r.u32(what)? {
        0 => StepResult::Value(value(r)?),
        1 => StepResult::Length(counter(r, "length")?),
        2 => StepResult::Exists(r.flag("exists")?),
        3 => StepResult::Integer(r.i64("integer")?),
        4 => StepResult::Changed {
            applied: r.flag("applied")?,
            previous: value(r)?,
        },
        5 => StepResult::Failed(step_error(r)?),
        found => return Err(DecodeError::Variant { what, found }),
    })
}

fn step_error(r: &mut Reader) -> Result<StepError, DecodeError> {
    let what = "error of a step";
    Ok(match r.u32(what)? {
        0 => StepError::NotAnInteger,
        1 => StepError::Overflow,
        2 => StepError::TooLong {
            length: counter(r, "length")?,
            limit: counter(r, "limit")?,
        },
        3 => StepError::AnswerTooLong {
            length: counter(r, "length")?,
            limit: counter(r, "limit")?,
        },
        found => return Err(DecodeError::Variant { what, found }),
    })
}
