//! The bounded queue of encoded frames between the event loop and the task that writes one socket.
//!
//! The event loop pushes frame after frame without waiting, and then wakes the writer once. The writer takes
//! all that is queued and writes it in one call. The pushing side decides what a full queue means: a frame
//! for a peer is dropped (the protocol sends it again), and a client that does not read is disconnected.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The most capacity, in bytes, that an empty buffer keeps; more, left by a burst, is freed.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// The queue of one socket. See the module's docs.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes the task that waits for room.
    drained: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    connection: ConnectionState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum ConnectionState {
    /// There is none at present: what is pushed is dropped.
    #[default]
    Down,
    /// A writer takes what is pushed.
    Up,
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
    /// A queue of at most `limit` bytes, without a connection.
    pub(crate) fn new(limit: usize) -> Outbox {
        Outbox {
            state: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            limit,
        }
    }

    /// Queues a frame; the writer learns of it with the next [`wake`](Outbox::wake). An empty queue takes a
    /// frame that is larger than its limit: such a frame is late, but it gets through.
    pub(crate) fn push(&self, frame: &[u8]) -> PushResult {
        let mut state = self.lock();
        if state.connection != ConnectionState::Up {
            return PushResult::Unconnected;
        }
        if !state.buffer.is_empty() && state.buffer.len() + frame.len() > self.limit {
            return PushResult::Full;
        }
        state.buffer.extend_from_slice(frame);
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
        state.buffer = Vec::new();
        drop(state);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Waits for frames and swaps them into `into`, which is cleared first. Returns `false` once the outbox
    /// is closed.
    pub(crate) async fn take(&self, into: &mut Vec<u8>) -> bool {
        into.clear();
        if into.capacity() > KEPT_CAPACITY {
            *into = Vec::new();
        }
        loop {
            {
                let mut state = self.lock();
                if state.connection == ConnectionState::Closed {
                    return false;
                }
                if !state.buffer.is_empty() {
                    std::mem::swap(&mut state.buffer, into);
                    drop(state);
                    self.drained.notify_waiters();
                    return true;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Waits until fewer than `bytes` are queued, or the outbox is closed.
    pub(crate) async fn below(&self, bytes: usize) {
        loop {
            // Registered before the length is read, so that no drain between the two is missed.
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let state = self.lock();
                if state.connection == ConnectionState::Closed || state.buffer.len() < bytes {
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
}
