//! The speed of the core alone, without sockets and disks, in one thread. Run it with `cargo bench -p
//! kvpaxos`.
//!
//! Five replicas run in memory. Writes are durable at once, messages arrive in order, and no message is lost.
//! Clients keep 1,024 requests in flight at the leader. A value counts when all five replicas have learned
//! it. With arguments, only the rows run whose names contain one of them. `--values N` sets the number of
//! values in a run. `--once ROW` plays one run of the row of exactly this name, with a clock that advances with the steps, so
//! that it executes the same instructions each time: `.ci/instructions` counts them.

mod cluster;

use std::time::Instant;

use bytes::Bytes;
use kvpaxos::{Command, Limits, Op, Random, Revision, Sequence, SessionId, Slot, StateMachine, Tag};

use crate::cluster::{Clock, Drive, IN_FLIGHT, Load, REPLICAS, Run, VALUE_BYTES, key, run};

const RUNS: usize = 5;

/// A row of the table.
struct Row {
    name: &'static str,
    /// Values per second that the design requires.
    budget: u64,
    load: Load,
    drive: Drive,
    /// Whether messages between replicas go through the codec.
    bytes: bool,
}

const ROWS: [Row; 6] = [
    Row {
        name: "opaque",
        budget: 2_500_000,
        load: Load::Opaque,
        drive: Drive::Loop,
        bytes: false,
    },
    Row {
        name: "opaque, codec",
        budget: 1_000_000,
        load: Load::Opaque,
        drive: Drive::Loop,
        bytes: true,
    },
    Row {
        name: "opaque, in rounds",
        budget: 0,
        load: Load::Opaque,
        drive: Drive::Rounds,
        bytes: false,
    },
    Row {
        name: "sessions and store",
        budget: 700_000,
        load: Load::Puts,
        drive: Drive::Loop,
        bytes: false,
    },
    Row {
        name: "sessions and store, codec",
        budget: 0,
        load: Load::Puts,
        drive: Drive::Loop,
        bytes: true,
    },
    Row {
        name: "half reads, codec",
        budget: 0,
        load: Load::PutsAndGets,
        drive: Drive::Loop,
        bytes: true,
    },
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut values, mut wanted, mut once) = (400_000, Vec::new(), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo passes it
            "--values" => values = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(values),
            "--once" => once = arguments.next(),
            _ => wanted.push(argument),
        }
    }
    if let Some(name) = once {
        let row = ROWS.iter().find(|row| row.name == name);
        let row = row.unwrap_or_else(|| panic!("no row is called {name:?}"));
        run(row.load, row.drive, row.bytes, values, 0, Clock::Steps);
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted));
    println!(
        "{REPLICAS} replicas in one thread ({cores} cores here), {IN_FLIGHT} in flight, values of {VALUE_BYTES} bytes,"
    );
    println!("{values} values a run, {RUNS} runs");
    println!(
        "{:<28}{:>14}{:>14}{:>14}{:>14}{:>18}",
        "", "a second", "a cpu second", "best", "budget", "values a slot"
    );
    for row in ROWS.iter().filter(|row| is_wanted(row.name)) {
        let mut runs: Vec<Run> = (0..RUNS)
            .map(|seed| run(row.load, row.drive, row.bytes, values, seed as u64, Clock::Real))
            .collect();
        runs.sort_unstable();
        let (median, best) = (&runs[RUNS / 2], &runs[RUNS - 1]);
        println!(
            "{:<28}{:>14}{:>14}{:>14}{:>14}{:>18}",
            row.name, median.wall, median.cpu, best.cpu, row.budget, median.batch
        );
    }
    for in_flight in [1, IN_FLIGHT] {
        let name = format!("apply alone, {in_flight} in flight");
        if is_wanted(&name) {
            let (median, best) = apply_alone(in_flight);
            println!("{name:<28}{median:>11} ns{best:>11} ns");
        }
    }
}

/// One state machine applies PUTs in one session. Returns nanoseconds per PUT: the median and the fifth
/// percentile of many chunks.
fn apply_alone(in_flight: u64) -> (u64, u64) {
    const CHUNK: u64 = 4096;
    let mut random = Random::from_seed(1);
    let mut machine = StateMachine::new(Limits::default());
    let tag = Tag { nonce: 0, number: 0 };
    machine.apply(revision(0), &Command::Open { tag });
    let put = |random: &mut Random, number: u64| Command::Apply {
        session: SessionId(revision(0)),
        sequence: Sequence(number),
        lowest_unanswered: Sequence(number.saturating_sub(in_flight - 1)),
        op: Op::Put {
            key: key(random),
            value: Bytes::from(vec![0x61; VALUE_BYTES]),
        },
    };
    let chunk = |number: u64| {
        let commands: Vec<Command> = (number..number + CHUNK)
            .map(|number| put(&mut random, number))
            .collect();
        let begun = Instant::now();
        for (slot, command) in (number + 1..).zip(&commands) {
            machine.apply(revision(slot), command);
        }
        u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX) / CHUNK
    };
    let mut spent: Vec<u64> = (0..200).map(|chunk| chunk * CHUNK).map(chunk).collect();
    spent.sort_unstable();
    (spent[spent.len() / 2], spent[spent.len() / 20])
}

fn revision(slot: u64) -> Revision {
    Revision {
        slot: Slot(slot),
        index: 0,
    }
}
