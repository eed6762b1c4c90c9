//! The log of a replica on a simulated disk: a list of records, or the files that a real disk would hold.

mod bytes;
mod damage;
mod files;
#[cfg(test)]
mod tests;

use kvpaxos::{Record, ReplicaId};

use crate::engine::{Damage, DamageOutcome, FileDecider, Format, List, Log, Recovered};

use bytes::BytesLog;
use files::index;

/// The log of a replica, in one of two formats.
pub enum ReplicaLog {
    /// A list of records.
    Plain(List<Record>),
    /// The files of a write-ahead log: see [`kvpaxos::wal`].
    Bytes(Box<BytesLog>),
}

impl Log<Record> for ReplicaLog {
    fn found(replica: ReplicaId, seed: u64, format: Format) -> ReplicaLog {
        match format {
            Format::Plain => ReplicaLog::Plain(List::found(replica, seed, format)),
            Format::Bytes => ReplicaLog::Bytes(Box::new(BytesLog::found(replica, seed))),
        }
    }

    fn append(&mut self, records: &[Record]) {
        match self {
            ReplicaLog::Plain(list) => list.append(records),
            ReplicaLog::Bytes(log) => log.append(records),
        }
    }

    fn synced(&mut self, units: usize) {
        if let ReplicaLog::Bytes(log) = self {
            log.on_synced(units as u64);
        }
    }

    fn mark(&mut self) {
        if let ReplicaLog::Bytes(log) = self {
            log.mark();
        }
    }

    fn unmarked(&self) -> usize {
        match self {
            ReplicaLog::Plain(_) => 0,
            ReplicaLog::Bytes(log) => index(log.unmarked()),
        }
    }

    fn files_begun(&self) -> u64 {
        match self {
            ReplicaLog::Plain(_) => 0,
            ReplicaLog::Bytes(log) => log.files_begun(),
        }
    }

    fn len(&self) -> usize {
        match self {
            ReplicaLog::Plain(list) => list.len(),
            ReplicaLog::Bytes(log) => index(log.position()),
        }
    }

    fn read(&self, units: usize) -> Option<Vec<Record>> {
        match self {
            ReplicaLog::Plain(list) => list.read(units),
            ReplicaLog::Bytes(log) => log.read(units as u64),
        }
    }

    fn crash(&mut self, synced: usize, surviving: usize, decider: &mut FileDecider<'_>) {
        match self {
            ReplicaLog::Plain(list) => list.crash(synced, surviving, decider),
            ReplicaLog::Bytes(log) => log.crash((synced + surviving) as u64, decider),
        }
    }

    fn recover(&mut self, synced: usize) -> Option<Recovered<Record>> {
        match self {
            ReplicaLog::Plain(list) => list.recover(synced),
            ReplicaLog::Bytes(log) => log.recover(synced as u64),
        }
    }

    fn lose_silently(&mut self, records: usize) -> usize {
        match self {
            ReplicaLog::Plain(list) => list.lose_silently(records),
            ReplicaLog::Bytes(_) => 0,
        }
    }

    fn damage(&mut self, how: Damage, decider: &mut FileDecider<'_>) -> DamageOutcome {
        match self {
            ReplicaLog::Plain(list) => list.damage(how, decider),
            ReplicaLog::Bytes(log) => log.damage(how, decider),
        }
    }
}
