//! Everything random or undecided in a world is asked of one [`Decider`], as a typed [`Choice`].
//!
//! The seeded one is the first: each component draws from a ChaCha stream of its own, so that one more draw in one
//! component changes nothing elsewhere.

use kvpaxos::{Entropy, Random, ReplicaId};

use crate::engine::latency::Table;
use crate::engine::node::Node;

/// Which component asks. Each has a stream of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// The drawing of a run's setup.
    Setup,
    /// What the nemesis does and when.
    Nemesis,
    /// Who heals when the faults stop.
    Healing,
    /// A replica's disk.
    Disk(ReplicaId),
    /// The entropy and the clock that a replica's lives begin with.
    Life(ReplicaId),
    /// What becomes of a replica's files when it crashes, and what damages them.
    Files(ReplicaId),
    /// One direction of a link.
    Link(Node, Node),
    /// A client's workload.
    Client(u32),
}

/// What is being decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// A part of the setup, by name.
    Setup(&'static str),
    /// Whether a message is lost.
    Drop,
    /// Whether a message arrives twice.
    Duplicate,
    /// How long a message takes.
    Delay,
    /// How long a sync takes.
    SyncLatency,
    /// How much of what was not synced survives a crash.
    SurvivingWrites,
    /// Before which operation on its files a process is gone.
    CrashPoint,
    /// Whether a name that was not synced is there after a crash.
    UnsyncedName,
    /// Whether sectors of what was not synced are missing after a crash, and which.
    TornSector,
    /// Which kind of damage, and where.
    Damage,
    /// How much of what is not synced a restarting role reads.
    VisibleWrites,
    /// 64 random bits for a life.
    Entropy,
    /// What a clock shows when a process starts.
    ClockStart,
    /// How long until the nemesis acts again.
    FaultPause,
    /// Which fault strikes.
    FaultKind,
    /// Whom it strikes.
    FaultTarget,
    /// How long it lasts.
    FaultLength,
    /// A detail of the fault: direction, memory, speed.
    FaultDetail,
    /// Which replicas heal for good, and how the others stay broken.
    Healed,
    /// What a client does next.
    Operation,
    /// On which key.
    Key,
    /// With which value.
    Value,
    /// How long a client thinks.
    Think,
}

/// Between what is to be decided.
#[derive(Clone, Copy, Debug)]
pub enum Range<'a> {
    /// 1 (yes) so many times in a million, else 0.
    Chance(u32),
    /// A number below this.
    Below(u64),
    /// A length of time in microseconds, spread as the table says.
    Spread(&'a Table),
    /// An index, each as often as its weight says.
    Weighted(&'a [u32]),
    /// Any 64 bits.
    Bits,
}

/// One decision to be made.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Who asks.
    pub stream: Stream,
    /// What.
    pub decision: Decision,
    /// Between what.
    pub range: Range<'a>,
}

/// Makes the decisions of a world.
pub trait Decider {
    /// The answer, within the choice's range.
    fn decide(&mut self, choice: &Choice<'_>) -> u64;
}

/// Short ways to ask.
impl dyn Decider + Send + '_ {
    /// Whether something happens that happens so many times in a million.
    pub fn chance(&mut self, stream: Stream, decision: Decision, per_million: u32) -> bool {
        per_million > 0 && self.ask(stream, decision, Range::Chance(per_million)) == 1
    }

    /// A number below `bound`.
    pub fn below(&mut self, stream: Stream, decision: Decision, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        self.ask(stream, decision, Range::Below(bound))
    }

    /// A place in a list of so many; 0 if the list is empty.
    pub fn index(&mut self, stream: Stream, decision: Decision, length: usize) -> usize {
        to_index(self.below(stream, decision, length as u64))
    }

    /// A number from `low` to `high`, both included.
    ///
    /// # Panics
    /// If `low` is above `high`.
    pub fn between(&mut self, stream: Stream, decision: Decision, low: u64, high: u64) -> u64 {
        assert!(
            low <= high,
            "nothing lies between {low} and {high} for {decision:?}"
        );
        low + self.below(stream, decision, high - low + 1)
    }

    /// A length of time in microseconds.
    pub fn spread(&mut self, stream: Stream, decision: Decision, table: &Table) -> u64 {
        self.ask(stream, decision, Range::Spread(table))
    }

    /// One of these, each as often as its weight says; `None` if all weights are 0.
    pub fn weighted<T: Copy>(&mut self, stream: Stream, decision: Decision, of: &[(u32, T)]) -> Option<T> {
        let weights: Vec<u32> = of.iter().map(|(weight, _)| *weight).collect();
        if weights.iter().all(|weight| *weight == 0) {
            return None;
        }
        let index = self.ask(stream, decision, Range::Weighted(&weights));
        Some(of[to_index(index)].1)
    }

    /// One of these, each as often as any other.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<T: Copy>(&mut self, stream: Stream, decision: Decision, of: &[T]) -> T {
        assert!(!of.is_empty(), "nothing to pick from for {decision:?}");
        of[self.index(stream, decision, of.len())]
    }

    /// Entropy for a life.
    pub fn entropy(&mut self, stream: Stream) -> Entropy {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            let bits = self.ask(stream, Decision::Entropy, Range::Bits);
            chunk.copy_from_slice(&bits.to_le_bytes());
        }
        Entropy(bytes)
    }

    fn ask(&mut self, stream: Stream, decision: Decision, range: Range<'_>) -> u64 {
        self.decide(&Choice {
            stream,
            decision,
            range,
        })
    }
}

/// Decides what becomes of one replica's files.
pub struct FileDecider<'a> {
    /// Who decides.
    pub decider: &'a mut (dyn Decider + Send),
    /// Whose files.
    pub replica: ReplicaId,
}

impl FileDecider<'_> {
    /// A number below `bound`.
    pub fn below(&mut self, decision: Decision, bound: usize) -> usize {
        self.decider.index(Stream::Files(self.replica), decision, bound)
    }
}

fn to_index(drawn: u64) -> usize {
    usize::try_from(drawn).expect("what is drawn below a length is an index")
}

/// Decides everything from one seed.
pub struct Seeded {
    seed: u64,
    streams: Vec<Option<Box<Random>>>,
}

impl Seeded {
    /// The decider of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Seeded {
        Seeded {
            seed,
            streams: Vec::new(),
        }
    }

    fn random(&mut self, stream: Stream) -> &mut Random {
        let place = place(stream);
        if self.streams.len() <= place {
            self.streams.resize_with(place + 1, || None);
        }
        let seed = self.seed;
        self.streams[place].get_or_insert_with(|| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            bytes[8..16].copy_from_slice(&(place as u64).to_le_bytes());
            Box::new(Random::new(Entropy(bytes)))
        })
    }
}

/// Where a stream stands among all. Part of what a seed means: a change here changes every run.
fn place(stream: Stream) -> usize {
    match stream {
        Stream::Setup => 0,
        Stream::Nemesis => 1,
        Stream::Healing => 2,
        Stream::Disk(id) => 16 + usize::from(id.0),
        Stream::Life(id) => 32 + usize::from(id.0),
        Stream::Files(id) => 48 + usize::from(id.0),
        Stream::Client(client) => 64 + client as usize,
        Stream::Link(from, to) => 128 + from.index() * Node::LIMIT + to.index(),
    }
}

impl Decider for Seeded {
    fn decide(&mut self, choice: &Choice<'_>) -> u64 {
        let random = self.random(choice.stream);
        match choice.range {
            Range::Chance(per_million) => u64::from(random.below(1_000_000) < u64::from(per_million)),
            Range::Below(bound) => random.below(bound),
            Range::Spread(table) => table.at(random.below(Table::POINTS)),
            Range::Weighted(weights) => {
                let total = weights.iter().map(|weight| u64::from(*weight)).sum();
                let mut left = random.below(total);
                for (index, weight) in weights.iter().enumerate() {
                    if left < u64::from(*weight) {
                        return index as u64;
                    }
                    left -= u64::from(*weight);
                }
                unreachable!("{left} is drawn below the sum of the weights {weights:?}")
            }
            Range::Bits => random.next_u64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One more draw of one component changes nothing for another.
    #[test]
    fn streams_do_not_touch_each_other() {
        let draws = |extra: usize| {
            let mut seeded = Seeded::new(7);
            let decider: &mut (dyn Decider + Send) = &mut seeded;
            for _ in 0..extra {
                decider.below(Stream::Nemesis, Decision::FaultKind, 100);
            }
            (0..8)
                .map(|_| decider.below(Stream::Client(3), Decision::Key, 1000))
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(0), draws(5));
    }

    #[test]
    fn weights_of_zero_are_never_drawn() {
        let mut seeded = Seeded::new(1);
        let decider: &mut (dyn Decider + Send) = &mut seeded;
        for _ in 0..100 {
            let drawn = decider.weighted(
                Stream::Setup,
                Decision::Setup("t"),
                &[(0, 'a'), (3, 'b'), (0, 'c')],
            );
            assert_eq!(drawn, Some('b'));
        }
        assert_eq!(
            decider.weighted(Stream::Setup, Decision::Setup("t"), &[(0, 'a')]),
            None
        );
    }
}
