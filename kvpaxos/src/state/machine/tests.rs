//! The state machine against a naive model of it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::transaction::{Condition, Holds, Step, StepError, StepResult, When};
use crate::types::{Sequence, SessionId, Slot};

mod random_logs;

pub(crate) use random_logs::logs;

const WINDOW: u64 = 4;

/// A map, and everything that was ever executed.
#[derive(Default)]
struct Model {
    /// Values, and when they were written.
    store: BTreeMap<Bytes, (Bytes, Revision)>,
    opened: BTreeMap<Tag, SessionId>,
    floors: BTreeMap<SessionId, u64>,
    executed: BTreeMap<(SessionId, u64), Outcome>,
}

impl Model {
    fn apply(&mut self, revision: Revision, command: &Command) -> Outcome {
        match command {
            Command::Open { tag } => {
                let session = *self.opened.entry(*tag).or_insert(SessionId(revision));
                self.floors.entry(session).or_insert(0);
                Outcome::Opened { session }
            }
            Command::Close { session } => {
                self.opened.retain(|_, opened| opened != session);
                self.floors.remove(session);
                Outcome::Closed
            }
            Command::Apply {
                session,
                sequence,
                lowest_unanswered,
                op,
            } => {
                let (session, sequence) = (*session, *sequence);
                let Some(floor) = self.floors.get_mut(&session) else {
                    return Outcome::Refused(Refusal::SessionExpired { session });
                };
                if sequence.0 < *floor {
                    let lowest = Sequence(*floor);
                    return Outcome::Refused(Refusal::AlreadyAnswered {
                        session,
                        sequence,
                        lowest,
                    });
                }
                let lowest = lowest_unanswered.0.max(*floor);
                if !(lowest..lowest + WINDOW).contains(&sequence.0) {
                    let (lowest, window) = (Sequence(lowest), WINDOW);
                    return Outcome::Refused(Refusal::OutOfWindow {
                        sequence,
                        lowest,
                        window,
                    });
                }
                *floor = lowest;
                if let Some(outcome) = self.executed.get(&(session, sequence.0)) {
                    return outcome.clone();
                }
                let outcome = self.execute(revision, op);
                self.executed.insert((session, sequence.0), outcome.clone());
                outcome
            }
            Command::Opaque { .. } => Outcome::Done { revision },
        }
    }

    fn execute(&mut self, revision: Revision, op: &Op) -> Outcome {
        match op.clone() {
            Op::Put { key, value } => {
                self.store.insert(key, (value, revision));
                Outcome::Done { revision }
            }
            Op::Delete { key } => {
                let existed = self.store.remove(&key).is_some();
                Outcome::Deleted { revision, existed }
            }
            Op::Cas { key, expect, value } => {
                let applied = self.value(&key) == expect;
                match value {
                    Some(value) if applied => _ = self.store.insert(key, (value, revision)),
                    None if applied => _ = self.store.remove(&key),
                    _ => {}
                }
                Outcome::Swapped { revision, applied }
            }
            Op::Transaction(Transaction { conditions, steps }) => {
                let held = conditions.iter().all(|condition| self.holds(condition));
                let mut answered = 0;
                let steps = steps.into_iter();
                let results = steps.map(|step| self.step(revision, step, &mut answered));
                let results = held.then(|| results.collect());
                Outcome::Executed { revision, results }
            }
        }
    }

    fn value(&self, key: &Bytes) -> Option<Bytes> {
        self.store.get(key).map(|(value, _)| value.clone())
    }

    fn holds(&self, Condition { key, holds }: &Condition) -> bool {
        match (holds, self.store.get(key)) {
            (Holds::Absent, entry) => entry.is_none(),
            (Holds::Present, entry) => entry.is_some(),
            (Holds::Equals(value), entry) => entry.is_some_and(|(held, _)| held == value),
            (Holds::Unchanged { existed, .. }, None) => !existed,
            (Holds::Unchanged { existed, since }, Some((_, changed))) => *existed && changed <= since,
        }
    }

    fn step(&mut self, revision: Revision, step: Step, answered: &mut u64) -> StepResult {
        let before = self.value(step.key());
        let length = |value: &Option<Bytes>| value.as_ref().map_or(0, |value| value.len() as u64);
        let too_long = |length, limit| StepResult::Failed(StepError::TooLong { length, limit });
        let wants_value = match &step {
            Step::Get { .. } => true,
            Step::Put { previous, .. } | Step::Delete { previous, .. } => *previous,
            _ => false,
        };
        if wants_value {
            let length = *answered + length(&before);
            if length > ANSWER {
                let limit = ANSWER;
                return StepResult::Failed(StepError::AnswerTooLong { length, limit });
            }
            *answered = length;
        }
        match step {
            Step::Get { .. } => StepResult::Value(before),
            Step::Length { .. } => StepResult::Length(length(&before)),
            Step::Exists { .. } => StepResult::Exists(before.is_some()),
            Step::Put { key, value, when, .. } => {
                let applied = when == When::Always || (when == When::Present) == before.is_some();
                if applied {
                    self.store.insert(key, (value, revision));
                }
                let previous = before.filter(|_| wants_value);
                StepResult::Changed { applied, previous }
            }
            Step::Append { key, value } => {
                let whole = [before.unwrap_or_default(), value].concat();
                let length = whole.len() as u64;
                if length > VALUE {
                    return too_long(length, VALUE);
                }
                self.store.insert(key, (Bytes::from(whole), revision));
                StepResult::Length(length)
            }
            Step::Add { key, delta } => {
                let text = before.unwrap_or(Bytes::from_static(b"0"));
                let text = String::from_utf8(text.to_vec()).unwrap();
                let number = text.parse::<i64>().ok();
                let Some(number) = number.filter(|number| number.to_string() == text) else {
                    return StepResult::Failed(StepError::NotAnInteger);
                };
                let Some(sum) = number.checked_add(delta) else {
                    return StepResult::Failed(StepError::Overflow);
                };
                let length = sum.to_string().len() as u64;
                if length > VALUE {
                    return too_long(length, VALUE);
                }
                self.store.insert(key, (Bytes::from(sum.to_string()), revision));
                StepResult::Integer(sum)
            }
            Step::Delete { key, .. } => {
                let applied = self.store.remove(&key).is_some();
                let previous = before.filter(|_| wants_value);
                StepResult::Changed { applied, previous }
            }
        }
    }
}

/// The longest value, and the longest values in the results of a transaction.
const VALUE: u64 = 3;
const ANSWER: u64 = 4;

pub(crate) fn limits(sessions: usize) -> Limits {
    Limits {
        key: 2,
        value: 3,
        sessions,
        session_window: WINDOW,
        answer_bytes: 4,
        // With few sessions there is too little room for all results.
        results_bytes: 100 * sessions,
        ..Limits::default()
    }
}

pub(crate) fn tag(number: u64) -> Tag {
    Tag { nonce: 1, number }
}

pub(crate) fn revision(slot: u64) -> Revision {
    Revision {
        slot: Slot(slot),
        index: 0,
    }
}

pub(crate) fn check(machine: &StateMachine) {
    assert_eq!(machine.store.digest(), machine.store.digest_from_scratch());
    assert_eq!(machine.store.bytes(), machine.store.bytes_from_scratch());
    machine.sessions.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_command_takes_effect_as_in_the_model(log in logs()) {
        let mut machine = StateMachine::new(limits(100));
        let mut model = Model::default();
        for (slot, command) in (1..).zip(&log) {
            let outcome = machine.apply(revision(slot), command);
            prop_assert_eq!(outcome, model.apply(revision(slot), command), "slot {} {:?}", slot, command);
        }
        check(&machine);
        let copy = Bytes::copy_from_slice;
        let entries: BTreeMap<Bytes, Bytes> = machine.entries().map(|(k, v)| (copy(k), copy(v))).collect();
        let expected = model.store.iter().map(|(key, (value, _))| (key.clone(), value.clone()));
        prop_assert_eq!(&entries, &expected.collect());
        for (key, value) in &entries {
            prop_assert_eq!(machine.get(key), Some(value.clone()));
        }
    }

    #[test]
    fn clones_are_equal_and_go_on_alike(log in logs(), at in 0_usize..300, most in 1_usize..8) {
        let mut machine = StateMachine::new(limits(most));
        let mut clone = None;
        for (place, command) in log.iter().enumerate() {
            if place == at.min(log.len() - 1) {
                clone = Some((machine.digest(), machine.clone()));
            }
            machine.apply(revision(place as u64 + 1), command);
        }
        check(&machine);
        let (digest, mut clone) = clone.unwrap();
        check(&clone);
        prop_assert_eq!(clone.digest(), digest, "what came after the clone did not reach it");
        for (place, command) in log.iter().enumerate().skip(at.min(log.len() - 1)) {
            clone.apply(revision(place as u64 + 1), command);
        }
        prop_assert_eq!(clone.digest(), machine.digest());
        prop_assert!(clone == machine);
    }
}

#[test]
fn a_command_over_a_limit_has_no_effect() {
    let mut machine = StateMachine::new(limits(4));
    machine.apply(revision(1), &Command::Open { tag: tag(0) });
    let apply = |machine: &mut StateMachine, slot, op| {
        let session = SessionId(revision(1));
        let (sequence, lowest_unanswered) = (Sequence(0), Sequence(0));
        machine.apply(
            revision(slot),
            &Command::Apply {
                session,
                sequence,
                lowest_unanswered,
                op,
            },
        )
    };
    let bytes = Bytes::from_static;
    let long = Op::Cas {
        key: bytes(b"k"),
        expect: Some(bytes(b"1234")),
        value: None,
    };
    let refusal = Refusal::ValueTooLong { length: 4, limit: 3 };
    assert_eq!(apply(&mut machine, 2, long), Outcome::Refused(refusal));
    let long = Op::Delete { key: bytes(b"key") };
    let refusal = Refusal::KeyTooLong { length: 3, limit: 2 };
    assert_eq!(apply(&mut machine, 3, long), Outcome::Refused(refusal));
    let put = Op::Put {
        key: bytes(b"k"),
        value: bytes(b"v"),
    };
    assert_eq!(
        apply(&mut machine, 4, put),
        Outcome::Done {
            revision: revision(4)
        }
    );
}

#[test]
fn a_transaction_is_bounded() {
    let mut limits = limits(4);
    limits.transaction_bytes = 3 * 32 + 2 + 1;
    let get = |key: &'static str| Step::Get { key: key.into() };
    let condition = |holds| Condition {
        key: "k".into(),
        holds,
    };
    let check = |conditions, steps| {
        let transaction = Transaction { conditions, steps };
        check_limits(&limits, &Op::Transaction(transaction))
    };
    let (what, count, limit) = (Listed::Steps, 4097, 4096);
    let many = vec![get(""); 4097];
    assert_eq!(check(vec![], many), Err(Refusal::TooMany { what, count, limit }));
    let what = Listed::Conditions;
    let many = vec![condition(Holds::Absent); 4097];
    assert_eq!(check(many, vec![]), Err(Refusal::TooMany { what, count, limit }));
    let long = condition(Holds::Equals("long".into()));
    let refusal = Refusal::ValueTooLong { length: 4, limit: 3 };
    assert_eq!(check(vec![long], vec![]), Err(refusal));
    let refusal = Refusal::KeyTooLong { length: 3, limit: 2 };
    assert_eq!(check(vec![], vec![get("key")]), Err(refusal));
    let equals = || condition(Holds::Equals("v".into()));
    assert_eq!(check(vec![equals()], vec![get("k"), get("")]), Ok(()));
    let (length, limit) = (3 * 32 + 4, 3 * 32 + 3);
    let refusal = Refusal::TransactionTooLong { length, limit };
    assert_eq!(check(vec![equals()], vec![get("k"), get("k")]), Err(refusal));
}

#[test]
fn getset_of_the_longest_value_works() {
    let limits = Limits::default();
    let mut machine = StateMachine::new(limits);
    machine.apply(revision(1), &Command::Open { tag: tag(0) });
    let value = Bytes::from(vec![1; limits.value]);
    let put = Step::Put {
        key: Bytes::from(vec![2; limits.key]),
        value: value.clone(),
        when: When::Always,
        previous: true,
    };
    let op = Op::Transaction(Transaction {
        conditions: vec![],
        steps: vec![put],
    });
    for (slot, previous) in [(2, None), (3, Some(value))] {
        let sequence = Sequence(slot);
        let command = Command::Apply {
            session: SessionId(revision(1)),
            sequence,
            lowest_unanswered: sequence,
            op: op.clone(),
        };
        let changed = StepResult::Changed {
            applied: true,
            previous,
        };
        let (revision, results) = (revision(slot), Some(vec![changed]));
        assert_eq!(
            machine.apply(revision, &command),
            Outcome::Executed { revision, results }
        );
    }
}

#[test]
fn queries_see_one_state() {
    let mut machine = StateMachine::new(limits(4));
    machine.apply(revision(1), &Command::Open { tag: tag(0) });
    for (slot, key) in [(2, "a"), (3, "b")] {
        let sequence = Sequence(slot);
        let (key, value) = (key.into(), "12".into());
        let command = Command::Apply {
            session: SessionId(revision(1)),
            sequence,
            lowest_unanswered: sequence,
            op: Op::Put { key, value },
        };
        machine.apply(revision(slot), &command);
    }
    let revision = revision(3);
    let keys = |keys: &[&'static str]| keys.iter().map(|key| Bytes::from(*key)).collect::<Vec<_>>();
    let values = machine.answer(&Query::GetMany {
        keys: keys(&["b", "c", "a"]),
    });
    let value = || Some(Bytes::from("12"));
    assert_eq!(
        values,
        Outcome::Values {
            revision,
            values: vec![value(), None, value()]
        }
    );
    let too_long = machine.answer(&Query::GetMany {
        keys: keys(&["a", "b", "a"]),
    });
    let (length, limit) = (6, 4);
    assert_eq!(
        too_long,
        Outcome::Refused(Refusal::AnswerTooLong { length, limit })
    );
    let lengths = machine.answer(&Query::Lengths {
        keys: keys(&["a", "c"]),
    });
    assert_eq!(
        lengths,
        Outcome::Lengths {
            revision,
            lengths: vec![Some(2), None]
        }
    );
    assert_eq!(
        machine.answer(&Query::Count),
        Outcome::Count { revision, keys: 2 }
    );
    let page = machine.answer(&Query::Scan { cursor: 0, limit: 10 });
    assert!(matches!(page, Outcome::Page { keys, next: 0, .. } if keys.len() == 2));
}

#[test]
fn dropped_sessions_are_counted() {
    let mut machine = StateMachine::new(limits(2));
    for slot in 1..=5 {
        machine.apply(revision(slot), &Command::Open { tag: tag(slot) });
    }
    assert_eq!((machine.sessions(), machine.sessions_dropped()), (2, 3));
}

#[test]
fn opaque_commands_that_differ_or_come_in_another_order_have_another_digest() {
    let opaque = |number: u64, payload: &'static [u8]| Command::Opaque {
        tag: tag(number),
        payload: Bytes::from_static(payload),
    };
    let logs = [
        vec![],
        vec![opaque(1, b"")],
        vec![opaque(1, b"a")],
        vec![opaque(1, b"b")],
        vec![opaque(2, b"a")],
        vec![opaque(1, b"a"), opaque(2, b"b")],
        vec![opaque(2, b"b"), opaque(1, b"a")],
        vec![opaque(1, b"b"), opaque(2, b"a")],
        vec![opaque(1, b"a"), opaque(1, b"a")],
    ];
    let digests: BTreeSet<u128> = logs
        .iter()
        .map(|commands| {
            let mut machine = StateMachine::new(limits(2));
            machine.apply_all(Slot(0), commands);
            machine.digest()
        })
        .collect();
    assert_eq!(digests.len(), logs.len());
}

#[test]
#[should_panic(expected = "L2: 3.0 is applied after 3.0")]
fn no_place_is_applied_twice() {
    let mut machine = StateMachine::new(limits(4));
    for _ in 0..2 {
        machine.apply(
            revision(3),
            &Command::Opaque {
                tag: tag(0),
                payload: Bytes::new(),
            },
        );
    }
}
