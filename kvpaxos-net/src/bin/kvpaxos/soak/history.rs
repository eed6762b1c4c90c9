//! What the clients did and saw, as JSON lines (kv-history/1), for `kvpaxos-sim check`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kvpaxos::Revision;
use serde_json::{Value, json};

/// An operation on one key. `None` is the value of a key that has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Operation {
    pub(crate) key: String,
    pub(crate) action: Action,
}

/// See [`Operation`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Get,
    Put(String),
    Delete,
    Cas { expect: Option<String>, value: String },
}

/// How an operation ended, and where in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// A put or a delete is done.
    Done(Revision),
    /// What a get saw.
    Value(Option<String>, Revision),
    /// Whether a compare-and-swap found what it expected.
    Swapped(bool, Revision),
    /// Certainly not done.
    Refused,
    /// Done or not, or it may still be.
    Unknown,
}

/// How many operations ended how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
}

/// The history that all clients write together.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Shared>);

struct Shared {
    began: Instant,
    file: Option<std::sync::Mutex<BufWriter<File>>>,
    /// A line that could not be written makes the whole history void.
    lost: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

impl Recorder {
    /// Writes to this file, or only counts.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn create(path: Option<&Path>) -> io::Result<Recorder> {
        let file = match path {
            None => None,
            Some(path) => {
                let mut file = BufWriter::new(File::create(path)?);
                let header = json!({"type": "header", "format": "kv-history", "version": 1, "initial": null});
                writeln!(file, "{header}")?;
                Some(std::sync::Mutex::new(file))
            }
        };
        Ok(Recorder(Arc::new(Shared {
            began: Instant::now(),
            file,
            lost: AtomicU64::new(0),
            done: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        })))
    }

    /// A process begins an operation.
    pub(crate) fn invoke(&self, process: u64, operation: &Operation) {
        let mut line = line("invoke", process, operation);
        match &operation.action {
            Action::Get | Action::Delete => {}
            Action::Put(value) => line["value"] = value.as_str().into(),
            Action::Cas { expect, value } => {
                line["expect"] = expect.as_deref().into();
                line["value"] = value.as_str().into();
            }
        }
        self.write(line);
    }

    /// The operation of the process has ended.
    pub(crate) fn end(&self, process: u64, operation: &Operation, ended: &Ended) {
        let (kind, counter) = match ended {
            Ended::Done(_) | Ended::Value(..) | Ended::Swapped(..) => ("ok", &self.0.done),
            Ended::Refused => ("fail", &self.0.refused),
            Ended::Unknown => ("info", &self.0.unknown),
        };
        let mut line = line(kind, process, operation);
        match ended {
            Ended::Value(value, _) => line["value"] = value.as_deref().into(),
            Ended::Swapped(applied, _) => line["applied"] = (*applied).into(),
            Ended::Done(_) | Ended::Refused | Ended::Unknown => {}
        }
        if let Ended::Done(rev) | Ended::Value(_, rev) | Ended::Swapped(_, rev) = ended {
            line["rev"] = json!([rev.slot.0, rev.index]);
        }
        self.write(line);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many operations ended how, so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            done: self.0.done.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
            unknown: self.0.unknown.load(Ordering::Relaxed),
        }
    }

    /// Everything is in the file.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let Some(file) = &self.0.file else {
            return Ok(());
        };
        let flushed = match file.lock() {
            Ok(mut file) => file.flush(),
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

    /// The lock is what orders events: one that is written later happened later, or at the same time.
    fn write(&self, mut line: Value) {
        let Some(file) = &self.0.file else { return };
        let written = match file.lock() {
            Ok(mut file) => {
                let time = u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX);
                line["time"] = time.into();
                writeln!(file, "{line}").is_ok()
            }
            Err(_) => false,
        };
        if !written {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn line(kind: &str, process: u64, operation: &Operation) -> Value {
    let op = match &operation.action {
        Action::Get => "get",
        Action::Put(_) => "put",
        Action::Delete => "delete",
        Action::Cas { .. } => "cas",
    };
    json!({"type": kind, "process": process, "op": op, "key": operation.key})
}
