//! Checks of snapshots: whatever parts a sender sends, the receiver puts together the state with the
//! announced digest, or nothing.

use bytes::Bytes as Part;
use kvpaxos::snapshot::{Builder, Cursor, Snapshot};
use kvpaxos::{Command, Limits, Op, Revision, Sequence, SessionId, Slot, StateMachine, Tag};

use crate::Bytes;

/// Sends a state that the bytes describe in parts. Before each part the bytes may make up another one.
pub fn check_snapshot(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let limits = Limits {
        sessions: 4,
        session_window: 4,
        ..Limits::default()
    };
    let sent = state(limits, &mut bytes);
    let mut builder = Builder::new(limits, sent.slot(), sent.digest());
    let mut all_true = true;
    let mut complete = false;
    while !complete {
        let at = builder.next();
        let (part, next) = sent.part(at, bytes.below(600));
        if let Some((at, lie, claimed_next)) = made_up(at, &part, next, &mut bytes) {
            let before = builder.clone();
            match builder.add(at, &lie, claimed_next) {
                Ok(last) => {
                    all_true = false;
                    complete = last;
                    continue;
                }
                Err(_) => assert!(builder == before, "a part was refused and left something behind"),
            }
        }
        match builder.add(at, &part, next) {
            Ok(last) => complete = last,
            Err(error) => {
                assert!(!all_true, "a true part is refused: {error}");
                return;
            }
        }
    }
    match builder.finish() {
        Ok(received) => assert!(received == sent, "another state with the same digest"),
        Err(rejected) => assert!(!all_true, "all parts are true: {rejected}"),
    }
}

/// A part that the bytes make up, from the true one or from nothing. `None` if they make up none.
fn made_up(
    at: Cursor,
    part: &Part,
    next: Option<Cursor>,
    bytes: &mut Bytes,
) -> Option<(Cursor, Part, Option<Cursor>)> {
    let mut lie = part.to_vec();
    let (mut from, mut claimed_next) = (at, next);
    match bytes.below(8) {
        0 => {
            let place = bytes.below(lie.len().max(1));
            let flipped = bytes.byte();
            lie.get_mut(place).into_iter().for_each(|byte| *byte ^= flipped);
        }
        1 => lie.truncate(bytes.below(part.len() + 1)),
        2 => lie = bytes.string().to_vec(),
        3 => lie.extend_from_slice(bytes.string()),
        4 => claimed_next = None,
        5 => from = next.unwrap_or(Cursor::START),
        _ => return None,
    }
    let lies = lie != part[..] || from != at || claimed_next != next;
    lies.then(|| (from, lie.into(), claimed_next))
}

/// The state that commands described by the bytes lead to.
fn state(limits: Limits, bytes: &mut Bytes) -> Snapshot {
    let mut machine = StateMachine::new(limits);
    let mut slot = Slot(1);
    for _ in 0..bytes.below(48) {
        let index = 0;
        machine.apply(Revision { slot, index }, &command(slot, bytes));
        slot = slot.next();
    }
    Snapshot::new(slot, &machine)
}

fn command(slot: Slot, bytes: &mut Bytes) -> Command {
    let kind = bytes.below(6);
    let session = SessionId(Revision {
        slot: Slot(bytes.below(8) as u64 + 1),
        index: 0,
    });
    let key = Part::from(vec![b'k'; bytes.below(4)]);
    let op = match kind {
        0 | 1 => {
            let tag = Tag {
                nonce: 1,
                number: slot.0,
            };
            return Command::Open { tag };
        }
        2 => return Command::Close { session },
        3 => Op::Delete { key },
        4 => Op::Cas {
            key,
            expect: None,
            value: Some(Part::from_static(b"swapped")),
        },
        _ => {
            let value = Part::from(vec![bytes.byte(); bytes.below(400)]);
            Op::Put { key, value }
        }
    };
    Command::Apply {
        session,
        sequence: Sequence(bytes.below(8) as u64),
        lowest_unanswered: Sequence(bytes.below(8) as u64),
        op,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fuzzer that starts from empty states finds little.
    #[test]
    fn the_seeds_hold_sessions_and_keys() {
        for name in ["whole", "flip", "short", "other", "long", "last", "skipped"] {
            let path = format!("{}/seeds/snapshot_parts/{name}", env!("CARGO_MANIFEST_DIR"));
            let seed = std::fs::read(path).expect("seeds are committed");
            let sent = state(Limits::default(), &mut Bytes::new(&seed));
            let machine = sent.machine();
            assert_eq!((machine.sessions(), machine.keys()), (2, 3), "{name}");
            check_snapshot(&seed);
        }
    }
}
