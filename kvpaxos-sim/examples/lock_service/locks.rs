//! The state machine: locks, and a fencing token for each time that one is taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a client asks. Its number tells calls apart.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) number: u64,
    pub(crate) lock: String,
    pub(crate) action: Action,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Action {
    /// Take the lock. Who holds it already keeps its token, so that this can be repeated.
    Take { owner: u64 },
    /// Give back what was taken with this token. Anybody may do it, for an owner that seems dead.
    Release { token: u64 },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) number: u64,
    pub(crate) answer: Answer,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The lock is taken. Whatever the lock guards refuses a token below one that it has seen.
    Taken {
        token: u64,
    },
    /// Somebody else holds it.
    Held {
        owner: u64,
        token: u64,
    },
    Released,
    /// It is not known whether this was done, or it was not.
    Unknown,
}

/// The locks that are held, each with its owner and token.
#[derive(Default)]
pub(crate) struct Locks {
    held: BTreeMap<String, (u64, u64)>,
    last_token: u64,
}

impl Locks {
    pub(crate) fn apply(&mut self, ask: Ask) -> Answer {
        match (ask.action, self.held.get(&ask.lock)) {
            (Action::Take { owner }, Some(&(holder, token))) if owner == holder => Answer::Taken { token },
            (Action::Take { .. }, Some(&(owner, token))) => Answer::Held { owner, token },
            (Action::Take { owner }, None) => {
                self.last_token += 1;
                self.held.insert(ask.lock, (owner, self.last_token));
                let token = self.last_token;
                Answer::Taken { token }
            }
            (Action::Release { token }, held) => {
                if held.is_some_and(|(_, present)| *present == token) {
                    self.held.remove(&ask.lock);
                }
                Answer::Released
            }
        }
    }

    pub(crate) fn state(&self) -> String {
        format!("{:?}, last token {}", self.held, self.last_token)
    }
}
