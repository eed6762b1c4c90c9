//! Helpers of the scripted tests.

use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Micros, ReplicaId, ReplicaSet, Slot, Status};
use kvpaxos_sim::world::Workload;
use kvpaxos_sim::{Setup, World};

/// The time within which a healed cluster must agree again.
pub(crate) const SOON: Micros = Micros(10_000_000);
pub(crate) const SECOND: Micros = Micros(1_000_000);

/// The replicas of a cluster of five.
pub(crate) const R: [ReplicaId; 5] = [
    ReplicaId(0),
    ReplicaId(1),
    ReplicaId(2),
    ReplicaId(3),
    ReplicaId(4),
];

pub(crate) fn everybody(world: &World) -> impl Iterator<Item = ReplicaId> + use<> {
    ReplicaSet::first(world.setup().cluster.replicas).iter()
}

/// A replica that is none of these.
pub(crate) fn other(than: &[ReplicaId]) -> ReplicaId {
    ReplicaSet::first(5).iter().find(|id| !than.contains(id)).unwrap()
}

/// A world with a leader, in which something was written.
pub(crate) fn settled(setup: Setup) -> (World, ReplicaId) {
    let mut world = World::new(setup).unwrap();
    assert!(world.put("k", "first").is_done());
    assert!(world.run_until(SOON, World::agreed));
    let leader = world.leader().unwrap();
    (world, leader)
}

/// A setup whose logs are cut every few slots, with snapshots of several parts.
pub(crate) fn short_logs(seed: u64, slots: u64) -> Setup {
    let mut setup = Setup::quiet(seed);
    setup.cluster.limits.log_slots = slots;
    setup.cluster.limits.chunk_bytes = 400;
    setup
}

/// Clients that write without pause.
pub(crate) fn busy_clients(count: u32) -> Workload {
    Workload {
        lanes: 4,
        keys: 60,
        mix: [8, 1, 1, 0],
        think: Micros(100),
        ..Workload::some(count)
    }
}

pub(crate) fn status(world: &World, id: ReplicaId) -> Status {
    world.status(id).unwrap()
}

pub(crate) fn votes(world: &World, id: ReplicaId) -> bool {
    matches!(status(world, id).acceptor, AcceptorStatus::Voting { .. })
}

pub(crate) fn recovers(world: &World, id: ReplicaId) -> bool {
    matches!(status(world, id).acceptor, AcceptorStatus::Recovering { .. })
}

/// Crashes a process and starts it again with an empty disk.
pub(crate) fn lose_disk(world: &mut World, id: ReplicaId) {
    world.crash(id);
    world.start_empty(id);
}

/// Makes this many writes. Each must be done.
pub(crate) fn write(world: &mut World, count: usize) {
    for number in 0..count {
        let answer = world.put(format!("key {}", number % 7), format!("value {number}"));
        assert!(answer.is_done(), "{answer:?}");
    }
}

/// Runs until this many more slots are chosen.
pub(crate) fn fill(world: &mut World, slots: u64) {
    let end = Slot(world.prefix().0 + slots);
    let full = world.run_until(Micros(600_000_000), |world| world.prefix() >= end);
    assert!(
        full,
        "no {slots} slots are chosen in ten minutes: {:?}",
        world.finding()
    );
}

/// Checks that all replicas hold the same state, that all acceptors have their memory, and that nothing was
/// found wrong.
pub(crate) fn check_recovered(world: &mut World) {
    world.mend();
    let agreed = world.run_until(SOON, World::agreed);
    world.verdict().unwrap();
    let states: Vec<Option<Status>> = everybody(world).map(|id| world.status(id)).collect();
    assert!(agreed, "they do not hold the same: {states:#?}");
}
