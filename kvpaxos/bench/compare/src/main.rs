//! The core of kvpaxos beside OmniPaxos 0.2.4: five replicas in one thread, in memory, 1,024 values of 100 bytes in flight at the
//! leader. A value counts when all five have it and know it to be decided. Run it with `cargo run --release`; `--values N` sets the values in
//! a run, `--rounds N` the rounds, `--once NAME` plays one run of one row, for `valgrind`.
//!
//! Both are driven in two ways. In the *loop* each client asks again as soon as it is answered, requests and messages are delivered one by
//! one in their order, and both make batches of about 113 values: a ninth of what is in flight, which is what a window of eight slots leads to
//! in kvpaxos, and how many values the leader of OmniPaxos appends before its messages are taken. In *rounds* all that is in flight is offered at once, messages are delivered until
//! none is left, and only then do clients ask again. There kvpaxos has a window of one slot, so that both make one batch a round (kvpaxos
//! proposes the first value by itself). `--once NAME` plays the loop; with `--in-rounds` before or after it, rounds.
//!
//! The systems take turns, so that what else the machine does affects both. Both share a value among replicas by reference count
//! ([`Bytes`](bytes::Bytes)), the decided values are consumed at all five, and both see the same clock. In a row with bytes each message
//! between replicas is encoded and decoded: by the codec of kvpaxos (postcard in frames with length and checksum), by the same encoding in the
//! same kind of frames for OmniPaxos, and by bincode without frames.
//!
//! What each does for a value is not the same. OmniPaxos orders log entries and the caller reads them. kvpaxos also answers the client of
//! each value, applies the value to its state machine at each replica and keeps a digest of the log, by which replicas find that they differ.
//! Its decoder lets values share the memory of their frame, and OmniPaxos's copies them.

#[path = "../../../benches/consensus/cluster.rs"]
#[expect(dead_code, reason = "only rows with opaque values have a counterpart")]
mod cluster;
mod omni;

use cluster::{Clock, Drive, IN_FLIGHT, Load, REPLICAS, VALUE_BYTES};
use omni::Codec;

/// What is measured: a system and how its messages are carried. `play` returns values per second of processor time.
struct Row {
    name: &'static str,
    play: fn(Drive, u64) -> u64,
}

const ROWS: [Row; 5] = [
    Row {
        name: "kvpaxos",
        play: |drive, values| cluster::run(Load::Opaque, drive, false, values, 0, Clock::Real).cpu,
    },
    Row {
        name: "omnipaxos",
        play: |drive, values| omni::run(drive, Codec::None, values),
    },
    Row {
        name: "kvpaxos, codec",
        play: |drive, values| cluster::run(Load::Opaque, drive, true, values, 0, Clock::Real).cpu,
    },
    Row {
        name: "omnipaxos, frames",
        play: |drive, values| omni::run(drive, Codec::Frames, values),
    },
    Row {
        name: "omnipaxos, bincode",
        play: |drive, values| omni::run(drive, Codec::Bincode, values),
    },
];

fn main() {
    let (mut values, mut rounds, mut once) = (400_000, 5, None);
    let mut drive = Drive::Loop;
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
            "--in-rounds" => drive = Drive::Rounds,
            other => panic!("{other} is none of --values, --rounds, --once, --in-rounds"),
        }
    }
    if let Some(name) = once {
        let row = ROWS.iter().find(|row| row.name == name);
        let row = row.unwrap_or_else(|| panic!("no row is called {name:?}"));
        (row.play)(drive, values);
        return;
    }
    println!(
        "{REPLICAS} replicas in one thread, {IN_FLIGHT} in flight, values of {VALUE_BYTES} bytes, {values} values a run, {rounds} rounds"
    );
    let drives = [Drive::Loop, Drive::Rounds];
    let mut rates = ROWS.map(|_| drives.map(|_| Vec::new()));
    for _ in 0..rounds {
        for (row, rates) in ROWS.iter().zip(&mut rates) {
            for (drive, rates) in drives.iter().zip(rates) {
                rates.push((row.play)(*drive, values));
            }
        }
    }
    println!("values a cpu second");
    println!(
        "{:<22}{:>14}{:>14}{:>14}{:>14}",
        "", "loop", "best", "in rounds", "best"
    );
    for (row, rates) in ROWS.iter().zip(&mut rates) {
        print!("{:<22}", row.name);
        for rates in rates {
            rates.sort_unstable();
            print!("{:>14}{:>14}", rates[rates.len() / 2], rates[rates.len() - 1]);
        }
        println!();
    }
}
