//! A log of one segment, and operations on it.

use std::collections::BTreeMap;

use kvpaxos::wal::{
    Batch as Pieces, DamagedLog, Header, LogState, Owner, ReadError, SECTOR, SyncedPosition, Writer,
};
use kvpaxos::{Ballot, Batch, Command, Record, ReplicaId, Slot, Tag, Value};

pub(crate) const OWNER: Owner = Owner {
    cluster: 0x0123_4567_89ab_cdef,
    replica: ReplicaId(3),
};
pub(crate) const SEED: u64 = 0xfeed_beef;

pub(crate) fn header() -> Header {
    Header::founding(OWNER.cluster, OWNER.replica, SEED)
}

/// Writes the beginning of a new log.
pub(crate) fn found(bytes: &mut Vec<u8>) -> Writer {
    let mut pieces = Pieces::default();
    let writer = Writer::found(&header(), &mut pieces);
    take(&pieces, bytes);
    writer
}

pub(crate) fn append<'a>(
    writer: &mut Writer,
    records: impl IntoIterator<Item = &'a Record>,
    bytes: &mut Vec<u8>,
) {
    let mut pieces = Pieces::default();
    writer.append(records, &mut pieces);
    take(&pieces, bytes);
}

pub(crate) fn mark(writer: &mut Writer, bytes: &mut Vec<u8>) {
    let mut pieces = Pieces::default();
    writer.mark(&mut pieces);
    take(&pieces, bytes);
}

/// Appends the bytes of all segments. Most of these tests need only one segment.
pub(crate) fn take(pieces: &Pieces, bytes: &mut Vec<u8>) {
    for piece in pieces.pieces() {
        bytes.extend_from_slice(&piece.bytes);
    }
}

pub(crate) fn read(bytes: &[u8], owner: Owner, known_synced: u64) -> Result<LogState, ReadError> {
    let known_synced = (known_synced > 0).then_some(SyncedPosition {
        log: SEED,
        position: known_synced,
    });
    kvpaxos::wal::read(&BTreeMap::from([(0, bytes)]), owner, known_synced)
}

/// A record that takes several sectors, none of them all zeros.
pub(crate) fn record(number: u64) -> Record {
    let tag = Tag { nonce: 1, number };
    let payload = vec![u8::try_from(number % 255).unwrap() + 1; 3 * SECTOR];
    Record::Accepted {
        ballot: Ballot::ZERO,
        slot: Slot(number),
        value: Value::Batch(Batch::new(vec![Command::Opaque {
            tag,
            payload: payload.into(),
        }])),
    }
}

/// A log with one record in each group. Each group was synced before the next one was written.
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// The offsets at which the groups begin, and the offset at which the last one ends.
    pub(crate) groups: Vec<usize>,
}

impl Sample {
    pub(crate) fn new(groups: u64) -> Sample {
        Sample::from_records((0..groups).map(record))
    }

    pub(crate) fn from_records(records: impl Iterator<Item = Record>) -> Sample {
        let mut bytes = Vec::new();
        let mut writer = found(&mut bytes);
        let mut groups = vec![bytes.len()];
        for record in records {
            writer.on_synced(writer.position());
            append(&mut writer, [&record], &mut bytes);
            groups.push(bytes.len());
        }
        Sample { bytes, groups }
    }

    pub(crate) fn read(&self) -> LogState {
        read(&self.bytes, OWNER, 0).unwrap()
    }

    pub(crate) fn damage(&self) -> DamagedLog {
        match self.read() {
            LogState::Damaged(damaged) => damaged,
            LogState::Kept { torn, .. } => panic!("damage is not noticed: {torn:?}"),
        }
    }

    /// The number of records that are kept, and the offset at which a torn tail is cut.
    pub(crate) fn kept(&self) -> (u64, Option<usize>) {
        match self.read() {
            LogState::Kept { records, torn, .. } => {
                let count = records.len() as u64;
                assert_eq!(records, (0..count).map(record).collect::<Vec<_>>());
                (count, torn.map(|torn| usize::try_from(torn.at).unwrap()))
            }
            LogState::Damaged(damaged) => panic!("the log is damaged: {} at {}", damaged.why, damaged.at),
        }
    }

    /// The whole sectors within a group.
    pub(crate) fn sectors(&self, group: usize) -> Vec<std::ops::Range<usize>> {
        let within = self.groups[group].div_ceil(SECTOR)..self.groups[group + 1] / SECTOR;
        within
            .map(|sector| sector * SECTOR..(sector + 1) * SECTOR)
            .collect()
    }
}
