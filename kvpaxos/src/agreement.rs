//! How replicas notice that their states differ. They exchange digests of their states, and two that differ
//! never both serve.
//!
//! As long as disks keep what they have synced, none of this is needed: agreement (L1, L3) follows from the
//! votes. But a disk may silently lose the last records that it has synced. Its acceptor then votes as if it
//! had never voted ([`crate::wal`] says which losses a log can notice). Then a second value can be chosen for
//! a slot, and two histories exist. Nothing can undo that. But replicas can notice it, stop, and say so,
//! before some clients build on one history and some on the other. Castro and Liskov, *Practical Byzantine
//! Fault Tolerance* (OSDI 1999), section 4.3, compare digests of checkpoints between replicas in the same
//! way.
//!
//! # What is compared
//!
//! Each replica remembers the digests of its state after the last [`REMEMBERED`] slots that it applied. A
//! digest covers all slots that led to the state
//! ([`StateMachine::digest`](crate::machine::StateMachine::digest)), so one comparison at one slot covers all
//! slots below. Each heartbeat carries the digest of the sender's state and its slot; so does every Prepare,
//! Accept, Chosen, Confirm and ReadIndexed of a candidate or leader. The receiver compares it with its own
//! digest at that slot, as soon as it has applied that far.
//!
//! # What follows
//!
//! - *A replica ignores every message of a replica that differs from it, except for heartbeats.* It does not
//!   vote for it, count its votes, learn from it, or count it as connected. So no quorum that elects a leader
//!   or chooses a value has a member that is known to differ from the leader.
//! - *A replica answers its clients only from a state for which a leader has vouched*: the leader's digest
//!   was the same at that slot or a later one. A leader vouches for itself, because no member of the quorum
//!   that elected it was known to differ from it.
//! - *A replica that differs from another serves only if a quorum shares its digest.* The others refuse every
//!   request except for their status. They learn nothing from the replicas that differ, because their own
//!   logs may hold the right history: an operator decides. If no quorum shares one digest, all refuse. Any
//!   two quorums have a member in common, and it has one digest. So replicas that know of each other never
//!   serve two histories (D1).
//!
//! # What is left
//!
//! - A replica that has not heard of the other history cannot know that it exists. Until the replicas that
//!   hold it are back, the quorum that is up serves what it has.
//! - A replica logs how far it has applied one tick later ([`Record::Chosen`](crate::Record::Chosen));
//!   nothing waits for that record. If the replica is killed before, it knows after its restart only that it
//!   accepted the value. It then takes the value that others report for that slot, as it must when its own
//!   value was not chosen.
//! - A replica that was away for more than the remembered slots gets a snapshot of the others without a
//!   comparison. The same goes for a replica that comes back after the others have restarted and cut their
//!   logs above its last slot.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::digest::halves;
use crate::export::{Export, Exporter, ImportError, Importer, export_fields};
use crate::types::{ReplicaId, ReplicaSet, Slot};

/// The number of slots after which the digest is remembered, at 8 bytes each.
pub const REMEMBERED: usize = 1 << 16;

/// The greatest number of digests of one peer that are kept until this replica has applied their slots. The
/// first and the newest are among them.
const AWAITED: usize = 8;

/// The digest of a replica's state, as messages carry it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StateDigest {
    /// The digest is that of the state after every slot below this one. At slot 0 all states are equal, and
    /// the digest says nothing.
    pub slot: Slot,
    /// The lower half of the digest of the state. It is enough to distinguish histories that nobody has
    /// forged.
    pub digest: u64,
}

impl StateDigest {
    /// The digest of a replica that has applied nothing, or has no learner.
    pub const NOTHING: StateDigest = StateDigest {
        slot: Slot(0),
        digest: 0,
    };

    /// From the digest of the whole state.
    #[must_use]
    pub fn new(slot: Slot, digest: u128) -> StateDigest {
        let [_, digest] = halves(digest);
        StateDigest { slot, digest }
    }
}

/// Why a replica does not serve: others differ from it, and no quorum is known to share its state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Doubt {
    /// The replicas whose digests differ.
    pub with: ReplicaSet,
    /// The lowest slot at which a comparison showed a difference. The slot that made the states differ may be
    /// lower.
    pub slot: Slot,
}

/// The digests of the state after the last slots that were applied.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct DigestHistory {
    /// The slot of the first digest.
    first: Slot,
    digests: VecDeque<u64>,
}

/// Digests are random bits: each is written as eight bytes.
impl Export for DigestHistory {
    fn export_to(&self, to: &mut Exporter) {
        let DigestHistory { first, digests } = self;
        first.export_to(to);
        digests.len().export_to(to);
        digests.iter().for_each(|digest| to.put(&digest.to_le_bytes()));
    }

    fn import_from(from: &mut Importer<'_>) -> Result<DigestHistory, ImportError> {
        let first = from.slot()?;
        let mut digests = VecDeque::new();
        for _ in 0..usize::import_from(from)? {
            digests.push_back(u64::from_le_bytes(from.get()?));
        }
        Ok(DigestHistory { first, digests })
    }
}

impl DigestHistory {
    /// Adds the digest of the state after every slot below `slot`. If this slot does not follow the last one,
    /// the earlier digests are dropped.
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

    /// The digest at a slot, if it is still remembered.
    pub(crate) fn at(&self, slot: Slot) -> Option<StateDigest> {
        let place = usize::try_from(slot.0.checked_sub(self.first.0)?).ok()?;
        let digest = *self.digests.get(place)?;
        Some(StateDigest { slot, digest })
    }
}

/// How the state of a replica compares with those of its peers, as far as it knows.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Agreement {
    /// By ascending ids.
    peers: Vec<(ReplicaId, Comparison)>,
    /// The highest slot at which a leader had the same digest.
    vouched: Slot,
    /// Whether a peer differs, or says so. It follows from `peers`, but each step asks, and the answer is nearly always no.
    some_differ: bool,
}

export_fields!(Agreement {
    peers,
    vouched,
    some_differ
});

/// How the state of one peer compares.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Comparison {
    /// Identifies the life of the peer, as its heartbeats report it.
    nonce: Option<u64>,
    /// The highest slot at which the digests were equal.
    same: Option<Slot>,
    /// The lowest slot at which they differed.
    differs: Option<Slot>,
    /// The slot at which the peer reports a difference.
    reported: Option<Slot>,
    /// The digests of slots that are not applied here yet, and whether the peer sent them as the leader.
    awaited: BTreeMap<Slot, (u64, bool)>,
}

export_fields!(Comparison {
    nonce,
    same,
    differs,
    reported,
    awaited
});

impl Comparison {
    /// The lowest slot at which a difference is known, by this replica or by the peer.
    fn differing(&self) -> Option<Slot> {
        let reported = self
            .reported
            .filter(|slot| self.same.is_none_or(|same| same < *slot));
        match (self.differs, reported) {
            (Some(own), Some(reported)) => Some(own.min(reported)),
            (own, reported) => own.or(reported),
        }
    }

    fn compared(&mut self, slot: Slot, same: bool) {
        if same {
            self.same = self.same.max(Some(slot));
            // A difference at a lower slot no longer counts: the peer has continued from another state.
            self.differs = self.differs.filter(|differs| *differs > slot);
        } else {
            self.differs = Some(self.differs.map_or(slot, |differs| differs.min(slot)));
            self.same = self.same.filter(|same| *same < slot);
        }
    }
}

impl Agreement {
    /// A peer has sent the digest of its state; `leads` says whether it did so as a leader.
    pub(crate) fn on_state(
        &mut self,
        peer: ReplicaId,
        state: StateDigest,
        leads: bool,
        digests: &DigestHistory,
    ) {
        let StateDigest { slot, digest } = state;
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
                // The peer is in a later life, or has changed over to another history.
                (*known, *by_leader) = (digest, leads);
            }
        }
    }

    /// A peer has sent a heartbeat. The nonce identifies its life; `reported` is the slot at which it reports a
    /// difference from this replica.
    pub(crate) fn on_heartbeat(&mut self, peer: ReplicaId, nonce: u64, reported: Option<Slot>) {
        let comparison = self.peer_mut(peer);
        if comparison.nonce != Some(nonce) {
            *comparison = Comparison {
                nonce: Some(nonce),
                ..Comparison::default()
            };
        }
        comparison.reported = reported;
        if self.some_differ || reported.is_some() {
            self.look_who_differs();
        }
    }

    /// A slot was applied or a snapshot installed: compares the digests that were waiting for that.
    pub(crate) fn on_applied(&mut self, digests: &DigestHistory) {
        let applied = digests.last().slot;
        let first_due = |agreement: &Agreement| {
            let mut peers = agreement.peers.iter();
            peers.find_map(|(peer, comparison)| {
                let (slot, digest) = comparison.awaited.first_key_value()?;
                (*slot <= applied).then_some((*peer, *slot, *digest))
            })
        };
        while let Some((peer, slot, (digest, leads))) = first_due(self) {
            self.peer_mut(peer).awaited.remove(&slot);
            // Digests at slots that a snapshot skipped cannot be compared any more.
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
        if self.some_differ || !same {
            self.look_who_differs();
        }
        if same && leads {
            self.vouched = self.vouched.max(slot);
        }
    }

    fn look_who_differs(&mut self) {
        let mut peers = self.peers.iter().map(|(_, peer)| peer);
        self.some_differ = peers.any(|peer| peer.differs.is_some() || peer.reported.is_some());
    }

    /// A leader has vouched for the state after every slot below this one: clients may be answered from it.
    pub(crate) fn vouched(&self) -> Slot {
        self.vouched
    }

    /// The slot at which the peer's state is known to differ, if any.
    pub(crate) fn differs(&self, peer: ReplicaId) -> Option<Slot> {
        if !self.some_differ {
            return None;
        }
        let peer = self.peers.iter().find(|(id, _)| *id == peer);
        peer.and_then(|(_, comparison)| comparison.differing())
    }

    /// The peers whose states are known to differ.
    pub(crate) fn differing(&self) -> ReplicaSet {
        if !self.some_differ {
            return ReplicaSet::EMPTY;
        }
        let differing = self.peers.iter().filter(|(_, peer)| peer.differing().is_some());
        differing.map(|(id, _)| *id).collect()
    }

    /// Set if this replica must not serve: some peers differ, and fewer than `quorum` replicas, including
    /// itself, are known to share its digest at the lowest slot at which they do.
    ///
    /// A peer whose last comparison was at a lower slot counts for neither side.
    pub(crate) fn doubt(&self, quorum: usize) -> Option<Doubt> {
        if !self.some_differ {
            return None;
        }
        let peers = self.peers.iter().map(|(_, peer)| peer);
        let slot = peers.clone().filter_map(Comparison::differing).min()?;
        let shares = |peer: &&Comparison| peer.differing().is_none() && peer.same >= Some(slot);
        let sharing = 1 + peers.filter(shares).count();
        let with = self.differing();
        (sharing < quorum).then_some(Doubt { with, slot })
    }
}

#[cfg(test)]
mod tests;
