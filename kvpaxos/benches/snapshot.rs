//! Whether snapshots delay anything: the longest step of each kind, in processor time. Run it with `cargo
//! bench -p kvpaxos --bench snapshot`.
//!
//! A state of a million keys is in use while snapshots of it are taken, cut into parts, put together again
//! and freed. `--keys N` sets the number of keys, and `--sessions N` the number of sessions. Each session
//! keeps 16 outcomes. Each slot has as many writes as a slot may have, to different keys and in different
//! sessions. If other programs run on the machine, they may cause the longest step. Then they affect similar
//! steps of another kind as well.

use std::time::Duration;

use bytes::Bytes;
use kvpaxos::snapshot::{Builder, Cursor, DeferredFree, Snapshot};
use kvpaxos::{Command, Limits, Op, Outcome, Random, Sequence, SessionId, Slot, StateMachine, Tag};

const VALUE_BYTES: usize = 100;
const PART_BYTES: usize = 1024 * 1024;
/// Commands in each slot: as many as a slot may have.
const BATCH: u64 = 1024;
/// Outcomes that each session keeps.
const KEPT: u64 = 16;
/// Pieces of memory that are freed in a step: as many as a replica frees at a tick.
const FREED: usize = 1024;
const RUNS: usize = 3;
/// Snapshots that each run takes in sequence.
const TAKEN: usize = 10;
/// The longest time that a step may take.
const BUDGET: Duration = Duration::from_millis(10);

fn main() {
    let (mut keys, mut sessions) = (1_000_000, 10_000);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = |default| arguments.next().and_then(|n| n.parse().ok()).unwrap_or(default);
        match argument.as_str() {
            "--keys" => keys = number(keys),
            "--sessions" => sessions = number(sessions),
            _ => {} // cargo passes --bench
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{keys} keys of 16 bytes, values of {VALUE_BYTES}; {sessions} sessions that keep {KEPT} outcomes each"
    );
    println!(
        "parts of {PART_BYTES} bytes, {BATCH} writes a slot, {RUNS} runs; one thread ({cores} cores here)"
    );
    let mut table = Table::default();
    let mut load = Load::new(keys, sessions);
    for _ in 0..RUNS {
        run(&mut load, &mut table);
    }
    table.print();
}

/// The measured steps, in the order of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    SlotAlone,
    Take,
    SlotAfter,
    SlotLater,
    Clone,
    Part,
    Add,
    Finish,
    Install,
    Discard,
    Free,
}

const STEPS: [(Step, &str); 11] = [
    (Step::SlotAlone, "a slot, no snapshot alive"),
    (Step::Take, "take a snapshot"),
    (Step::SlotAfter, "the first slot after that"),
    (Step::SlotLater, "a slot, snapshot alive"),
    (Step::Clone, "clone a snapshot"),
    (Step::Part, "cut a part"),
    (Step::Add, "add a part"),
    (Step::Finish, "finish"),
    (Step::Install, "install: clone the state"),
    (Step::Discard, "discard"),
    (Step::Free, "free some"),
];

#[derive(Default)]
struct Table {
    spent: Vec<(Step, Duration)>,
}

impl Table {
    fn time<T>(&mut self, step: Step, run: impl FnOnce() -> T) -> T {
        let begun = cpu_time();
        let result = run();
        self.spent.push((step, cpu_time().saturating_sub(begun)));
        result
    }

    fn print(&self) {
        println!(
            "{:<28}{:>10}{:>14}{:>14}{:>14}",
            "", "steps", "mean", "1 in 100", "longest"
        );
        for (step, name) in STEPS {
            let spent = self.spent.iter().filter(|(other, _)| *other == step);
            let mut spent: Vec<Duration> = spent.map(|(_, spent)| *spent).collect();
            spent.sort_unstable();
            let count = u32::try_from(spent.len()).expect("there are few steps").max(1);
            let mean = spent.iter().sum::<Duration>() / count;
            let longest = spent.last().copied().unwrap_or_default();
            let rare = spent.get(spent.len() * 99 / 100).copied().unwrap_or_default();
            let [mean, rare, micros] = [mean, rare, longest].map(|spent| spent.as_micros());
            let over = if longest > BUDGET { "  over the budget" } else { "" };
            println!("{name:<28}{count:>10}{mean:>11} us{rare:>11} us{micros:>11} us{over}");
        }
    }
}

/// A state, and clients that write to it in sessions.
struct Load {
    keys: u64,
    random: Random,
    sessions: Vec<(SessionId, u64)>,
    slot: u64,
    machine: StateMachine,
}

impl Load {
    fn new(keys: u64, sessions: u64) -> Load {
        let mut load = Load {
            keys,
            random: Random::from_seed(1),
            sessions: Vec::new(),
            slot: 0,
            machine: StateMachine::new(Limits::default()),
        };
        let open = |number| Command::Open {
            tag: Tag { nonce: 0, number },
        };
        let commands: Vec<Command> = (0..sessions).map(open).collect();
        for outcome in load.machine.apply_all(Slot(0), &commands) {
            if let Outcome::Opened { session } = outcome {
                load.sessions.push((session, 0));
            }
        }
        let mut key = 0;
        while key < keys || load.slot * BATCH < KEPT * sessions {
            let commands = load.commands(|_| {
                key += 1;
                key % keys
            });
            load.apply(&commands);
        }
        load
    }

    /// The commands of the next slot.
    fn commands(&mut self, mut key: impl FnMut(&mut Random) -> u64) -> Vec<Command> {
        self.slot += 1;
        let sessions = self.sessions.len();
        let first = usize::try_from(self.slot * BATCH).expect("usize has 64 bits") % sessions;
        let mut put = |place: u64| {
            let place = (first + usize::try_from(place).expect("usize has 64 bits")) % sessions;
            let (session, sequence) = &mut self.sessions[place];
            *sequence += 1;
            let number = key(&mut self.random);
            Command::Apply {
                session: *session,
                sequence: Sequence(*sequence),
                lowest_unanswered: Sequence(sequence.saturating_sub(KEPT - 1)),
                op: Op::Put {
                    key: Bytes::from(format!("key {number:012}")),
                    value: Bytes::from(vec![number.to_le_bytes()[0]; VALUE_BYTES]),
                },
            }
        };
        (0..BATCH).map(&mut put).collect()
    }

    fn random_commands(&mut self) -> Vec<Command> {
        let keys = self.keys;
        self.commands(|random| random.below(keys))
    }

    fn apply(&mut self, commands: &[Command]) {
        let outcomes = self.machine.apply_all(Slot(self.slot), commands);
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Done { .. }))
        );
    }

    fn timed_slot(&mut self, step: Step, table: &mut Table) {
        let commands = self.random_commands();
        table.time(step, || self.apply(&commands));
    }

    fn take(&self) -> Snapshot {
        Snapshot::new(Slot(self.slot + 1), &self.machine)
    }
}

fn run(load: &mut Load, table: &mut Table) {
    let mut to_free = DeferredFree::default();
    for _ in 0..100 {
        load.timed_slot(Step::SlotAlone, table);
    }
    let mut old = table.time(Step::Take, || load.take());
    for _ in 0..TAKEN {
        load.timed_slot(Step::SlotAfter, table);
        for _ in 0..20 {
            load.timed_slot(Step::SlotLater, table);
            table.time(Step::Free, || to_free.free_some(FREED));
        }
        let new = table.time(Step::Take, || load.take());
        let old = std::mem::replace(&mut old, new);
        table.time(Step::Discard, || to_free.push(old));
    }
    let snapshot = table.time(Step::Take, || load.take());
    load.timed_slot(Step::SlotAfter, table);
    let clone = table.time(Step::Clone, || snapshot.clone());
    let received = transfer(load, &clone, table);
    let installed = table.time(Step::Install, || received.machine().clone());
    assert_eq!(installed.digest(), snapshot.digest());
    table.time(Step::Discard, || to_free.push(old));
    table.time(Step::Discard, || to_free.push(received));
    table.time(Step::Discard, || to_free.push(snapshot));
    table.time(Step::Discard, || to_free.push(clone));
    // The received state replaces the former one, and stays in use.
    let before = std::mem::replace(&mut load.machine, installed);
    table.time(Step::Discard, || to_free.push(before));
    while table.time(Step::Free, || to_free.free_some(FREED)) {
        load.timed_slot(Step::SlotAlone, table);
    }
}

/// Cuts a snapshot into parts and puts them together, while the state is in use.
fn transfer(load: &mut Load, sent: &Snapshot, table: &mut Table) -> Snapshot {
    let mut builder = Builder::new(Limits::default(), sent.slot(), sent.digest());
    let mut at = Some(Cursor::START);
    while let Some(from) = at {
        let (part, next) = table.time(Step::Part, || sent.part(from, PART_BYTES));
        table
            .time(Step::Add, || builder.add(from, &part, next))
            .expect("the part is unchanged");
        load.timed_slot(Step::SlotLater, table);
        at = next;
    }
    let finished = table.time(Step::Finish, || builder.finish());
    finished.expect("all parts have arrived")
}

/// The processor time of this thread on Unix, and real time elsewhere.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    static EPOCH: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    EPOCH.get_or_init(std::time::Instant::now).elapsed()
}
