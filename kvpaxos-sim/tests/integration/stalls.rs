//! A stall of some seconds ends with its cause. Clients go on asking at the same rate (an open loop), and
//! everything unanswered is repeated: clients repeat requests, replicas repeat forwards. The tests assert
//! counts and simulated times, which are the same in every run.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{SECOND, check_recovered, everybody, other, settled};
use kvpaxos::client::{Call, ClientConfig};
use kvpaxos::{Command, Micros, Op, Query, ReplicaId, ReplicaSet, Slot, Time};
use kvpaxos_sim::engine::{Table, latency};
use kvpaxos_sim::world::Workload;
use kvpaxos_sim::{Setup, World};

/// How long the cluster stalls: longer than a replica lets a client wait, and several times as long as a
/// client waits for one replica.
const STALL: Micros = Micros(4_000_000);
/// How long after the stall everything must be as before.
const CALM: Micros = Micros(2_000_000);
/// The time between two looks at the cluster.
const MOMENT: Micros = Micros(1_000);
/// How many calls begin between two looks.
const RATE: u64 = 2;
/// The number of clients, each with a session. Every other client uses datagrams.
const CLIENTS: u32 = 40;

/// Default settings, also for clients, which are less patient in most worlds.
fn setup(seed: u64) -> Setup {
    let defaults = ClientConfig::new(ReplicaSet::first(5));
    Setup {
        clients: Workload {
            connected: CLIENTS / 2,
            attempt: defaults.attempt,
            deadline: defaults.deadline,
            ..Workload::some(CLIENTS)
        },
        ..Setup::quiet(seed)
    }
}

/// Clients that ask at a fixed rate, and how their calls ended.
struct Load {
    world: World,
    leader: ReplicaId,
    begun: u64,
    /// When each open call began.
    open: BTreeMap<(u32, u64), Time>,
    /// When each completed call began, and how long it took.
    done: Vec<(Time, Micros)>,
    tally: Tally,
}

/// How many commands were chosen, and how many different ones.
#[derive(Default)]
struct Tally {
    next: Slot,
    commands: u64,
    different: BTreeSet<String>,
}

impl Tally {
    /// Counts what was chosen since the last look.
    fn look(&mut self, world: &World) {
        while self.next < world.prefix() {
            let mut machines = everybody(world).filter_map(|id| world.machine(id));
            let Some(value) = machines.find_map(|machine| machine.chosen(self.next)) else {
                return; // nobody has learned it yet
            };
            for command in value.commands() {
                self.commands += 1;
                self.different.insert(match command {
                    Command::Apply {
                        session, sequence, ..
                    } => format!("{session:?} {sequence:?}"),
                    other => format!("{other:?}"),
                });
            }
            self.next = self.next.next();
        }
    }

    fn repeats(&self) -> u64 {
        self.commands - self.different.len() as u64
    }
}

impl Load {
    fn new(setup: Setup) -> Load {
        let (world, leader) = settled(setup);
        Load {
            world,
            leader,
            begun: 0,
            open: BTreeMap::new(),
            done: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// The clients ask for this long, in turn. Every eighth call is a read.
    fn go_on(&mut self, length: Micros) {
        let end = self.world.now().after(length);
        while self.world.now() < end {
            for _ in 0..RATE {
                let client = u32::try_from(self.begun % u64::from(CLIENTS)).unwrap();
                let key = format!("key {}", self.begun % 1009).into();
                let value = format!("value {}", self.begun).into();
                let call = match self.begun % 8 {
                    7 => Call::Read(Query::Get { key }),
                    _ => Call::Write(Op::Put { key, value }),
                };
                let number = self.world.begin_as(client, call);
                self.open.insert((client, number), self.world.now());
                self.begun += 1;
            }
            self.pass();
        }
    }

    /// Runs until the next look.
    fn pass(&mut self) {
        self.world.run_for(MOMENT);
        assert!(self.world.finding().is_none(), "{:?}", self.world.finding());
        let now = self.world.now();
        for (call, answer) in self.world.take_ends() {
            let began = self.open.remove(&call).unwrap();
            assert!(answer.is_done(), "a call of {began:?} ended with {answer:?}");
            self.done.push((began, Micros(now.0 - began.0)));
        }
        self.tally.look(&self.world);
    }

    /// The longest time of a call that began at `from` or later, whether it has ended or not.
    fn slowest(&self, from: Time) -> Micros {
        let now = self.world.now();
        let open = self.open.values().map(|began| (*began, Micros(now.0 - began.0)));
        let calls = self.done.iter().copied().chain(open);
        calls
            .filter(|(began, _)| *began >= from)
            .map(|(_, took)| took)
            .max()
            .unwrap_or_default()
    }

    /// How many open calls began before `before`.
    fn older_than(&self, before: Time) -> usize {
        self.open.values().filter(|began| **began < before).count()
    }

    /// A second without a stall, a stall, and three more seconds, all under load. Then everything must be as
    /// before.
    fn survives(mut self, begin: impl FnOnce(&mut World), end: impl FnOnce(&mut World)) {
        self.go_on(SECOND);
        let usual = self.slowest(Time(0));
        begin(&mut self.world);
        self.go_on(STALL);
        end(&mut self.world);
        let ended = self.world.now();
        let stalled = self.open.len();
        assert!(stalled > 5000, "it was no stall: {stalled} calls wait");
        self.go_on(CALM);
        let left = self.older_than(ended);
        let calm = self.world.now();
        self.go_on(SECOND);
        let slowest = self.slowest(calm);
        let (repeats, commands) = (self.tally.repeats(), self.tally.commands);
        println!(
            "{stalled} calls of {} waited when the stall ended, {left} of them {CALM:?} later; {repeats} of {commands} commands chosen were \
             repeats; the slowest call took {usual:?} before and {slowest:?} after",
            self.begun,
        );
        assert_eq!(left, 0, "calls of the stall are not answered");
        // A client that asked a replica that did not answer waits for it once more, and then no longer than
        // before.
        let bound = Micros(4 * usual.0);
        assert!(slowest <= bound, "the stall lasts: {slowest:?}, not {usual:?}");
        // There is none. A value that a deposed leader was proposing may be proposed once more by the next
        // one.
        assert!(
            repeats * 100 <= commands,
            "{repeats} of {commands} commands are repeats"
        );
        check_recovered(&mut self.world);
    }
}

/// No write becomes durable for a while, on any disk.
fn stop_disks(world: &mut World) {
    let still = Table::always("still", u32::try_from(STALL.0).unwrap());
    everybody(world).for_each(|id| world.slow_disk(id, still));
}

fn start_disks(world: &mut World) {
    everybody(world).for_each(|id| world.slow_disk(id, latency::FLASH));
}

/// The leader goes on leading and receives every repeat, but can complete nothing.
#[test]
fn disks_that_stand_still() {
    Load::new(setup(1)).survives(stop_disks, start_disks);
}

/// The leader is among them. Everything sent to them waits, repeats included, and arrives at once.
#[test]
fn a_majority_that_stands_still() {
    let load = Load::new(setup(2));
    let second = other(&[load.leader]);
    let stopped = [load.leader, second, other(&[load.leader, second])];
    load.survives(
        |world| stopped.iter().for_each(|id| world.pause(*id)),
        |world| stopped.iter().for_each(|id| world.resume(*id)),
    );
}

/// No replica hears another. The leader resigns, and the next leader receives everything at once.
#[test]
fn links_that_are_cut() {
    let cut = |world: &mut World| everybody(world).for_each(|id| world.partition([id]));
    Load::new(setup(3)).survives(cut, World::mend);
}

/// The limits leave three times the room that the load needs. If repeats took places, other requests would
/// wait, and be repeated in turn: the stall would never end.
#[test]
fn where_there_is_little_room() {
    let mut setup = setup(4);
    (setup.cluster.limits.window, setup.cluster.limits.batch_commands) = (1, 6);
    Load::new(setup).survives(stop_disks, start_disks);
}
