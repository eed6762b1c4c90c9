//! A log that is a list of records.

use kvpaxos::ReplicaId;

use crate::engine::decider::FileDecider;
use crate::engine::disk::log::{Format, Log, Recovered};

/// A log that is a list of records. Its units are records.
#[derive(Clone, Debug)]
pub struct List<R>(Vec<R>);

impl<R: Clone> Log<R> for List<R> {
    fn found(_: ReplicaId, _: u64, _: Format) -> List<R> {
        List(Vec::new())
    }

    fn append(&mut self, records: &[R]) {
        self.0.extend_from_slice(records);
    }

    fn synced(&mut self, _: usize) {}

    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, units: usize) -> Option<Vec<R>> {
        Some(self.0[..units].to_vec())
    }

    fn crash(&mut self, synced: usize, surviving: usize, _: &mut FileDecider<'_>) {
        self.0.truncate(synced + surviving);
    }

    fn lose_silently(&mut self, records: usize) -> usize {
        let before = self.0.len();
        self.0.truncate(before.saturating_sub(records));
        before - self.0.len()
    }

    fn recover(&mut self, synced: usize) -> Option<Recovered<R>> {
        Some(Recovered {
            records: self.0.clone(),
            fresh: self.0.len() - synced,
        })
    }
}
