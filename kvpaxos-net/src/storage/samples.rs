//! Records and their owner, for tests.

use kvpaxos::io::Checkpoint;
use kvpaxos::wal::Owner;
use kvpaxos::{Ballot, Memory, Record, ReplicaId, ReplicaSet};

pub(crate) const OWNER: Owner = Owner {
    cluster: 7,
    replica: ReplicaId(1),
};

pub(crate) fn ballot(round: u64) -> Ballot {
    Ballot {
        round,
        ..Ballot::ZERO
    }
}

pub(crate) fn promised(round: u64) -> Record {
    let ballot = ballot(round);
    Record::Promised { ballot }
}

/// The beginning of a checkpoint, which begins a segment.
pub(crate) fn begin(number: u64) -> Record {
    Record::Checkpoint(Box::new(Checkpoint {
        number,
        members: ReplicaSet::first(5),
        ..Checkpoint::default()
    }))
}

pub(crate) fn end(number: u64) -> Record {
    Record::CheckpointEnd { number }
}

/// The records that were written after the directory was formatted: all but the first, [`Record::Founded`],
/// if it is still there.
pub(crate) fn since_founded(memory: Memory) -> Vec<Record> {
    match memory {
        Memory::Kept(mut records) => {
            if let Some(Record::Founded { .. }) = records.first() {
                records.remove(0);
            }
            records
        }
        Memory::Lost => panic!("a directory always has a log"),
    }
}
