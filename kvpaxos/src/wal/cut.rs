//! The segments that are still needed: those from the last complete checkpoint on.

use crate::io::Record;

/// Follows the checkpoints in the records of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Cuts {
    /// The number of the last checkpoint that began, and the segment that begins with it.
    begun: Option<(u64, u64)>,
    /// Whether it ended in the present group.
    ended: bool,
    /// The last checkpoint that ended: the position up to which the log must be synced for it to count, and
    /// the segment that begins with it.
    complete: Option<(u64, u64)>,
    /// The first segment that is needed, counting durable checkpoints only.
    keep_from: u64,
}

impl Cuts {
    /// The first segment that exists.
    pub(super) fn nothing_before(&mut self, segment: u64) {
        self.keep_from = segment;
    }

    pub(super) fn on_record(&mut self, record: &Record, segment: u64) {
        match record {
            Record::Checkpoint(checkpoint) => {
                self.begun = Some((checkpoint.number, segment));
                self.ended = false;
            }
            // Of another number: the end of a checkpoint that was given up.
            Record::CheckpointEnd { number } if self.begun.is_some_and(|(begun, _)| begun == *number) => {
                self.ended = true;
            }
            _ => {}
        }
    }

    /// The present group ends at this position.
    pub(super) fn on_group(&mut self, end: u64) {
        if std::mem::take(&mut self.ended)
            && let Some((_, segment)) = self.begun.take()
        {
            self.complete = Some((end, segment));
        }
    }

    /// Everything below the position is durable.
    pub(super) fn on_synced(&mut self, position: u64) {
        if let Some((_, segment)) = self.complete.filter(|(end, _)| *end <= position) {
            self.keep_from = segment;
        }
    }

    /// The first segment that is needed, counting durable checkpoints only.
    pub(super) fn keep_from(&self) -> u64 {
        self.keep_from
    }

    /// The segment that begins with the last complete checkpoint, durable or not.
    pub(super) fn complete(&self) -> Option<u64> {
        self.complete.map(|(_, segment)| segment)
    }
}

/// Whether a segment must begin with this record.
pub(super) fn begins_segment(record: &Record) -> bool {
    matches!(record, Record::Checkpoint(_))
}
