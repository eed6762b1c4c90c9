//! Shortages of descriptors, memory and threads, which are not failures of the disk. Where the system has
//! none left, nothing is wrong with what was or will be written. A running replica waits until there are some
//! again, logs that once, and meanwhile acknowledges nothing that is not durable.
//!
//! Only an operation that does nothing when it fails is tried again: opening, renaming or removing a file, or
//! starting a thread. A write or a sync that failed is never repeated, whatever the reason, because nobody
//! knows how much of it was done.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::system::backoff::Backoff;

/// Whether the system refused because it lacks descriptors (EMFILE, ENFILE), memory (ENOMEM) or threads
/// (EAGAIN).
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let no_descriptors = cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    no_descriptors
        || matches!(
            error.kind(),
            io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock
        )
}

/// Whether a disk failed (EIO, or a file system that became read-only), or has no room for more (including
/// quotas and limits on the size of files).
pub(crate) fn is_disk_failure(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    const EIO: i32 = 5;
    let failed = cfg!(unix) && error.raw_os_error() == Some(EIO);
    failed
        || matches!(
            error.kind(),
            FileTooLarge | QuotaExceeded | ReadOnlyFilesystem | StorageFull
        )
}

/// What a log does if the system lacks descriptors, memory or threads. Clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct ShortagePolicy(Option<Arc<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    /// Nobody waits for the log any more.
    stopped: AtomicBool,
    /// An attempt was given up because of that.
    gave_up: AtomicBool,
    #[cfg(test)]
    simulated: SimulatedShortage,
}

/// Lets tests run out of memory.
#[cfg(test)]
#[derive(Debug, Default)]
struct SimulatedShortage {
    lasts: AtomicBool,
    /// How many attempts have failed because of it.
    failed: std::sync::atomic::AtomicUsize,
}

impl ShortagePolicy {
    /// Fail at once, as when a replica starts: whoever starts it learns why it does not.
    pub(crate) const FAIL: ShortagePolicy = ShortagePolicy(None);

    /// Wait as long as it takes, or until [stopped](ShortagePolicy::stop).
    pub(crate) fn wait_until_stopped() -> ShortagePolicy {
        ShortagePolicy(Some(Arc::default()))
    }

    /// Gives up what waits. From now on nothing waits.
    pub(crate) fn stop(&self) {
        if let Some(shared) = &self.0 {
            shared.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Whether an attempt failed only because the waiting was stopped.
    pub(crate) fn gave_up(&self) -> bool {
        let gave_up = |shared: &Arc<Shared>| shared.gave_up.load(Ordering::Relaxed);
        self.0.as_ref().is_some_and(gave_up)
    }

    /// Tries something, and again as long as it fails for a shortage and the policy is to wait. Blocks the
    /// thread meanwhile.
    ///
    /// # Errors
    /// If it fails for another reason, or for a shortage that is not waited for.
    pub(crate) fn attempt<T>(
        &self,
        file: &Path,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut backoff = Backoff::new();
        let mut waited = false;
        loop {
            let error = match self.once(&mut attempt) {
                Err(error) if is_shortage(&error) => error,
                result => {
                    if waited && result.is_ok() {
                        tracing::info!(file = %file.display(), "the shortage is over; the log goes on");
                    }
                    return result;
                }
            };
            let Some(shared) = &self.0 else {
                return Err(error);
            };
            if shared.stopped.load(Ordering::Relaxed) {
                shared.gave_up.store(true, Ordering::Relaxed);
                return Err(error);
            }
            if !waited {
                waited = true;
                tracing::warn!(
                    file = %file.display(), %error,
                    "the log waits: the system is short of descriptors, memory or threads. The disk is in \
                     order and nothing is lost; what needs the log is not acknowledged meanwhile. {ADVICE}"
                );
            }
            std::thread::sleep(backoff.wait());
        }
    }
}

#[cfg(not(test))]
impl ShortagePolicy {
    fn once<T>(&self, attempt: &mut impl FnMut() -> io::Result<T>) -> io::Result<T> {
        attempt()
    }
}

#[cfg(test)]
impl ShortagePolicy {
    fn once<T>(&self, attempt: &mut impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match &self.0 {
            Some(shared) if shared.simulated.lasts.load(Ordering::Relaxed) => {
                shared.simulated.failed.fetch_add(1, Ordering::Relaxed);
                Err(io::ErrorKind::OutOfMemory.into())
            }
            _ => attempt(),
        }
    }

    /// From now on every attempt fails for want of memory, or none does.
    pub(crate) fn simulate(&self, shortage: bool) {
        let shared = self.0.as_ref().expect("the policy of a running replica");
        shared.simulated.lasts.store(shortage, Ordering::Relaxed);
    }

    /// How many attempts have failed for the simulated shortage.
    pub(crate) fn failed_attempts(&self) -> usize {
        let shared = self.0.as_ref().expect("the policy of a running replica");
        shared.simulated.failed.load(Ordering::Relaxed)
    }
}

/// What an operator can do about a shortage. The start of a sentence.
pub(crate) const ADVICE: &str = "Raise the limit of open files (ulimit -n; LimitNOFILE= of a systemd unit), of \
                                 memory or of threads, whichever it is, or let fewer clients connect";

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    #[test]
    #[cfg(unix)]
    fn disks_and_shortages_are_told_apart() {
        let (enfile, emfile, enomem) = (23, 24, 12);
        for short in [enfile, emfile, enomem] {
            let error = code(short);
            assert!(is_shortage(&error) && !is_disk_failure(&error), "{error}");
        }
        let (eio, enospc, efbig, erofs) = (5, 28, 27, 30);
        for broken in [eio, enospc, efbig, erofs] {
            let error = code(broken);
            assert!(!is_shortage(&error) && is_disk_failure(&error), "{error}");
        }
        let (enoent, eacces) = (2, 13);
        for neither in [enoent, eacces] {
            let error = code(neither);
            assert!(!is_shortage(&error) && !is_disk_failure(&error), "{error}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_shortage_is_waited_out_and_nothing_else_is() {
        let file = Path::new("file");
        let mut errors = vec![code(24), code(23), code(12)];
        let mut attempt = || errors.pop().map_or(Ok("opened"), Err);
        let policy = ShortagePolicy::wait_until_stopped();
        assert!(ShortagePolicy::FAIL.attempt(file, &mut attempt).is_err());
        assert_eq!(policy.attempt(file, &mut attempt).unwrap(), "opened");
        let mut errors = vec![code(24), code(28), code(24)];
        let mut attempt = || errors.pop().map_or(Ok("opened"), Err);
        let error = policy.attempt(file, &mut attempt).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(!policy.gave_up());
        policy.clone().stop();
        let error = policy.attempt(file, &mut attempt).unwrap_err();
        assert!(is_shortage(&error) && policy.gave_up(), "{error}");
        assert_eq!(policy.attempt(file, &mut attempt).unwrap(), "opened");
    }
}
