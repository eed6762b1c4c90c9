//! The arguments of the commands about a connection and about the server: HELLO, AUTH, CLIENT, CONFIG,
//! COMMAND.

use bytes::Bytes;

use crate::redis::command::{Command, Credentials, LocalCommand};
use crate::redis::decode::integer;
use crate::redis::describe;
use crate::redis::parse::{Arguments, replies, syntax_error, word};
use crate::redis::reply::{Protocol, Reply};
use crate::redis::table::CommandInfo;

/// HELLO: the version of the protocol, and options.
pub(crate) fn hello(words: &mut Arguments) -> Result<Command, Reply> {
    let protocol = match words.next() {
        None => None,
        Some(version) => match integer(&version) {
            None => {
                return Err(Reply::error(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
            Some(2) => Some(Protocol::Resp2),
            Some(3) => Some(Protocol::Resp3),
            Some(_) => return Err(Reply::error("NOPROTO unsupported protocol version")),
        },
    };
    let (mut auth, mut name) = (None, None);
    while let Some(option) = words.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"auth" if words.len() >= 2 => {
                auth = Some(Credentials {
                    user: Some(word(words)?),
                    password: word(words)?,
                });
            }
            b"setname" if words.len() >= 1 => name = Some(client_name(word(words)?)?),
            _ => {
                let mut text = b"ERR Syntax error in HELLO option '".to_vec();
                text.extend_from_slice(&option);
                text.push(b'\'');
                return Err(Reply::Error(text.into()));
            }
        }
    }
    Ok(Command::Hello { protocol, auth, name })
}

/// The other commands that are answered without the replica.
pub(crate) fn build(info: &CommandInfo, words: &mut Arguments) -> Result<LocalCommand, Reply> {
    if info.name.contains('|') {
        // The name of the subcommand.
        words.next();
    }
    let rest: Vec<Bytes> = words.collect();
    let words = &mut rest.clone().into_iter();
    let fixed = match info.name {
        "auth" => return auth(words),
        "client|id" => return Ok(LocalCommand::ClientId),
        "client|getname" => return Ok(LocalCommand::ClientGetName),
        "client|setname" => {
            let name = client_name(word(words)?)?;
            return Ok(LocalCommand::ClientSetName { name });
        }
        "client|setinfo" => return set_info(words),
        "client|info" | "client|list" => return Ok(LocalCommand::ClientInfo),
        "client|no-evict" => return on_or_off(words),
        "client|reply" => return replies(&word(words)?).map(LocalCommand::ClientReply),
        "config|get" => return Ok(LocalCommand::ConfigGet { patterns: rest }),
        "command" => describe::info(&[]),
        "command|info" => describe::info(&rest),
        "command|docs" => describe::docs(&rest),
        "command|count" => describe::count(),
        "command|getkeys" => describe::keys(&rest),
        "command|list" => match &rest[..] {
            [] => describe::list(None).ok_or_else(syntax_error)?,
            [by, kind, wanted] if by.eq_ignore_ascii_case(b"filterby") => {
                describe::list(Some((kind, wanted))).ok_or_else(syntax_error)?
            }
            _ => return Err(syntax_error()),
        },
        _ => help(info),
    };
    Ok(LocalCommand::Fixed(fixed))
}

fn auth(words: &mut Arguments) -> Result<LocalCommand, Reply> {
    let credentials = match (words.next(), words.next(), words.next()) {
        (Some(password), None, None) => Credentials { user: None, password },
        (user, Some(password), None) => Credentials { user, password },
        _ => return Err(syntax_error()),
    };
    Ok(LocalCommand::Auth(credentials))
}

/// A name that can be listed: visible ASCII characters without a space, or nothing.
fn client_name(name: Bytes) -> Result<Bytes, Reply> {
    if name.iter().all(u8::is_ascii_graphic) {
        Ok(name)
    } else {
        Err(Reply::error(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ))
    }
}

/// CLIENT SETINFO tells which library a client uses. It came with Redis 7.2.
fn set_info(words: &mut Arguments) -> Result<LocalCommand, Reply> {
    let (option, value) = (word(words)?, word(words)?);
    let known = [&b"lib-name"[..], b"lib-ver"];
    if !known.iter().any(|known| option.eq_ignore_ascii_case(known)) {
        let mut text = b"ERR Unrecognized option '".to_vec();
        text.extend_from_slice(&option);
        text.push(b'\'');
        return Err(Reply::Error(text.into()));
    }
    if value.iter().all(u8::is_ascii_graphic) {
        Ok(LocalCommand::Accepted)
    } else {
        let option = String::from_utf8_lossy(&option).into_owned();
        Err(Reply::error(format!(
            "ERR {option} cannot contain spaces, newlines or special characters."
        )))
    }
}

fn on_or_off(words: &mut Arguments) -> Result<LocalCommand, Reply> {
    let word = word(words)?;
    if word.eq_ignore_ascii_case(b"on") || word.eq_ignore_ascii_case(b"off") {
        Ok(LocalCommand::Accepted)
    } else {
        Err(syntax_error())
    }
}

/// HELP of a command with subcommands: each of them with its purpose.
fn help(info: &CommandInfo) -> Reply {
    let container = info.name.split('|').next().unwrap_or_default();
    let title = match container {
        "client" => "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "config" => "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        _ => "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    };
    let mut lines = vec![Reply::Status(title)];
    let container = crate::redis::table::find(container.as_bytes());
    for subcommand in container.into_iter().flat_map(CommandInfo::subcommands) {
        lines.push(Reply::Status(subcommand.name));
        lines.push(Reply::Status(subcommand.summary));
    }
    Reply::Array(lines)
}
