//! Partitions that stop other protocols (Ng, Haridi and Carbone, *Omni-Paxos*, 2023, section 2), the stall of
//! two-phase updates, and roles that fail one by one. Each test bounds how long clients wait.

use kvpaxos::{Micros, ReplicaId, ReplicaSet, Role, Update};
use kvpaxos_sim::world::partition;
use kvpaxos_sim::{Setup, World};

/// The time within which a replica that reaches a quorum must lead again.
const SOON: Micros = Micros(5_000_000);

fn cluster(seed: u64) -> (World, ReplicaId) {
    let mut world = World::new(Setup::quiet(seed)).unwrap();
    assert!(world.put("k", "first").is_done());
    assert!(world.run_until(SOON, |world| world.leader().is_some()));
    let leader = world.leader().unwrap();
    (world, leader)
}

fn other(than: &[ReplicaId]) -> ReplicaId {
    ReplicaSet::first(5).iter().find(|id| !than.contains(id)).unwrap()
}

/// A write and a read at `at` are answered within the bound.
fn serves(world: &mut World, at: ReplicaId, value: &'static str) {
    world.talk_only_to([at]);
    let began = world.now();
    while !world.put("k", value).is_done() {
        assert!(
            world.now() <= began.after(SOON),
            "no write is answered within {SOON:?}"
        );
    }
    assert_eq!(world.get("k").value(), Some(value.into()));
    assert!(world.now() <= began.after(SOON), "answered too late");
    world.verdict().unwrap();
}

/// Quorum loss: all replicas are connected to one only, which is not the leader. The leader has no majority
/// any more, and only the one in the middle can be elected.
#[test]
fn quorum_loss() {
    for seed in 0..20 {
        let (mut world, leader) = cluster(seed);
        let hub = other(&[leader]);
        world.cut(&partition::quorum_loss(5, hub));
        serves(&mut world, hub, "second");
        assert_eq!(world.leader(), Some(hub), "only {hub} reaches a quorum");
    }
}

/// Constrained election: quorum loss with the old leader cut off entirely. The only replica that can be
/// elected may lag behind those that it needs.
#[test]
fn constrained_election() {
    for seed in 0..20 {
        let (mut world, leader) = cluster(seed);
        let hub = other(&[leader]);
        world.partition([hub]);
        assert!(world.put("k", "hub does not hear this").is_done());
        world.mend();
        world.cut(&partition::constrained_election(5, hub, leader));
        serves(&mut world, hub, "second");
        assert_eq!(world.leader(), Some(hub), "only {hub} reaches a quorum");
    }
}

/// Chained: every replica is connected to its two neighbours only. The ends of a chain of three must not
/// depose the leader in turn for ever.
#[test]
fn chained() {
    for seed in 0..20 {
        let mut setup = Setup::quiet(seed);
        setup.cluster = kvpaxos_sim::world::Cluster::new(3);
        let mut world = World::new(setup).unwrap();
        assert!(world.put("k", "first").is_done());
        world.cut(&partition::chained(3));
        serves(&mut world, ReplicaId(1), "second");
        world.run_for(SOON);
        let before = world.leader();
        world.run_for(SOON);
        assert_eq!(world.leader(), before, "a stable chain has a stable leader");
        serves(&mut world, ReplicaId(1), "third");
    }
}

/// One silent replica stops all two-phase updates, and is named. With majorities the work goes on.
#[test]
fn two_phase_update_stalls_where_the_majority_goes_on() {
    let silent = ReplicaId(3);
    for two_phase in [true, false] {
        let mut setup = Setup::quiet(1);
        setup.clients.attempt = Micros(3_000_000);
        setup.clients.deadline = Micros(8_000_000);
        if two_phase {
            let config = setup.cluster.config(ReplicaId(0)).two_phase();
            setup.cluster.quorums = config.quorums;
            setup.cluster.update = Update::TwoPhase;
        }
        let mut world = World::new(setup).unwrap();
        assert!(world.put("k", "first").is_done());
        world.pause(silent);
        let answer = world.put("k", "second");
        assert_eq!(answer.is_done(), !two_phase, "{answer:?}");
        if two_phase {
            let kvpaxos::client::Completion::Unknown { silent: named } = answer.0 else {
                panic!("{answer:?}")
            };
            assert_eq!(named, [silent].into_iter().collect());
            world.resume(silent);
            world.run_for(Micros(1_000_000));
            assert!(
                world.put("k", "third").is_done(),
                "the stall ends with the silence"
            );
        }
        world.verdict().unwrap();
    }
}

/// Each role of each replica fails and restarts in turn while clients go on.
#[test]
fn roles_fail_one_by_one() {
    let (mut world, _) = cluster(3);
    for id in ReplicaSet::first(5).iter() {
        for role in Role::ALL {
            world.fail(id, role);
            assert!(world.put("k", format!("{id} {role:?}")).is_done());
            world.restart(id, role);
            assert_eq!(world.get("k").value(), Some(format!("{id} {role:?}").into()));
        }
    }
    assert!(world.run_until(SOON, World::agreed));
    world.verdict().unwrap();
}

/// All processes crash at once and restart: every acknowledged write is there.
#[test]
fn everything_crashes_and_comes_back() {
    let (mut world, _) = cluster(4);
    for id in ReplicaSet::first(5).iter() {
        world.crash(id);
    }
    world.run_for(Micros(100_000));
    for id in ReplicaSet::first(5).iter() {
        world.start(id);
    }
    assert_eq!(world.get("k").value(), Some("first".into()));
    world.verdict().unwrap();
}
