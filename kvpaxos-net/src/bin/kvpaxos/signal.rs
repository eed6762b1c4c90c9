//! The signals that ask this process to stop: SIGTERM and SIGINT, or Ctrl-C.

use std::io;

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
