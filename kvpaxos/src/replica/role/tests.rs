use super::*;
use crate::io::Event;
use crate::replica::lone::Lone;
use crate::status::ProposerStatus;
use crate::types::{ClientId, Micros, Time};

/// As long as two portions of the clock.
const VALUES: u64 = 130;

/// A replica with a log of values of 1 KiB, one in each slot.
fn with_a_long_log() -> Lone {
    let mut lone = Lone::leading();
    let session = lone.opens();
    for key in 0..VALUES {
        lone.puts(session, key, 1024);
    }
    lone
}

fn applied(lone: &Lone) -> u64 {
    lone.replica
        .learner
        .as_ref()
        .map_or(0, |learner| learner.applied().0)
}

/// A message that changes nothing.
fn message(lone: &mut Lone) {
    let client = ClientId(9);
    lone.step(Event::ClientGone { client });
}

#[test]
fn a_learner_applies_the_log_of_its_earlier_life_in_portions() {
    let mut lone = with_a_long_log();
    let (all, digest) = (applied(&lone), lone.replica.state());
    lone.restarts(Role::Learner);
    assert!(
        applied(&lone) < 4,
        "the step of the restart applies {}",
        applied(&lone)
    );

    let before = applied(&lone);
    message(&mut lone);
    assert_eq!(
        applied(&lone),
        before + 1,
        "a message applies one value of this length"
    );

    // It would be a state of the past.
    assert!(lone.replica.snapshot().is_err());

    let mut portions = 0;
    while applied(&lone) < all {
        let soon = lone.at.after(Micros(1));
        assert_eq!(lone.replica.deadline(), Some(soon));
        lone.at = soon;
        let before = applied(&lone);
        lone.step(Event::Clock);
        assert!((1..=64).contains(&(applied(&lone) - before)));
        portions += 1;
    }
    assert_eq!((portions, lone.replica.state()), (3, digest));
    assert!(lone.replica.snapshot().is_ok());
    let next_tick = lone.replica.deadline().expect("it has not halted");
    assert!(next_tick > lone.at.after(Micros(1)));
}

/// Nobody may answer more than what the leader has applied.
#[test]
fn who_has_a_log_to_apply_does_not_lead() {
    let mut lone = with_a_long_log();
    let tick = lone.replica.config().timing.tick;
    let patience = u64::from(lone.replica.config().timing.patience);
    lone.restarts(Role::Learner);
    assert!(lone.replica.leads());
    // Every message lets a tick pass, and applies one value.
    let ticks = |lone: &mut Lone, count: u64| {
        for _ in 0..count {
            lone.at = lone.at.after(tick);
            message(lone);
        }
    };
    ticks(&mut lone, 2 * patience);
    assert!(!lone.replica.leads(), "it resigns");
    for _ in 0..4 * patience {
        ticks(&mut lone, 1);
        let proposer = lone.replica.status().proposer;
        assert_eq!(proposer, ProposerStatus::Following, "it does not stand");
    }
    assert!(lone.replica.learner.as_ref().is_some_and(Learner::has_backlog));
    while !lone.replica.leads() {
        lone.at = lone.replica.deadline().expect("it has not halted");
        lone.step(Event::Clock);
    }
    assert!(!lone.replica.learner.as_ref().is_some_and(Learner::has_backlog));
}

/// The same, with snapshots: the last one is durable.
fn with_a_checkpoint() -> Lone {
    let mut lone = with_a_long_log();
    // A learner has the limits that it began with.
    lone.replica.config.limits.log_slots = 4;
    lone.restarts(Role::Learner);
    let last = Slot(VALUES / 4 * 4);
    while lone
        .replica
        .status()
        .snapshot
        .is_none_or(|snapshot| snapshot.slot < last)
    {
        lone.at = lone.replica.deadline().expect("it has not halted");
        lone.step(Event::Clock);
    }
    lone
}

/// The parts of the snapshot in the log are not even read.
#[test]
fn an_acceptor_takes_the_snapshot_that_its_earlier_life_had() {
    let mut lone = with_a_checkpoint();
    let kept = lone.replica.status().snapshot;
    let whole = lone.disk.clone();
    for record in &mut lone.disk {
        if let Record::SnapshotPart { bytes, .. } = record {
            *bytes = bytes::Bytes::from_static(b"no part");
        }
    }
    lone.restarts(Role::Acceptor);
    assert_eq!(lone.replica.status().snapshot, kept);

    // Another process has no such snapshot.
    let config = lone.replica.config().clone();
    let fresh = |records| Replica::new(config.clone(), Memory::Kept(records), Entropy([3; 32]), Time(0));
    let status = |records| fresh(records).expect("the configuration is valid").status();
    assert_eq!(status(whole).snapshot, kept);
    assert_eq!(status(lone.disk).snapshot, None);
}
