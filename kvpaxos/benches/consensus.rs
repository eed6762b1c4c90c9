//! How fast the core is on its own: no sockets, no disk, one thread. Run with `cargo bench -p kvpaxos`.

use std::time::Instant;

use bytes::Bytes;
use kvpaxos::{
    Command, Limits, Op, Outcome, Random, ReplicaId, Revision, Sequence, SessionId, Slot, StateMachine, Tag,
};

const KEYS: u64 = 10_000;
const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 100;

fn main() {
    apply(1);
    apply(1024);
}

/// PUTs in one session with so many in flight, applied by one state machine.
fn apply(in_flight: u64) {
    let mut random = Random::from_seed(1);
    let mut machine = StateMachine::new(Limits::default());
    let tag = Tag {
        replica: ReplicaId(0),
        nonce: 0,
        number: 0,
    };
    let Outcome::Opened { session } = machine.apply(revision(0), &Command::Open { tag }) else {
        panic!("the first command opens a session")
    };
    let (mut spent, mut number) = (Vec::new(), 0);
    while number < 1_000_000 {
        let next = number + 4096;
        let commands: Vec<Command> = (number..next)
            .map(|number| put(&mut random, session, number, number.saturating_sub(in_flight - 1)))
            .collect();
        let begun = Instant::now();
        for (slot, command) in (number + 1..).zip(&commands) {
            machine.apply(revision(slot), command);
        }
        spent.push(begun.elapsed().as_nanos() / commands.len() as u128);
        number = next;
    }
    spent.sort_unstable();
    println!(
        "apply, {in_flight} in flight: {} ns a PUT (best {}, {} keys)",
        spent[spent.len() / 2],
        spent[spent.len() / 20],
        machine.keys()
    );
}

fn put(random: &mut Random, session: SessionId, sequence: u64, lowest: u64) -> Command {
    let key = Bytes::from(format!(
        "key {:0>width$}",
        random.below(KEYS),
        width = KEY_BYTES - 4
    ));
    let value = Bytes::from(vec![u8::try_from(sequence % 251).unwrap_or(0); VALUE_BYTES]);
    Command::Apply {
        session,
        sequence: Sequence(sequence),
        lowest_unanswered: Sequence(lowest),
        op: Op::Put { key, value },
    }
}

fn revision(slot: u64) -> Revision {
    Revision {
        slot: Slot(slot),
        index: 0,
    }
}
