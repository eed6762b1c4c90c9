//! A replica's log on a simulated disk: as a list, or in the very bytes that a real disk would hold, so that torn tails
//! are cut by the real reader.

use kvpaxos::wal::{self, Header, Owner, Writer};
use kvpaxos::{Record, ReplicaId};

use crate::disk::{Format, List, Log};

/// The fingerprint of every simulated cluster.
const CLUSTER: u64 = 0x51_4d;

/// See the module.
pub enum ReplicaLog {
    /// A list of records.
    Plain(List<Record>),
    /// The write-ahead log's format.
    Bytes(BytesLog),
}

/// A log in the write-ahead log's format. Its units are bytes: a crash may leave a record in part.
pub struct BytesLog {
    replica: ReplicaId,
    bytes: Vec<u8>,
    writer: Writer,
}

impl BytesLog {
    fn found(replica: ReplicaId, seed: u64) -> BytesLog {
        let mut bytes = Vec::new();
        let mut writer = Writer::create(&Header::founding(CLUSTER, replica, seed), &mut bytes);
        writer.on_synced(bytes.len() as u64);
        BytesLog {
            replica,
            bytes,
            writer,
        }
    }

    fn scan(&self, units: usize) -> Option<(Vec<Record>, Writer, usize)> {
        let units = units.min(self.bytes.len());
        let owner = Owner {
            cluster: CLUSTER,
            replica: self.replica,
        };
        match wal::read(&self.bytes[..units], owner, 0) {
            Ok(wal::Log::Kept {
                records,
                writer,
                torn,
            }) => {
                let whole = torn.map_or(units, |torn| usize::try_from(torn.at).unwrap_or(units));
                Some((records, writer, whole))
            }
            Ok(wal::Log::Damaged(_)) | Err(_) => None,
        }
    }
}

impl Log<Record> for ReplicaLog {
    fn found(replica: ReplicaId, seed: u64, format: Format) -> ReplicaLog {
        match format {
            Format::Plain => ReplicaLog::Plain(List::found(replica, seed, format)),
            Format::Bytes => ReplicaLog::Bytes(BytesLog::found(replica, seed)),
        }
    }

    fn append(&mut self, records: &[Record]) {
        match self {
            ReplicaLog::Plain(list) => list.append(records),
            ReplicaLog::Bytes(log) => log.writer.append(records, &mut log.bytes),
        }
    }

    fn synced(&mut self, units: usize) {
        if let ReplicaLog::Bytes(log) = self {
            log.writer.on_synced(units as u64);
        }
    }

    fn len(&self) -> usize {
        match self {
            ReplicaLog::Plain(list) => list.len(),
            ReplicaLog::Bytes(log) => log.bytes.len(),
        }
    }

    fn truncate(&mut self, units: usize) {
        match self {
            ReplicaLog::Plain(list) => list.truncate(units),
            ReplicaLog::Bytes(log) => log.bytes.truncate(units),
        }
    }

    fn read(&self, units: usize) -> Option<Vec<Record>> {
        match self {
            ReplicaLog::Plain(list) => list.read(units),
            ReplicaLog::Bytes(log) => log.scan(units).map(|(records, _, _)| records),
        }
    }

    fn recover(&mut self) -> Option<Vec<Record>> {
        match self {
            ReplicaLog::Plain(list) => list.recover(),
            ReplicaLog::Bytes(log) => {
                let (records, writer, whole) = log.scan(log.bytes.len())?;
                log.bytes.truncate(whole);
                log.writer = writer;
                Some(records)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::Ballot;

    use super::*;

    /// Wherever a crash cuts the file, the reader finds the whole records before, and goes on from there.
    #[test]
    fn torn_tails_are_cut_by_the_real_reader() {
        let ballot = |round| Ballot {
            round,
            ..Ballot::ZERO
        };
        let record = |round| Record::Promised {
            ballot: ballot(round),
        };
        let mut log = ReplicaLog::found(ReplicaId(2), 9, Format::Bytes);
        let mut ends = vec![log.len()];
        for round in 1..=3 {
            log.append(&[record(round)]);
            ends.push(log.len());
        }
        let all = log.len();
        for units in ends[0]..=all {
            let whole = ends.iter().filter(|end| **end <= units).count() - 1;
            assert_eq!(log.read(units).unwrap().len(), whole, "{units} of {all} bytes");
        }
        log.truncate(ends[2] + 3);
        assert_eq!(log.recover(), Some(vec![record(1), record(2)]));
        log.append(&[record(4)]);
        assert_eq!(log.recover(), Some(vec![record(1), record(2), record(4)]));
    }
}
