//! Acceptors that lost their memory return: see [`kvpaxos::recovery`]. The simulator checks the invariants
//! after every event; these tests check that acceptors return, when, and when they must not.

use crate::common::{
    SECOND, SOON, check_recovered, everybody, lose_disk, other, recovers, settled, short_logs, status, votes,
    write,
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

/// One replica loses its disk, another one only its acceptor's memory. The work goes on, and both return.
#[test]
fn one_returns() {
    for seed in 0..10 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let (disk, memory) = (other(&[leader]), leader);
        lose_disk(&mut world, disk);
        assert!(world.put("k", "second").is_done());
        check_recovered(&mut world);
        world.fail(memory, Role::Acceptor);
        world.restart_empty(memory, Role::Acceptor);
        assert!(world.put("k", "third").is_done());
        check_recovered(&mut world);
        assert!(world.run_until(SOON, |world| votes(world, disk) && votes(world, memory)));
        assert_eq!(world.coverage().count(Sometimes::AcceptorRecovered), 2);
    }
}

/// All replicas lose their memory, one after the other. What was written before is still there.
#[test]
fn all_in_turn() {
    for seed in 0..10 {
        let (mut world, _) = settled(Setup::quiet(seed));
        for id in everybody(&world) {
            lose_disk(&mut world, id);
            assert!(world.run_until(SOON, |world| votes(world, id)), "{id} returns");
        }
        assert_eq!(world.get("k").value(), Some("first".into()));
        check_recovered(&mut world);
    }
}

/// A minority loses its memory at once.
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
        check_recovered(&mut world);
        assert_eq!(world.get("k").value(), Some("second".into()));
    }
}

/// A replica loses its memory while the others elect a new leader.
#[test]
fn during_an_election() {
    for seed in 0..20 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        let lost = other(&[leader]);
        world.crash(leader);
        world.crash(lost);
        // Some acceptors answer it before they promise, others afterwards.
        world.run_for(kvpaxos::Micros(seed * 40_000));
        world.start_empty(lost);
        assert!(world.put("k", "second").is_done());
        assert!(world.run_until(SOON, |world| votes(world, lost)));
        world.start(leader);
        check_recovered(&mut world);
    }
}

/// A replica without memory on the minority's side of a partition waits until the partition ends, and then
/// returns.
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
        check_recovered(&mut world);
    }
}

/// A replica loses its memory again and again before it has recovered. Each attempt begins anew.
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
        // An unfinished recovery counts as lost memory: the disk does not hold everything that it held before
        // the loss.
        world.crash(lost);
        world.start(lost);
        alone(&mut world);
        world.fail(lost, Role::Acceptor);
        world.restart(lost, Role::Acceptor);
        alone(&mut world);
        check_recovered(&mut world);
        assert!(world.coverage().count(Sometimes::LostWhileRecovering) > 0);
    }
}

/// A replica loses its memory again at every step of its recovery.
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
        check_recovered(&mut world);
    }
}

/// No replica has a disk: a process that stops loses its memory.
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
            check_recovered(&mut world);
        }
        assert_eq!(world.get("k").value(), Some("without r4".into()));
    }
}

/// Four promises elect and two votes choose. A vote may be known to one other acceptor only, so a recovering
/// one needs all others.
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
        check_recovered(&mut world);
    }
}

/// The others have cut their logs, so a recovering replica needs a snapshot before it can vote.
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
        check_recovered(&mut world);
        // Its vote counts like any other: with two others down it is needed.
        let gone = [leader, other(&[leader, lost])];
        gone.into_iter().for_each(|id| world.crash(id));
        assert_eq!(world.get("k").value(), Some("second".into()));
        gone.into_iter().for_each(|id| world.start(id));
        check_recovered(&mut world);
    }
}

/// The leader loses its disk. It must not use its ballots again: its proposer does not run until its acceptor
/// has returned, and then uses ballots of the new incarnation.
#[test]
fn a_leader_without_its_disk() {
    for seed in 0..10 {
        let (mut world, leader) = settled(Setup::quiet(seed));
        world.partition([leader]);
        lose_disk(&mut world, leader);
        world.run_for(SECOND);
        assert_eq!(status(&world, leader).proposer, ProposerStatus::Failed);
        check_recovered(&mut world);
        // No other replica can be elected now.
        world.cut(&partition::quorum_loss(5, leader));
        assert!(world.run_until(SOON, |world| world.leader() == Some(leader)));
        let ProposerStatus::Leading { ballot } = status(&world, leader).proposer else {
            panic!("it leads")
        };
        assert!(ballot.life.incarnation.0 > 0, "{ballot}");
        world.talk_only_to([leader]);
        assert!(world.put("k", "second").is_done());
        check_recovered(&mut world);
    }
}

/// Two-phase updates need every vote, so the others cannot make up for a lost memory. The acceptor stays out,
/// says why, and no update is served any more.
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

/// Checks that every replica refuses writes and reads, and names the replicas whose memory is missing; and
/// that clients get that answer.
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
    // The network may repeat this client's requests, so the client cannot know that a write was not done
    // before.
    assert!(!world.put("k", "refused").is_done());
    assert_eq!(
        world.get("k").0,
        Completion::Refused(Refusal::MemoryLost { lost })
    );
}

/// More replicas have lost their memory than the others can make up for: an acknowledged write may be lost.
/// The cluster refuses service for good, reads included, and names the replicas whose memory is missing.
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
        // A restart of all replicas does not change that.
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

/// An acceptor returns in an incarnation that is lower than one that another acceptor has heard of. Its votes
/// do not count together with those of that acceptor: a quorum that needs both would choose nothing, although
/// it is connected (S4).
///
/// 1. A loses its disk and announces incarnation 1, but only E hears of it. After E, C and D have answered, it
///    announces incarnation 2 as well, and again only E hears of it.
/// 2. A loses its disk once more. B, C and D answer, which have heard of neither: A returns in incarnation 1.
/// 3. B and C crash. A, D and E are a quorum, and E's votes say that A's incarnation 1 is over. A must notice
///    that: heartbeats tell it, and it begins a new incarnation above all that were announced.
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
        // Its last messages are under way.
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
