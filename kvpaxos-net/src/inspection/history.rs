//! What the log of one directory tells of the history of slots.

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

use kvpaxos::status::{AcceptorStatus, LearnerStatus};
use kvpaxos::types::MAX_REPLICAS;
use kvpaxos::wal::{self, Damage, Owner, ReadError, Superblock, SuperblockState};
use kvpaxos::{
    Ballot, Config, Effect, Entropy, Event, Input, Limits, Memory, Observation, Record, Replica, Slot, Time,
    Value,
};

use crate::storage::directory::{LOCK, read_superblock};
use crate::storage::error::{DirectoryError, failed};
use crate::storage::segments;

/// Why the history in a directory cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The directory cannot be read, or is in use.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The directory has no log.
    #[error("{} holds no log: it is not the data directory of a replica", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// Formatting or recovering the directory was interrupted, so its contents are not to be used.
    #[error(
        "formatting or recovering the data directory {} was interrupted; what its replica knew before is in \
         a directory damaged.N in it, if there is one",
        path.display()
    )]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// Something that was synced is missing or changed.
    #[error(
        "the log in {} is damaged in segment {segment} at offset {at}: {why}. What it held is not certain, \
         so it is not compared; `log inspect --records` prints what can be read of it",
        path.display()
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// The segment of the first flaw.
        segment: u64,
        /// The offset in that segment.
        at: u64,
        /// The flaw.
        why: Damage,
    },
    /// The log is of another replica or another release.
    #[error("cannot read the log in {}: {error}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        error: ReadError,
    },
    /// The records can be read, but no replica writes such records.
    #[error("the log in {} {what}: no replica of this release wrote it", path.display())]
    Inconsistent {
        /// The directory.
        path: PathBuf,
        /// What is wrong with them, as the rest of a sentence.
        what: String,
    },
}

/// What the log of a directory tells. No other process can use the directory until this is dropped.
#[derive(Debug)]
pub struct History {
    directory: PathBuf,
    owner: Owner,
    /// The slot of the snapshot that the log begins with.
    from: Slot,
    /// The digest of the state before `from`, and after each slot from there on that is known to be chosen.
    digests: Vec<u128>,
    /// A replica with the memory of the log: it knows the chosen values.
    replica: Replica,
    /// The value of the highest ballot that the acceptor accepted for each slot.
    accepted: BTreeMap<Slot, (Ballot, Value)>,
    memory_lost: bool,
    torn: bool,
    _lock: Option<std::fs::File>,
}

/// What one log holds of a slot. At least one of the fields is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotContents<'a> {
    /// The value, if it is known to be chosen.
    pub chosen: Option<&'a Value>,
    /// The value that the acceptor accepted last, and its ballot.
    pub accepted: Option<(Ballot, &'a Value)>,
}

/// Reads the history in a directory. `limits` must be those of its replica, because they decide when sessions
/// are dropped.
///
/// # Errors
/// If the directory is in use, is not that of a replica, is damaged, or cannot be read.
pub fn read(directory: &Path, limits: Limits) -> Result<History, HistoryError> {
    let path = || directory.to_owned();
    let lock = lock_for_reading(directory)?;
    let superblock = read_superblock(directory)?.transpose();
    let superblock = superblock.map_err(|error| DirectoryError::Superblock {
        path: directory.join(crate::storage::log::SUPERBLOCK),
        error,
    })?;
    let files = segments::read_all(directory).map_err(failed("read the log in", directory))?;
    if files.is_empty() {
        return Err(match superblock {
            Some(_) => HistoryError::Unfinished { path: path() },
            None => HistoryError::NoLog { path: path() },
        });
    }
    let (owner, mark) = match superblock {
        Some(Superblock {
            owner,
            state: SuperblockState::Ready(mark),
        }) => (owner, Some(mark)),
        Some(_) => return Err(HistoryError::Unfinished { path: path() }),
        None => (
            owner_by_headers(&files).ok_or_else(|| HistoryError::NoLog { path: path() })?,
            None,
        ),
    };
    let unreadable = |error| HistoryError::Unreadable { path: path(), error };
    let (records, torn) = match wal::read(&files, owner, mark).map_err(unreadable)? {
        wal::LogState::Kept { records, torn, .. } => (records, torn.is_some_and(|torn| !torn.blank)),
        wal::LogState::Damaged(damaged) => {
            return Err(HistoryError::Damaged {
                path: path(),
                segment: damaged.segment,
                at: damaged.at,
                why: damaged.why,
            });
        }
    };
    drop(files);
    let inconsistent = |what| HistoryError::Inconsistent { path: path(), what };
    let accepted = accepted(&records);
    let (from, digests, replica) = replay(owner, limits, records).map_err(inconsistent)?;
    Ok(History {
        directory: path(),
        owner,
        from,
        digests,
        memory_lost: !matches!(replica.status().acceptor, AcceptorStatus::Voting { .. }),
        replica,
        accepted,
        torn,
        _lock: lock,
    })
}

/// Takes the lock that a running replica holds. A directory without one was never used, or was set aside. The
/// lock file is not created here, because that would be a change.
fn lock_for_reading(directory: &Path) -> Result<Option<std::fs::File>, DirectoryError> {
    let name = directory.join(LOCK);
    let file = match std::fs::File::open(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open the lock file", &name)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse {
            path: directory.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed("lock", &name)(error)),
    }
}

/// The owner of a log that was set aside, from its headers: it has no superblock.
fn owner_by_headers(files: &BTreeMap<u64, Vec<u8>>) -> Option<Owner> {
    let mut scans = files.values().filter_map(|bytes| wal::scan(bytes));
    scans.next().map(|scan| scan.header.owner())
}

/// For each slot, the accepted value of the highest ballot.
fn accepted(records: &[Record]) -> BTreeMap<Slot, (Ballot, Value)> {
    let mut accepted: BTreeMap<Slot, (Ballot, Value)> = BTreeMap::new();
    for record in records {
        let (slot, ballot, value) = match record {
            Record::Accepted { ballot, slot, value } => (*slot, *ballot, value),
            Record::Carried(entry) => (entry.slot, entry.ballot, &entry.value),
            _ => continue,
        };
        if accepted.get(&slot).is_none_or(|(known, _)| *known <= ballot) {
            accepted.insert(slot, (ballot, value.clone()));
        }
    }
    accepted
}

/// Starts a replica on these records and lets it apply what it knows to be chosen. Returns the slot at which
/// it begins, and the digest of the state there and after each further slot.
fn replay(owner: Owner, limits: Limits, records: Vec<Record>) -> Result<(Slot, Vec<u128>, Replica), String> {
    let mut config = Config::new(owner.replica, MAX_REPLICAS);
    // These limits keep the replica from cutting its log.
    config.limits = Limits {
        log_bytes: usize::MAX,
        log_slots: u64::MAX,
        ..limits
    };
    let memory = Memory::Kept(records);
    let mut replica = Replica::new(config, memory, Entropy([0; 32]), Time(0))
        .map_err(|error| format!("names a replica that no cluster has ({error})"))?;
    let LearnerStatus::Learning { applied, digest, .. } = replica.status().learner else {
        return Ok((Slot::ZERO, Vec::new(), replica));
    };
    let mut digests = vec![digest];
    // No time passes, so the replica does nothing but apply what the records say.
    let effects = replica.step(Input {
        at: Time(0),
        event: Event::Clock,
    });
    for effect in effects {
        match effect {
            Effect::Observe(Observation::Applied { digest, .. }) => digests.push(digest),
            Effect::Halt(reason) => return Err(format!("contradicts itself ({reason})")),
            _ => {}
        }
    }
    Ok((applied, digests, replica))
}

impl History {
    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The replica that it belongs to.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The first slot of the log. Earlier slots, if any, are in the snapshot of a checkpoint.
    #[must_use]
    pub fn from(&self) -> Slot {
        self.from
    }

    /// The first slot, from there on, that is not known to be chosen.
    #[must_use]
    pub fn below(&self) -> Slot {
        Slot(self.from.0 + self.digests.len().saturating_sub(1) as u64)
    }

    /// The digest of the state before this slot; `None` if the log does not tell.
    #[must_use]
    pub fn digest(&self, below: Slot) -> Option<u128> {
        let place = below.0.checked_sub(self.from.0)?;
        self.digests.get(usize::try_from(place).ok()?).copied()
    }

    /// What the log holds of a slot; `None` if nothing.
    #[must_use]
    pub fn contents(&self, slot: Slot) -> Option<SlotContents<'_>> {
        let chosen = self.chosen(slot);
        let accepted = self.accepted.get(&slot).filter(|_| slot >= self.from);
        (chosen.is_some() || accepted.is_some()).then(|| SlotContents {
            chosen,
            accepted: accepted.map(|(ballot, value)| (*ballot, value)),
        })
    }

    /// The slots from this one on of which the log holds something, in ascending order.
    pub fn slots_from(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        let chosen = self.from.max(slot).0..self.below().0;
        let behind = self.accepted.range(self.below().max(slot)..);
        chosen.map(Slot).chain(behind.map(|(slot, _)| *slot))
    }

    /// The last slot in which a value was accepted that is not known to be chosen.
    #[must_use]
    pub fn only_accepted(&self) -> Option<Slot> {
        let behind = self.accepted.range(self.below()..).next_back();
        behind.map(|(slot, _)| *slot)
    }

    /// The slots from this one on of which the acceptor accepted a value.
    pub(crate) fn accepted_from(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        self.accepted.range(slot..).map(|(slot, _)| *slot)
    }

    /// Whether the acceptor lost its memory and has not recovered: then the log does not hold all that the
    /// acceptor promised.
    #[must_use]
    pub fn memory_lost(&self) -> bool {
        self.memory_lost
    }

    /// Whether the last write is incomplete, and left out here. No mark says that it was synced.
    #[must_use]
    pub fn torn(&self) -> bool {
        self.torn
    }

    pub(crate) fn chosen(&self, slot: Slot) -> Option<&Value> {
        (self.from..self.below())
            .contains(&slot)
            .then(|| self.replica.chosen(slot))?
    }
}

impl<'a> SlotContents<'a> {
    /// The chosen value if it is known, else the accepted one.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.chosen.or(self.accepted.map(|(_, value)| value))
    }

    /// The ballot in which that value was accepted here; `None` if others told that it is chosen.
    #[must_use]
    pub fn ballot(&self) -> Option<Ballot> {
        let (ballot, value) = self.accepted?;
        (Some(value) == self.value()).then_some(ballot)
    }
}
