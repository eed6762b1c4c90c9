//! What is cut into parts comes together again, whoever cuts it.

use proptest::prelude::*;

use super::*;
use crate::command::{Command, Op, Outcome};
use crate::config::Limits;
use crate::state::kv::Store;
use crate::state::machine::tests::{check, limits, logs, revision, tag};
use crate::transaction::{Condition, Holds, Step, Transaction};
use crate::types::{Sequence, SessionId};

mod hostile;

/// The state after a log.
fn machine(limits: Limits, log: &[Command]) -> StateMachine {
    let mut machine = StateMachine::new(limits);
    for (slot, command) in (1..).zip(log) {
        machine.apply(revision(slot), command);
    }
    machine
}

/// A log that opens a session and puts these.
fn puts(pairs: impl IntoIterator<Item = (Bytes, Bytes)>) -> Vec<Command> {
    let put = |(sequence, (key, value))| Command::Apply {
        session: SessionId(revision(1)),
        sequence: Sequence(sequence),
        lowest_unanswered: Sequence(sequence),
        op: Op::Put { key, value },
    };
    let puts = (0..).zip(pairs).map(put);
    std::iter::once(Command::Open { tag: tag(0) })
        .chain(puts)
        .collect()
}

/// So many keys of 16 bytes, with values of so many.
fn numbered(keys: u64, value: usize) -> StateMachine {
    let pair = |number: u64| {
        let key = Bytes::from(format!("key {number:012}"));
        (key, Bytes::from(vec![number.to_le_bytes()[0]; value]))
    };
    machine(Limits::default(), &puts((0..keys).map(pair)))
}

fn snapshot(machine: &StateMachine) -> Snapshot {
    Snapshot::new(machine.revision().slot.next(), machine)
}

fn builder(snapshot: &Snapshot, limits: Limits) -> Builder {
    Builder::new(limits, snapshot.slot(), snapshot.digest())
}

type CutPart = (Cursor, Bytes, Option<Cursor>);

/// All parts of a snapshot.
fn parts(snapshot: &Snapshot, bytes: usize) -> Vec<CutPart> {
    let mut parts = Vec::new();
    let mut at = Some(Cursor::START);
    while let Some(from) = at {
        let (part, next) = snapshot.part(from, bytes);
        assert!(next.is_none_or(|next| from < next), "every part goes on");
        parts.push((from, part, next));
        at = next;
    }
    parts
}

/// Adds parts in order.
fn add_all(builder: &mut Builder, parts: &[CutPart]) {
    for (place, (at, part, next)) in parts.iter().enumerate() {
        assert_eq!(builder.next(), *at);
        let complete = builder.add(*at, part, *next).unwrap();
        assert_eq!(complete, place + 1 == parts.len());
        assert_eq!(complete, builder.is_complete());
    }
}

fn rebuild(snapshot: &Snapshot, limits: Limits, bytes: usize) -> Snapshot {
    let mut builder = builder(snapshot, limits);
    add_all(&mut builder, &parts(snapshot, bytes));
    builder.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_together_is_equal_and_goes_on_alike(log in logs(), at in 0_usize..300, most in 1_usize..8, bytes in 0_usize..4000) {
        let at = at.min(log.len());
        let mut machine = machine(limits(most), &log[..at]);
        let sent = Snapshot::new(Slot(at as u64 + 1), &machine);
        let received = rebuild(&sent, limits(most), bytes);
        prop_assert!(received == sent);
        prop_assert_eq!(received.digest(), sent.digest());
        prop_assert_eq!(received.bytes(), sent.bytes());
        let mut copy = received.machine().clone();
        check(&copy);
        for (slot, command) in (at as u64 + 1..).zip(&log[at..]) {
            prop_assert_eq!(machine.apply(revision(slot), command), copy.apply(revision(slot), command));
            prop_assert_eq!(machine.digest(), copy.digest());
        }
        prop_assert!(machine == copy);
        check(&copy);
        prop_assert_eq!(sent.digest(), received.digest(), "what came later did not reach the snapshots");
        check(sent.machine());
    }

    #[test]
    fn parts_depend_on_the_content_alone(log in logs(), detour in logs(), bytes in 0_usize..1000) {
        // The other replica saw the same log, took its state over from a snapshot on the way, and has others
        // that share it.
        let one = machine(limits(8), &log);
        let mut other = StateMachine::new(limits(8));
        let mut kept = Vec::new();
        for (slot, command) in (1..).zip(&log) {
            if slot % 50 == 0 {
                let snapshot = snapshot(&other);
                other = rebuild(&snapshot, limits(8), 100).machine().clone();
                let mut elsewhere = other.clone();
                for (place, command) in (slot..).zip(&detour) {
                    elsewhere.apply(revision(place), command);
                }
                kept.push((snapshot, elsewhere));
            }
            other.apply(revision(slot), command);
        }
        let (one, other) = (snapshot(&one), snapshot(&other));
        let cut = parts(&one, bytes);
        prop_assert_eq!(&cut, &parts(&other, bytes));
        // So each can send every other part.
        let mut builder = builder(&one, limits(8));
        for place in 0..cut.len() {
            let sender = if place % 2 == 0 { &one } else { &other };
            let (part, next) = sender.part(builder.next(), bytes);
            builder.add(builder.next(), &part, next).unwrap();
        }
        prop_assert!(builder.finish().unwrap() == one);
    }
}

#[test]
fn an_empty_state_travels_too() {
    let sent = snapshot(&StateMachine::new(Limits::default()));
    assert_eq!(parts(&sent, 1000).len(), 1);
    assert_eq!(rebuild(&sent, Limits::default(), 1000), sent);
}

#[test]
fn a_part_is_no_longer_than_asked_but_for_one_item() {
    let sent = snapshot(&numbered(1000, 100));
    for bytes in [0, 1, 121, 122, 500, 10_000, 1 << 20, usize::MAX] {
        let parts = parts(&sent, bytes);
        let (last, whole) = parts.split_last().unwrap();
        assert!(last.1.len() <= bytes.max(121));
        for (at, part, next) in whole {
            assert!(part.len() <= bytes.max(121));
            let (following, _) = sent.part(next.unwrap(), 0);
            let session = if at.section < Section::Entries { 2000 } else { 0 };
            assert!(part.len() + following.len() + session > bytes, "no more fits");
        }
        assert_eq!(rebuild(&sent, Limits::default(), bytes), sent);
    }
}

#[test]
fn small_items_do_not_pile_up_in_a_part() {
    let pairs = (0..10_000_u16).map(|number| (Bytes::copy_from_slice(&number.to_le_bytes()), Bytes::new()));
    let sent = snapshot(&machine(Limits::default(), &puts(pairs)));
    let (part, next) = sent.part(Cursor::START, 64 * 1024);
    assert!(next.is_some() && part.len() < 1024 * 8);
}

#[test]
fn a_cursor_points_into_a_bucket_of_large_values() {
    let limits = Limits::default();
    let pairs = (0..24_u8).map(|number| (Bytes::from(vec![number]), Bytes::from(vec![number; limits.value])));
    let sent = snapshot(&machine(limits, &puts(pairs)));
    let parts = parts(&sent, limits.chunk_bytes);
    assert_eq!(parts.len(), 1 + 24, "the head, then each value alone");
    assert!(parts.iter().all(|(_, part, _)| part.len() <= limits.value + 8));
    assert_eq!(rebuild(&sent, limits, limits.chunk_bytes), sent);
}

/// The results of one transaction may be as long as a part, and a session may have many.
#[test]
fn results_travel_apart_from_their_session() {
    let limits = Limits::default();
    let mut log = puts([(Bytes::from_static(b"b"), Bytes::from(vec![7; limits.value]))]);
    log.extend((1..20).map(|sequence| Command::Apply {
        session: SessionId(revision(1)),
        sequence: Sequence(sequence),
        lowest_unanswered: Sequence(1),
        op: transaction(Holds::Absent),
    }));
    let machine = machine(limits, &log);
    assert_eq!(
        machine.bytes(),
        (1 + limits.value + 64 + 256 + 19 * (64 + 2 * 48 + limits.value)) as u64
    );
    let sent = snapshot(&machine);
    let parts = parts(&sent, limits.chunk_bytes);
    assert!(parts.iter().all(|(_, part, _)| part.len() < limits.value + 200));
    let mut received = rebuild(&sent, limits, limits.chunk_bytes).machine().clone();
    // A repeat gets the same results there.
    let at = received.revision().slot.next().0;
    let mut original = machine.clone();
    let repeat = original.apply(revision(at), log.last().unwrap());
    assert!(matches!(&repeat, Outcome::Executed { revision: at, results: Some(_) } if *at == revision(21)));
    assert_eq!(received.apply(revision(at), log.last().unwrap()), repeat);
    assert_eq!(received.digest(), original.digest());
}

/// Somebody may choose keys that share buckets.
#[test]
fn most_buckets_may_be_empty() {
    let keys = (0_u32..).map(|number| Bytes::copy_from_slice(&number.to_le_bytes()));
    let chosen = keys.filter(|key| Store::hash(key) % 64 == 63).take(4000);
    let sent = snapshot(&machine(
        Limits::default(),
        &puts(chosen.map(|key| (key, Bytes::new()))),
    ));
    let buckets = parts(&sent, 0)
        .iter()
        .map(|(at, ..)| at.spot.bucket)
        .max()
        .unwrap();
    assert!(buckets > 128, "there are several segments");
    for bytes in [0, 10_000, 1 << 20] {
        assert_eq!(rebuild(&sent, Limits::default(), bytes), sent);
    }
}

#[test]
fn short_values_do_not_keep_the_part() {
    let sent = snapshot(&numbered(100, 1000));
    let mut builder = builder(&sent, Limits::default());
    let (part, next) = sent.part(Cursor::START, 1 << 20);
    assert!(builder.add(Cursor::START, &part, next).unwrap());
    assert!(part.is_unique());
}

#[test]
fn a_snapshot_keeps_what_it_holds() {
    let mut machine = numbered(1000, 10);
    let taken = snapshot(&machine);
    let (digest, clone) = (taken.digest(), taken.clone());
    let key = Bytes::from("key 000000000007");
    let before = machine.get(&key);
    let command = Command::Apply {
        session: SessionId(revision(1)),
        sequence: Sequence(1000),
        lowest_unanswered: Sequence(1000),
        op: Op::Delete { key: key.clone() },
    };
    machine.apply(
        Revision {
            slot: taken.slot(),
            index: 0,
        },
        &command,
    );
    assert!(machine.digest() != digest && taken.digest() == digest && clone == taken);
    assert_eq!(taken.machine().get(&key), before);
    assert_eq!(machine.get(&key), None);
}

#[test]
#[should_panic(expected = "L4: a snapshot of the slots below 3 holds the command at 3.0")]
fn a_snapshot_holds_nothing_of_its_slot() {
    let machine = machine(
        limits(4),
        &[
            Command::Open { tag: tag(0) },
            Command::Open { tag: tag(1) },
            Command::Open { tag: tag(2) },
        ],
    );
    let _ = Snapshot::new(Slot(3), &machine);
}

#[test]
fn what_is_discarded_is_freed_bit_by_bit() {
    let mut machine = numbered(20_000, 300);
    for number in 1..5000 {
        let at = machine.revision().slot.next().0;
        machine.apply(revision(at), &Command::Open { tag: tag(number) });
    }
    let (taken, mut to_free) = (snapshot(&machine), DeferredFree::default());
    let value = machine.get(b"key 000000000000").unwrap();
    to_free.push(taken.clone());
    assert!(to_free.is_empty(), "somebody holds it still");
    to_free.push(machine);
    while to_free.free_some(4096) {}
    let parts = parts(&taken, 1 << 20);
    assert!(!value.is_unique());
    for come in [parts.len() / 2, parts.len()] {
        let mut builder = builder(&taken, Limits::default());
        for (at, part, next) in &parts[..come] {
            builder.add(*at, part, *next).unwrap();
        }
        to_free.push(builder);
    }
    to_free.push(taken);
    let mut calls = 1;
    while to_free.free_some(4096) {
        calls += 1;
    }
    assert!((10..50).contains(&calls), "{calls} calls");
    assert!(value.is_unique(), "nothing was forgotten");
    assert_eq!(to_free, to_free.clone());
}

#[test]
fn bytes_are_counted() {
    let machine = numbered(10, 100);
    assert_eq!(machine.bytes(), 10 * (16 + 100 + 64) + 256);
    assert_eq!(snapshot(&machine).bytes(), machine.bytes());
}

/// One that reads the key `b` if this holds for the key `z`.
fn transaction(holds: Holds) -> Op {
    let key = Bytes::from_static;
    Op::Transaction(Transaction {
        conditions: vec![Condition {
            key: key(b"z"),
            holds,
        }],
        steps: vec![Step::Get { key: key(b"b") }, Step::Exists { key: key(b"z") }],
    })
}

/// Pins the bytes: replicas of different releases exchange them, and disks keep them.
#[test]
fn the_parts_are_pinned() {
    let bytes = Bytes::from_static;
    let mut log = puts([(bytes(b"a"), bytes(b"1")), (bytes(b"b"), bytes(b"22"))]);
    let apply = |sequence, op| Command::Apply {
        session: SessionId(revision(1)),
        sequence: Sequence(sequence),
        lowest_unanswered: Sequence(2),
        op,
    };
    let (key, expect, value) = (bytes(b"a"), Some(bytes(b"1")), Some(bytes(b"3")));
    log.push(apply(2, Op::Cas { key, expect, value }));
    log.push(apply(4, Op::Delete { key: bytes(b"c") }));
    log.push(apply(5, transaction(Holds::Absent)));
    log.push(apply(3, transaction(Holds::Present)));
    log.push(Command::Open { tag: tag(7) });
    let sent = snapshot(&machine(limits(8), &log));
    let text: Vec<String> = parts(&sent, 0)
        .iter()
        .map(|(at, part, next)| format!("{at} to {next:?}: {part:x}"))
        .collect();
    expect_test::expect![[r#"
        head 0.0 to Some(sessions 0.0): 010800000201020000
        sessions 0.0 to Some(sessions 0.1): 0800010708000800000000
        sessions 0.1 to Some(sessions 0.2): 010001000700030002020403040001040700000205000004060001
        sessions 0.2 to Some(results 0.1): 0100050200010232320200
        results 0.1 to Some(entries 0.1): 016101330400
        entries 0.1 to None: 01620232320300"#]]
    .assert_eq(&text.join("\n"));
    expect_test::expect![
        "0108000002010200000800010708000800000000010001000700030002020403040001040700000205000004060001\
         010005020001023232020001610133040001620232320300"
    ]
    .assert_eq(&format!("{:x}", sent.part(Cursor::START, 10_000).0));
}
