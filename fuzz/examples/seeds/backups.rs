//! Seeds for the reader of copies of the store.

use bytes::Bytes;
use kvpaxos::codec::encode_into;
use kvpaxos::machine::StateMachine;
use kvpaxos::message::SnapshotPart;
use kvpaxos::snapshot::{Cursor, Snapshot};
use kvpaxos::{Command, Limits, Op, Outcome, Reply, Revision, Sequence, SessionId, Slot, Tag};

use crate::Seeds;

/// Copies of states: with nothing in them, in one part, and in several.
pub(super) fn backups() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, keys, length) in [("empty", 0, 1000), ("whole", 2, 1000), ("parts", 3, 1)] {
        let snapshot = state(keys);
        let (mut frames, mut at) = (Vec::new(), Some(Cursor::START));
        while let Some(begin) = at {
            let (bytes, next) = snapshot.part(begin, length);
            let part = SnapshotPart {
                slot: snapshot.slot(),
                digest: snapshot.digest(),
                at: begin,
                next,
                bytes,
            };
            let outcome = Outcome::SnapshotPart(Box::new(part));
            encode_into(&Reply { id: 0, outcome }, &mut frames).expect("parts are short");
            at = next;
        }
        // The first byte says whether checksums are corrected.
        let file = kvpaxos_fuzz::sealed(frames.clone());
        seeds.insert(format!("backup/{name}").into(), [&[0], &file[..]].concat());
        seeds.insert(
            format!("backup/{name}-corrected").into(),
            [&[1], &frames[..]].concat(),
        );
    }
    seeds
}

/// A state of a session and this many keys.
fn state(keys: u64) -> Snapshot {
    let mut machine = StateMachine::new(Limits::default());
    let at = |slot| Revision {
        slot: Slot(slot),
        index: 0,
    };
    let tag = Tag { nonce: 1, number: 0 };
    let _ = machine.apply(at(1), &Command::Open { tag });
    for number in 0..keys {
        let sequence = Sequence(number);
        let command = Command::Apply {
            session: SessionId(at(1)),
            sequence,
            lowest_unanswered: sequence,
            op: Op::Put {
                key: Bytes::from(format!("key {number}")),
                value: Bytes::from("value"),
            },
        };
        let _ = machine.apply(at(number + 2), &command);
    }
    Snapshot::new(Slot(keys + 2), &machine)
}
