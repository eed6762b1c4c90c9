//! A replica whose directory is formatted although it had been a member of the cluster: see
//! [`kvpaxos::founding`].

use crate::common::{R, SECOND, SOON, check_recovered, recovers, settled};
use kvpaxos::Micros;
use kvpaxos_sim::world::Answer;
use kvpaxos_sim::{Setup, World};

fn read(world: &mut World) -> Answer {
    world.get("k")
}

/// r0, r1 and r2 know an acknowledged write. r0's directory is formatted; with r3 and r4 it is a quorum that
/// does not know the write. Nothing is served, and r0 halts. After r0 is recovered and r1 is back, the write
/// is read.
#[test]
fn an_acknowledged_write_outlives_a_replica_that_is_founded_anew() {
    for seed in 0..20 {
        let (mut world, _) = settled(Setup::quiet(seed));
        for id in [R[3], R[4]] {
            world.crash(id);
        }
        assert!(world.put("k", "second").is_done());
        for id in [R[0], R[1], R[2]] {
            world.crash(id);
        }
        world.found_anew(R[0]);
        for id in [R[0], R[3], R[4]] {
            world.start(id);
        }
        let answer = read(&mut world);
        assert!(!answer.is_done(), "seed {seed}: {answer:?}");
        assert!(world.machine(R[0]).is_none(), "seed {seed}: r0 halts");
        assert_eq!(world.halted_anew(), 1, "seed {seed}");
        // Each time it is started again, it halts again.
        world.start(R[0]);
        assert!(world.run_until(SECOND, |world| world.machine(R[0]).is_none()));
        world.start_empty(R[0]);
        world.start(R[1]);
        assert_eq!(read(&mut world).value(), Some("second".into()), "seed {seed}");
        assert!(
            world.run_until(SOON, |world| !recovers(world, R[0])),
            "seed {seed}: r0 is recovered"
        );
        world.start(R[2]);
        check_recovered(&mut world);
    }
}

/// A formatted replica halts in a cluster that works, and the others go on serving.
#[test]
fn the_work_goes_on_without_a_replica_that_is_founded_anew() {
    for seed in 0..20 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        world.crash(leader);
        world.found_anew(leader);
        world.start(leader);
        assert!(world.put("k", "second").is_done());
        let halted = world.run_until(SECOND, |world| world.machine(leader).is_none());
        assert!(halted, "seed {seed}: {:?}", world.finding());
        assert_eq!(world.get("k").value(), Some("second".into()));
        world.start_empty(leader);
        check_recovered(&mut world);
    }
}

/// Every replica knows the founding of another as soon as the first message with it has arrived and is
/// synced. So a replica that is formatted right after the cluster began halts as well.
#[test]
fn foundings_are_known_soon() {
    for seed in 0..20 {
        let mut world = World::new(Setup::quiet(seed)).unwrap();
        world.run_for(Micros(200_000));
        for id in R {
            world.crash(id);
        }
        world.found_anew(R[4]);
        for id in [R[0], R[1], R[4]] {
            world.start(id);
        }
        let halted = world.run_until(SECOND, |world| world.machine(R[4]).is_none());
        assert!(halted, "seed {seed}: {:?}", world.finding());
        world.verdict().unwrap();
    }
}
