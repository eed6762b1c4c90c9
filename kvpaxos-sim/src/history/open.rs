//! What fits a history so far: the one place where events are checked against those before them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Action, Answer, Event, EventKind, Malformed, Operation};
use crate::hashing::BuildQuick;

/// What each process has invoked and not completed, and the time of the last event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Open {
    operations: HashMap<u64, Operation, BuildQuick>,
    last: Option<i64>,
}

impl Open {
    /// The time of the last event.
    pub(super) fn last(&self) -> Option<i64> {
        self.last
    }

    /// The process's open operation.
    pub(super) fn of(&self, process: u64) -> Result<&Operation, Malformed> {
        let open = self.operations.get(&process);
        open.ok_or(Malformed::NotOpen { process })
    }

    /// Whether the next event may have this time.
    pub(super) fn check_time(&self, time: i64) -> Result<(), Malformed> {
        match self.last {
            Some(before) if before > time => Err(Malformed::TimeGoesBack { before, time }),
            _ => Ok(()),
        }
    }

    /// Notes the next event; one that does not fit changes nothing.
    pub(super) fn note(&mut self, event: &Event) -> Result<(), Malformed> {
        let process = event.process;
        self.check_time(event.time)?;
        match (self.operations.entry(process), &event.kind) {
            (Entry::Vacant(place), EventKind::Invoke(operation)) => {
                place.insert(operation.clone());
            }
            (Entry::Occupied(open), EventKind::Invoke(_)) => {
                let open = open.get().to_string();
                return Err(Malformed::Busy { process, open });
            }
            (Entry::Vacant(_), _) => return Err(Malformed::NotOpen { process }),
            (Entry::Occupied(open), EventKind::Ok(answer)) if !answers(answer, &open.get().action) => {
                let (open, answer) = (open.get().to_string(), answer.to_string());
                return Err(Malformed::Mismatch {
                    process,
                    open,
                    answer,
                });
            }
            (Entry::Occupied(open), _) => {
                open.remove();
            }
        }
        self.last = Some(event.time);
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
