//! Roles, damage, bytes and calls as words of a line.

use std::fmt::Write as _;

use bytes::Bytes;
use kvpaxos::client::Call;
use kvpaxos::{Op, Query, Role};
use serde::de::DeserializeOwned;

use crate::decisions::words::number;
use crate::engine::Damage;

pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Proposer => "proposer",
        Role::Acceptor => "acceptor",
        Role::Learner => "learner",
    }
}

pub(super) fn role(word: &str) -> Result<Role, String> {
    let mut roles = Role::ALL.into_iter();
    roles
        .find(|role| role_word(*role) == word)
        .ok_or_else(|| format!("{word:?} is no role: write proposer, acceptor or learner"))
}

const DAMAGES: [(Damage, &str); 5] = [
    (Damage::FlipBit, "flip-bit"),
    (Damage::LoseBlock, "lose-block"),
    (Damage::MisdirectWrite, "misdirect-write"),
    (Damage::StaleBlock, "stale-block"),
    (Damage::LoseTail, "lose-tail"),
];

pub(super) fn damage_word(damage: Damage) -> &'static str {
    let known = DAMAGES.iter().find(|(other, _)| *other == damage);
    known.expect("every damage has a word").1
}

pub(super) fn damage(word: &str) -> Option<Damage> {
    let known = DAMAGES.iter().find(|(_, other)| *other == word);
    known.map(|(damage, _)| *damage)
}

/// Bytes as a word: letters, digits and some signs as they are, the others as `%` and two digits. No value is
/// `none`, and the empty one is `%`.
fn bytes_word(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "%".to_owned();
    }
    if bytes == b"none" {
        return "%6eone".to_owned();
    }
    let mut word = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_./:".contains(byte) {
            word.push(char::from(*byte));
        } else {
            let _ = write!(word, "%{byte:02x}");
        }
    }
    word
}

fn read_bytes(word: &str) -> Result<Bytes, String> {
    if word == "%" {
        return Ok(Bytes::new());
    }
    let wrong = || format!("{word:?} has a % that is not followed by two hexadecimal digits");
    let mut bytes = Vec::new();
    let mut left = word.bytes();
    while let Some(byte) = left.next() {
        if byte == b'%' {
            let mut digit = || left.next().and_then(|digit| char::from(digit).to_digit(16));
            let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
            bytes.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
        } else {
            bytes.push(byte);
        }
    }
    Ok(bytes.into())
}

fn option_word(bytes: Option<&Bytes>) -> String {
    bytes.map_or_else(|| "none".to_owned(), |bytes| bytes_word(bytes))
}

fn read_option(word: &str) -> Result<Option<Bytes>, String> {
    if word == "none" {
        return Ok(None);
    }
    read_bytes(word).map(Some)
}

fn keys_words(keys: &[Bytes]) -> String {
    keys.iter().map(|key| format!(" {}", bytes_word(key))).collect()
}

fn read_keys(words: &[&str]) -> Result<Vec<Bytes>, String> {
    words.iter().map(|word| read_bytes(word)).collect()
}

/// A call: `put k v`, `get k`, `delete k`, `cas k old new`, and so on. A transaction is `write` and the bytes
/// of its encoding, with its text as a comment.
pub(super) fn call_words(call: &Call) -> String {
    match call {
        Call::Write(Op::Put { key, value }) => format!("put {} {}", bytes_word(key), bytes_word(value)),
        Call::Write(Op::Delete { key }) => format!("delete {}", bytes_word(key)),
        Call::Write(Op::Cas { key, expect, value }) => {
            let (expect, value) = (option_word(expect.as_ref()), option_word(value.as_ref()));
            format!("cas {} {expect} {value}", bytes_word(key))
        }
        Call::Read(Query::Get { key }) => format!("get {}", bytes_word(key)),
        Call::Write(op) => format!("write {} # {op}", hexadecimal(&encoded(op))),
        Call::Read(Query::GetMany { keys }) => format!("get-many{}", keys_words(keys)),
        Call::Read(Query::Lengths { keys }) => format!("lengths{}", keys_words(keys)),
        Call::Read(Query::Scan { cursor, limit }) => format!("scan {cursor} {limit}"),
        Call::Read(Query::Count) => "count".to_owned(),
        Call::Status => "status".to_owned(),
        Call::DriverStatus => "driver-status".to_owned(),
        Call::Close => "close".to_owned(),
    }
}

/// Reads a call.
pub(super) fn call(words: &[&str]) -> Result<Call, String> {
    Ok(match *words {
        ["put", key, value] => Call::Write(Op::Put {
            key: read_bytes(key)?,
            value: read_bytes(value)?,
        }),
        ["delete", key] => Call::Write(Op::Delete {
            key: read_bytes(key)?,
        }),
        ["cas", key, expect, value] => Call::Write(Op::Cas {
            key: read_bytes(key)?,
            expect: read_option(expect)?,
            value: read_option(value)?,
        }),
        ["get", key] => Call::Read(Query::Get {
            key: read_bytes(key)?,
        }),
        ["write", bytes] => Call::Write(decoded(bytes)?),
        ["get-many", ref keys @ ..] => Call::Read(Query::GetMany {
            keys: read_keys(keys)?,
        }),
        ["lengths", ref keys @ ..] => Call::Read(Query::Lengths {
            keys: read_keys(keys)?,
        }),
        ["scan", cursor, limit] => Call::Read(Query::Scan {
            cursor: number(cursor, "cursor")?,
            limit: number(limit, "number of keys")?,
        }),
        ["count"] => Call::Read(Query::Count),
        ["status"] => Call::Status,
        ["driver-status"] => Call::DriverStatus,
        ["close"] => Call::Close,
        _ => {
            return Err(format!(
                "{:?} is no call: write put KEY VALUE, get KEY, delete KEY or cas KEY OLD NEW",
                words.join(" ")
            ));
        }
    })
}

fn encoded(what: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_stdvec(what).expect("operations can be encoded")
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn decoded<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    let digits: Option<Vec<u8>> = word
        .bytes()
        .map(|digit| char::from(digit).to_digit(16))
        .map(|digit| digit.and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or_else(|| format!("{word:?} is no even number of hexadecimal digits"))?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect();
    match postcard::take_from_bytes(&bytes) {
        Ok((what, [])) => Ok(what),
        _ => Err(format!("{word:?} is not the encoding of an operation")),
    }
}
