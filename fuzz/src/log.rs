//! Checks of the write-ahead log. Whatever happens to its bytes, no record is read that was not written. A
//! crash alone loses no record that was synced, and is not taken for damage.

use std::collections::BTreeMap;

use kvpaxos::io::Checkpoint;
use kvpaxos::wal::{
    Batch as Pieces, HEADER, Header, LogState, Owner, SECTOR, Superblock, SyncedPosition, Writer, read, scan,
};
use kvpaxos::{Ballot, Batch, Command, Record, ReplicaId, ReplicaSet, Slot, Tag, Value};

use crate::Bytes;

const OWNER: Owner = Owner {
    cluster: 7,
    replica: ReplicaId(1),
};
const SEED: u64 = 0x5eed;

/// Writes a log, crashes and damages it as the bytes say, and reads it back. If the first byte is 0, reads
/// the other bytes as a log behind a valid header instead.
pub fn check_log(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    if bytes.byte() == 0 {
        let mut written = Written::founded(1000);
        let _ = Superblock::parse(bytes.clone().rest());
        if let Some(file) = written.files.get_mut(&0) {
            file.extend_from_slice(bytes.rest());
            let _ = scan(file);
        }
        let _ = read(&written.files, OWNER, None);
        return;
    }
    let mut log = Written::new(&mut bytes);
    if log.crash(&mut bytes) {
        let position = log.writer.synced();
        match read(&log.files, OWNER, Some(SyncedPosition { log: SEED, position })) {
            Ok(LogState::Kept { records, .. }) => {
                let end = log.end_of(&records);
                assert!(end >= log.synced_records, "a crash lost what was synced");
            }
            other => panic!("a crash is taken for damage: {other:?}"),
        }
    }
    while !bytes.is_empty() {
        log.damage(&mut bytes);
    }
    log.files.values().for_each(|file| drop(scan(file)));
    match read(&log.files, OWNER, None) {
        Ok(LogState::Kept { records, .. }) => drop(log.end_of(&records)),
        Ok(LogState::Damaged(damaged)) => {
            let mut written = log.records.iter();
            let in_order = damaged
                .salvaged
                .iter()
                .all(|record| written.any(|other| other == record));
            assert!(in_order, "records that were never written");
        }
        Err(error) => panic!("damage is taken for somebody's mistake: {error}"),
    }
}

/// A log that was written, and what it must hold.
struct Written {
    files: BTreeMap<u64, Vec<u8>>,
    writer: Writer,
    records: Vec<Record>,
    /// How many of the records were synced.
    synced_records: usize,
}

impl Written {
    fn founded(limit: u64) -> Written {
        let mut pieces = Pieces::default();
        let header = Header::founding(OWNER.cluster, OWNER.replica, SEED);
        let writer = Writer::found(&header, &mut pieces).with_limit(limit);
        let mut log = Written {
            files: BTreeMap::new(),
            writer,
            records: Vec::new(),
            synced_records: 0,
        };
        log.write(&pieces);
        log
    }

    fn new(bytes: &mut Bytes) -> Written {
        let mut log = Written::founded(200 + 16 * bytes.below(256) as u64);
        for _ in 0..bytes.below(12) {
            let group: Vec<_> = (0..bytes.below(4))
                .map(|more| record((log.records.len() + more) as u64, bytes))
                .collect();
            let mut pieces = Pieces::default();
            log.writer.append(&group, &mut pieces);
            log.records.extend(group);
            log.write(&pieces);
            if bytes.below(2) == 0 {
                log.synced_records = log.records.len();
                log.writer.on_synced(log.writer.position());
            }
            if bytes.below(8) == 0 {
                let mut pieces = Pieces::default();
                log.writer.mark(&mut pieces);
                log.write(&pieces);
            }
        }
        log
    }

    /// Writes pieces as a shell does, which begins a segment only when everything before it is synced.
    fn write(&mut self, pieces: &Pieces) {
        for piece in pieces.pieces() {
            if piece.begins {
                self.writer.on_synced(piece.position + HEADER as u64);
            }
            self.files.entry(piece.segment).or_default().extend(&piece.bytes);
        }
    }

    /// How many of the written records precede the end of those that were read. They must be the written
    /// ones, from the beginning or from a checkpoint on.
    fn end_of(&self, read: &[Record]) -> usize {
        let Some(first) = read.first() else { return 0 };
        let start = self.records.iter().position(|record| record == first);
        let start = start.expect("records that were never written");
        let is_checkpoint = matches!(first, Record::Checkpoint(_));
        assert!(
            start == 0 || is_checkpoint,
            "records are missing at the beginning"
        );
        let end = start + read.len();
        assert!(
            self.records.get(start..end) == Some(read),
            "records that were never written"
        );
        end
    }

    /// Does to unsynced bytes what a crash may do, if the bytes say so. Returns whether there was a crash.
    fn crash(&mut self, bytes: &mut Bytes) -> bool {
        if bytes.below(2) == 0 {
            return false;
        }
        let synced =
            usize::try_from(self.writer.synced() - self.writer.base()).expect("a segment fits into memory");
        let Some(file) = self.files.get_mut(&self.writer.segment()) else {
            return false;
        };
        let length = synced + bytes.below(file.len() - synced + 1);
        file.truncate(length);
        for sector in synced / SECTOR..length.div_ceil(SECTOR) {
            if bytes.below(3) == 0 {
                let end = ((sector + 1) * SECTOR).min(length);
                file[(sector * SECTOR).max(synced)..end].fill(0);
            }
        }
        true
    }

    /// Does what no crash does.
    fn damage(&mut self, bytes: &mut Bytes) {
        let kind = bytes.below(7);
        let numbers: Vec<u64> = self.files.keys().copied().collect();
        if numbers.is_empty() {
            let _ = bytes.byte();
            return;
        }
        let number = numbers[bytes.below(numbers.len())];
        let file = self.files.entry(number).or_default();
        let length = file.len();
        if length == 0 {
            let _ = bytes.byte();
            return;
        }
        let (at, other) = (bytes.below(length), bytes.below(length));
        let count = (bytes.below(4 * SECTOR) + 1).min(length - at.max(other));
        match kind {
            0 => file[at] ^= 1 << (other % 8),
            1 => file[at..at + count].fill(0),
            2 => file.copy_within(at..at + count, other),
            3 => file.truncate(at),
            4 => drop(self.files.remove(&number)),
            5 => {
                let copy = file.clone();
                self.files.insert(numbers[other % numbers.len()], copy);
            }
            _ => (0..count.min(at.abs_diff(other))).for_each(|place| file.swap(at + place, other + place)),
        }
    }
}

/// A record of any kind, with a number that no other record of the log has.
fn record(number: u64, bytes: &mut Bytes) -> Record {
    let (ballot, slot) = (
        Ballot {
            round: number,
            ..Ballot::ZERO
        },
        Slot(number),
    );
    match bytes.below(10) {
        8 => checkpoint(number),
        // Usually the end of the checkpoint that began with the record before.
        9 => Record::CheckpointEnd {
            number: number.saturating_sub(bytes.below(4) as u64),
        },
        0 => Record::Proposed { ballot },
        1 => Record::Promised { ballot },
        2 => Record::Chosen { ballot, up_to: slot },
        3 => Record::Learned {
            slot,
            value: Value::Noop,
        },
        kind => {
            let payload = vec![bytes.byte(); (kind - 4) * 300 + 1].into();
            let tag = Tag { nonce: 1, number };
            let value = Value::Batch(Batch::new(vec![Command::Opaque { tag, payload }]));
            Record::Accepted { ballot, slot, value }
        }
    }
}

/// The beginning of the checkpoint of this number.
fn checkpoint(number: u64) -> Record {
    Record::Checkpoint(Box::new(Checkpoint {
        number,
        members: ReplicaSet::first(5),
        ..Checkpoint::default()
    }))
}
