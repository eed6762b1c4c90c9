//! The program `kvpaxos`: a demo, a replica as a process, clients, tools for data directories, and clusters
//! under load.
//!
//! `args`, `configuration` and `exit` are the interface; `terminal`, `text`, `signal`, `logging` and `processes` are what
//! commands share; every other module is a command. No command imports another, except that the demo uses the
//! prompt, and that the prompt and `cluster` print a status like `kvpaxos status`.
#![warn(clippy::disallowed_macros)]

mod args;
mod bench;
mod cert;
#[cfg(unix)]
mod cluster;
mod configuration;
mod data;
mod demo;
mod exit;
#[cfg(unix)]
mod growth;
mod log;
mod logging;
mod oneshot;
mod processes;
mod prompt;
mod recorder;
mod serve;
mod signal;
mod snapshot;
mod soak;
mod status;
mod terminal;
mod text;

use std::io;
use std::process::ExitCode;

use tokio::runtime::Runtime;

use args::{Arguments, Command, LogCommand};
use exit::Exit;
use logging::Log;
use terminal::complain;

fn main() -> ExitCode {
    // With wrong arguments or --help the program ends here, with exit code 2 or 0.
    let arguments = match configuration::arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    let level = match arguments.command {
        Command::Serve(_) => "info",
        // Acceptors fail on purpose there, and the show itself says so.
        Command::Demo(_) => "error",
        // A file has room for every request and its answer.
        Command::Client(_) | Command::Get(_) | Command::Put(_) | Command::Delete(_) | Command::Cas(_)
            if arguments.log.log_file.is_some() =>
        {
            "warn,kvpaxos_net::client=debug"
        }
        _ => "warn",
    };
    let log = match logging::start(&arguments.log, level) {
        Ok(log) => log,
        Err(error) => return fail(Exit::Usage, &error),
    };
    // Replicas and loads have a descriptor for each client. Without more of them they run as well, and a
    // replica says how many clients it serves.
    if let Err(error) = kvpaxos_net::raise_descriptor_limit() {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    match run(arguments, log) {
        Ok(exit) => terminal::finish(exit).into(),
        Err(error) => fail(Exit::Negative, &error),
    }
}

fn run(arguments: Arguments, log: Log) -> Result<Exit, String> {
    match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments, &multi_threaded()?),
        Command::Serve(arguments) => serve::run(arguments, &single_threaded()?, log),
        #[cfg(unix)]
        Command::Cluster(command) => cluster::run(&command, &single_threaded()?),
        Command::Cert(command) => cert::run(&command),
        Command::Format { member, if_missing } => Ok(data::format(&member, if_missing)),
        Command::Recover { member, discard } => Ok(data::recover(&member, discard)),
        Command::Log(LogCommand::Inspect { dir, records, json }) => log::inspect::run(&dir, records, json),
        Command::Log(LogCommand::Compare { dirs, rest, json }) => log::compare::run(&dirs, rest, json),
        Command::Client(arguments) => prompt::run(&arguments, &multi_threaded()?),
        Command::Bench(arguments) => bench::run(&arguments, &multi_threaded()?),
        Command::Soak(arguments) => soak::run(&arguments, &multi_threaded()?),
        #[cfg(unix)]
        Command::Growth(arguments) => growth::run(&arguments, &multi_threaded()?),
        Command::Snapshot(command) => snapshot::run(&command, &single_threaded()?),
        Command::Config(command) => Ok(configuration::config(&command, arguments.config.as_deref())),
        Command::Completions { shell } => Ok(configuration::completions(shell)),
        Command::Man { dir } => Ok(configuration::man(&dir)),
        Command::Status(arguments) => single_threaded()?.block_on(status::run(&arguments)),
        Command::Get(arguments) => single_threaded()?.block_on(oneshot::get(&arguments)),
        Command::Put(arguments) => single_threaded()?.block_on(oneshot::put(&arguments)),
        Command::Delete(arguments) => single_threaded()?.block_on(oneshot::delete(&arguments)),
        Command::Cas(arguments) => single_threaded()?.block_on(oneshot::cas(&arguments)),
    }
}

/// A runtime on this thread, where waking a task costs least: for one replica, whose disk has its own thread
/// anyway, and for single requests.
fn single_threaded() -> Result<Runtime, String> {
    build(tokio::runtime::Builder::new_current_thread())
}

/// A runtime with two threads of its own, so that this one can wait at a prompt.
fn multi_threaded() -> Result<Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2);
    build(builder)
}

/// Builds the runtime.
fn build(mut builder: tokio::runtime::Builder) -> Result<Runtime, String> {
    builder
        .enable_all()
        .build()
        .map_err(|error: io::Error| format!("the system gives no threads or timers: {error}"))
}

fn fail(exit: Exit, error: &str) -> ExitCode {
    complain(error);
    exit.into()
}
