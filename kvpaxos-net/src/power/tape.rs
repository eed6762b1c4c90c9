//! The calls of [`std::fs`] that change files, with a recorder: a [`Tape`] records every call below a
//! directory, from any thread. Where no tape runs, these are the calls of `std::fs` and nothing else.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kvpaxos::Record;
use kvpaxos::wal::Writer;

/// A recorded operation. Paths are relative to the directory of the tape.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A file or directory was opened, and created if it did not exist.
    Open { handle: usize, path: PathBuf },
    /// Bytes were written.
    Write {
        handle: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    /// The length of a file was set.
    Length { handle: usize, length: usize },
    /// A file or directory was synced: `whole`, or only what is needed to read the data.
    Sync {
        handle: usize,
        whole: bool,
        /// Which sync of the shell it was: the function, and the kind of file.
        point: String,
    },
    /// A sync of a file failed. The system still considers the data written, and does not write it by itself
    /// (Rebello et al., *Can Applications Recover from fsync Failures?*, USENIX ATC 2020).
    FailedSync { handle: usize },
    /// A directory was created.
    Make { path: PathBuf },
    /// A file or directory was renamed.
    Rename { from: PathBuf, to: PathBuf },
    /// A file was removed.
    Remove { path: PathBuf },
    /// The replica was given records, or somebody was told something.
    Note(Note),
}

/// What changes what a replica must find after a failure.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// The directory was formatted, and its operator was told.
    Founded,
    /// The directory was opened, and the replica acts on these records from now on.
    Opened(Vec<Record>),
    /// These records were appended to the log.
    Appending(Vec<Record>),
    /// All appended records are durable, and everyone who waited for them was told.
    Acknowledged,
    /// The log is about to be replaced. The bytes are those of its segments, which are set aside.
    Replacing(Vec<Vec<u8>>),
    /// The log was replaced: the replica has lost its memory, and its operator was told.
    Replaced(Vec<Record>),
}

/// Records the operations below a directory until it is stopped.
#[derive(Clone, Debug)]
pub(crate) struct Tape(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    entries: Mutex<Vec<Entry>>,
    handles: Mutex<usize>,
    /// How many more bytes the disk takes; `None` if it is never full.
    room: Mutex<Option<usize>>,
    /// How many more syncs succeed before one fails; `None` if none fails.
    syncs: Mutex<Option<usize>>,
    /// The size at which a segment is full; `None` for the real size.
    segment: Mutex<Option<u64>>,
}

/// The tapes that run.
static TAPES: Mutex<Vec<Tape>> = Mutex::new(Vec::new());

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tape {
    pub(super) fn start(root: &Path) -> Tape {
        let tape = Tape(Arc::new(Inner {
            root: root.to_owned(),
            entries: Mutex::default(),
            handles: Mutex::new(0),
            room: Mutex::new(None),
            syncs: Mutex::new(None),
            segment: Mutex::new(None),
        }));
        lock(&TAPES).push(tape.clone());
        tape
    }

    pub(super) fn stop(self) -> Vec<Entry> {
        lock(&TAPES).retain(|tape| !Arc::ptr_eq(&tape.0, &self.0));
        std::mem::take(&mut lock(&self.0.entries))
    }

    pub(super) fn note(&self, note: Note) {
        self.put(Entry::Note(note));
    }

    /// Makes the disk full after this many more bytes.
    pub(super) fn set_room(&self, bytes: Option<usize>) {
        *lock(&self.0.room) = bytes;
    }

    /// Makes a sync fail after this many more.
    pub(super) fn set_syncs(&self, syncs: Option<usize>) {
        *lock(&self.0.syncs) = syncs;
    }

    /// Makes logs that are opened from now on end a segment at this size.
    pub(super) fn set_segment(&self, bytes: Option<u64>) {
        *lock(&self.0.segment) = bytes;
    }

    /// Whether this sync fails.
    fn fails_sync(&self) -> bool {
        let mut syncs = lock(&self.0.syncs);
        let fails = *syncs == Some(0);
        *syncs = syncs.and_then(|left| left.checked_sub(1));
        fails
    }

    fn put(&self, entry: Entry) {
        lock(&self.0.entries).push(entry);
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.0.root).unwrap_or(path).to_owned()
    }

    /// The tape that records operations on this path.
    fn of(path: &Path) -> Option<Tape> {
        let tapes = lock(&TAPES);
        tapes.iter().find(|tape| path.starts_with(&tape.0.root)).cloned()
    }
}

/// Records a note if a tape runs.
pub(crate) fn note(path: &Path, note: impl FnOnce() -> Note) {
    if let Some(tape) = Tape::of(path) {
        tape.note(note());
    }
}

/// Limits the segments of a writer to the size that the tape has for this directory.
pub(crate) fn limited(directory: &Path, writer: Writer) -> Writer {
    match Tape::of(directory).and_then(|tape| *lock(&tape.0.segment)) {
        Some(bytes) => writer.with_limit(bytes),
        None => writer,
    }
}

/// Records an operation if it succeeded.
fn taken<T>(path: &Path, done: io::Result<T>, entry: impl FnOnce(&Tape) -> Entry) -> io::Result<T> {
    let result = done?;
    if let Some(tape) = Tape::of(path) {
        tape.put(entry(&tape));
    }
    Ok(result)
}

pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    taken(path, fs::create_dir(path), |tape| Entry::Make {
        path: tape.relative(path),
    })
}

pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), create_dir_all)?;
    create_dir(path)
}

pub(crate) fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    taken(from, fs::rename(from, to), |tape| Entry::Rename {
        from: tape.relative(from),
        to: tape.relative(to),
    })
}

pub(crate) fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    taken(path, fs::remove_file(path), |tape| Entry::Remove {
        path: tape.relative(path),
    })
}

/// See [`std::fs::File`].
#[derive(Debug)]
pub(crate) struct File {
    inner: fs::File,
    path: PathBuf,
    tape: Option<(Tape, usize)>,
}

/// See [`std::fs::OpenOptions`].
pub(crate) struct Options {
    inner: fs::OpenOptions,
    truncates: bool,
}

impl Options {
    pub(crate) fn read(&mut self, reads: bool) -> &mut Options {
        self.inner.read(reads);
        self
    }

    pub(crate) fn write(&mut self, writes: bool) -> &mut Options {
        self.inner.write(writes);
        self
    }

    pub(crate) fn create(&mut self, creates: bool) -> &mut Options {
        self.inner.create(creates);
        self
    }

    pub(crate) fn truncate(&mut self, truncates: bool) -> &mut Options {
        self.inner.truncate(truncates);
        self.truncates = truncates;
        self
    }

    pub(crate) fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref().to_owned();
        let inner = self.inner.open(&path)?;
        let tape = Tape::of(&path).map(|tape| {
            let mut handles = lock(&tape.0.handles);
            *handles += 1;
            let handle = *handles;
            drop(handles);
            let relative = tape.relative(&path);
            tape.put(Entry::Open {
                handle,
                path: relative,
            });
            if self.truncates {
                tape.put(Entry::Length { handle, length: 0 });
            }
            (tape, handle)
        });
        Ok(File { inner, path, tape })
    }
}

impl File {
    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<File> {
        File::options().read(true).open(path)
    }

    pub(crate) fn options() -> Options {
        Options {
            inner: fs::File::options(),
            truncates: false,
        }
    }

    pub(crate) fn try_lock(&self) -> Result<(), fs::TryLockError> {
        self.inner.try_lock()
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.inner.set_len(length)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.put(|handle| Entry::Length { handle, length });
        Ok(())
    }

    #[track_caller]
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        let point = self.point(Location::caller());
        self.sync(true, point, self.inner.sync_all())
    }

    #[track_caller]
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        let point = self.point(Location::caller());
        self.sync(false, point, self.inner.sync_data())
    }

    fn sync(&self, whole: bool, point: String, done: io::Result<()>) -> io::Result<()> {
        const EIO: i32 = 5;
        done?;
        if self.tape.as_ref().is_some_and(|(tape, _)| tape.fails_sync()) {
            self.put(|handle| Entry::FailedSync { handle });
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.put(|handle| Entry::Sync { handle, whole, point });
        Ok(())
    }

    fn put(&self, entry: impl FnOnce(usize) -> Entry) {
        if let Some((tape, handle)) = &self.tape {
            tape.put(entry(*handle));
        }
    }

    /// Names a sync, so that a shell without it can be simulated.
    fn point(&self, caller: &Location) -> String {
        let Some((tape, _)) = &self.tape else {
            return String::new();
        };
        let name = self.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let what = if self.path == tape.0.root {
            "names at the top"
        } else if !self.path.is_dir() {
            // A file that was renamed is no draft any more.
            match (
                name.starts_with("log."),
                name.ends_with(".new") && self.path.exists(),
            ) {
                (true, true) => "a segment's draft",
                (true, false) => "a segment",
                _ => "the superblock's draft",
            }
        } else if name.starts_with("damaged.") {
            "what was set aside"
        } else {
            "names"
        };
        format!("{}: {what}", function(caller))
    }
}

/// The function at a place in the source: the last one that begins before it.
fn function(place: &Location) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let source = fs::read_to_string(root.unwrap_or(Path::new("")).join(place.file())).unwrap();
    let before = source.lines().take(place.line() as usize);
    let names = before.filter_map(|line| {
        let (start, rest) = line.split_once("fn ")?;
        let is_code = start
            .chars()
            .all(|char| char.is_ascii_lowercase() || " ()".contains(char));
        is_code.then(|| rest.split(['(', '<']).next())?
    });
    let stem = Path::new(place.file()).file_stem().and_then(OsStr::to_str);
    format!(
        "{}::{}",
        stem.unwrap_or_default(),
        names.last().unwrap_or_default()
    )
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some((tape, handle)) = &self.tape else {
            return self.inner.write(bytes);
        };
        let mut room = lock(&tape.0.room);
        let fits = room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let at = usize::try_from(self.inner.stream_position()?).map_err(io::Error::other)?;
        let written = self.inner.write(&bytes[..fits])?;
        *room = room.map(|room| room - written);
        drop(room);
        let bytes = bytes[..written].to_vec();
        tape.put(Entry::Write {
            handle: *handle,
            at,
            bytes,
        });
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
