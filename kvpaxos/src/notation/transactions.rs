//! Transactions and their results.

use std::fmt;

use super::commands::{Maybe, Text};
use super::list;
use crate::transaction::{Condition, Holds, Step, StepResult, Transaction, When};

/// `if k=v, l absent: get k; put l=w`
impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.conditions.is_empty() {
            f.write_str("if ")?;
            list(f, &self.conditions, ", ")?;
            f.write_str(": ")?;
        }
        if self.steps.is_empty() {
            f.write_str("nothing")?;
        }
        list(f, &self.steps, "; ")
    }
}

/// `k=v`, `k absent`, `k unchanged since 12.0`
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Text(&self.key);
        match &self.holds {
            Holds::Absent => write!(f, "{key} absent"),
            Holds::Present => write!(f, "{key} present"),
            Holds::Equals(value) => write!(f, "{key}={}", Text(value)),
            Holds::Unchanged { existed: true, since } => write!(f, "{key} unchanged since {since}"),
            Holds::Unchanged {
                existed: false,
                since,
            } => write!(f, "{key} still absent since {since}"),
        }
    }
}

/// `get k`, `put k=v if absent, telling`, `add n -1`. "Telling" is the value from before.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Text(self.key());
        match self {
            Step::Get { .. } => write!(f, "get {key}"),
            Step::Length { .. } => write!(f, "length {key}"),
            Step::Exists { .. } => write!(f, "exists {key}"),
            Step::Put {
                value,
                when,
                previous,
                ..
            } => {
                let when = match when {
                    When::Always => "",
                    When::Absent => " if absent",
                    When::Present => " if present",
                };
                write!(f, "put {key}={}{when}{}", Text(value), Telling(*previous))
            }
            Step::Append { value, .. } => write!(f, "append {key}+{}", Text(value)),
            Step::Add { delta, .. } => write!(f, "add {key} {delta}"),
            Step::Delete { previous, .. } => write!(f, "delete {key}{}", Telling(*previous)),
        }
    }
}

struct Telling(bool);

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { ", telling" } else { "" })
    }
}

/// `v`, `length 3`, `changed from v`, `failed: ...`
impl fmt::Display for StepResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepResult::Value(value) => Maybe(value.as_ref()).fmt(f),
            StepResult::Length(length) => write!(f, "length {length}"),
            StepResult::Exists(true) => f.write_str("exists"),
            StepResult::Exists(false) => f.write_str("does not exist"),
            StepResult::Integer(number) => number.fmt(f),
            StepResult::Changed { applied, previous } => {
                f.write_str(if *applied { "changed" } else { "not changed" })?;
                match previous {
                    Some(previous) => write!(f, ", was {}", Text(previous)),
                    None => Ok(()),
                }
            }
            StepResult::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}
