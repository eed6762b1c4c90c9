//! What the clients asked and were answered, as a history (kv-history/1) for `kvpaxos-sim check`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use kvpaxos::Revision;
use kvpaxos_history::{Action, Answer, Datum, Event, EventKind, Operation, Writer};
use kvpaxos_net::{Client, ClientError};

/// How an operation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Completion {
    /// It was done, at this position in the log, if that is known.
    Done(Answer, Option<Revision>),
    /// It had no effect and will have none.
    Refused,
    /// It was done, or will be at any time, or never.
    Unknown,
}

/// How many operations had which result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct OperationCounts {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
}

/// The history that all clients write to. Clones write to the same one.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Shared>);

struct Shared {
    began: Instant,
    writer: Option<Mutex<Writer<BufWriter<File>>>>,
    /// Lines that could not be written. One is enough to make the history void.
    lost: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

impl Recorder {
    /// Writes to this file, or only counts if there is none.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn create(path: Option<&Path>) -> io::Result<Recorder> {
        let writer = match path {
            None => None,
            Some(path) => {
                let file = BufWriter::new(File::create(path)?);
                Some(Mutex::new(Writer::new(file, &Datum::Null)?))
            }
        };
        Ok(Recorder(Arc::new(Shared {
            began: Instant::now(),
            writer,
            lost: AtomicU64::new(0),
            done: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        })))
    }

    /// Records that a process begins an operation.
    pub(crate) fn invoke(&self, process: u64, operation: &Operation) {
        self.write(process, EventKind::Invoke(operation.clone()), None);
    }

    /// Records the result of the operation of a process.
    pub(crate) fn complete(&self, process: u64, completion: &Completion) {
        let (kind, rev, counter) = match completion {
            Completion::Done(answer, rev) => (EventKind::Ok(answer.clone()), *rev, &self.0.done),
            Completion::Refused => (EventKind::Fail, None, &self.0.refused),
            Completion::Unknown => (EventKind::Info, None, &self.0.unknown),
        };
        self.write(process, kind, rev);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the results so far.
    pub(crate) fn counts(&self) -> OperationCounts {
        OperationCounts {
            done: self.0.done.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
            unknown: self.0.unknown.load(Ordering::Relaxed),
        }
    }

    /// Writes everything to the file.
    ///
    /// # Errors
    /// If anything could not be written.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let Some(writer) = &self.0.writer else {
            return Ok(());
        };
        let flushed = match writer.lock() {
            Ok(mut writer) => writer.flush(),
            Err(_) => return Err("a client panicked while it wrote the history; it is void".to_owned()),
        };
        let lost = self.0.lost.load(Ordering::Relaxed);
        match flushed {
            Ok(()) if lost == 0 => Ok(()),
            Ok(()) => Err(format!(
                "{lost} lines of the history could not be written; it is void"
            )),
            Err(error) => Err(format!("the history could not be written: {error}; it is void")),
        }
    }

    /// Writes an event. The lock orders events: one that is written later happened later, or at the same
    /// time.
    fn write(&self, process: u64, kind: EventKind, rev: Option<Revision>) {
        let Some(writer) = &self.0.writer else { return };
        let is_written = writer.lock().is_ok_and(|mut writer| {
            let micros = self.0.began.elapsed().as_micros();
            let time = i64::try_from(micros).expect("a run is shorter than 292,000 years");
            let event = Event {
                process,
                time,
                kind,
                rev,
            };
            writer.write(&event).is_ok()
        });
        if !is_written {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Performs an operation, and records it.
pub(crate) async fn perform(
    client: &Client,
    process: u64,
    operation: &Operation,
    recorder: &Recorder,
) -> Completion {
    recorder.invoke(process, operation);
    let completion = ask(client, operation).await;
    recorder.complete(process, &completion);
    completion
}

async fn ask(client: &Client, operation: &Operation) -> Completion {
    let key = operation.key.clone();
    let result = match &operation.action {
        Action::Get => client.get(key).await.map(|read| {
            let answer = Answer::Value(read.value.as_deref().into());
            Completion::Done(answer, Some(read.revision))
        }),
        Action::Put(value) => {
            let put = client.put(key, text(value)).await;
            put.map(|revision| Completion::Done(Answer::Done, Some(revision)))
        }
        Action::Delete => {
            let deleted = client.delete(key).await;
            deleted.map(|deleted| Completion::Done(Answer::Done, Some(deleted.revision)))
        }
        Action::Cas { expect, value } => {
            let expect = (*expect != Datum::Null).then(|| text(expect));
            let swapped = client.cas(key, expect, Some(text(value))).await;
            swapped.map(|swapped| {
                let applied = swapped.applied;
                Completion::Done(Answer::Swapped { applied }, Some(swapped.revision))
            })
        }
        Action::Append(_) => unreachable!("no append is drawn"),
    };
    result.unwrap_or_else(|error| failed(&error))
}

/// How an operation ended that has no result.
pub(crate) fn failed(error: &ClientError) -> Completion {
    match error {
        ClientError::Refused(_)
        | ClientError::Failed(_)
        | ClientError::TooLong { .. }
        | ClientError::Unavailable { .. } => Completion::Refused,
        ClientError::Unknown { .. } | ClientError::Gone => Completion::Unknown,
    }
}

/// A value as the store has it.
pub(crate) fn text(value: &Datum) -> Bytes {
    value.as_text().into_owned().into()
}
