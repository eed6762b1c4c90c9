//! The prompt: reads commands from a terminal or a pipe, and carries them out.

mod actions;
mod editor;
mod parse;
mod walkthrough;

use std::io::{self, BufRead, IsTerminal};
use std::time::Instant;

use kvpaxos_net::{Client, ClientError, NodeHandle, RestartMemory};
use tokio::runtime::Runtime;

use crate::args::{ClientArguments, ServerArguments};
use crate::exit::Exit;
use crate::signal::Interrupts;
use crate::status;
use crate::terminal::{complain, say};
pub(crate) use actions::{delete, get, put};
use editor::{Editor, Entered};
use parse::{PromptCommand, parse};

const HELP: &str = r#"  PUT key value        set a key
  GET key              read it; the read is linearizable
  DELETE key           remove it
  CAS key old new      set it to new if it holds old; - as old: if it has no value, - as new: remove it
  STATUS               print what each replica knows of itself and its peers
  HELP                 print this
  EXIT                 leave (so does Ctrl-D)
Put quotes around words with spaces, and around - if the value of CAS is a dash: PUT "my key" "my value".
Within quotes, \" \\ \n \r \t \0, \xff and \u{e9} are understood. A line that begins with # is a comment.
Tab completes commands, and the arrow keys bring back earlier lines. Ctrl-C ends the wait for an answer."#;

const HELP_NODES: &str = "  FAIL r2 acceptor     make a role fail: acceptor, proposer or learner
  RESTART r2 acceptor  restart it with the memory in its log";

/// Runs a prompt for a cluster of other processes.
pub(crate) fn run(arguments: &ClientArguments, runtime: &Runtime) -> Result<Exit, String> {
    let _inside = runtime.enter();
    // With a name, log lines say whose they are.
    let span = arguments
        .name
        .as_ref()
        .map(|name| tracing::error_span!("client", name));
    let _named = span.as_ref().map(tracing::Span::enter);
    let interrupts =
        Interrupts::listen(|| ()).map_err(|error| format!("cannot listen for signals: {error}"))?;
    let prompt = Prompt {
        runtime,
        client: arguments.servers.client()?,
        servers: arguments.servers.clone(),
        nodes: Vec::new(),
        name: arguments.name.clone(),
        interrupts,
    };
    runtime.block_on(prompt.greet())?;
    if arguments.walkthrough {
        let walkthrough = walkthrough::run(&prompt.client);
        let exit = runtime.block_on(prompt.interrupts.or_interrupted(walkthrough));
        return prompt.run(exit.unwrap_or(Exit::Done));
    }
    prompt.run(Exit::Done)
}

/// A prompt, and the cluster that it talks to.
pub(crate) struct Prompt<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) client: Client,
    /// The servers that STATUS asks.
    pub(crate) servers: ServerArguments,
    /// The replicas in this process, whose roles FAIL can make fail.
    pub(crate) nodes: Vec<NodeHandle>,
    /// The name of this client.
    pub(crate) name: Option<String>,
    pub(crate) interrupts: Interrupts,
}

impl Prompt<'_> {
    /// Says whether the cluster serves, before anybody waits for it in vain.
    async fn greet(&self) -> Result<(), String> {
        let report = status::ask(&self.servers).await?;
        let (exit, verdict) = report.verdict();
        let serves = exit == Exit::Done;
        if !io::stdin().is_terminal() {
            if !matches!(exit, Exit::Done | Exit::Impaired) {
                complain(&verdict);
            }
        } else if serves {
            say!("{verdict}");
        } else {
            status::print(&report);
        }
        Ok(())
    }

    /// Runs until EXIT or the end of input, and ends the session. From a pipe the exit code is that of the
    /// first command that failed, `before` included; a person has seen what failed.
    pub(crate) fn run(self, before: Exit) -> Result<Exit, String> {
        let exit = if io::stdin().is_terminal() {
            self.interactive()?;
            Exit::Done
        } else {
            self.piped(io::stdin().lock(), before)?
        };
        self.runtime.block_on(self.client.close());
        Ok(exit)
    }

    fn piped(&self, mut input: impl BufRead, before: Exit) -> Result<Exit, String> {
        let mut exit = before;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = input
                .read_until(b'\n', &mut line)
                .map_err(|error| format!("cannot read a command: {error}"))?;
            if length == 0 {
                return Ok(exit);
            }
            match self.run_line(&line, |error: &str| complain(error)) {
                Some(outcome) if exit == Exit::Done => exit = outcome,
                Some(_) => {}
                None => return Ok(exit),
            }
        }
    }

    fn interactive(&self) -> Result<(), String> {
        say!("HELP lists the commands.");
        let mut editor = Editor::new()?;
        let prompt = match &self.name {
            Some(name) => format!("kvpaxos {name}> "),
            None => "kvpaxos> ".to_owned(),
        };
        loop {
            match editor.read(&prompt)? {
                Entered::Line(line) => {
                    if self
                        .run_line(line.as_bytes(), |error| say!("error: {error}"))
                        .is_none()
                    {
                        break;
                    }
                }
                Entered::Interrupted => say!("Leave with EXIT or Ctrl-D."),
                Entered::End => break,
            }
        }
        editor.save();
        Ok(())
    }

    /// Carries out a line. Returns its exit code, or `None` if the prompt is to end.
    fn run_line(&self, line: &[u8], tell: impl Fn(&str)) -> Option<Exit> {
        let command = match parse(line) {
            Ok(PromptCommand::Exit) => return None,
            Ok(command) => command,
            Err(error) => {
                tell(&error);
                return Some(Exit::Usage);
            }
        };
        let done = self.interrupts.or_interrupted(self.execute(command));
        match self.runtime.block_on(done) {
            Some(Ok(())) => Some(Exit::Done),
            Some(Err((exit, error))) => {
                tell(&error);
                Some(exit)
            }
            None => {
                tell("interrupted: if it was a write, it may have been done, or may still be");
                Some(Exit::Unknown)
            }
        }
    }

    /// The answer to a request, or its exit code and why it has none.
    async fn answer(
        &self,
        request: impl Future<Output = Result<String, ClientError>>,
    ) -> Result<String, (Exit, String)> {
        match request.await {
            Ok(answer) => Ok(answer),
            Err(error) => Err((Exit::from(&error), status::explain(&error, &self.servers).await)),
        }
    }

    /// Carries out a command and prints its answer.
    ///
    /// # Errors
    /// The exit code and what to say.
    async fn execute(&self, command: PromptCommand) -> Result<(), (Exit, String)> {
        let began = Instant::now();
        let answer = match command {
            PromptCommand::Nothing | PromptCommand::Exit => return Ok(()),
            PromptCommand::Help => {
                say!("{HELP}");
                if !self.nodes.is_empty() {
                    say!("{HELP_NODES}");
                }
                return Ok(());
            }
            PromptCommand::Status => {
                let report = status::ask(&self.servers).await;
                status::print(&report.map_err(|error| (Exit::Negative, error))?);
                return Ok(());
            }
            PromptCommand::Put { key, value } => self.answer(put(&self.client, key, value)).await?,
            PromptCommand::Get { key } => self.answer(get(&self.client, key)).await?,
            PromptCommand::Delete { key } => self.answer(delete(&self.client, key)).await?,
            PromptCommand::Cas { key, expect, value } => {
                self.answer(actions::cas(&self.client, key, expect, value))
                    .await?
            }
            PromptCommand::Fail { replica, role } => {
                self.node(replica)?.fail(role).await;
                "it has failed; RESTART brings it back".to_owned()
            }
            PromptCommand::Restart { replica, role } => {
                self.node(replica)?.restart(role, RestartMemory::Kept).await;
                "it reads its log and restarts".to_owned()
            }
        };
        say!("{answer}  ({:.1} ms)", began.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }

    fn node(&self, replica: u8) -> Result<&NodeHandle, (Exit, String)> {
        let wrong = |what: &str| (Exit::Usage, what.to_owned());
        if self.nodes.is_empty() {
            return Err(wrong("FAIL and RESTART work in the demo only"));
        }
        let found = self.nodes.iter().find(|node| node.id().0 == replica);
        found.ok_or_else(|| wrong(&format!("there is no replica r{replica} here")))
    }
}
