//! Replicas that are wrong: the bugs that consensus implementations had, made at the boundary of a replica that is right.
//!
//! A simulator is worth what it would have found. Each variant here wraps a [`Replica`] and changes what goes in or comes out of it, as a
//! real system once did; [`hunt`] plays seeds until a check notices. Nothing in the checks knows of any variant.
//!
//! Bugs that cannot be made at the boundary are patches in `kvpaxos-sim/mutants`; `kvpaxos-sim/mutants/run` prints one table of all.

mod acceptors;
mod disks;
mod learners;
mod proposers;

pub use acceptors::{Forgetful, Hasty, OneBallot, PaxiPromise, Reborn, Unaware};
pub use disks::{CutPromise, StaleEntries};
pub use learners::{Eager, Selfish};
pub use proposers::{Indiscriminate, Lease, OneVoteForTwo, Unconfirmed};

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kvpaxos::{
    Config, Effect, Entropy, Event, Founding, Input, Memory, Message, Observation, Reason, Record, Replica,
    Reply, Request, Slot, Status, Time, Value,
};

use crate::engine::disk::log::ReplicaLog;
use crate::engine::machine::Machine;
use crate::invariants::{Trace, Violation};
use crate::subject::{Subject, garble};
use crate::world::report::run;
use crate::world::setup::Setup;

/// What a variant changes. Each has an empty body, so that a variant says only what it gets wrong.
pub trait Wrong: Default {
    /// What it takes the records on its disk for.
    fn kept(&mut self, records: Vec<Record>) -> Vec<Record> {
        records
    }

    /// What it takes lost memory for.
    fn lost(&mut self) -> Memory {
        Memory::Lost
    }

    /// What it makes of an event.
    fn enters(&mut self, event: &mut Event, replica: &Replica, said: &mut Said) {
        let _ = (event, replica, said);
    }

    /// What it makes of an effect.
    fn leaves(&mut self, effect: Effect, replica: &Replica, said: &mut Said) {
        let _ = replica;
        said.effects.push(effect);
    }
}

/// What a variant does instead of what the replica wanted.
#[derive(Default)]
pub struct Said {
    /// The local time.
    pub at: Time,
    /// What leaves.
    pub effects: Vec<Effect>,
    /// What it makes the replica believe next.
    pub forged: Vec<Event>,
}

/// A replica that is wrong in the way of `W`.
pub struct Variant<W> {
    replica: Replica,
    wrong: W,
}

impl<W: Wrong> Variant<W> {
    fn memory(wrong: &mut W, memory: Memory) -> Memory {
        match memory {
            Memory::Kept(records) => Memory::Kept(wrong.kept(records)),
            Memory::Lost => wrong.lost(),
        }
    }
}

impl<W: Wrong> Machine for Variant<W> {
    type Config = Config;
    type Message = Message;
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Observation = Observation;
    type Reason = Reason;
    type Log = ReplicaLog;

    fn start(config: &Config, found: Memory, entropy: Entropy, at: Time) -> Variant<W> {
        let mut wrong = W::default();
        let memory = Self::memory(&mut wrong, found);
        let replica = Machine::start(config, memory, entropy, at);
        Variant { replica, wrong }
    }

    fn founds(draw: u64) -> Vec<Record> {
        Replica::founds(draw)
    }

    fn founding(&self) -> Option<Founding> {
        self.replica.founding()
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let Variant { replica, wrong } = self;
        let Input { at, mut event } = input;
        if let Event::Restart { memory, .. } = &mut event {
            let found = std::mem::replace(memory, Memory::Lost);
            *memory = Self::memory(wrong, found);
        }
        let mut said = Said {
            at,
            ..Said::default()
        };
        wrong.enters(&mut event, replica, &mut said);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in replica.step(Input { at, event }) {
                wrong.leaves(effect, replica, &mut said);
            }
            events.extend(said.forged.drain(..));
        }
        said.effects
    }

    fn garble(message: &mut Message, before: Option<&Message>, draw: u64) -> bool {
        garble(message, before, draw)
    }

    fn deadline(&self) -> Option<Time> {
        self.replica.deadline()
    }
}

impl<W: Wrong> Subject for Variant<W> {
    fn status(&self) -> Status {
        self.replica.status()
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.replica.chosen(slot)
    }
}

/// A bug, and the variant that has it.
#[derive(Clone, Copy)]
pub struct Bug {
    /// Its number in the table of known bugs, where it has one.
    pub number: Option<u8>,
    /// A short name.
    pub name: &'static str,
    /// What is wrong.
    pub says: &'static str,
    play: fn(Setup) -> Option<Violation>,
}

fn play<W: Wrong>(setup: Setup) -> Option<Violation> {
    run::<Variant<W>>(setup, Trace::Off).violation
}

/// All variants.
pub const BUGS: [Bug; 14] = [
    Bug {
        number: Some(1),
        name: "hasty",
        says: "a promise or a vote is sent before it is durable",
        play: play::<Hasty>,
    },
    Bug {
        number: Some(2),
        name: "reborn",
        says: "an acceptor that lost its memory votes as if new",
        play: play::<Reborn>,
    },
    Bug {
        number: Some(3),
        name: "unaware",
        says: "votes do not tell whose lives are over: in-flight ones are forgotten by recovery",
        play: play::<Unaware>,
    },
    Bug {
        number: Some(4),
        name: "indiscriminate",
        says: "a promise for an old ballot counts in a new one",
        play: play::<Indiscriminate>,
    },
    Bug {
        number: Some(5),
        name: "paxi-promise",
        says: "a promise leaves out slots that were already chosen",
        play: play::<PaxiPromise>,
    },
    Bug {
        number: Some(6),
        name: "cut-promise",
        says: "the promise is lost when the log is cut",
        play: play::<CutPromise>,
    },
    Bug {
        number: Some(7),
        name: "one-ballot",
        says: "promised and accepted ballot are one variable",
        play: play::<OneBallot>,
    },
    Bug {
        number: Some(8),
        name: "one-vote-for-two",
        says: "chosen by one vote too few",
        play: play::<OneVoteForTwo>,
    },
    Bug {
        number: Some(9),
        name: "stale-entries",
        says: "a log that is caught up keeps stale entries at the same slots",
        play: play::<StaleEntries>,
    },
    Bug {
        number: Some(11),
        name: "unconfirmed",
        says: "a deposed leader answers a read",
        play: play::<Unconfirmed>,
    },
    Bug {
        number: Some(19),
        name: "lease",
        says: "a lease that trusts a clock",
        play: play::<Lease>,
    },
    Bug {
        number: Some(20),
        name: "selfish",
        says: "whoever has cut its log cannot help one that lags",
        play: play::<Selfish>,
    },
    Bug {
        number: None,
        name: "forgetful",
        says: "a promise is forgotten at a restart",
        play: play::<Forgetful>,
    },
    Bug {
        number: None,
        name: "eager",
        says: "an acknowledgement that the log does not bear out",
        play: play::<Eager>,
    },
];

impl Bug {
    /// The variant of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Bug> {
        BUGS.into_iter().find(|bug| bug.name == name)
    }

    /// Plays what a setup describes with the variant in the place of every replica.
    #[must_use]
    pub fn play(&self, setup: Setup) -> Option<Violation> {
        (self.play)(setup)
    }
}

/// What came of a hunt.
#[derive(Clone, Debug)]
pub struct Hunted {
    /// The violation of the first seed that noticed, if one did.
    pub caught: Option<Violation>,
    /// How long it took.
    pub took: Duration,
}

/// Plays seeds in order, so many at a time, until the checks notice the bug.
#[must_use]
pub fn hunt(bug: Bug, seeds: Range<u64>, jobs: usize) -> Hunted {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.start);
    // Nothing at or above this needs to be played any more.
    let end = AtomicU64::new(seeds.end);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let send = send.clone();
            let (next, end) = (&next, &end);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Some(violation) = bug.play(Setup::drawn(seed)) {
                        end.fetch_min(seed, Ordering::Relaxed);
                        // Nobody hears it only if the hunt is over.
                        let _ = send.send(violation);
                    }
                }
            });
        }
    });
    drop(send);
    Hunted {
        caught: receive.iter().min_by_key(|violation| violation.seed),
        took: began.elapsed(),
    }
}
