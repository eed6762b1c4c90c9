//! Tests of the specification: what the papers say, step by step.

use kvpaxos::{Ballot, Incarnation, Life, Quorums, ReplicaId, Slot};

use crate::model::{Invariant, Limits, Verdict, search};

use super::{Condition, Exploration, Lives, Memory, Rules, State};

const R: [ReplicaId; 3] = [ReplicaId(0), ReplicaId(1), ReplicaId(2)];
const SLOT: Slot = Slot(0);

fn ballot(round: u64) -> Ballot {
    Ballot {
        round,
        replica: ReplicaId(0),
        life: Life::default(),
    }
}

/// Three acceptors with majorities, and two prepared ballots.
fn state() -> State<char> {
    let mut state = State::new(3, Rules::new(3, Quorums::majority(3)));
    state.prepare(ballot(1));
    state.prepare(ballot(2));
    state
}

/// In ballot 1 a value is proposed, and r0 votes for it.
fn one_vote() -> State<char> {
    let mut state = state();
    state.promise(R[0], ballot(1)).unwrap();
    state.promise(R[1], ballot(1)).unwrap();
    state.propose(ballot(1), SLOT, 'x').unwrap();
    state.accept(R[0], ballot(1), SLOT, &'x').unwrap();
    state
}

#[test]
fn a_value_is_chosen_by_a_quorum_in_one_ballot() {
    let mut state = one_vote();
    assert_eq!(state.learn(ballot(1), SLOT), Err(Condition::VoteQuorum));
    state.accept(R[0], ballot(1), SLOT, &'x').unwrap();
    assert_eq!(
        state.learn(ballot(1), SLOT),
        Err(Condition::VoteQuorum),
        "the same vote again"
    );
    state.accept(R[2], ballot(1), SLOT, &'x').unwrap();
    assert_eq!(state.learn(ballot(1), SLOT), Ok(()));
    assert_eq!(state.instance(SLOT).unwrap().chosen, ['x']);
    assert!(state.all_chosen_below(Slot(1)) && !state.all_chosen_below(Slot(2)));
}

#[test]
fn an_acceptor_keeps_its_promise() {
    let mut state = one_vote();
    state.promise(R[1], ballot(2)).unwrap();
    assert_eq!(state.promise(R[1], ballot(1)), Err(Condition::PromiseNotLower));
    assert_eq!(
        state.accept(R[1], ballot(1), SLOT, &'x'),
        Err(Condition::VoteAtPromise)
    );
    assert_eq!(
        state.accept(R[0], ballot(1), SLOT, &'y'),
        Err(Condition::Proposed)
    );
    assert_eq!(state.promise(R[1], ballot(3)), Err(Condition::Prepared));
}

/// P2c: a new ballot is bound by a vote that its quorum reports, and free if the quorum reports none.
#[test]
fn the_highest_vote_of_a_quorum_is_proposed() {
    let mut state = one_vote();
    state.promise(R[0], ballot(2)).unwrap();
    assert_eq!(state.propose(ballot(2), SLOT, 'x'), Err(Condition::PromiseQuorum));
    state.promise(R[1], ballot(2)).unwrap();
    assert_eq!(
        state.clone().propose(ballot(2), SLOT, 'y'),
        Err(Condition::PromiseQuorum)
    );
    assert_eq!(state.clone().propose(ballot(2), SLOT, 'x'), Ok(()));
    state.promise(R[2], ballot(2)).unwrap();
    assert_eq!(
        state.propose(ballot(2), SLOT, 'y'),
        Ok(()),
        "r1 and r2 have not voted"
    );
    assert_eq!(state.propose(ballot(2), SLOT, 'x'), Err(Condition::OneValue));
}

#[test]
fn what_is_not_chosen_is_not_cut() {
    let mut state = one_vote();
    assert_eq!(state.cut(R[0], Slot(1)), Err(Condition::CutChosen));
    state.accept(R[1], ballot(1), SLOT, &'x').unwrap();
    state.cut(R[0], Slot(1)).unwrap();
    assert_eq!(
        state.accept(R[0], ballot(1), SLOT, &'x'),
        Err(Condition::VoteAboveCut)
    );
    // A quorum with r0 says nothing about the slot.
    state.promise(R[0], ballot(2)).unwrap();
    state.promise(R[2], ballot(2)).unwrap();
    assert_eq!(state.propose(ballot(2), SLOT, 'x'), Err(Condition::PromiseQuorum));
    state.promise(R[1], ballot(2)).unwrap();
    assert_eq!(
        state.clone().propose(ballot(2), SLOT, 'y'),
        Err(Condition::PromiseQuorum)
    );
    assert_eq!(state.propose(ballot(2), SLOT, 'x'), Ok(()));
}

#[test]
fn an_acceptor_without_memory_recovers_what_a_quorum_remembers() {
    let mut state = one_vote();
    state.lose_memory(R[1]);
    let life = (R[1], Incarnation(1));
    assert_eq!(state.promise(R[1], ballot(2)), Err(Condition::PromiseFromMemory));
    assert_eq!(
        state.accept(R[1], ballot(1), SLOT, &'x'),
        Err(Condition::VoteFromMemory)
    );
    assert_eq!(state.answer(R[0], life), Err(Condition::Announced));
    assert_eq!(state.announce((R[1], Incarnation(0))), Err(Condition::NewLife));
    assert_eq!(
        state.announce((R[0], Incarnation(1))),
        Err(Condition::MemoryIsLost)
    );
    state.announce(life).unwrap();
    state.answer(R[0], life).unwrap();

    let mut memory = Memory {
        lives: Lives::from_iter([life]),
        ..Memory::default()
    };
    assert_eq!(state.recover(R[1], memory.clone()), Err(Condition::AnswerQuorum));
    state.answer(R[2], life).unwrap();
    assert_eq!(
        state.recover(R[1], memory.clone()),
        Err(Condition::AnswerQuorum),
        "it forgets a promise"
    );
    memory.promised = ballot(1);
    assert_eq!(
        state.recover(R[1], memory.clone()),
        Err(Condition::AnswerQuorum),
        "it forgets a vote"
    );
    memory.votes = state.acceptor(R[0]).memory.as_ref().unwrap().votes.clone();
    state.recover(R[1], memory).unwrap();

    state.accept(R[1], ballot(1), SLOT, &'x').unwrap();
    assert_eq!(
        state.learn(ballot(1), SLOT),
        Ok(()),
        "r0 voted before it heard of that life"
    );
}

/// A vote of a life that is over does not count with votes of acceptors that knew so when they voted.
#[test]
fn votes_of_a_life_that_is_over_count_with_earlier_votes_only() {
    let mut state = one_vote();
    state.lose_memory(R[0]);
    let life = (R[0], Incarnation(1));
    state.announce(life).unwrap();
    state.answer(R[1], life).unwrap();
    state.accept(R[1], ballot(1), SLOT, &'x').unwrap();
    assert_eq!(state.learn(ballot(1), SLOT), Err(Condition::VoteQuorum));
    state.accept(R[2], ballot(1), SLOT, &'x').unwrap();
    assert_eq!(state.learn(ballot(1), SLOT), Ok(()), "r1 and r2, and r0 and r2");
}

/// How many states there are. Agreement must hold in all of them.
fn states(what: &Exploration) -> usize {
    let (verdict, tally) = search(what, NO_LIMIT, |_| {});
    if let Verdict::Violated { path, .. } = &verdict {
        panic!("{what}: {}", what.steps(path).join("\n"));
    }
    assert_eq!(verdict, Verdict::Holds);
    tally.states
}

const NO_LIMIT: Limits = Limits {
    states: usize::MAX,
    depth: usize::MAX,
    threads: 1,
};

fn with_cuts(losses: usize) -> Exploration {
    Exploration {
        cuts: true,
        ..Exploration::new(3, losses)
    }
}

fn with_quorums(phase1: usize, phase2: usize) -> Exploration {
    Exploration {
        rules: Rules::new(3, Quorums { phase1, phase2 }),
        ..Exploration::new(3, 0)
    }
}

/// The numbers are pinned, so that a change of the specification shows here.
#[test]
fn two_values_are_never_chosen_for_one_slot() {
    assert_eq!(states(&Exploration::new(3, 0)), 267);
    assert_eq!(states(&with_cuts(0)), 1_272);
    assert!(states(&with_quorums(3, 1)) > 100);
    assert!(states(&with_quorums(1, 3)) > 100);
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "too slow without optimization: .ci/run plays it in release"
)]
fn two_values_are_never_chosen_for_one_slot_though_a_memory_is_lost() {
    assert_eq!(states(&Exploration::new(3, 1)), 36_565);
    let three = Exploration {
        ballots: 3,
        ..Exploration::new(3, 0)
    };
    assert_eq!(states(&three), 7_732);
}

/// Leaves the condition out, and returns how many steps lead to two chosen values.
fn steps_without(condition: Condition) -> usize {
    let what = Exploration::that_needs(condition).expect("there are bounds");
    let (verdict, tally) = search(&what, NO_LIMIT, |_| {});
    let Verdict::Violated { breach, path } = verdict else {
        panic!("agreement holds without {condition:?}: {tally:?}");
    };
    assert_eq!(breach.invariant, Invariant::Agreement);
    let steps = what.steps(&path);
    assert_eq!(steps.len(), path.len(), "each step has its line: {steps:?}");
    println!("{condition:?}: {} steps, {} states", steps.len(), tally.states);
    steps.len()
}

/// The check can fail: without any of these conditions two values are chosen.
#[test]
fn every_condition_of_paxos_is_needed() {
    assert_eq!(steps_without(Condition::PromiseNotLower), 11);
    assert_eq!(steps_without(Condition::OneValue), 8);
    assert_eq!(steps_without(Condition::PromiseQuorum), 10);
    assert_eq!(steps_without(Condition::HighestVote), 10);
    assert_eq!(steps_without(Condition::ReportedSlot), 12);
    assert_eq!(steps_without(Condition::Proposed), 6);
    assert_eq!(steps_without(Condition::VoteAtPromise), 10);
    assert_eq!(steps_without(Condition::VoteQuorum), 8);
}

/// The same for loss of memory.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "too slow without optimization: .ci/run plays it in release"
)]
fn every_condition_of_recovery_is_needed() {
    for condition in Condition::ALL {
        if let Some(what) = Exploration::that_needs(condition)
            && what.losses == 1
        {
            assert!(steps_without(condition) >= 10);
        }
    }
}

/// Quorums that do not meet are no quorums.
#[test]
fn quorums_that_do_not_meet_let_two_values_be_chosen() {
    for (phase1, phase2) in [(1, 2), (2, 1)] {
        let (verdict, _) = search(&with_quorums(phase1, phase2), NO_LIMIT, |_| {});
        assert!(matches!(verdict, Verdict::Violated { .. }), "{phase1},{phase2}");
    }
}
