//! Settings: flags, variables of the environment, a configuration file, defaults, in this order.
//!
//! Everything is derived from the command line as clap knows it. A flag `--log-bytes` of `kvpaxos serve` is the
//! key `log-bytes` in the table `[serve]`, or at the top of the file for all commands that have such a flag; and
//! it is the variable `KVPAXOS_SERVE_LOG_BYTES`, or `KVPAXOS_LOG_BYTES` for all commands. So nothing needs to be
//! added here for a new flag.

mod pages;
mod resolve;
mod schema;
mod show;
mod sources;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use crate::args::Arguments;
use crate::exit::Exit;
use crate::terminal::complain;
pub(crate) use pages::{completions, man};
use resolve::{Failure, resolve};
pub(crate) use show::config;
pub(crate) use sources::process;
use sources::{Environment, Variables};

/// The arguments of this process. If there are none, what is wrong has been printed, and this is the exit code.
pub(crate) fn arguments() -> Result<Arguments, Exit> {
    let words: Vec<OsString> = std::env::args_os().collect();
    parse(&words, &Environment).map_err(|failure| match failure {
        // With --help the program ends here.
        Failure::CommandLine(error) => error.exit(),
        Failure::Configuration(error) => {
            complain(error);
            Exit::Usage
        }
    })
}

fn parse(words: &[OsString], variables: &dyn Variables) -> Result<Arguments, Failure> {
    let program = Arguments::command();
    let resolved = resolve(&program, words, variables)?;
    let mut matches = resolved
        .matches(&program)
        .map_err(|error| resolved.explain(error))?;
    Arguments::from_arg_matches_mut(&mut matches)
        .map_err(|error| Failure::CommandLine(error.format(&mut Arguments::command())))
}

#[cfg(test)]
mod tests;
