//! States that nobody needs any more.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{Builder, Snapshot};
use crate::machine::{Remains, StateMachine};

/// How much [`Discarded::free_some`] does: about as many entries are freed, or pages of their values.
const WORK: usize = 4096;

/// States that nobody needs any more, freed bit by bit: to drop a large one at once takes as long as to go through it.
///
/// It has no effect on what anything does: all of them are equal, and a clone has nothing to free.
#[derive(Default)]
pub struct Discarded {
    waiting: VecDeque<Remains>,
}

impl Discarded {
    /// Takes a [`StateMachine`], a [`Snapshot`] or a [`Builder`] to be freed. Of what others share, it only lets go.
    pub fn push(&mut self, state: impl Into<Arc<StateMachine>>) {
        if let Some(machine) = Arc::into_inner(state.into()) {
            self.waiting.push_back(machine.into());
        }
    }

    /// Frees a few thousand entries. Tells whether anything is left.
    pub fn free_some(&mut self) -> bool {
        let mut work = WORK;
        while let Some(remains) = self.waiting.front_mut() {
            remains.free_some(&mut work);
            if !remains.is_empty() {
                break;
            }
            self.waiting.pop_front();
        }
        !self.is_empty()
    }

    /// Whether there is nothing to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl From<Snapshot> for Arc<StateMachine> {
    fn from(snapshot: Snapshot) -> Arc<StateMachine> {
        snapshot.machine
    }
}

impl From<Builder> for Arc<StateMachine> {
    fn from(builder: Builder) -> Arc<StateMachine> {
        Arc::new(builder.into_machine())
    }
}

impl Clone for Discarded {
    fn clone(&self) -> Discarded {
        Discarded::default()
    }
}

impl PartialEq for Discarded {
    fn eq(&self, _: &Discarded) -> bool {
        true
    }
}

impl Eq for Discarded {}

impl Hash for Discarded {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discarded")
    }
}
