//! A log in the files that a real disk would hold. The real reader reads them after a crash or damage.

use std::collections::VecDeque;

use kvpaxos::wal::{self, Batch, Header, Owner, Writer, scan};
use kvpaxos::{Record, ReplicaId};

use crate::engine::{Damage, DamageOutcome, FileDecider, Recovered};

use super::damage;
use super::files::{Files, index};

/// The fingerprint of the cluster in the headers of all simulated logs.
const CLUSTER: u64 = 0x51_4d;
/// How many of the last syncs are remembered. A stale block is as it was at one of them.
const SYNCS: usize = 32;

/// A log in segments of the write-ahead log's format. Its units are bytes: a crash may leave a part of a
/// record.
pub struct BytesLog {
    replica: ReplicaId,
    seed: u64,
    pub(super) files: Files,
    writer: Writer,
    batch: Batch,
    /// How many segments were begun.
    files_begun: u64,
    /// The positions at which the last syncs ended.
    syncs: VecDeque<u64>,
}

impl BytesLog {
    pub(super) fn found(replica: ReplicaId, seed: u64) -> BytesLog {
        let mut batch = Batch::default();
        let header = Header::founding(CLUSTER, replica, seed);
        let writer = Writer::found(&header, &mut batch).with_limit(limit(seed));
        let mut log = BytesLog {
            replica,
            seed,
            files: Files::default(),
            writer,
            batch,
            files_begun: 0,
            syncs: VecDeque::new(),
        };
        log.write();
        log.on_synced(log.writer.position());
        log
    }

    fn write(&mut self) {
        for piece in self.batch.pieces() {
            self.files_begun += u64::from(piece.begins);
            self.files.write(piece, self.seed);
        }
        self.batch.clear();
    }

    pub(super) fn append(&mut self, records: &[Record]) {
        self.writer.append(records, &mut self.batch);
        self.write();
    }

    pub(super) fn on_synced(&mut self, position: u64) {
        self.files.settle(position);
        let kept = self.writer.keep_from();
        self.writer.on_synced(position);
        if self.writer.keep_from() > kept {
            self.files.keep_mark(self.writer.synced_mark());
        }
        self.files.delete_below(self.writer.keep_from());
        self.syncs.push_back(position);
        if self.syncs.len() > SYNCS {
            self.syncs.pop_front();
        }
    }

    pub(super) fn files_begun(&self) -> u64 {
        self.files_begun
    }

    /// The position of the log's end.
    pub(super) fn position(&self) -> u64 {
        self.writer.position()
    }

    pub(super) fn crash(&mut self, position: u64, decider: &mut FileDecider<'_>) {
        self.files.crash(position, decider);
    }

    fn owner(&self) -> Owner {
        Owner {
            cluster: CLUSTER,
            replica: self.replica,
        }
    }

    pub(super) fn read(&self, position: u64) -> Option<Vec<Record>> {
        match wal::read(&self.files.up_to(position), self.owner(), self.files.known_synced) {
            Ok(wal::LogState::Kept { records, .. }) => Some(records),
            Ok(wal::LogState::Damaged(_)) | Err(_) => None,
        }
    }

    pub(super) fn recover(&mut self, synced: u64) -> Option<Recovered<Record>> {
        let read = wal::read(&self.files.segments, self.owner(), self.files.known_synced);
        let Ok(wal::LogState::Kept {
            records,
            writer,
            torn,
            ..
        }) = read
        else {
            return None;
        };
        if let Some(torn) = torn
            && let Some(bytes) = self.files.segments.get_mut(&torn.segment)
        {
            bytes.truncate(index(torn.at));
        }
        self.writer = writer.with_limit(limit(self.seed));
        let end = self.writer.position();
        self.syncs.retain(|sync| *sync <= end);
        self.on_synced(end);
        let fresh = self
            .files
            .segments
            .values()
            .filter_map(|bytes| scan(bytes))
            .flat_map(|scan| scan.groups)
            .filter(|group| group.position >= synced)
            .map(|group| group.records.len())
            .sum();
        Some(Recovered { records, fresh })
    }

    pub(super) fn mark(&mut self) {
        self.files.note_synced(self.writer.synced_mark());
    }

    pub(super) fn unmarked(&self) -> u64 {
        let known = self.files.known_synced.map_or(0, |mark| mark.position);
        self.writer.synced().saturating_sub(known)
    }

    pub(super) fn damage(&mut self, how: Damage, decider: &mut FileDecider<'_>) -> DamageOutcome {
        let end = self.writer.position();
        let Some(before) = self.read(end) else {
            return DamageOutcome::Detected;
        };
        self.files.settle(end);
        let syncs: Vec<u64> = self.syncs.iter().copied().collect();
        damage::damage(&mut self.files, how, end, &syncs, decider);
        match self.recover(end) {
            None => DamageOutcome::Detected,
            Some(recovered) if recovered.records == before => DamageOutcome::Harmless,
            Some(_) => DamageOutcome::Undetected,
        }
    }
}

/// The size of segments, 256 bytes to 64 KiB, by the log's seed.
fn limit(seed: u64) -> u64 {
    256 << (seed % 9)
}
