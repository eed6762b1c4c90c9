//! Work on several threads: the one runner of this crate, for seeds, keys and states.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// How many threads the machine runs at a time; 1 if it does not say.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` for each item on this many threads, at least one. Items are begun in their order. `take` gets
/// each result on the calling thread, in the order in which the results are ready. After it returns
/// [`ControlFlow::Break`] no further item is begun, but the results of items under way still come.
///
/// With one thread everything happens on the calling thread.
///
/// # Panics
/// If `work` panics, with its panic. No further item is begun then.
pub fn for_each<I, T>(
    items: I,
    threads: usize,
    work: impl Fn(I::Item) -> T + Sync,
    mut take: impl FnMut(T) -> ControlFlow<()>,
) where
    I: IntoIterator<IntoIter: Send, Item: Send>,
    T: Send,
{
    let mut items = items.into_iter();
    if threads <= 1 {
        let _ = items.try_for_each(|item| take(work(item)));
        return;
    }
    let items = Mutex::new(items);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            let (items, stop, work) = (&items, &stop, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(item) = item else { break };
                    let done = catch_unwind(AssertUnwindSafe(|| work(item)));
                    if sender.send(done).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut panicked = None;
        for done in receiver {
            match done {
                Ok(result) if panicked.is_none() => {
                    if take(result).is_break() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                Ok(_) => {}
                Err(panic) => {
                    stop.store(true, Ordering::Relaxed);
                    panicked.get_or_insert(panic);
                }
            }
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    });
}

/// Does `work` for each item on this many threads. Returns the results in the order of the items.
///
/// # Panics
/// If `work` panics, with its panic.
pub fn map<I, T>(items: I, threads: usize, work: impl Fn(I::Item) -> T + Sync) -> Vec<T>
where
    I: IntoIterator<IntoIter: Send, Item: Send>,
    T: Send,
{
    let mut results = Vec::new();
    let work = |(place, item)| (place, work(item));
    for_each(items.into_iter().enumerate(), threads, work, |result| {
        results.push(result);
        ControlFlow::Continue(())
    });
    results.sort_unstable_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The processor time of this thread so far. Where the system does not say, the time since some moment.
#[must_use]
pub fn processor_time() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or_default())
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    {
        static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        FIRST.get_or_init(std::time::Instant::now).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_keeps_the_order_of_the_items() {
        for threads in [0, 1, 2, 5] {
            assert_eq!(
                map(0..100u64, threads, |n| n * n),
                (0..100).map(|n| n * n).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn nothing_is_begun_after_a_break_but_what_is_under_way_ends() {
        for threads in [1, 3] {
            let begun = std::sync::atomic::AtomicU64::new(0);
            let work = |n: u64| {
                begun.fetch_add(1, Ordering::Relaxed);
                n
            };
            let mut taken = 0;
            for_each(0..1_000_000, threads, work, |_| {
                taken += 1;
                ControlFlow::Break(())
            });
            assert_eq!(taken, begun.into_inner(), "{threads} threads");
            assert!(taken < 1_000_000, "{threads} threads");
        }
    }

    #[test]
    fn a_panic_of_the_work_reaches_the_caller() {
        for threads in [1, 3] {
            let caught = catch_unwind(|| map(0..10, threads, |n| assert_ne!(n, 7, "seven")));
            let panic = caught.unwrap_err();
            assert!(panic.downcast_ref::<String>().unwrap().contains("seven"));
        }
    }
}
