//! Transactions, as text and as JSON.

use std::fmt;

use kvpaxos::{Condition, Holds, Step, Transaction, When};
use serde_json::{Value, json};

use crate::text::bytes_value;

/// `TRANSACTION IF "k" = "v": GET "k"; PUT "l" = "w"`. `text` writes keys and values.
pub(super) fn write_transaction(
    f: &mut fmt::Formatter<'_>,
    transaction: &Transaction,
    text: impl Fn(&[u8]) -> String,
) -> fmt::Result {
    let conditions = transaction.conditions.iter();
    let conditions: Vec<String> = conditions.map(|one| condition_text(one, &text)).collect();
    let steps: Vec<String> = transaction
        .steps
        .iter()
        .map(|step| step_text(step, &text))
        .collect();
    f.write_str("TRANSACTION")?;
    if !conditions.is_empty() {
        write!(f, " IF {}", conditions.join(" AND "))?;
    }
    write!(f, ": {}", steps.join("; "))
}

fn condition_text(Condition { key, holds }: &Condition, text: impl Fn(&[u8]) -> String) -> String {
    let key = text(key);
    match holds {
        Holds::Absent => format!("{key} is absent"),
        Holds::Present => format!("{key} is present"),
        Holds::Equals(value) => format!("{key} = {}", text(value)),
        Holds::Unchanged { existed, since } => {
            let was = if *existed { "present" } else { "absent" };
            format!("{key} is unchanged since {since}, when it was {was}")
        }
    }
}

fn step_text(step: &Step, text: impl Fn(&[u8]) -> String) -> String {
    let key = text(step.key());
    match step {
        Step::Get { .. } => format!("GET {key}"),
        Step::Length { .. } => format!("LENGTH {key}"),
        Step::Exists { .. } => format!("EXISTS {key}"),
        Step::Put { value, when, .. } => {
            let when = match when {
                When::Always => "",
                When::Absent => " if it is absent",
                When::Present => " if it is present",
            };
            format!("PUT {key} = {}{when}", text(value))
        }
        Step::Append { value, .. } => format!("APPEND {} to {key}", text(value)),
        Step::Add { delta, .. } => format!("ADD {delta} to {key}"),
        Step::Delete { .. } => format!("DELETE {key}"),
    }
}

/// A transaction as a JSON object.
pub(super) fn transaction_value(transaction: &Transaction) -> Value {
    let conditions = transaction.conditions.iter().map(condition_value);
    let steps = transaction.steps.iter().map(step_value);
    json!({
        "command": "transaction",
        "conditions": conditions.collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn condition_value(Condition { key, holds }: &Condition) -> Value {
    let key = bytes_value(key);
    match holds {
        Holds::Absent => json!({ "key": key, "holds": "absent" }),
        Holds::Present => json!({ "key": key, "holds": "present" }),
        Holds::Equals(value) => json!({ "key": key, "holds": "equals", "value": bytes_value(value) }),
        Holds::Unchanged { existed, since } => {
            json!({ "key": key, "holds": "unchanged", "existed": existed, "since": since.to_string() })
        }
    }
}

fn step_value(step: &Step) -> Value {
    let key = bytes_value(step.key());
    match step {
        Step::Get { .. } => json!({ "step": "get", "key": key }),
        Step::Length { .. } => json!({ "step": "length", "key": key }),
        Step::Exists { .. } => json!({ "step": "exists", "key": key }),
        Step::Put {
            value,
            when,
            previous,
            ..
        } => {
            let when = match when {
                When::Always => "always",
                When::Absent => "absent",
                When::Present => "present",
            };
            json!({ "step": "put", "key": key, "value": bytes_value(value), "when": when, "previous": previous })
        }
        Step::Append { value, .. } => json!({ "step": "append", "key": key, "value": bytes_value(value) }),
        Step::Add { delta, .. } => json!({ "step": "add", "key": key, "delta": delta }),
        Step::Delete { previous, .. } => json!({ "step": "delete", "key": key, "previous": previous }),
    }
}
