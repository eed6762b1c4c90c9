//! Paths through a space, told to a watcher as a run would be told: who writes what, what is durable, and which
//! messages leave.

use kvpaxos::{Message, Observation, Record, Replica, ReplicaId};

use crate::engine::Observer;
use crate::model::search::Space;

/// Watches a path from outside.
///
/// Where single roles are explored there is no replica that takes a step; their records and reports are told by
/// [`writes`](Watcher::writes) and [`reports`](Watcher::reports).
pub(crate) trait Watcher: Observer<Replica> {
    /// An acceptor or a proposer hands records to its disk, and the messages that reveal them wait for that.
    fn writes(&mut self, by: ReplicaId, records: &[Record], then: &[Message]);

    /// A proposer reports something that it did.
    fn reports(&mut self, by: ReplicaId, what: &Observation);

    /// Whether it has found something wrong, so that the path need not go on.
    fn objects(&self) -> bool;
}

/// A space whose paths can be watched.
pub(crate) trait Watched: Space {
    /// A step from one state to another.
    type Step;
    /// What is known on a path besides its last state.
    type Path;

    /// Tells everything up to the initial state.
    fn begin<W: Watcher>(&self, watcher: &mut W) -> Self::Path;

    /// The steps from a state, with the states that they lead to, in an order that is the same in every run. A
    /// step that breaks an invariant of the model checker is one of them if it leads to a state.
    fn steps(&self, state: &Self::State) -> Vec<(Self::Step, Self::State)>;

    /// Tells what happens in a step.
    fn tell<W: Watcher>(
        &self,
        path: &mut Self::Path,
        before: &Self::State,
        step: &Self::Step,
        after: &Self::State,
        watcher: &mut W,
    );

    /// A step in words.
    fn words(&self, before: &Self::State, step: &Self::Step, after: &Self::State) -> String;
}
