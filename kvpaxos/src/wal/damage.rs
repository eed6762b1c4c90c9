//! What is wrong with a log, in words.

use super::{Owner, VERSION};
use crate::crash_vector::CrashVector;
use crate::encoding::DecodeError;
use crate::founding::KnownFoundings;
use crate::io::Record;
use crate::types::Ballot;

/// A log that lost what had been synced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DamagedLog {
    /// In which segment the first flaw was met.
    pub segment: u64,
    /// Where in that segment's file.
    pub at: u64,
    /// How it is known not to be a torn tail.
    pub why: Damage,
    /// What could still be read, before and after the flaw, in order. Hints and counters that must not repeat may be taken from it;
    /// a promise or a vote must not: there were others.
    pub salvaged: Vec<Record>,
}

/// What a log that replaces another begins with, before [`Record::DiskLost`]: the counters among the records of the old one that should not
/// repeat, and which foundings of others it knew. All else the replica learns from its peers.
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

/// How a flaw is known not to be a torn tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// There is no segment at all.
    #[error("the log is gone; this replica has lost its memory")]
    Gone,
    /// The segment's header, durable before the segment was there under its name, is not whole.
    #[error("the segment's header is damaged or missing; this replica has lost its memory")]
    Header,
    /// The segment says that it is another one.
    #[error(
        "the segment says that it is number {found}: it was copied under another number; this replica has lost its memory"
    )]
    Number {
        /// Which it is.
        found: u64,
    },
    /// The segment is of a log of this replica, but of another one.
    #[error(
        "the segment is of another log of this replica, an older one or one that was set aside; this replica has lost its memory"
    )]
    History,
    /// The segment is not there, though a later one is.
    #[error("the segment is missing, though a later one is there; this replica has lost its memory")]
    Missing,
    /// Segments before the first that is there are missing, and no complete checkpoint stands in for them.
    #[error(
        "the segments before this one are missing, and no complete checkpoint stands in for them; \
         this replica has lost its memory"
    )]
    Beginning,
    /// A later segment is there, which is begun only when all before it is synced.
    #[error(
        "the segment is damaged although it was synced before the next one was begun; this replica has lost its memory"
    )]
    Followed,
    /// A mark says that the flawed bytes had been synced.
    #[error(
        "the log is damaged although it was synced up to position {mark}; this replica has lost its memory"
    )]
    Synced {
        /// The highest mark.
        mark: u64,
    },
    /// Every sector of the last group was written, and it is wrong all the same.
    #[error(
        "the log's last writes are all there, and wrong: damaged, not torn; this replica has lost its memory"
    )]
    NotTorn,
    /// A whole group does not follow the one before it.
    #[error(
        "a part of the log does not follow what stands before it, an older version or another place's; this replica has lost its memory"
    )]
    Chain,
    /// The log ends before what is known to have been synced.
    #[error(
        "the log ends at position {end}, but was synced up to {known_synced}; this replica has lost its memory"
    )]
    LostTail {
        /// Where it ends.
        end: u64,
        /// What was said to be synced.
        known_synced: u64,
    },
}

/// Why a log was not read at all. Nothing is damaged, and nothing may be changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// It is of a format that this program does not know.
    #[error(
        "the log is of format version {found}, this program reads {VERSION}: start the release that wrote it"
    )]
    Version {
        /// Its version.
        found: u16,
    },
    /// It is somebody else's.
    #[error(
        "the log belongs to {} of cluster {:016x}, not to {} of cluster {:016x}: check the data directory",
        found.replica, found.cluster, expected.replica, expected.cluster
    )]
    Owner {
        /// Whose it is.
        found: Owner,
        /// Whose was expected.
        expected: Owner,
    },
    /// A group is whole, but what it holds is not known to this program.
    #[error(
        "the log's records in segment {segment} at offset {at} cannot be read ({error}): start the release that wrote them"
    )]
    Records {
        /// In which segment.
        segment: u64,
        /// Where in its file.
        at: u64,
        /// What is wrong.
        error: DecodeError,
    },
}
