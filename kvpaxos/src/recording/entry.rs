//! What a recording says.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::io::{Event, Record};
use crate::types::{Entropy, ReplicaId, Role, Time};

/// The beginning of a file: whose life it records, and under which circumstances. A segment and its checkpoint have the same one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The release of the program that recorded.
    pub release: String,
    /// The number that identifies the cluster, as in the [log](crate::wal::Owner).
    pub cluster: u64,
    /// The number of the life among those that were recorded in this place, from 1.
    pub life: u64,
    /// The number of the segment within its life, from 1. Of those that are not the first, there is mostly a checkpoint.
    pub segment: u64,
    /// What the clock of the machine showed when the clock of the replica showed 0, in microseconds since 1970. It
    /// only says how the times of different replicas may be put side by side.
    pub began: u64,
    /// Whether the replica keeps its records on a disk. If not, what waits for a record leaves at once.
    pub durable: bool,
    /// The configuration of the replica.
    pub config: Config,
}

/// The name of a file: `r1-000004.recording` for the fourth life of replica 1, and `r1-000004-000002.recording` for the second
/// segment of that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileName {
    /// The replica.
    pub replica: ReplicaId,
    /// The number of its life, as in [`Header::life`].
    pub life: u64,
    /// The number of the segment, as in [`Header::segment`].
    pub segment: u64,
}

impl FileName {
    /// The name of the first segment of a life.
    #[must_use]
    pub fn first(replica: ReplicaId, life: u64) -> FileName {
        let segment = 1;
        FileName {
            replica,
            life,
            segment,
        }
    }

    /// The name of the segment that has this header.
    #[must_use]
    pub fn of(header: &Header) -> FileName {
        FileName {
            replica: header.config.id,
            life: header.life,
            segment: header.segment,
        }
    }

    /// The ending of all names of segments.
    pub const ENDING: &str = ".recording";
    /// The ending of the names of checkpoints.
    pub const CHECKPOINT: &str = ".checkpoint";

    /// The name of the file with the checkpoint of the segment: `r1-000004-000002.checkpoint`.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        self.ending_in(Self::CHECKPOINT)
    }

    /// Reads the name of a segment; `None` if it is that of another file.
    #[must_use]
    pub fn parse(name: &str) -> Option<FileName> {
        Self::parse_ending_in(name, Self::ENDING)
    }

    /// Reads the name of a checkpoint, and returns that of its segment; `None` if it is that of another file.
    #[must_use]
    pub fn parse_checkpoint(name: &str) -> Option<FileName> {
        Self::parse_ending_in(name, Self::CHECKPOINT).filter(|name| name.segment > 1)
    }

    fn parse_ending_in(name: &str, ending: &str) -> Option<FileName> {
        let (replica, life) = name.strip_suffix(ending)?.strip_prefix('r')?.split_once('-')?;
        let (life, segment) = life.split_once('-').unwrap_or((life, "1"));
        let parsed = FileName {
            replica: ReplicaId(replica.parse().ok()?),
            life: life.parse().ok()?,
            segment: segment.parse().ok()?,
        };
        // A number has several forms, a file one name.
        (parsed.ending_in(ending) == name).then_some(parsed)
    }

    fn ending_in(&self, ending: &str) -> String {
        let FileName {
            replica,
            life,
            segment,
        } = self;
        match segment {
            1 => format!("{replica}-{life:06}{ending}"),
            _ => format!("{replica}-{life:06}-{segment:06}{ending}"),
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ending_in(Self::ENDING))
    }
}

/// One thing that happened to a replica, or to its disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A piece of the [`Checkpoint`](super::Checkpoint) of a segment that is not the first.
    Checkpoint {
        /// The bytes.
        piece: Bytes,
        /// Whether it is the last piece.
        is_last: bool,
    },
    /// A record of the memory with which the next [`Start`](Entry::Start) or [`Restart`](Entry::Restart) begins.
    Remember(Record),
    /// The life begins.
    Start {
        /// When.
        at: Time,
        /// Whether the replica has the memory of the records before this; if not, it has lost it.
        kept: bool,
        /// Its random bits.
        entropy: Entropy,
    },
    /// A role restarts: [`Event::Restart`], whose memory the records before this are.
    Restart {
        /// When.
        at: Time,
        /// The role.
        role: Role,
        /// Whether the role has the memory of the records before this; if not, it has lost it.
        kept: bool,
        /// Its random bits.
        entropy: Entropy,
    },
    /// An input that is neither a restart nor a message of the replica to itself.
    Input {
        /// When.
        at: Time,
        /// What.
        event: Event,
    },
    /// The oldest message that the replica sent to itself arrives.
    Own {
        /// When.
        at: Time,
    },
    /// A batch of records, and all before it, are durable, and the driver knows that.
    Durable {
        /// The number of the batch.
        batch: u64,
    },
    /// The records since the last flush become a batch.
    Flush,
    /// The process stopped in order.
    Stopped,
    /// The recording has reached its bound.
    Full,
}
