//! Checks of the answers that clients receive (S1, S2, S3).

use kvpaxos::{Command, Op, Outcome, StepResult};

use super::answers::Floor;
use super::audit::Audit;
use super::coverage::Sometimes;
use super::violation::Property;

impl Audit {
    /// Call this when an operation is invoked, and pass the result to [`on_written`](Audit::on_written) or
    /// [`on_read`](Audit::on_read) when it is answered.
    #[must_use]
    pub(crate) fn floor(&self) -> Floor {
        Floor(self.answers.highest)
    }

    /// A client received the acknowledgement of its write.
    pub(crate) fn on_written(&mut self, floor: Floor, op: &Op, outcome: &Outcome) {
        let revision = match outcome {
            Outcome::Done { revision }
            | Outcome::Deleted { revision, .. }
            | Outcome::Swapped { revision, .. }
            | Outcome::Executed { revision, .. } => *revision,
            other => {
                let what = format!("a write was answered by {other}");
                return self.violated(Property::S1, what);
            }
        };
        match outcome {
            Outcome::Swapped { applied: true, .. } => self.coverage.hit(Sometimes::Swapped),
            Outcome::Swapped { .. } => self.coverage.hit(Sometimes::NotSwapped),
            Outcome::Executed { results: None, .. } => self.coverage.hit(Sometimes::NotExecuted),
            Outcome::Executed {
                results: Some(results),
                ..
            } => {
                self.coverage.hit(Sometimes::Executed);
                if results
                    .iter()
                    .any(|result| matches!(result, StepResult::Failed(_)))
                {
                    self.coverage.hit(Sometimes::StepFailed);
                }
            }
            _ => {}
        }
        if let Some(floor) = floor.0.filter(|floor| revision <= *floor) {
            let what = format!("{op} took place at {revision}, not after {floor}, which was answered before");
            self.violated(Property::S2, what);
        }
        if !self.answers.writes.insert(revision) {
            let what = format!("{op} took place at {revision}, where another write did");
            self.violated(Property::S1, what);
        }
        let index = usize::try_from(revision.index).expect("an index of 32 bits fits");
        let logged = self
            .slots
            .chosen(revision.slot)
            .and_then(|value| value.commands().get(index));
        if !matches!(logged, Some(Command::Apply { op: same, .. }) if same == op) {
            let logged = logged.map_or("nothing".to_owned(), Command::to_string);
            let what = format!("{op} was acknowledged at {revision}, where the log holds {logged}");
            self.violated(Property::S3, what);
        }
        self.answers.highest = self.answers.highest.max(Some(revision));
    }

    /// A client received the answer to a read.
    pub(crate) fn on_read(&mut self, floor: Floor, outcome: &Outcome) {
        let (Outcome::Value { revision, .. }
        | Outcome::Values { revision, .. }
        | Outcome::Lengths { revision, .. }
        | Outcome::Page { revision, .. }
        | Outcome::Count { revision, .. }) = outcome
        else {
            let what = format!("a read was answered by {outcome}");
            return self.violated(Property::S1, what);
        };
        if self.protocol.elected > 1 {
            self.coverage.hit(Sometimes::ReadAfterChange);
        }
        if let Some(before) = floor.0.filter(|floor| revision < floor) {
            let what =
                format!("a read saw revision {revision}, though {before} had been answered before it began");
            self.violated(Property::S2, what);
        }
        self.answers.highest = self.answers.highest.max(Some(*revision));
    }
}
