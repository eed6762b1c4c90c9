//! Files and lines that do not follow the format: each error names the line and says what is wrong.

use expect_test::{Expect, expect};

use super::{HEADER, read};
use crate::*;

const GET: &str = r#"{"type":"invoke","process":0,"op":"get","key":"k"}"#;
const CAS: &str = r#"{"type":"invoke","process":0,"op":"cas","key":"k","expect":1,"value":2}"#;

fn malformed(lines: &[&str], expect: &Expect) {
    let error = read(lines).unwrap_err();
    assert!(matches!(error, ReadError::Malformed { .. }));
    expect.assert_eq(&error.to_string());
}

#[test]
fn a_history_begins_with_a_header() {
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
        &[r#"{"type":"header","format":"kv-history","version":1}"#],
        &expect![[r#"line 1 is malformed: the field "initial" is missing"#]],
    );
}

#[test]
fn a_line_that_is_malformed_is_named() {
    const GET: &str = r#"{"type":"invoke","process":0,"op":"get","key":"k","time":5}"#;
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
        &[HEADER, GET, r#"{"type":"ok","process":0,"op":"get","key":"k"}"#],
        &expect![[r#"line 3 is malformed: the field "value" is missing"#]],
    );
}

#[test]
fn an_event_that_does_not_fit_those_before_is_malformed() {
    const AT_5: &str = r#"{"type":"invoke","process":0,"op":"get","key":"k","time":5}"#;
    malformed(
        &[HEADER, AT_5, AT_5],
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
            AT_5,
            r#"{"type":"ok","process":0,"op":"get","key":"l","value":1}"#,
        ],
        &expect![[r#"line 3 is malformed: process 0 completes "get l", but its "get k" is open"#]],
    );
    malformed(
        &[
            HEADER,
            AT_5,
            r#"{"type":"info","process":0,"op":"put","key":"k"}"#,
        ],
        &expect![[r#"line 3 is malformed: process 0 completes "put k", but its "get k" is open"#]],
    );
    malformed(
        &[
            HEADER,
            AT_5,
            r#"{"type":"fail","process":0,"op":"get","key":"k","time":4}"#,
        ],
        &expect!["line 3 is malformed: time goes back from 5 to 4; events come in the order of time"],
    );
    malformed(
        &[HEADER, r#"{"type":"info","process":7,"op":"get","key":"k"}"#],
        &expect!["line 2 is malformed: process 7 completes an operation but has none open"],
    );
}

/// Lines with one wrong field: the event before, the fields of the line, and what the error says of the
/// field.
const WRONG_FIELDS: [(&str, &str, &str); 18] = [
    (
        GET,
        r#""type":null,"process":0,"op":"get","key":"k""#,
        r#""type" is null, not a string"#,
    ),
    (GET, r#""process":0,"op":"get","key":"k""#, r#""type" is missing"#),
    (
        GET,
        r#""type":"ok","process":0.5,"op":"get","key":"k""#,
        r#""process" is 0.5, not an integer from 0 on"#,
    ),
    (
        GET,
        r#""type":"ok","process":"0","op":"get","key":"k""#,
        r#""process" is "0", not an integer from 0 on"#,
    ),
    (GET, r#""type":"ok","process":0,"key":"k""#, r#""op" is missing"#),
    (
        GET,
        r#""type":"ok","process":0,"op":"get""#,
        r#""key" is missing"#,
    ),
    (
        GET,
        r#""type":"ok","process":0,"op":"get","key":["k"]"#,
        r#""key" is ["k"], not a string"#,
    ),
    (
        GET,
        r#""type":"ok","process":0,"op":"get","key":"k","value":true"#,
        r#""value" is true, not null, an integer of 64 bits or a string"#,
    ),
    (
        GET,
        r#""type":"ok","process":0,"op":"get","key":"k","value":[1,2]"#,
        r#""value" is [1,2], not null, an integer of 64 bits or a string"#,
    ),
    (
        GET,
        r#""type":"ok","process":0,"op":"get","key":"k","value":18446744073709551616"#,
        r#""value" is 1.8446744073709552e+19, not null, an integer of 64 bits or a string"#,
    ),
    (
        GET,
        r#""type":"fail","process":0,"op":"get","key":"k","time":"late""#,
        r#""time" is "late", not an integer"#,
    ),
    (
        GET,
        r#""type":"fail","process":0,"op":"get","key":"k","time":9223372036854775808"#,
        r#""time" is 9223372036854775808, not an integer"#,
    ),
    (
        CAS,
        r#""type":"ok","process":0,"op":"cas","key":"k""#,
        r#""applied" is missing"#,
    ),
    (
        CAS,
        r#""type":"ok","process":0,"op":"cas","key":"k","applied":1"#,
        r#""applied" is 1, not true or false"#,
    ),
    (
        GET,
        r#""type":"invoke","process":1,"op":"cas","key":"k","value":1"#,
        r#""expect" is missing"#,
    ),
    (
        GET,
        r#""type":"invoke","process":1,"op":"cas","key":"k","expect":1"#,
        r#""value" is missing"#,
    ),
    (
        GET,
        r#""type":"invoke","process":1,"op":"append","key":"k""#,
        r#""value" is missing"#,
    ),
    (
        GET,
        r#""type":"invoke","process":1,"op":null,"key":"k""#,
        r#""op" is null, not a string"#,
    ),
];

#[test]
fn each_field_that_is_wrong_is_named() {
    for (first, fields, why) in WRONG_FIELDS {
        let error = read(&[HEADER, first, &format!("{{{fields}}}")]).unwrap_err();
        assert_eq!(error.to_string(), format!("line 3 is malformed: the field {why}"));
    }
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
        // A file without a line break, and longer than a line may be.
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

/// A source without end that counts the bytes that are read.
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
