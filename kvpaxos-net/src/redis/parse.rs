//! From the words of a request to a command, or to the error that Redis would answer.

use bytes::Bytes;

use crate::redis::command::{Command, DataCommand, LocalCommand, Replies, SetAnswer, SetWhen};
use crate::redis::connection_commands;
use crate::redis::decode::{Request, integer};
use crate::redis::reply::Reply;
use crate::redis::table::{self, CommandInfo};

/// Why a request is no command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// There is no such command, or it does not take so many arguments. Within MULTI, it spoils the
    /// transaction.
    Rejected(Reply),
    /// An argument is wrong. Within MULTI, the command is queued, and fails when its turn comes.
    Failed(Reply),
}

/// The words after the command's name.
pub(crate) type Arguments = std::vec::IntoIter<Bytes>;

/// Understands a request.
pub(crate) fn parse(request: Request) -> Result<Command, Fault> {
    let info = find(&request)?;
    let mut words = request.into_iter();
    words.next();
    build(info, words).map_err(Fault::Failed)
}

fn find(request: &Request) -> Result<&'static CommandInfo, Fault> {
    let Some((name, rest)) = request.split_first() else {
        return Err(Fault::Rejected(unknown(b"", &[])));
    };
    let name_in_lower_case = name.to_ascii_lowercase();
    let Some(mut info) = table::find(&name_in_lower_case).filter(|info| !info.name.contains('|')) else {
        return Err(Fault::Rejected(unknown(name, rest)));
    };
    if let (Some(second), Some(_)) = (rest.first(), info.subcommands().next()) {
        let second_in_lower_case = second.to_ascii_lowercase();
        let path = [&name_in_lower_case, &b"|"[..], &second_in_lower_case].concat();
        info = table::find(&path).ok_or_else(|| {
            let mut text = b"ERR unknown subcommand '".to_vec();
            text.extend_from_slice(c_string(second, 128));
            text.extend_from_slice(b"'. Try ");
            text.extend_from_slice(&name_in_lower_case.to_ascii_uppercase());
            text.extend_from_slice(b" HELP.");
            Fault::Rejected(Reply::Error(text.into()))
        })?;
    }
    if !info.takes(request.len()) {
        return Err(Fault::Rejected(wrong_number(info.name)));
    }
    Ok(info)
}

/// The error for a command that does not exist, with the first of its arguments.
fn unknown(name: &[u8], arguments: &[Bytes]) -> Reply {
    const LONGEST: usize = 128;
    let mut shown = Vec::new();
    for argument in arguments {
        if shown.len() >= LONGEST {
            break;
        }
        let part = c_string(argument, LONGEST - shown.len());
        shown.push(b'\'');
        shown.extend_from_slice(part);
        shown.extend_from_slice(b"' ");
    }
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(c_string(name, LONGEST));
    text.extend_from_slice(b"', with args beginning with: ");
    text.extend_from_slice(&shown);
    Reply::Error(text.into())
}

/// What C prints of these bytes: no more than `most`, and nothing after a NUL.
fn c_string(bytes: &[u8], most: usize) -> &[u8] {
    let end = bytes.iter().take(most).position(|byte| *byte == 0);
    &bytes[..end.unwrap_or(bytes.len().min(most))]
}

fn wrong_number(name: &str) -> Reply {
    Reply::error(format!("ERR wrong number of arguments for '{name}' command"))
}

pub(crate) fn syntax_error() -> Reply {
    Reply::error("ERR syntax error")
}

/// A number of 64 bits with a sign.
pub(crate) fn number(word: &[u8]) -> Result<i64, Reply> {
    integer(word).ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))
}

/// The number of arguments was checked, so `word` only fails where an optional one is missing.
pub(crate) fn word(words: &mut Arguments) -> Result<Bytes, Reply> {
    words.next().ok_or_else(syntax_error)
}

fn build(info: &CommandInfo, mut words: Arguments) -> Result<Command, Reply> {
    let words = &mut words;
    let data = match info.name {
        "get" => DataCommand::Get { key: word(words)? },
        "mget" => DataCommand::GetMany {
            keys: words.collect(),
        },
        "strlen" => DataCommand::Length { key: word(words)? },
        "exists" | "touch" => DataCommand::Exists {
            keys: words.collect(),
        },
        "type" => DataCommand::Type { key: word(words)? },
        "ttl" | "pttl" => DataCommand::TimeToLive { key: word(words)? },
        "set" => set(words)?,
        "setnx" => plain_set(words, SetWhen::Absent, SetAnswer::Number)?,
        "getset" => plain_set(words, SetWhen::Always, SetAnswer::Previous)?,
        "getdel" => DataCommand::GetDelete { key: word(words)? },
        "del" | "unlink" => DataCommand::Delete {
            keys: words.collect(),
        },
        "mset" => DataCommand::SetMany {
            pairs: pairs(words, info.name)?,
        },
        "msetnx" => DataCommand::SetManyAbsent {
            pairs: pairs(words, info.name)?,
        },
        "append" => DataCommand::Append {
            key: word(words)?,
            value: word(words)?,
        },
        "incr" => DataCommand::Add {
            key: word(words)?,
            delta: 1,
        },
        "decr" => DataCommand::Add {
            key: word(words)?,
            delta: -1,
        },
        "incrby" => DataCommand::Add {
            key: word(words)?,
            delta: number(&word(words)?)?,
        },
        "decrby" => {
            let key = word(words)?;
            let delta = number(&word(words)?)?.checked_neg();
            let delta = delta.ok_or_else(|| Reply::error("ERR decrement would overflow"))?;
            DataCommand::Add { key, delta }
        }
        _ => return other(info, words),
    };
    Ok(Command::Data(data))
}

fn other(info: &CommandInfo, words: &mut Arguments) -> Result<Command, Reply> {
    Ok(match info.name {
        "scan" => scan(words)?,
        "keys" => Command::Keys {
            pattern: word(words)?,
        },
        "dbsize" => Command::Count,
        "info" => Command::Info {
            sections: words.collect(),
        },
        "watch" => Command::Watch {
            keys: words.collect(),
        },
        "unwatch" => Command::Unwatch,
        "multi" => Command::Multi,
        "exec" => Command::Exec,
        "discard" => Command::Discard,
        "quit" => Command::Quit,
        "reset" => Command::Reset,
        "hello" => connection_commands::hello(words)?,
        "ping" => match (words.next(), words.next()) {
            (text, None) => Command::Local(LocalCommand::Ping { text }),
            _ => return Err(wrong_number("ping")),
        },
        "echo" => Command::Local(LocalCommand::Echo { text: word(words)? }),
        "select" => {
            let database = number(&word(words)?)?;
            if i32::try_from(database).is_err() {
                return Err(Reply::error(format!(
                    "ERR value is out of range, value must between {} and {}",
                    i32::MIN,
                    i32::MAX
                )));
            }
            Command::Local(LocalCommand::Select { database })
        }
        _ => Command::Local(connection_commands::build(info, words)?),
    })
}

fn plain_set(words: &mut Arguments, when: SetWhen, answer: SetAnswer) -> Result<DataCommand, Reply> {
    Ok(DataCommand::Set {
        key: word(words)?,
        value: word(words)?,
        when,
        answer,
    })
}

fn pairs(words: &mut Arguments, name: &str) -> Result<Vec<(Bytes, Bytes)>, Reply> {
    if !words.len().is_multiple_of(2) {
        return Err(wrong_number(name));
    }
    let mut pairs = Vec::with_capacity(words.len() / 2);
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// SET with its options.
fn set(words: &mut Arguments) -> Result<DataCommand, Reply> {
    let (key, value) = (word(words)?, word(words)?);
    let mut when = SetWhen::Always;
    let mut answer = SetAnswer::Done;
    let mut keep = false;
    // The option that gives the key a time to live, and the time.
    let mut lifetime: Option<(&'static str, Bytes)> = None;
    while let Some(option) = words.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"nx" if when != SetWhen::Present => when = SetWhen::Absent,
            b"xx" if when != SetWhen::Absent => when = SetWhen::Present,
            b"get" => answer = SetAnswer::Previous,
            // No key has a time to live that could be lost.
            b"keepttl" if lifetime.is_none() => keep = true,
            name => {
                let known = ["EX", "PX", "EXAT", "PXAT"];
                let known = known
                    .into_iter()
                    .find(|known| known.as_bytes().eq_ignore_ascii_case(name));
                match known {
                    // The same option may come again; another one may not.
                    Some(known) if !keep && lifetime.as_ref().is_none_or(|(other, _)| *other == known) => {
                        lifetime = Some((known, word(words)?));
                    }
                    _ => return Err(syntax_error()),
                }
            }
        }
    }
    match lifetime {
        Some((option, time)) => Err(no_lifetime(option, &time)),
        None => Ok(DataCommand::Set {
            key,
            value,
            when,
            answer,
        }),
    }
}

/// The error for an option of SET that needs a time to live: first what Redis has against it.
fn no_lifetime(option: &str, time: &[u8]) -> Reply {
    match number(time) {
        Err(reply) => reply,
        Ok(..=0) => Reply::error("ERR invalid expire time in 'set' command"),
        Ok(_) => Reply::error(format!(
            "ERR {option} is not supported: keys have no time to live here; nothing was changed"
        )),
    }
}

fn scan(words: &mut Arguments) -> Result<Command, Reply> {
    let cursor = cursor(&word(words)?)?;
    let (mut pattern, mut count, mut strings) = (None, 10, true);
    while let Some(option) = words.next() {
        let value = word(words)?;
        match option.to_ascii_lowercase().as_slice() {
            b"match" => pattern = Some(value).filter(|pattern| pattern != "*"),
            b"count" => match number(&value)? {
                ..=0 => return Err(syntax_error()),
                wanted => count = u32::try_from(wanted).unwrap_or(u32::MAX),
            },
            b"type" => strings = value.eq_ignore_ascii_case(b"string"),
            _ => return Err(syntax_error()),
        }
    }
    Ok(Command::Scan {
        cursor,
        pattern,
        count,
        strings,
    })
}

/// A cursor is what C's `strtoul` takes, without a space before it.
fn cursor(word: &[u8]) -> Result<u64, Reply> {
    let (negative, digits) = match word {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let invalid = || Reply::error("ERR invalid cursor");
    if word.is_empty() {
        return Ok(0);
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid());
    }
    let text = str::from_utf8(digits).map_err(|_| invalid())?;
    let value: u64 = text.parse().map_err(|_| invalid())?;
    Ok(if negative { value.wrapping_neg() } else { value })
}

/// CLIENT REPLY.
pub(crate) fn replies(word: &[u8]) -> Result<Replies, Reply> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Ok(Replies::On),
        b"off" => Ok(Replies::Off),
        b"skip" => Ok(Replies::Skip),
        _ => Err(syntax_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Fault> {
        parse(line.split(' ').map(|word| Bytes::from(word.to_owned())).collect())
    }

    fn key(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    #[test]
    fn commands_are_understood() {
        let set = |when, answer| DataCommand::Set {
            key: key("k"),
            value: key("v"),
            when,
            answer,
        };
        let cases = [
            ("get k", DataCommand::Get { key: key("k") }),
            ("SET k v", set(SetWhen::Always, SetAnswer::Done)),
            ("SET k v nx GET nx", set(SetWhen::Absent, SetAnswer::Previous)),
            ("set k v XX KeepTTL", set(SetWhen::Present, SetAnswer::Done)),
            ("SETNX k v", set(SetWhen::Absent, SetAnswer::Number)),
            ("GETSET k v", set(SetWhen::Always, SetAnswer::Previous)),
            (
                "DECR k",
                DataCommand::Add {
                    key: key("k"),
                    delta: -1,
                },
            ),
            (
                "DECRBY k -5",
                DataCommand::Add {
                    key: key("k"),
                    delta: 5,
                },
            ),
            (
                "MSETNX k v",
                DataCommand::SetManyAbsent {
                    pairs: vec![(key("k"), key("v"))],
                },
            ),
            (
                "unlink a b",
                DataCommand::Delete {
                    keys: vec![key("a"), key("b")],
                },
            ),
        ];
        for (line, command) in cases {
            assert_eq!(parsed(line), Ok(Command::Data(command)), "{line}");
        }
        let scan = Command::Scan {
            cursor: 7,
            pattern: Some(key("a*")),
            count: 5,
            strings: false,
        };
        assert_eq!(parsed("SCAN 7 match a* COUNT 5 TYPE hash"), Ok(scan));
    }

    #[test]
    fn what_is_wrong_is_told_as_redis_does() {
        let rejected = [
            (
                "nosuch a b",
                "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' ",
            ),
            (
                "client|id",
                "ERR unknown command 'client|id', with args beginning with: ",
            ),
            ("get", "ERR wrong number of arguments for 'get' command"),
            (
                "client id x",
                "ERR wrong number of arguments for 'client|id' command",
            ),
            ("client", "ERR wrong number of arguments for 'client' command"),
            ("Config x", "ERR unknown subcommand 'x'. Try CONFIG HELP."),
        ];
        for (line, text) in rejected {
            assert_eq!(parsed(line), Err(Fault::Rejected(Reply::error(text))), "{line}");
        }
        let integer = "ERR value is not an integer or out of range";
        let failed = [
            ("set k v nx xx", "ERR syntax error"),
            ("set k v ex", "ERR syntax error"),
            ("set k v ex 10 px 10", "ERR syntax error"),
            ("set k v ex x", integer),
            ("set k v ex -1", "ERR invalid expire time in 'set' command"),
            (
                "set k v PXAT 5",
                "ERR PXAT is not supported: keys have no time to live here; nothing was changed",
            ),
            (
                "mset a b c d e",
                "ERR wrong number of arguments for 'mset' command",
            ),
            ("incrby k 1.5", integer),
            ("decrby k -9223372036854775808", "ERR decrement would overflow"),
            ("scan x", "ERR invalid cursor"),
            ("scan 0 count 0", "ERR syntax error"),
            ("hello 4", "NOPROTO unsupported protocol version"),
            ("auth a b c", "ERR syntax error"),
        ];
        for (line, text) in failed {
            assert_eq!(parsed(line), Err(Fault::Failed(Reply::error(text))), "{line}");
        }
        let long = parse(vec![Bytes::from(vec![b'x'; 300]), Bytes::from(vec![b'y'; 300])]);
        let Err(Fault::Rejected(Reply::Error(text))) = long else {
            panic!("a command of 300 letters");
        };
        assert_eq!(
            text.len(),
            "ERR unknown command '', with args beginning with: '' ".len() + 256
        );
    }

    #[test]
    fn cursors_are_what_c_takes() {
        for (word, value) in [
            ("", 0),
            ("0", 0),
            ("+7", 7),
            ("007", 7),
            ("-1", u64::MAX),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(cursor(word.as_bytes()), Ok(value), "{word}");
        }
        for word in ["x", "1x", " 1", "+", "18446744073709551616"] {
            assert!(cursor(word.as_bytes()).is_err(), "{word}");
        }
    }

    #[test]
    fn every_command_of_the_table_is_understood_or_refused_for_its_arguments() {
        for info in table::commands() {
            let names = info
                .subcommands()
                .map(|subcommand| subcommand.name.replace('|', " "));
            let names: Vec<String> = names.chain([info.name.to_owned()]).collect();
            for name in names {
                for more in 0..4 {
                    let line = format!("{name}{}", " 1".repeat(more));
                    // That none panics, and none is unknown.
                    if let Err(Fault::Rejected(Reply::Error(text))) = parsed(&line) {
                        let text = String::from_utf8_lossy(&text).into_owned();
                        assert!(
                            text.contains("wrong number") || text.contains("subcommand '1'"),
                            "{line}: {text}"
                        );
                    }
                }
            }
        }
    }
}
