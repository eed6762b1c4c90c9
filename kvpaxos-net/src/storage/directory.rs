//! The data directory of a replica: whose it is, that nobody else uses it, and the log in it.
//!
//! ```text
//! DIR/lock                held by the process that uses the directory
//! DIR/superblock          the owner (cluster and replica), and how far the log was synced; a short text
//! DIR/log.00000000, ...   the write-ahead log, in segments
//! DIR/damaged.1/, ...     logs that were set aside: found damaged, or discarded by an operator
//! DIR/*.new               incomplete files that a crash left; they are ignored
//! ```
//!
//! A directory is *formatted* once, for a new replica: its log begins with [`Record::Founded`], by which the
//! others tell it from the same replica formatted again (see [`kvpaxos::founding`]). No program formats it
//! unasked: an empty disk is not that of a new replica, but may be that of one that has lost its promises.
//! Such a replica is *recovered*: its log begins with [`Record::DiskLost`], and the replica gets back from
//! the others what it may have promised. A log that turns out to be damaged is set aside and replaced in the
//! same way, without being asked.
//!
//! Every replacement of a log goes by way of the superblock: its state becomes `founding`, then the old log
//! is moved aside, then the new one is created, then the state becomes `ready`. A process that finds
//! `founding` completes this first.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

use kvpaxos::wal::{self, Owner, Superblock, SuperblockError, SuperblockState};
use kvpaxos::{Founding, Memory, Record};

#[cfg(test)]
use crate::power::tape::{self, Note};
use crate::storage::error::{DirectoryError, described, failed};
use crate::storage::files::{self, File};
use crate::storage::log::{self, Log, LogContents, SUPERBLOCK, write_superblock};
use crate::storage::segments::{self, sync_directory};
use crate::system::random;
use crate::system::shortage::ShortagePolicy;

pub(crate) const LOCK: &str = "lock";
const ASIDE: &str = "damaged.";
/// The file that older releases wrote instead of a superblock.
const IDENTITY: &str = "identity";

/// A data directory in use. No other process can open it until this is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    owner: Owner,
    _lock: File,
}

/// A data directory that was opened, and what it held.
pub(crate) struct OpenDirectory {
    pub(crate) directory: Directory,
    pub(crate) memory: Memory,
    pub(crate) log: Log,
}

impl Directory {
    /// Opens a directory that was formatted or recovered.
    pub(crate) fn open(path: &Path, owner: Owner) -> Result<OpenDirectory, DirectoryError> {
        // Checked before the lock is taken, because that creates a file.
        if read_superblock(path)?.is_none() {
            return Err(DirectoryError::NotFormatted {
                path: path.to_owned(),
                what: describe_other(path)?,
            });
        }
        let directory = Directory::lock(path, owner)?;
        let found = match directory.state()? {
            Some(SuperblockState::Ready(mark)) => Log::open(path, owner, mark)?,
            Some(SuperblockState::Founding { lost: false }) | None => {
                let path = path.to_owned();
                return Err(DirectoryError::Unfinished { path });
            }
            Some(SuperblockState::Founding { lost: true }) => {
                tracing::warn!(directory = %path.display(), "the replacement of a lost log was not completed; it is repeated");
                let (_, log) = directory.replace(&[])?;
                return directory.opened(vec![Record::DiskLost], log);
            }
        };
        match found {
            LogContents::Kept { records, log } => directory.opened(records, *log),
            LogContents::Damaged(damaged) => {
                let records = beginning(&damaged.salvaged);
                let (aside, log) = directory.replace(&damaged.salvaged)?;
                tracing::warn!(
                    directory = %path.display(), segment = damaged.segment, at = damaged.at, why = %damaged.why,
                    set_aside = aside.as_deref().map(|aside| tracing::field::display(aside.display())),
                    "the log is damaged in a part that had been synced: it is set aside, and the replica \
                     recovers from the others"
                );
                directory.opened(records, log)
            }
        }
    }

    fn opened(self, records: Vec<Record>, log: Log) -> Result<OpenDirectory, DirectoryError> {
        #[cfg(test)]
        tape::note(&self.path, || Note::Opened(records.clone()));
        Ok(OpenDirectory {
            directory: self,
            memory: Memory::Kept(records),
            log,
        })
    }

    /// Creates the directory of a new replica.
    pub(crate) fn format(path: &Path, owner: Owner) -> Result<(), DirectoryError> {
        let directory = Directory::create(path, owner)?;
        match read_superblock(path)? {
            Some(Ok(Superblock {
                state: SuperblockState::Founding { lost: false },
                owner: found,
            })) if found == owner => {}
            Some(Ok(Superblock { owner, .. })) => return Err(directory.taken(described(owner))),
            Some(Err(_)) => return Err(directory.taken(format!("a file {SUPERBLOCK}"))),
            None => {
                if let Some(name) = directory.leftover()? {
                    return Err(directory.taken(format!("a file {name}")));
                }
            }
        }
        let founding = draw(path).map(Founding)?;
        directory.found(false, &[Record::Founded { founding }]).map(drop)
    }

    /// Creates the directory of a replica that has lost its disk or its log. Returns where an old log was
    /// moved to.
    pub(crate) fn recover(
        path: &Path,
        owner: Owner,
        discard: bool,
    ) -> Result<Option<PathBuf>, DirectoryError> {
        let directory = Directory::create(path, owner)?;
        let known_synced = match read_superblock(path)? {
            Some(Ok(superblock)) => {
                directory.check(superblock.owner)?;
                match superblock.state {
                    SuperblockState::Ready(mark) => Some(mark),
                    SuperblockState::Founding { .. } => None,
                }
            }
            Some(Err(error @ SuperblockError::Version { .. })) => return Err(directory.unreadable(error)),
            Some(Err(SuperblockError::Damaged)) | None => None,
        };
        let segments = segments::read_all(path).map_err(failed("read the log in", path))?;
        let salvaged = match log::judge(path, &segments, owner, known_synced)? {
            wal::LogState::Kept { .. } if !discard => {
                let path = path.to_owned();
                return Err(DirectoryError::Healthy { path });
            }
            wal::LogState::Kept { records, .. } => records,
            wal::LogState::Damaged(damaged) => damaged.salvaged,
        };
        let (aside, _) = directory.replace(&salvaged)?;
        Ok(aside)
    }

    /// Moves the old log aside and creates a new one.
    fn replace(&self, salvaged: &[Record]) -> Result<(Option<PathBuf>, Log), DirectoryError> {
        self.write_state(SuperblockState::Founding { lost: true })?;
        let aside = self.set_aside()?;
        let log = self.found(true, &beginning(salvaged))?;
        Ok((aside, log))
    }

    fn found(&self, lost: bool, records: &[Record]) -> Result<Log, DirectoryError> {
        self.write_state(SuperblockState::Founding { lost })?;
        let mut log = Log::found(&self.path, self.owner, draw(&self.path)?, records)?;
        log.keep_mark()?;
        Ok(log)
    }

    fn write_state(&self, state: SuperblockState) -> Result<(), DirectoryError> {
        let owner = self.owner;
        Ok(write_superblock(
            &self.path,
            &Superblock { owner, state },
            &ShortagePolicy::FAIL,
        )?)
    }

    /// Moves all segments into a directory of their own, where they can be inspected.
    fn set_aside(&self) -> Result<Option<PathBuf>, DirectoryError> {
        let path = &self.path;
        let numbers = segments::list(path).map_err(failed("list", path))?;
        if numbers.is_empty() {
            return Ok(None);
        }
        let mut number = 1;
        let aside = loop {
            let aside = path.join(format!("{ASIDE}{number}"));
            match files::create_dir(&aside) {
                Ok(()) => break aside,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(failed("create", &aside)(error)),
            }
        };
        let carry = || {
            for number in numbers {
                files::rename(segments::path(path, number), segments::path(&aside, number))?;
            }
            sync_directory(&aside, &ShortagePolicy::FAIL)?;
            sync_directory(path, &ShortagePolicy::FAIL)
        };
        carry().map_err(failed("move the log to", &aside))?;
        Ok(Some(aside))
    }

    fn create(path: &Path, owner: Owner) -> Result<Directory, DirectoryError> {
        create_durably(path).map_err(failed("create the data directory", path))?;
        Directory::lock(path, owner)
    }

    fn lock(path: &Path, owner: Owner) -> Result<Directory, DirectoryError> {
        let name = path.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(failed("open the lock file", &name))?;
        match file.try_lock() {
            Ok(()) => Ok(Directory {
                path: path.to_owned(),
                owner,
                _lock: file,
            }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(failed("lock", &name)(error)),
        }
    }

    /// The state in the superblock, which must be of this replica.
    fn state(&self) -> Result<Option<SuperblockState>, DirectoryError> {
        match read_superblock(&self.path)? {
            None => Ok(None),
            Some(Err(error)) => Err(self.unreadable(error)),
            Some(Ok(superblock)) => {
                self.check(superblock.owner)?;
                Ok(Some(superblock.state))
            }
        }
    }

    fn check(&self, found: Owner) -> Result<(), DirectoryError> {
        if found == self.owner {
            return Ok(());
        }
        Err(DirectoryError::Foreign {
            path: self.path.clone(),
            found,
            expected: self.owner,
        })
    }

    fn unreadable(&self, error: SuperblockError) -> DirectoryError {
        DirectoryError::Superblock {
            path: self.path.join(SUPERBLOCK),
            error,
        }
    }

    fn taken(&self, what: String) -> DirectoryError {
        DirectoryError::Taken {
            path: self.path.clone(),
            what,
        }
    }

    /// The name of a file that a replica left here, apart from the lock and incomplete files.
    fn leftover(&self) -> Result<Option<String>, DirectoryError> {
        leftover(&self.path).map_err(failed("list", &self.path))
    }
}

/// Creates a directory and its missing parents. The name of each is durable in its parent before the next one
/// is created. So of the directories that exist already, only the deepest can be one that a killed process
/// had just created.
fn create_durably(path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let is_new = !path.as_os_str().is_empty() && !path.is_dir();
    if is_new {
        create_durably(parent)?;
        files::create_dir_all(path)?;
    }
    match sync_directory(parent, &ShortagePolicy::FAIL) {
        // A parent in which this process may create nothing holds no name that it created.
        Err(error)
            if !is_new && matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Whether a replica was formatted or recovered in this directory, or an interrupted recovery is to be
/// completed.
pub(crate) fn is_formatted(path: &Path) -> Result<bool, DirectoryError> {
    let superblock = read_superblock(path)?;
    Ok(superblock.is_some_and(|superblock| {
        superblock.is_err()
            || superblock.is_ok_and(|it| it.state != SuperblockState::Founding { lost: false })
    }))
}

/// The superblock of a directory: `None` if it has none, an inner error if it is damaged.
pub(crate) fn read_superblock(
    path: &Path,
) -> Result<Option<Result<Superblock, SuperblockError>>, DirectoryError> {
    let name = path.join(SUPERBLOCK);
    match std::fs::read(&name) {
        Ok(text) => Ok(Some(Superblock::parse(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &name)(error)),
    }
}

fn leftover(path: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_ours =
            name == IDENTITY || name == "log" || name.starts_with("log.") || name.starts_with(ASIDE);
        if is_ours && !name.ends_with(segments::DRAFT) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// What is wrong with a path that is no replica's directory.
fn describe_other(path: &Path) -> Result<&'static str, DirectoryError> {
    match leftover(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("does not exist"),
        Err(error) => Err(failed("list", path)(error)),
        Ok(Some(_)) => Ok("holds a log, but no superblock that says whose it is"),
        Ok(None) => Ok("holds no replica"),
    }
}

/// The first records of the log of a replica that lost its memory: the counters of the old log that must not
/// repeat, as far as they could be read, and the mark that memory was lost.
fn beginning(salvaged: &[Record]) -> Vec<Record> {
    let mut records = wal::counters(salvaged);
    records.push(Record::DiskLost);
    records
}

fn draw(path: &Path) -> Result<u64, DirectoryError> {
    random::draw().map_err(failed("draw random bits for a log in", path))
}

#[cfg(test)]
mod tests;
