//! Commands that send one request: `get`, `put`, `delete` and `cas`.

use std::io::{self, Read, Write as _};

use bytes::Bytes;
use kvpaxos_net::{Client, ClientError};

use crate::args::ServerArguments;
use crate::exit::Exit;
use crate::terminal::{complain, to_stdout};

pub(crate) async fn get(servers: &ServerArguments, key: String, raw: bool) -> Result<Exit, String> {
    let client = servers.client()?;
    let read = client.get(key.clone()).await;
    finish(client, read, |read| match read.value {
        Some(value) => {
            print_bytes(&value, !raw);
            Exit::Done
        }
        None => negative(&format!("{key:?} has no value")),
    })
    .await
}

pub(crate) async fn put(servers: &ServerArguments, key: String, value: &str) -> Result<Exit, String> {
    let Argument::Value(value) = argument(value, servers)? else {
        return Ok(too_long(servers));
    };
    let client = servers.client()?;
    let written = client.put(key, value).await;
    finish(client, written, |revision| print_line(&revision)).await
}

pub(crate) async fn delete(servers: &ServerArguments, key: String) -> Result<Exit, String> {
    let client = servers.client()?;
    let deleted = client.delete(key.clone()).await;
    finish(client, deleted, |deleted| {
        if deleted.existed {
            print_line(&deleted.revision)
        } else {
            negative(&format!("{key:?} has no value"))
        }
    })
    .await
}

/// What a compare-and-swap expects and sets; `None` stands for no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CasArguments {
    expect: Option<String>,
    value: Option<String>,
}

impl CasArguments {
    /// Takes OLD and NEW from the values, except where a flag replaces one.
    ///
    /// # Errors
    /// If there are too few or too many values, or both come from standard input.
    pub(crate) fn parse(values: Vec<String>, absent: bool, remove: bool) -> Result<CasArguments, String> {
        let wanted = 2 - usize::from(absent) - usize::from(remove);
        let given = values.len();
        if given != wanted {
            return Err(format!(
                "cas takes OLD and NEW, with --absent instead of OLD and --remove instead of NEW: here \
                 {wanted} values, not {given}"
            ));
        }
        if values.iter().filter(|value| *value == "-").count() > 1 {
            return Err("only one of OLD and NEW can be read from standard input".to_owned());
        }
        let mut values = values.into_iter();
        Ok(CasArguments {
            expect: if absent { None } else { values.next() },
            value: values.next(),
        })
    }
}

pub(crate) async fn cas(
    servers: &ServerArguments,
    key: String,
    arguments: CasArguments,
) -> Result<Exit, String> {
    let mut values = [None, None];
    for (value, text) in values.iter_mut().zip([arguments.expect, arguments.value]) {
        let Some(text) = text else { continue };
        match argument(&text, servers)? {
            Argument::Value(bytes) => *value = Some(bytes),
            Argument::TooLong => return Ok(too_long(servers)),
        }
    }
    let [expect, value] = values;
    let client = servers.client()?;
    let swapped = client.cas(key.clone(), expect, value).await;
    finish(client, swapped, |swapped| {
        if swapped.applied {
            print_line(&swapped.revision)
        } else {
            negative(&format!("{key:?} does not hold what was expected"))
        }
    })
    .await
}

/// Prints the result or the error, and ends the session in any case.
async fn finish<T>(
    client: Client,
    result: Result<T, ClientError>,
    print: impl FnOnce(T) -> Exit,
) -> Result<Exit, String> {
    let exit = match result {
        Ok(result) => print(result),
        Err(error) => {
            complain(&error);
            Exit::from(&error)
        }
    };
    client.close().await;
    Ok(exit)
}

/// A value on the command line.
enum Argument {
    Value(Bytes),
    /// It comes from standard input and is longer than any request holds.
    TooLong,
}

/// The argument itself, or standard input if it is `-`. Of standard input no more is read than one request
/// can hold, and one byte to see whether there is more.
fn argument(text: &str, servers: &ServerArguments) -> Result<Argument, String> {
    if text != "-" {
        return Ok(Argument::Value(Bytes::copy_from_slice(text.as_bytes())));
    }
    let limit = servers.transport().capacity();
    let mut bytes = Vec::new();
    io::stdin()
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read the value from standard input: {error}"))?;
    Ok(if bytes.len() <= limit {
        Argument::Value(bytes.into())
    } else {
        Argument::TooLong
    })
}

/// Says that a value on standard input is too long. Nothing was sent.
fn too_long(servers: &ServerArguments) -> Exit {
    let transport = servers.transport();
    complain(format_args!(
        "the value on standard input is longer than the {} bytes that a request over {transport} holds; nothing \
         was changed",
        transport.capacity()
    ));
    Exit::Refused
}

fn print_line(text: &impl ToString) -> Exit {
    print_bytes(text.to_string().as_bytes(), true);
    Exit::Done
}

/// Prints bytes as they are.
fn print_bytes(bytes: &[u8], newline: bool) {
    to_stdout(|out| {
        out.write_all(bytes)?;
        if newline { out.write_all(b"\n") } else { Ok(()) }
    });
}

/// Prints why the answer is no.
fn negative(why: &str) -> Exit {
    complain(why);
    Exit::Negative
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_for_values() {
        let swap = |values: &[&str], absent, remove| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            CasArguments::parse(values, absent, remove)
        };
        let some = |text: &str| Some(text.to_owned());
        let made = |expect, value| Ok(CasArguments { expect, value });
        assert_eq!(swap(&["a", "b"], false, false), made(some("a"), some("b")));
        assert_eq!(swap(&["b"], true, false), made(None, some("b")));
        assert_eq!(swap(&["a"], false, true), made(some("a"), None));
        assert!(swap(&["a"], false, false).is_err());
        assert!(swap(&["-", "-"], false, false).is_err());
    }
}
