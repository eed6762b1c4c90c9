//! Acceptors that lost their memory come back: scripted, on a simulated cluster (design 4.9 to 4.11). What is checked at every step is
//! the simulator's business; here, that they do come back, when, and when they must not.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod common;

use common::{
    SECOND, SOON, everybody, is_whole, lose_disk, other, recovers, settled, short_logs, status, votes, write,
};
use kvpaxos::client::Completion;
use kvpaxos::status::{AcceptorStatus, ProposerStatus};
use kvpaxos::{
    ClientId, Effect, Event, Incarnation, Input, Outcome, Quorums, Refusal, ReplicaId, ReplicaSet, Request,
    RequestBody, Role, Tag, Time,
};
use kvpaxos_sim::invariants::Sometimes;
use kvpaxos_sim::world::partition;
use kvpaxos_sim::{Setup, World};

/// One replica loses its disk, another only the memory of its acceptor; the work goes on, and both come back.
#[test]
fn one_returns() {
    for seed in 0..10 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let (disk, memory) = (other(&[leader]), leader);
        lose_disk(&mut world, disk);
        assert!(world.put("k", "second").is_done());
        is_whole(&mut world);
        world.fail(memory, Role::Acceptor);
        world.restart_empty(memory, Role::Acceptor);
        assert!(world.put("k", "third").is_done());
        is_whole(&mut world);
        assert!(world.run_until(SOON, |world| votes(world, disk) && votes(world, memory)));
        assert_eq!(world.coverage().count(Sometimes::AcceptorRecovered), 2);
    }
}

/// One after the other, until nobody is left whose memory was never lost: what was written before is still there.
#[test]
fn all_in_turn() {
    for seed in 0..10 {
        let (mut world, _) = settled(Setup::quiet(seed));
        for id in everybody(&world) {
            lose_disk(&mut world, id);
            assert!(world.run_until(SOON, |world| votes(world, id)), "{id} returns");
        }
        assert_eq!(world.get("k").value(), Some("first".into()));
        is_whole(&mut world);
    }
}

/// A minority at once.
#[test]
fn a_minority_at_once() {
    for seed in 0..10 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let second = other(&[leader]);
        for id in [leader, second] {
            world.crash(id);
        }
        for id in [leader, second] {
            world.start_empty(id);
        }
        assert!(world.put("k", "second").is_done());
        is_whole(&mut world);
        assert_eq!(world.get("k").value(), Some("second".into()));
    }
}

/// While the others elect a new leader.
#[test]
fn during_an_election() {
    for seed in 0..20 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let lost = other(&[leader]);
        world.crash(leader);
        world.crash(lost);
        // An acceptor answers it before it promises, another after, as it happens to fall.
        world.run_for(kvpaxos::Micros(seed * 40_000));
        world.start_empty(lost);
        assert!(world.put("k", "second").is_done());
        assert!(world.run_until(SOON, |world| votes(world, lost)));
        world.start(leader);
        is_whole(&mut world);
    }
}

/// On the wrong side of a partition it waits, for as long as it takes, and is asked for nothing; then it returns.
#[test]
fn while_partitioned() {
    for seed in 0..10 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let lost = other(&[leader]);
        let company = other(&[leader, lost]);
        lose_disk(&mut world, lost);
        world.partition([lost, company]);
        world.run_for(SOON);
        assert!(recovers(&world, lost), "two of three answers are missing");
        assert!(world.put("k", "second").is_done());
        is_whole(&mut world);
    }
}

/// It loses its memory once more before it has got it back, and again; each attempt begins anew.
#[test]
fn again_while_recovering() {
    for seed in 0..10 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let lost = other(&[leader]);
        lose_disk(&mut world, lost);
        let alone = |world: &mut World| {
            world.partition([lost]);
            world.run_for(SECOND);
            assert!(recovers(world, lost));
        };
        alone(&mut world);
        lose_disk(&mut world, lost);
        alone(&mut world);
        // An unfinished recovery is lost memory: what the disk holds now is not all it was.
        world.crash(lost);
        world.start(lost);
        alone(&mut world);
        world.fail(lost, Role::Acceptor);
        world.restart(lost, Role::Acceptor);
        alone(&mut world);
        is_whole(&mut world);
        assert!(world.coverage().count(Sometimes::LostWhileRecovering) > 0);
    }
}

/// In the middle of its way back, at every step of it.
#[test]
fn again_at_every_step_of_recovery() {
    for step in 0..60 {
        let (mut world, leader) = settled(Setup::quiet(step));
        let lost = other(&[leader]);
        lose_disk(&mut world, lost);
        for _ in 0..step * 4 {
            world.step();
        }
        lose_disk(&mut world, lost);
        assert!(world.put("k", "second").is_done());
        is_whole(&mut world);
    }
}

/// No replica has a disk: whoever stops has lost its memory.
#[test]
fn memory_only() {
    for seed in 0..10 {
        let mut setup = Setup::quiet(seed);
        setup.memory_only = true;
        let (mut world, _) = settled(setup);
        for id in everybody(&world) {
            world.crash(id);
            assert!(world.put("k", format!("without {id}")).is_done());
            world.start(id);
            is_whole(&mut world);
        }
        assert_eq!(world.get("k").value(), Some("without r4".into()));
    }
}

/// Four promises elect and two votes choose: a vote may be known to one other only, and so all others are needed.
#[test]
fn with_flexible_quorums() {
    for (phase1, phase2) in [(4, 2), (2, 4)] {
        let mut setup = Setup::quiet(7);
        setup.cluster.quorums = Quorums { phase1, phase2 };
        let (mut world, leader) = settled(setup);
        let lost = other(&[leader]);
        let silent = other(&[leader, lost]);
        world.crash(silent);
        lose_disk(&mut world, lost);
        world.run_for(SOON);
        assert!(recovers(&world, lost), "{silent} may be the only one that knows");
        world.start(silent);
        assert!(world.run_until(SOON, |world| votes(world, lost)));
        assert!(world.put("k", "second").is_done());
        is_whole(&mut world);
    }
}

/// The others have cut their logs: it needs a snapshot before it can vote.
#[test]
fn with_cut_logs() {
    for seed in 0..10 {
        let (mut world, leader) = settled(short_logs(seed, 8));
        write(&mut world, 60);
        let lost = other(&[leader]);
        let before = world.coverage().count(Sometimes::SnapshotInstalled);
        lose_disk(&mut world, lost);
        assert!(world.run_until(SOON, |world| votes(world, lost)));
        assert!(world.coverage().count(Sometimes::SnapshotInstalled) > before);
        assert!(world.put("k", "second").is_done());
        is_whole(&mut world);
        // It is as good as any other: with two others gone, its vote is needed.
        let gone = [leader, other(&[leader, lost])];
        gone.into_iter().for_each(|id| world.crash(id));
        assert_eq!(world.get("k").value(), Some("second".into()));
        gone.into_iter().for_each(|id| world.start(id));
        is_whole(&mut world);
    }
}

/// The leader's disk is lost: it must not use its ballots again. It has no proposer until its acceptor has returned, and leads in a
/// life of that incarnation from then on.
#[test]
fn a_leader_without_its_disk() {
    for seed in 0..10 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        world.partition([leader]);
        lose_disk(&mut world, leader);
        world.run_for(SECOND);
        assert_eq!(status(&world, leader).proposer, ProposerStatus::Failed);
        is_whole(&mut world);
        // Nobody else can be elected now.
        world.cut(&partition::quorum_loss(5, leader));
        assert!(world.run_until(SOON, |world| world.leader() == Some(leader)));
        let ProposerStatus::Leading { ballot } = status(&world, leader).proposer else {
            panic!("it leads")
        };
        assert!(ballot.life.incarnation.0 > 0, "{ballot}");
        world.talk_only_to([leader]);
        assert!(world.put("k", "second").is_done());
        is_whole(&mut world);
    }
}

/// In the two-phase setting every vote is needed, so that no set of others can make up for what one forgot: it stays out, says why,
/// and no update is served any more.
#[test]
fn two_phase_update_has_no_way_back() {
    let mut setup = Setup::quiet(1);
    let config = setup.cluster.config(ReplicaId(0)).two_phase();
    setup.cluster.quorums = config.quorums;
    setup.cluster.update = config.update;
    let (mut world, leader) = settled(setup);
    let lost = other(&[leader]);
    lose_disk(&mut world, lost);
    world.run_for(SECOND);
    assert_eq!(status(&world, lost).acceptor, AcceptorStatus::Out);
    for id in everybody(&world) {
        assert_eq!(
            status(&world, id).lost,
            [lost].into_iter().collect(),
            "{id} knows"
        );
    }
    assert_refused(&mut world, &[lost]);
    world.verdict().unwrap();
}

/// Every replica refuses writes and reads, and names whose memory is missing; and so clients are told.
fn assert_refused(world: &mut World, whose: &[ReplicaId]) {
    let lost: ReplicaSet = whose.iter().copied().collect();
    for id in everybody(world) {
        let tag = Tag { nonce: 9, number: 0 };
        for body in [RequestBody::Open { tag }, RequestBody::Get { key: "k".into() }] {
            let mut asked = world.machine(id).unwrap().clone();
            let event = Event::Client {
                from: ClientId(9),
                request: Request { id: 1, body },
            };
            let answered =
                asked
                    .step(Input { at: Time(0), event })
                    .into_iter()
                    .find_map(|effect| match effect {
                        Effect::Reply { reply, .. } => Some(reply.outcome),
                        _ => None,
                    });
            assert_eq!(
                answered,
                Some(Outcome::Refused(Refusal::MemoryLost { lost })),
                "{id}"
            );
        }
    }
    // A client whose requests may be repeated by the network cannot be sure that a write was not done before.
    assert!(!world.put("k", "refused").is_done());
    assert_eq!(
        world.get("k").0,
        Completion::Refused(Refusal::MemoryLost { lost })
    );
}

/// More have lost their memory than the others can make up for: what was acknowledged may be known to nobody. The cluster refuses,
/// reads too, says whose memory is missing, and does so for good.
#[test]
fn a_majority_without_memory_is_refused_for_good() {
    for seed in 0..5 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let second = other(&[leader]);
        let lost = [leader, second, other(&[leader, second])];
        lost.into_iter().for_each(|id| world.crash(id));
        lost.into_iter().for_each(|id| world.start_empty(id));
        world.run_for(SECOND);
        assert_refused(&mut world, &lost);
        world.run_for(SOON);
        assert_refused(&mut world, &lost);
        // Not even a restart of everybody makes them forget it.
        for id in everybody(&world) {
            world.crash(id);
            world.start(id);
        }
        world.run_for(SOON);
        assert_refused(&mut world, &lost);
        lost.into_iter().for_each(|id| assert!(recovers(&world, id)));
        world.verdict().unwrap();
    }
}

/// One returns in a life that is lower than the one that another has heard of: it announced that and was lost again before anybody else
/// heard. Its votes count with everybody's but that one's: where both are needed nothing would be chosen, though a quorum is connected (S4).
///
/// 1. A loses its disk and announces life 1, of which only E hears; and again, after E, C and D have answered, life 2.
/// 2. It loses its disk once more. B, C and D answer, who have heard of nothing: it returns in life 1.
/// 3. *B and C crash. A, D and E are a quorum, and E's votes say that A's life 1 is over, which A does not find out.* It does: heartbeats
///    tell, and it begins again, in a life above all that were announced.
#[test]
fn returned_in_a_lower_life_than_another_has_heard_of() {
    let (mut world, e) = settled(Setup::quiet(1));
    let a = other(&[e]);
    let b = other(&[e, a]);
    let c = other(&[e, a, b]);
    let d = other(&[e, a, b, c]);
    for life in 1..3 {
        world.crash(a);
        world.cut(&[(a.into(), b.into()), (b.into(), a.into())]);
        world.start_empty(a);
        let announced = |world: &World| match status(world, a).acceptor {
            AcceptorStatus::Recovering { incarnation, .. } => incarnation == Some(Incarnation(life)),
            _ => false,
        };
        assert!(world.run_until(SOON, announced));
        // What it has just said is on its way.
        world.cut(&[(a.into(), c.into()), (a.into(), d.into())]);
        world.run_for(SECOND);
        assert!(announced(&world));
        world.crash(a);
        world.mend();
    }
    world.cut(&[(a.into(), e.into()), (e.into(), a.into())]);
    world.start_empty(a);
    assert!(world.run_until(SOON, |world| votes(world, a)));
    world.mend();
    assert!(world.put("k", "all five").is_done());
    [b, c].into_iter().for_each(|id| world.crash(id));
    let began = world.now();
    while !world.put("k", "three are a quorum").is_done() {
        assert!(world.now() <= began.after(SOON), "{a}, {d} and {e} are connected");
    }
}
