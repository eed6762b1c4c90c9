//! How a replica gets on the roster before it is disturbed, and off it afterwards.
//!
//! The roster ([`crate::chaos::roster`]) is one key of the replicated store. Each replica changes it by
//! compare-and-swap through its own front end, so all changes stand in one order, that of the log, and no clock
//! has to agree with another:
//!
//! ```text
//!   replica                          store                     what is true meanwhile
//!     | read                           |
//!     |------------------------------->|  r3                     r3 is disturbed, or was, or will be
//!     | room for one more? status: who is silent, without memory?
//!     | swap r3 -> r3, r1 (token 7)    |
//!     |------------------------------->|  r3, r1                 r1 is counted by whoever comes next
//!     | still room, by status?         |
//!     | the roles fail ... come back; the acceptor recovers      r1 is disturbed: only here
//!     | swap r3, r1 (token 7) -> r3    |
//!     |------------------------------->|  r3                     r1 works again
//! ```
//!
//! # Why no majority is disturbed at once
//!
//! 1. A replica is disturbed only between a swap that put it on the roster and is known to be applied, and the
//!    one that takes it off. It tries that one only after all its roles work and its acceptor votes.
//! 2. A swap that adds somebody is computed from the very roster that it replaces, and is not tried if the
//!    result were longer than a minority, or had more without memory than can recover. So no roster in the log
//!    is, whichever order the swaps take.
//! 3. No swap takes a replica off the roster while it is disturbed. Others never remove it. Its own swaps, also
//!    those that are late or were repeated, expect a roster with the token of the entry that they remove; each
//!    entry has a token of its own, so one that is late meets another roster and does nothing.
//!
//! At any moment those who are disturbed are therefore on one roster together, and are a minority. A real
//! failure cannot be forbidden, but counts: nobody begins while those on the roster, those that are silent and
//! those without memory would be more than a minority with it. This is looked at once more after the swap,
//! because that may have taken as long as an election.
//!
//! # One failure, step by step
//!
//! *r1 is killed with SIGKILL while its acceptor is without memory.* Its entry stays on the roster, so the
//! others leave room for it, however long it is away. When its process starts again, it first gets its memory
//! back, votes, and takes itself off the roster ([`Admission::leave`] at every start, also without `--chaos`).
//!
//! *The swap has an unknown outcome* (the deadline passed during an election). The replica counts itself as on
//! the roster, is not disturbed, and leaves: it reads, and removes what it finds. If the swap takes effect even
//! later, the replica is on the roster without being disturbed, which is safe; its next turn replaces that
//! entry.
//!
//! *There is no leader, or no quorum.* The read is not answered, and nothing begins. A replica that is
//! disturbed meanwhile comes back by itself, at its time: that needs no roster. It stays on it until there is a
//! leader again.
//!
//! *The role that fails is the one that must answer* (the learner, or all three). It leaves after the role has
//! come back, so that its front end answers again; until then it tries again and again.

use bytes::Bytes;
use kvpaxos::client::{Call, Completion};
use kvpaxos::{Op, Outcome, Query, ReplicaId, Status};
use std::time::Duration;

use crate::chaos::room::{ChaosRefusal, Room};
use crate::chaos::roster::{Entry, KEY, Roster};
use crate::replica::gateway::Gateway;

/// How often a swap is tried that others were faster with.
const ATTEMPTS: usize = 5;
/// The pause after the cluster did not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// The key of the roster.
pub(crate) trait Register {
    /// Reads it; linearizable.
    async fn read(&self) -> Result<Option<Bytes>, Unanswered>;
    /// Sets it to `value` if it holds `expect`, and returns whether it did.
    async fn swap(&self, expect: Option<Bytes>, value: Option<Bytes>) -> Result<bool, Unanswered>;
    /// Waits a moment after it did not answer.
    async fn rest(&self);
}

/// The cluster did not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unanswered {
    /// Nothing was changed, and nothing will be.
    Undone(String),
    /// It was done, or will be at any time, or never.
    Unknown,
    /// The replica has stopped.
    Stopped,
}

/// The key in the replicated store.
#[derive(Clone, Debug)]
pub(crate) struct StoredRegister(pub(crate) Gateway);

impl StoredRegister {
    async fn ask(&self, call: Call) -> Result<Outcome, Unanswered> {
        match self.0.ask(call).await {
            None => Err(Unanswered::Stopped),
            Some(Completion::Done(outcome)) => Ok(outcome),
            Some(Completion::Refused(refusal)) => Err(Unanswered::Undone(refusal.to_string())),
            Some(Completion::Unknown { .. }) => Err(Unanswered::Unknown),
        }
    }

    /// Ends the session, so that the cluster need not remember it, and nothing that is still under way in it
    /// takes effect.
    pub(crate) async fn close(&self) {
        // A session that is not closed is dropped when the cluster needs its place.
        let _ = self.0.ask(Call::Close).await;
    }
}

impl Register for StoredRegister {
    async fn read(&self) -> Result<Option<Bytes>, Unanswered> {
        let key = Bytes::from_static(KEY.as_bytes());
        match self.ask(Call::Read(Query::Get { key })).await? {
            Outcome::Value { value, .. } => Ok(value),
            other => unreachable!("the state machine answers a get with a value, not with {other:?}"),
        }
    }

    async fn swap(&self, expect: Option<Bytes>, value: Option<Bytes>) -> Result<bool, Unanswered> {
        let key = Bytes::from_static(KEY.as_bytes());
        match self.ask(Call::Write(Op::Cas { key, expect, value })).await? {
            Outcome::Swapped { applied, .. } => Ok(applied),
            other => unreachable!("the state machine answers a cas with its result, not with {other:?}"),
        }
    }

    async fn rest(&self) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Gets one replica on the roster and off it. See the module's docs.
#[derive(Clone, Debug)]
pub(crate) struct Admission<R> {
    pub(crate) id: ReplicaId,
    pub(crate) room: Room,
    pub(crate) register: R,
}

impl<R: Register> Admission<R> {
    /// Puts the replica on the roster. `token` is of this entry alone. `status` asks the replica for its status;
    /// `None`: it has stopped.
    ///
    /// # Errors
    /// Why there is no room for it. Then it is not on the roster.
    pub(crate) async fn enter<S: Future<Output = Option<Status>>>(
        &self,
        what: &str,
        loses_memory: bool,
        token: u64,
        status: impl Fn() -> S,
    ) -> Result<(), ChaosRefusal> {
        let stopped = || ChaosRefusal::Unanswered("the replica has stopped".to_owned());
        // Without a leader nobody would answer for seconds.
        let first = status().await.ok_or_else(stopped)?;
        self.room.check(&Roster::default(), &first, loses_memory)?;
        for _ in 0..ATTEMPTS {
            let value = self.register.read().await.map_err(refused)?;
            let roster = Roster::parse(value.as_deref()).map_err(|_| ChaosRefusal::NoRoster)?;
            let now = status().await.ok_or_else(stopped)?;
            self.room.check(&roster, &now, loses_memory)?;
            let with = roster.with(Entry {
                replica: self.id,
                what: what.to_owned(),
                loses_memory,
                token,
            });
            match self.register.swap(value, with.value()).await {
                Ok(true) => {
                    let after = status().await.ok_or_else(stopped)?;
                    if let Err(refusal) = self.room.check(&roster, &after, loses_memory) {
                        self.leave().await;
                        return Err(refusal);
                    }
                    return Ok(());
                }
                Ok(false) => {}
                Err(Unanswered::Unknown) => {
                    self.leave().await;
                    return Err(refused(Unanswered::Unknown));
                }
                Err(other) => return Err(refused(other)),
            }
        }
        Err(ChaosRefusal::Others)
    }

    /// Takes the replica off the roster, whatever put it there. All its roles must work. Returns once it is
    /// certain, which needs a leader, or when the replica has stopped.
    pub(crate) async fn leave(&self) {
        loop {
            match self.try_to_leave().await {
                Ok(true) | Err(Unanswered::Stopped) => return,
                Ok(false) => {}
                Err(Unanswered::Undone(_) | Unanswered::Unknown) => self.register.rest().await,
            }
        }
    }

    /// Whether the replica is on the roster. Returns once it is certain, or `false` when the replica has stopped.
    pub(crate) async fn is_listed(&self) -> bool {
        loop {
            match self.register.read().await {
                // What is no roster names nobody.
                Ok(value) => {
                    let roster = Roster::parse(value.as_deref()).unwrap_or_default();
                    return roster.replicas().contains(self.id);
                }
                Err(Unanswered::Stopped) => return false,
                Err(Unanswered::Undone(_) | Unanswered::Unknown) => self.register.rest().await,
            }
        }
    }

    async fn try_to_leave(&self) -> Result<bool, Unanswered> {
        let value = self.register.read().await?;
        let roster = Roster::parse(value.as_deref()).unwrap_or_default();
        if !roster.replicas().contains(self.id) {
            return Ok(true);
        }
        let without = roster.without(self.id);
        self.register.swap(value, without.value()).await
    }
}

fn refused(why: Unanswered) -> ChaosRefusal {
    ChaosRefusal::Unanswered(match why {
        Unanswered::Undone(why) => why,
        Unanswered::Unknown => "the outcome is unknown".to_owned(),
        Unanswered::Stopped => "the replica has stopped".to_owned(),
    })
}

#[cfg(test)]
mod tests;
