//! Random logs: few keys, values and sessions, so that commands meet.

use proptest::prelude::*;

use super::*;

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
        4 => (prop::collection::vec(conditions(), 0..3), prop::collection::vec(steps(), 0..5))
            .prop_map(|(conditions, steps)| Op::Transaction(Transaction { conditions, steps })),
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    let holds = prop_oneof![
        Just(Holds::Absent),
        Just(Holds::Present),
        values().prop_map(Holds::Equals),
        (any::<bool>(), 0_u64..300).prop_map(|(existed, slot)| {
            let since = revision(slot);
            Holds::Unchanged { existed, since }
        }),
    ];
    (keys(), holds).prop_map(|(key, holds)| Condition { key, holds })
}

fn steps() -> impl Strategy<Value = Step> {
    let when = prop_oneof![Just(When::Always), Just(When::Absent), Just(When::Present)];
    let texts = prop::sample::select(vec!["", "0", "-1", "99", "00", "-0", "+1", " 1", "x"]);
    let texts = texts.prop_map(Bytes::from);
    let delta = prop_oneof![5 => -50_i64..50, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    prop_oneof![
        keys().prop_map(|key| Step::Get { key }),
        keys().prop_map(|key| Step::Length { key }),
        keys().prop_map(|key| Step::Exists { key }),
        (keys(), texts.clone(), when, any::<bool>()).prop_map(|(key, value, when, previous)| Step::Put {
            key,
            value,
            when,
            previous
        }),
        (keys(), texts).prop_map(|(key, value)| Step::Append { key, value }),
        (keys(), delta).prop_map(|(key, delta)| Step::Add { key, delta }),
        (keys(), any::<bool>()).prop_map(|(key, previous)| Step::Delete { key, previous }),
    ]
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
