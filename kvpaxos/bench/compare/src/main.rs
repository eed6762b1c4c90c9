//! The core of kvpaxos beside OmniPaxos 0.2.4: five replicas in one thread, in memory, 1,024 values of 100 bytes in flight at the
//! leader. A value counts when all five have it and know it to be decided. Run it with `cargo run --release`; `--values N` sets the values in
//! a run, `--rounds N` the rounds, `--once NAME` plays one run of one row, for `valgrind`.
//!
//! The systems take turns, so that what else the machine does affects both. Both share a value among replicas by reference count
//! ([`Bytes`]), and both see the same clock: the loop that carries messages. In a row with bytes each message between replicas is
//! encoded and decoded: by the codec of kvpaxos (postcard in frames with length and checksum), and by bincode for OmniPaxos, without frames.
//!
//! What each does for a value is not the same. OmniPaxos orders log entries and the caller reads them. kvpaxos also answers the client of
//! each value, applies the value to its state machine at each replica and keeps a digest of the log, by which replicas find that they differ.

#[path = "../../../benches/consensus/cluster.rs"]
#[expect(dead_code, reason = "only rows with opaque values have a counterpart")]
mod cluster;
mod omni;

use cluster::{Clock, IN_FLIGHT, Load, REPLICAS, VALUE_BYTES};

/// What is measured: a system, with or without bytes. Returns values per second of processor time.
struct Row {
    name: &'static str,
    play: fn(u64) -> u64,
}

const ROWS: [Row; 4] = [
    Row {
        name: "kvpaxos",
        play: |values| cluster::run(Load::Opaque, false, values, 0, Clock::Real).cpu,
    },
    Row {
        name: "omnipaxos",
        play: |values| omni::run(false, values),
    },
    Row {
        name: "kvpaxos, codec",
        play: |values| cluster::run(Load::Opaque, true, values, 0, Clock::Real).cpu,
    },
    Row {
        name: "omnipaxos, bincode",
        play: |values| omni::run(true, values),
    },
];

fn main() {
    let (mut values, mut rounds, mut once) = (400_000, 5, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let given = arguments.next().and_then(|n| n.parse().ok());
            given.unwrap_or_else(|| panic!("{argument} needs a whole number"))
        };
        match argument.as_str() {
            "--values" => values = number(),
            "--rounds" => rounds = number(),
            "--once" => once = arguments.next(),
            other => panic!("{other} is none of --values, --rounds, --once"),
        }
    }
    if let Some(name) = once {
        let row = ROWS.iter().find(|row| row.name == name);
        let row = row.unwrap_or_else(|| panic!("no row is called {name:?}"));
        (row.play)(values);
        return;
    }
    println!(
        "{REPLICAS} replicas in one thread, {IN_FLIGHT} in flight, values of {VALUE_BYTES} bytes, {values} values a run, {rounds} rounds"
    );
    let mut rates = ROWS.map(|_| Vec::new());
    for _ in 0..rounds {
        for (row, rates) in ROWS.iter().zip(&mut rates) {
            rates.push((row.play)(values));
        }
    }
    println!("{:<22}{:>20}{:>14}", "", "values a cpu second", "best");
    for (row, rates) in ROWS.iter().zip(&mut rates) {
        rates.sort_unstable();
        let (median, best) = (rates[rates.len() / 2], rates[rates.len() - 1]);
        println!("{:<22}{median:>20}{best:>14}", row.name);
    }
}
