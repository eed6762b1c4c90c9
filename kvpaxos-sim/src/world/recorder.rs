//! The history of all operations, and its verdict on S2, linearizability: a search must find an order of the
//! operations, and the order of the revisions in the answers must be one.

use kvpaxos::client::{Call, Completion};
use kvpaxos::{Query, Time};

use super::store_recorder::{StoreRecorder, is_shared};
use crate::history::{Answer, History, Operation, rev_of};
use crate::linearizability::witness::{self, WitnessVerdict};
use crate::linearizability::{Budget, Evidence, Stream, Verdict, check};
use crate::timeline::{Part, Timeline};

/// The budget for judging one key. Keys usually take a thousandth of it.
const BUDGET: Budget = Budget {
    steps: 10_000_000,
    memory: 512 << 20,
};

/// Records the history and judges it.
pub(super) struct Recorder {
    history: History,
    /// Judges the history event by event, so that a run ends where it goes wrong.
    stream: Stream,
    wrong: Option<Refutation>,
    undecided: u64,
    unwitnessed: u64,
    /// All operations, for the judges of the whole store.
    pub(super) store: StoreRecorder,
}

/// Why a history is not linearizable.
#[derive(Clone, Debug)]
pub(super) struct Refutation {
    /// The reason in a sentence.
    pub explanation: String,
    /// The operations that show it.
    pub lines: Vec<String>,
    /// What these have to do with it, by their processes and the times of their invocations.
    parts: Vec<(u64, i64, Part)>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        let history = History::new();
        Recorder {
            stream: Stream::new(history.initial().clone(), BUDGET),
            history,
            wrong: None,
            undecided: 0,
            unwitnessed: 0,
            store: StoreRecorder::default(),
        }
    }
}

impl Recorder {
    /// An operation begins. Calls without a key are not recorded.
    ///
    /// # Panics
    /// If the lane has an operation under way. Clients never begin two at a time in a lane.
    pub(super) fn invoke(&mut self, client: u32, lane: u32, call: &Call, now: Time) {
        self.store.invoke(process(client, lane), call);
        let Some(operation) = operation(call) else { return };
        self.at(now)
            .invoke(process(client, lane), operation)
            .expect("a lane begins one operation at a time");
        self.judge_last_event();
    }

    /// An operation ends. Returns the reason if the history is no longer linearizable with it.
    ///
    /// # Panics
    /// If the lane has none under way.
    pub(super) fn complete(
        &mut self,
        client: u32,
        lane: u32,
        call: &Call,
        completion: &Completion,
        now: Time,
    ) -> Option<&Refutation> {
        self.store.complete(process(client, lane), client, completion);
        operation(call)?;
        let process = process(client, lane);
        let history = self.at(now);
        let recorded = match completion {
            Completion::Done(outcome) => match Answer::of(outcome) {
                Some(answer) => history.ok_at(process, answer, rev_of(outcome)),
                None => history.info(process),
            },
            Completion::Refused(_) => history.fail(process),
            Completion::Unknown { .. } => history.info(process),
        };
        recorded.expect("an operation that ends was begun, and its answer is of its kind");
        self.judge_last_event();
        if self.wrong.is_some() || !self.stream.is_bad() {
            return None;
        }
        let _ = self.judge();
        self.wrong.as_ref()
    }

    /// Shows the last event to the running judge.
    fn judge_last_event(&mut self) {
        if let Some(event) = self.history.events().last() {
            self.stream.add(event);
        }
    }

    /// Why the history is not linearizable, if that was found.
    #[must_use]
    pub(super) fn wrong(&self) -> Option<&Refutation> {
        self.wrong.as_ref()
    }

    fn at(&mut self, now: Time) -> &mut History {
        let time = i64::try_from(now.0).expect("a run ends within 290,000 years");
        self.history.at(time).expect("simulated time never goes down")
    }

    /// Judges the history.
    ///
    /// # Errors
    /// If it is not linearizable, or not linearizable in the order of its revisions.
    pub(super) fn judge(&mut self) -> Result<(), Refutation> {
        let judged = self.search().and_then(|()| self.replay());
        self.wrong = judged.as_ref().err().cloned();
        judged
    }

    fn search(&mut self) -> Result<(), Refutation> {
        match check(&self.history, BUDGET).verdict {
            Verdict::Linearizable => Ok(()),
            Verdict::Undecided { keys } => {
                self.undecided = keys.len() as u64;
                Ok(())
            }
            Verdict::NotLinearizable(evidence) => Err(match evidence.first() {
                Some(evidence) => Refutation {
                    explanation: format!(
                        "no order of the operations on key {:?} explains {}",
                        evidence.key, evidence.culprit
                    ),
                    lines: evidence.lines(),
                    parts: parts_of(evidence),
                },
                None => Refutation {
                    explanation: "no order of the operations explains the answers".to_owned(),
                    lines: Vec::new(),
                    parts: Vec::new(),
                },
            }),
        }
    }

    fn replay(&mut self) -> Result<(), Refutation> {
        match witness::judge(&self.history) {
            WitnessVerdict::Consistent => Ok(()),
            WitnessVerdict::NotDecided { keys } => {
                self.unwitnessed = keys.len() as u64;
                Ok(())
            }
            WitnessVerdict::Contradicted(why) => Err(Refutation {
                explanation: why.explanation,
                lines: why.operations.iter().map(ToString::to_string).collect(),
                parts: (why.operations.iter().enumerate())
                    .map(|(place, one)| (one.process, one.invoked, part(place == 0)))
                    .collect(),
            }),
        }
    }

    /// Marks the calls that have to do with what is wrong. Where no order of the operations was looked for, that is the call whose
    /// answer is wrong.
    pub(super) fn mark_parts(&self, timeline: &mut Timeline) {
        let Timeline {
            nodes,
            events,
            calls,
            violation,
            ..
        } = timeline;
        let found = violation.as_ref().and_then(|violation| violation.event);
        let parts = self.wrong.iter().flat_map(|wrong| &wrong.parts);
        let parts: Vec<(String, i64, Part)> = parts
            .map(|(process, invoked, part)| (format!("c{}", process / LANES), *invoked, *part))
            .collect();
        for call in calls {
            let began = &events[call.began.0 as usize];
            let client = &nodes[usize::from(began.node.0)].name;
            let at = i64::try_from(began.at).unwrap_or(i64::MAX);
            let part = parts.iter().find(|one| one.0 == *client && one.1 == at);
            call.part = match part {
                Some((_, _, part)) => Some(*part),
                None if call.ended.is_some() && call.ended == found => Some(Part::Culprit),
                None => None,
            };
        }
    }

    /// The number of keys that could not be judged within the budget.
    #[must_use]
    pub(super) fn undecided(&self) -> u64 {
        self.undecided
    }

    /// The number of keys whose revisions alone did not decide.
    #[must_use]
    pub(super) fn unwitnessed(&self) -> u64 {
        self.unwitnessed
    }
}

/// A call as an operation on one key. Keys that several operations share are judged elsewhere.
fn operation(call: &Call) -> Option<Operation> {
    match call {
        Call::Write(op) if op.keys().any(is_shared) => None,
        Call::Read(query) if query.keys().iter().any(is_shared) => None,
        Call::Write(op) => Operation::of(op),
        Call::Read(Query::Get { key }) => {
            let key = String::from_utf8_lossy(key);
            Some(Operation::get(key))
        }
        Call::Read(_) | Call::Status | Call::DriverStatus | Call::Close => None,
    }
}

/// The processes of a client are numbered from its number times this on.
const LANES: u64 = 1_000_000;

fn part(is_culprit: bool) -> Part {
    if is_culprit { Part::Culprit } else { Part::Evidence }
}

fn parts_of(evidence: &Evidence) -> Vec<(u64, i64, Part)> {
    let all = evidence.others.iter().chain([&evidence.culprit]);
    all.map(|one| {
        let is_culprit = *one == evidence.culprit || evidence.unplaced.contains(one);
        (one.process, one.invoked, part(is_culprit))
    })
    .collect()
}

/// The process in the history that stands for a lane of a client.
fn process(client: u32, lane: u32) -> u64 {
    u64::from(client) * LANES + u64::from(lane)
}

#[cfg(test)]
mod tests {
    use kvpaxos::{Op, Outcome, Revision, Slot};

    use super::*;

    fn revision(slot: u64) -> Revision {
        let slot = Slot(slot);
        Revision { slot, index: 0 }
    }

    fn put(recorder: &mut Recorder, at: u64, slot: u64) {
        let (key, value) = ("k".into(), "v".into());
        let call = Call::Write(Op::Put { key, value });
        let revision = revision(slot);
        recorder.invoke(0, 0, &call, Time(at));
        recorder.complete(
            0,
            0,
            &call,
            &Completion::Done(Outcome::Done { revision }),
            Time(at),
        );
    }

    /// A read that finds no value; returns what the recorder finds wrong then.
    fn get(recorder: &mut Recorder, at: u64, slot: u64) -> Option<&Refutation> {
        let call = Call::Read(Query::Get { key: "k".into() });
        let outcome = Outcome::Value {
            revision: revision(slot),
            value: None,
        };
        recorder.invoke(0, 0, &call, Time(at));
        recorder.complete(0, 0, &call, &Completion::Done(outcome), Time(at))
    }

    #[test]
    fn an_answer_that_nothing_explains_is_told_when_it_comes_and_once() {
        let mut recorder = Recorder::default();
        assert!(get(&mut recorder, 1, 1).is_none());
        put(&mut recorder, 2, 2);
        let why = get(&mut recorder, 3, 3).expect("the put is not seen");
        assert!(why.explanation.contains("on key \"k\" explains"), "{why:?}");
        assert!(get(&mut recorder, 4, 4).is_none());
        assert!(recorder.wrong().is_some());
    }

    /// The values alone would be linearizable.
    #[test]
    fn a_revision_that_goes_back_is_found() {
        let mut recorder = Recorder::default();
        put(&mut recorder, 1, 7);
        put(&mut recorder, 2, 8);
        assert!(recorder.judge().is_ok());
        put(&mut recorder, 3, 5);
        let why = recorder.judge().unwrap_err().explanation;
        assert!(why.contains("stands at 5.0 but was invoked after"), "{why}");
    }
}
