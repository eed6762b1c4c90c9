//! Parts and cursors that are not what they should be.

use super::*;
use crate::encoding::{Decode, DecodeError, MAX_COUNTER, Reader};
use crate::state::session::SessionError;
use crate::transaction::StepResult;

/// A part of items written by hand, at the start of a snapshot of what lies below slot 10.
fn add_first(write: impl FnOnce(&mut Vec<u8>)) -> Result<bool, SnapshotError> {
    let mut part = Vec::new();
    write(&mut part);
    let mut builder = Builder::new(limits(4), Slot(10), 0);
    let before = builder.clone();
    let result = builder.add(Cursor::START, &Bytes::from(part), None);
    if result.is_err() {
        assert_eq!(builder, before, "nothing was taken");
    }
    result
}

fn head(last: Option<u64>, sessions: u64, keys: u64, out: &mut Vec<u8>) {
    let last = last.map(revision);
    let dropped = 0;
    append_payload(
        &Head {
            last,
            dropped,
            sessions,
            results: 0,
            keys,
            history: [1, 2],
        },
        out,
    );
}

/// As the encoding is documented.
type SessionFields = (SessionId, crate::command::Tag, Revision, Revision, u32, Sequence);

fn session(slot: u64) -> SessionFields {
    let at = revision(slot);
    (SessionId(at), tag(slot), at, at, 1, Sequence(0))
}

fn append_session(fields: SessionFields, kept: &[(u32, Option<Revision>)], out: &mut Vec<u8>) {
    append_payload(&fields, out);
    append_payload(&kept.len(), out);
    for (kind, revision) in kept {
        append_payload(kind, out);
        if let Some(revision) = revision {
            append_payload(revision, out);
        }
    }
}

fn one_session(fields: SessionFields, kept: &[(u32, Option<Revision>)]) -> Result<bool, SnapshotError> {
    add_first(|out| {
        head(Some(9), 1, 0, out);
        append_session(fields, kept, out);
    })
}

fn append_entry(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    append_bytes(key, out);
    append_bytes(value, out);
    append_payload(&revision(1), out);
}

fn entries(keys: &[&[u8]], told: u64) -> Result<bool, SnapshotError> {
    add_first(|out| {
        head(Some(9), 0, told, out);
        for key in keys {
            append_entry(key, b"", out);
        }
    })
}

#[test]
fn each_offence_of_a_head_has_its_name() {
    let (slot, last) = (Slot(10), revision(10));
    let late = add_first(|out| head(Some(10), 0, 0, out));
    assert_eq!(late, Err(SnapshotError::TooLate { slot, last }));
    let nothing = add_first(|out| head(None, 0, 1, out));
    assert_eq!(nothing, Err(SnapshotError::FromNothing));
    let sessions = add_first(|out| head(Some(9), 5, 0, out));
    assert_eq!(
        sessions,
        Err(SnapshotError::TooManySessions { count: 5, limit: 4 })
    );
    let absurd = add_first(|out| head(Some(9), 0, MAX_COUNTER + 1, out));
    assert!(matches!(
        absurd,
        Err(SnapshotError::Bytes(DecodeError::Absurd { .. }))
    ));
    let trailing = add_first(|out| {
        head(Some(9), 0, 0, out);
        out.push(0);
    });
    let count = 1;
    assert_eq!(
        trailing,
        Err(SnapshotError::Bytes(DecodeError::TrailingPayload { count }))
    );
    assert_eq!(add_first(|out| head(Some(9), 0, 0, out)), Ok(true));
}

#[test]
fn each_offence_of_a_session_has_its_name() {
    let id = SessionId(revision(3));
    let (done, gap) = ((1, Some(revision(4))), (0, None));
    assert_eq!(one_session(session(3), &[gap, done]), Ok(true));
    let error = |result| match result {
        Err(SnapshotError::Session(error)) => error,
        other => panic!("an error of a session, not {other:?}"),
    };
    let window = error(one_session(session(3), &[done; 5]));
    assert!(matches!(window, SessionError::Window { session, count: 5, window: 4 } if session == id));
    let ends = error(one_session(session(3), &[done, gap]));
    assert_eq!(ends, SessionError::Gap { session: id });
    let kind = error(one_session(session(3), &[(5, None)]));
    assert!(matches!(
        kind,
        SessionError::Bytes(DecodeError::Variant { found: 5, .. })
    ));
    let standing = error(one_session((id, tag(3), id.0, id.0, 3, Sequence(0)), &[]));
    assert!(matches!(
        standing,
        SessionError::Bytes(DecodeError::Variant { found: 3, .. })
    ));
    for (what, at, fields, kept) in [
        ("opening", 10, session(10), done),
        (
            "last use",
            2,
            (id, tag(3), revision(2), id.0, 1, Sequence(0)),
            done,
        ),
        (
            "queueing",
            11,
            (id, tag(3), id.0, revision(11), 1, Sequence(0)),
            done,
        ),
        ("outcome", 12, session(3), (1, Some(revision(12)))),
    ] {
        let (at, last, session) = (revision(at), revision(9), fields.0);
        let time = SessionError::Time {
            session,
            what,
            at,
            last,
        };
        assert_eq!(error(one_session(fields, &[kept])), time);
    }
    let two = |one: SessionFields, other: SessionFields| {
        error(add_first(|out| {
            head(Some(9), 2, 0, out);
            append_session(one, &[], out);
            append_session(other, &[], out);
        }))
    };
    assert_eq!(two(session(3), session(3)), SessionError::Order { session: id });
    // In whichever order they belong.
    let outcomes = [(3, 4), (4, 3)].map(|(one, other)| {
        let renamed = (
            SessionId(revision(other)),
            tag(one),
            revision(other),
            revision(other),
            1,
            Sequence(0),
        );
        two(session(one), renamed)
    });
    assert!(
        outcomes
            .iter()
            .any(|error| matches!(error, SessionError::Tag { .. }))
    );
    assert!(
        outcomes
            .iter()
            .any(|error| matches!(error, SessionError::Order { .. }))
    );
}

/// A snapshot of one session, which executed transactions under the sequences 0 and 1, and of results.
fn results(of: &[(u64, u64)], told: u64, value: &'static [u8]) -> Result<bool, SnapshotError> {
    add_first(|out| {
        let head = Head {
            last: Some(revision(9)),
            dropped: 0,
            sessions: 1,
            results: told,
            keys: 0,
            history: [1, 2],
        };
        append_payload(&head, out);
        append_payload(&session(3), out);
        append_payload(&2_usize, out);
        for slot in [4, 5] {
            append_payload(&(4_u32, revision(slot), true), out);
        }
        for (slot, sequence) in of {
            let results = [StepResult::Value(Some(Bytes::from_static(value)))];
            append_payload(
                &(SessionId(revision(*slot)), Sequence(*sequence), &results[..]),
                out,
            );
        }
    })
}

#[test]
fn each_offence_of_results_has_its_name() {
    let in_order = [[(3, 0), (3, 1)], [(3, 1), (3, 0)]].map(|of| results(&of, 2, b"v"));
    assert_eq!(in_order.iter().filter(|result| **result == Ok(true)).count(), 1);
    let is_order = |result: &Result<bool, SnapshotError>| {
        matches!(
            result,
            Err(SnapshotError::Session(SessionError::ResultsOrder { .. }))
        )
    };
    assert!(in_order.iter().any(is_order));
    assert!(is_order(&results(&[(3, 0), (3, 0)], 2, b"v")), "a duplicate");
    for (slot, sequence) in [(3, 2), (4, 0)] {
        let of = ResultsOf {
            session: SessionId(revision(slot)),
            sequence: Sequence(sequence),
        };
        let nothing = results(&[(slot, sequence)], 1, b"v");
        assert_eq!(nothing, Err(SessionError::ResultsOfNothing { of }.into()));
    }
    assert_eq!(
        results(&[(3, 0)], 1, b"v"),
        Err(SnapshotError::Results { count: 1 })
    );
    let long = results(&[(3, 0)], 1, b"12345");
    let oversize = DecodeError::Oversize {
        what: "list of results",
        length: 5,
        limit: 4,
    };
    assert_eq!(long, Err(SessionError::Bytes(oversize).into()));
    let mut small = limits(4);
    small.results_bytes = 64 + 48;
    let log = [
        Command::Open { tag: tag(0) },
        Command::Apply {
            session: SessionId(revision(1)),
            sequence: Sequence(0),
            lowest_unanswered: Sequence(0),
            op: transaction(Holds::Absent),
        },
    ];
    let sent = snapshot(&machine(limits(4), &log));
    let (part, next) = sent.part(Cursor::START, 10_000);
    let result = builder(&sent, small).add(Cursor::START, &part, next);
    let (bytes, limit) = (64 + 2 * 48, 64 + 48);
    assert_eq!(result, Err(SessionError::ResultsBytes { bytes, limit }.into()));
}

#[test]
fn a_key_is_not_written_after_the_last_command() {
    let late = add_first(|out| {
        head(Some(9), 0, 1, out);
        append_bytes(b"k", out);
        append_bytes(b"v", out);
        append_payload(&revision(10), out);
    });
    let (at, last) = (revision(10), revision(9));
    assert_eq!(late, Err(SnapshotError::Changed { at, last }));
}

#[test]
fn no_more_sessions_are_in_use_than_may_be() {
    let sent = snapshot(&machine(
        limits(4),
        &(0..4)
            .map(|number| Command::Open { tag: tag(number) })
            .collect::<Vec<_>>(),
    ));
    let (part, _) = sent.part(Cursor::START, 10_000);
    // After a head of 9 bytes, the standing follows the 8 bytes of id, tag, last use and time of queueing.
    let mut part = part.to_vec();
    for session in part[9..].chunks_mut(11) {
        assert_eq!(std::mem::replace(&mut session[8], 2), 0);
    }
    let mut builder = builder(&sent, limits(4));
    let result = builder.add(Cursor::START, &Bytes::from(part), None);
    assert_eq!(
        result,
        Err(SnapshotError::Session(SessionError::InUse { limit: 3 }))
    );
}

#[test]
fn each_offence_of_an_entry_has_its_name() {
    let ordered = [entries(&[b"a", b"b"], 2), entries(&[b"b", b"a"], 2)];
    assert_eq!(ordered.iter().filter(|result| **result == Ok(true)).count(), 1);
    let is_order = |result: &_| matches!(result, Err(SnapshotError::KeyOrder { length: 1, .. }));
    assert!(ordered.iter().any(is_order));
    assert!(is_order(&entries(&[b"a", b"a"], 2)), "a duplicate");
    let long = entries(&[b"abc"], 1);
    assert!(matches!(
        long,
        Err(SnapshotError::Bytes(DecodeError::Oversize { what: "key", .. }))
    ));
    let more = entries(&[b"a", b"b"], 1);
    assert!(matches!(
        more,
        Err(SnapshotError::Bytes(DecodeError::TrailingPayload { .. }))
    ));
    let fewer = entries(&[b"a"], 2);
    assert!(matches!(
        fewer,
        Err(SnapshotError::End {
            told: None,
            found: Some(_)
        })
    ));
}

#[test]
fn a_part_holds_a_bounded_number_of_items() {
    let limits = Limits::default();
    let count = u32::try_from(MAX_ITEMS).unwrap() + 100;
    let pairs = (0..count).map(|number| (Bytes::copy_from_slice(&number.to_le_bytes()), Bytes::new()));
    let sent = snapshot(&machine(limits, &puts(pairs)));
    assert_eq!(rebuild(&sent, limits, usize::MAX), sent);
    let mut builder = builder(&sent, limits);
    let all: Vec<u8> = parts(&sent, usize::MAX)
        .into_iter()
        .flat_map(|(_, part, _)| part)
        .collect();
    let at = Cursor::START;
    let result = builder.add(at, &Bytes::from(all), None);
    assert_eq!(result, Err(SnapshotError::TooManyItems { at }));
}

#[test]
fn what_is_said_to_come_costs_nothing() {
    let mut builder = Builder::new(limits(4), Slot(10), 0);
    let mut part = Vec::new();
    head(Some(9), 0, MAX_COUNTER, &mut part);
    builder
        .add(Cursor::START, &Bytes::from(part), Some(Cursor::AFTER_HEAD))
        .unwrap();
    let mut part = Vec::new();
    append_entry(b"k", b"v", &mut part);
    let told = Cursor::after(
        Section::Entries,
        EntryPosition {
            bucket: u32::MAX,
            entry: 7,
        },
    );
    let result = builder.add(Cursor::AFTER_HEAD, &Bytes::from(part.clone()), Some(told));
    let Err(SnapshotError::End {
        found: Some(found), ..
    }) = result
    else {
        panic!("{result:?}");
    };
    builder
        .add(Cursor::AFTER_HEAD, &Bytes::from(part), Some(found))
        .unwrap();
    assert!(
        found.spot.bucket > 1 << 16,
        "it lies far from the start, and nothing lies before it"
    );
}

#[test]
fn parts_out_of_turn_are_refused() {
    let sent = snapshot(&numbered(100, 100));
    let parts = parts(&sent, 1000);
    let mut builder = builder(&sent, Limits::default());
    let rejected = builder.clone().finish().unwrap_err();
    assert_eq!(rejected.error, SnapshotError::Incomplete { next: Cursor::START });
    assert_eq!(*rejected.builder, builder);
    let at = Cursor::START;
    let empty = builder.add(at, &Bytes::new(), Some(at));
    assert_eq!(empty, Err(SnapshotError::Empty { at }));
    for (place, (at, part, next)) in parts.iter().enumerate() {
        for (other, (at, part, next)) in parts.iter().enumerate().filter(|(other, _)| *other != place) {
            let expected = builder.next();
            let result = builder.add(*at, part, *next);
            assert_eq!(
                result,
                Err(SnapshotError::NotNext { at: *at, expected }),
                "{other} for {place}"
            );
            // An earlier part under the name of this one. A later one is in order: what is missing is noticed at the end.
            assert!(other > place || builder.add(expected, part, *next).is_err());
        }
        builder.add(*at, part, *next).unwrap();
    }
    let (at, part, next) = &parts[0];
    assert_eq!(builder.add(*at, part, *next), Err(SnapshotError::Complete));
    assert_eq!(builder.finish().unwrap(), sent);
}

#[test]
fn the_digest_is_not_taken_on_trust() {
    let sent = snapshot(&numbered(100, 100));
    let mut builder = Builder::new(Limits::default(), sent.slot(), 7);
    add_all(&mut builder, &parts(&sent, 1000));
    let rejected = builder.finish().unwrap_err();
    let (expected, found) = (7, sent.digest());
    assert_eq!(rejected.error, SnapshotError::Digest { expected, found });
    assert!(rejected.builder.is_complete());
}

fn cursors() -> impl Strategy<Value = Cursor> {
    let section = prop_oneof![
        Just(Section::Head),
        Just(Section::Sessions),
        Just(Section::Entries)
    ];
    let number = || prop_oneof![0_u32..40, any::<u32>(), Just(u32::MAX)];
    let cursor = |(section, bucket, entry)| Cursor {
        section,
        spot: EntryPosition { bucket, entry },
    };
    (section, number(), number()).prop_map(cursor)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cursor_is_answered(log in logs(), at in cursors(), bytes in 0_usize..2000) {
        let sent = snapshot(&machine(limits(8), &log));
        let (part, next) = sent.part(at, bytes);
        prop_assert!(next.is_none_or(|next| at < next));
        prop_assert!(!part.is_empty() || next.is_none());
        let mut encoded = Vec::new();
        append_payload(&at, &mut encoded);
        let mut reader = Reader::new(&encoded);
        prop_assert_eq!(Cursor::decode(&mut reader), Ok(at));
        prop_assert_eq!(reader.finish(), Ok(()));
        prop_assert_eq!(postcard::from_bytes::<Cursor>(&encoded), Ok(at));
    }

    #[test]
    fn a_part_that_was_changed_is_noticed(
        log in logs(), bytes in 0_usize..2000, which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let sent = snapshot(&machine(limits(8), &log));
        let parts = parts(&sent, bytes);
        let changed = which.index(parts.len());
        let mut builder = builder(&sent, limits(8));
        for (number, (at, part, next)) in parts.iter().enumerate() {
            let mut bytes = part.to_vec();
            if number == changed {
                let place = place.index(bytes.len());
                if cut {
                    bytes.truncate(place);
                } else {
                    prop_assume!(bytes[place] != byte);
                    bytes[place] = byte;
                }
            }
            let before = builder.clone();
            if builder.add(*at, &Bytes::from(bytes), *next).is_err() {
                // A wrong number in the head, say, is noticed later.
                prop_assert!(number >= changed);
                prop_assert_eq!(&builder, &before);
                return Ok(());
            }
        }
        let rejected = builder.finish().unwrap_err();
        let is_digest = matches!(rejected.error, SnapshotError::Digest { .. });
        prop_assert!(is_digest);
    }

    #[test]
    fn any_bytes_are_survived(parts in prop::collection::vec((prop::collection::vec(prop_oneof![0_u8..6, any::<u8>()], 0..200), cursors()), 1..4)) {
        let mut builder = Builder::new(limits(8), Slot(200), 0);
        for (part, next) in parts {
            for next in [Some(next), None] {
                let result = builder.add(builder.next(), &Bytes::from(part.clone()), next);
                if let Err(SnapshotError::End { found, .. }) = result {
                    builder.add(builder.next(), &Bytes::from(part.clone()), found).unwrap();
                }
            }
        }
        let _ = builder.finish();
    }
}
