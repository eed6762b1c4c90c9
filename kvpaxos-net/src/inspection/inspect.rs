//! Looking into a data directory: what its log holds, and where and how it is damaged. Changes nothing, and takes no lock.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use kvpaxos::founding::KnownFoundings;
use kvpaxos::wal::{
    self, Damage, Owner, ReadError, Scan, ScannedGroup, Superblock, SuperblockError, SuperblockState,
    SyncedPosition, scan,
};
use kvpaxos::{Ballot, Founding, Record, Slot};

use crate::storage::log::SUPERBLOCK;
use crate::storage::segments;

/// What a directory holds.
#[derive(Debug)]
pub struct Inspection {
    /// Its superblock, if it has one.
    pub superblock: Option<Result<Superblock, SuperblockError>>,
    /// Every segment that is there.
    pub segments: Vec<Segment>,
    /// What a replica that starts would find.
    pub verdict: Verdict,
}

/// One segment.
#[derive(Debug)]
pub struct Segment {
    /// Its number, by its name.
    pub number: u64,
    /// Its file.
    pub file: PathBuf,
    /// How long the file is.
    pub bytes: u64,
    /// What is in it; `None` if its header is not whole.
    pub scan: Option<Scan>,
}

/// Whether a log is whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All that a mark covers is there.
    Whole {
        /// Records that count: from the last complete checkpoint on.
        records: usize,
        /// Where the log ends.
        end: u64,
        /// The highest mark: all below was synced. What was written behind it may have been synced as well, and if the disk lost some of that
        /// nobody can tell by this log. A running replica lets it lag by 200 ms at most (see the table of [`kvpaxos::wal`]).
        marked: u64,
        /// Segments that a complete checkpoint replaces.
        obsolete: Vec<u64>,
        /// The last segment, where its writes end, and how many bytes follow of a write that is not whole, and that no mark covers.
        torn: Option<(u64, u64, u64)>,
    },
    /// Something that was synced is gone.
    Damaged {
        /// Where the first flaw is: in which segment,
        segment: u64,
        /// and at which offset.
        at: u64,
        /// What it is.
        why: Damage,
    },
    /// It cannot be read by this program.
    Unreadable(ReadError),
}

/// What the records of all groups that can be read come to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// How many there are of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The highest ballot that the replica's proposer used.
    pub proposed: Ballot,
    /// The highest slot accepted.
    pub accepted: Option<Slot>,
    /// The first slot not told to be chosen.
    pub chosen: Slot,
    /// The replica's founding: that of its first life, unless it lost its disk since.
    pub founding: Option<Founding>,
    /// Which foundings of others it knew.
    pub met: KnownFoundings,
    /// The checkpoints: number, segment, position, and whether the end is there.
    pub checkpoints: Vec<(u64, u64, u64, bool)>,
    /// Where it says that memory was lost: which mark, segment, position.
    pub losses: Vec<(&'static str, u64, u64)>,
}

/// Looks into a directory.
///
/// # Errors
/// If it cannot be read.
pub fn inspect(directory: &Path) -> io::Result<Inspection> {
    let superblock = match std::fs::read(directory.join(SUPERBLOCK)) {
        Ok(text) => Some(Superblock::parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let files = segments::read_all(directory)?;
    let segments: Vec<Segment> = files
        .iter()
        .map(|(number, bytes)| Segment {
            number: *number,
            file: segments::path(directory, *number),
            bytes: bytes.len() as u64,
            scan: scan(bytes),
        })
        .collect();
    let known = superblock.and_then(Result::ok);
    let owner = known.map(|superblock| superblock.owner).or_else(|| {
        let mut scans = segments.iter().filter_map(|segment| segment.scan.as_ref());
        scans.next().map(|scan| scan.header.owner())
    });
    let known_synced = known.and_then(|superblock| match superblock.state {
        SuperblockState::Ready(mark) => Some(mark),
        SuperblockState::Founding { .. } => None,
    });
    Ok(Inspection {
        verdict: verdict(&files, owner, known_synced),
        superblock,
        segments,
    })
}

fn verdict(
    files: &BTreeMap<u64, Vec<u8>>,
    owner: Option<Owner>,
    known_synced: Option<SyncedPosition>,
) -> Verdict {
    // Without an owner no header is whole, and whose it would be does not matter.
    let owner = owner.unwrap_or(Owner {
        cluster: 0,
        replica: kvpaxos::ReplicaId(0),
    });
    match wal::read(files, owner, known_synced) {
        Ok(wal::LogState::Kept {
            records,
            writer,
            torn,
            obsolete,
        }) => Verdict::Whole {
            records: records.len(),
            end: writer.position(),
            marked: known_synced.map_or(0, |mark| mark.position).max(writer.synced()),
            obsolete,
            torn: torn
                .filter(|torn| !torn.blank)
                .map(|torn| (torn.segment, torn.at, torn.dropped)),
        },
        Ok(wal::LogState::Damaged(damaged)) => Verdict::Damaged {
            segment: damaged.segment,
            at: damaged.at,
            why: damaged.why,
        },
        Err(error) => Verdict::Unreadable(error),
    }
}

impl Inspection {
    /// All groups that are whole in themselves, with the numbers of their segments.
    pub fn groups(&self) -> impl Iterator<Item = (u64, &ScannedGroup)> {
        self.segments.iter().flat_map(|segment| {
            let groups = segment.scan.iter().flat_map(|scan| &scan.groups);
            groups.map(|group| (segment.number, group))
        })
    }

    /// What the records in them come to.
    #[must_use]
    pub fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        for (segment, group) in self.groups() {
            for record in &group.records {
                sum.add(record, segment, group.position);
            }
        }
        sum
    }
}

impl Sum {
    fn add(&mut self, record: &Record, segment: u64, position: u64) {
        let kind = kind(record);
        *self.kinds.entry(kind).or_default() += 1;
        match record {
            Record::Proposed { ballot } => self.proposed = self.proposed.max(*ballot),
            Record::Promised { ballot } => self.promised = self.promised.max(*ballot),
            Record::Accepted { ballot, slot, .. } => {
                self.promised = self.promised.max(*ballot);
                self.accepted = self.accepted.max(Some(*slot));
            }
            Record::Chosen { up_to, .. } => self.chosen = self.chosen.max(*up_to),
            Record::Learned { slot, .. } => self.chosen = self.chosen.max(slot.next()),
            Record::MemoryLost => self.losses.push((kind, segment, position)),
            Record::DiskLost => {
                self.founding = None;
                self.losses.push((kind, segment, position));
            }
            Record::Checkpoint(checkpoint) => {
                self.promised = self.promised.max(checkpoint.promised);
                self.proposed = self.proposed.max(checkpoint.proposed);
                self.chosen = self.chosen.max(checkpoint.cut).max(checkpoint.slot);
                self.founding = self.founding.or(checkpoint.founding);
                self.met.merge(&checkpoint.met);
                self.checkpoints
                    .push((checkpoint.number, segment, position, false));
            }
            Record::CheckpointEnd { number } => {
                if let Some(last) = self.checkpoints.last_mut().filter(|last| last.0 == *number) {
                    last.3 = true;
                }
            }
            Record::Carried(entry) => self.accepted = self.accepted.max(Some(entry.slot)),
            Record::Founded { founding } => self.founding = Some(*founding),
            Record::Met { replica, known } => _ = self.met.note(*replica, *known),
            Record::Heard { .. } | Record::SnapshotPart { .. } | Record::Received(_) => {}
        }
    }
}

/// The kind of a record, in a word.
fn kind(record: &Record) -> &'static str {
    match record {
        Record::Proposed { .. } => "proposed",
        Record::Promised { .. } => "promised",
        Record::Accepted { .. } => "accepted",
        Record::Chosen { .. } => "chosen",
        Record::Learned { .. } => "learned",
        Record::MemoryLost => "memory lost",
        Record::DiskLost => "disk lost",
        Record::Heard { .. } => "heard",
        Record::Checkpoint(_) => "checkpoint",
        Record::Carried(_) => "carried",
        Record::SnapshotPart { .. } => "snapshot part",
        Record::CheckpointEnd { .. } => "checkpoint end",
        Record::Received(_) => "received part",
        Record::Founded { .. } => "founded",
        Record::Met { .. } => "met",
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Whole {
                records,
                end,
                marked,
                obsolete,
                torn,
            } => {
                write!(
                    f,
                    "whole: {records} records count, the log ends at position {end}, "
                )?;
                if marked == end {
                    write!(f, "and all of it was synced")?;
                } else {
                    write!(
                        f,
                        "and was synced up to {marked} at least: had the disk lost what it synced after that, this log would not tell"
                    )?;
                }
                if !obsolete.is_empty() {
                    write!(f, "; a checkpoint stands in for segments {obsolete:?}")?;
                }
                if let Some((segment, at, dropped)) = torn {
                    write!(
                        f,
                        "; segment {segment} ends at offset {at}, where {dropped} bytes follow of a write that is not whole and that no mark \
                         covers: a crash cut it short, as far as this log can tell, and it will be cut off"
                    )?;
                }
                Ok(())
            }
            Verdict::Damaged { segment, at, why } => {
                write!(f, "damaged in segment {segment} at offset {at}: {why}")
            }
            Verdict::Unreadable(error) => write!(f, "not readable: {error}"),
        }
    }
}
