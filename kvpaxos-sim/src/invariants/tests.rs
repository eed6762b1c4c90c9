//! Tests of the audit: right replicas are not accused, whatever waits for a slow disk.

use kvpaxos::agreement::StateDigest;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::io::Checkpoint;
use kvpaxos::message::Promise;
use kvpaxos::{
    Ballot, Incarnation, Life, Message, Observation, Quorums, Record, Replica, ReplicaId, Slot, Time, Update,
    Value, Watermark,
};

use super::audit::Audit;
use crate::engine::Observer;

const R: [ReplicaId; 3] = [ReplicaId(0), ReplicaId(1), ReplicaId(2)];
const NOW: Time = Time(1);

fn ballot(round: u64) -> Ballot {
    Ballot {
        round,
        replica: R[0],
        life: Life::default(),
    }
}

fn durable(audit: &mut Audit, by: ReplicaId, record: &Record) {
    Observer::<Replica>::durable(audit, NOW, by, record);
}

fn leaves(audit: &mut Audit, from: ReplicaId, message: &Message) {
    Observer::<Replica>::leaves(audit, NOW, from, R[0], message);
}

fn prepare(round: u64) -> Message {
    Message::Prepare {
        ballot: ballot(round),
        from: Slot::ZERO,
        state: StateDigest::new(Slot::ZERO, 0),
    }
}

fn promise(round: u64) -> Message {
    Message::Promise(Promise {
        ballot: ballot(round),
        from: Slot::ZERO,
        vector: CrashVector::default(),
        cut: Slot::ZERO,
        entries: Vec::new(),
        more: None,
    })
}

fn vote() -> Message {
    Message::Accepted {
        ballot: ballot(1),
        slot: Slot::ZERO,
        vector: CrashVector::default(),
    }
}

/// A ballot of r0, promised by all, and its proposal for the first slot.
fn proposed() -> Audit {
    let mut audit = Audit::new(3, Quorums::majority(3), Update::Quorum);
    durable(&mut audit, R[0], &Record::Proposed { ballot: ballot(1) });
    leaves(&mut audit, R[0], &prepare(1));
    for id in R {
        durable(&mut audit, id, &Record::Promised { ballot: ballot(1) });
        leaves(&mut audit, id, &promise(1));
    }
    let accept = Message::Accept {
        ballot: ballot(1),
        slot: Slot::ZERO,
        value: Value::Noop,
        chosen: Watermark::default(),
        state: StateDigest::new(Slot::ZERO, 0),
    };
    leaves(&mut audit, R[0], &accept);
    audit
}

fn accepted() -> Record {
    Record::Accepted {
        ballot: ballot(1),
        slot: Slot::ZERO,
        value: Value::Noop,
    }
}

fn assert_right(audit: &Audit) {
    if let Some(finding) = audit.finding() {
        panic!("{} is violated: {}", finding.property, finding.explanation);
    }
}

/// An acceptor hears of a later life of itself while its vote waits for a slow disk. The vote leaves
/// afterwards: its role did not fail. It was cast with memory, in the life that is over.
#[test]
fn a_vote_that_waited_for_the_disk_is_right_though_its_acceptor_was_outlived() {
    let mut audit = proposed();
    let incarnation = Incarnation(1);
    audit.acceptor(R[1]).incarnation_announced = incarnation;
    audit.on_observation(R[1], &Observation::Outlived { incarnation });
    durable(&mut audit, R[1], &accepted());
    durable(&mut audit, R[1], &Record::DiskLost);
    leaves(&mut audit, R[1], &vote());
    leaves(&mut audit, R[1], &promise(1));
    assert_right(&audit);
}

/// The same for a candidate that asks again: its proposer has stopped since, and begins another life later.
#[test]
fn a_prepare_that_waited_for_the_disk_is_right_though_its_replica_was_outlived() {
    let mut audit = proposed();
    let incarnation = Incarnation(1);
    audit.acceptor(R[0]).incarnation_announced = incarnation;
    audit.on_observation(R[0], &Observation::Outlived { incarnation });
    leaves(&mut audit, R[0], &prepare(1));
    assert_right(&audit);
}

/// A vote of an acceptor that lost its memory, and was not outlived, is found.
#[test]
fn a_vote_without_memory_is_found() {
    let mut audit = proposed();
    Observer::<Replica>::role_restarting(&mut audit, NOW, R[1], kvpaxos::Role::Acceptor, true);
    durable(&mut audit, R[1], &Record::MemoryLost);
    leaves(&mut audit, R[1], &vote());
    assert_eq!(audit.finding().unwrap().property, super::Property::A4);
}

/// A request for memory and an announcement wait for the disk together with the checkpoint that completes the
/// recovery, and leave after it.
#[test]
fn a_question_that_waited_for_the_disk_is_right_though_its_acceptor_has_recovered() {
    let mut audit = proposed();
    let incarnation = Incarnation(1);
    Observer::<Replica>::role_restarting(&mut audit, NOW, R[1], kvpaxos::Role::Acceptor, true);
    durable(&mut audit, R[1], &Record::MemoryLost);
    let announce = Message::Announce {
        nonce: 1,
        incarnation,
        from: Slot::ZERO,
    };
    leaves(&mut audit, R[1], &announce);
    for id in [R[0], R[2]] {
        let acceptor = R[1];
        durable(
            &mut audit,
            id,
            &Record::Heard {
                acceptor,
                incarnation,
            },
        );
    }
    let checkpoint = Record::Checkpoint(Box::new(Checkpoint {
        number: 1,
        promised: ballot(1),
        vector: CrashVector::from_iter([(R[1], incarnation)]),
        ..Checkpoint::default()
    }));
    audit.check_record(R[1], &checkpoint);
    durable(&mut audit, R[1], &checkpoint);
    durable(&mut audit, R[1], &Record::CheckpointEnd { number: 1 });
    leaves(&mut audit, R[1], &Message::Recall { nonce: 1 });
    leaves(&mut audit, R[1], &announce);
    assert_right(&audit);
    assert!(!audit.lacks_memory(R[1]), "it has recovered");
}
