//! Operations on several keys that take place together: a read of many keys, or a transaction.
//!
//! The history has operations on one key only. So each of several is written as one of a process of its own,
//! and the answers of all have one position (`rev`). Every key is judged as ever, and `kvpaxos-sim check
//! --witness` judges by the positions that they took place together: a read that saw one write of a
//! transaction and not the other would contradict them.

use bytes::Bytes;
use kvpaxos::transaction::{Condition, Holds, Step, StepResult, Transaction, When};
use kvpaxos_history::{Action, Answer, Datum, Operation};
use kvpaxos_net::{Client, ClientError};

use crate::recorder::{Completion, Recorder, failed, perform, text};

/// The processes of one client in the history differ by multiples of this. More than there are clients.
const LANE: u64 = 10_000;

/// Performs operations on different keys together, and records them. A compare-and-swap among them is the
/// condition of all others: if it is not applied, they are not done.
pub(super) async fn perform_all(
    client: &Client,
    process: u64,
    operations: &[Operation],
    recorder: &Recorder,
) -> Vec<Completion> {
    if let [operation] = operations {
        return vec![perform(client, process, operation, recorder).await];
    }
    let lanes = || (process..).step_by(usize::try_from(LANE).expect("small"));
    for (lane, operation) in lanes().zip(operations) {
        recorder.invoke(lane, operation);
    }
    let is_read = operations.iter().all(|operation| operation.action == Action::Get);
    let completions = if is_read {
        read(client, operations).await
    } else {
        write(client, operations).await
    };
    let completions = completions.unwrap_or_else(|error| {
        let completion = failed(&error);
        operations.iter().map(|_| completion.clone()).collect()
    });
    for (lane, completion) in lanes().zip(&completions) {
        recorder.complete(lane, completion);
    }
    completions
}

async fn read(client: &Client, operations: &[Operation]) -> Result<Vec<Completion>, ClientError> {
    let keys = operations.iter().map(|operation| operation.key.clone().into());
    let read = client.get_many(keys.collect()).await?;
    let values = read.values.into_iter().map(|value| {
        let answer = Answer::Value(value.as_deref().into());
        Completion::Done(answer, Some(read.revision))
    });
    Ok(values.collect())
}

async fn write(client: &Client, operations: &[Operation]) -> Result<Vec<Completion>, ClientError> {
    let transaction = Transaction {
        conditions: operations.iter().filter_map(condition).collect(),
        steps: operations.iter().map(step).collect(),
    };
    let done = client.transaction(transaction).await?;
    let at = Some(done.revision);
    let completions = operations.iter().enumerate().map(|(place, operation)| {
        let result = done.results.as_ref().and_then(|results| results.get(place));
        match (&operation.action, result) {
            (Action::Cas { .. }, result) => {
                let applied = result.is_some();
                Completion::Done(Answer::Swapped { applied }, at)
            }
            (_, None) => Completion::Refused,
            (Action::Get, Some(StepResult::Value(value))) => {
                Completion::Done(Answer::Value(value.as_deref().into()), at)
            }
            (_, Some(_)) => Completion::Done(Answer::Done, at),
        }
    });
    Ok(completions.collect())
}

fn condition(operation: &Operation) -> Option<Condition> {
    let Action::Cas { expect, .. } = &operation.action else {
        return None;
    };
    let holds = match expect {
        Datum::Null => Holds::Absent,
        expect => Holds::Equals(text(expect)),
    };
    let key = key(operation);
    Some(Condition { key, holds })
}

fn step(operation: &Operation) -> Step {
    let key = key(operation);
    match &operation.action {
        Action::Get => Step::Get { key },
        Action::Put(value) | Action::Cas { value, .. } => Step::Put {
            key,
            value: text(value),
            when: When::Always,
            previous: false,
        },
        Action::Append(value) => Step::Append {
            key,
            value: text(value),
        },
        Action::Delete => Step::Delete { key, previous: false },
    }
}

fn key(operation: &Operation) -> Bytes {
    operation.key.clone().into()
}
