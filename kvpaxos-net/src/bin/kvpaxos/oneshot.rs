//! Commands that send one request: `get`, `put`, `delete` and `cas`.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read, Write as _};

use bytes::Bytes;
use kvpaxos_net::{Client, ClientError};
use serde_json::{Value, json};

use crate::args::{CasArguments, DeleteArguments, GetArguments, PutArguments, RequestArguments};
use crate::exit::Exit;
use crate::status;
use crate::terminal::{complain, say, to_stdout};
use crate::text::{bytes_value, quoted, to_hex};

/// What a request came to: an exit code, and what to say.
struct Answer {
    exit: Exit,
    /// For standard output.
    text: Vec<u8>,
    /// For standard error, if the answer is no.
    complaint: Option<String>,
    json: Value,
}

/// Why there is no answer.
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// A value on standard input is longer than any request holds; nothing was sent.
    TooLong(String),
    /// Standard input cannot be read.
    Input(String),
    Client(ClientError),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::Client(error)
    }
}

pub(crate) async fn get(arguments: &GetArguments) -> Result<Exit, String> {
    let request = &arguments.request;
    let client = request.servers.client()?;
    let answer = async {
        let key = request.bytes(&arguments.key).map_err(Failure::Usage)?;
        let read = client.get(key.clone()).await?;
        let json = json!({
            "key": bytes_value(&key), "value": read.value.as_deref().map(bytes_value),
            "revision": read.revision.to_string(),
        });
        Ok(match read.value {
            Some(value) => Answer {
                exit: Exit::Done,
                text: shown(&value, arguments),
                complaint: None,
                json,
            },
            None => no(format!("{} has no value", quoted(&key, SHOWN)), json),
        })
    };
    let answer = answer.await;
    Ok(finish(client, request, answer).await)
}

pub(crate) async fn put(arguments: &PutArguments) -> Result<Exit, String> {
    let request = &arguments.request;
    let client = request.servers.client()?;
    let answer = async {
        let key = request.bytes(&arguments.key).map_err(Failure::Usage)?;
        let value = argument(&arguments.value, request)?;
        let revision = client.put(key, value).await?.to_string();
        let json = json!({ "revision": revision });
        Ok(yes(&revision, json))
    };
    let answer = answer.await;
    Ok(finish(client, request, answer).await)
}

pub(crate) async fn delete(arguments: &DeleteArguments) -> Result<Exit, String> {
    let request = &arguments.request;
    let client = request.servers.client()?;
    let answer = async {
        let key = request.bytes(&arguments.key).map_err(Failure::Usage)?;
        let deleted = client.delete(key.clone()).await?;
        let revision = deleted.revision.to_string();
        let json = json!({ "revision": revision, "existed": deleted.existed });
        Ok(if deleted.existed {
            yes(&revision, json)
        } else {
            no(format!("{} has no value", quoted(&key, SHOWN)), json)
        })
    };
    let answer = answer.await;
    Ok(finish(client, request, answer).await)
}

pub(crate) async fn cas(arguments: &CasArguments) -> Result<Exit, String> {
    let request = &arguments.request;
    let client = request.servers.client()?;
    let answer = async {
        let key = request.bytes(&arguments.key).map_err(Failure::Usage)?;
        let [expect, value] = arguments.swap().map_err(Failure::Usage)?;
        let expect = expect.map(|word| argument(word, request)).transpose()?;
        let value = value.map(|word| argument(word, request)).transpose()?;
        let swapped = client.cas(key.clone(), expect, value).await?;
        let revision = swapped.revision.to_string();
        let json = json!({ "revision": revision, "applied": swapped.applied });
        Ok(if swapped.applied {
            yes(&revision, json)
        } else {
            no(
                format!("{} does not hold what was expected", quoted(&key, SHOWN)),
                json,
            )
        })
    };
    let answer = answer.await;
    Ok(finish(client, request, answer).await)
}

/// How many bytes of a key are shown in a complaint.
const SHOWN: usize = 256;

fn yes(revision: &str, json: Value) -> Answer {
    Answer {
        exit: Exit::Done,
        text: format!("{revision}\n").into_bytes(),
        complaint: None,
        json,
    }
}

fn no(why: String, json: Value) -> Answer {
    Answer {
        exit: Exit::Negative,
        text: Vec::new(),
        complaint: Some(why),
        json,
    }
}

/// A value for standard output. A pipe or a file gets its bytes and nothing else; a person gets a line, in
/// quotation marks if a terminal could take a part of it for a command.
fn shown(value: &[u8], arguments: &GetArguments) -> Vec<u8> {
    if arguments.request.hex {
        return format!("{}\n", to_hex(value)).into_bytes();
    }
    if arguments.raw || !io::stdout().is_terminal() {
        return value.to_vec();
    }
    for_person(value).into_bytes()
}

fn for_person(value: &[u8]) -> String {
    match str::from_utf8(value) {
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') => format!("{text}\n"),
        _ => format!("{}\n", quoted(value, usize::MAX)),
    }
}

/// Prints the answer or the failure, and ends the session in any case.
async fn finish(client: Client, request: &RequestArguments, answer: Result<Answer, Failure>) -> Exit {
    let exit = match answer {
        Ok(answer) => {
            if request.json {
                say!("{}", answer.json);
            } else {
                to_stdout(|out| out.write_all(&answer.text));
                if let Some(why) = answer.complaint {
                    complain(why);
                }
            }
            answer.exit
        }
        Err(failure) => {
            let (exit, error) = match failure {
                Failure::Usage(error) => (Exit::Usage, error),
                Failure::TooLong(error) => (Exit::Refused, error),
                Failure::Input(error) => (Exit::Negative, error),
                Failure::Client(error) => (
                    Exit::from(&error),
                    status::explain(&error, &request.servers).await,
                ),
            };
            if request.json {
                say!("{}", json!({ "exit": exit as u8, "error": error }));
            }
            complain(error);
            exit
        }
    };
    client.close().await;
    exit
}

/// The argument itself, or standard input if it is `-`. Of standard input no more is read than one request
/// can hold, and one byte to see whether there is more.
fn argument(word: &OsString, request: &RequestArguments) -> Result<Bytes, Failure> {
    if word != "-" {
        return request.bytes(word).map_err(Failure::Usage);
    }
    let transport = request.servers.transport();
    let limit = transport.capacity();
    let mut bytes = Vec::new();
    let read = io::stdin().take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Input(format!("cannot read the value from standard input: {error}")))?;
    if bytes.len() > limit {
        return Err(Failure::TooLong(format!(
            "the value on standard input is longer than the {limit} bytes that a request over {transport} \
             holds; nothing was changed"
        )));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_sequences() {
        assert_eq!(for_person(b"two\nlines"), "two\nlines\n");
        assert_eq!(for_person(b"\x1b[2J"), "\"\\u{1b}[2J\"\n");
        assert_eq!(for_person(b"\xff"), "\"\\xff\"\n");
    }
}
