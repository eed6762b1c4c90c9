//! A checkpoint that a thread of its own writes, while the replica goes on.
//!
//! The event loop clones the replica, which copies a pointer for some thousand keys and for each slot of the log, and goes on with
//! the next segment at once. So it does not matter how long the thread takes: all inputs are in the segments, and a
//! recording whose last segment has no checkpoint yet is executed from an earlier one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvpaxos::recording::{CheckpointFile, Header, Writes};
use kvpaxos::{Replica, Time};

use crate::recording::files::{create, unfinished};

/// After each block, the thread rests so many times as long as it took, but not longer than the bound: with a replica for each
/// processor, the replicas still have most of them.
const REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_millis(50);

/// The state that a checkpoint is to hold.
pub(super) struct Captured {
    /// The header of the segment that begins with it.
    pub(super) header: Header,
    /// The digest of all effects before it.
    pub(super) digest: u64,
    /// The time of the last input.
    pub(super) at: Time,
    pub(super) writes: Writes,
    /// A clone of the replica.
    pub(super) replica: Replica,
}

/// How the thread ended.
#[derive(Debug)]
pub(super) enum Written {
    /// The file has its name, and so many bytes.
    Whole(u64),
    /// It would have more bytes than it may have. There is none.
    TooLong,
    /// It was abandoned. There is none.
    Abandoned,
}

/// A checkpoint that is being written. When this is dropped, the thread abandons it soon.
pub(super) struct UnderWay {
    thread: Option<JoinHandle<io::Result<Written>>>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    /// How many bytes the file has.
    bytes: AtomicU64,
    is_abandoned: AtomicBool,
}

impl UnderWay {
    /// Begins to write the file of this name, of at most so many bytes.
    pub(super) fn begin(path: PathBuf, most: u64, captured: Captured) -> io::Result<UnderWay> {
        let progress = Arc::new(Progress::default());
        let seen = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("kvpaxos-record".to_owned())
            .spawn(move || write(&path, most, captured, &seen))?;
        Ok(UnderWay {
            thread: Some(thread),
            progress,
        })
    }

    /// How many bytes the file has.
    pub(super) fn bytes(&self) -> u64 {
        self.progress.bytes.load(Ordering::Relaxed)
    }

    /// Whether the thread has ended, so that nobody waits for it.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the thread ends.
    pub(super) fn end(mut self) -> io::Result<Written> {
        let Some(thread) = self.thread.take() else {
            return Ok(Written::Abandoned);
        };
        let panicked = |_| Err(io::Error::other("the thread that writes it has panicked"));
        thread.join().unwrap_or_else(panicked)
    }

    /// Abandons it, and waits until nothing is left of it.
    pub(super) fn abandon(self) {
        self.stop();
        // Why there is none does not matter any more.
        let _ = self.end();
    }

    fn stop(&self) {
        self.progress.is_abandoned.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes the file. Unless that is complete, nothing is left of it.
fn write(path: &Path, most: u64, captured: Captured, progress: &Progress) -> io::Result<Written> {
    let unfinished = unfinished(path);
    let file = create(&unfinished)?;
    let mut output = Output {
        file,
        bytes: 0,
        most,
        progress,
        rested: Instant::now(),
        ended: None,
    };
    let result = output.write(captured).and_then(|written| {
        if let Written::Whole(_) = written {
            fs::rename(&unfinished, path)?;
        }
        Ok(written)
    });
    if !matches!(result, Ok(Written::Whole(_))) {
        // If that fails, the next start does it.
        let _ = fs::remove_file(&unfinished);
    }
    result
}

/// The file that is being written.
struct Output<'a> {
    file: File,
    bytes: u64,
    most: u64,
    progress: &'a Progress,
    /// Since when it has not rested.
    rested: Instant,
    /// Set once it takes no more: why.
    ended: Option<io::Result<Written>>,
}

impl Output<'_> {
    fn write(&mut self, captured: Captured) -> io::Result<Written> {
        let Captured {
            header,
            digest,
            at,
            writes,
            replica,
        } = captured;
        let (mut checkpoint, first) = CheckpointFile::begin(&header, digest, at, &writes);
        let mut taken = self.take(&first);
        if taken.is_continue() {
            let exported =
                replica.export_in_pieces(&mut |bytes| checkpoint.add(bytes, |block| self.take(block)));
            taken = match exported {
                Ok(()) => self.take(checkpoint.end()),
                Err(why) => {
                    // If this is why it ended, that is said already.
                    self.ended.get_or_insert(Err(io::Error::other(why)));
                    ControlFlow::Break(())
                }
            };
        }
        match taken {
            ControlFlow::Continue(()) => Ok(Written::Whole(self.bytes)),
            ControlFlow::Break(()) => self.ended.take().unwrap_or(Ok(Written::Abandoned)),
        }
    }

    /// Writes bytes, and rests.
    fn take(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let length = self.bytes + bytes.len() as u64;
        let ended = if self.progress.is_abandoned.load(Ordering::Relaxed) {
            Ok(Written::Abandoned)
        } else if length > self.most {
            Ok(Written::TooLong)
        } else if let Err(error) = self.file.write_all(bytes) {
            Err(error)
        } else {
            self.bytes = length;
            self.progress.bytes.store(length, Ordering::Relaxed);
            std::thread::park_timeout((self.rested.elapsed() * REST).min(LONGEST_REST));
            self.rested = Instant::now();
            return ControlFlow::Continue(());
        };
        self.ended = Some(ended);
        ControlFlow::Break(())
    }
}
