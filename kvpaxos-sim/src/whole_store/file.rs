//! Reading histories with transactions: kv-history/1, with the operation `transaction` that
//! `kvpaxos-sim/docs/histories.md` describes.

use std::collections::BTreeMap;
use std::io::BufRead;

use bytes::Bytes;
use kvpaxos::{
    Condition, Holds, Limits, Op, Outcome, Query, Revision, Slot, Step, StepError, StepResult, Transaction,
    When,
};
use serde::Deserialize;
use serde_json::Value;

use super::{End, Question, StoreOperation, StoreVerdict, search};

/// The most states that are visited for a file.
const STATES: usize = 1_000_000;

/// Why a file is no such history.
#[derive(Debug, thiserror::Error)]
pub enum StoreFileError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is malformed.
    #[error("line {line}: {why}")]
    Line {
        /// Its number, from 1 on.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Any line. What a field holds is checked when it is known what the line is.
#[derive(Deserialize)]
struct Line {
    r#type: String,
    format: Option<String>,
    version: Option<u64>,
    #[serde(default)]
    initial: Value,
    process: Option<u64>,
    op: Option<String>,
    key: Option<String>,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    expect: Value,
    applied: Option<bool>,
    #[serde(default)]
    conditions: Vec<ConditionLine>,
    #[serde(default)]
    steps: Vec<StepLine>,
    results: Option<Value>,
    #[serde(default)]
    rev: Value,
}

#[derive(Deserialize)]
#[serde(tag = "holds", rename_all = "lowercase")]
enum ConditionLine {
    Absent {
        key: String,
    },
    Present {
        key: String,
    },
    Equals {
        key: String,
        value: String,
    },
    Unchanged {
        key: String,
        existed: bool,
        since: (u64, u32),
    },
}

#[derive(Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
enum StepLine {
    Get {
        key: String,
    },
    Length {
        key: String,
    },
    Exists {
        key: String,
    },
    Put {
        key: String,
        value: String,
        #[serde(default)]
        when: WhenLine,
        #[serde(default)]
        previous: bool,
    },
    Append {
        key: String,
        value: String,
    },
    Add {
        key: String,
        delta: i64,
    },
    Delete {
        key: String,
        #[serde(default)]
        previous: bool,
    },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum WhenLine {
    #[default]
    Always,
    Absent,
    Present,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum ResultLine {
    Value(Option<String>),
    Length(u64),
    Exists(bool),
    Integer(i64),
    Changed {
        applied: bool,
        previous: Option<String>,
    },
    Failed {
        why: Failure,
        #[serde(default)]
        length: u64,
        #[serde(default)]
        limit: u64,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Failure {
    NotAnInteger,
    Overflow,
    TooLong,
    AnswerTooLong,
}

/// Judges a history with transactions by a [search](super) of all orders. It must have at most 64 operations
/// of known or unknown outcome; more are undecided.
///
/// # Errors
/// If the source fails, or at the first line that is malformed.
pub fn judge_file(source: impl BufRead) -> Result<(StoreVerdict, usize), StoreFileError> {
    let operations = read(source)?;
    let verdict = search(&operations, &Limits::default(), STATES);
    Ok((verdict, operations.len()))
}

/// Reads the operations of a history. Those that certainly had no effect are left out.
///
/// # Errors
/// If the source fails, or at the first line that is malformed.
fn read(source: impl BufRead) -> Result<Vec<StoreOperation>, StoreFileError> {
    let mut operations: BTreeMap<usize, StoreOperation> = BTreeMap::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let mut has_header = false;
    for (place, text) in source.lines().enumerate() {
        let line: Result<Line, String> = serde_json::from_str(&text?).map_err(|error| error.to_string());
        let result = line.and_then(|line| {
            if !has_header {
                has_header = true;
                return check_header(&line);
            }
            note(place, line, &mut operations, &mut open)
        });
        result.map_err(|why| StoreFileError::Line { line: place + 1, why })?;
    }
    if !has_header {
        let why = "there is no header".to_owned();
        return Err(StoreFileError::Line { line: 1, why });
    }
    Ok(operations.into_values().collect())
}

fn check_header(line: &Line) -> Result<(), String> {
    let is_format = line.format.as_deref() == Some("kv-history") && line.version == Some(1);
    if line.r#type != "header" || !is_format {
        return Err("it must be the header of a kv-history, version 1".to_owned());
    }
    if line.initial.is_null() {
        Ok(())
    } else {
        Err(
            "\"initial\" must be null where the whole store is judged: no key has a value at first"
                .to_owned(),
        )
    }
}

fn note(
    place: usize,
    line: Line,
    operations: &mut BTreeMap<usize, StoreOperation>,
    open: &mut BTreeMap<u64, usize>,
) -> Result<(), String> {
    let process = line.process.ok_or("\"process\" is missing")?;
    if line.r#type == "invoke" {
        if open.insert(process, place).is_some() {
            return Err(format!("process {process} has an operation open"));
        }
        let question = question(line)?;
        let (began, ended) = (place, None);
        operations.insert(
            place,
            StoreOperation {
                question,
                began,
                ended,
            },
        );
        return Ok(());
    }
    let began = open.remove(&process);
    let began = began.ok_or_else(|| format!("process {process} has no operation open"))?;
    match &*line.r#type {
        "fail" => _ = operations.remove(&began),
        "info" => {}
        "ok" => {
            let operation = operations.get_mut(&began).expect("an open operation is kept");
            let revision = revision(&line.rev)?;
            let outcome = outcome(&operation.question, revision.unwrap_or_default(), line)?;
            let at = place;
            operation.ended = Some(End {
                at,
                revision,
                outcome,
            });
        }
        other => return Err(format!("\"type\" is {other:?}, not invoke, ok, fail or info")),
    }
    Ok(())
}

fn question(line: Line) -> Result<Question, String> {
    let op = line.op.ok_or("\"op\" is missing")?;
    if op == "transaction" {
        let conditions = line.conditions.into_iter().map(Condition::from).collect();
        let steps = line.steps.into_iter().map(Step::from).collect();
        return Ok(Question::Write(Op::Transaction(Transaction {
            conditions,
            steps,
        })));
    }
    let key = Bytes::from(line.key.ok_or("\"key\" is missing")?);
    let value = optional("value", line.value)?;
    let written = || value.clone().ok_or("\"value\" must be a string");
    Ok(Question::Write(match &*op {
        "get" | "read" => return Ok(Question::Read(Query::Get { key })),
        "put" | "write" => Op::Put {
            key,
            value: written()?,
        },
        "append" => {
            let value = written()?;
            let (conditions, steps) = (Vec::new(), vec![Step::Append { key, value }]);
            Op::Transaction(Transaction { conditions, steps })
        }
        "delete" => Op::Delete { key },
        "cas" => Op::Cas {
            key,
            expect: optional("expect", line.expect)?,
            value,
        },
        other => {
            return Err(format!(
                "\"op\" is {other:?}, not get, put, append, delete, cas or transaction"
            ));
        }
    }))
}

/// What an operation was answered; none if it was only said to be done.
fn outcome(question: &Question, revision: Revision, line: Line) -> Result<Option<Outcome>, String> {
    Ok(Some(match question {
        Question::Read(_) => Outcome::Value {
            revision,
            value: optional("value", line.value)?,
        },
        Question::Write(Op::Cas { .. }) => Outcome::Swapped {
            revision,
            applied: line.applied.ok_or("\"applied\" is missing")?,
        },
        Question::Write(Op::Transaction(_)) if line.op.as_deref() == Some("transaction") => {
            let results = line.results.unwrap_or_default();
            let results: Option<Vec<ResultLine>> =
                serde_json::from_value(results).map_err(|error| format!("\"results\": {error}"))?;
            let results = results.map(|results| results.into_iter().map(StepResult::from).collect());
            Outcome::Executed { revision, results }
        }
        Question::Write(_) => return Ok(None),
    }))
}

fn optional(name: &str, value: Value) -> Result<Option<Bytes>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.into())),
        other => Err(format!("{name:?} is {other}, not null or a string")),
    }
}

fn revision(rev: &Value) -> Result<Option<Revision>, String> {
    let pair = match rev {
        Value::Null => return Ok(None),
        Value::Number(slot) => slot.as_u64().map(|slot| (slot, 0)),
        Value::Array(_) => serde_json::from_value(rev.clone()).ok(),
        _ => None,
    };
    let (slot, index) = pair.ok_or("\"rev\" must be an integer from 0 on or a pair of them")?;
    let slot = Slot(slot);
    Ok(Some(Revision { slot, index }))
}

impl From<ConditionLine> for Condition {
    fn from(line: ConditionLine) -> Condition {
        let (key, holds) = match line {
            ConditionLine::Absent { key } => (key, Holds::Absent),
            ConditionLine::Present { key } => (key, Holds::Present),
            ConditionLine::Equals { key, value } => (key, Holds::Equals(value.into())),
            ConditionLine::Unchanged { key, existed, since } => {
                let (slot, index) = since;
                let slot = Slot(slot);
                let since = Revision { slot, index };
                (key, Holds::Unchanged { existed, since })
            }
        };
        let key = key.into();
        Condition { key, holds }
    }
}

impl From<StepLine> for Step {
    fn from(line: StepLine) -> Step {
        match line {
            StepLine::Get { key } => Step::Get { key: key.into() },
            StepLine::Length { key } => Step::Length { key: key.into() },
            StepLine::Exists { key } => Step::Exists { key: key.into() },
            StepLine::Put {
                key,
                value,
                when,
                previous,
            } => Step::Put {
                key: key.into(),
                value: value.into(),
                when: match when {
                    WhenLine::Always => When::Always,
                    WhenLine::Absent => When::Absent,
                    WhenLine::Present => When::Present,
                },
                previous,
            },
            StepLine::Append { key, value } => Step::Append {
                key: key.into(),
                value: value.into(),
            },
            StepLine::Add { key, delta } => Step::Add {
                key: key.into(),
                delta,
            },
            StepLine::Delete { key, previous } => Step::Delete {
                key: key.into(),
                previous,
            },
        }
    }
}

impl From<ResultLine> for StepResult {
    fn from(line: ResultLine) -> StepResult {
        match line {
            ResultLine::Value(value) => StepResult::Value(value.map(Bytes::from)),
            ResultLine::Length(length) => StepResult::Length(length),
            ResultLine::Exists(exists) => StepResult::Exists(exists),
            ResultLine::Integer(number) => StepResult::Integer(number),
            ResultLine::Changed { applied, previous } => StepResult::Changed {
                applied,
                previous: previous.map(Bytes::from),
            },
            ResultLine::Failed { why, length, limit } => StepResult::Failed(match why {
                Failure::NotAnInteger => StepError::NotAnInteger,
                Failure::Overflow => StepError::Overflow,
                Failure::TooLong => StepError::TooLong { length, limit },
                Failure::AnswerTooLong => StepError::AnswerTooLong { length, limit },
            }),
        }
    }
}
