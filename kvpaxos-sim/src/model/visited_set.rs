//! The set of states that a search has seen: a fingerprint of 128 bits and a parent for each.

/// Fingerprints in the order in which they were added, each with the place of the state that led to it.
///
/// A hash table with open addressing holds places in a flat list. It takes about 28 bytes for each state.
pub(super) struct VisitedSet {
    prints: Vec<u128>,
    parents: Vec<u32>,
    /// The place of a fingerprint plus 1, or 0 for an empty cell. At most three quarters of the cells are
    /// used.
    table: Vec<u32>,
}

impl VisitedSet {
    pub(super) fn new() -> VisitedSet {
        VisitedSet {
            prints: Vec::new(),
            parents: Vec::new(),
            table: vec![0; 1 << 12],
        }
    }

    /// How many states it holds.
    pub(super) fn len(&self) -> usize {
        self.prints.len()
    }

    /// How many bytes it takes, approximately.
    pub(super) fn bytes(&self) -> usize {
        self.prints.capacity() * 16 + self.parents.capacity() * 4 + self.table.len() * 4
    }

    pub(super) fn contains(&self, print: u128) -> bool {
        self.table[self.find(print)] != 0
    }

    /// Adds a state. Returns whether it is new.
    pub(super) fn insert(&mut self, print: u128, parent: usize) -> bool {
        let cell = self.find(print);
        if self.table[cell] != 0 {
            return false;
        }
        self.prints.push(print);
        self.parents.push(narrow(parent));
        self.table[cell] = narrow(self.prints.len());
        if self.prints.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        true
    }

    /// The fingerprints on the path to the state at `place`, beginning with the initial state.
    pub(super) fn path_to(&self, mut place: usize) -> Vec<u128> {
        let mut path = vec![self.prints[place]];
        while place != 0 {
            place = self.parents[place] as usize;
            path.push(self.prints[place]);
        }
        path.reverse();
        path
    }

    /// The cell that holds the fingerprint, or the empty cell where it belongs.
    fn find(&self, print: u128) -> usize {
        let mask = self.table.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let mut cell = (print >> 64) as usize & mask;
        loop {
            match self.table[cell] {
                0 => return cell,
                place if self.prints[place as usize - 1] == print => return cell,
                _ => cell = (cell + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        // Free the old table before the new one is allocated.
        let cells = self.table.len() * 2;
        self.table = Vec::new();
        self.table = vec![0; cells];
        let mask = cells - 1;
        for (place, print) in self.prints.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
            let mut cell = (print >> 64) as usize & mask;
            while self.table[cell] != 0 {
                cell = (cell + 1) & mask;
            }
            self.table[cell] = narrow(place + 1);
        }
    }
}

fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 states fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::spread;

    #[test]
    fn what_was_inserted_is_there_and_nothing_else() {
        let mut visited = VisitedSet::new();
        for number in 0..20_000u64 {
            let parent = usize::try_from(number / 2).unwrap();
            assert!(visited.insert(spread(number), parent));
            assert!(!visited.insert(spread(number), 0), "{number} is known");
        }
        assert_eq!(visited.len(), 20_000);
        assert!((0..20_000).all(|number| visited.contains(spread(number))));
        assert!(!(20_000..30_000).any(|number| visited.contains(spread(number))));
        assert_eq!(visited.path_to(5), [0, 1, 2, 5].map(spread));
    }
}
