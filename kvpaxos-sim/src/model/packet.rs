//! Packets: messages of the core with sender and receiver, and renamings of the acceptors in them.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::{Promise, Remembered};
use kvpaxos::{Ballot, Incarnation, Message, ReplicaId, Slot};

use crate::model::bounds::MAX_ACCEPTORS;

/// A message that was sent. It may arrive at any time from then on, any number of times, or never.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Packet {
    pub(super) from: ReplicaId,
    /// `None`: every acceptor but the sender.
    pub(super) to: Option<ReplicaId>,
    pub(super) message: Message,
}

/// Which kind of packet it is, and whom it concerns. Numbers are places of acceptors, or of proposers behind
/// them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PacketKind {
    /// An Accept, for every acceptor that has its memory.
    Accept,
    /// A question of a recovering acceptor to all others: which life of mine have you heard of?
    Recall { from: usize, nonce: u64 },
    /// The announcement of a recovering acceptor's next life to all others.
    Announce { from: usize, incarnation: Incarnation },
    /// A Prepare, for every acceptor that has its memory.
    Prepare { from: usize },
    /// The answer to a Recall, for the recovering acceptor.
    Recalled { to: usize, nonce: u64 },
    /// The answer to an Announce, for the recovering acceptor.
    Remembered { to: usize, nonce: u64 },
    /// A promise, for a candidate.
    Promise { to: usize },
    /// A vote, for a leader.
    Vote { to: usize },
    /// Anything else. A refusal only makes a proposer give up; here a proposer gives up by hearing nothing
    /// more.
    Useless,
}

impl PacketKind {
    /// Whether acceptors answer it.
    pub(super) fn is_request(self) -> bool {
        matches!(
            self,
            PacketKind::Prepare { .. }
                | PacketKind::Accept
                | PacketKind::Recall { .. }
                | PacketKind::Announce { .. }
        )
    }
}

impl Packet {
    /// Its kind.
    pub(super) fn kind(&self) -> PacketKind {
        let to = self.to.map_or(0, |to| usize::from(to.0));
        let from = usize::from(self.from.0);
        match &self.message {
            Message::Prepare { .. } => PacketKind::Prepare { from },
            Message::Accept { .. } => PacketKind::Accept,
            Message::Recall { nonce } => PacketKind::Recall { from, nonce: *nonce },
            Message::Announce { incarnation, .. } => PacketKind::Announce {
                from,
                incarnation: *incarnation,
            },
            Message::Recalled { nonce, .. } => PacketKind::Recalled { to, nonce: *nonce },
            Message::Remembered(memory) => PacketKind::Remembered {
                to,
                nonce: memory.nonce,
            },
            Message::Promise(_) => PacketKind::Promise { to },
            Message::Accepted { .. } => PacketKind::Vote { to },
            _ => PacketKind::Useless,
        }
    }

    /// The packet without what may differ between repeats in the same life. Only the first of the packets
    /// with the same representative is sent: see [`crate::model::reduction`].
    pub(super) fn representative(&self) -> Packet {
        let own = |vector: &CrashVector| CrashVector::from_iter([(self.from, vector.get(self.from))]);
        let mut representative = self.clone();
        match &mut representative.message {
            Message::Promise(Promise { vector, .. }) | Message::Accepted { vector, .. } => {
                *vector = own(vector);
            }
            Message::Remembered(memory) => {
                **memory = Remembered {
                    vector: own(&memory.vector),
                    promised: Ballot::ZERO,
                    cut: Slot::ZERO,
                    entries: Vec::new(),
                    more: None,
                    met: KnownFoundings::default(),
                    ..**memory
                };
            }
            _ => {}
        }
        representative
    }

    /// The packet with renamed acceptors.
    pub(super) fn renamed(&self, names: &Renaming) -> Packet {
        let mut message = self.message.clone();
        match &mut message {
            Message::Promise(Promise { vector, .. }) | Message::Accepted { vector, .. } => {
                *vector = names.vector(vector);
            }
            Message::Remembered(memory) => {
                let Remembered { vector, .. } = &mut **memory;
                *vector = names.vector(vector);
            }
            _ => {}
        }
        Packet {
            from: names.id(self.from),
            to: self.to.map(|to| names.id(to)),
            message,
        }
    }
}

/// A permutation of the acceptors' names. Proposers keep theirs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Renaming(pub(super) [u8; MAX_ACCEPTORS]);

impl Renaming {
    /// The permutation that changes nothing.
    pub(super) const NONE: Renaming = Renaming([0, 1, 2, 3, 4]);

    /// The new name.
    pub(super) fn id(&self, id: ReplicaId) -> ReplicaId {
        self.0.get(usize::from(id.0)).map_or(id, |name| ReplicaId(*name))
    }

    fn vector(&self, vector: &CrashVector) -> CrashVector {
        let named = |(id, incarnation)| (self.id(id), incarnation);
        vector.iter().map(named).collect()
    }

    /// All permutations of the first `count` names, the identity first.
    pub(super) fn all(count: usize) -> Vec<Renaming> {
        let mut all = vec![Renaming::NONE];
        for place in 0..count {
            let mut longer = Vec::new();
            for names in &all {
                for other in place..count {
                    let mut swapped = *names;
                    swapped.0.swap(place, other);
                    longer.push(swapped);
                }
            }
            all = longer;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_permutations_once_each() {
        for (count, expected) in [(1, 1), (2, 2), (3, 6), (4, 24), (5, 120)] {
            let mut all = Renaming::all(count);
            assert_eq!(all[0], Renaming::NONE);
            all.sort_by_key(|names| names.0);
            all.dedup();
            assert_eq!(all.len(), expected);
        }
    }
}
