//! The prompt: reads commands from a terminal or a pipe, and asks the cluster.

mod parse;

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use kvpaxos_net::{Client, ClientError, NodeHandle, RestartMemory};
use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;

use crate::args::ServerArguments;
use crate::exit::Exit;
use crate::oneshot;
use parse::{Line, parse};

const HELP: &str = r#"  PUT key value        set a key
  GET key              read it, linearizably
  DELETE key           remove it
  CAS key old new      set it to new if it holds old; - for old: has no value, - for new: remove it
  STATUS               what each replica knows of itself and its peers
  HELP                 this
  EXIT                 leave (so does Ctrl-D)
Put quotes around what has spaces: PUT "my key" "my value"; within quotes, \" \\ \n and \t are understood."#;

const HELP_NODES: &str = "  FAIL r2 acceptor     let a role fail: acceptor, proposer or learner
  RESTART r2 acceptor  let it start again, with what its log holds";

/// A prompt against a cluster that runs elsewhere.
pub(crate) fn run(servers: &ServerArguments, runtime: &Runtime) -> Result<Exit, String> {
    let _inside = runtime.enter();
    let client = Client::new(servers.options()).map_err(|error| error.to_string())?;
    let session = Session {
        runtime,
        client,
        servers: servers.clone(),
        nodes: Vec::new(),
    };
    session.run()?;
    Ok(Exit::Done)
}

/// Whom a prompt talks to.
pub(crate) struct Session<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) client: Client,
    /// For STATUS, which asks each of them.
    pub(crate) servers: ServerArguments,
    /// Replicas of this process, whose roles can be made to fail.
    pub(crate) nodes: Vec<NodeHandle>,
}

impl Session<'_> {
    /// Runs until EXIT or the end of input.
    pub(crate) fn run(self) -> Result<(), String> {
        if io::stdin().is_terminal() {
            self.interactive()?;
        } else {
            for line in io::stdin().lock().lines() {
                let line = line.map_err(|error| format!("cannot read a command: {error}"))?;
                if !self.obey(&line) {
                    break;
                }
            }
        }
        self.runtime.block_on(self.client.close());
        Ok(())
    }

    fn interactive(&self) -> Result<(), String> {
        let broken = |error: ReadlineError| format!("cannot read from the terminal: {error}");
        println!("HELP lists the commands.");
        let mut editor = rustyline::DefaultEditor::new().map_err(broken)?;
        let history = history_file();
        if let Some(path) = &history {
            // There is none the first time.
            let _ = editor.load_history(path);
        }
        loop {
            match editor.readline("kvpaxos> ") {
                Ok(line) => {
                    if !line.trim().is_empty() {
                        let _ = editor.add_history_entry(line.as_str());
                    }
                    if !self.obey(&line) {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => println!("EXIT or Ctrl-D leaves."),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(broken(error)),
            }
        }
        if let Some(path) = &history
            && let Err(error) = editor.save_history(path)
        {
            tracing::info!(path = %path.display(), %error, "the history was not saved");
        }
        Ok(())
    }

    /// Does what a line says; `false` if it says to leave.
    fn obey(&self, text: &str) -> bool {
        match parse(text) {
            Ok(Line::Exit) => return false,
            Ok(line) => self.runtime.block_on(self.execute(line)),
            Err(error) => println!("error: {error}"),
        }
        true
    }

    async fn execute(&self, line: Line) {
        let began = Instant::now();
        let answer = match line {
            Line::Nothing | Line::Exit => return,
            Line::Help => {
                println!("{HELP}");
                if !self.nodes.is_empty() {
                    println!("{HELP_NODES}");
                }
                return;
            }
            Line::Status => {
                if let Err(error) = oneshot::status(&self.servers).await {
                    println!("error: {error}");
                }
                return;
            }
            Line::Put { key, value } => put(&self.client, key, value).await,
            Line::Get { key } => get(&self.client, key).await,
            Line::Delete { key } => delete(&self.client, key).await,
            Line::Cas { key, expect, value } => self.cas(key, expect, value).await,
            Line::Fail { replica, role } => match self.node(replica) {
                Err(error) => Ok(error),
                Ok(node) => {
                    node.fail(role).await;
                    Ok("it has failed; RESTART brings it back".to_owned())
                }
            },
            Line::Restart { replica, role } => match self.node(replica) {
                Err(error) => Ok(error),
                Ok(node) => {
                    node.restart(role, RestartMemory::Kept).await;
                    Ok("it reads its log and starts again".to_owned())
                }
            },
        };
        match answer {
            Ok(text) => println!("{text}  ({:.1} ms)", began.elapsed().as_secs_f64() * 1e3),
            Err(error) => println!("error: {error}"),
        }
    }

    async fn cas(
        &self,
        key: String,
        expect: Option<String>,
        value: Option<String>,
    ) -> Result<String, ClientError> {
        let (expect, value) = (expect.map(Bytes::from), value.map(Bytes::from));
        let swapped = self.client.cas(key, expect, value).await?;
        let what = if swapped.applied {
            "swapped"
        } else {
            "not swapped: the key does not hold that"
        };
        Ok(format!("{what}, revision {}", swapped.revision))
    }

    fn node(&self, replica: u8) -> Result<&NodeHandle, String> {
        if self.nodes.is_empty() {
            return Err("error: only the demo's own replicas can be made to fail from here".to_owned());
        }
        let found = self.nodes.iter().find(|node| node.id().0 == replica);
        found.ok_or_else(|| format!("error: there is no replica r{replica} here"))
    }
}

/// Also the demo's way to put, so that it prints alike.
pub(crate) async fn put(client: &Client, key: String, value: String) -> Result<String, ClientError> {
    let revision = client.put(key, value).await?;
    Ok(format!("ok, revision {revision}"))
}

/// See [`put`].
pub(crate) async fn get(client: &Client, key: String) -> Result<String, ClientError> {
    Ok(match client.get(key).await?.value {
        Some(value) => format!("{:?}", String::from_utf8_lossy(&value)),
        None => "no value".to_owned(),
    })
}

/// See [`put`].
pub(crate) async fn delete(client: &Client, key: String) -> Result<String, ClientError> {
    let deleted = client.delete(key).await?;
    let what = if deleted.existed {
        "deleted"
    } else {
        "there was no value"
    };
    Ok(format!("{what}, revision {}", deleted.revision))
}

fn history_file() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".kvpaxos_history"))
}
