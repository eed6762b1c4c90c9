//! The threads of the load. Each has a runtime of its own and its share of the clients, with all their tasks: a
//! request that goes from one task of its client to the next wakes no other thread.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;
use tokio::task;

/// As many as a runtime with several threads would have had; a load should leave most of a machine to the store.
const THREADS: usize = 2;

/// The threads. They end when this is dropped, and with them what they still had to do.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    /// Dropped to end the thread.
    running: Option<oneshot::Sender<()>>,
}

impl Workers {
    /// # Errors
    /// If the system gives no threads or timers.
    pub(crate) fn start() -> std::io::Result<Workers> {
        (0..THREADS)
            .map(|_| Worker::start())
            .collect::<std::io::Result<_>>()
            .map(Workers)
    }

    fn worker(&self, client: usize) -> &Handle {
        &self.0[client % THREADS].handle
    }

    /// Runs a task of this client.
    pub(crate) fn spawn<F>(&self, client: usize, task: F) -> task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.worker(client).spawn(task)
    }

    /// What is spawned while the guard lives runs on the thread of this client.
    pub(crate) fn enter(&self, client: usize) -> EnterGuard<'_> {
        self.worker(client).enter()
    }
}

impl Worker {
    fn start() -> std::io::Result<Worker> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || {
                // It ends when the other end is dropped; nothing is ever sent.
                let _ = runtime.block_on(ended);
            })?;
        Ok(Worker {
            handle,
            thread: Some(thread),
            running: Some(running),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been printed, and its lanes have failed.
            let _ = thread.join();
        }
    }
}
