//! What can be wrong with a log.

use super::{Owner, VERSION};
use crate::crash_vector::CrashVector;
use crate::encoding::DecodeError;
use crate::founding::KnownFoundings;
use crate::io::Record;
use crate::types::Ballot;

/// A log with missing or damaged synced bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DamagedLog {
    /// The segment of the first flaw.
    pub segment: u64,
    /// The offset of the flaw in that segment's file.
    pub at: u64,
    /// Why it is not a torn tail.
    pub why: Damage,
    /// The records that could still be read, before and after the flaw, in order. Counters that must not
    /// repeat, and hints, may be taken from them. Promises and votes must not, because later ones may be
    /// missing.
    pub salvaged: Vec<Record>,
}

/// The records with which a log that replaces another begins, before [`Record::DiskLost`]: counters of the
/// old log that must not repeat, and the known foundings of others. Everything else the replica learns from
/// its peers.
#[must_use]
pub fn counters(records: &[Record]) -> Vec<Record> {
    let mut highest = Ballot::ZERO;
    let mut vector = CrashVector::default();
    let mut met = KnownFoundings::default();
    for record in records {
        match record {
            Record::Proposed { ballot } => highest = highest.max(*ballot),
            Record::Heard {
                acceptor,
                incarnation,
            } => _ = vector.raise(*acceptor, *incarnation),
            Record::Checkpoint(checkpoint) => {
                highest = highest.max(checkpoint.proposed);
                vector.merge(&checkpoint.vector);
                met.merge(&checkpoint.met);
            }
            Record::Met { replica, known } => _ = met.note(*replica, *known),
            _ => {}
        }
    }
    let heard = vector.iter().map(|(acceptor, incarnation)| Record::Heard {
        acceptor,
        incarnation,
    });
    let proposed = (highest > Ballot::ZERO).then_some(Record::Proposed { ballot: highest });
    let met = met.iter().map(|(replica, known)| Record::Met { replica, known });
    heard.chain(met).chain(proposed).collect()
}

/// Why a flaw is not a torn tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// There is no segment at all.
    #[error("the log is gone; this replica has lost its memory")]
    Gone,
    /// The header of the segment is damaged. It was durable before the segment got its name.
    #[error("the segment's header is damaged or missing; this replica has lost its memory")]
    Header,
    /// The header of the segment has another number.
    #[error(
        "the segment says that it is number {found}: it was copied under another number; this replica has \
         lost its memory"
    )]
    Number {
        /// The number in the header.
        found: u64,
    },
    /// The segment belongs to another log of this replica.
    #[error(
        "the segment is of another log of this replica, an older one or one that was set aside; this \
         replica has lost its memory"
    )]
    History,
    /// The segment is missing, but a later one exists.
    #[error("the segment is missing, though a later one is there; this replica has lost its memory")]
    Missing,
    /// The first segments are missing, and no complete checkpoint replaces them.
    #[error(
        "the segments before this one are missing, and no complete checkpoint stands in for them; \
         this replica has lost its memory"
    )]
    Beginning,
    /// A later segment exists, which was begun only when everything before it was synced.
    #[error(
        "the segment is damaged although it was synced before the next one was begun; this replica has lost \
         its memory"
    )]
    Followed,
    /// A mark shows that the flawed bytes had been synced.
    #[error(
        "the log is damaged although it was synced up to position {mark}; this replica has lost its memory"
    )]
    Synced {
        /// The highest mark.
        mark: u64,
    },
    /// Every sector of the last group was written, but the group is wrong.
    #[error(
        "the log's last writes are all there, and wrong: damaged, not torn; this replica has lost its memory"
    )]
    NotTorn,
    /// An intact group does not belong after the one before it.
    #[error(
        "a part of the log does not follow what stands before it, an older version or another place's; this \
         replica has lost its memory"
    )]
    Chain,
    /// The log ends before the position up to which it is known to have been synced.
    #[error(
        "the log ends at position {end}, but was synced up to {known_synced}; this replica has lost its \
         memory"
    )]
    LostTail {
        /// The position at which it ends.
        end: u64,
        /// The position up to which it was synced.
        known_synced: u64,
    },
}

/// Why a log was not read. It is not damaged, and must not be changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// It has a format that this program does not know.
    #[error(
        "the log is of format version {found}, this program reads {VERSION}: start the release that wrote it"
    )]
    Version {
        /// Its version.
        found: u16,
    },
    /// It belongs to another replica.
    #[error(
        "the log belongs to {} of cluster {:016x}, not to {} of cluster {:016x}: check the data directory",
        found.replica, found.cluster, expected.replica, expected.cluster
    )]
    Owner {
        /// Its owner.
        found: Owner,
        /// The expected owner.
        expected: Owner,
    },
    /// A group is intact, but this program cannot decode its records.
    #[error(
        "the log's records in segment {segment} at offset {at} cannot be read ({error}): start the release \
         that wrote them"
    )]
    Records {
        /// The segment.
        segment: u64,
        /// The offset in its file.
        at: u64,
        /// What is wrong.
        error: DecodeError,
    },
}
