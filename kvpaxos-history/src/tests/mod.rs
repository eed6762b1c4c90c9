use expect_test::expect;

use kvpaxos::Revision;

use crate::*;

mod malformed;

const HEADER: &str = r#"{"type":"header","format":"kv-history","version":1,"initial":null}"#;

fn some_history() -> History {
    let mut history = History::starting_with("x");
    let all = [
        Operation::get("k"),
        Operation::put("k \"quoted\"", 7),
        Operation::append("k", "tail"),
        Operation::delete("k"),
        Operation::cas("k", (), u64::MAX.to_string()),
        Operation::get("l"),
        Operation::put("l", ()),
    ];
    for (process, operation) in (0_u32..).zip(all) {
        history
            .at(process.into())
            .unwrap()
            .invoke(process.into(), operation)
            .unwrap();
    }
    history.at(50).unwrap();
    history.ok(0, Answer::Value(Datum::Null)).unwrap();
    history.ok(1, Answer::Done).unwrap();
    history.fail(2).unwrap();
    history.ok_at(3, Answer::Done, Some(rev(12, 3))).unwrap();
    history.ok(4, Answer::Swapped { applied: false }).unwrap();
    history.info(6).unwrap();
    history
}

fn rev(slot: u64, index: u32) -> Revision {
    let slot = kvpaxos::Slot(slot);
    Revision { slot, index }
}

fn read(lines: &[&str]) -> Result<History, ReadError> {
    History::read(lines.join("\n").as_bytes())
}

#[test]
fn a_history_as_lines() {
    let mut written = Vec::new();
    some_history().write(&mut written).unwrap();
    expect![[r#"
        {"type":"header","format":"kv-history","version":1,"initial":"x"}
        {"type":"invoke","process":0,"op":"get","key":"k","time":0}
        {"type":"invoke","process":1,"op":"put","key":"k \"quoted\"","value":7,"time":1}
        {"type":"invoke","process":2,"op":"append","key":"k","value":"tail","time":2}
        {"type":"invoke","process":3,"op":"delete","key":"k","time":3}
        {"type":"invoke","process":4,"op":"cas","key":"k","expect":null,"value":"18446744073709551615","time":4}
        {"type":"invoke","process":5,"op":"get","key":"l","time":5}
        {"type":"invoke","process":6,"op":"put","key":"l","value":null,"time":6}
        {"type":"ok","process":0,"op":"get","key":"k","value":null,"time":50}
        {"type":"ok","process":1,"op":"put","key":"k \"quoted\"","time":50}
        {"type":"fail","process":2,"op":"append","key":"k","time":50}
        {"type":"ok","process":3,"op":"delete","key":"k","time":50,"rev":[12,3]}
        {"type":"ok","process":4,"op":"cas","key":"k","applied":false,"time":50}
        {"type":"info","process":6,"op":"put","key":"l","time":50}
    "#]].assert_eq(&String::from_utf8(written.clone()).unwrap());
    assert_eq!(History::read(&written[..]).unwrap(), some_history());
}

#[test]
fn synonyms_and_lines_without_time_are_read() {
    let history = read(&[
        HEADER,
        r#"{"type":"invoke","process":0,"op":"write","key":"k","value":-1,"time":-5}"#,
        r#"{"type":"invoke","process":1,"op":"read","key":"k","extra":[]}"#,
        r#"{"type":"ok","process":0,"op":"put","key":"k"}"#,
        r#"{"type":"ok","process":1,"op":"get","key":"k","value":-1}"#,
    ]);
    let mut expected = History::new();
    expected.at(-5).unwrap();
    expected.invoke(0, Operation::put("k", -1)).unwrap();
    expected.invoke(1, Operation::get("k")).unwrap();
    expected.ok(0, Answer::Done).unwrap();
    expected.ok(1, Answer::Value((-1).into())).unwrap();
    assert_eq!(history.unwrap().events(), expected.events());
}

#[test]
fn a_completion_repeats_what_was_invoked_or_leaves_it_out() {
    let put = r#"{"type":"invoke","process":1,"op":"put","key":"k","value":"a"}"#;
    let append = r#"{"type":"invoke","process":1,"op":"append","key":"k","value":-2}"#;
    let cas = r#"{"type":"invoke","process":1,"op":"cas","key":"k","expect":null,"value":7}"#;
    let completed = |invoke: &str, op: &str, kind: &str, fields: &str| {
        let line = format!(r#"{{"type":"{kind}","process":1,"op":"{op}","key":"k"{fields}}}"#);
        read(&[HEADER, invoke, &line]).map_err(|error| error.to_string())
    };
    for kind in ["ok", "fail", "info"] {
        completed(put, "put", kind, "").unwrap();
        completed(put, "put", kind, r#","value":"a","expect":"not of a put""#).unwrap();
        completed(append, "append", kind, r#","value":-2"#).unwrap();
        completed(cas, "cas", kind, r#","applied":true,"expect":null,"value":7"#).unwrap();
        for (invoke, op, fields) in [
            (put, "put", r#","value":null"#),
            (put, "put", r#","value":["a"]"#),
            (append, "append", r#","value":2"#),
            (cas, "cas", r#","applied":true,"value":"7""#),
            (cas, "cas", r#","applied":true,"expect":0"#),
        ] {
            completed(invoke, op, kind, fields).expect_err(fields);
        }
    }
    assert_eq!(
        completed(put, "put", "ok", r#","value":"b""#).unwrap_err(),
        r#"line 3 is malformed: process 1 completes its "put k "a"" with the field "value" as "b", but invoked another"#
    );
    // The format has no `value` for these, so it is ignored.
    let get = r#"{"type":"invoke","process":1,"op":"get","key":"k","value":null}"#;
    completed(get, "get", "info", r#","value":1"#).unwrap();
    let delete = r#"{"type":"invoke","process":1,"op":"delete","key":"k"}"#;
    completed(delete, "delete", "ok", r#","value":"what was there""#).unwrap();
}

#[test]
fn a_line_without_time_has_that_of_the_line_before() {
    let get = |process: u64, time: &str| {
        format!(r#"{{"type":"invoke","process":{process},"op":"get","key":"k"{time}}}"#)
    };
    let lines = [
        get(0, ""),
        get(1, r#","time":5"#),
        get(2, ""),
        get(3, r#","time":5"#),
    ];
    let history = read(&[HEADER, &lines[0], &lines[1], &lines[2], &lines[3]]).unwrap();
    let times: Vec<i64> = history.events().iter().map(|event| event.time).collect();
    assert_eq!(times, [0, 5, 5, 5]);
    // Null is not a time.
    let error = read(&[HEADER, &get(0, r#","time":null"#)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"line 2 is malformed: the field "time" is null, not an integer"#
    );
}

#[test]
fn append_takes_values_for_text() {
    let appended = |value: &str, tail: &str| {
        let event = |kind: &str, op: &str, value: &str| {
            format!(r#"{{"type":"{kind}","process":0,"op":"{op}","key":"k"{value}}}"#)
        };
        let field = |value: &str| format!(r#","value":{value}"#);
        let lines = [
            event("invoke", "put", &field(value)),
            event("ok", "put", ""),
            event("invoke", "append", &field(tail)),
        ];
        let history = read(&[HEADER, &lines[0], &lines[1], &lines[2]]).unwrap();
        let mut value = history.initial().clone();
        for event in history.events() {
            if let EventKind::Invoke(operation) = &event.kind {
                operation.action.clone().apply(&mut value);
            }
        }
        value
    };
    for (value, tail, result) in [
        ("null", "null", ""),
        ("null", r#""a""#, "a"),
        ("1", "2", "12"),
        ("1", "null", "1"),
        (r#""a""#, "-3", "a-3"),
        ("-0", "-0", "00"),
    ] {
        assert_eq!(appended(value, tail), result.into(), "{tail} to {value}");
    }
}

#[test]
fn minus_zero_is_zero() {
    let put = |value: &str| {
        let put =
            format!(r#"{{"type":"invoke","process":-0,"op":"put","key":"k","value":{value},"time":-0}}"#);
        read(&[HEADER, &put]).map(|history| history.events()[0].clone())
    };
    let zero = put("0").unwrap();
    assert_eq!(zero.kind, EventKind::Invoke(Operation::put("k", 0)));
    assert_eq!((zero.process, zero.time), (0, 0));
    assert_eq!(put("-0").unwrap(), zero);
    assert_eq!(put("-0.0").unwrap(), zero);
    for fraction in ["0.0", "0e1", "-0.5", "1.0"] {
        put(fraction).expect_err(fraction);
    }
}

#[test]
fn positions_are_pairs_or_integers() {
    let read_rev = |text: &str| {
        let get = r#"{"type":"invoke","process":0,"op":"get","key":"k","rev":"not of an answer"}"#;
        let ok = format!(r#"{{"type":"ok","process":0,"op":"get","key":"k","value":1{text}}}"#);
        read(&[HEADER, get, &ok]).map(|history| history.events()[1].rev)
    };
    assert_eq!(read_rev("").unwrap(), None);
    assert_eq!(read_rev(r#","rev":null"#).unwrap(), None);
    assert_eq!(read_rev(r#","rev":7"#).unwrap(), Some(rev(7, 0)));
    assert_eq!(read_rev(r#","rev":[0,0]"#).unwrap(), Some(rev(0, 0)));
    let most = r#","rev":[18446744073709551615,4294967295]"#;
    assert_eq!(read_rev(most).unwrap(), Some(rev(u64::MAX, u32::MAX)));
    for wrong in [
        "-1",
        "1.0",
        "\"7\"",
        "[]",
        "[1]",
        "[1,2,3]",
        "[1,-2]",
        "[[1],2]",
        "[0,4294967296]",
        "{}",
        "true",
    ] {
        let error = read_rev(&format!(r#","rev":{wrong}"#)).unwrap_err().to_string();
        let expected = format!("the field \"rev\" is {wrong}, not an integer from 0 on or a pair of them");
        assert_eq!(error, format!("line 3 is malformed: {expected}"));
    }
}

#[test]
fn of_a_field_that_is_there_twice_the_last_counts() {
    let get = r#"{"type":"invoke","process":0,"op":"put","op":"get","key":1,"key":"k","x":{"key":2}}"#;
    let mut expected = History::new();
    expected.invoke(0, Operation::get("k")).unwrap();
    assert_eq!(read(&[HEADER, get]).unwrap(), expected);
}

#[test]
fn a_reader_gives_what_comes_before_the_first_malformed_line_and_ends_there() {
    let get = r#"{"type":"invoke","process":0,"op":"get","key":"k"}"#;
    let source = [HEADER, get, "{", get].join("\n");
    let mut reader = Reader::new(source.as_bytes()).unwrap();
    assert_eq!(reader.initial(), &Datum::Null);
    assert!(matches!(reader.next(), Some(Ok(Event { process: 0, .. }))));
    assert!(matches!(
        reader.next(),
        Some(Err(ReadError::Malformed { line: 3, .. }))
    ));
    assert!(reader.next().is_none());
}

#[test]
fn what_does_not_fit_is_not_added() {
    let mut history = History::new();
    history.invoke(1, Operation::delete("k")).unwrap();
    let before = history.clone();
    let errors = [
        history.invoke(1, Operation::get("k")).unwrap_err().to_string(),
        history.ok(2, Answer::Done).unwrap_err().to_string(),
        history.ok(1, Answer::Value(1.into())).unwrap_err().to_string(),
    ];
    expect![[r#"
        process 1 invokes an operation while its "delete k" is open; complete that one first
        process 2 completes an operation but has none open
        process 1 completes its "delete k" with "1", which does not answer it"#]]
    .assert_eq(&errors.join("\n"));
    assert_eq!(history, before);
}

#[test]
fn bytes_that_are_no_text_stay_apart() {
    let all: [&[u8]; 5] = [b"", b"a", b"\xff", b"\0ff", b"\0"];
    let data: std::collections::BTreeSet<Datum> = all.into_iter().map(Datum::from).collect();
    assert_eq!(data.len(), all.len());
}
