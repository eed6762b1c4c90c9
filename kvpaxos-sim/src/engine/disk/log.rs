//! What a disk holds: the log of a machine, in a format of its own.

use kvpaxos::ReplicaId;

use crate::engine::decider::FileDecider;

/// How records lie on a disk: a list of them here, bytes where a machine has a format of its own.
///
/// Units are whatever a crash may cut between: records, or bytes (a torn record is for the reader to cut).
pub trait Log<R> {
    /// A new log, synced. The seed is random.
    fn found(replica: ReplicaId, seed: u64, format: Format) -> Self;
    /// Appends the records of one write; not synced.
    fn append(&mut self, records: &[R]);
    /// The first so many units are durable now.
    fn synced(&mut self, units: usize);
    /// How many units there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// All records in the first `units` units that are still needed, as the format's own reader finds them; `None` if it calls the
    /// log damaged.
    fn read(&self, units: usize) -> Option<Vec<R>>;
    /// The process is gone. All below `synced` units is durable. Beyond, about so many units were written, and a format that lies in
    /// files decides what is left of them.
    fn crash(&mut self, synced: usize, surviving: usize, decider: &mut FileDecider<'_>);
    /// What a starting process does: reads all, cuts a torn record off the end before anything is appended to it, and syncs. Of the
    /// records found, counts those beyond `synced` units. `None` if the log is damaged.
    fn recover(&mut self, synced: usize) -> Option<Recovered<R>>;
    /// The shell notes elsewhere up to where the log is synced, so that the loss of its end is seen.
    fn mark(&mut self) {}
    /// How many units are synced and not covered by that: what a disk loses of them cannot be told from what a crash interrupted.
    fn unmarked(&self) -> usize {
        0
    }
    /// Loses the last so many records that were synced, in silence: nothing that is left tells of them. A format that cannot do that loses
    /// nothing. Tells how many are gone.
    fn forget(&mut self, records: usize) -> usize {
        let _ = records;
        0
    }
    /// Damages what was synced.
    fn damage(&mut self, how: Damage, decider: &mut FileDecider<'_>) -> DamageOutcome {
        let _ = (how, decider);
        DamageOutcome::Detected
    }
}

/// What a starting process finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered<R> {
    /// The records that are needed, in order.
    pub records: Vec<R>,
    /// How many of the last of them were not known to be durable.
    pub fresh: usize,
}

/// What a disk may do to what it promised to keep. The numbers are part of every digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// A bit is another one.
    FlipBit = 0,
    /// A block, a whole write or a whole file is gone.
    LoseBlock = 1,
    /// A block was written to the place of another.
    MisdirectWrite = 2,
    /// A block, or a file, is as it was before.
    StaleBlock = 3,
    /// The end of the log is gone, of any length, where it is marked as synced.
    LoseTail = 4,
}

/// What damage did. The numbers are part of every digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DamageOutcome {
    /// Nothing is missing of what is needed.
    Harmless = 0,
    /// The reader sees it: the memory is lost.
    Detected = 1,
    /// The reader finds other records than were synced and does not notice.
    Undetected = 2,
}

/// How a log lies on a disk, where its machine knows several ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub enum Format {
    /// As a list of records: fast.
    Plain,
    /// In the bytes of the machine's own format, read back by its own reader.
    Bytes,
}
