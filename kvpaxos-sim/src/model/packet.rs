//! What travels: a message of the core with its sender and receiver, and how it looks when acceptors exchange their names.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::Met;
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

/// Who a packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PacketKind {
    /// Acceptors that have their memory.
    Accept,
    /// They too; asked by one that lost its memory, of its past.
    Recall { from: usize, nonce: u64 },
    /// They too; told by one that lost its memory, of the life that begins.
    Announce { from: usize, incarnation: Incarnation },
    /// They too.
    Prepare { from: usize },
    /// An acceptor that lost its memory, about the life that begins.
    Recalled { to: usize, nonce: u64 },
    /// An acceptor that lost its memory, about what it forgot.
    Remembered { to: usize, nonce: u64 },
    /// A candidate.
    Promise { to: usize },
    /// A leader.
    Vote { to: usize },
    /// Nobody here: a refusal does nothing but make a proposer give up, which it may do at any time by hearing nothing more.
    Useless,
}

impl PacketKind {
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
            Message::Remembered(told) => PacketKind::Remembered {
                to,
                nonce: told.nonce,
            },
            Message::Promise(_) => PacketKind::Promise { to },
            Message::Accepted { .. } => PacketKind::Vote { to },
            _ => PacketKind::Useless,
        }
    }

    /// What a later packet of the same life has in common with the first, for which it need not be sent: see
    /// [`crate::model::reduction`].
    pub(super) fn essence(&self) -> Packet {
        let own = |vector: &CrashVector| CrashVector::from_iter([(self.from, vector.get(self.from))]);
        let mut essence = self.clone();
        match &mut essence.message {
            Message::Promise(Promise { vector, .. }) | Message::Accepted { vector, .. } => {
                *vector = own(vector)
            }
            Message::Remembered(told) => {
                **told = Remembered {
                    vector: own(&told.vector),
                    promised: Ballot::ZERO,
                    cut: Slot::ZERO,
                    entries: Vec::new(),
                    more: None,
                    met: Met::default(),
                    ..**told
                };
            }
            _ => {}
        }
        essence
    }

    /// The same with other names.
    pub(super) fn renamed(&self, names: &Renaming) -> Packet {
        let mut message = self.message.clone();
        match &mut message {
            Message::Promise(Promise { vector, .. }) | Message::Accepted { vector, .. } => {
                *vector = names.vector(vector);
            }
            Message::Remembered(told) => {
                let Remembered { vector, .. } = &mut **told;
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

/// A permutation of the acceptors' names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Renaming(pub(super) [u8; MAX_ACCEPTORS]);

impl Renaming {
    pub(super) const NONE: Renaming = Renaming([0, 1, 2, 3, 4]);

    /// Proposers keep their names.
    pub(super) fn id(&self, id: ReplicaId) -> ReplicaId {
        self.0.get(usize::from(id.0)).map_or(id, |name| ReplicaId(*name))
    }

    fn vector(&self, vector: &CrashVector) -> CrashVector {
        let named = |(id, incarnation)| (self.id(id), incarnation);
        vector.iter().map(named).collect()
    }

    /// All permutations of the first `count` names, this order first.
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
