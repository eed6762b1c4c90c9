//! *Paxos Made Simple* (Lamport, 2001), section 2. Each claim has a test, which is named after it and quotes
//! its sentence.
//!
//! A test runs one or more of three replicas, and plays their peers. A proposal is an Accept message, and its
//! number is a ballot. Everything happens in one slot, which is one instance of the paper's algorithm.

#[path = "paxos_made_simple/implementation.rs"]
mod implementation;
#[path = "paxos_made_simple/learning.rs"]
mod learning;
#[path = "paxos_made_simple/lone.rs"]
mod lone;
#[path = "paxos_made_simple/progress.rs"]
mod progress;
mod single;

use kvpaxos::io::Deposition;
use kvpaxos::status::ProposerStatus;
use kvpaxos::{Ballot, Config, Entropy, Event, Memory, Message, Observation, Record, Replica, Role, Time};

use lone::{R0, R1, R2, SLOT, accept, accepted, ballot, entry, payload, prepare, promise, value};
use single::SingleReplica;

// 2.1 The Problem

/// "Only a value that has been proposed may be chosen."
#[test]
fn s21_only_a_value_that_has_been_proposed_may_be_chosen() {
    let mut leader = SingleReplica::new(R0);
    let (ballot, said) = leader.leads(R1, Vec::new());
    assert_eq!(
        said.proposed(),
        None,
        "no client has asked, so nothing is proposed"
    );
    let said = leader.is_asked("asked for");
    let (_, proposed) = said.proposed().expect("the client's value is proposed");
    leader.hears(R1, accepted(ballot));
    assert_eq!(leader.chosen(), Some(&proposed));
    assert_eq!(payload(&proposed), b"asked for");
}

/// "Only a single value is chosen."
#[test]
fn s21_only_a_single_value_is_chosen() {
    // "first" is chosen with the votes of r0 and r1, and r0 stops. Then r2 proposes "second".
    let (mut r0, mut r1, mut r2) = (
        SingleReplica::new(R0),
        SingleReplica::new(R1),
        SingleReplica::new(R2),
    );
    let (first_ballot, _) = r0.leads(R1, Vec::new());
    r1.hears(R0, prepare(first_ballot));
    let (_, first) = r0.is_asked("first").proposed().expect("r0 leads");
    assert_eq!(
        r1.hears(R0, accept(first_ballot, first.clone())).accepted(),
        Some(first_ballot)
    );
    r0.hears(R1, accepted(first_ballot));
    assert_eq!(r0.chosen(), Some(&first));

    r2.highest = first_ballot;
    r2.is_asked("second");
    let (second_ballot, _) = r2.stands();
    let (_, entries) = r1
        .hears(R2, prepare(second_ballot))
        .promised()
        .expect("r1 promises");
    let (_, proposed) = r2
        .hears(R1, promise(second_ballot, entries))
        .proposed()
        .expect("r2 leads");
    assert_eq!(proposed, first, "the second leader proposes the chosen value");
    r1.hears(R2, accept(second_ballot, proposed));
    r2.hears(R1, accepted(second_ballot));
    assert_eq!(r2.chosen(), Some(&first));
}

/// "A process never learns that a value has been chosen unless it actually has been."
#[test]
fn s21_a_process_never_learns_that_a_value_has_been_chosen_unless_it_has_been() {
    let mut leader = SingleReplica::new(R0);
    let ballot = leader.leads_without_own_vote();
    leader.is_asked("v");
    leader.hears(R1, accepted(ballot));
    leader.hears(R1, accepted(ballot));
    leader.hears(
        R2,
        accepted(Ballot {
            round: ballot.round - 1,
            ..ballot
        }),
    );
    assert_eq!(
        leader.chosen(),
        None,
        "one acceptor voted twice, and one voted in another ballot"
    );
    leader.hears(R2, accepted(ballot));
    assert!(leader.chosen().is_some(), "two of three acceptors voted");

    let mut follower = SingleReplica::new(R1);
    follower.hears(R0, accept(ballot, value("v")));
    assert_eq!(
        follower.chosen(),
        None,
        "a value is not chosen because one acceptor accepted it"
    );
}

// 2.2 Choosing a Value

/// "P1. An acceptor must accept the first proposal that it receives."
#[test]
fn s22_p1_an_acceptor_accepts_the_first_proposal_that_it_receives() {
    let mut acceptor = SingleReplica::new(R1);
    let said = acceptor.hears(R0, accept(ballot(1, R0), value("v")));
    assert_eq!(said.accepted(), Some(ballot(1, R0)));
}

/// "P1a. An acceptor can accept a proposal numbered n iff it has not responded to a prepare request having a
/// number greater than n."
#[test]
fn s22_p1a_an_acceptor_accepts_iff_it_has_not_responded_to_a_higher_prepare() {
    let promised = ballot(2, R0);
    let after_promise = |from, ballot| {
        let mut acceptor = SingleReplica::new(R1);
        assert!(acceptor.hears(R0, prepare(promised)).promised().is_some());
        acceptor.hears(from, accept(ballot, value("v")))
    };
    let lower = after_promise(R2, ballot(1, R2));
    assert_eq!(lower.accepted(), None);
    assert_eq!(lower.records, [], "a refusal writes nothing");
    assert_eq!(after_promise(R0, promised).accepted(), Some(promised));
    let higher = ballot(2, R2);
    assert_eq!(
        after_promise(R2, higher).accepted(),
        Some(higher),
        "no promise of this ballot is needed"
    );
}

/// "P2. If a proposal with value v is chosen, then every higher-numbered proposal that is chosen has value
/// v." And "P2a ... accepted by any acceptor": r2 has not heard of v, and accepts it from the next leader.
#[test]
fn s22_p2_and_p2a_whatever_is_chosen_or_accepted_later_is_the_same_value() {
    let chosen_in = ballot(1, R0);
    let mut r1 = SingleReplica::new(R1);
    r1.hears(R0, accept(chosen_in, value("v")));
    // r0 and r1 accepted v, so it is chosen. r1 leads next, with r2's promise, and its client proposes
    // another value.
    r1.is_asked("w");
    let (next, said) = r1.leads(R2, Vec::new());
    let (_, proposed) = said.proposed().expect("r1 leads");
    assert_eq!(proposed, value("v"));
    let mut r2 = SingleReplica::new(R2);
    r2.hears(R1, prepare(next));
    assert_eq!(r2.hears(R1, accept(next, proposed)).accepted(), Some(next));
    assert!(
        matches!(r2.disk.last(), Some(Record::Accepted { value: kept, .. }) if *kept == value("v")),
        "P2a"
    );
    r1.hears(R2, accepted(next));
    assert_eq!(r1.chosen(), Some(&value("v")), "P2");
}

/// "P2b. If a proposal with value v is chosen, then every higher-numbered proposal issued by any proposer has
/// value v." Every majority has a member that accepted v and reports it.
#[test]
fn s22_p2b_whatever_is_proposed_later_is_the_same_value() {
    let chosen_in = ballot(1, R1);
    let mut r0 = SingleReplica::new(R0);
    r0.highest = chosen_in;
    r0.is_asked("w");
    let (later, said) = r0.leads(R1, vec![entry(chosen_in, "v")]);
    assert!(later > chosen_in);
    assert_eq!(said.proposed(), Some((later, value("v"))));
}

/// "P2c ... (a) no acceptor in S has accepted any proposal numbered less than n": then "any value selected by
/// the proposer" may be proposed.
#[test]
fn s22_p2c_a_where_nothing_was_accepted_the_proposer_is_free() {
    let mut r0 = SingleReplica::new(R0);
    r0.is_asked("w");
    let (ballot, said) = r0.leads(R1, Vec::new());
    let (proposed_in, proposed) = said.proposed().expect("r0 leads");
    assert_eq!((proposed_in, payload(&proposed)), (ballot, &b"w"[..]));
}

/// "P2c ... (b) v is the value of the highest-numbered proposal among all proposals numbered less than n
/// accepted by the acceptors in S."
#[test]
fn s22_p2c_b_else_it_takes_the_value_of_the_highest_numbered_proposal() {
    for (own, other, expected) in [(1, 2, "other"), (2, 1, "own")] {
        let mut r0 = SingleReplica::new(R0);
        r0.highest = ballot(2, R2);
        r0.hears(R1, accept(ballot(own, R1), value("own")));
        let (leads_with, said) = r0.leads(R2, vec![entry(ballot(other, R2), "other")]);
        assert_eq!(said.proposed(), Some((leads_with, value(expected))));
    }
}

/// "If the proposer receives the requested responses from a majority of the acceptors, then it can issue a
/// proposal": not with fewer responses, and not with responses to another number.
#[test]
fn s22_a_proposal_is_issued_after_the_responses_of_a_majority() {
    let mut r0 = SingleReplica::new(R0);
    r0.fail(Role::Acceptor);
    r0.is_asked("v");
    let (ballot, _) = r0.stands();
    let earlier = Ballot {
        round: ballot.round - 1,
        ..ballot
    };
    assert_eq!(r0.hears(R1, promise(ballot, Vec::new())).proposed(), None);
    assert_eq!(
        r0.hears(R1, promise(ballot, Vec::new())).proposed(),
        None,
        "a second promise of the same acceptor"
    );
    assert_eq!(
        r0.hears(R2, promise(earlier, Vec::new())).proposed(),
        None,
        "a promise for another number"
    );
    assert!(r0.hears(R2, promise(ballot, Vec::new())).proposed().is_some());
}

/// The response to a prepare request: "(a) a promise never again to accept a proposal numbered less than n,
/// and (b) the proposal with the highest number less than n that it has accepted, if any."
#[test]
fn s22_a_promise_reports_the_highest_numbered_proposal_that_was_accepted() {
    let mut acceptor = SingleReplica::new(R1);
    acceptor.hears(R0, accept(ballot(1, R0), value("v")));
    acceptor.hears(R2, accept(ballot(2, R2), value("w")));
    let said = acceptor.hears(R0, prepare(ballot(3, R0)));
    assert_eq!(
        said.promised(),
        Some((ballot(3, R0), vec![entry(ballot(2, R2), "w")]))
    );
}

/// "There is no reason for [the acceptor] to respond to the new prepare request [numbered lower]. So we have
/// the acceptor ignore such a prepare request." The acceptor does send a refusal, which section 2.2
/// recommends below.
#[test]
fn s22_a_lower_prepare_is_ignored() {
    let mut acceptor = SingleReplica::new(R1);
    acceptor.hears(R2, prepare(ballot(2, R2)));
    let said = acceptor.hears(R0, prepare(ballot(1, R0)));
    assert_eq!(said.promised(), None);
    assert_eq!(said.records, []);
}

/// "We also have it ignore a prepare request for a proposal it has already accepted." Here the acceptor
/// answers such a repeat, but promises nothing new.
#[test]
fn s22_a_prepare_for_what_was_already_accepted_changes_nothing() {
    let mut acceptor = SingleReplica::new(R1);
    acceptor.hears(R0, prepare(ballot(1, R0)));
    acceptor.hears(R0, accept(ballot(1, R0), value("v")));
    let before = acceptor.replica.status();
    let said = acceptor.hears(R0, prepare(ballot(1, R0)));
    assert_eq!(said.records, []);
    assert_eq!(acceptor.replica.status().acceptor, before.acceptor);
}

/// "An acceptor needs to remember only the highest-numbered proposal that it has ever accepted and the number
/// of the highest-numbered prepare request to which it has responded."
#[test]
fn s22_an_acceptor_remembers_only_its_highest_proposal_and_its_highest_promise() {
    let mut acceptor = SingleReplica::new(R1);
    acceptor.hears(R0, prepare(ballot(1, R0)));
    acceptor.hears(R0, accept(ballot(1, R0), value("v")));
    acceptor.hears(R2, prepare(ballot(2, R2)));
    acceptor.hears(R2, accept(ballot(2, R2), value("w")));
    acceptor.hears(R0, prepare(ballot(3, R0)));
    let essence = vec![
        Record::Accepted {
            ballot: ballot(2, R2),
            slot: SLOT,
            value: value("w"),
        },
        Record::Promised {
            ballot: ballot(3, R0),
        },
    ];
    let start = |records| {
        Replica::new(
            Config::new(R1, 3),
            Memory::Kept(records),
            Entropy([1; 32]),
            Time(0),
        )
    };
    assert!(acceptor.disk.len() > essence.len());
    assert_eq!(
        start(acceptor.disk).expect("sound"),
        start(essence).expect("sound")
    );
}

/// "Because P2c must be kept invariant regardless of failures, an acceptor must remember this information
/// even if it fails and then restarts."
#[test]
fn s22_an_acceptor_remembers_even_if_it_fails_and_then_restarts() {
    let mut acceptor = SingleReplica::new(R1);
    acceptor.hears(R0, accept(ballot(1, R0), value("v")));
    acceptor.hears(R2, prepare(ballot(3, R2)));
    acceptor.restart();
    assert_eq!(
        acceptor.hears(R0, accept(ballot(2, R0), value("w"))).accepted(),
        None,
        "it remembers its promise"
    );
    let said = acceptor.hears(R0, prepare(ballot(4, R0)));
    assert_eq!(
        said.promised(),
        Some((ballot(4, R0), vec![entry(ballot(1, R0), "v")])),
        "it remembers its vote"
    );
}

/// "The proposer can always abandon a proposal and forget all about it—as long as it never tries to issue
/// another proposal with the same number." Here the proposer loses its whole memory, with the promises that
/// it has counted.
#[test]
fn s22_a_proposer_may_forget_all_about_a_proposal_but_not_reuse_its_number() {
    let mut proposer = SingleReplica::new(R0);
    let (first, _) = proposer.stands();
    proposer.fail(Role::Proposer);
    let event = Event::Restart {
        role: Role::Proposer,
        memory: Memory::Lost,
        entropy: Entropy([7; 32]),
    };
    proposer.step(event);
    let (second, _) = proposer.stands();
    assert!(second > first);
    let said = proposer.hears(R1, promise(first, Vec::new()));
    assert_eq!(
        said.proposed(),
        None,
        "promises for the forgotten number do not count"
    );
    assert!(matches!(
        proposer.replica.status().proposer,
        ProposerStatus::Preparing { .. }
    ));
}

/// "If an acceptor ignores a prepare or accept request because it has already received a prepare request with
/// a higher number, then it should probably inform the proposer, who should then abandon its proposal."
#[test]
fn s22_a_proposer_abandons_its_proposal_when_it_is_told_of_a_higher_one() {
    let higher = ballot(9, R2);
    let mut acceptor = SingleReplica::new(R1);
    acceptor.hears(R2, prepare(higher));
    let mut proposer = SingleReplica::new(R0);
    let (own, _) = proposer.stands();
    assert_eq!(acceptor.hears(R0, prepare(own)).refused(), Some(higher));
    assert_eq!(
        acceptor.hears(R0, accept(own, value("v"))).refused(),
        Some(higher)
    );
    let said = proposer.hears(
        R1,
        Message::Refused {
            ballot: own,
            promised: higher,
        },
    );
    assert!(said.notes.contains(&Observation::Deposed {
        ballot: own,
        why: Deposition::Higher { ballot: higher },
    }));
}
