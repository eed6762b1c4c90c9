//! Descriptors, memory and threads are not disks: where the system has none left, nothing is wrong with what was written or will be. A
//! running replica waits until there are some again, says so once, and acknowledges nothing meanwhile that is not durable.
//!
//! Only what does nothing if it fails is tried again: to open a file, rename or remove one, or begin a thread. A write or a sync that failed
//! is never repeated, whatever the reason: nobody knows what of it was done.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::system::backoff::Backoff;

/// Whether the system refused for want of descriptors (EMFILE, ENFILE), memory (ENOMEM) or threads (EAGAIN).
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let of_descriptors = cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    of_descriptors
        || matches!(
            error.kind(),
            io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock
        )
}

/// Whether a disk failed (EIO, or its file system allows no more writes) or has no room, in whatever sense.
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

/// How long a log waits for what the system has none of. Clones are one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Patience(Option<Arc<Bounds>>);

#[derive(Debug, Default)]
struct Bounds {
    /// Nobody waits for the log any more.
    ended: AtomicBool,
    /// Something was given up therefore.
    gave_up: AtomicBool,
    #[cfg(test)]
    lack: Lack,
}

/// Lets tests run out of descriptors.
#[cfg(test)]
#[derive(Debug, Default)]
struct Lack {
    lasts: AtomicBool,
    /// How many attempts it has made fail.
    felt: std::sync::atomic::AtomicUsize,
}

impl Patience {
    /// Not at all, as when a replica starts: whoever starts it sees why it does not.
    pub(crate) const NONE: Patience = Patience(None);

    /// For as long as it takes, or until it is [ended](Patience::end).
    pub(crate) fn unbounded() -> Patience {
        Patience(Some(Arc::default()))
    }

    /// What waits gives up, and nothing waits from now on.
    pub(crate) fn end(&self) {
        if let Some(bounds) = &self.0 {
            bounds.ended.store(true, Ordering::Relaxed);
        }
    }

    /// Whether something failed for no other reason than that patience was ended.
    pub(crate) fn gave_up(&self) -> bool {
        let gave_up = |bounds: &Arc<Bounds>| bounds.gave_up.load(Ordering::Relaxed);
        self.0.as_ref().is_some_and(gave_up)
    }

    /// Tries something, again and again as long as the system lacks what it takes. Blocks the thread meanwhile.
    ///
    /// # Errors
    /// Whatever else goes wrong; or the lack, if there is no patience or it was ended.
    pub(crate) fn attempt<T>(
        &self,
        file: &Path,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut backoff = Backoff::new();
        let mut told = false;
        loop {
            let error = match self.once(&mut attempt) {
                Err(error) if is_shortage(&error) => error,
                result => {
                    if told && result.is_ok() {
                        tracing::info!(file = %file.display(), "the system has again what the log waited for; it goes on");
                    }
                    return result;
                }
            };
            let Some(bounds) = &self.0 else {
                return Err(error);
            };
            if bounds.ended.load(Ordering::Relaxed) {
                bounds.gave_up.store(true, Ordering::Relaxed);
                return Err(error);
            }
            if !told {
                told = true;
                tracing::warn!(
                    file = %file.display(), %error,
                    "the log waits: the system has not enough left to go on with it. Nothing is wrong with the disk, and nothing is lost; what \
                     needs the log is not acknowledged meanwhile. {ADVICE}"
                );
            }
            std::thread::sleep(backoff.wait());
        }
    }
}

#[cfg(not(test))]
impl Patience {
    fn once<T>(&self, attempt: &mut impl FnMut() -> io::Result<T>) -> io::Result<T> {
        attempt()
    }
}

#[cfg(test)]
impl Patience {
    fn once<T>(&self, attempt: &mut impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match &self.0 {
            Some(bounds) if bounds.lack.lasts.load(Ordering::Relaxed) => {
                bounds.lack.felt.fetch_add(1, Ordering::Relaxed);
                Err(io::ErrorKind::OutOfMemory.into())
            }
            _ => attempt(),
        }
    }

    /// Whether every attempt fails for want of memory from now on.
    pub(crate) fn lack(&self, lasts: bool) {
        let bounds = self.0.as_ref().expect("of a running replica");
        bounds.lack.lasts.store(lasts, Ordering::Relaxed);
    }

    /// How many attempts have failed so.
    pub(crate) fn felt(&self) -> usize {
        let bounds = self.0.as_ref().expect("of a running replica");
        bounds.lack.felt.load(Ordering::Relaxed)
    }
}

/// What to do about a shortage.
pub(crate) const ADVICE: &str = "Raise the limit of open files (ulimit -n; LimitNOFILE= of a unit), of memory or of threads, whichever \
                                 it is, or let fewer clients connect";

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
        let patience = Patience::unbounded();
        assert!(Patience::NONE.attempt(file, &mut attempt).is_err());
        assert_eq!(patience.attempt(file, &mut attempt).unwrap(), "opened");
        let mut errors = vec![code(24), code(28), code(24)];
        let mut attempt = || errors.pop().map_or(Ok("opened"), Err);
        let error = patience.attempt(file, &mut attempt).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(!patience.gave_up());
        patience.clone().end();
        let error = patience.attempt(file, &mut attempt).unwrap_err();
        assert!(is_shortage(&error) && patience.gave_up(), "{error}");
        assert_eq!(patience.attempt(file, &mut attempt).unwrap(), "opened");
    }
}
