//! Parses a line at the prompt.

use bytes::Bytes;
use kvpaxos::Role;

/// The words that begin a line, as the prompt completes them.
pub(super) const VERBS: [&str; 9] = [
    "PUT", "GET", "DELETE", "CAS", "STATUS", "FAIL", "RESTART", "HELP", "EXIT",
];

/// A command at the prompt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PromptCommand {
    /// An empty line, or a comment.
    Nothing,
    Put {
        key: Bytes,
        value: Bytes,
    },
    Get {
        key: Bytes,
    },
    Delete {
        key: Bytes,
    },
    Cas {
        key: Bytes,
        expect: Option<Bytes>,
        value: Option<Bytes>,
    },
    Status,
    Fail {
        replica: u8,
        role: Role,
    },
    Restart {
        replica: u8,
        role: Role,
    },
    Help,
    Exit,
}

/// A word of a line, and whether it was in quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Token {
    bytes: Vec<u8>,
    quoted: bool,
}

impl Token {
    /// The word as text, for what is no key and no value.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Parses a line. Keys and values are bytes; they need not be text.
///
/// # Errors
/// A sentence that says what is wrong, and what to write.
pub(crate) fn parse(line: &[u8]) -> Result<PromptCommand, String> {
    if line.trim_ascii_start().starts_with(b"#") {
        return Ok(PromptCommand::Nothing);
    }
    let mut tokens = tokens(line)?.into_iter();
    let Some(verb) = tokens.next() else {
        return Ok(PromptCommand::Nothing);
    };
    let rest: Vec<Token> = tokens.collect();
    let verb = verb.text();
    match verb.to_ascii_uppercase().as_str() {
        "PUT" => take(rest, "PUT key value").map(|[key, value]| PromptCommand::Put {
            key: key.bytes.into(),
            value: value.bytes.into(),
        }),
        "GET" => take(rest, "GET key").map(|[key]| PromptCommand::Get {
            key: key.bytes.into(),
        }),
        "DELETE" | "DEL" => take(rest, "DELETE key").map(|[key]| PromptCommand::Delete {
            key: key.bytes.into(),
        }),
        "CAS" => take(rest, "CAS key old new").map(|[key, expect, value]| PromptCommand::Cas {
            key: key.bytes.into(),
            expect: unless_dash(expect),
            value: unless_dash(value),
        }),
        "STATUS" => take(rest, "STATUS").map(|[]| PromptCommand::Status),
        "FAIL" => {
            let [replica, role] = take(rest, "FAIL r2 acceptor")?;
            Ok(PromptCommand::Fail {
                replica: named_replica(&replica.text())?,
                role: named_role(&role.text())?,
            })
        }
        "RESTART" => {
            let [replica, role] = take(rest, "RESTART r2 acceptor")?;
            Ok(PromptCommand::Restart {
                replica: named_replica(&replica.text())?,
                role: named_role(&role.text())?,
            })
        }
        "HELP" | "?" => Ok(PromptCommand::Help),
        "EXIT" | "QUIT" => Ok(PromptCommand::Exit),
        _ => Err(format!("{verb:?} is no command; HELP lists them")),
    }
}

/// Checks that there are as many words as the command takes.
fn take<const N: usize>(tokens: Vec<Token>, usage: &str) -> Result<[Token; N], String> {
    <[Token; N]>::try_from(tokens).map_err(|tokens| {
        let count = tokens.len();
        let quotes = if count > N {
            "; put quotes around words with spaces"
        } else {
            ""
        };
        format!("write {usage}: {N} words after the command, not {count}{quotes}")
    })
}

/// A bare dash stands for "no value"; a dash in quotes is a dash.
fn unless_dash(word: Token) -> Option<Bytes> {
    (word.quoted || word.bytes != b"-").then(|| word.bytes.into())
}

fn named_replica(text: &str) -> Result<u8, String> {
    text.trim_start_matches('r')
        .parse()
        .map_err(|_| format!("{text:?} is no replica; write r0, r1, ..."))
}

fn named_role(text: &str) -> Result<Role, String> {
    match text.to_ascii_lowercase().as_str() {
        "acceptor" => Ok(Role::Acceptor),
        "proposer" => Ok(Role::Proposer),
        "learner" => Ok(Role::Learner),
        _ => Err(format!(
            "{text:?} is no role; write acceptor, proposer or learner"
        )),
    }
}

/// Splits a line at spaces, except within double quotes.
fn tokens(mut line: &[u8]) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    loop {
        line = line.trim_ascii_start();
        let Some(first) = line.first() else {
            return Ok(tokens);
        };
        let quoted = *first == b'"';
        let bytes;
        if quoted {
            (bytes, line) = quoted_token(&line[1..])?;
            if line.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                return Err("a space must follow the closing quote".to_owned());
            }
        } else {
            let end = line.iter().position(u8::is_ascii_whitespace);
            let (word, rest) = line.split_at(end.unwrap_or(line.len()));
            (bytes, line) = (word.to_vec(), rest);
        }
        tokens.push(Token { bytes, quoted });
    }
}

/// What stands before the closing quote, and what follows it.
fn quoted_token(mut line: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let mut word = Vec::new();
    loop {
        match line {
            [] => return Err("the closing quote is missing".to_owned()),
            [b'"', rest @ ..] => return Ok((word, rest)),
            [b'\\', rest @ ..] => line = escape(rest, &mut word)?,
            [byte, rest @ ..] => {
                word.push(*byte);
                line = rest;
            }
        }
    }
}

/// Adds what an escape stands for, and returns what follows it. These are all escapes that answers are
/// printed with, so that each can be entered again.
fn escape<'a>(line: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], String> {
    let wrong = |what: &str| {
        format!(
            "\\{what} is not understood; write \\\" \\\\ \\n \\r \\t \\0, \\x and two hexadecimal digits, or \\u{{...}}"
        )
    };
    let Some((letter, rest)) = line.split_first() else {
        return Err("the closing quote is missing".to_owned());
    };
    let byte = match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0' => 0,
        b'"' | b'\\' | b'\'' => *letter,
        b'x' => {
            let digits = rest.get(..2).and_then(|digits| str::from_utf8(digits).ok());
            let number = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            word.push(number.ok_or_else(|| wrong("x"))?);
            return Ok(&rest[2..]);
        }
        b'u' => {
            let inside = rest.strip_prefix(b"{").and_then(|rest| {
                let end = rest.iter().position(|byte| *byte == b'}')?;
                Some((str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]))
            });
            let (digits, rest) = inside.ok_or_else(|| wrong("u"))?;
            let number = u32::from_str_radix(digits, 16).ok();
            let letter = number.and_then(char::from_u32).ok_or_else(|| wrong("u"))?;
            word.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(rest);
        }
        _ => return Err(wrong(&String::from_utf8_lossy(&[*letter]))),
    };
    word.push(byte);
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::quoted;

    fn put(key: &'static [u8], value: &'static [u8]) -> Result<PromptCommand, String> {
        let (key, value) = (Bytes::from_static(key), Bytes::from_static(value));
        Ok(PromptCommand::Put { key, value })
    }

    #[test]
    fn commands_are_read_whatever_their_case() {
        assert_eq!(parse(b"  put a b "), put(b"a", b"b"));
        assert_eq!(
            parse(br#"PUT "two tokens" "say \"hi\"\n""#),
            put(b"two tokens", b"say \"hi\"\n")
        );
        assert_eq!(parse(br#"PUT empty """#), put(b"empty", b""));
        assert_eq!(parse(br#"PUT json {"a":1}"#), put(b"json", b"{\"a\":1}"));
        assert_eq!(parse(b"PUT k -"), put(b"k", b"-"));
        assert_eq!(parse(b""), Ok(PromptCommand::Nothing));
        assert_eq!(parse(b"Exit\r"), Ok(PromptCommand::Exit));
        let cas = parse(br#"CAS k - "-""#);
        let expected = PromptCommand::Cas {
            key: Bytes::from_static(b"k"),
            expect: None,
            value: Some(Bytes::from_static(b"-")),
        };
        assert_eq!(cas, Ok(expected));
        let fail = PromptCommand::Fail {
            replica: 2,
            role: Role::Acceptor,
        };
        assert_eq!(parse(b"FAIL r2 acceptor"), Ok(fail));
    }

    #[test]
    fn comments_and_bytes_that_are_no_text_are_read() {
        assert_eq!(parse(b"# PUT a b"), Ok(PromptCommand::Nothing));
        assert_eq!(parse(b"  #"), Ok(PromptCommand::Nothing));
        assert_eq!(parse(b"PUT # b"), put(b"#", b"b"), "only at the beginning");
        assert_eq!(parse(b"PUT a \xff\xfe"), put(b"a", b"\xff\xfe"));
        assert_eq!(parse(br#"PUT a "\xff\0\u{e9}""#), put(b"a", b"\xff\0\xc3\xa9"));
    }

    /// Whatever an answer prints can be entered again.
    #[test]
    fn what_is_printed_is_understood() {
        let all: Vec<u8> = (0..=255).collect();
        for value in [
            &all[..],
            "\u{1b}[2J \u{e9} \"'\\ \u{200b}\n\0".as_bytes(),
            b"\xffx",
        ] {
            let line = format!("PUT k {}", quoted(value, usize::MAX));
            let Ok(PromptCommand::Put { value: read, .. }) = parse(line.as_bytes()) else {
                panic!("{line}: {:?}", parse(line.as_bytes()));
            };
            assert_eq!(read, value, "{line}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert!(error("PUT a b c").contains("quotes"), "{}", error("PUT a b c"));
        assert!(error("GET").contains("GET key"));
        assert!(error("SET a b").contains("no command"));
        assert!(error("GET \"a").contains("closing quote"));
        assert!(error("GET \"a\\").contains("closing quote"));
        assert!(error("GET \"a\"b").contains("space"));
        for escape in ["\\q", "\\x1", "\\xzz", "\\u12", "\\u{d800}"] {
            let line = format!("GET \"{escape}\"");
            assert!(
                error(&line).contains("is not understood"),
                "{line}: {}",
                error(&line)
            );
        }
        assert!(error("FAIL x acceptor").contains("no replica"));
        assert!(error("FAIL r1 leader").contains("no role"));
    }
}
