//! All operations of the clients, for the judges of the whole store.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::client::{Call, Completion};
use kvpaxos::{Command, Limits, Outcome, Query};

use crate::history::rev_of;
use crate::invariants::Property;
use crate::whole_store::{
    End, GivenAnswer, Question, Replay, ScanWalk, StoreOperation, StoreVerdict, Wrong, search,
};

/// What the names of shared keys begin with.
pub(super) const SHARED: &[u8] = b"shared-";

/// How many operations a history may have for its orders to be searched, and how many states are visited.
const SEARCHED: usize = 64;
const STATES: usize = 20_000;

/// Whether operations on several keys use this key.
pub(super) fn is_shared(key: &Bytes) -> bool {
    key.starts_with(SHARED)
}

/// Records all operations of clients, except for those that were refused.
#[derive(Default)]
pub(super) struct StoreRecorder {
    /// The number of beginnings and ends so far.
    events: usize,
    /// By the event at which they began.
    operations: BTreeMap<usize, StoreOperation>,
    /// The open operation of each process.
    open: BTreeMap<u64, usize>,
    answers: Vec<GivenAnswer>,
    /// The scans that are complete, and that of each client which is not.
    scans: Vec<ScanWalk>,
    walks: BTreeMap<u32, OpenScan>,
}

/// The pages of a scan that has not come to its last one.
#[derive(Default)]
struct OpenScan {
    pages: ScanWalk,
    /// The cursor of the page that comes next.
    next: u64,
    /// The event at which the last page was received.
    received: usize,
}

impl StoreRecorder {
    pub(super) fn invoke(&mut self, process: u64, call: &Call) {
        let question = match call {
            Call::Write(op) => Question::Write(op.clone()),
            Call::Read(query) => Question::Read(query.clone()),
            Call::Status | Call::DriverStatus | Call::Close => return,
        };
        let began = self.next_event();
        let ended = None;
        let operation = StoreOperation {
            question,
            began,
            ended,
        };
        self.operations.insert(began, operation);
        self.open.insert(process, began);
    }

    pub(super) fn complete(&mut self, process: u64, client: u32, completion: &Completion) {
        let Some(began) = self.open.remove(&process) else {
            return;
        };
        let at = self.next_event();
        let Some(operation) = self.operations.get_mut(&began) else {
            return;
        };
        match completion {
            Completion::Done(outcome) => {
                let outcome = outcome.clone();
                operation.ended = Some(End {
                    at,
                    revision: rev_of(&outcome),
                    outcome: Some(outcome.clone()),
                });
                let question = operation.question.clone();
                if let (Question::Read(Query::Scan { cursor, .. }), Outcome::Page { .. }) =
                    (&question, &outcome)
                {
                    self.turn_page(client, began, *cursor, &outcome);
                }
                if let Some(revision) = rev_of(&outcome) {
                    self.answers.push(GivenAnswer {
                        question,
                        revision,
                        outcome,
                    });
                }
            }
            Completion::Refused(_) => _ = self.operations.remove(&began),
            Completion::Unknown { .. } => {}
        }
    }

    fn next_event(&mut self) -> usize {
        self.events += 1;
        self.events
    }

    /// A client received a page that it asked for at the event `began`. It continues the scan if the client
    /// asked for it after it had received the page before: a client with several requests in flight may have
    /// asked for the same place earlier, and the answer to that may show an older state.
    fn turn_page(&mut self, client: u32, began: usize, cursor: u64, outcome: &Outcome) {
        let Outcome::Page { revision, keys, next } = outcome else {
            return;
        };
        let scan = self.walks.entry(client).or_default();
        if cursor == 0 {
            scan.pages.clear();
        } else if cursor != scan.next || began < scan.received {
            return;
        }
        scan.pages.push((*revision, keys.clone()));
        scan.next = *next;
        scan.received = self.events;
        if *next == 0 {
            self.scans.push(std::mem::take(&mut scan.pages));
        }
    }

    /// The number of scans from the first page to the last.
    pub(super) fn scans(&self) -> usize {
        self.scans.len()
    }

    /// Judges all answers by the log, and searches for an order if there are few operations.
    ///
    /// # Errors
    /// The property that does not hold, and why.
    pub(super) fn judge<'a>(
        &self,
        log: impl Iterator<Item = &'a [Command]>,
        limits: &Limits,
    ) -> Result<StoreVerdict, (Property, String)> {
        let replay = Replay::new(*limits);
        replay
            .judge(log, &self.answers, &self.scans)
            .map_err(|wrong| match wrong {
                Wrong::Twice(why) => (Property::S1, why),
                Wrong::Answer(why) => (Property::S2, why),
            })?;
        if self.operations.len() > SEARCHED {
            return Ok(StoreVerdict::Undecided);
        }
        let operations: Vec<StoreOperation> = self.operations.values().cloned().collect();
        match search(&operations, limits, STATES) {
            StoreVerdict::NotLinearizable => {
                let count = operations.len();
                let why =
                    format!("no order of the {count} operations on the whole store explains the answers");
                Err((Property::S2, why))
            }
            verdict => Ok(verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::{Revision, Slot};

    use super::*;

    fn scan(cursor: u64) -> Call {
        Call::Read(Query::Scan { cursor, limit: 1 })
    }

    fn page(slot: u64, keys: &[&'static str], next: u64) -> Completion {
        Completion::Done(Outcome::Page {
            revision: Revision {
                slot: Slot(slot),
                index: 0,
            },
            keys: keys.iter().map(|key| Bytes::from(*key)).collect(),
            next,
        })
    }

    /// Seed 943599533481: the second page of an earlier scan, of a state from before its key came, was received
    /// after the first page of a later one.
    #[test]
    fn a_page_that_was_asked_for_before_the_last_one_came_is_not_its_continuation() {
        let mut recorder = StoreRecorder::default();
        recorder.invoke(1, &scan(7));
        recorder.invoke(2, &scan(0));
        recorder.complete(2, 0, &page(1300, &["a"], 7));
        recorder.complete(1, 0, &page(1297, &[], 0));
        assert_eq!(recorder.scans(), 0);

        recorder.invoke(1, &scan(7));
        recorder.complete(1, 0, &page(1301, &["b"], 0));
        assert_eq!(recorder.scans(), 1, "asked for when the first page was known");
    }
}
