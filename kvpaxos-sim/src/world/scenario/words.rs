//! Times, names, bytes and calls as words of a line.

use std::fmt::Write as _;

use bytes::Bytes;
use kvpaxos::client::Call;
use kvpaxos::{Op, Query, ReplicaId, Role};
use serde::de::DeserializeOwned;

use crate::engine::{Damage, Node};

/// A time or a length in seconds: `1.5s`, with up to six decimals.
pub(super) fn seconds(micros: u64) -> String {
    let (whole, part) = (micros / 1_000_000, micros % 1_000_000);
    let part = format!("{part:06}");
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        format!("{whole}s")
    } else {
        format!("{whole}.{part}s")
    }
}

/// Reads a time or a length.
pub(super) fn read_seconds(word: &str) -> Result<u64, String> {
    let wrong = || format!("{word:?} is no time: write seconds with up to six decimals, like 1.25s");
    let number = word.strip_suffix('s').ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let micros = whole
        .checked_mul(1_000_000)
        .and_then(|whole| whole.checked_add(part));
    micros.filter(|micros| *micros <= LONGEST).ok_or_else(|| {
        format!(
            "{word:?} is too long: a scenario takes at most {}",
            seconds(LONGEST)
        )
    })
}

/// No time of a scenario is later: a thousand days.
const LONGEST: u64 = 86_400_000_000_000;

pub(super) fn number<T: std::str::FromStr>(word: &str, what: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no {what}"))
}

/// Reads `#3`.
pub(super) fn count(word: &str) -> Result<u32, String> {
    let digits = word.strip_prefix('#').unwrap_or_default();
    match digits.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!(
            "{word:?} is no count: write #1 for the first, #2 for the second"
        )),
    }
}

/// Reads `r1`; there are `replicas`.
pub(super) fn replica(word: &str, replicas: usize) -> Result<ReplicaId, String> {
    let id = word.strip_prefix('r').and_then(|id| id.parse::<u8>().ok());
    let id = id.ok_or_else(|| format!("{word:?} is no replica: write r0, r1, ..."))?;
    if usize::from(id) >= replicas {
        return Err(format!("there is no replica {word}: the cluster has {replicas}"));
    }
    Ok(ReplicaId(id))
}

/// Reads `c1`.
pub(super) fn client(word: &str, clients: u32) -> Result<u32, String> {
    let number = word
        .strip_prefix('c')
        .and_then(|number| number.parse::<u32>().ok());
    let number = number.ok_or_else(|| format!("{word:?} is no client: write c0, c1, ..."))?;
    if number >= clients {
        return Err(format!("there is no client {word}: clients.count is {clients}"));
    }
    Ok(number)
}

/// Reads `r1` or `c1`.
pub(super) fn node(word: &str, replicas: usize, clients: u32) -> Result<Node, String> {
    if word.starts_with('c') {
        client(word, clients).map(Node::client)
    } else {
        replica(word, replicas).map(Node::replica)
    }
}

/// Reads `r0->r2`.
pub(super) fn link(word: &str, replicas: usize, clients: u32) -> Result<(Node, Node), String> {
    let (from, to) = word
        .split_once("->")
        .ok_or_else(|| format!("{word:?} is no link: write r0->r2"))?;
    Ok((node(from, replicas, clients)?, node(to, replicas, clients)?))
}

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
