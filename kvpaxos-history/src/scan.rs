//! Lines as programs write them, read without a JSON library: a line is read here in a third of the time.
//!
//! The scanner knows objects of the fields that events have, with strings without escapes, integers, `true`,
//! `false`, `null` and pairs of integers. Of everything else, and of everything that is wrong, it knows only
//! that it does not know it. Such a line is read by serde_json, which has the last word on what JSON is. So a
//! line means the same whoever reads it; a test compares the two.

use std::borrow::Cow;

use crate::line::{Field, Line};

/// A place in a line.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Line<'a> {
    /// Reads a line, if it is one that the scanner knows.
    pub(crate) fn scan(text: &'a str) -> Option<Line<'a>> {
        let mut scanner = Scanner { text, at: 0 };
        let mut line = Line::default();
        scanner.pass(b"{")?;
        loop {
            scanner.pass_spaces();
            // The beginning of a name tells which one it must be.
            let (is_so, field) = match scanner.rest() {
                [b'"', b't', b'y', ..] => (scanner.pass(b"\"type\":"), &mut line.kind),
                [b'"', b't', ..] => (scanner.pass(b"\"time\":"), &mut line.time),
                [b'"', b'p', ..] => (scanner.pass(b"\"process\":"), &mut line.process),
                [b'"', b'o', ..] => (scanner.pass(b"\"op\":"), &mut line.op),
                [b'"', b'k', ..] => (scanner.pass(b"\"key\":"), &mut line.key),
                [b'"', b'e', ..] => (scanner.pass(b"\"expect\":"), &mut line.expect),
                [b'"', b'v', ..] => (scanner.pass(b"\"value\":"), &mut line.value),
                [b'"', b'a', ..] => (scanner.pass(b"\"applied\":"), &mut line.applied),
                [b'"', b'r', ..] => (scanner.pass(b"\"rev\":"), &mut line.rev),
                _ => return None,
            };
            is_so?;
            scanner.pass_spaces();
            *field = scanner.value()?;
            scanner.pass_spaces();
            if scanner.pass(b",").is_none() {
                scanner.pass(b"}")?;
                return scanner.rest().trim_ascii().is_empty().then_some(line);
            }
        }
    }
}

impl<'a> Scanner<'a> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    #[inline]
    fn pass_spaces(&mut self) {
        while self.rest().first() == Some(&b' ') {
            self.at += 1;
        }
    }

    #[inline]
    fn pass<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        (self.rest().first_chunk() == Some(text)).then(|| self.at += N)
    }

    #[inline]
    fn value(&mut self) -> Option<Field<'a>> {
        Some(match self.rest().first()? {
            b'"' => Field::Text(Cow::Borrowed(self.string()?)),
            b'0'..=b'9' => Field::Natural(self.natural()?),
            b'-' => {
                self.at += 1;
                let integer = i64::try_from(self.natural()?).ok()?;
                // `-0` is a matter of its own.
                (integer > 0).then_some(Field::Negative(-integer))?
            }
            b'n' => self.pass(b"null").map(|()| Field::Null)?,
            b't' => self.pass(b"true").map(|()| Field::Bool(true))?,
            b'f' => self.pass(b"false").map(|()| Field::Bool(false))?,
            b'[' => {
                self.at += 1;
                let first = self.natural()?;
                self.pass(b",")?;
                self.pass_spaces();
                let second = self.natural()?;
                self.pass(b"]")?;
                Field::Pair(first, second)
            }
            _ => return None,
        })
    }

    fn string(&mut self) -> Option<&'a str> {
        let begin = self.at + 1;
        let rest = self.text.as_bytes().get(begin..)?;
        let length = rest.iter().position(|byte| ENDS_STRING[usize::from(*byte)])?;
        self.at = begin + length + 1;
        (rest[length] == b'"').then(|| &self.text[begin..begin + length])
    }

    /// A natural number. One that might not fit 64 bits is not known here.
    fn natural(&mut self) -> Option<u64> {
        const LONGEST: usize = 18;
        let (mut number, mut length) = (0, 0);
        let rest = self.rest();
        while let Some(digit @ b'0'..=b'9') = rest.get(length) {
            // No number begins with a zero but zero itself.
            if length == LONGEST || (length == 1 && number == 0) {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
            length += 1;
        }
        self.at += length;
        let is_integer = !matches!(rest.get(length), Some(b'.' | b'e' | b'E'));
        (length > 0 && is_integer).then_some(number)
    }
}

/// The bytes that end a string, or that do not stand for themselves in one.
const ENDS_STRING: [bool; 256] = {
    let mut ends = [false; 256];
    let mut control = 0;
    while control < b' ' as usize {
        ends[control] = true;
        control += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 12] = [
        r#""type""#,
        r#""process""#,
        r#""op""#,
        r#""key""#,
        r#""expect""#,
        r#""value""#,
        r#""applied""#,
        r#""time""#,
        r#""rev""#,
        r#""format""#,
        r#""other""#,
        "type",
    ];
    const VALUES: [&str; 28] = [
        "null",
        "true",
        "false",
        "nul",
        "truer",
        "0",
        "7",
        "-0",
        "-0.0",
        "-3",
        "007",
        "1.5",
        "2e3",
        "1.",
        "999999999999999999",
        "18446744073709551615",
        "-9223372036854775808",
        "[1,2]",
        "[ 1 , 2 ]",
        "[1,-2]",
        "[1,2,3]",
        "[1]",
        "{}",
        r#""""#,
        r#""get""#,
        r#""a\u00e9""#,
        "\"\u{e9}\"",
        "\"\u{1}\"",
    ];
    const REST: [&str; 9] = ["{", "}", ":", ",", " ", "\t", "\r", "\"", "0"];

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        if let Some(line) = Line::scan(text) {
            let read: Result<Line<'_>, _> = serde_json::from_str(text);
            prop_assert_eq!(read.ok(), Some(line), "{}", text);
        }
        Ok(())
    }

    fn part() -> impl Strategy<Value = &'static str> {
        let parts: Vec<&str> = [&NAMES[..], &VALUES[..], &REST[..]].concat();
        prop::sample::select(parts)
    }

    fn field() -> impl Strategy<Value = String> {
        let (names, values) = (
            prop::sample::select(&NAMES[..]),
            prop::sample::select(&VALUES[..]),
        );
        (names, values, prop::sample::select(vec!["", "", " ", "\t"]))
            .prop_map(|(name, value, space)| format!("{name}{space}:{space}{value}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_the_scanner_knows_is_what_serde_json_reads(
            fields in prop::collection::vec(field(), 0..6),
            (at, slip) in (any::<prop::sample::Index>(), part()),
        ) {
            let line = format!("{{{}}}", fields.join(","));
            agrees(&line)?;
            let mut places: Vec<usize> = line.char_indices().map(|(place, _)| place).collect();
            places.push(line.len());
            let at = *at.get(&places);
            agrees(&line[..at])?;
            agrees(&format!("{}{slip}{}", &line[..at], &line[at..]))?;
        }

        #[test]
        fn parts_of_lines_in_any_order(parts in prop::collection::vec(part(), 0..12)) {
            agrees(&parts.concat())?;
        }
    }

    /// Otherwise it would be of no use.
    #[test]
    fn the_scanner_knows_the_lines_of_events_that_programs_write() {
        for line in [
            r#"{"type":"invoke","process":4,"op":"cas","key":"k","expect":null,"value":"18446744073709551615","time":4}"#,
            r#"{"type": "ok", "process": 3, "op": "get", "key": "é", "value": -7, "time": 50, "rev": [12, 3]}"#,
            r#"{"type":"ok","process":3,"op":"cas","key":"k","applied":false,"rev":null}"#,
        ] {
            assert!(Line::scan(line).is_some(), "{line}");
        }
        let escaped = r#"{"type":"ok","process":3,"op":"get","key":"k","value":"\""}"#;
        assert!(Line::scan(escaped).is_none());
    }
}
