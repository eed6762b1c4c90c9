//! The state machine against a naive model of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::command::Tag;
use crate::types::{Sequence, SessionId, Slot};

const WINDOW: u64 = 4;

/// A map, and everything that was ever executed.
#[derive(Default)]
struct Model {
    store: BTreeMap<Bytes, Bytes>,
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
                self.store.insert(key, value);
                Outcome::Done { revision }
            }
            Op::Delete { key } => {
                let existed = self.store.remove(&key).is_some();
                Outcome::Deleted { revision, existed }
            }
            Op::Cas { key, expect, value } => {
                let applied = self.store.get(&key) == expect.as_ref();
                match value {
                    Some(value) if applied => _ = self.store.insert(key, value),
                    None if applied => _ = self.store.remove(&key),
                    _ => {}
                }
                Outcome::Swapped { revision, applied }
            }
        }
    }
}

pub(crate) fn limits(sessions: usize) -> Limits {
    Limits {
        key: 2,
        value: 3,
        sessions,
        session_window: WINDOW,
        ..Limits::default()
    }
}

fn keys() -> impl Strategy<Value = Bytes> {
    (0_u8..12).prop_map(|key| Bytes::from(vec![b'a' + key]))
}

fn values() -> impl Strategy<Value = Bytes> {
    (0_u8..3).prop_map(|value| Bytes::from(vec![b'0' + value]))
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (keys(), values()).prop_map(|(key, value)| Op::Put { key, value }),
        1 => keys().prop_map(|key| Op::Delete { key }),
        2 => (keys(), prop::option::of(values()), prop::option::of(values()))
            .prop_map(|(key, expect, value)| Op::Cas { key, expect, value }),
    ]
}

pub(crate) fn tag(number: u64) -> Tag {
    Tag { nonce: 1, number }
}

/// Sessions are those that the first slots may have opened.
fn commands() -> impl Strategy<Value = Command> {
    let sessions = || (1_u64..6).prop_map(|slot| SessionId(revision(slot)));
    prop_oneof![
        2 => (0_u64..6).prop_map(|number| Command::Open { tag: tag(number) }),
        1 => sessions().prop_map(|session| Command::Close { session }),
        30 => (sessions(), 0_u64..12, 0_u64..6, ops()).prop_map(|(session, sequence, back, op)| Command::Apply {
            session,
            sequence: Sequence(sequence),
            lowest_unanswered: Sequence(sequence.saturating_sub(back)),
            op,
        }),
    ]
}

/// A log that opens five sessions first.
pub(crate) fn logs() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(commands(), 0..300).prop_map(|mut commands| {
        commands.splice(0..0, (0..5).map(|number| Command::Open { tag: tag(number) }));
        commands
    })
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
        prop_assert_eq!(&entries, &model.store);
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
fn dropped_sessions_are_counted() {
    let mut machine = StateMachine::new(limits(2));
    for slot in 1..=5 {
        machine.apply(revision(slot), &Command::Open { tag: tag(slot) });
    }
    assert_eq!((machine.sessions(), machine.sessions_dropped()), (2, 3));
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
