//! The program `kvpaxos`: a cluster to try out, one replica as a process, and clients.

mod args;
mod bench;
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
mod serve;
mod signal;
mod soak;
mod terminal;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;

use args::{Arguments, Command, LogCommand};
use exit::Exit;
use terminal::complain;

fn main() -> ExitCode {
    // Wrong arguments and --help end here, with 2 and 0.
    let arguments = Arguments::parse();
    let level = match arguments.command {
        Command::Serve(_) => "info",
        _ => "warn",
    };
    if let Err(error) = logging::start(&arguments.log, level) {
        return fail(Exit::Usage, &error);
    }
    match run(arguments.command) {
        Ok(exit) => exit.into(),
        Err(error) => fail(Exit::Not, &error),
    }
}

fn run(command: Command) -> Result<Exit, String> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments, &threads()?),
        Command::Serve(arguments) => serve::run(arguments, &single()?),
        Command::Format(member) => Ok(data::format(&member)),
        Command::Recover { member, discard } => Ok(data::recover(&member, discard)),
        Command::Log(LogCommand::Inspect { dir, records, json }) => log::inspect::run(&dir, records, json),
        Command::Log(LogCommand::Compare { dirs, rest, json }) => log::compare::run(&dirs, rest, json),
        Command::Client(servers) => prompt::run(&servers, &threads()?),
        Command::Bench(arguments) => bench::run(arguments, &threads()?),
        Command::Soak(arguments) => soak::run(&arguments, &threads()?),
        #[cfg(unix)]
        Command::Growth(arguments) => growth::run(&arguments, &threads()?),
        Command::Status(servers) => single()?.block_on(oneshot::status(&servers)),
        Command::Get { key, raw, servers } => single()?.block_on(oneshot::get(&servers, key, raw)),
        Command::Put { key, value, servers } => single()?.block_on(oneshot::put(&servers, key, &value)),
        Command::Delete { key, servers } => single()?.block_on(oneshot::delete(&servers, key)),
        Command::Cas {
            key,
            values,
            absent,
            remove,
            servers,
        } => match oneshot::Swap::from_arguments(values, absent, remove) {
            Ok(swap) => single()?.block_on(oneshot::cas(&servers, key, swap)),
            Err(error) => {
                complain(&error);
                Ok(Exit::Usage)
            }
        },
    }
}

/// Everything on one thread, where wake-ups cost least: for one replica, whose disk has a thread of its own anyway, and for
/// short errands.
fn single() -> Result<Runtime, String> {
    built(tokio::runtime::Builder::new_current_thread())
}

/// Threads of its own, so that this one can wait at a prompt.
fn threads() -> Result<Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2);
    built(builder)
}

fn built(mut builder: tokio::runtime::Builder) -> Result<Runtime, String> {
    builder
        .enable_all()
        .build()
        .map_err(|error: io::Error| format!("the system gives no threads or timers: {error}"))
}

fn fail(exit: Exit, error: &str) -> ExitCode {
    complain(error);
    exit.into()
}
