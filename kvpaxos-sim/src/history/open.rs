//! What fits a history so far: the one place where events are checked against those before them.

use std::collections::HashMap;

use super::{Action, Answer, Event, EventKind, Malformed, Operation};

/// What each process has invoked and not completed, and the time of the last event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Open {
    operations: HashMap<u64, Operation>,
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
        if let EventKind::Invoke(operation) = &event.kind {
            if let Some(open) = self.operations.get(&process) {
                let open = open.to_string();
                return Err(Malformed::Busy { process, open });
            }
            self.operations.insert(process, operation.clone());
        } else {
            let open = self.of(process)?;
            if let EventKind::Ok(answer) = &event.kind
                && !answers(answer, &open.action)
            {
                let (open, answer) = (open.to_string(), answer.to_string());
                return Err(Malformed::Mismatch {
                    process,
                    open,
                    answer,
                });
            }
            self.operations.remove(&process);
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
