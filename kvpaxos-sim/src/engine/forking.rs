//! A run whose future is drawn again: up to an event it is the run of one decider, and from there on another
//! one decides.

use kvpaxos::ReplicaId;

use crate::engine::decider::{Choice, Decider, Fate, Seeded, Sending};
use crate::engine::latency::Table;

/// Where the future of a run is drawn again, and from which seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fork {
    /// After so many events. With 0 nothing is kept, not even what is drawn before the first event.
    pub after: u64,
    /// The seed of what follows.
    pub seed: u64,
}

impl Fork {
    /// A decider that answers as `first` does until so many events are handled, and draws everything from
    /// the fork's seed then. What was drawn before stays: a message that is on its way arrives when it was to
    /// arrive.
    #[must_use]
    pub fn decider(self, first: Box<dyn Decider + Send>) -> Box<dyn Decider + Send> {
        Box::new(Forking {
            first,
            future: Seeded::new(self.seed),
            after: self.after,
            has_forked: self.after == 0,
        })
    }
}

struct Forking {
    first: Box<dyn Decider + Send>,
    future: Seeded,
    after: u64,
    has_forked: bool,
}

impl Forking {
    fn present(&mut self) -> &mut dyn Decider {
        if self.has_forked {
            &mut self.future
        } else {
            &mut *self.first
        }
    }
}

impl Decider for Forking {
    fn decide(&mut self, choice: &Choice<'_>) -> u64 {
        self.present().decide(choice)
    }

    fn fate(&mut self, sending: &Sending<'_>) -> Fate {
        self.present().fate(sending)
    }

    fn sync(&mut self, id: ReplicaId, latency: &Table) -> u64 {
        self.present().sync(id, latency)
    }

    fn set_fault(&mut self, fault: Option<u32>) {
        self.present().set_fault(fault);
    }

    fn set_handled(&mut self, events: u64) {
        self.has_forked |= events >= self.after;
        self.present().set_handled(events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decider::{Decision, Stream};

    fn draw(decider: &mut (dyn Decider + Send + 'static)) -> u64 {
        decider.below(Stream::Nemesis, Decision::FaultKind, 1 << 40)
    }

    /// The first five of these draws, with one event between two draws.
    fn draws(mut decider: Box<dyn Decider + Send>) -> Vec<u64> {
        let handled = 0..5;
        handled
            .map(|events| {
                decider.set_handled(events);
                draw(&mut *decider)
            })
            .collect()
    }

    #[test]
    fn draws_are_those_of_the_run_up_to_the_fork_and_those_of_the_new_seed_from_there() {
        let run = draws(Box::new(Seeded::new(7)));
        let new = draws(Box::new(Seeded::new(8)));
        for after in 0..5 {
            let fork = Fork {
                after: after as u64,
                seed: 8,
            };
            let forked = draws(fork.decider(Box::new(Seeded::new(7))));
            assert_eq!(forked[..after], run[..after]);
            assert_eq!(forked[after..], new[..5 - after]);
        }
    }
}
