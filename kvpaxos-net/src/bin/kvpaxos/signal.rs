//! The signals that ask a process to stop.

use std::io;

/// What asks a process to stop.
#[cfg(unix)]
pub(crate) struct Signal {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signal {
    pub(crate) fn listen() -> io::Result<Signal> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signal {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn wait(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// What asks a process to stop.
#[cfg(not(unix))]
pub(crate) struct Signal;

#[cfg(not(unix))]
impl Signal {
    pub(crate) fn listen() -> io::Result<Signal> {
        Ok(Signal)
    }

    pub(crate) async fn wait(self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // Nobody can be heard: run until killed.
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
