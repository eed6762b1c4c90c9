//! The mark of a simulated log: up to where its syncs are noted outside of it, and when.

use kvpaxos::{Micros, ReplicaId, Role};

use super::{Setup, World, partition, run};
use crate::invariants::Trace;

const ID: ReplicaId = ReplicaId(1);

/// A world with logs in files, in which something was written.
fn world() -> World {
    let mut world = World::new(Setup::quiet(1)).unwrap();
    assert!(world.put("k", "v").is_done());
    world
}

fn unmarked(world: &World) -> usize {
    world.engine.unmarked(ID)
}

/// Writes until something is synced beyond the mark.
fn until_unmarked(world: &mut World) {
    while unmarked(world) == 0 {
        assert!(world.put("k", "v").is_done());
    }
}

#[test]
fn a_start_marks_what_a_crash_left() {
    let mut world = world();
    until_unmarked(&mut world);
    world.crash(ID);
    assert!(
        unmarked(&world) > 0,
        "the crash leaves synced bytes beyond the mark"
    );
    world.start(ID);
    assert_eq!(unmarked(&world), 0);
}

#[test]
fn a_log_at_rest_is_marked_to_its_end() {
    let mut world = world();
    until_unmarked(&mut world);
    world.cut(&partition::between(
        [ID].into_iter().collect(),
        world.engine.ids().filter(|id| *id != ID).collect(),
    ));
    world.fail(ID, Role::Proposer);
    let rests = world.run_until(Micros(1_000_000), |world| world.engine.is_at_rest(ID));
    assert!(rests && unmarked(&world) > 0);
    world.crash(ID);
    assert_eq!(unmarked(&world), 0);
}

/// Each segment sets a mark when it begins; within a segment the mark is renewed by time.
#[test]
fn a_busy_log_is_marked_again_and_again() {
    let mut most = 0;
    for seed in 0..12 {
        let mut world = World::new(Setup::quiet(seed)).unwrap();
        for _ in 0..150 {
            assert!(world.put("k", vec![1; 200]).is_done());
            world.run_for(Micros(10_000));
            most = most.max(unmarked(&world));
        }
    }
    // About twenty writes are made between two renewals.
    assert!((1..20_000).contains(&most), "{most} bytes were not marked");
}

/// Optimized, this plays more seeds.
const STRAINED: u64 = if cfg!(debug_assertions) { 1 } else { 200 };

/// Right replicas are not accused, however much overlaps.
#[test]
fn strained_worlds_accuse_nobody() {
    for seed in 0..STRAINED {
        let mut setup = Setup::strained(seed);
        if cfg!(debug_assertions) {
            setup.length.faults = Micros(2_000_000);
            setup.length.events = 0;
            setup.length.operations = 0;
        }
        let report = run::<kvpaxos::Replica>(setup, Trace::Off);
        assert!(report.violation.is_none(), "{report}");
    }
}
