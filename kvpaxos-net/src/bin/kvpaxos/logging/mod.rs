//! Where log lines go: with time stamps, to standard error or a file, as text or as JSON.
//!
//! A log line never stops a replica, and never makes it wait: a thread of its own writes them ([`writer`]), and
//! what a full disk does not take is counted.

mod file;
mod problems;
mod writer;

use std::io::{self, IsTerminal};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{LogArguments, LogFormat};
use file::LogFile;
use problems::Problems;
pub(crate) use writer::Log;
use writer::Output;

/// Begins to log. The last lines are written when the result is dropped.
///
/// # Errors
/// If the level is not valid, or the file cannot be opened.
pub(crate) fn start(arguments: &LogArguments, default: &str) -> Result<Log, String> {
    let filter = filter(arguments.log_level.as_deref().unwrap_or(default))?;
    let (output, is_terminal) = match &arguments.log_file {
        None => (Output::StandardError, io::stderr().is_terminal()),
        Some(path) => {
            let file = LogFile::open(path, arguments.log_file_bytes, arguments.log_files_kept)
                .map_err(|error| format!("cannot write the log to {}: {error}", path.display()))?;
            (Output::File(file), false)
        }
    };
    let log = Log::start(output, arguments.log_format)
        .map_err(|error| format!("the system gives no threads: {error}"))?;
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(log.lines())
        // https://no-color.org
        .with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
        .with_target(false);
    let layer = match arguments.log_format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .with(Problems)
        .init();
    Ok(log)
}

/// Reads a level, or a list of levels and modules with their levels. Other words are refused: the module
/// `inof` at all levels is hardly meant.
fn filter(text: &str) -> Result<Targets, String> {
    let mut filter = Targets::new();
    for part in text.split(',').map(str::trim) {
        let (module, level) = match part.split_once('=') {
            None => (None, part),
            Some((module, level)) => (Some(module.trim()), level.trim()),
        };
        let known = level.chars().all(|c| c.is_ascii_alphabetic());
        let level = level
            .parse::<LevelFilter>()
            .ok()
            .filter(|_| known && !level.is_empty());
        let is_path = |module: &str| {
            module
                .split("::")
                .all(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        filter = match (module, level) {
            (None, Some(level)) => filter.with_default(level),
            (Some(module), Some(level)) if is_path(module) => filter.with_target(module, level),
            _ => {
                return Err(format!(
                    "{part:?} is no log level; write off, error, warn, info, debug or trace, or a list such as \
                     warn,kvpaxos_net::links=debug"
                ));
            }
        };
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_other_words_are_refused() {
        for good in [
            "info",
            "WARN",
            "off",
            "warn,kvpaxos_net::links=debug",
            "kvpaxos_net=trace, error",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "inof",
            "5",
            "warn,",
            "links",
            "kvpaxos-net=debug",
            "a=b",
            "=debug",
            "a::=debug",
        ] {
            let error = filter(bad).unwrap_err();
            assert!(error.contains("is no log level; write"), "{error}");
        }
    }
}
