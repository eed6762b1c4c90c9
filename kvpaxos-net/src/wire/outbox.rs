//! The bounded queue of encoded frames between the event loop and the task that writes one socket.
//!
//! The event loop pushes frame after frame without waiting, and then wakes the writer once. The writer takes
//! all that is queued and writes it in one call. The pushing side decides what a full queue means: a frame
//! for a peer is dropped (the protocol sends it again), and a client that does not read is disconnected.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bytes that wait in all outboxes of one kind together or are being written, and how many may.
#[derive(Debug)]
pub(crate) struct Total {
    queued: AtomicUsize,
    limit: usize,
    /// Bytes that were taken to be written, ever.
    taken: AtomicU64,
    /// Frames that did not fit, ever.
    refused: AtomicU64,
}

impl Total {
    /// At most about this many bytes together. An outbox takes [`FREE`](Total::FREE) bytes also if the others
    /// have taken all there is, so that those who read are served beside those who do not.
    pub(crate) fn new(limit: usize) -> Arc<Total> {
        Arc::new(Total {
            queued: AtomicUsize::new(0),
            limit,
            taken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Bytes that may wait in one outbox whatever waits in the others.
    const FREE: usize = 16 * 1024;

    /// The bytes that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// The bytes that were taken to be written since the beginning.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The frames that did not fit since the beginning.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The queue of one socket. See the module's docs.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes the task that waits for room.
    drained: Notify,
    limit: usize,
    /// The most capacity, in bytes, that an empty buffer keeps; more, left by a burst, is freed.
    kept: usize,
    /// Bytes that were written, ever.
    written: AtomicU64,
    total: Arc<Total>,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    /// Bytes that the writer has taken and not yet come back for more.
    writing: usize,
    connection: ConnectionState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum ConnectionState {
    /// There is none at present: what is pushed is dropped.
    #[default]
    Down,
    /// A writer takes what is pushed.
    Up,
    /// The writer takes what is left; what is pushed is dropped.
    Finishing,
    /// There will never be one again.
    Closed,
}

/// What became of a frame that was pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PushResult {
    /// It will be written, unless the connection breaks.
    Queued,
    /// It did not fit and was dropped.
    Full,
    /// There is no connection; it was dropped.
    Unconnected,
}

impl Outbox {
    /// A queue of at most `limit` bytes, without a connection at first.
    pub(crate) fn new(limit: usize) -> Outbox {
        Outbox::counted(limit, Total::new(usize::MAX))
    }

    /// The same for one of a few connections that are counted together.
    pub(crate) fn counted(limit: usize, total: Arc<Total>) -> Outbox {
        Outbox {
            state: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            limit,
            kept: 1024 * 1024,
            written: AtomicU64::new(0),
            total,
        }
    }

    /// The same for one of many, which may hold so much together.
    pub(crate) fn one_of_many(limit: usize, total: Arc<Total>) -> Outbox {
        let mut outbox = Outbox::counted(limit, total);
        outbox.kept = Total::FREE;
        outbox
    }

    /// Queues a frame; the writer learns of it with the next [`wake`](Outbox::wake). An empty queue takes a
    /// frame that is larger than its limit: such a frame is late, but it gets through.
    pub(crate) fn push(&self, frame: &[u8]) -> PushResult {
        let mut state = self.lock();
        if state.connection != ConnectionState::Up {
            return PushResult::Unconnected;
        }
        let queued = state.buffer.len();
        let held = queued + state.writing;
        let is_full = queued > 0 && queued + frame.len() > self.limit;
        // What is being written takes memory too.
        let are_all_full = held > 0
            && held + frame.len() > Total::FREE
            && self.total.queued() + frame.len() > self.total.limit;
        if is_full || are_all_full {
            self.total.refused.fetch_add(1, Ordering::Relaxed);
            return PushResult::Full;
        }
        state.buffer.extend_from_slice(frame);
        self.total.queued.fetch_add(frame.len(), Ordering::Relaxed);
        PushResult::Queued
    }

    /// Tells the writer that there is something to write.
    pub(crate) fn wake(&self) {
        self.filled.notify_one();
    }

    /// A connection is up: from now on frames are queued for it.
    pub(crate) fn open(&self) {
        self.set(ConnectionState::Up);
    }

    /// The connection broke: what was queued for it is dropped.
    pub(crate) fn disconnect(&self) {
        self.set(ConnectionState::Down);
    }

    /// Nothing more will be pushed: the writer ends once it has taken what is left.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        if state.connection == ConnectionState::Up {
            state.connection = ConnectionState::Finishing;
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The most bytes that may be queued.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// There will be no further connection: the writer ends, and so does the task that waits for room.
    pub(crate) fn close(&self) {
        self.set(ConnectionState::Closed);
    }

    fn set(&self, connection: ConnectionState) {
        let mut state = self.lock();
        if state.connection == ConnectionState::Closed {
            return;
        }
        state.connection = connection;
        let dropped = std::mem::take(&mut state.buffer).len() + std::mem::take(&mut state.writing);
        self.total.queued.fetch_sub(dropped, Ordering::Relaxed);
        drop(state);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Waits for frames and swaps them into `into`, which is cleared first. Returns `false` once the outbox
    /// is closed, or finished and empty.
    pub(crate) async fn take(&self, into: &mut Vec<u8>) -> bool {
        into.clear();
        if into.capacity() > self.kept {
            *into = Vec::new();
        }
        self.on_written();
        loop {
            {
                let mut state = self.lock();
                if state.connection == ConnectionState::Closed {
                    return false;
                }
                if !state.buffer.is_empty() {
                    std::mem::swap(&mut state.buffer, into);
                    state.writing = into.len();
                    self.total.taken.fetch_add(into.len() as u64, Ordering::Relaxed);
                    return true;
                }
                if state.connection == ConnectionState::Finishing {
                    return false;
                }
            }
            self.filled.notified().await;
        }
    }

    /// The writer has written so many bytes of what it had taken.
    pub(crate) fn on_progress(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The bytes that were written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The writer has written what it had taken.
    fn on_written(&self) {
        let written = std::mem::take(&mut self.lock().writing);
        if written > 0 {
            self.total.queued.fetch_sub(written, Ordering::Relaxed);
            self.drained.notify_waiters();
        }
    }

    /// Waits until fewer than `bytes` are queued or being written, or the outbox is closed.
    pub(crate) async fn below(&self, bytes: usize) {
        loop {
            // Registered before the length is read, so that no drain between the two is missed.
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let state = self.lock();
                if state.connection == ConnectionState::Closed || state.buffer.len() + state.writing < bytes {
                    return;
                }
            }
            drained.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can panic half-way through a change, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it held counts no more.
impl Drop for Outbox {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_taken_together_and_a_full_outbox_drops() {
        let outbox = Outbox::new(8);
        assert_eq!(outbox.push(b"lost"), PushResult::Unconnected);
        outbox.open();
        assert_eq!(outbox.push(b"abcd"), PushResult::Queued);
        assert_eq!(outbox.push(b"efgh"), PushResult::Queued);
        assert_eq!(outbox.push(b"i"), PushResult::Full);
        let mut taken = Vec::new();
        assert!(outbox.take(&mut taken).await);
        assert_eq!(taken, b"abcdefgh");
        assert_eq!(outbox.push(b"longer than the limit"), PushResult::Queued);
        outbox.below(100).await;
        outbox.disconnect();
        assert_eq!(outbox.push(b"x"), PushResult::Unconnected);
        outbox.close();
        outbox.open();
        assert!(!outbox.take(&mut taken).await, "a closed outbox stays closed");
    }

    #[tokio::test]
    async fn those_who_read_are_served_beside_those_who_do_not() {
        let total = Total::new(100_000);
        let outbox = || {
            let outbox = Outbox::one_of_many(1_000_000, Arc::clone(&total));
            outbox.open();
            outbox
        };
        let (idle, reader) = (outbox(), outbox());
        let reply = [7; 10_000];
        let pushed = (0..100).take_while(|_| idle.push(&reply) == PushResult::Queued);
        assert_eq!(pushed.count(), 10);
        let mut taken = Vec::new();
        for _ in 0..100 {
            assert_eq!(reader.push(&reply), PushResult::Queued);
            assert!(reader.take(&mut taken).await);
            // As when it comes back for more.
            reader.on_written();
        }
        assert_eq!(total.queued(), 100_000);
        // What is taken and not written counts.
        assert_eq!(reader.push(&reply), PushResult::Queued);
        assert!(reader.take(&mut taken).await);
        assert_eq!(total.queued(), 110_000);
        assert_eq!(reader.push(&reply), PushResult::Full);
        reader.on_written();
        idle.close();
        assert_eq!(total.queued(), 0);
        assert_eq!(
            reader.push(&[0; 200_000]),
            PushResult::Queued,
            "an empty outbox takes any reply"
        );
        drop(reader);
        assert_eq!(total.queued(), 0);
    }

    #[tokio::test]
    async fn a_finished_outbox_gives_what_is_left() {
        let outbox = Outbox::new(8);
        outbox.open();
        assert_eq!(outbox.push(b"last"), PushResult::Queued);
        outbox.finish();
        assert_eq!(outbox.push(b"late"), PushResult::Unconnected);
        let mut taken = Vec::new();
        assert!(outbox.take(&mut taken).await);
        assert_eq!(taken, b"last");
        assert!(!outbox.take(&mut taken).await);
    }
}
