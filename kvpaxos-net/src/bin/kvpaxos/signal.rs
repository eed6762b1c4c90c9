//! The signals that ask this process to stop: SIGTERM and SIGINT, or Ctrl-C.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvpaxos_net::ReplicaTls;
use tokio::sync::Notify;

use crate::logging::Log;

/// Opens the log file and reads the certificates again whenever SIGHUP comes. The task ends with its runtime.
#[cfg(unix)]
pub(crate) fn reopen_on_signal(log: Arc<Log>, tls: Option<ReplicaTls>) {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    if log.is_file() {
                        log.reopen();
                        tracing::info!(signal = "SIGHUP", "the log file is opened again");
                    }
                    if let Some(tls) = &tls {
                        tls.reload_and_log();
                    }
                }
            });
        }
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGHUP: it will open no log file again");
        }
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
pub(crate) fn reopen_on_signal(_: Arc<Log>, _: Option<ReplicaTls>) {}

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

/// What Ctrl-C does where requests are waited for: it ends the wait, or else the program.
#[derive(Clone)]
pub(crate) struct Interrupts(Arc<Waiting>);

struct Waiting {
    /// Whether a request is waited for.
    waits: AtomicBool,
    interrupted: Notify,
}

impl Interrupts {
    /// Begins to listen, in a task. When a signal ends the program, `at_end` is called first.
    pub(crate) fn listen(at_end: impl FnOnce() + Send + 'static) -> io::Result<Interrupts> {
        let waiting = Arc::new(Waiting {
            waits: AtomicBool::new(false),
            interrupted: Notify::new(),
        });
        let mut at_end = Some(at_end);
        let (mut signals, shared) = (StopSignals::listen()?, Arc::clone(&waiting));
        tokio::spawn(async move {
            loop {
                let number = signals.next().await;
                if number != INTERRUPT || !shared.waits.load(Ordering::Relaxed) {
                    if let Some(at_end) = at_end.take() {
                        at_end();
                    }
                    // As a shell reports a process that a signal has ended.
                    std::process::exit(128 + number);
                }
                shared.interrupted.notify_one();
            }
        });
        Ok(Interrupts(waiting))
    }

    /// Waits for a request, or until Ctrl-C: then there is no result.
    pub(crate) async fn or_interrupted<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        // One that came too late for the last request is not meant for this one.
        let mut late = Box::pin(self.0.interrupted.notified());
        late.as_mut().enable();
        drop(late);
        self.0.waits.store(true, Ordering::Relaxed);
        let ended = tokio::select! {
            result = request => Some(result),
            () = self.0.interrupted.notified() => None,
        };
        self.0.waits.store(false, Ordering::Relaxed);
        ended
    }
}

/// The number of SIGINT.
const INTERRUPT: i32 = 2;

/// The signals that ask this process to stop, one after the other.
#[cfg(unix)]
struct StopSignals(StopSignal);

#[cfg(unix)]
impl StopSignals {
    fn listen() -> io::Result<StopSignals> {
        StopSignal::listen().map(StopSignals)
    }

    async fn next(&mut self) -> i32 {
        const TERMINATE: i32 = 15;
        tokio::select! {
            _ = self.0.terminate.recv() => TERMINATE,
            _ = self.0.interrupt.recv() => INTERRUPT,
        }
    }
}

/// The signals that ask this process to stop, one after the other.
#[cfg(not(unix))]
struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    fn listen() -> io::Result<StopSignals> {
        Ok(StopSignals)
    }

    async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INTERRUPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interrupt_ends_the_wait_and_nothing_else() {
        let interrupts = Interrupts(Arc::new(Waiting {
            waits: AtomicBool::new(false),
            interrupted: Notify::new(),
        }));
        interrupts.0.interrupted.notify_one();
        let first = interrupts.or_interrupted(tokio::task::yield_now()).await;
        assert_eq!(first, Some(()), "it came before");
        let interrupt = async {
            while !interrupts.0.waits.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            interrupts.0.interrupted.notify_one();
        };
        let waits = interrupts.or_interrupted(std::future::pending::<i32>());
        assert_eq!(tokio::join!(waits, interrupt).0, None);
        assert!(
            !interrupts.0.waits.load(Ordering::Relaxed),
            "the next one would end the program"
        );
        assert_eq!(interrupts.or_interrupted(async { 2 }).await, Some(2));
    }
}
