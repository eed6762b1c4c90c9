//! Acceptors are interchangeable: states that differ only in the names of acceptors count as one.
//!
//! An acceptor's *signature* is a number that does not depend on the names of the others. A state's
//! fingerprint is its lowest key among the renamings that sort the acceptors by signature. That is one
//! renaming if all signatures differ, and every renaming if all are equal. Proposers keep their names, so
//! that ballots stay as they are.

use kvpaxos::ReplicaId;

use crate::model::bounds::MAX_ACCEPTORS;
use crate::model::packet::Renaming;

/// The renamings that sort acceptors by their signatures.
pub(super) struct Symmetry {
    acceptors: usize,
    /// The places of the renamings, by the order of the acceptors and its ties: see [`Symmetry::place`].
    sorting: Vec<Box<[u8]>>,
    /// The place of the renaming that changes no name.
    identity: Box<[u8]>,
}

impl Symmetry {
    pub(super) fn new(acceptors: usize, names: &[Renaming], is_used: bool) -> Symmetry {
        let mut sorting = vec![Box::default(); 5usize.pow(5) * 16];
        let identity: Box<[u8]> = [0].into();
        for order in names.iter().filter(|_| is_used) {
            for ties in 0..1 << (acceptors - 1) {
                let mut group = [0; MAX_ACCEPTORS];
                for rank in 1..acceptors {
                    let is_tied = ties & (1 << (rank - 1)) != 0;
                    group[rank] = if is_tied { group[rank - 1] } else { rank };
                }
                // `order` lists the acceptors by rank. A renaming sorts them if it calls each by a rank of
                // its own group.
                let sorts = |names: &Renaming| {
                    (0..acceptors).all(|rank| {
                        let name = names.id(ReplicaId(order.0[rank]));
                        group[usize::from(name.0)] == group[rank]
                    })
                };
                let all = names.iter().enumerate().filter(|(_, names)| sorts(names));
                let all = all.map(|(place, _)| u8::try_from(place).expect("at most 120 renamings"));
                sorting[Symmetry::place(&order.0, ties)] = all.collect();
            }
        }
        if !is_used {
            sorting = Vec::new();
        }
        Symmetry {
            acceptors,
            sorting,
            identity,
        }
    }

    /// The place in `sorting` of an order of the acceptors. A bit of `ties` says that a rank and the next one
    /// are tied.
    fn place(order: &[u8; MAX_ACCEPTORS], ties: usize) -> usize {
        order.iter().fold(0, |sum, id| sum * 5 + usize::from(*id)) * 16 + ties
    }

    /// The places of the renamings under which acceptors are sorted by their signatures.
    pub(super) fn candidates(&self, signatures: &[u64; MAX_ACCEPTORS]) -> &[u8] {
        if self.sorting.is_empty() {
            return &self.identity;
        }
        let mut order = Renaming::NONE.0;
        order[..self.acceptors].sort_by_key(|id| signatures[usize::from(*id)]);
        let mut ties = 0;
        for rank in 1..self.acceptors {
            if signatures[usize::from(order[rank - 1])] == signatures[usize::from(order[rank])] {
                ties |= 1 << (rank - 1);
            }
        }
        &self.sorting[Symmetry::place(&order, ties)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_tried_in_every_order() {
        for acceptors in 1..=5 {
            let names = Renaming::all(acceptors);
            let symmetry = Symmetry::new(acceptors, &names, true);
            assert_eq!(symmetry.candidates(&[7; 5]).len(), names.len());
            assert_eq!(symmetry.candidates(&[9, 1, 4, 8, 3]).len(), 1);
        }
        let names = Renaming::all(5);
        let symmetry = Symmetry::new(5, &names, true);
        let candidates = symmetry.candidates(&[9, 1, 9, 1, 9]);
        assert_eq!(candidates.len(), 2 * 6);
        for place in candidates {
            let names = names[usize::from(*place)];
            assert!(names.id(ReplicaId(1)).0 < 2 && names.id(ReplicaId(3)).0 < 2);
        }
    }
}
