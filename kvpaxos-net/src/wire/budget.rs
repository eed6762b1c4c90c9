//! What the connections of a replica's clients may take of its memory together, for frames that are not
//! finished or not taken by the event loop yet.
//!
//! Each connection may hold [`FREE`] bytes without asking, which is enough for small requests. For a larger
//! frame it takes a share of the budget that is as large as the frame, before it reads on; if there is none
//! left, it waits. So half of each of many frames is never all there is. A frame must be finished in [`TIME`],
//! and in [`GRACE`] while others wait: who sends a large frame slowly gives way to who sends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that a connection may hold without a share.
pub(crate) const FREE: usize = 16 * 1024;
/// The most time that a frame may take from its first byte to its last.
pub(crate) const TIME: Duration = Duration::from_secs(30);
/// The same for a frame that has a share, while others wait for theirs.
pub(crate) const GRACE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 2000 });

/// The bytes that are left. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    left: Arc<Semaphore>,
    total: usize,
    /// Connections that wait for a share.
    waiting: AtomicUsize,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share(Option<OwnedSemaphorePermit>);

impl Share {
    /// How many bytes it is.
    pub(crate) fn size(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.0 {
            Some(own) => own.merge(permit),
            None => self.0 = Some(permit),
        }
    }

    /// Splits off all but this many bytes.
    pub(crate) fn split_to(&mut self, kept: usize) -> Share {
        let size = self.size();
        if kept == 0 {
            return std::mem::take(self);
        }
        Share(
            self.0
                .as_mut()
                .filter(|_| size > kept)
                .and_then(|own| own.split(size - kept)),
        )
    }
}

impl Budget {
    /// A budget of this many bytes. It is never less than one frame of `longest` bytes needs.
    pub(crate) fn new(bytes: usize, longest: usize) -> Budget {
        let total = bytes.max(longest).min(Semaphore::MAX_PERMITS);
        Budget(Arc::new(Inner {
            left: Arc::new(Semaphore::new(total)),
            total,
            waiting: AtomicUsize::new(0),
        }))
    }

    /// Whether much of it is taken: then nobody should hold more than necessary.
    pub(crate) fn is_tight(&self) -> bool {
        self.0.left.available_permits() < self.0.total / 2
    }

    /// The bytes that are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.0.total - self.0.left.available_permits().min(self.0.total)
    }

    /// Whether a connection waits for a share.
    pub(crate) fn is_short(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// Makes a share at least this large, if there is enough left.
    pub(crate) fn try_raise(&self, share: &mut Share, bytes: usize) {
        let missing = bytes.saturating_sub(share.size());
        if let Ok(missing) = u32::try_from(missing)
            && missing > 0
            && let Ok(permit) = Arc::clone(&self.0.left).try_acquire_many_owned(missing)
        {
            share.add(permit);
        }
    }

    /// Makes a share at least this large. What it has is given back first if that is not enough, so that
    /// nobody waits for another while it holds what the other waits for.
    pub(crate) async fn raise(&self, share: &mut Share, bytes: usize) {
        if share.size() >= bytes {
            return;
        }
        self.try_raise(share, bytes);
        if share.size() >= bytes {
            return;
        }
        *share = Share::default();
        let _waiting = Waiting::new(&self.0.waiting);
        let bytes = u32::try_from(bytes.min(self.0.total)).unwrap_or(u32::MAX);
        // The semaphore is never closed; if it were, there would be nothing to wait for.
        if let Ok(permit) = Arc::clone(&self.0.left).acquire_many_owned(bytes).await {
            share.add(permit);
        }
    }
}

/// Counts one that waits, also if it stops waiting half-way.
struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    fn new(count: &AtomicUsize) -> Waiting<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
}
