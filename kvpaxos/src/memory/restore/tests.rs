use super::*;
use crate::command::{Command, Tag};
use crate::state::machine::StateMachine;
use crate::types::Revision;

/// A state with a session of each slot below.
fn snapshot(slots: u64) -> Snapshot {
    let mut machine = StateMachine::new(Limits::default());
    for slot in 0..slots {
        let number = slot;
        let open = Command::Open {
            tag: Tag { nonce: 7, number },
        };
        let revision = Revision {
            slot: Slot(slot),
            index: 0,
        };
        machine.apply(revision, &open);
    }
    Snapshot::new(Slot(slots), &machine)
}

/// The records of a transfer, a part for each item.
fn transfer(snapshot: &Snapshot) -> Vec<Record> {
    let mut at = Some(Cursor::START);
    std::iter::from_fn(|| {
        let part = SnapshotPart::of(snapshot, at?, 1);
        at = part.next;
        Some(Record::Received(Box::new(part)))
    })
    .collect()
}

#[test]
fn the_last_transfer_goes_on_if_it_is_still_useful() {
    let limits = Limits::default();
    let (old, new) = (transfer(&snapshot(3)), transfer(&snapshot(5)));
    let (begun, last) = new.split_at(new.len() - 1);
    let [Record::Received(missing)] = last else {
        panic!("one part")
    };
    // A snapshot that was given up, and one of which a part is missing, with other records between.
    let chosen = Record::Chosen {
        ballot: Ballot::default(),
        up_to: Slot(2),
    };
    let records = [&old[..2], std::slice::from_ref(&chosen), begun].concat();
    let received = |next| received_parts(&records, &limits, Slot(next));
    let builder = received(4).expect("it is ahead of what is known");
    assert_eq!((builder.slot(), builder.next()), (Slot(5), missing.at));
    assert!(received(5).is_none(), "its slots are known by other means");
    assert!(
        received_parts(&new, &limits, Slot(2)).is_none(),
        "it is complete, and was installed"
    );
    assert!(received_parts(&[chosen], &limits, Slot(2)).is_none());
}

#[test]
fn a_proposer_hears_of_the_highest_ballot_of_its_log() {
    let ballot = |round| Ballot {
        round,
        ..Ballot::default()
    };
    let (proposed, promised) = (ballot(3), ballot(5));
    let records = [
        Record::Promised { ballot: promised },
        Record::Proposed { ballot: proposed },
    ];
    assert_eq!(highest_ballot(&records), promised);
    assert_eq!(highest_ballot(&[]), Ballot::default());
}
