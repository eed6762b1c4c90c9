//! Inspects a data directory: what its log holds, and where and how it is damaged. Changes nothing and takes
//! no lock, so the replica may be running.

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

/// What a data directory holds.
#[derive(Debug)]
pub struct Inspection {
    /// Its superblock: `None` if it has none, an error if it is damaged.
    pub superblock: Option<Result<Superblock, SuperblockError>>,
    /// Its segments, by ascending numbers.
    pub segments: Vec<Segment>,
    /// What a replica that starts would make of the log.
    pub verdict: LogVerdict,
}

/// One segment of a log.
#[derive(Debug)]
pub struct Segment {
    /// Its number, according to its name.
    pub number: u64,
    /// The path of its file.
    pub file: PathBuf,
    /// The length of the file, in bytes.
    pub bytes: u64,
    /// Its contents; `None` if its header is damaged.
    pub scan: Option<Scan>,
}

/// Whether a log is intact.
#[derive(Debug, PartialEq, Eq)]
pub enum LogVerdict {
    /// Everything that a mark covers is there.
    Whole {
        /// How many records count: those from the last complete checkpoint on.
        records: usize,
        /// The position at which the log ends.
        end: u64,
        /// The highest mark: everything below was synced. What stands behind it may have been synced too, and
        /// if the disk lost some of that, this log does not show it. The mark of a running replica lags by
        /// 200 ms at most (see the table in [`kvpaxos::wal`]).
        marked: u64,
        /// The segments that a complete checkpoint replaces.
        obsolete: Vec<u64>,
        /// The incomplete write at the end, if there is one. No mark covers it.
        torn: Option<TornEnd>,
    },
    /// Something that was synced is missing or changed.
    Damaged {
        /// The segment of the first flaw.
        segment: u64,
        /// The offset in that segment.
        at: u64,
        /// The flaw.
        why: Damage,
    },
    /// This program cannot read it.
    Unreadable(ReadError),
}

/// An incomplete write at the end of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornEnd {
    /// The last segment.
    pub segment: u64,
    /// The offset in it at which the complete writes end.
    pub at: u64,
    /// How many bytes of the incomplete write follow.
    pub dropped: u64,
}

/// Where a checkpoint begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckpointPlace {
    /// The number of the checkpoint.
    pub number: u64,
    /// The segment.
    pub segment: u64,
    /// The position in the log.
    pub position: u64,
    /// Whether its end is there too.
    pub complete: bool,
}

/// Where the log says that memory was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LossPlace {
    /// The kind of the record that says so: "memory lost" or "disk lost".
    pub mark: &'static str,
    /// The segment.
    pub segment: u64,
    /// The position in the log.
    pub position: u64,
}

/// A summary of all records that can be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogSummary {
    /// How many records there are of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The highest ballot that the proposer of the replica used.
    pub proposed: Ballot,
    /// The highest slot in which a value was accepted.
    pub accepted: Option<Slot>,
    /// The first slot that the log does not know to be chosen.
    pub chosen: Slot,
    /// The founding of the replica: that of its first life, or `None` if it has lost its disk since.
    pub founding: Option<Founding>,
    /// The foundings of other replicas that it knew.
    pub met: KnownFoundings,
    /// Its checkpoints, in order.
    pub checkpoints: Vec<CheckpointPlace>,
    /// Where it says that memory was lost, in order.
    pub losses: Vec<LossPlace>,
}

/// Inspects a data directory.
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
) -> LogVerdict {
    // Without an owner every header is damaged, so it does not matter which owner is expected.
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
        }) => LogVerdict::Whole {
            records: records.len(),
            end: writer.position(),
            marked: known_synced.map_or(0, |mark| mark.position).max(writer.synced()),
            obsolete,
            torn: torn.filter(|torn| !torn.blank).map(|torn| TornEnd {
                segment: torn.segment,
                at: torn.at,
                dropped: torn.dropped,
            }),
        },
        Ok(wal::LogState::Damaged(damaged)) => LogVerdict::Damaged {
            segment: damaged.segment,
            at: damaged.at,
            why: damaged.why,
        },
        Err(error) => LogVerdict::Unreadable(error),
    }
}

impl Inspection {
    /// All groups that can be read, with the numbers of their segments.
    pub fn groups(&self) -> impl Iterator<Item = (u64, &ScannedGroup)> {
        self.segments.iter().flat_map(|segment| {
            let groups = segment.scan.iter().flat_map(|scan| &scan.groups);
            groups.map(|group| (segment.number, group))
        })
    }

    /// Summarizes all records that can be read.
    #[must_use]
    pub fn summary(&self) -> LogSummary {
        let mut summary = LogSummary::default();
        for (segment, group) in self.groups() {
            for record in &group.records {
                summary.add(record, segment, group.position);
            }
        }
        summary
    }
}

impl LogSummary {
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
            Record::MemoryLost => self.losses.push(LossPlace {
                mark: kind,
                segment,
                position,
            }),
            Record::DiskLost => {
                self.founding = None;
                self.losses.push(LossPlace {
                    mark: kind,
                    segment,
                    position,
                });
            }
            Record::Checkpoint(checkpoint) => {
                self.promised = self.promised.max(checkpoint.promised);
                self.proposed = self.proposed.max(checkpoint.proposed);
                self.chosen = self.chosen.max(checkpoint.cut).max(checkpoint.slot);
                self.founding = self.founding.or(checkpoint.founding);
                self.met.merge(&checkpoint.met);
                self.checkpoints.push(CheckpointPlace {
                    number: checkpoint.number,
                    segment,
                    position,
                    complete: false,
                });
            }
            Record::CheckpointEnd { number } => {
                let last = self.checkpoints.last_mut();
                if let Some(last) = last.filter(|last| last.number == *number) {
                    last.complete = true;
                }
            }
            Record::Carried(entry) => self.accepted = self.accepted.max(Some(entry.slot)),
            Record::Founded { founding } => self.founding = Some(*founding),
            Record::Met { replica, known } => _ = self.met.note(*replica, *known),
            Record::Heard { .. } | Record::SnapshotPart { .. } | Record::Received(_) => {}
        }
    }
}

/// The name of a kind of records.
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

impl fmt::Display for LogVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogVerdict::Whole {
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
                        "and was synced up to {marked} at least; if the disk lost something that it synced \
                         after that, this log does not show it"
                    )?;
                }
                if !obsolete.is_empty() {
                    write!(f, "; a checkpoint replaces segments {obsolete:?}")?;
                }
                if let Some(TornEnd { segment, at, dropped }) = torn {
                    write!(
                        f,
                        "; segment {segment} ends at offset {at}, and {dropped} bytes of an incomplete write \
                         follow, which no mark covers: as far as this log can tell a crash interrupted it, \
                         and it will be cut off"
                    )?;
                }
                Ok(())
            }
            LogVerdict::Damaged { segment, at, why } => {
                write!(f, "damaged in segment {segment} at offset {at}: {why}")
            }
            LogVerdict::Unreadable(error) => write!(f, "unreadable: {error}"),
        }
    }
}
