//! The signals that ask this process to stop: SIGTERM and SIGINT, or Ctrl-C.

use std::io;
use std::sync::Arc;

use crate::logging::Log;

/// Opens the log file again whenever SIGHUP comes. The task ends with its runtime.
#[cfg(unix)]
pub(crate) fn reopen_on_signal(log: Arc<Log>) {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    log.reopen();
                    tracing::info!(signal = "SIGHUP", "the log file is opened again");
                }
            });
        }
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGHUP: the log file will not be opened again");
        }
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
pub(crate) fn reopen_on_signal(_: Arc<Log>) {}

/// Listens for the signals that ask this process to stop.
#[cfg(unix)]
pub(crate) struct StopSignal {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignal {
    /// Begins to listen. From now on no signal is missed.
    pub(crate) fn listen() -> io::Result<StopSignal> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(StopSignal {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal, and returns its name.
    pub(crate) async fn wait(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Listens for the signals that ask this process to stop.
#[cfg(not(unix))]
pub(crate) struct StopSignal;

#[cfg(not(unix))]
impl StopSignal {
    /// Begins to listen. From now on no signal is missed.
    pub(crate) fn listen() -> io::Result<StopSignal> {
        Ok(StopSignal)
    }

    /// Waits for a signal, and returns its name.
    pub(crate) async fn wait(self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // There is no signal to wait for: run until killed.
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
