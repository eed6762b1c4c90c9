//! The prompt: reads commands from a terminal or a pipe, and carries them out.

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
use crate::status;
use crate::terminal::say;
use parse::{PromptCommand, parse};

const HELP: &str = r#"  PUT key value        set a key
  GET key              read it; the read is linearizable
  DELETE key           remove it
  CAS key old new      set it to new if it holds old; - as old: if it has no value, - as new: remove it
  STATUS               print what each replica knows of itself and its peers
  HELP                 print this
  EXIT                 leave (so does Ctrl-D)
Put quotes around words with spaces: PUT "my key" "my value". Within quotes, \" \\ \n and \t are understood."#;

const HELP_NODES: &str = "  FAIL r2 acceptor     make a role fail: acceptor, proposer or learner
  RESTART r2 acceptor  restart it with the memory in its log";

/// Runs a prompt for a cluster of other processes.
pub(crate) fn run(servers: &ServerArguments, runtime: &Runtime) -> Result<Exit, String> {
    let _inside = runtime.enter();
    let client = servers.client()?;
    let prompt = Prompt {
        runtime,
        client,
        servers: servers.clone(),
        nodes: Vec::new(),
    };
    prompt.run()?;
    Ok(Exit::Done)
}

/// A prompt, and the cluster that it talks to.
pub(crate) struct Prompt<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) client: Client,
    /// The servers that STATUS asks.
    pub(crate) servers: ServerArguments,
    /// The replicas in this process, whose roles FAIL can make fail.
    pub(crate) nodes: Vec<NodeHandle>,
}

impl Prompt<'_> {
    /// Runs until EXIT or the end of input.
    pub(crate) fn run(self) -> Result<(), String> {
        if io::stdin().is_terminal() {
            self.interactive()?;
        } else {
            for line in io::stdin().lock().lines() {
                let line = line.map_err(|error| format!("cannot read a command: {error}"))?;
                if !self.run_line(&line) {
                    break;
                }
            }
        }
        self.runtime.block_on(self.client.close());
        Ok(())
    }

    fn interactive(&self) -> Result<(), String> {
        let broken = |error: ReadlineError| format!("cannot read from the terminal: {error}");
        say!("HELP lists the commands.");
        let mut editor = rustyline::DefaultEditor::new().map_err(broken)?;
        let history = history_file();
        if let Some(path) = &history {
            // The first time there is none.
            let _ = editor.load_history(path);
        }
        loop {
            match editor.readline("kvpaxos> ") {
                Ok(line) => {
                    if !line.trim().is_empty() {
                        let _ = editor.add_history_entry(line.as_str());
                    }
                    if !self.run_line(&line) {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => say!("Leave with EXIT or Ctrl-D."),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(broken(error)),
            }
        }
        if let Some(path) = &history
            && let Err(error) = editor.save_history(path)
        {
            tracing::info!(path = %path.display(), %error, "cannot save the history of commands");
        }
        Ok(())
    }

    /// Carries out a line. Returns `false` if the prompt is to end.
    fn run_line(&self, text: &str) -> bool {
        match parse(text) {
            Ok(PromptCommand::Exit) => return false,
            Ok(command) => self.runtime.block_on(self.execute(command)),
            Err(error) => say!("error: {error}"),
        }
        true
    }

    async fn execute(&self, command: PromptCommand) {
        let began = Instant::now();
        let answer = match command {
            PromptCommand::Nothing | PromptCommand::Exit => return,
            PromptCommand::Help => {
                say!("{HELP}");
                if !self.nodes.is_empty() {
                    say!("{HELP_NODES}");
                }
                return;
            }
            PromptCommand::Status => {
                match status::ask(&self.servers).await {
                    Ok(report) => status::print(&report),
                    Err(error) => say!("error: {error}"),
                }
                return;
            }
            PromptCommand::Put { key, value } => put(&self.client, key, value).await,
            PromptCommand::Get { key } => get(&self.client, key).await,
            PromptCommand::Delete { key } => delete(&self.client, key).await,
            PromptCommand::Cas { key, expect, value } => self.cas(key, expect, value).await,
            PromptCommand::Fail { replica, role } => match self.node(replica) {
                Err(error) => Ok(error),
                Ok(node) => {
                    node.fail(role).await;
                    Ok("it has failed; RESTART brings it back".to_owned())
                }
            },
            PromptCommand::Restart { replica, role } => match self.node(replica) {
                Err(error) => Ok(error),
                Ok(node) => {
                    node.restart(role, RestartMemory::Kept).await;
                    Ok("it reads its log and restarts".to_owned())
                }
            },
        };
        match answer {
            Ok(text) => say!("{text}  ({:.1} ms)", began.elapsed().as_secs_f64() * 1e3),
            Err(error) => say!("error: {error}"),
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
            "not swapped: the key holds another value"
        };
        Ok(format!("{what}, revision {}", swapped.revision))
    }

    fn node(&self, replica: u8) -> Result<&NodeHandle, String> {
        if self.nodes.is_empty() {
            return Err("error: FAIL and RESTART work in the demo only".to_owned());
        }
        let found = self.nodes.iter().find(|node| node.id().0 == replica);
        found.ok_or_else(|| format!("error: there is no replica r{replica} here"))
    }
}

/// Puts, and returns the line to print. The demo uses it too.
pub(crate) async fn put(client: &Client, key: String, value: String) -> Result<String, ClientError> {
    let revision = client.put(key, value).await?;
    Ok(format!("ok, revision {revision}"))
}

/// Gets, and returns the line to print.
pub(crate) async fn get(client: &Client, key: String) -> Result<String, ClientError> {
    Ok(match client.get(key).await?.value {
        Some(value) => format!("{:?}", String::from_utf8_lossy(&value)),
        None => "no value".to_owned(),
    })
}

/// Deletes, and returns the line to print.
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
