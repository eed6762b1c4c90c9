//! A replica's log on a simulated disk: as a list, or in the very files that a real disk would hold, so that what a crash leaves and what a
//! disk damages is for the real reader to judge.

use std::collections::VecDeque;

use kvpaxos::wal::{self, Batch, Header, Owner, Writer, scan};
use kvpaxos::{Record, ReplicaId};

use crate::engine::decider::Fate;
use crate::engine::disk::damage;
use crate::engine::disk::files::Files;
use crate::engine::disk::{Damage, Format, Harm, List, Log, Recovered};

/// The fingerprint of every simulated cluster.
const CLUSTER: u64 = 0x51_4d;
/// How many of the last syncs are remembered: blocks may go stale back to one of them.
const SYNCS: usize = 32;

/// See the module.
pub enum ReplicaLog {
    /// A list of records.
    Plain(List<Record>),
    /// The write-ahead log's format.
    Bytes(Box<BytesLog>),
}

/// A log in the write-ahead log's format, in segments. Its units are positions in the log: a crash may leave a record in part.
pub struct BytesLog {
    replica: ReplicaId,
    seed: u64,
    files: Files,
    writer: Writer,
    batch: Batch,
    /// Where the last syncs ended.
    syncs: VecDeque<u64>,
}

impl BytesLog {
    fn found(replica: ReplicaId, seed: u64) -> BytesLog {
        let mut batch = Batch::default();
        let header = Header::founding(CLUSTER, replica, seed);
        let writer = Writer::found(&header, &mut batch).with_limit(limit(seed));
        let mut log = BytesLog {
            replica,
            seed,
            files: Files::default(),
            writer,
            batch,
            syncs: VecDeque::new(),
        };
        log.write();
        log.on_synced(log.writer.position());
        log
    }

    fn write(&mut self) {
        for piece in self.batch.pieces() {
            self.files.write(piece, self.seed);
        }
        self.batch.clear();
    }

    fn append(&mut self, records: &[Record]) {
        self.writer.append(records, &mut self.batch);
        self.write();
    }

    fn on_synced(&mut self, position: u64) {
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

    fn owner(&self) -> Owner {
        Owner {
            cluster: CLUSTER,
            replica: self.replica,
        }
    }

    fn read(&self, position: u64) -> Option<Vec<Record>> {
        match wal::read(&self.files.up_to(position), self.owner(), self.files.known_synced) {
            Ok(wal::Log::Kept { records, .. }) => Some(records),
            Ok(wal::Log::Damaged(_)) | Err(_) => None,
        }
    }

    fn recover(&mut self, synced: u64) -> Option<Recovered<Record>> {
        let read = wal::read(&self.files.segments, self.owner(), self.files.known_synced);
        let Ok(wal::Log::Kept {
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
            bytes.truncate(usize::try_from(torn.at).unwrap_or(usize::MAX));
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

    fn mark(&mut self) {
        self.files.note_synced(self.writer.synced_mark());
    }

    fn unmarked(&self) -> u64 {
        let known = self.files.known_synced.map_or(0, |mark| mark.position);
        self.writer.synced().saturating_sub(known)
    }

    fn damage(&mut self, how: Damage, fate: &mut Fate<'_>) -> Harm {
        let end = self.writer.position();
        let Some(before) = self.read(end) else {
            return Harm::Lost;
        };
        self.files.settle(end);
        let syncs: Vec<u64> = self.syncs.iter().copied().collect();
        damage::damage(&mut self.files, how, end, &syncs, fate);
        match self.recover(end) {
            None => Harm::Lost,
            Some(recovered) if recovered.records == before => Harm::None,
            Some(_) => Harm::Unseen,
        }
    }
}

/// Segments of 256 bytes to 64 KiB, by the log's seed.
fn limit(seed: u64) -> u64 {
    256 << (seed % 9)
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
            ReplicaLog::Bytes(log) => usize::try_from(log.unmarked()).unwrap_or(usize::MAX),
        }
    }

    fn len(&self) -> usize {
        match self {
            ReplicaLog::Plain(list) => list.len(),
            ReplicaLog::Bytes(log) => usize::try_from(log.writer.position()).unwrap_or(usize::MAX),
        }
    }

    fn read(&self, units: usize) -> Option<Vec<Record>> {
        match self {
            ReplicaLog::Plain(list) => list.read(units),
            ReplicaLog::Bytes(log) => log.read(units as u64),
        }
    }

    fn crash(&mut self, synced: usize, surviving: usize, fate: &mut Fate<'_>) {
        match self {
            ReplicaLog::Plain(list) => list.crash(synced, surviving, fate),
            ReplicaLog::Bytes(log) => log.files.crash((synced + surviving) as u64, fate),
        }
    }

    fn recover(&mut self, synced: usize) -> Option<Recovered<Record>> {
        match self {
            ReplicaLog::Plain(list) => list.recover(synced),
            ReplicaLog::Bytes(log) => log.recover(synced as u64),
        }
    }

    fn forget(&mut self, records: usize) -> usize {
        match self {
            ReplicaLog::Plain(list) => list.forget(records),
            ReplicaLog::Bytes(_) => 0,
        }
    }

    fn damage(&mut self, how: Damage, fate: &mut Fate<'_>) -> Harm {
        match self {
            ReplicaLog::Plain(list) => list.damage(how, fate),
            ReplicaLog::Bytes(log) => log.damage(how, fate),
        }
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::crash_vector::CrashVector;
    use kvpaxos::founding::Met;
    use kvpaxos::io::Checkpoint;
    use kvpaxos::{Ballot, ReplicaSet, Slot};

    use super::*;
    use crate::engine::decider::Seeded;

    fn promised(round: u64) -> Record {
        Record::Promised {
            ballot: Ballot {
                round,
                ..Ballot::ZERO
            },
        }
    }

    fn begin(number: u64) -> Record {
        Record::Checkpoint(Box::new(Checkpoint {
            number,
            slot: Slot::ZERO,
            digest: 0,
            cut: Slot::ZERO,
            promised: Ballot::ZERO,
            vector: CrashVector::default(),
            proposed: Ballot::ZERO,
            members: ReplicaSet::first(5),
            founding: None,
            met: Met::default(),
        }))
    }

    /// A log, and the fate of its files.
    fn log(seed: u64) -> (ReplicaLog, Seeded) {
        (
            ReplicaLog::found(ReplicaId(2), seed, Format::Bytes),
            Seeded::new(seed),
        )
    }

    /// Wherever a process that reads the log gets to, the reader finds the whole records before.
    #[test]
    fn what_is_read_are_whole_records() {
        let (mut log, _) = log(5);
        let mut ends = vec![log.len()];
        for round in 1..=9 {
            log.append(&[promised(round)]);
            ends.push(log.len());
        }
        for units in ends[0]..=log.len() {
            let whole = ends.iter().filter(|end| **end <= units).count() - 1;
            assert_eq!(log.read(units).unwrap().len(), whole, "{units} units");
        }
    }

    /// What `number` writes look like, with checkpoints among them.
    fn write(log: &mut ReplicaLog, number: u64) -> Vec<Record> {
        let mut records = vec![promised(number)];
        match number % 5 {
            1 => records.insert(0, begin(number)),
            3 => records.push(Record::CheckpointEnd { number: number - 2 }),
            _ => {}
        }
        log.append(&records);
        records
    }

    /// Crashes at every point, again and again: nothing that was synced is lost, and the log goes on.
    #[test]
    fn crashes_between_any_two_operations_lose_nothing_that_was_synced() {
        for seed in 0..300 {
            let (mut log, mut seeded) = log(seed);
            let mut fate = Fate {
                decider: &mut seeded,
                replica: ReplicaId(2),
            };
            let mut written: Vec<Record> = Vec::new();
            let (mut synced, mut units, mut number) = (0, log.len(), 0);
            for _ in 0..12 {
                for _ in 0..fate.below(crate::engine::decider::What::Think, 6) {
                    written.extend(write(&mut log, number));
                    number += 1;
                    if fate.below(crate::engine::decider::What::Think, 2) == 0 {
                        (synced, units) = (written.len(), log.len());
                        log.synced(units);
                    }
                }
                let unsynced = log.len() - units;
                let surviving = fate.below(crate::engine::decider::What::Think, unsynced + 1);
                log.crash(units, surviving, &mut fate);
                let Recovered { records, fresh } = log.recover(units).expect("a crash is no damage");
                let left = synced + fresh;
                assert!(left <= written.len(), "seed {seed}: made up");
                written.truncate(left);
                assert!(written.ends_with(&records), "seed {seed}: not what was written");
                if records.len() < written.len() {
                    assert!(matches!(records[0], Record::Checkpoint(_)), "seed {seed}");
                }
                (synced, units) = (left, log.len());
                log.synced(units);
                assert_eq!(log.read(units), Some(records), "seed {seed}");
            }
        }
    }

    fn bytes(log: &mut ReplicaLog) -> &mut BytesLog {
        match log {
            ReplicaLog::Bytes(log) => log,
            ReplicaLog::Plain(_) => panic!("the log lies in bytes"),
        }
    }

    /// Of seed 7009313. The beginning of a segment leaves a mark behind its header. The end of a checkpoint before it, which is known to be
    /// durable only afterwards, leaves one too, which must not take the place of the first: else the segment could vanish unseen.
    #[test]
    fn a_mark_never_goes_back() {
        let (mut log, _) = log(0);
        log.append(&[promised(1)]);
        log.append(&[begin(1)]);
        log.append(&[Record::CheckpointEnd { number: 1 }]);
        let end = log.len();
        log.append(&[begin(2)]);
        log.synced(end);
        log.synced(log.len());
        let log = bytes(&mut log);
        assert_eq!(log.files.segments.pop_last().map(|(number, _)| number), Some(2));
        assert_eq!(log.recover(end as u64), None, "the last segment is gone");
    }

    /// Of seed 7000238. A crash comes between the beginning of a segment and the mark that says so. The next process goes on in the segment,
    /// and renews the mark before it does anything: else the segment could vanish unseen, with what was appended to it.
    #[test]
    fn a_start_renews_the_mark() {
        let mut met = 0;
        for seed in 0..400 {
            let (mut log, mut seeded) = log(seed);
            let mut fate = Fate {
                decider: &mut seeded,
                replica: ReplicaId(2),
            };
            log.append(&[promised(1)]);
            let synced = log.len();
            log.synced(synced);
            log.append(&[begin(1)]);
            log.crash(synced, log.len() - synced, &mut fate);
            let files = &bytes(&mut log).files;
            let is_marked = files
                .known_synced
                .is_some_and(|mark| mark.position > synced as u64);
            let is_begun = files.segments.len() == 2;
            log.recover(synced).expect("a crash is no damage");
            log.mark();
            if is_begun && !is_marked {
                met += 1;
                log.append(&[promised(2)]);
                log.synced(log.len());
                let log = bytes(&mut log);
                log.files.segments.pop_last();
                assert_eq!(
                    log.recover(synced as u64),
                    None,
                    "seed {seed}: the last segment is gone"
                );
            }
        }
        assert!(met > 10, "a crash strikes there in {met} of 400 seeds");
    }

    /// Of seed 540608640501. Only the header of the first segment is marked, and zeros take the place of its last byte, which was zero, and of
    /// all that follows: nobody could tell that from a crash, so it is no damage that a reader must see.
    #[test]
    fn an_end_that_no_mark_covers_is_left_alone() {
        let ends_in_zero = |seed: &u64| {
            let (mut log, _) = log(*seed);
            bytes(&mut log).files.segments[&0][wal::HEADER - 1] == 0
        };
        for seed in (0..3000).filter(ends_in_zero).take(3) {
            for draw in 0..300 {
                let mut seeded = Seeded::new(draw);
                let mut fate = Fate {
                    decider: &mut seeded,
                    replica: ReplicaId(2),
                };
                let (mut log, _) = log(seed);
                log.append(&[promised(1), promised(2)]);
                log.synced(log.len());
                let harm = log.damage(Damage::LoseTail, &mut fate);
                assert_ne!(harm, Harm::Unseen, "seed {seed}, draw {draw}");
            }
        }
    }

    /// Damage of each kind is seen at most places, and where it is not it does no harm.
    #[test]
    fn damage_is_seen_or_harmless() {
        for how in [
            Damage::FlipBit,
            Damage::LoseBlock,
            Damage::MisdirectWrite,
            Damage::StaleBlock,
            Damage::LoseTail,
        ] {
            let mut harms = [0; 3];
            for seed in 0..300 {
                let (mut log, mut seeded) = log(seed);
                let mut fate = Fate {
                    decider: &mut seeded,
                    replica: ReplicaId(2),
                };
                for number in 0..fate.below(crate::engine::decider::What::Think, 60) as u64 {
                    write(&mut log, number);
                    if fate.below(crate::engine::decider::What::Think, 3) > 0 {
                        log.synced(log.len());
                    }
                    if fate.below(crate::engine::decider::What::Think, 10) == 0 {
                        log.mark();
                    }
                }
                log.synced(log.len());
                harms[log.damage(how, &mut fate) as usize] += 1;
            }
            println!("{how:?}: harmless, seen, unseen: {harms:?}");
            assert_eq!(harms[Harm::Unseen as usize], 0, "{how:?} is not seen");
            assert!(
                harms[Harm::Lost as usize] > 30,
                "{how:?} is hardly ever done: {harms:?}"
            );
        }
    }
}
