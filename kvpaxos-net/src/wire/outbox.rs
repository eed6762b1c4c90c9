//! The bounded buffer of encoded frames between the event loop and the task that writes one socket.
//!
//! The loop pushes frame after frame without waiting and wakes the writer once; the writer takes all there is and writes
//! it in one call. What happens when the buffer is full is up to who pushes: a peer's frame is dropped (the protocol
//! sends it again), a client that does not read is disconnected.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A buffer that grew beyond this for a burst is given back.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes who waits for room.
    drained: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    gate: Gate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Gate {
    /// Nobody writes at present: what is pushed is dropped.
    #[default]
    Shut,
    /// A writer takes what is pushed.
    Open,
    /// Never again.
    Closed,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It will be written unless the connection breaks.
    Queued,
    /// It did not fit and was dropped.
    Full,
    /// There is no connection; it was dropped.
    Unconnected,
}

impl Outbox {
    /// An outbox without a connection, which holds at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Outbox {
        Outbox {
            state: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            limit,
        }
    }

    /// Adds a frame. The writer hears of it with the next [`wake`](Outbox::wake). A frame that is larger than the whole
    /// limit goes into an empty buffer, so that it is late and not impossible.
    pub(crate) fn push(&self, frame: &[u8]) -> Pushed {
        let mut state = self.lock();
        if state.gate != Gate::Open {
            return Pushed::Unconnected;
        }
        if !state.buffer.is_empty() && state.buffer.len() + frame.len() > self.limit {
            return Pushed::Full;
        }
        state.buffer.extend_from_slice(frame);
        Pushed::Queued
    }

    /// Tells the writer that there is something to write.
    pub(crate) fn wake(&self) {
        self.filled.notify_one();
    }

    /// A connection is there.
    pub(crate) fn open(&self) {
        self.set(Gate::Open);
    }

    /// The connection is gone, and what was queued for it.
    pub(crate) fn shut(&self) {
        self.set(Gate::Shut);
    }

    /// There will be no further connection.
    pub(crate) fn close(&self) {
        self.set(Gate::Closed);
    }

    fn set(&self, gate: Gate) {
        let mut state = self.lock();
        if state.gate == Gate::Closed {
            return;
        }
        state.gate = gate;
        state.buffer = Vec::new();
        drop(state);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Waits for frames and swaps them into `into`, which is cleared first. `false` once the outbox is closed.
    pub(crate) async fn take(&self, into: &mut Vec<u8>) -> bool {
        into.clear();
        if into.capacity() > KEPT_CAPACITY {
            *into = Vec::new();
        }
        loop {
            {
                let mut state = self.lock();
                if state.gate == Gate::Closed {
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
            // Registered before looking, or a drain between the two would be missed.
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let state = self.lock();
                if state.gate == Gate::Closed || state.buffer.len() < bytes {
                    return;
                }
            }
            drained.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_taken_together_and_a_full_outbox_drops() {
        let outbox = Outbox::new(8);
        assert_eq!(outbox.push(b"lost"), Pushed::Unconnected);
        outbox.open();
        assert_eq!(outbox.push(b"abcd"), Pushed::Queued);
        assert_eq!(outbox.push(b"efgh"), Pushed::Queued);
        assert_eq!(outbox.push(b"i"), Pushed::Full);
        let mut taken = Vec::new();
        assert!(outbox.take(&mut taken).await);
        assert_eq!(taken, b"abcdefgh");
        assert_eq!(outbox.push(b"longer than the limit"), Pushed::Queued);
        outbox.below(100).await;
        outbox.shut();
        assert_eq!(outbox.push(b"x"), Pushed::Unconnected);
        outbox.close();
        outbox.open();
        assert!(!outbox.take(&mut taken).await, "closed is for ever");
    }
}
