//! The file of a copy: writing it, and reading it with all checks.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvpaxos::codec::{self, DecodeError, HEADER, MAX_REPLY_PAYLOAD};
use kvpaxos::message::SnapshotPart;
use kvpaxos::snapshot::{Builder, Snapshot, SnapshotError};
use kvpaxos::{Limits, Outcome, Reply, Revision, Slot};
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 8] = b"KVPSNAP\n";
const VERSION: u32 = 1;
const END: &[u8; 4] = b"END\n";
/// What a file is called until it is complete.
const DRAFT: &str = ".new";

/// Why a file is no good copy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Io(io::Error),
    /// The file is something else.
    #[error("it does not begin as a copy of a store does")]
    Foreign,
    /// The file is of another version.
    #[error("it is of version {found} of the format, and this program reads version {VERSION}")]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// The file ends too early.
    #[error("it is cut: it ends at byte {at}, before its checksum")]
    Cut {
        /// The length of the file.
        at: u64,
    },
    /// A frame is damaged, or of another version of the codec.
    #[error("the frame at byte {at} is damaged: {error}")]
    Frame {
        /// Where the frame begins.
        at: u64,
        /// What is wrong.
        error: DecodeError,
    },
    /// A frame holds something else than a part of a state.
    #[error("the frame at byte {at} holds no part of a state")]
    Content {
        /// Where the frame begins.
        at: u64,
    },
    /// The part is not the next one of the same state.
    #[error("the part at byte {at} does not fit: {error}")]
    Part {
        /// Where its frame begins.
        at: u64,
        /// What is wrong.
        error: SnapshotError,
    },
    /// The parts are of two states.
    #[error("the part at byte {at} is of another state than those before it")]
    Mixed {
        /// Where its frame begins.
        at: u64,
    },
    /// The state is not complete, or has another digest.
    #[error("{0}")]
    State(SnapshotError),
    /// The file was changed.
    #[error("its checksum is {found:032x}, and it should be {expected:032x}: the file was changed")]
    Checksum {
        /// That of the file's contents.
        found: u128,
        /// The one in the file.
        expected: u128,
    },
    /// Something follows.
    #[error("something follows its checksum at byte {at}")]
    Trailing {
        /// Where it begins.
        at: u64,
    },
}

/// A copy of a store: its state after every slot below a certain one.
#[derive(Debug)]
pub struct SavedState {
    snapshot: Snapshot,
    bytes: u64,
}

impl SavedState {
    pub(super) fn new(snapshot: Snapshot, bytes: u64) -> SavedState {
        SavedState { snapshot, bytes }
    }

    /// The first slot whose effects it does not hold.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.snapshot.slot()
    }

    /// The digest of the state: that which `kvpaxos status` prints for a replica that has applied the slots
    /// below [`slot`](SavedState::slot), and no others.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.snapshot.digest()
    }

    /// The revision of the last write that it holds.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.snapshot.machine().revision()
    }

    /// The number of keys.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.snapshot.machine().keys()
    }

    /// The length of the file, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.snapshot.machine().get(key)
    }

    /// All keys and their values, in an order that means nothing.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.snapshot.machine().entries()
    }
}

/// A copy that is being written, under a name of its own. It is removed when this is dropped, unless it was
/// finished.
pub(super) struct Draft {
    target: PathBuf,
    path: PathBuf,
    out: BufWriter<File>,
    checksum: Xxh3,
    bytes: u64,
    is_finished: bool,
}

impl Draft {
    pub(super) fn begin(target: &Path) -> io::Result<Draft> {
        let mut path = target.as_os_str().to_owned();
        path.push(DRAFT);
        let path = PathBuf::from(path);
        let mut draft = Draft {
            target: target.to_owned(),
            out: BufWriter::new(File::create(&path)?),
            path,
            checksum: Xxh3::new(),
            bytes: 0,
            is_finished: false,
        };
        draft.write(MAGIC)?;
        draft.write(&VERSION.to_le_bytes())?;
        Ok(draft)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    pub(super) fn add(&mut self, part: &SnapshotPart) -> io::Result<()> {
        let mut frame = Vec::with_capacity(part.bytes.len() + 100);
        let outcome = Outcome::SnapshotPart(Box::new(part.clone()));
        codec::encode_into(&Reply { id: 0, outcome }, &mut frame).map_err(io::Error::other)?;
        self.write(&frame)
    }

    /// Completes the file, and gives it its name once it is on disk. Returns its length.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.write(END)?;
        let checksum = self.checksum.digest128().to_le_bytes();
        self.out.write_all(&checksum)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        fs::rename(&self.path, &self.target)?;
        self.is_finished = true;
        #[cfg(unix)]
        File::open(
            self.target
                .parent()
                .filter(|path| !path.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        )?
        .sync_all()?;
        Ok(self.bytes + checksum.len() as u64)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_finished {
            // What is left is known by its name, and overwritten by the next copy.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads a copy, and checks all of it. The limits are those of the cluster that it was taken of.
///
/// # Errors
/// If it cannot be read, is cut, or was changed anywhere.
pub fn read(path: &Path, limits: Limits) -> Result<SavedState, BackupError> {
    let file = File::open(path).map_err(BackupError::Io)?;
    read_from(BufReader::new(file), limits)
}

/// Reads a copy from anything, like [`read`].
///
/// # Errors
/// Those of [`read`].
pub fn read_from(source: impl Read, limits: Limits) -> Result<SavedState, BackupError> {
    let mut source = Source {
        source,
        checksum: Xxh3::new(),
        at: 0,
    };
    match source.take(MAGIC.len()) {
        Ok(magic) if magic == MAGIC => {}
        Ok(_) | Err(BackupError::Cut { .. }) => return Err(BackupError::Foreign),
        Err(error) => return Err(error),
    }
    let found = source.number()?;
    if found != VERSION {
        return Err(BackupError::Version { found });
    }
    let mut state: Option<Builder> = None;
    loop {
        let at = source.at;
        let first = source.take(END.len())?;
        if first == END {
            break;
        }
        let part = source.part(at, first)?;
        let builder = state.get_or_insert_with(|| Builder::new(limits, part.slot, part.digest));
        if (builder.slot(), builder.digest()) != (part.slot, part.digest) {
            return Err(BackupError::Mixed { at });
        }
        let added = builder.add(part.at, &part.bytes, part.next);
        added.map_err(|error| BackupError::Part { at, error })?;
    }
    source.finish()?;
    // A file without any part was written by nobody.
    let builder = state.ok_or(BackupError::Content { at: source.at })?;
    let snapshot = builder
        .finish()
        .map_err(|rejected| BackupError::State(rejected.error))?;
    Ok(SavedState::new(snapshot, source.at))
}

struct Source<R> {
    source: R,
    checksum: Xxh3,
    at: u64,
}

impl<R: Read> Source<R> {
    fn take(&mut self, count: usize) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::new();
        let read = (&mut self.source).take(count as u64).read_to_end(&mut bytes);
        read.map_err(BackupError::Io)?;
        self.at += bytes.len() as u64;
        if bytes.len() < count {
            return Err(BackupError::Cut { at: self.at });
        }
        self.checksum.update(&bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, BackupError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The part in the frame that begins at `at` with these bytes.
    fn part(&mut self, at: u64, mut frame: Vec<u8>) -> Result<SnapshotPart, BackupError> {
        let damaged = |error| BackupError::Frame { at, error };
        // What is wrong with the beginning is told before anything is made of its length.
        codec::decode_frame::<Reply>(&frame).map_err(damaged)?;
        let length = self.number()?;
        frame.extend(length.to_le_bytes());
        frame.extend(self.take(HEADER - frame.len())?);
        codec::decode_frame::<Reply>(&frame).map_err(damaged)?;
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(MAX_REPLY_PAYLOAD);
        frame.extend(self.take(length)?);
        match codec::decode_shared::<Reply>(&Bytes::from(frame))
            .map_err(damaged)?
            .outcome
        {
            Outcome::SnapshotPart(part) => Ok(*part),
            _ => Err(BackupError::Content { at }),
        }
    }

    /// Reads the checksum and the end.
    fn finish(&mut self) -> Result<(), BackupError> {
        let found = self.checksum.digest128();
        let bytes = self.take(16)?;
        let expected = bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        if found != expected {
            return Err(BackupError::Checksum { found, expected });
        }
        let at = self.at;
        match self.take(1) {
            Err(BackupError::Cut { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(BackupError::Trailing { at }),
        }
    }
}

#[cfg(test)]
mod tests;
