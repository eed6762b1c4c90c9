//! Tasks of a client, which it attempts until they are answered: calls, and the opening of a session.

use crate::command::{Op, Outcome, Query, Refusal};
use crate::types::{ReplicaId, Sequence, SessionId, Time};

/// The session of new writes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Session {
    None,
    /// [`Task::Open`] is in progress.
    Opening,
    Open {
        id: SessionId,
        /// The sequence of the next write.
        next: Sequence,
    },
}

/// Something that is attempted until it is answered.
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
    /// The deadline of the call.
    pub(super) ends: Time,
    pub(super) phase: Phase,
    /// Whether an earlier attempt may have taken effect, or may still do so.
    pub(super) doubt: bool,
    /// The number of attempts without an answer.
    pub(super) failures: u32,
    /// The last refusal, if there was one.
    pub(super) refusal: Option<Refusal>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum TaskKind {
    Open,
    Write {
        op: Op,
        /// Assigned with the first attempt, and withdrawn only if it is certain that no attempt took effect.
        place: Option<(SessionId, Sequence)>,
    },
    Read(Query),
    Status,
    DriverStatus,
    Close {
        session: SessionId,
    },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Phase {
    /// In `Client::waiting`.
    Waiting,
    /// An attempt is unanswered.
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

/// Whether the outcome answers such a task.
pub(super) fn answers(what: &TaskKind, outcome: &Outcome) -> bool {
    match what {
        TaskKind::Open => false,
        TaskKind::Write { op, .. } => match op {
            Op::Put { .. } => matches!(outcome, Outcome::Done { .. }),
            Op::Delete { .. } => matches!(outcome, Outcome::Deleted { .. }),
            Op::Cas { .. } => matches!(outcome, Outcome::Swapped { .. }),
            Op::Transaction(_) => matches!(outcome, Outcome::Executed { .. }),
        },
        TaskKind::Read(query) => match query {
            Query::Get { .. } => matches!(outcome, Outcome::Value { .. }),
            Query::GetMany { .. } => matches!(outcome, Outcome::Values { .. }),
            Query::Lengths { .. } => matches!(outcome, Outcome::Lengths { .. }),
            Query::Scan { .. } => matches!(outcome, Outcome::Page { .. }),
            Query::Count => matches!(outcome, Outcome::Count { .. }),
        },
        TaskKind::Status => matches!(outcome, Outcome::Status(_)),
        TaskKind::DriverStatus => matches!(outcome, Outcome::DriverStatus { .. }),
        TaskKind::Close { .. } => matches!(outcome, Outcome::Closed),
    }
}
