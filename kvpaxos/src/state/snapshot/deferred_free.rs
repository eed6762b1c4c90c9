//! States that nobody needs any more.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{Builder, Snapshot};
use crate::state::kv::StoreToFree;
use crate::state::machine::StateMachine;
use crate::state::session::SessionsToFree;

/// How much [`DeferredFree::free_some`] does: about as many pieces of memory are freed, or pages of them.
const WORK: usize = 4096;

/// States that nobody needs any more, freed bit by bit: to drop a large one at once takes as long as to go through it.
///
/// It has no effect on what anything does: all of them are equal, and a clone has nothing to free.
#[derive(Default)]
pub struct DeferredFree {
    waiting: VecDeque<StateToFree>,
}

impl DeferredFree {
    /// Takes a [`StateMachine`], a [`Snapshot`] or a [`Builder`] to be freed. Of what others share, it only lets go.
    pub fn push(&mut self, state: impl Into<StateToFree>) {
        let remains = state.into();
        if !remains.is_empty() {
            self.waiting.push_back(remains);
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

/// What is left of a state that is being freed: made of a [`StateMachine`], a [`Snapshot`] or a [`Builder`].
#[derive(Default)]
pub struct StateToFree {
    store: StoreToFree,
    sessions: SessionsToFree,
}

impl StateToFree {
    fn free_some(&mut self, work: &mut usize) {
        self.store.free_some(work);
        self.sessions.free_some(work);
    }

    fn is_empty(&self) -> bool {
        self.store.is_empty() && self.sessions.is_empty()
    }
}

impl From<StateMachine> for StateToFree {
    fn from(machine: StateMachine) -> StateToFree {
        let (sessions, store) = machine.into_content();
        StateToFree {
            store: store.into(),
            sessions: sessions.into(),
        }
    }
}

/// Nothing is left of it that another clone of the snapshot holds.
impl From<Snapshot> for StateToFree {
    fn from(snapshot: Snapshot) -> StateToFree {
        Arc::into_inner(snapshot.machine).map_or_else(StateToFree::default, StateToFree::from)
    }
}

impl From<Builder> for StateToFree {
    fn from(builder: Builder) -> StateToFree {
        let (sessions, store) = builder.into_content();
        StateToFree {
            store: store.into(),
            sessions: sessions.into(),
        }
    }
}

impl fmt::Debug for StateToFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateToFree")
    }
}

impl Clone for DeferredFree {
    fn clone(&self) -> DeferredFree {
        DeferredFree::default()
    }
}

impl PartialEq for DeferredFree {
    fn eq(&self, _: &DeferredFree) -> bool {
        true
    }
}

impl Eq for DeferredFree {}

impl Hash for DeferredFree {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for DeferredFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeferredFree")
    }
}
