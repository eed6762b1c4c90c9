use expect_test::{Expect, expect};

use kvpaxos::Revision;

use crate::*;

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
    // What a get or a delete has no use for is ignored.
    let get = r#"{"type":"invoke","process":1,"op":"get","key":"k","value":null}"#;
    completed(get, "get", "info", r#","value":1"#).unwrap();
    let delete = r#"{"type":"invoke","process":1,"op":"delete","key":"k"}"#;
    completed(delete, "delete", "ok", r#","value":"what was there""#).unwrap();
}

#[test]
fn a_file_that_is_no_plain_text_is_named_with_what_to_do() {
    let reason = |bytes: &[u8]| History::read(bytes).unwrap_err().to_string();
    let utf_16 = |order: fn(u16) -> [u8; 2]| HEADER.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let (little, big) = (utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes));
    let all = [
        [b"\xef\xbb\xbf", HEADER.as_bytes()].concat(),
        [b"\xff\xfe", &little[..]].concat(),
        [b"\xfe\xff", &big[..]].concat(),
        little,
        big,
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec(),
        // Without a line break, and longer than a line may be.
        [&b"\x28\xb5\x2f\xfd"[..], &vec![7; LONGEST_LINE + 1]].concat(),
        b"\xfd7zXZ\0\0\x04".to_vec(),
    ];
    expect![[r#"
        line 1 is malformed: the file begins with a byte order mark; remove it, for example with: tail -c +4
        line 1 is malformed: the file is UTF-16; convert it with: iconv -f UTF-16 -t UTF-8
        line 1 is malformed: the file is UTF-16; convert it with: iconv -f UTF-16 -t UTF-8
        line 1 is malformed: the file is UTF-16; convert it with: iconv -f UTF-16LE -t UTF-8
        line 1 is malformed: the file is UTF-16; convert it with: iconv -f UTF-16BE -t UTF-8
        line 1 is malformed: the file is compressed with gzip; unpack it with: gzip -dc
        line 1 is malformed: the file is compressed with zstd; unpack it with: zstd -dc
        line 1 is malformed: the file is compressed with xz; unpack it with: xz -dc"#]]
    .assert_eq(&all.map(|bytes| reason(&bytes)).join("\n"));
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
    // Null is no time.
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

fn malformed(lines: &[&str], expect: &Expect) {
    let error = read(lines).unwrap_err();
    assert!(matches!(error, ReadError::Malformed { .. }));
    expect.assert_eq(&error.to_string());
}

#[test]
fn a_line_that_is_malformed_is_named() {
    const GET: &str = r#"{"type":"invoke","process":0,"op":"get","key":"k","time":5}"#;
    malformed(
        &[],
        &expect![[
            r#"line 1 is malformed: a history begins with a header of format "kv-history", version 1"#
        ]],
    );
    malformed(
        &[GET],
        &expect![[
            r#"line 1 is malformed: a history begins with a header of format "kv-history", version 1"#
        ]],
    );
    malformed(
        &[r#"{"type":"header","format":"kv-history","version":2}"#],
        &expect![[
            r#"line 1 is malformed: a history begins with a header of format "kv-history", version 1"#
        ]],
    );
    malformed(
        &[HEADER, "", ""],
        &expect!["line 2 is malformed: it is no JSON object (EOF while parsing a value at column 0)"],
    );
    malformed(
        &[HEADER, "[1]"],
        &expect!["line 2 is malformed: it is no JSON object ([1])"],
    );
    malformed(
        &[HEADER, r#"{"type":"invoke""#],
        &expect!["line 2 is malformed: it is no JSON object (EOF while parsing an object at column 16)"],
    );
    malformed(
        &[HEADER, r#"{"type":"invoke","op":"get","key":"k"}"#],
        &expect![[r#"line 2 is malformed: the field "process" is missing"#]],
    );
    malformed(
        &[HEADER, r#"{"type":"invoke","process":-1,"op":"get","key":"k"}"#],
        &expect![[r#"line 2 is malformed: the field "process" is -1, not an integer from 0 on"#]],
    );
    malformed(
        &[HEADER, r#"{"type":"invoke","process":0,"op":"incr","key":"k"}"#],
        &expect![[r#"line 2 is malformed: the field "op" is "incr", not get, put, append, delete or cas"#]],
    );
    malformed(
        &[HEADER, r#"{"type":"began","process":0,"op":"get","key":"k"}"#],
        &expect![[r#"line 2 is malformed: the field "type" is "began", not invoke, ok, fail or info"#]],
    );
    malformed(
        &[
            HEADER,
            r#"{"type":"invoke","process":0,"op":"put","key":"k","value":1.5}"#,
        ],
        &expect![[
            r#"line 2 is malformed: the field "value" is 1.5, not null, an integer of 64 bits or a string"#
        ]],
    );
    malformed(
        &[HEADER, r#"{"type":"invoke","process":0,"op":"put","key":"k"}"#],
        &expect![[r#"line 2 is malformed: the field "value" is missing"#]],
    );
    malformed(
        &[HEADER, r#"{"type":"invoke","process":0,"op":"get","key":7}"#],
        &expect![[r#"line 2 is malformed: the field "key" is 7, not a string"#]],
    );
    malformed(
        &[HEADER, GET, GET],
        &expect![[
            r#"line 3 is malformed: process 0 invokes an operation while its "get k" is open; complete that one first"#
        ]],
    );
    malformed(
        &[
            HEADER,
            r#"{"type":"ok","process":0,"op":"get","key":"k","value":1}"#,
        ],
        &expect!["line 2 is malformed: process 0 completes an operation but has none open"],
    );
    malformed(
        &[
            HEADER,
            GET,
            r#"{"type":"ok","process":0,"op":"get","key":"l","value":1}"#,
        ],
        &expect![[r#"line 3 is malformed: process 0 completes "get l", but its "get k" is open"#]],
    );
    malformed(
        &[HEADER, GET, r#"{"type":"info","process":0,"op":"put","key":"k"}"#],
        &expect![[r#"line 3 is malformed: process 0 completes "put k", but its "get k" is open"#]],
    );
    malformed(
        &[HEADER, GET, r#"{"type":"ok","process":0,"op":"get","key":"k"}"#],
        &expect![[r#"line 3 is malformed: the field "value" is missing"#]],
    );
    malformed(
        &[
            HEADER,
            GET,
            r#"{"type":"fail","process":0,"op":"get","key":"k","time":4}"#,
        ],
        &expect!["line 3 is malformed: time goes back from 5 to 4; events come in the order of time"],
    );
}

#[test]
fn each_field_that_is_wrong_is_named() {
    const GET: &str = r#"{"type":"invoke","process":0,"op":"get","key":"k"}"#;
    const CAS: &str = r#"{"type":"invoke","process":0,"op":"cas","key":"k","expect":1,"value":2}"#;
    let datum = "not null, an integer of 64 bits or a string";
    let cases = [
        (
            GET,
            r#""type":null,"process":0,"op":"get","key":"k""#,
            r#""type" is null, not a string"#.to_owned(),
        ),
        (
            GET,
            r#""process":0,"op":"get","key":"k""#,
            r#""type" is missing"#.to_owned(),
        ),
        (
            GET,
            r#""type":"ok","process":0.5,"op":"get","key":"k""#,
            r#""process" is 0.5, not an integer from 0 on"#.to_owned(),
        ),
        (
            GET,
            r#""type":"ok","process":"0","op":"get","key":"k""#,
            r#""process" is "0", not an integer from 0 on"#.to_owned(),
        ),
        (
            GET,
            r#""type":"ok","process":0,"key":"k""#,
            r#""op" is missing"#.to_owned(),
        ),
        (
            GET,
            r#""type":"ok","process":0,"op":"get""#,
            r#""key" is missing"#.to_owned(),
        ),
        (
            GET,
            r#""type":"ok","process":0,"op":"get","key":["k"]"#,
            r#""key" is ["k"], not a string"#.to_owned(),
        ),
        (
            GET,
            r#""type":"ok","process":0,"op":"get","key":"k","value":true"#,
            format!(r#""value" is true, {datum}"#),
        ),
        (
            GET,
            r#""type":"ok","process":0,"op":"get","key":"k","value":[1,2]"#,
            format!(r#""value" is [1,2], {datum}"#),
        ),
        (
            GET,
            r#""type":"ok","process":0,"op":"get","key":"k","value":18446744073709551616"#,
            format!(r#""value" is 1.8446744073709552e+19, {datum}"#),
        ),
        (
            GET,
            r#""type":"fail","process":0,"op":"get","key":"k","time":"late""#,
            r#""time" is "late", not an integer"#.to_owned(),
        ),
        (
            GET,
            r#""type":"fail","process":0,"op":"get","key":"k","time":9223372036854775808"#,
            r#""time" is 9223372036854775808, not an integer"#.to_owned(),
        ),
        (
            CAS,
            r#""type":"ok","process":0,"op":"cas","key":"k""#,
            r#""applied" is missing"#.to_owned(),
        ),
        (
            CAS,
            r#""type":"ok","process":0,"op":"cas","key":"k","applied":1"#,
            r#""applied" is 1, not true or false"#.to_owned(),
        ),
        (
            GET,
            r#""type":"invoke","process":1,"op":"cas","key":"k","value":1"#,
            r#""expect" is missing"#.to_owned(),
        ),
        (
            GET,
            r#""type":"invoke","process":1,"op":"cas","key":"k","expect":1"#,
            r#""value" is missing"#.to_owned(),
        ),
        (
            GET,
            r#""type":"invoke","process":1,"op":"append","key":"k""#,
            r#""value" is missing"#.to_owned(),
        ),
        (
            GET,
            r#""type":"invoke","process":1,"op":null,"key":"k""#,
            r#""op" is null, not a string"#.to_owned(),
        ),
    ];
    for (first, fields, why) in cases {
        let error = read(&[HEADER, first, &format!("{{{fields}}}")]).unwrap_err();
        assert_eq!(error.to_string(), format!("line 3 is malformed: the field {why}"));
    }
    malformed(
        &[r#"{"type":"header","format":"kv-history","version":1}"#],
        &expect![[r#"line 1 is malformed: the field "initial" is missing"#]],
    );
    malformed(
        &[HEADER, r#"{"type":"info","process":7,"op":"get","key":"k"}"#],
        &expect!["line 2 is malformed: process 7 completes an operation but has none open"],
    );
}

#[test]
fn bytes_that_are_no_json_are_malformed() {
    let reason = |line: &[u8]| {
        let source = [HEADER.as_bytes(), b"\n", line].concat();
        History::read(&source[..]).unwrap_err().to_string()
    };
    let all: [&[u8]; 5] = [
        b"\xff",
        b"{\"type\":\"ok\xff\"}",
        b"null",
        b"{} {}",
        b"{\"key\":\"\\ud800\"}",
    ];
    expect![[r#"
        line 2 is malformed: it is no JSON object (expected value at column 1)
        line 2 is malformed: it is no JSON object (invalid unicode code point at column 12)
        line 2 is malformed: it is no JSON object (null)
        line 2 is malformed: it is no JSON object (trailing characters at column 4)
        line 2 is malformed: it is no JSON object (unexpected end of hex escape at column 15)"#]]
    .assert_eq(&all.map(reason).join("\n"));
    let deep = [br#"{"value":"#.to_vec(), vec![b'['; 100_000]].concat();
    expect!["line 2 is malformed: it is no JSON object (recursion limit exceeded at column 136)"]
        .assert_eq(&reason(&deep));
}

#[test]
fn of_a_field_that_is_there_twice_the_last_counts() {
    let get = r#"{"type":"invoke","process":0,"op":"put","op":"get","key":1,"key":"k","x":{"key":2}}"#;
    let mut expected = History::new();
    expected.invoke(0, Operation::get("k")).unwrap();
    assert_eq!(read(&[HEADER, get]).unwrap(), expected);
}

/// Gives a byte again and again, and counts what was taken.
struct Endless(usize);

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.fill(b' ');
        self.0 += buffer.len();
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_end_is_malformed_before_it_fills_the_memory() {
    let mut endless = Endless(0);
    let rest = std::io::BufReader::new(&mut endless);
    let first = format!("{HEADER}\n");
    let error = History::read(std::io::Read::chain(first.as_bytes(), rest)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2 is malformed: it is longer than 16777216 bytes"
    );
    assert!(endless.0 < LONGEST_LINE + (1 << 16));
    let longest = [HEADER.as_bytes(), b"\n{}", &vec![b' '; LONGEST_LINE - 2], b"\n"].concat();
    let error = History::read(&longest[..]).unwrap_err().to_string();
    assert_eq!(error, r#"line 2 is malformed: the field "type" is missing"#);
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
