//! What the logs of several directories tell of the history of slots, and from which slot on they tell different histories. Changes nothing.
//!
//! Replicas that keep what they promise never differ. They do if a disk lost in silence what it had synced, or if a directory was replaced by an
//! older copy, or formatted anew: then a quorum may have forgotten what was chosen, and chosen something else. [`read`] rebuilds what one log
//! holds, as a replica that starts would, and [`compare`] says where histories part.
//!
//! A log tells of a slot what it knows to be chosen, and the digest of the state after it; behind that, what its acceptor accepted. Two
//! values of the second kind that differ prove nothing: one may have been proposed and have lost, as Paxos allows. After a disk lost its last
//! writes, the acknowledged value may stand on the others in just that way. So such a difference is reported, and called open
//! ([`How::Accepted`]), unless both were accepted in one ballot ([`How::Ballot`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

use kvpaxos::status::{AcceptorStatus, LearnerStatus};
use kvpaxos::types::MAX_REPLICAS;
use kvpaxos::wal::{self, Damage, Owner, ReadError, State, Superblock};
use kvpaxos::{
    Ballot, Config, Effect, Entropy, Event, Input, Limits, Memory, Observation, Record, Replica, Slot, Time,
    Value,
};

use crate::storage::directory::{DirectoryError, LOCK, failed, read_superblock};
use crate::storage::segments;

/// Why it cannot be told what a directory holds. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be read, or is in use.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// There is no log.
    #[error("{} holds no log: it is no replica's data directory", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// It was to be formatted or recovered, and what stands in it is not to be used.
    #[error(
        "the data directory {} was being founded when that was interrupted; what its replica knew before stands in a directory damaged.N in it, \
         if there is one",
        path.display()
    )]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// Something that was synced is gone.
    #[error(
        "the log in {} is damaged in segment {segment} at offset {at}: {why}. What it held cannot be told for certain, and it is not compared; \
         `log inspect --records` prints what can be read of it",
        path.display()
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// In which segment the first flaw is,
        segment: u64,
        /// at which offset,
        at: u64,
        /// and what it is.
        why: Damage,
    },
    /// It is not of this release.
    #[error("cannot read the log in {}: {error}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        error: ReadError,
    },
    /// Its records are whole and say what no replica writes.
    #[error("the log in {} {what}: no replica of this release wrote that", path.display())]
    Senseless {
        /// The directory.
        path: PathBuf,
        /// What they say.
        what: String,
    },
}

/// Why directories cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They are of two clusters, which have nothing in common.
    #[error(
        "{} is of cluster {:016x} and {} of cluster {:016x}: the histories of two clusters have nothing in common. If the cluster is one, \
         its name, members, quorums or limits have changed",
        first.display(), clusters[0], second.display(), clusters[1]
    )]
    Clusters {
        /// A directory,
        first: PathBuf,
        /// another,
        second: PathBuf,
        /// and the fingerprints of their clusters.
        clusters: [u64; 2],
    },
    /// One is named twice.
    #[error("{} and {} are one directory: name each once", first.display(), second.display())]
    Twice {
        /// By this name,
        first: PathBuf,
        /// and by this one.
        second: PathBuf,
    },
}

/// What the log of a directory tells. Nobody else can use the directory until this is dropped.
#[derive(Debug)]
pub struct History {
    directory: PathBuf,
    owner: Owner,
    /// The slot of the snapshot that the log begins with.
    from: Slot,
    /// The digest of the state before `from`, and after each slot from there on that is known to be chosen.
    digests: Vec<u128>,
    /// Knows the values that were chosen.
    replica: Replica,
    /// The value of the highest ballot that the acceptor accepted for each slot.
    accepted: BTreeMap<Slot, (Ballot, Value)>,
    memory_lost: bool,
    torn: bool,
    _lock: Option<std::fs::File>,
}

/// What stands in a slot of one log; one of the two at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing<'a> {
    /// The value that is known to be chosen.
    pub chosen: Option<&'a Value>,
    /// What the acceptor accepted last, and in which ballot.
    pub accepted: Option<(Ballot, &'a Value)>,
}

/// Where two histories part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Parting {
    /// The first slot in which they differ, or before which they do.
    pub slot: Slot,
    /// How that is known.
    pub how: How,
}

/// How it is known that two histories differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum How {
    /// The states before the slot differ already, and it is the first that both tell: they parted earlier.
    Before,
    /// Different values are known to be chosen for it.
    Chosen,
    /// The same value is, and the states after it differ all the same.
    State,
    /// Different values were accepted for it in one ballot, which has one value for each slot.
    Ballot,
    /// Different values stand in it, and at least one of them was only accepted. It may have lost, and then nothing is wrong.
    Accepted,
}

/// Two sides of a [`Comparison`], and where they part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where.
    pub parting: Parting,
    /// Between which sides.
    pub sides: [usize; 2],
}

/// What several histories have in common. Histories are named by their places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// From which slot on and below which one two of them at least can be compared by what is chosen; `None` if there is no such slot.
    pub told: Option<(Slot, Slot)>,
    /// Who agrees with whom: those of one side do not differ from each other. There are none if nobody differs from anybody.
    pub sides: Vec<Vec<usize>>,
    /// Where sides part, in the order of slots.
    pub differences: Vec<Difference>,
    /// Where there are sides, those that differ from nobody: what they tell ends before histories part, or is told by nobody else.
    pub undecided: Vec<usize>,
    /// Which of them can be compared, directly or by way of others. There is one group if all can.
    pub comparable: Vec<Vec<usize>>,
    /// In short.
    pub verdict: Verdict,
}

/// Whether histories differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nobody differs from anybody, in any slot that two can tell.
    Same,
    /// Some do.
    Differ,
    /// What is known to be chosen does not show a difference. But what was accepted may, or some have no slot in common with the others.
    Unknown,
}

/// Reads what a directory tells. `limits` are those of its replica: they decide what becomes of sessions.
///
/// # Errors
/// If it is in use, is no replica's, is damaged, or cannot be read.
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
            state: State::Ready(mark),
        }) => (owner, Some(mark)),
        Some(_) => return Err(HistoryError::Unfinished { path: path() }),
        None => (
            owner_by_headers(&files).ok_or_else(|| HistoryError::NoLog { path: path() })?,
            None,
        ),
    };
    let unreadable = |error| HistoryError::Unreadable { path: path(), error };
    let (records, torn) = match wal::read(&files, owner, mark).map_err(unreadable)? {
        wal::Log::Kept { records, torn, .. } => (records, torn.is_some_and(|torn| !torn.blank)),
        wal::Log::Damaged(damaged) => {
            return Err(HistoryError::Damaged {
                path: path(),
                segment: damaged.segment,
                at: damaged.at,
                why: damaged.why,
            });
        }
    };
    drop(files);
    let senseless = |what| HistoryError::Senseless { path: path(), what };
    let accepted = accepted(&records);
    let (from, digests, replica) = replay(owner, limits, records).map_err(senseless)?;
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

/// Whoever uses a directory holds its lock. One without a lock was never used, or was set aside. The file is not created: it would be a change.
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

/// Whose a log is that was set aside: there is no superblock beside it.
fn owner_by_headers(files: &BTreeMap<u64, Vec<u8>>) -> Option<Owner> {
    let mut scans = files.values().filter_map(|bytes| wal::scan(bytes));
    scans.next().map(|scan| scan.header.owner())
}

/// What the acceptor accepted last for each slot: that of the highest ballot.
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

/// Starts a replica on these records, and lets it apply what it knows. Returns the slot that it begins with, and the digests from there on.
fn replay(owner: Owner, limits: Limits, records: Vec<Record>) -> Result<(Slot, Vec<u128>, Replica), String> {
    let mut config = Config::new(owner.replica, MAX_REPLICAS);
    // It cuts nothing of what it knows.
    config.limits = Limits {
        log_bytes: usize::MAX,
        log_slots: u64::MAX,
        ..limits
    };
    let memory = Memory::Kept(records);
    let mut replica = Replica::new(config, memory, Entropy([0; 32]), Time(0))
        .map_err(|error| format!("is of a replica that no cluster has ({error})"))?;
    let LearnerStatus::Learning { applied, digest, .. } = replica.status().learner else {
        return Ok((Slot::ZERO, Vec::new(), replica));
    };
    let mut digests = vec![digest];
    // The time is that of the start: no tick is counted, and nothing but what follows from the records takes place.
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

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The first slot that it tells: those below are in the snapshot of a checkpoint, if there are any.
    #[must_use]
    pub fn from(&self) -> Slot {
        self.from
    }

    /// The first slot from there on that it does not know to be chosen.
    #[must_use]
    pub fn below(&self) -> Slot {
        Slot(self.from.0 + self.digests.len().saturating_sub(1) as u64)
    }

    /// The digest of the state after all slots below this one.
    #[must_use]
    pub fn digest(&self, below: Slot) -> Option<u128> {
        let place = below.0.checked_sub(self.from.0)?;
        self.digests.get(usize::try_from(place).ok()?).copied()
    }

    /// What stands in a slot.
    #[must_use]
    pub fn standing(&self, slot: Slot) -> Option<Standing<'_>> {
        let chosen = self.chosen(slot);
        let accepted = self.accepted.get(&slot).filter(|_| slot >= self.from);
        (chosen.is_some() || accepted.is_some()).then(|| Standing {
            chosen,
            accepted: accepted.map(|(ballot, value)| (*ballot, value)),
        })
    }

    /// The slots from this one on in which anything stands, in ascending order.
    pub fn slots_from(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        let chosen = self.from.max(slot).0..self.below().0;
        let behind = self.accepted.range(self.below().max(slot)..);
        chosen.map(Slot).chain(behind.map(|(slot, _)| *slot))
    }

    /// The last slot that was accepted, if it is not known to be chosen.
    #[must_use]
    pub fn only_accepted(&self) -> Option<Slot> {
        let behind = self.accepted.range(self.below()..).next_back();
        behind.map(|(slot, _)| *slot)
    }

    /// Whether its acceptor lost its memory and has not got it back: what it holds is not all that it held.
    #[must_use]
    pub fn memory_lost(&self) -> bool {
        self.memory_lost
    }

    /// Whether its last write is not whole, and left out here. No mark says that it was synced.
    #[must_use]
    pub fn torn(&self) -> bool {
        self.torn
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        (self.from..self.below())
            .contains(&slot)
            .then(|| self.replica.chosen(slot))?
    }
}

impl<'a> Standing<'a> {
    /// The value that counts: the chosen one, if one is known.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.chosen.or(self.accepted.map(|(_, value)| value))
    }

    /// The ballot in which that value was accepted here. Of a value that others told to be chosen, none is known.
    #[must_use]
    pub fn ballot(&self) -> Option<Ballot> {
        let (ballot, value) = self.accepted?;
        (Some(value) == self.value()).then_some(ballot)
    }
}

/// How two histories relate to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relation {
    /// There is nothing that both tell.
    Apart,
    Same,
    Differ(Parting),
}

/// Compares histories, each with each.
///
/// # Errors
/// If they are of different clusters, or two are one.
pub fn compare(histories: &[History]) -> Result<Comparison, CompareError> {
    check_that_they_fit(histories)?;
    let relations: BTreeMap<(usize, usize), Relation> = pairs_of(histories.len())
        .map(|(one, other)| ((one, other), relate(&histories[one], &histories[other])))
        .collect();
    let relation = |one: usize, other: usize| relations[&(one.min(other), one.max(other))];
    let (sides, undecided) = sides(histories.len(), &relation);
    let mut differences = Vec::new();
    for (one, other) in pairs_of(sides.len()) {
        let across = sides[one]
            .iter()
            .flat_map(|first| sides[other].iter().map(move |second| (*first, *second)));
        let partings = across.filter_map(|(first, second)| match relation(first, second) {
            Relation::Differ(parting) => Some(parting),
            _ => None,
        });
        let sides = [one, other];
        differences.extend(partings.min().map(|parting| Difference { parting, sides }));
    }
    differences.sort_by_key(|difference| (difference.parting, difference.sides));
    let comparable = comparable(histories.len(), &relation);
    let told =
        pairs_of(histories.len()).filter_map(|(one, other)| common(&histories[one], &histories[other]));
    let told = told
        .reduce(|(from, below), (other_from, other_below)| (from.min(other_from), below.max(other_below)));
    let proven = |difference: &Difference| difference.parting.how != How::Accepted;
    let verdict = if differences.iter().any(proven) {
        Verdict::Differ
    } else if differences.is_empty() && comparable.len() == 1 {
        Verdict::Same
    } else {
        Verdict::Unknown
    };
    Ok(Comparison {
        told,
        sides,
        differences,
        undecided,
        comparable,
        verdict,
    })
}

fn pairs_of(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |first| (first + 1..count).map(move |second| (first, second)))
}

fn check_that_they_fit(histories: &[History]) -> Result<(), CompareError> {
    for (one, other) in pairs_of(histories.len()) {
        let (one, other) = (&histories[one], &histories[other]);
        let (first, second) = (one.directory.clone(), other.directory.clone());
        let clusters = [one.owner.cluster, other.owner.cluster];
        if clusters[0] != clusters[1] {
            return Err(CompareError::Clusters {
                first,
                second,
                clusters,
            });
        }
        let real = |path: &Path| path.canonicalize().ok();
        if first == second || real(&first).is_some_and(|path| Some(path) == real(&second)) {
            return Err(CompareError::Twice { first, second });
        }
    }
    Ok(())
}

/// The slots whose chosen values both tell, or the one before which both tell the state: from which on, and below which.
fn common(one: &History, other: &History) -> Option<(Slot, Slot)> {
    let from = one.from.max(other.from);
    let below = one.below().min(other.below());
    // That all began alike says nothing.
    (from <= below && below > Slot::ZERO).then_some((from, below))
}

fn relate(one: &History, other: &History) -> Relation {
    let differ = |slot, how| Relation::Differ(Parting { slot, how });
    let common = common(one, other);
    if let Some((from, below)) = common {
        if one.digest(from) != other.digest(from) {
            return differ(from, How::Before);
        }
        for slot in (from.0..below.0).map(Slot) {
            if one.chosen(slot) != other.chosen(slot) {
                return differ(slot, How::Chosen);
            }
            if one.digest(slot.next()) != other.digest(slot.next()) {
                return differ(slot, How::State);
            }
        }
    }
    // Behind what both know to be chosen, each slot in which something stands that at least one has only accepted.
    let from = one.from.max(other.from);
    let below = one.below().min(other.below());
    let behind = [one, other].into_iter().flat_map(|history| {
        let accepted = history.accepted.range(from.max(below)..);
        accepted.map(|(slot, _)| *slot)
    });
    let mut met = common.is_some();
    for slot in behind.collect::<BTreeSet<Slot>>() {
        if let (Some(first), Some(second)) = (one.standing(slot), other.standing(slot)) {
            if first.value() != second.value() {
                let ballots = [first, second].map(|standing| standing.accepted.map(|(ballot, _)| ballot));
                let one_ballot = ballots[0].is_some() && ballots[0] == ballots[1];
                let differ_in_it = first.accepted != second.accepted;
                return differ(
                    slot,
                    if one_ballot && differ_in_it {
                        How::Ballot
                    } else {
                        How::Accepted
                    },
                );
            }
            met = true;
        }
    }
    if met { Relation::Same } else { Relation::Apart }
}

/// Who stands with whom among those that differ from somebody; and those that differ from nobody, if others do.
fn sides(count: usize, relation: &impl Fn(usize, usize) -> Relation) -> (Vec<Vec<usize>>, Vec<usize>) {
    let differs =
        |one: usize, other: usize| one != other && matches!(relation(one, other), Relation::Differ(_));
    let (parted, undecided): (Vec<usize>, Vec<usize>) =
        (0..count).partition(|one| (0..count).any(|other| differs(*one, other)));
    let mut sides: Vec<Vec<usize>> = Vec::new();
    for one in parted {
        let fits = |side: &&mut Vec<usize>| {
            side.iter().all(|other| !differs(one, *other))
                && side.iter().any(|other| relation(one, *other) == Relation::Same)
        };
        match sides.iter_mut().find(fits) {
            Some(side) => side.push(one),
            None => sides.push(vec![one]),
        }
    }
    let undecided = if sides.is_empty() { Vec::new() } else { undecided };
    (sides, undecided)
}

/// Who can be compared with whom, directly or by way of others.
fn comparable(count: usize, relation: &impl Fn(usize, usize) -> Relation) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for one in 0..count {
        let (mut met, others): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| group.iter().any(|other| relation(one, *other) != Relation::Apart));
        groups = others;
        let mut group: Vec<usize> = met.drain(..).flatten().collect();
        group.push(one);
        group.sort_unstable();
        groups.push(group);
    }
    groups.sort();
    groups
}

#[cfg(test)]
mod tests;
