//! Everything random in a world is a question to one [`Decider`], typed as a [`Choice`]: this is where
//! faults, delays and losses are drawn.
//!
//! [`Seeded`] decides from a seed. Each component has a ChaCha stream of its own, so that one more draw in
//! one component changes nothing elsewhere.

use kvpaxos::{Entropy, Random, ReplicaId, Time};

use crate::engine::label::Label;
use crate::engine::latency::Table;
use crate::engine::network::LinkProfile;
use crate::engine::node::Node;

/// The component that asks. Each has a random stream of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// The setup of a run.
    Setup,
    /// The nemesis: which faults happen, and when.
    Nemesis,
    /// Crashes at moments of a replica: whether one follows, and which.
    Moments,
    /// Which replicas heal when the faults stop.
    Healing,
    /// A replica's disk: latencies of syncs, and how much survives a crash.
    Disk(ReplicaId),
    /// The entropy and the clock with which a replica starts.
    Life(ReplicaId),
    /// A replica's files: what a crash leaves of them, and how they are damaged.
    Files(ReplicaId),
    /// One direction of a link.
    Link(Node, Node),
    /// A client: its operations and pauses.
    Client(u32),
}

/// What is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// A part of the setup, by its name.
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
    /// Before which operation on its files a process crashes.
    CrashPoint,
    /// Whether a file name that was not synced is present after a crash.
    UnsyncedName,
    /// Whether sectors of what was not synced are missing after a crash, and which.
    TornSector,
    /// The kind of damage, and its place.
    Damage,
    /// How much of what is not synced a restarting role reads.
    VisibleWrites,
    /// 64 random bits for a life.
    Entropy,
    /// What a clock shows when a process starts.
    ClockStart,
    /// The pause until the next fault.
    FaultPause,
    /// Whether a crash follows a moment of a replica, and how soon.
    FaultMoment,
    /// The kind of a fault.
    FaultKind,
    /// The replica or client that a fault hits.
    FaultTarget,
    /// How long a fault lasts.
    FaultLength,
    /// A detail of a fault: its direction, its role, its speed.
    FaultDetail,
    /// How the content of a message is changed.
    Corruption,
    /// When a client notices that its connection broke.
    HangUpDelay,
    /// Which replicas heal for good, and what stays wrong with the others.
    Healed,
    /// The kind of a client's next operation.
    Operation,
    /// The key of an operation.
    Key,
    /// The value of an operation.
    Value,
    /// The pause between two operations of a client.
    Think,
}

/// The possible answers.
#[derive(Clone, Copy, Debug)]
pub enum Range<'a> {
    /// 1 (yes) with this many chances in a million, else 0.
    Chance(u32),
    /// A number below this.
    Below(u64),
    /// A length of time in microseconds, distributed as the table says.
    Spread(&'a Table),
    /// An index, each with the probability that its weight gives it.
    Weighted(&'a [u32]),
    /// Any 64 bits.
    Bits,
}

/// One question to a [`Decider`].
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The component that asks.
    pub stream: Stream,
    /// What is decided.
    pub decision: Decision,
    /// The possible answers.
    pub range: Range<'a>,
}

/// A message that a node sends.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The time.
    pub at: Time,
    /// The sender.
    pub from: Node,
    /// The receiver.
    pub to: Node,
    /// What the message is called.
    pub label: Label,
    /// The profile of the link.
    pub profile: &'a LinkProfile,
    /// Whether the link is a connection, which duplicates nothing.
    pub connected: bool,
}

/// What the network does with a message. Times are delays in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives after this delay.
    Arrives(u64),
    /// Two copies arrive.
    ArrivesTwice(u64, u64),
}

/// Makes the decisions of a world.
pub trait Decider {
    /// The answer, within the choice's range.
    fn decide(&mut self, choice: &Choice<'_>) -> u64;

    /// What the network does with a message on a link that is not cut.
    fn fate(&mut self, sending: &Sending<'_>) -> Fate {
        draw_fate(self, sending)
    }

    /// How long a sync of a replica's disk takes, in microseconds.
    fn sync(&mut self, id: ReplicaId, latency: &Table) -> u64 {
        self.decide(&Choice {
            stream: Stream::Disk(id),
            decision: Decision::SyncLatency,
            range: Range::Spread(latency),
        })
    }

    /// The decisions that follow belong to the beginning or the end of the fault with this number, or
    /// (`None`) to no fault any more.
    fn set_fault(&mut self, fault: Option<u32>) {
        let _ = fault;
    }

    /// So many events of the run are handled; what follows belongs to the next one.
    fn set_handled(&mut self, events: u64) {
        let _ = events;
    }
}

/// Draws what the network does with a message, as the link's profile says.
pub fn draw_fate<D: Decider + ?Sized>(decider: &mut D, sending: &Sending<'_>) -> Fate {
    let Sending {
        from, to, profile, ..
    } = *sending;
    let stream = Stream::Link(from, to);
    let mut ask = |decision, range| {
        decider.decide(&Choice {
            stream,
            decision,
            range,
        })
    };
    // A question with one possible answer is not asked.
    if profile.drop > 0 && ask(Decision::Drop, Range::Chance(profile.drop)) == 1 {
        return Fate::Lost;
    }
    let delay = Range::Spread(&profile.delay);
    let first = ask(Decision::Delay, delay);
    let may_repeat = !sending.connected && profile.duplicate > 0;
    if may_repeat && ask(Decision::Duplicate, Range::Chance(profile.duplicate)) == 1 {
        return Fate::ArrivesTwice(first, ask(Decision::Delay, delay));
    }
    Fate::Arrives(first)
}

/// Shorthands.
impl dyn Decider + Send + '_ {
    /// Whether an event of this probability, in millionths, happens.
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

    /// An index into a list of this length; 0 if the list is empty.
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
            "no number is between {low} and {high} for {decision:?}"
        );
        low + self.below(stream, decision, high - low + 1)
    }

    /// A length of time in microseconds.
    pub fn spread(&mut self, stream: Stream, decision: Decision, table: &Table) -> u64 {
        self.ask(stream, decision, Range::Spread(table))
    }

    /// One of these, each with the probability that its weight gives it; `None` if all weights are 0.
    pub fn weighted<T: Copy>(&mut self, stream: Stream, decision: Decision, of: &[(u32, T)]) -> Option<T> {
        let weights: Vec<u32> = of.iter().map(|(weight, _)| *weight).collect();
        if weights.iter().all(|weight| *weight == 0) {
            return None;
        }
        let index = self.ask(stream, decision, Range::Weighted(&weights));
        Some(of[to_index(index)].1)
    }

    /// One of these, all with the same probability.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn pick<T: Copy>(&mut self, stream: Stream, decision: Decision, of: &[T]) -> T {
        assert!(!of.is_empty(), "nothing to pick from for {decision:?}");
        of[self.index(stream, decision, of.len())]
    }

    /// Entropy for a process or a role that starts.
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

/// Decides about the files of one replica.
pub struct FileDecider<'a> {
    /// The decider of the world.
    pub decider: &'a mut (dyn Decider + Send),
    /// The replica whose files they are.
    pub replica: ReplicaId,
}

impl FileDecider<'_> {
    /// A number below `bound`.
    pub fn below(&mut self, decision: Decision, bound: usize) -> usize {
        self.decider.index(Stream::Files(self.replica), decision, bound)
    }
}

fn to_index(drawn: u64) -> usize {
    usize::try_from(drawn).expect("a number below a length is an index")
}

/// Decides everything from one seed.
pub struct Seeded {
    seed: u64,
    streams: Vec<Option<Box<Random>>>,
}

impl Seeded {
    /// A decider that draws everything from this seed.
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

/// The number of a stream. It seeds the stream: a change here changes every run.
fn place(stream: Stream) -> usize {
    match stream {
        Stream::Setup => 0,
        Stream::Nemesis => 1,
        Stream::Healing => 2,
        Stream::Moments => 3,
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

    /// One more draw of one component changes nothing in another.
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
