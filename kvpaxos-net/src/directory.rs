//! A replica's data directory: whose it is, that nobody else uses it, and the log in it.
//!
//! ```text
//! DIR/lock                 held by the process that uses the directory
//! DIR/identity             which replica of which cluster it belongs to, as text
//! DIR/log                  the write-ahead log
//! DIR/log.damaged.1, ...   logs that were found damaged and set aside
//! ```

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kvpaxos::wal::Owner;
use kvpaxos::{Entropy, Memory, Record, ReplicaId};

use crate::clock::entropy;
use crate::log::{Found, Log, LogError, sync_directory};

const LOCK: &str = "lock";
const IDENTITY: &str = "identity";
const LOG: &str = "log";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Another process uses it.
    #[error(
        "the data directory {} is in use by another process; stop that one, or give this replica a directory of its own",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to another replica, or to another cluster.
    #[error(
        "the data directory {} belongs to {}, but this is {}; give each replica the directory it was started with, \
         or a new one. If the cluster is the right one, its name, members, quorums or limits have changed",
        path.display(), described(*found), described(*expected)
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: Owner,
        /// Who wants it.
        expected: Owner,
    },
    /// The identity is no identity.
    #[error(
        "{} does not say which replica the data belongs to; restore the file, or give the replica another directory",
        path.display()
    )]
    Identity {
        /// The file.
        path: PathBuf,
    },
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
}

fn described(owner: Owner) -> String {
    format!("replica {} of cluster {:016x}", owner.replica.0, owner.cluster)
}

/// A data directory in use: nobody else can open it until this is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    _lock: File,
}

/// What a data directory held.
pub(crate) struct Opened {
    pub(crate) directory: Directory,
    pub(crate) memory: Memory,
    pub(crate) log: Log,
}

impl Directory {
    /// Opens the directory, or makes it if there is none.
    pub(crate) fn open(path: &Path, replica: ReplicaId, cluster: u64) -> Result<Opened, DirectoryError> {
        let owner = Owner { cluster, replica };
        std::fs::create_dir_all(path).map_err(failed("create the data directory", path))?;
        let directory = Directory {
            _lock: Directory::lock(path)?,
        };
        let identified = Directory::check_identity(path, owner)?;
        let file = path.join(LOG);
        let exists = file
            .try_exists()
            .map_err(failed("look for the write-ahead log", &file))?;
        let (memory, log) = match (exists, identified) {
            (true, _) => match Log::open(&file, owner)? {
                Found::Kept { records, log } => (Memory::Kept(records), log),
                Found::Damaged(damaged) => {
                    let aside = Directory::set_aside(path)?;
                    tracing::warn!(
                        log = %file.display(), at = damaged.at, why = %damaged.why, kept_as = %aside.display(),
                        "the log is damaged where it had been synced and is set aside; the replica has lost its memory"
                    );
                    (Memory::Lost, found(path, owner, damaged.salvaged)?)
                }
            },
            // A replica that had a log and has none now is not new: it may have made promises.
            (false, true) => {
                tracing::warn!(
                    log = %file.display(),
                    "the log of this replica is gone; the replica has lost its memory"
                );
                (Memory::Lost, found(path, owner, Vec::new())?)
            }
            (false, false) => {
                tracing::info!(replica = %replica, directory = %path.display(), "a new replica: its log is created");
                let log = Log::found(path, LOG, owner, seed(path)?, &[])?;
                (Memory::Kept(Vec::new()), log)
            }
        };
        if !identified {
            Directory::write_identity(path, owner)?;
        }
        Ok(Opened {
            directory,
            memory,
            log,
        })
    }

    fn lock(path: &Path) -> Result<File, DirectoryError> {
        let name = path.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(failed("open the lock file", &name))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(failed("lock", &name)(error)),
        }
    }

    /// Whether the directory says whose it is.
    fn check_identity(path: &Path, expected: Owner) -> Result<bool, DirectoryError> {
        let name = path.join(IDENTITY);
        let text = match std::fs::read_to_string(&name) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("read", &name)(error)),
        };
        let found = parse_identity(&text).ok_or(DirectoryError::Identity { path: name })?;
        if found != expected {
            return Err(DirectoryError::Foreign {
                path: path.to_owned(),
                found,
                expected,
            });
        }
        Ok(true)
    }

    /// Comes after the log: a directory with an identity and no log is one whose log was lost.
    fn write_identity(path: &Path, owner: Owner) -> Result<(), DirectoryError> {
        let name = path.join(IDENTITY);
        let draft = path.join(format!("{IDENTITY}.new"));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(identity(owner).as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, &name)?;
            sync_directory(path)
        };
        write().map_err(failed("write", &name))
    }

    /// Keeps the damaged log for whoever wants to look at it.
    fn set_aside(path: &Path) -> Result<PathBuf, DirectoryError> {
        let mut number = 1;
        let aside = loop {
            let name = path.join(format!("{LOG}.damaged.{number}"));
            match name.try_exists() {
                Ok(false) => break name,
                Ok(true) => number += 1,
                Err(error) => return Err(failed("look for", &name)(error)),
            }
        };
        let log = path.join(LOG);
        // A copy, not a new name: until the next log is there, this one tells that the replica is not new.
        std::fs::copy(&log, &aside).map_err(failed("copy the damaged log to", &aside))?;
        Ok(aside)
    }
}

/// A log of a replica that lost its memory: what could be saved of the old one, and the mark that it is not all.
fn found(path: &Path, owner: Owner, mut salvaged: Vec<Record>) -> Result<Log, DirectoryError> {
    salvaged.push(Record::DiskLost);
    Ok(Log::found(path, LOG, owner, seed(path)?, &salvaged)?)
}

fn seed(path: &Path) -> Result<u64, DirectoryError> {
    let Entropy(bits) = entropy().map_err(failed("draw random bits for a log in", path))?;
    let mut seed = [0; 8];
    seed.copy_from_slice(&bits[..8]);
    Ok(u64::from_le_bytes(seed))
}

fn identity(owner: Owner) -> String {
    format!(
        "kvpaxos 1\ncluster {:016x}\nreplica {}\n",
        owner.cluster, owner.replica.0
    )
}

fn parse_identity(text: &str) -> Option<Owner> {
    let rest = text.strip_prefix("kvpaxos 1\ncluster ")?;
    let (cluster, rest) = rest.split_once('\n')?;
    let replica = rest.strip_prefix("replica ")?.strip_suffix('\n')?;
    Some(Owner {
        cluster: u64::from_str_radix(cluster, 16).ok()?,
        replica: ReplicaId(replica.parse().ok()?),
    })
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |error| DirectoryError::Io { what, path, error }
}

#[cfg(test)]
mod tests {
    use kvpaxos::{Ballot, Life};

    use super::*;

    const R1: ReplicaId = ReplicaId(1);

    fn promised(round: u64) -> Record {
        Record::Promised {
            ballot: Ballot {
                round,
                replica: ReplicaId(0),
                life: Life::default(),
            },
        }
    }

    fn open(path: &Path) -> Opened {
        Directory::open(path, R1, 7).unwrap()
    }

    fn append(opened: &mut Opened, records: &[Record]) {
        opened.log.append(records);
        opened.log.write().unwrap();
        opened.log.sync().unwrap();
    }

    #[test]
    fn what_was_synced_is_there_again_and_only_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let mut opened = open(dir.path());
        assert_eq!(opened.memory, Memory::Kept(vec![]));
        append(&mut opened, &[promised(1), promised(2)]);
        let kept = Memory::Kept(vec![promised(1), promised(2)]);
        assert_eq!(opened.log.reader().memory().unwrap(), kept);
        assert!(matches!(
            Directory::open(dir.path(), R1, 7),
            Err(DirectoryError::InUse { .. })
        ));
        drop(opened);
        assert_eq!(open(dir.path()).memory, kept);
        let other = Directory::open(dir.path(), ReplicaId(2), 7).err().unwrap();
        assert!(matches!(other, DirectoryError::Foreign { .. }), "{other}");
        let other = Directory::open(dir.path(), R1, 8).err().unwrap();
        assert!(matches!(other, DirectoryError::Foreign { .. }), "{other}");
    }

    #[test]
    fn a_torn_tail_is_cut_and_the_log_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut opened = open(dir.path());
        append(&mut opened, &[promised(1)]);
        append(&mut opened, &[promised(2)]);
        drop(opened);
        let log = dir.path().join(LOG);
        let bytes = std::fs::read(&log).unwrap();
        std::fs::write(&log, &bytes[..bytes.len() - 3]).unwrap();
        let mut opened = open(dir.path());
        assert_eq!(opened.memory, Memory::Kept(vec![promised(1)]));
        append(&mut opened, &[promised(3)]);
        drop(opened);
        assert_eq!(
            open(dir.path()).memory,
            Memory::Kept(vec![promised(1), promised(3)])
        );
    }

    #[test]
    fn damage_and_a_missing_log_are_lost_memory_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join(LOG);
        let mut opened = open(dir.path());
        append(&mut opened, &[promised(1)]);
        append(&mut opened, &[promised(2)]);
        append(&mut opened, &[promised(3)]);
        drop(opened);
        let mut bytes = std::fs::read(&log).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&log, &bytes).unwrap();
        assert_eq!(open(dir.path()).memory, Memory::Lost);
        assert_eq!(std::fs::read(dir.path().join("log.damaged.1")).unwrap(), bytes);
        let Memory::Kept(records) = open(dir.path()).memory else {
            panic!("the new log is whole");
        };
        assert!(records.contains(&Record::DiskLost));
        std::fs::remove_file(&log).unwrap();
        assert_eq!(open(dir.path()).memory, Memory::Lost);
        let kept = Memory::Kept(vec![Record::DiskLost]);
        assert_eq!(open(dir.path()).memory, kept);
    }
}
