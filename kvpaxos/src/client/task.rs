//! What takes attempts until it is answered: calls, and the opening of the session.

use bytes::Bytes;

use crate::command::{Op, Outcome, Refusal};
use crate::types::{ReplicaId, Sequence, SessionId, Time};

/// The session that new writes go into.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Session {
    None,
    /// [`Task::Open`] is under way.
    Opening,
    Open {
        id: SessionId,
        /// The next write's.
        next: Sequence,
    },
}

/// Something that takes attempts until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Task {
    /// Opening the session.
    Open,
    /// The call of this number.
    Call(u64),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Pending {
    pub(super) what: TaskKind,
    /// When the call ends, whatever has been answered by then.
    pub(super) ends: Time,
    pub(super) phase: Phase,
    /// Whether an attempt before the present one may yet take effect, or has.
    pub(super) doubt: bool,
    /// Attempts that brought nothing.
    pub(super) failures: u32,
    /// Why the last attempt was refused, if one was.
    pub(super) refusal: Option<Refusal>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum TaskKind {
    Open,
    Write {
        op: Op,
        /// Given once, with the first attempt, and taken back only when it is certain that no attempt took effect.
        place: Option<(SessionId, Sequence)>,
    },
    Get {
        key: Bytes,
    },
    Status,
    Close {
        session: SessionId,
    },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Phase {
    /// In `Client::waiting`.
    Waiting,
    /// An answer is awaited.
    Sent {
        to: ReplicaId,
        request: u64,
        until: Time,
    },
    /// After a refusal, before the next attempt.
    Resting { until: Time },
}

impl Pending {
    pub(super) fn wakes(&self) -> Time {
        match self.phase {
            Phase::Waiting => self.ends,
            Phase::Sent { until, .. } | Phase::Resting { until } => until.min(self.ends),
        }
    }
}

/// Whether the outcome is one that ends such a call well.
pub(super) fn answers(what: &TaskKind, outcome: &Outcome) -> bool {
    match what {
        TaskKind::Open => false,
        TaskKind::Write { op, .. } => match op {
            Op::Put { .. } => matches!(outcome, Outcome::Done { .. }),
            Op::Delete { .. } => matches!(outcome, Outcome::Deleted { .. }),
            Op::Cas { .. } => matches!(outcome, Outcome::Swapped { .. }),
        },
        TaskKind::Get { .. } => matches!(outcome, Outcome::Value { .. }),
        TaskKind::Status => matches!(outcome, Outcome::Status(_)),
        TaskKind::Close { .. } => matches!(outcome, Outcome::Closed),
    }
}
