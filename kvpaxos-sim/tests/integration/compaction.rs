//! Logs that are cut, transfers of snapshots, and checkpoints that are interrupted: see the page on storage
//! in the core's docs and [`kvpaxos::wal`].

use crate::common::{
    SECOND, SOON, busy_clients, check_recovered, everybody, fill, lose_disk, other, settled, short_logs,
    status, votes, write,
};
use kvpaxos::client::{Call, Completion};
use kvpaxos::status::LearnerStatus;
use kvpaxos::{Micros, Op, Query, Record, ReplicaId, Role, Slot};
use kvpaxos_sim::World;
use kvpaxos_sim::engine::LinkProfile;
use kvpaxos_sim::engine::latency;
use kvpaxos_sim::invariants::Sometimes;

fn applied(world: &World, id: ReplicaId) -> Slot {
    match status(world, id).learner {
        LearnerStatus::Learning { applied, .. } => applied,
        LearnerStatus::Failed => panic!("the learner of {id} runs"),
    }
}

fn installed(world: &World) -> u64 {
    world.coverage().count(Sometimes::SnapshotInstalled)
}

/// A cluster under load whose logs are cut every hundred slots, and a replica that missed thousands of slots.
fn behind(seed: u64) -> (World, ReplicaId, ReplicaId) {
    let mut setup = short_logs(seed, 100);
    setup.clients = busy_clients(8);
    let (mut world, leader) = settled(setup);
    let away = other(&[leader]);
    world.crash(away);
    world.start_clients();
    fill(&mut world, 3_000);
    world.start(away);
    (world, away, leader)
}

/// Checks that the replica has caught up with the others while these went on serving.
fn has_caught_up(world: &mut World, away: ReplicaId) {
    let near =
        |world: &World| world.status(away).is_some() && applied(world, away).0 + 100 >= world.prefix().0;
    assert!(
        world.run_until(SOON, near),
        "{away} is at {:?}",
        applied(world, away)
    );
    world.stop_clients();
    assert!(
        world.run_until(SOON, |world| world.open() == 0),
        "everybody is answered"
    );
    check_recovered(world);
}

/// Runs until this many more parts of snapshots were sent.
fn parts(world: &mut World, count: u64) {
    let sent = |world: &World| world.coverage().count(Sometimes::SnapshotInParts);
    let end = sent(world) + count;
    assert!(
        world.run_until(SOON, |world| sent(world) >= end),
        "a transfer is under way"
    );
}

/// The replica gets a snapshot, and does not disturb the others.
#[test]
fn thousands_of_slots_behind() {
    let (mut world, away, _) = behind(1);
    let before = installed(&world);
    has_caught_up(&mut world, away);
    assert!(installed(&world) > before);
}

/// Parts are lost, duplicated and late, while clients go on writing.
#[test]
fn thousands_of_slots_behind_on_a_bad_link() {
    let (mut world, away, _) = behind(2);
    world.stop_clients();
    let links = LinkProfile {
        drop: 300_000,
        duplicate: 100_000,
        delay: latency::LAN,
        reorder: true,
    };
    world.degrade_links(away, Some(links));
    parts(&mut world, 5);
    let end = world.now().after(Micros(60_000_000));
    let before = installed(&world);
    while installed(&world) == before && world.now() < end {
        assert!(world.put("k", "others go on").is_done());
        world.run_for(Micros(100_000));
    }
    assert!(installed(&world) > before, "it gets there in spite of it");
    world.degrade_links(away, None);
    has_caught_up(&mut world, away);
}

/// The sender of a snapshot falls silent in the middle of the transfer, and another replica goes on with it.
#[test]
fn another_goes_on_with_the_transfer() {
    let (mut world, away, leader) = behind(3);
    world.stop_clients();
    parts(&mut world, 4);
    // A replica that lags asks the leader first.
    let sender = world.leader().unwrap_or(leader);
    let before = world.coverage().count(Sometimes::SnapshotInParts);
    world.crash(sender);
    let whole = installed(&world);
    assert!(
        world.run_until(SOON, |world| installed(world) > whole),
        "{away} gets it without {sender}"
    );
    let sent = world.coverage().count(Sometimes::SnapshotInParts) - before;
    world.start(sender);
    has_caught_up(&mut world, away);
    // Only the part that was under way is sent twice.
    let mut undisturbed = behind(3).0;
    undisturbed.stop_clients();
    parts(&mut undisturbed, 4);
    let before = undisturbed.coverage().count(Sometimes::SnapshotInParts);
    let whole = installed(&undisturbed);
    assert!(undisturbed.run_until(SOON, |world| installed(world) > whole));
    let needed = undisturbed.coverage().count(Sometimes::SnapshotInParts) - before;
    assert!(
        sent <= needed + 4,
        "{sent} parts were sent where {needed} are enough"
    );
}

/// The receiver restarts in the middle of the transfer, and then its learner alone.
#[test]
fn its_own_restart_in_the_middle_of_the_transfer() {
    let (mut world, away, _) = behind(4);
    parts(&mut world, 4);
    world.crash(away);
    world.start(away);
    parts(&mut world, 4);
    world.fail(away, Role::Learner);
    world.restart(away, Role::Learner);
    parts(&mut world, 4);
    world.fail(away, Role::Learner);
    world.restart_empty(away, Role::Learner);
    has_caught_up(&mut world, away);
}

/// A replica forwards a client's write to the leader, is cut off, and later installs a snapshot in which the
/// write was done and its session dropped. It must answer that the outcome is unknown, and not that the
/// session has expired, which would mean "not done".
#[test]
fn a_write_that_a_snapshot_jumped_over_is_of_unknown_outcome() {
    for seed in 0..10 {
        let mut setup = short_logs(seed, 10);
        setup.cluster.limits.sessions = 6;
        setup.clients = busy_clients(5);
        setup.clients.deadline = Micros(40_000_000);
        setup.clients.attempt = Micros(3_000_000);
        let (mut world, leader) = settled(setup);
        let away = other(&[leader]);
        world.talk_only_to([away]);
        assert!(world.put("k", "second").is_done());
        let number = world.begin(Call::Write(Op::Put {
            key: "k".into(),
            value: "third".into(),
        }));
        // The write has left, but its answer does not arrive.
        world.run_until(SECOND, |world| world.status(away).unwrap().pending > 0);
        for id in everybody(&world).filter(|id| *id != away) {
            world.cut(&[(id.into(), away.into())]);
        }
        world.start_clients();
        fill(&mut world, 200);
        world.stop_clients();
        let before = installed(&world);
        world.mend();
        assert!(world.run_until(SOON, |world| installed(world) > before));
        assert!(world.run_until(Micros(60_000_000), |world| world.open() == 0));
        match world.end(number).unwrap().0 {
            Completion::Unknown { .. } | Completion::Done(_) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        check_recovered(&mut world);
    }
}

/// All learners lose their memory at once, where logs are cut. The acceptors hold the snapshot and the rest.
#[test]
fn every_learner_lost() {
    for seed in 0..10 {
        let (mut world, _) = settled(short_logs(seed, 8));
        write(&mut world, 50);
        for id in everybody(&world) {
            world.fail(id, Role::Learner);
        }
        world.run_for(SECOND);
        for id in everybody(&world) {
            world.restart_empty(id, Role::Learner);
        }
        assert_eq!(world.get("key 0").value(), Some("value 49".into()));
        write(&mut world, 5);
        check_recovered(&mut world);
    }
}

/// All processes restart, where logs are cut.
#[test]
fn every_process_restarts() {
    for seed in 0..10 {
        let (mut world, _) = settled(short_logs(seed, 8));
        write(&mut world, 50);
        for id in everybody(&world) {
            world.crash(id);
        }
        for id in everybody(&world) {
            world.start(id);
        }
        assert_eq!(world.get("key 0").value(), Some("value 49".into()));
        write(&mut world, 5);
        check_recovered(&mut world);
    }
}

/// How many records of an unfinished checkpoint are on the disk; `None` if the last checkpoint is complete.
fn unfinished(world: &World, id: ReplicaId) -> Option<usize> {
    let records = world.records(id).unwrap();
    let last = records
        .iter()
        .rposition(|record| matches!(record, Record::Checkpoint(_)))?;
    let pieces = &records[last..];
    let ended = pieces
        .iter()
        .any(|record| matches!(record, Record::CheckpointEnd { .. }));
    let own = |record: &&Record| {
        matches!(
            record,
            Record::Checkpoint(_) | Record::Carried(_) | Record::Learned { .. } | Record::SnapshotPart { .. }
        )
    };
    (!ended).then(|| pieces.iter().filter(own).count())
}

/// A crash at every point of a checkpoint. What was on the disk before it still counts, and nothing of the
/// unfinished checkpoint does.
#[test]
fn a_crash_at_every_point_of_a_checkpoint() {
    let mut points = 0;
    for point in 1.. {
        let mut setup = short_logs(point, 12);
        setup.cluster.limits.chunk_bytes = 100;
        // Syncs are so slow that each piece has one of its own.
        setup.sync = latency::BUSY;
        let (mut world, leader) = settled(setup);
        let victim = other(&[leader]);
        write(&mut world, 24);
        let number = world.begin(Call::Read(Query::Get { key: "k".into() }));
        let wanted = usize::try_from(point).unwrap();
        let mut writes = 0;
        // Without writes no checkpoint begins.
        while writes < 30 && unfinished(&world, victim) < Some(wanted) {
            let put = world.begin(Call::Write(Op::Put {
                key: format!("key {}", writes % 7).into(),
                value: format!("more {writes}").into(),
            }));
            world.run_until(SECOND, |world| {
                world.open() == 0 || unfinished(world, victim) >= Some(wanted)
            });
            world.run_until(SECOND, |world| world.open() == 0);
            world.end(put);
            writes += 1;
        }
        world.end(number);
        if unfinished(&world, victim) < Some(wanted) {
            break;
        }
        points += 1;
        world.crash(victim);
        write(&mut world, 3);
        world.start(victim);
        assert!(votes(&world, victim), "its memory was kept");
        check_recovered(&mut world);
        // The replica is needed: two others are down.
        let gone = [leader, other(&[leader, victim])];
        gone.into_iter().for_each(|id| world.crash(id));
        assert_eq!(world.get("key 0").value(), Some("value 0".into()));
        gone.into_iter().for_each(|id| world.start(id));
        check_recovered(&mut world);
    }
    assert!(points >= 5, "a checkpoint has more points than {points}");
}

/// All processes crash in the middle of a checkpoint, so that none can help another.
#[test]
fn everybody_crashes_in_the_middle_of_a_checkpoint() {
    let mut caught = 0;
    for seed in 0..20 {
        let mut setup = short_logs(seed, 12);
        setup.cluster.limits.chunk_bytes = 100;
        setup.sync = latency::BUSY;
        let (mut world, leader) = settled(setup);
        write(&mut world, 22);
        for number in 0..20 {
            world.begin(Call::Write(Op::Put {
                key: format!("key {}", number % 7).into(),
                value: format!("more {number}").into(),
            }));
        }
        world.run_until(SECOND, |world| {
            unfinished(world, leader).is_some_and(|pieces| pieces > 1)
        });
        caught += usize::from(unfinished(&world, leader).is_some());
        for id in everybody(&world) {
            world.crash(id);
        }
        for id in everybody(&world) {
            world.start(id);
        }
        write(&mut world, 5);
        check_recovered(&mut world);
    }
    assert!(caught > 10, "only {caught} crashes fell into a checkpoint");
}

/// A replica that lost its disk installs a snapshot, and its acceptor returns. Then another replica asks it
/// for help.
#[test]
fn a_replica_that_installed_a_snapshot_helps_others() {
    for seed in 0..5 {
        let (mut world, leader) = settled(short_logs(seed, 8));
        write(&mut world, 60);
        let first = other(&[leader]);
        lose_disk(&mut world, first);
        assert!(world.run_until(SOON, |world| votes(world, first)));
        let second = other(&[leader, first]);
        world.crash(second);
        world.start_empty(second);
        // The other replica hears that one and one more, so that enough can answer it.
        let third = other(&[leader, first, second]);
        for id in everybody(&world).filter(|id| ![first, second, third, leader].contains(id)) {
            world.crash(id);
        }
        assert!(world.run_until(SOON, |world| votes(world, second)));
        for id in everybody(&world) {
            world.start(id);
        }
        check_recovered(&mut world);
    }
}

/// The first checkpoint of a cluster has an empty log before it.
#[test]
fn the_first_checkpoint() {
    for slots in 1..6 {
        let (mut world, _) = settled(short_logs(slots, slots));
        write(&mut world, 12);
        for id in everybody(&world) {
            world.crash(id);
            world.start(id);
        }
        assert_eq!(world.get("key 0").value(), Some("value 7".into()));
        check_recovered(&mut world);
    }
}
