//! What the connections of a replica's clients may take of its memory together, for frames that are not
//! finished or not taken by the event loop yet.
//!
//! Each connection may hold [`FREE`] bytes without asking, which is enough for small requests. For a larger
//! frame it takes a share of the budget that is as large as the frame, before it reads on; if there is none
//! left, it waits. So half of each of many frames is never all there is. While anybody waits, a frame that
//! does not come on ([`Progress`]) is given up. Who came last is served first: those who have waited for long
//! may have sent half a frame to keep others out, and who came last is most likely still there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Bytes that a connection may hold without a share.
pub(crate) const FREE: usize = 16 * 1024;
/// The most time that a frame may take from its first byte to its last.
pub(crate) const TIME: Duration = Duration::from_secs(30);
/// While others wait, nothing of a frame may be late by more than this,
pub(crate) const PAUSE: Duration = Duration::from_millis(250);
/// and so many bytes must come each second.
const RATE: u64 = 256 * 1024;

/// The bytes that are left. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: usize,
    /// The last one is served first.
    waiting: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    granted: oneshot::Sender<Share>,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    size: usize,
    of: Option<Budget>,
}

impl Share {
    /// How many bytes it is.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Splits off all but this many bytes.
    pub(crate) fn split_to(&mut self, kept: usize) -> Share {
        let size = self.size.saturating_sub(kept);
        self.size -= size;
        Share {
            size,
            of: self.of.clone(),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(budget) = self.of.take().filter(|_| self.size > 0) {
            budget.give_back(self.size);
        }
    }
}

impl Budget {
    /// A budget of this many bytes. It is never less than one frame of `longest` bytes needs.
    pub(crate) fn new(bytes: usize, longest: usize) -> Budget {
        let total = bytes.max(longest);
        let state = Mutex::new(State {
            left: total,
            waiting: Vec::new(),
        });
        Budget(Arc::new(Inner { total, state }))
    }

    /// Whether much of it is taken: then nobody should hold more than necessary.
    pub(crate) fn is_tight(&self) -> bool {
        self.lock().left < self.0.total / 2
    }

    /// The bytes that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.total - self.lock().left
    }

    /// Whether a connection waits for a share.
    pub(crate) fn is_short(&self) -> bool {
        let mut state = self.lock();
        state.waiting.retain(|waiter| !waiter.granted.is_closed());
        !state.waiting.is_empty()
    }

    /// Makes a share at least this large, if there is enough left.
    pub(crate) fn try_raise(&self, share: &mut Share, bytes: usize) {
        let missing = bytes.saturating_sub(share.size);
        let mut state = self.lock();
        if missing > 0 && state.left >= missing {
            state.left -= missing;
            share.size += missing;
            share.of = Some(self.clone());
        }
    }

    /// Makes a share at least this large. What it has is given back first if that is not enough, so that
    /// nobody waits for another while it holds what the other waits for.
    pub(crate) async fn raise(&self, share: &mut Share, bytes: usize) {
        self.try_raise(share, bytes);
        if share.size >= bytes {
            return;
        }
        *share = Share::default();
        let (granted, wait) = oneshot::channel();
        let bytes = bytes.min(self.0.total);
        self.lock().waiting.push(Waiter { bytes, granted });
        self.give_back(0);
        // A waiter is only ever removed with its share, or after this call was given up.
        if let Ok(granted) = wait.await {
            *share = granted;
        }
    }

    fn give_back(&self, bytes: usize) {
        let mut state = self.lock();
        state.left += bytes;
        while let Some(index) = state
            .waiting
            .iter()
            .rposition(|waiter| waiter.bytes <= state.left)
        {
            let Waiter { bytes, granted } = state.waiting.remove(index);
            state.left -= bytes;
            let share = Share {
                size: bytes,
                of: Some(self.clone()),
            };
            if let Err(mut refused) = granted.send(share) {
                // It has stopped waiting. Its share is not dropped, as that would lock the state again.
                refused.size = 0;
                state.left += bytes;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can panic half-way through a change.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a frame that has its share comes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    granted: Instant,
    last: Instant,
    received: u64,
}

impl Progress {
    /// It has its share now.
    pub(crate) fn new(now: Instant) -> Progress {
        Progress {
            granted: now,
            last: now,
            received: 0,
        }
    }

    /// So many bytes have come.
    pub(crate) fn on_read(&mut self, bytes: usize, now: Instant) {
        self.last = now;
        self.received += bytes as u64;
    }

    /// Whether it is too slow for others to wait for it.
    pub(crate) fn is_slow(&self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.granted).as_secs();
        now.saturating_duration_since(self.last) >= PAUSE || self.received < RATE.saturating_mul(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_share_is_waited_for_and_given_back() {
        let budget = Budget::new(100, 10);
        let mut first = Share::default();
        budget.raise(&mut first, 80).await;
        assert_eq!((first.size(), budget.taken(), budget.is_tight()), (80, 80, true));
        let mut second = Share::default();
        budget.try_raise(&mut second, 30);
        assert_eq!(second.size(), 0, "all or nothing");
        {
            let waits = budget.raise(&mut second, 30);
            tokio::pin!(waits);
            tokio::select! {
                biased;
                () = &mut waits => panic!("there are 20 left"),
                () = tokio::task::yield_now() => assert!(budget.is_short()),
            }
            // What was read of the batch leaves with it.
            let batch = first.split_to(15);
            assert_eq!((first.size(), batch.size()), (15, 65));
            drop(batch);
            waits.await;
        }
        assert!(!budget.is_short());
        assert_eq!((second.size(), budget.taken()), (30, 45));
        drop((first, second));
        assert_eq!(budget.taken(), 0);
    }

    #[tokio::test]
    async fn a_budget_is_never_less_than_one_frame() {
        let budget = Budget::new(1, 10);
        let mut share = Share::default();
        budget.raise(&mut share, 10).await;
        assert_eq!(share.size(), 10);
    }

    /// Half a frame on each of many connections does not keep out the one that comes after them.
    #[tokio::test]
    async fn who_came_last_is_served_first() {
        let budget = Budget::new(10, 10);
        let mut first = Share::default();
        budget.raise(&mut first, 10).await;
        let wait = || {
            let budget = budget.clone();
            tokio::spawn(async move {
                let mut share = Share::default();
                budget.raise(&mut share, 10).await;
                share
            })
        };
        let waiting: Vec<_> = (0..100).map(|_| wait()).collect();
        while budget.lock().waiting.len() < 100 {
            tokio::task::yield_now().await;
        }
        let last = wait();
        while budget.lock().waiting.len() < 101 {
            tokio::task::yield_now().await;
        }
        drop(first);
        let share = last.await.unwrap();
        assert_eq!(share.size(), 10);
        // Those who stop waiting leave nothing behind.
        for one in waiting {
            one.abort();
            assert!(one.await.unwrap_err().is_cancelled());
        }
        drop(share);
        assert!(!budget.is_short());
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn a_frame_that_stands_still_or_drips_is_slow() {
        let began = Instant::now();
        let after = |millis| began + Duration::from_millis(millis);
        let mut progress = Progress::new(began);
        assert!(!progress.is_slow(after(200)) && progress.is_slow(after(300)));
        progress.on_read(200_000, after(900));
        assert!(!progress.is_slow(after(950)));
        progress.on_read(1, after(1000));
        assert!(progress.is_slow(after(1001)), "200 kB in a second");
        progress.on_read(100_000, after(1100));
        assert!(!progress.is_slow(after(1101)));
    }
}
