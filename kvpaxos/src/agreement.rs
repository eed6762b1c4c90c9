//! Whether replicas hold the same: digests of their states travel between them, and those that differ never serve side by side.
//!
//! Nothing of this is needed while disks keep what they were told to keep: agreement (L1, L3) follows from the votes. But a disk may lose, in
//! silence, the last records that it said were durable, and its acceptor then votes as if it had never voted (see [`crate::wal`] for what
//! a log can notice, and what it cannot). Then another value can be chosen for a slot, and two histories exist. Nothing can undo that; what
//! can be done is to notice, to stop, and to say so, before some clients build on one history and some on the other. Castro and Liskov,
//! *Practical Byzantine Fault Tolerance* (OSDI 1999), 4.3, compare digests of checkpoints between replicas in the same way.
//!
//! # What is compared
//!
//! Each replica remembers the digests after the last [`REMEMBERED`] slots that it applied. A digest covers all slots that led to
//! the state ([`StateMachine::digest`](crate::machine::StateMachine::digest)), so that one comparison at one slot speaks for all below it. A
//! replica tells the digest of its state, with its slot, in its heartbeats, and as a candidate or leader in every Prepare, Accept, Chosen, Confirm
//! and ReadIndexed. Whoever gets it compares, at once or when it has applied as much.
//!
//! # What follows
//!
//! - *A replica hears nothing but heartbeats from one that differs from it.* It does not vote for it, nor count its votes, nor learn from it,
//!   nor count it as connected. So nobody is elected, and nothing is chosen, by a quorum in which somebody is known to differ.
//! - *A replica tells its clients only what a leader has vouched for*: the leader's digest was the same at that slot or a later one. A leader
//!   vouches for itself: nobody in the quorum that elected it was known to differ from it.
//! - *A replica that differs from another serves only if a quorum shares its digest*. The others refuse every request but for their
//!   status, and learn nothing from those that differ: their logs may hold the truth, and an operator decides. Where no quorum shares one
//!   digest, all refuse. Two quorums have a member in common, and it has one digest: so two histories are never served by replicas that
//!   know of each other (D1).
//!
//! # What is left
//!
//! - Who has not heard of the other history cannot know that it exists: before the replicas that hold it are back, the quorum that is up
//!   serves what it has.
//! - What a replica has applied is in its log a tick later ([`Record::Chosen`](crate::Record::Chosen); nobody waits for it). If it is killed sooner, it
//!   knows after its restart only that it accepted the value. It then takes what others tell of that slot, as it must where the value was
//!   not chosen.
//! - A replica that was away for more than the remembered slots, or that comes back when the others have restarted and cut their logs above where
//!   it stopped, gets their snapshot without a comparison.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::digest::halves;
use crate::types::{ReplicaId, ReplicaSet, Slot};

/// The digests after so many slots are remembered: 8 bytes each.
pub const REMEMBERED: usize = 1 << 16;

/// So many digests of a peer that are ahead of what is applied here wait to be compared: the first and the newest among them.
const AWAITED: usize = 8;

/// What a replica tells of its state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StateDigest {
    /// The state is the one after every slot below this. At slot 0 all states are the same, and nothing is said.
    pub slot: Slot,
    /// The lower half of the state's digest: enough to tell histories apart that nobody forged.
    pub digest: u64,
}

impl StateDigest {
    /// Of a replica that has applied nothing, or has no learner.
    pub const NOTHING: StateDigest = StateDigest {
        slot: Slot(0),
        digest: 0,
    };

    /// Of a state with this digest.
    #[must_use]
    pub fn new(slot: Slot, digest: u128) -> StateDigest {
        let [_, digest] = halves(digest);
        StateDigest { slot, digest }
    }
}

/// With whom a replica that does not serve disagrees.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Doubt {
    /// Whose digests are not the same.
    pub with: ReplicaSet,
    /// The lowest slot that was compared and found different: after every slot below it, the states differ. What made them differ may lie
    /// further down.
    pub slot: Slot,
}

/// The digests after the last slots that were applied.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct DigestHistory {
    /// Of the first digest.
    first: Slot,
    digests: VecDeque<u64>,
}

impl DigestHistory {
    /// Notes the digest after every slot below `slot`. Where that does not follow on what is noted, what went before is forgotten.
    pub(crate) fn push(&mut self, slot: Slot, digest: u128) {
        if self.digests.is_empty() || slot.0 != self.first.0 + self.digests.len() as u64 {
            self.digests.clear();
            self.first = slot;
        }
        if self.digests.len() == REMEMBERED {
            self.digests.pop_front();
            self.first = self.first.next();
        }
        self.digests.push_back(StateDigest::new(slot, digest).digest);
    }

    /// The last digest, and its slot.
    pub(crate) fn last(&self) -> StateDigest {
        let last = self.digests.back().map(|digest| StateDigest {
            slot: Slot(self.first.0 + self.digests.len() as u64 - 1),
            digest: *digest,
        });
        last.unwrap_or(StateDigest::NOTHING)
    }

    /// The digest at a slot, if it is remembered.
    pub(crate) fn at(&self, slot: Slot) -> Option<StateDigest> {
        let place = usize::try_from(slot.0.checked_sub(self.first.0)?).ok()?;
        let digest = *self.digests.get(place)?;
        Some(StateDigest { slot, digest })
    }
}

/// What a replica knows of how its state compares with the others'.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Agreement {
    /// By ascending ids. A vector, because all of them are looked at for each request of a client.
    peers: Vec<(ReplicaId, Comparison)>,
    /// The highest slot at which the digest of a leader was the same.
    vouched: Slot,
}

/// How one peer's state compares.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Comparison {
    /// Of the peer's life, as its heartbeats tell it.
    nonce: Option<u64>,
    /// The highest slot at which it was the same.
    same: Option<Slot>,
    /// The lowest slot at which it was another.
    differs: Option<Slot>,
    /// Where the peer says that it differs.
    told: Option<Slot>,
    /// What it told of slots that are not applied here yet, and whether it told it as the leader.
    awaited: BTreeMap<Slot, (u64, bool)>,
}

impl Comparison {
    /// The lowest slot at which it is known to differ.
    fn differing(&self) -> Option<Slot> {
        let told = self.told.filter(|told| self.same.is_none_or(|same| same < *told));
        match (self.differs, told) {
            (Some(own), Some(told)) => Some(own.min(told)),
            (own, told) => own.or(told),
        }
    }

    fn compared(&mut self, slot: Slot, same: bool) {
        if same {
            self.same = self.same.max(Some(slot));
            // What differed below is over: it goes on from another state.
            self.differs = self.differs.filter(|differs| *differs > slot);
        } else {
            self.differs = Some(self.differs.map_or(slot, |differs| differs.min(slot)));
            self.same = self.same.filter(|same| *same < slot);
        }
    }
}

impl Agreement {
    /// A peer has told the digest of its state; `leads` if it did so as a leader.
    pub(crate) fn on_told(
        &mut self,
        peer: ReplicaId,
        told: StateDigest,
        leads: bool,
        digests: &DigestHistory,
    ) {
        let StateDigest { slot, digest } = told;
        if slot == Slot::ZERO {
            return;
        }
        if let Some(own) = digests.at(slot) {
            self.compared(peer, slot, own.digest == digest, leads);
        } else if slot > digests.last().slot {
            let awaited = &mut self.peer_mut(peer).awaited;
            if awaited.len() == AWAITED && !awaited.contains_key(&slot) {
                awaited.pop_last();
            }
            let (known, by_leader) = awaited.entry(slot).or_insert((digest, leads));
            if *known == digest {
                *by_leader |= leads;
            } else {
                // Of a later life, or of another history that it has gone over to.
                (*known, *by_leader) = (digest, leads);
            }
        }
    }

    /// A heartbeat of a peer: of which life, and where it says that it differs from this replica, if it does.
    pub(crate) fn on_heartbeat(&mut self, peer: ReplicaId, nonce: u64, told: Option<Slot>) {
        let comparison = self.peer_mut(peer);
        if comparison.nonce != Some(nonce) {
            *comparison = Comparison {
                nonce: Some(nonce),
                ..Comparison::default()
            };
        }
        comparison.told = told;
    }

    /// The next slot is applied, or a snapshot installed: what was told of slots so far is compared.
    pub(crate) fn on_applied(&mut self, digests: &DigestHistory) {
        let applied = digests.last().slot;
        let first_due = |agreement: &Agreement| {
            let mut peers = agreement.peers.iter();
            peers.find_map(|(peer, comparison)| {
                let (slot, told) = comparison.awaited.first_key_value()?;
                (*slot <= applied).then_some((*peer, *slot, *told))
            })
        };
        while let Some((peer, slot, (digest, leads))) = first_due(self) {
            self.peer_mut(peer).awaited.remove(&slot);
            // What a snapshot has jumped over cannot be compared any more.
            if let Some(own) = digests.at(slot) {
                self.compared(peer, slot, own.digest == digest, leads);
            }
        }
    }

    fn peer_mut(&mut self, peer: ReplicaId) -> &mut Comparison {
        let place = self.peers.partition_point(|(id, _)| *id < peer);
        if self.peers.get(place).is_none_or(|(id, _)| *id != peer) {
            self.peers.insert(place, (peer, Comparison::default()));
        }
        &mut self.peers[place].1
    }

    fn compared(&mut self, peer: ReplicaId, slot: Slot, same: bool, leads: bool) {
        self.peer_mut(peer).compared(slot, same);
        if same && leads {
            self.vouched = self.vouched.max(slot);
        }
    }

    /// Slots below are what a leader has: answers of them may go to clients.
    pub(crate) fn vouched(&self) -> Slot {
        self.vouched
    }

    /// Where the peer's state is known to differ, if it is.
    pub(crate) fn differs(&self, peer: ReplicaId) -> Option<Slot> {
        let peer = self.peers.iter().find(|(id, _)| *id == peer);
        peer.and_then(|(_, comparison)| comparison.differing())
    }

    /// Whose states are known to differ.
    pub(crate) fn differing(&self) -> ReplicaSet {
        let differing = self.peers.iter().filter(|(_, peer)| peer.differing().is_some());
        differing.map(|(id, _)| *id).collect()
    }

    /// Why this replica must not serve, if it must not: some differ, and no `quorum`, itself included, is known to share its digest at a slot at
    /// which they do.
    ///
    /// A peer that was compared only further down counts for neither side: it may come to the one or the other.
    pub(crate) fn doubt(&self, quorum: usize) -> Option<Doubt> {
        let peers = self.peers.iter().map(|(_, peer)| peer);
        // Nearly always nobody differs, and each request asks.
        if peers
            .clone()
            .all(|peer| peer.differs.is_none() && peer.told.is_none())
        {
            return None;
        }
        let slot = peers.clone().filter_map(Comparison::differing).min()?;
        let shares = |peer: &&Comparison| peer.differing().is_none() && peer.same >= Some(slot);
        let sharing = 1 + peers.filter(shares).count();
        let with = self.differing();
        (sharing < quorum).then_some(Doubt { with, slot })
    }
}

#[cfg(test)]
mod tests;
