//! Moments of a replica at which a crash is most dangerous. Most crashes fall between them: the slowest mutants hide there.

use kvpaxos::{Effect, Record, ReplicaId, Role};
use serde::{Deserialize, Serialize};

use crate::invariants::Sometimes;

/// A moment at which a crash is more dangerous than at others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Moment {
    /// A write begins a new file of the log.
    Rotation,
    /// The first record of a checkpoint is written.
    CheckpointBegins,
    /// The last record of a checkpoint is written, or is durable: then the log before it is deleted.
    CheckpointEnds,
    /// An acceptor that lacks its memory writes something, or an acceptor writes that another has begun a new incarnation.
    Recovery,
}

impl Moment {
    /// All moments.
    pub const ALL: [Moment; 4] = [
        Moment::Rotation,
        Moment::CheckpointBegins,
        Moment::CheckpointEnds,
        Moment::Recovery,
    ];

    /// The moment in words, as reports print it.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Moment::Rotation => "rotations of a log",
            Moment::CheckpointBegins => "beginnings of a checkpoint",
            Moment::CheckpointEnds => "ends of a checkpoint",
            Moment::Recovery => "writes of a recovery",
        }
    }

    /// The situation in which a crash follows it.
    pub(in crate::world) fn situation(self) -> Sometimes {
        match self {
            Moment::Rotation => Sometimes::CrashedAtRotation,
            Moment::CheckpointBegins => Sometimes::CrashedAtCheckpoint,
            Moment::CheckpointEnds => Sometimes::CrashedAfterCheckpoint,
            Moment::Recovery => Sometimes::CrashedInRecovery,
        }
    }
}

/// The moments since they were taken last.
#[derive(Default)]
pub(super) struct Moments(Vec<(ReplicaId, Moment)>);

impl Moments {
    /// Takes them, in order.
    pub(super) fn take(&mut self) -> Vec<(ReplicaId, Moment)> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn rotated(&mut self, id: ReplicaId) {
        self.0.push((id, Moment::Rotation));
    }

    /// A replica was stepped. `recovers`: its acceptor lacks its memory.
    pub(super) fn stepped(&mut self, id: ReplicaId, recovers: bool, effects: &[Effect]) {
        for effect in effects {
            let Effect::Persist { role, records, .. } = effect else {
                continue;
            };
            if recovers && *role == Role::Acceptor && !records.is_empty() {
                self.0.push((id, Moment::Recovery));
            }
            let moments = records.iter().filter_map(written);
            self.0.extend(moments.map(|moment| (id, moment)));
        }
    }

    pub(super) fn durable(&mut self, id: ReplicaId, record: &Record) {
        if matches!(record, Record::CheckpointEnd { .. }) {
            self.0.push((id, Moment::CheckpointEnds));
        }
    }
}

/// The moment at which this record is written.
fn written(record: &Record) -> Option<Moment> {
    match record {
        Record::Checkpoint(_) => Some(Moment::CheckpointBegins),
        Record::CheckpointEnd { .. } => Some(Moment::CheckpointEnds),
        Record::MemoryLost | Record::DiskLost | Record::Heard { .. } => Some(Moment::Recovery),
        _ => None,
    }
}
