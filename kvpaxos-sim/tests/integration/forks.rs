//! A disk loses its last synced records without a trace, two histories come of it, and replicas notice that
//! they differ.

use crate::common::{R, SECOND, SOON};
use kvpaxos::client::Completion;
use kvpaxos::{Refusal, ReplicaId, ReplicaSet};
use kvpaxos_sim::engine::Format;
use kvpaxos_sim::world::forks;
use kvpaxos_sim::{Setup, World};

/// `balance` has the old value on all five. While r3 and r4 are down, NEW is acknowledged. All crash, and
/// r0's disk loses what it wrote for NEW. r0, r3 and r4 start, and four more values are chosen.
fn two_histories(seed: u64) -> World {
    let setup = Setup {
        format: Format::Plain,
        ..Setup::quiet(seed)
    };
    let mut world = World::new(setup).unwrap();
    world.expect_forks();
    assert!(world.put("balance", "old").is_done());
    world.run_for(SECOND);
    world.crash(R[3]);
    world.crash(R[4]);
    world.run_for(SECOND);
    let before = world.records(R[0]).unwrap().len();
    assert!(world.put("balance", "NEW").is_done());
    world.run_for(SECOND);
    let written = world.records(R[0]).unwrap().len() - before;
    R[..3].iter().for_each(|id| world.crash(*id));
    assert_eq!(world.lose_silently(R[0], written), written);
    [R[0], R[3], R[4]].into_iter().for_each(|id| world.start(id));
    assert_eq!(
        world.get("balance").value(),
        Some("old".into()),
        "nobody that is up can know"
    );
    for number in 0..4 {
        assert!(world.put(format!("k{number}"), "v").is_done());
    }
    // All three know on their disks what is chosen. A replica that does not know it might join either side.
    world.run_for(SECOND);
    world
}

fn differ_from(world: &World, id: ReplicaId) -> Option<ReplicaSet> {
    world.status(id)?.doubt.map(|doubt| doubt.with)
}

/// The two replicas that hold NEW differ from a quorum that shares a state. They refuse service, say why, and
/// keep their logs. The others go on.
#[test]
fn a_minority_that_differs_refuses_and_keeps_its_log() {
    for seed in 0..10 {
        let mut world = two_histories(seed);
        let kept = [R[1], R[2]].map(|id| world.records(id).unwrap());
        [R[1], R[2]].into_iter().for_each(|id| world.start(id));
        let majority: ReplicaSet = [R[0], R[3], R[4]].into_iter().collect();
        let all = |world: &World| {
            [R[1], R[2]]
                .iter()
                .all(|id| differ_from(world, *id) == Some(majority))
        };
        assert!(
            world.run_until(SOON, all),
            "seed {seed}: both find that they differ"
        );
        world.talk_only_to([R[1]]);
        let Completion::Refused(Refusal::Differs(doubt)) = world.get("balance").0 else {
            panic!("seed {seed}: r1 serves");
        };
        assert_eq!(doubt.with, majority);
        world.talk_only_to([R[0]]);
        assert_eq!(world.get("balance").value(), Some("old".into()));
        assert!(world.put("k", "v").is_done());
        for (id, kept) in [R[1], R[2]].into_iter().zip(kept) {
            assert_eq!(
                world.records(id).unwrap(),
                kept,
                "seed {seed}: what {id} holds stays"
            );
        }
        assert!(world.finding().is_none());
    }
}

/// Where no quorum shares a state, all refuse.
#[test]
fn where_no_quorum_shares_a_state_all_refuse() {
    for seed in 0..10 {
        let mut world = two_histories(seed);
        // They restart, so that they have not heard of the fifth.
        [R[0], R[3], R[4]].into_iter().for_each(|id| world.crash(id));
        R[..4].iter().for_each(|id| world.start(*id));
        let all = |world: &World| R[..4].iter().all(|id| differ_from(world, *id).is_some());
        assert!(world.run_until(SOON, all), "seed {seed}: two against two");
        for id in &R[..4] {
            world.talk_only_to([*id]);
            assert!(
                matches!(world.get("balance").0, Completion::Refused(Refusal::Differs(_))),
                "seed {seed}: {id} serves"
            );
        }
        // The fifth has the state of r0 and r3, and is a quorum with them.
        world.start(R[4]);
        let quorum = |world: &World| {
            [R[0], R[3], R[4]]
                .iter()
                .all(|id| differ_from(world, *id).is_none())
        };
        assert!(world.run_until(SOON, quorum), "seed {seed}: three share a state");
        world.talk_only_to([R[3]]);
        assert_eq!(world.get("balance").value(), Some("old".into()));
        assert!(world.finding().is_none());
    }
}

/// The disk of a replica that refuses is replaced, and it recovers from the others.
#[test]
fn a_replica_that_gave_up_its_log_recovers() {
    let mut world = two_histories(1);
    for id in [R[1], R[2]] {
        world.start_empty(id);
        let back = |world: &World| crate::common::votes(world, id) && differ_from(world, id).is_none();
        assert!(world.run_until(SOON, back), "{id} returns");
    }
    world.talk_only_to([R[1]]);
    assert_eq!(world.get("balance").value(), Some("old".into()));
}

/// The same seed gives the same run, and disks do lose records.
#[test]
fn worlds_repeat() {
    let [one, other] = [(); 2].map(|()| forks::play(7, kvpaxos_sim::Trace::Off));
    assert_eq!(one.digest, other.digest);
    assert!(one.forgotten > 0 && one.answers > 0 && one.violation.is_none());
}
