//! Votes that are consistent with each other, found independently of the core by trying all sets.

use kvpaxos::ReplicaId;
use kvpaxos::crash_vector::CrashVector;

/// The votes for one ballot, or for one value in one ballot, of any acceptors in any of their lives, with
/// their crash vectors.
#[derive(Default)]
pub(super) struct VoteSet(Vec<(ReplicaId, CrashVector)>);

impl VoteSet {
    /// Adds a vote.
    pub(super) fn add(&mut self, by: ReplicaId, vector: &CrashVector) {
        let known = self.0.iter().any(|(other, same)| *other == by && same == vector);
        if !known {
            self.0.push((by, vector.clone()));
        }
    }

    /// The size of the largest set of votes from different acceptors in which no vote knows that another was
    /// cast in a life that is over.
    pub(super) fn largest_consistent(&self) -> usize {
        let plain = CrashVector::default();
        if self.0.iter().all(|(_, vector)| *vector == plain) {
            return self.0.len();
        }
        self.extend(&mut Vec::new(), 0)
    }

    fn extend(&self, chosen: &mut Vec<usize>, from: usize) -> usize {
        let mut largest = chosen.len();
        for place in from..self.0.len() {
            if chosen.iter().all(|other| self.are_consistent(*other, place)) {
                chosen.push(place);
                largest = largest.max(self.extend(chosen, place + 1));
                chosen.pop();
            }
        }
        largest
    }

    fn are_consistent(&self, one: usize, other: usize) -> bool {
        let ((x, x_knows), (y, y_knows)) = (&self.0[one], &self.0[other]);
        x != y && !y_knows.outdates(*x, x_knows) && !x_knows.outdates(*y, y_knows)
    }
}
