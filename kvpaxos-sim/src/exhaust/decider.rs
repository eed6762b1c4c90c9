//! A decider that takes its answers from a list, and notes which others were possible.

use std::sync::{Arc, Mutex, PoisonError};

use kvpaxos::{Micros, ReplicaId};

use crate::engine::{Choice, Decider, Decision, Fate, Range, Seeded, Sending, Stream, Table};

/// Which choices have more than one answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The first messages between replicas, so many, arrive as usual, are lost, or arrive late.
    pub messages: usize,
    /// Kinds of messages that always arrive as usual, and do not count.
    pub always: Vec<&'static str>,
    /// So many faults begin.
    pub faults: usize,
    /// The delay of a message that arrives late.
    pub late: Micros,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            messages: 0,
            always: Vec::new(),
            faults: 0,
            late: Micros(200_000),
        }
    }
}

/// A choice that was made, and how many answers it had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chosen {
    pub(super) answer: u64,
    pub(super) answers: u64,
}

/// The choices of a run, shared between the decider and the search.
#[derive(Clone, Default)]
pub(super) struct Trail(Arc<Mutex<Vec<Chosen>>>);

impl Trail {
    pub(super) fn take(&self) -> Vec<Chosen> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See the module.
pub(super) struct ListDecider {
    bounds: Bounds,
    /// The answers of the first choices. Those that follow get their first answer.
    list: Vec<u64>,
    trail: Trail,
    messages: usize,
    faults: usize,
    seeded: Seeded,
}

impl ListDecider {
    pub(super) fn new(bounds: Bounds, seed: u64, list: Vec<u64>, trail: Trail) -> ListDecider {
        ListDecider {
            bounds,
            list,
            trail,
            messages: 0,
            faults: 0,
            seeded: Seeded::new(seed),
        }
    }

    /// One of so many answers.
    fn choose(&mut self, answers: u64) -> u64 {
        if answers <= 1 {
            return 0;
        }
        let mut trail = self.trail.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.list.get(trail.len()).copied().unwrap_or(0);
        trail.push(Chosen { answer, answers });
        answer
    }

    /// A number below a bound: each if there are few, else an early and a late one.
    fn below(&mut self, bound: u64) -> u64 {
        if bound <= 8 {
            return self.choose(bound);
        }
        let part = bound / 8;
        if self.choose(2) == 0 { part } else { bound - part }
    }

    /// When the next fault begins: never, once there were enough.
    fn pause(&mut self, bound: u64) -> u64 {
        if self.faults >= self.bounds.faults {
            return bound - 1;
        }
        self.faults += 1;
        let early = bound / 8;
        if self.choose(2) == 0 { early } else { 2 * early }
    }
}

fn usual(table: &Table) -> u64 {
    table.at(Table::POINTS / 2)
}

impl Decider for ListDecider {
    fn decide(&mut self, choice: &Choice<'_>) -> u64 {
        if matches!(choice.decision, Decision::Entropy | Decision::ClockStart) {
            return self.seeded.decide(choice);
        }
        match (choice.range, choice.stream) {
            (Range::Bits, _) => self.seeded.decide(choice),
            (Range::Chance(_), _) => 0,
            (Range::Spread(table), _) => usual(table),
            (Range::Below(bound), _) if choice.decision == Decision::FaultPause => self.pause(bound),
            (Range::Below(bound), Stream::Nemesis | Stream::Moments | Stream::Disk(_)) => self.below(bound),
            (Range::Below(bound), _) if choice.decision == Decision::Think => bound / 2,
            (Range::Below(_), _) => 0,
            (Range::Weighted(weights), stream) => {
                let possible = (0u64..).zip(weights).filter(|(_, weight)| **weight > 0);
                let possible: Vec<u64> = possible.map(|(index, _)| index).collect();
                let count = possible.len() as u64;
                let place = match stream {
                    // Each client always asks for the same.
                    Stream::Client(number) => u64::from(number).checked_rem(count).unwrap_or(0),
                    _ => self.choose(count),
                };
                let place = usize::try_from(place).unwrap_or(0);
                possible.get(place).copied().unwrap_or(0)
            }
        }
    }

    fn fate(&mut self, sending: &Sending<'_>) -> Fate {
        let usual = Fate::Arrives(usual(&sending.profile.delay));
        let counts = sending.from.as_replica().is_some() && sending.to.as_replica().is_some();
        let always = self.bounds.always.contains(&sending.label.kind);
        if !counts || always || self.messages >= self.bounds.messages {
            return usual;
        }
        self.messages += 1;
        match self.choose(3) {
            0 => usual,
            1 => Fate::Lost,
            _ => Fate::Arrives(self.bounds.late.0),
        }
    }

    fn sync(&mut self, _: ReplicaId, latency: &Table) -> u64 {
        usual(latency)
    }
}
