//! What clients ask and are answered (S1, S2, S3).

use kvpaxos::{Command, Op, Outcome};

use super::answers::Floor;
use super::audit::Audit;
use super::coverage::Sometimes;
use super::violation::Property;

impl Audit {
    /// To be taken when an operation is invoked, and handed back when it is answered.
    #[must_use]
    pub(crate) fn floor(&self) -> Floor {
        Floor(self.answers.highest)
    }

    /// A client was told that its write was done.
    pub(crate) fn on_written(&mut self, floor: Floor, op: &Op, outcome: &Outcome) {
        let revision = match outcome {
            Outcome::Done { revision }
            | Outcome::Deleted { revision, .. }
            | Outcome::Swapped { revision, .. } => *revision,
            other => {
                let what = format!("a write was answered by {other:?}");
                return self.wrong(Property::S1, what);
            }
        };
        match outcome {
            Outcome::Swapped { applied: true, .. } => self.coverage.hit(Sometimes::Swapped),
            Outcome::Swapped { .. } => self.coverage.hit(Sometimes::NotSwapped),
            _ => {}
        }
        if floor.0.is_some_and(|floor| revision <= floor) {
            let what = format!(
                "{op:?} took place at {revision}, not after {:?} which was answered before",
                floor.0
            );
            self.wrong(Property::S2, what);
        }
        if !self.answers.writes.insert(revision) {
            let what = format!("{op:?} took place at {revision}, where another write did");
            self.wrong(Property::S1, what);
        }
        let index = usize::try_from(revision.index).unwrap_or(usize::MAX);
        let there = self
            .slots
            .chosen(revision.slot)
            .and_then(|value| value.commands().get(index));
        if !matches!(there, Some(Command::Apply { op: logged, .. }) if logged == op) {
            let what = format!("{op:?} was acknowledged at {revision}, where the log holds {there:?}");
            self.wrong(Property::S3, what);
        }
        self.answers.highest = self.answers.highest.max(Some(revision));
    }

    /// A client was told what a key holds.
    pub(crate) fn on_read(&mut self, floor: Floor, outcome: &Outcome) {
        let Outcome::Value { revision, .. } = outcome else {
            let what = format!("a read was answered by {outcome:?}");
            return self.wrong(Property::S1, what);
        };
        if self.protocol.elected > 1 {
            self.coverage.hit(Sometimes::ReadAfterChange);
        }
        if let Some(before) = floor.0.filter(|floor| revision < floor) {
            let what =
                format!("a read saw revision {revision}, though {before} had been answered before it began");
            self.wrong(Property::S2, what);
        }
        self.answers.highest = self.answers.highest.max(Some(*revision));
    }
}
