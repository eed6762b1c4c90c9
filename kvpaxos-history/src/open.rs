//! The open operations of a history: the one place that checks an event against those before it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use crate::{Action, Answer, Event, EventError, EventKind, Operation};

/// The operation that each process has open, and the time of the last event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct OpenOperations {
    operations: HashMap<u64, Operation, BuildHasherDefault<ProcessHasher>>,
    last_time: Option<i64>,
}

impl OpenOperations {
    /// The time of the last event.
    pub(crate) fn last_time(&self) -> Option<i64> {
        self.last_time
    }

    /// The operation that the process has open.
    pub(crate) fn of(&self, process: u64) -> Result<&Operation, EventError> {
        let open = self.operations.get(&process);
        open.ok_or(EventError::NotOpen { process })
    }

    /// Whether the next event may have this time.
    pub(crate) fn check_time(&self, time: i64) -> Result<(), EventError> {
        match self.last_time {
            Some(before) if before > time => Err(EventError::TimeGoesBack { before, time }),
            _ => Ok(()),
        }
    }

    /// Takes the next event in. An event that does not fit changes nothing.
    pub(crate) fn note(&mut self, event: &Event) -> Result<(), EventError> {
        let process = event.process;
        self.check_time(event.time)?;
        match (self.operations.entry(process), &event.kind) {
            (Entry::Vacant(place), EventKind::Invoke(operation)) => {
                place.insert(operation.clone());
            }
            (Entry::Occupied(open), EventKind::Invoke(_)) => {
                let open = open.get().to_string();
                return Err(EventError::Busy { process, open });
            }
            (Entry::Vacant(_), _) => return Err(EventError::NotOpen { process }),
            (Entry::Occupied(open), EventKind::Ok(answer)) if !answers(answer, &open.get().action) => {
                let (open, answer) = (open.get().to_string(), answer.to_string());
                return Err(EventError::Mismatch {
                    process,
                    open,
                    answer,
                });
            }
            (Entry::Occupied(open), _) => {
                open.remove();
            }
        }
        self.last_time = Some(event.time);
        Ok(())
    }
}

fn answers(answer: &Answer, action: &Action) -> bool {
    match action {
        Action::Get => matches!(answer, Answer::Value(_)),
        Action::Put(_) | Action::Append(_) | Action::Delete => *answer == Answer::Done,
        Action::Cas { .. } => matches!(answer, Answer::Swapped { .. }),
    }
}

/// Hashes the number of a process: fast, and the same in every run.
#[derive(Clone, Copy, Default)]
struct ProcessHasher(u64);

impl Hasher for ProcessHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes both the upper and the lower bits of a hash.
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
