//! Where log lines go: with time stamps, to standard error or a file.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use crate::args::LogArguments;

/// Begins to log.
///
/// # Errors
/// If the level is not valid, or the file cannot be opened.
pub(crate) fn start(arguments: &LogArguments, default: &str) -> Result<(), String> {
    let level = arguments.log_level.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(level).map_err(|error| {
        format!("{level:?} is no log level: {error}; write error, warn, info, debug or trace")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // It would tell standard error of a log that cannot be written, with a macro that panics.
        .log_internal_errors(false);
    match &arguments.log_file {
        None => builder
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .init(),
        Some(path) => {
            let file = File::options()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|error| format!("cannot write the log to {}: {error}", path.display()))?;
            builder.with_ansi(false).with_writer(Mutex::new(file)).init();
        }
    }
    Ok(())
}
