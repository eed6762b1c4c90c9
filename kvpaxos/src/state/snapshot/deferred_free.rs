//! Freeing large states little by little.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{Builder, Snapshot};
use crate::state::kv::StoreToFree;
use crate::state::machine::StateMachine;
use crate::state::session::SessionsToFree;

/// States that are no longer needed. They are freed little by little, because dropping a large one takes as
/// long as visiting all of it.
///
/// It does not influence behaviour: all values are equal, and a clone is empty.
#[derive(Default)]
pub struct DeferredFree {
    waiting: VecDeque<StateToFree>,
}

impl DeferredFree {
    /// Takes a [`StateMachine`], a [`Snapshot`] or a [`Builder`] to be freed. Shared parts are not freed
    /// before their other owners drop them.
    pub fn push(&mut self, state: impl Into<StateToFree>) {
        let remains = state.into();
        if !remains.is_empty() {
            self.waiting.push_back(remains);
        }
    }

    /// Frees about so many pieces of memory, or pages of them. Returns whether anything is left.
    pub fn free_some(&mut self, mut work: usize) -> bool {
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

/// A state that is being freed: made from a [`StateMachine`], a [`Snapshot`] or a [`Builder`].
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

/// There is nothing to free if another clone of the snapshot exists.
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
