//! The log of a machine on a disk, and how a disk damages it.

use kvpaxos::ReplicaId;

use crate::engine::decider::FileDecider;

/// The log of a machine, in a format of its own: a [`List`](super::List) of records, or the bytes of files.
///
/// Lengths are in units: what a crash may cut between. That is a record or a byte; where it is a byte, the
/// format's reader cuts off a torn record.
pub trait Log<R> {
    /// A new log, synced. `seed` is random.
    fn found(replica: ReplicaId, seed: u64, format: Format) -> Self;
    /// Appends the records of one write, without a sync.
    fn append(&mut self, records: &[R]);
    /// The first `units` units have become durable.
    fn synced(&mut self, units: usize);
    /// The length in units.
    fn len(&self) -> usize;
    /// Whether the log has no unit.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The records in the first `units` units that are still needed, as the format's reader finds them;
    /// `None` if the reader finds the log damaged.
    fn read(&self, units: usize) -> Option<Vec<R>>;
    /// The process has crashed. The first `synced` units are durable. About `surviving` units beyond were
    /// written; a format that consists of files decides what is left of them.
    fn crash(&mut self, synced: usize, surviving: usize, decider: &mut FileDecider<'_>);
    /// What a starting process does: it reads the log, cuts off a torn record at the end, and syncs. Counts
    /// the records beyond the first `synced` units. `None` if the log is damaged.
    fn recover(&mut self, synced: usize) -> Option<Recovered<R>>;
    /// Notes outside of the log up to where it is synced, so that the loss of its end is detected. This is
    /// the mark of [`kvpaxos::wal`].
    fn mark(&mut self) {}
    /// How many synced units lie beyond the mark. If the disk loses some of them, that cannot be
    /// distinguished from a write that a crash interrupted.
    fn unmarked(&self) -> usize {
        0
    }
    /// How many files the log has begun so far; 0 if it does not consist of files.
    fn files_begun(&self) -> u64 {
        0
    }
    /// Loses the last `records` synced records without a trace. Returns how many; 0 if the format cannot do
    /// that.
    fn lose_silently(&mut self, records: usize) -> usize {
        let _ = records;
        0
    }
    /// Damages synced data.
    fn damage(&mut self, how: Damage, decider: &mut FileDecider<'_>) -> DamageOutcome {
        let _ = (how, decider);
        DamageOutcome::Detected
    }
}

/// What a starting process finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered<R> {
    /// The records that are still needed, in order.
    pub records: Vec<R>,
    /// How many of them, at the end, had not been reported as durable.
    pub fresh: usize,
}

/// How a disk damages synced data. The numbers are part of every digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// A bit is flipped.
    FlipBit = 0,
    /// A block, a write or a file is lost.
    LoseBlock = 1,
    /// A block was written to the place of another one.
    MisdirectWrite = 2,
    /// A block or a file is as it was earlier: a later write to it was lost.
    StaleBlock = 3,
    /// The end of the log is lost, from a place below the mark.
    LoseTail = 4,
}

/// What damage did. The numbers are part of every digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DamageOutcome {
    /// No record that is still needed is lost.
    Harmless = 0,
    /// The reader detects it: the memory is lost.
    Detected = 1,
    /// The reader finds other records than were synced, and does not notice.
    Undetected = 2,
}

/// The format of a log, for machines that have several.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Format {
    /// A list of records. It is fast, and knows no damage.
    Plain,
    /// The bytes of the machine's own format, read back by its own reader.
    Bytes,
}
