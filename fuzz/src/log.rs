//! Checks of the write-ahead log: whatever happens to its bytes, nothing is read that was not written, and what only a crash did loses
//! nothing that was synced.

use kvpaxos::wal::{Header, Log, Owner, SECTOR, Writer, read};
use kvpaxos::{Ballot, Batch, Command, Record, ReplicaId, Slot, Tag, Value};

use crate::Bytes;

const OWNER: Owner = Owner {
    cluster: 7,
    replica: ReplicaId(1),
};

/// A log, written and then damaged as the bytes say; or, if the first byte is 0, the bytes themselves after a good header.
pub fn check_log(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    if bytes.byte() == 0 {
        let mut file = Vec::new();
        let _ = Writer::create(&header(), &mut file);
        file.extend_from_slice(bytes.rest());
        let _ = read(&file, OWNER, 0);
        return;
    }
    let mut log = Written::new(&mut bytes);
    if log.crash(&mut bytes) {
        match read(&log.file, OWNER, log.synced as u64) {
            Ok(Log::Kept { records, .. }) => {
                assert!(
                    records.len() >= log.synced_records,
                    "a crash lost what was synced"
                );
                assert!(log.records.starts_with(&records), "records made up");
            }
            other => panic!("a crash is taken for damage: {other:?}"),
        }
    }
    while !bytes.is_empty() {
        log.damage(&mut bytes);
    }
    match read(&log.file, OWNER, 0) {
        Ok(Log::Kept { records, .. }) => assert!(log.records.starts_with(&records), "records made up"),
        Ok(Log::Damaged(damaged)) => {
            let mut written = log.records.iter();
            let in_order = damaged
                .salvaged
                .iter()
                .all(|record| written.any(|other| other == record));
            assert!(in_order, "records made up");
        }
        Err(error) => panic!("damage is taken for somebody's mistake: {error}"),
    }
}

fn header() -> Header {
    Header::founding(OWNER.cluster, OWNER.replica, 0x5eed)
}

struct Written {
    file: Vec<u8>,
    records: Vec<Record>,
    /// How much of the file, and how many of the records, were synced.
    synced: usize,
    synced_records: usize,
}

impl Written {
    fn new(bytes: &mut Bytes) -> Written {
        let mut file = Vec::new();
        let mut writer = Writer::create(&header(), &mut file);
        let mut log = Written {
            synced: file.len(),
            file,
            records: Vec::new(),
            synced_records: 0,
        };
        for _ in 0..bytes.below(12) {
            let group: Vec<_> = (0..bytes.below(4))
                .map(|_| record(log.records.len() as u64, bytes))
                .collect();
            writer.append(&group, &mut log.file);
            log.records.extend(group);
            if bytes.below(2) == 0 {
                log.synced = log.file.len();
                log.synced_records = log.records.len();
                writer.on_synced(writer.position());
            }
            if bytes.below(8) == 0 {
                writer.mark(&mut log.file);
            }
        }
        log
    }

    /// What a crash may do to what was not synced. Returns whether there was a crash.
    fn crash(&mut self, bytes: &mut Bytes) -> bool {
        if bytes.below(2) == 0 {
            return false;
        }
        let unsynced = self.file.len() - self.synced;
        let length = self.synced + bytes.below(unsynced + 1);
        self.file.truncate(length);
        let first = self.synced / SECTOR;
        for sector in first..length.div_ceil(SECTOR) {
            if bytes.below(3) == 0 {
                let end = ((sector + 1) * SECTOR).min(length);
                self.file[(sector * SECTOR).max(self.synced)..end].fill(0);
            }
        }
        true
    }

    /// What no crash does.
    fn damage(&mut self, bytes: &mut Bytes) {
        let kind = bytes.below(5);
        let length = self.file.len();
        if length == 0 {
            let _ = bytes.byte();
            return;
        }
        let (at, other) = (bytes.below(length), bytes.below(length));
        let count = (bytes.below(4 * SECTOR) + 1).min(length - at.max(other));
        match kind {
            0 => self.file[at] ^= 1 << (other % 8),
            1 => self.file[at..at + count].fill(0),
            2 => self.file.copy_within(at..at + count, other),
            3 => self.file.truncate(at),
            _ => {
                (0..count.min(at.abs_diff(other))).for_each(|place| self.file.swap(at + place, other + place))
            }
        }
    }
}

/// A record of any kind, with a number that no other of the log has.
fn record(number: u64, bytes: &mut Bytes) -> Record {
    let (ballot, slot) = (
        Ballot {
            round: number,
            ..Ballot::ZERO
        },
        Slot(number),
    );
    match bytes.below(8) {
        0 => Record::Proposed { ballot },
        1 => Record::Promised { ballot },
        2 => Record::Chosen { ballot, up_to: slot },
        3 => Record::Learned {
            slot,
            value: Value::Noop,
        },
        kind => {
            let payload = vec![bytes.byte(); (kind - 4) * 300 + 1].into();
            let tag = Tag {
                replica: ReplicaId(0),
                nonce: 1,
                number,
            };
            let value = Value::Batch(Batch::new(vec![Command::Opaque { tag, payload }]));
            Record::Accepted { ballot, slot, value }
        }
    }
}
