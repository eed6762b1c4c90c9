//! The event queue, ordered by time and, within one time, by the order of insertion. Some events come before all
//! others of their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kvpaxos::Time;

/// Events ordered by time and, within one time, by the order of insertion, but those first that must be.
///
/// The heap holds small keys; the events lie beside it, so that the heap moves 24 bytes and not whole
/// messages.
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    events: Vec<Option<E>>,
    free: Vec<u32>,
    /// The next numbers of events that come first, and of the others.
    first: u64,
    sequence: u64,
}

/// The number of the first event that need not come first.
const OTHERS: u64 = 1 << 48;

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue {
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            first: 0,
            sequence: OTHERS,
        }
    }
}

impl<E> Queue<E> {
    /// Inserts an event.
    ///
    /// # Panics
    /// If more than 2^32 events wait.
    pub(super) fn push(&mut self, at: Time, event: E) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.insert(at, sequence, event);
    }

    /// Inserts an event that comes before all others of its time, and after those that were inserted so earlier.
    ///
    /// # Panics
    /// If more than 2^32 events wait.
    pub(super) fn push_first(&mut self, at: Time, event: E) {
        let sequence = self.first;
        self.first += 1;
        self.insert(at, sequence, event);
    }

    fn insert(&mut self, at: Time, sequence: u64, event: E) {
        let place = if let Some(place) = self.free.pop() {
            self.events[place as usize] = Some(event);
            place
        } else {
            self.events.push(Some(event));
            u32::try_from(self.events.len() - 1).expect("fewer than 2^32 events wait")
        };
        self.heap.push(Reverse((at.0, sequence, place)));
    }

    /// Removes the next event.
    pub(super) fn pop(&mut self) -> Option<(Time, E)> {
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        let event = self.events[place as usize].take()?;
        Some((Time(at), event))
    }

    /// When the next event is due.
    #[must_use]
    pub(super) fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _, _))| Time(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_time_then_sequence() {
        let mut queue = Queue::default();
        for (at, name) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.push(Time(at), name);
        }
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, "abcd");
    }

    #[test]
    fn what_comes_first_comes_before_all_others_of_its_time() {
        let mut queue = Queue::default();
        queue.push(Time(5), 'd');
        queue.push(Time(4), 'a');
        queue.push_first(Time(5), 'b');
        queue.push_first(Time(5), 'c');
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, "abcd");
    }
}
