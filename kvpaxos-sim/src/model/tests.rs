//! Tests of the model checker: it sees as many states as it should, and finds mutants.

use std::collections::HashSet;

use kvpaxos::message::Promise;
use kvpaxos::{Message, Quorums};

use crate::model::bounds::Bounds;
use crate::model::invariant::{Breach, Invariant};
use crate::model::node::{Change, Node};
use crate::model::packet::Packet;
use crate::model::roles::Roles;
use crate::model::search::{Limits, Next, Space, Tally, Verdict, search};
use crate::model::tables::OnRequest;

const NO_LIMIT: Limits = Limits {
    states: usize::MAX,
    depth: usize::MAX,
    threads: 1,
};

fn explore(roles: &Roles) -> (Verdict, Tally) {
    search(roles, NO_LIMIT, |_| {})
}

/// How many states there are. Every invariant must hold in all of them.
fn states(bounds: Bounds) -> usize {
    let roles = Roles::new(bounds);
    let (verdict, tally) = explore(&roles);
    if let Verdict::Violated { breach, path } = &verdict {
        panic!(
            "{breach}\n{}",
            roles.counterexample(path, breach).lines.join("\n")
        );
    }
    assert_eq!(verdict, Verdict::Holds);
    tally.states
}

pub(crate) fn thorough(bounds: Bounds) -> Bounds {
    Bounds {
        thorough: true,
        ..bounds
    }
}

/// The numbers are pinned, so that a change of the core shows here if it adds or removes something that can
/// happen.
#[test]
fn every_invariant_holds() {
    assert_eq!(states(Bounds::new(3, 1)), 970);
    assert_eq!(states(thorough(Bounds::new(3, 0))), 141);
    assert_eq!(states(thorough(Bounds::new(3, 1))), 5_003);
    // Every ballot proposes a value for each slot.
    let two_slots = Bounds {
        slots: 2,
        ..Bounds::new(3, 0)
    };
    assert_eq!(states(two_slots), 981);
}

#[test]
fn every_invariant_holds_with_quorums_of_different_sizes() {
    let quorums = Quorums { phase1: 3, phase2: 2 };
    let bounds = Bounds {
        quorums,
        ..Bounds::new(4, 1)
    };
    assert!(states(bounds) > 1_000);
}

#[test]
fn every_invariant_holds_when_crashes_lose_unsynced_changes() {
    let bounds = Bounds {
        unsynced: 1,
        ..Bounds::new(3, 1)
    };
    assert!(states(bounds) > 970);
}

#[test]
fn every_invariant_holds_when_logs_are_cut() {
    let bounds = Bounds {
        cuts: true,
        ..Bounds::new(3, 1)
    };
    assert!(states(bounds) > 970);
}

#[test]
fn every_invariant_holds_when_memories_come_slot_by_slot() {
    let bounds = Bounds {
        slots: 2,
        chunks: true,
        ..Bounds::new(3, 1)
    };
    assert_eq!(states(bounds), 61_391);
}

/// A state stands for those that differ from it only in the names of acceptors, and for no others. A search
/// that distinguishes names sees exactly as many states as these.
#[test]
fn one_state_stands_for_its_renamings() {
    let bounds = thorough(Bounds::new(3, 0));
    let roles = Roles::new(bounds);
    let mut seen = HashSet::new();
    let mut open = vec![roles.initial()];
    let mut renamings = 0;
    seen.insert(roles.fingerprint(&open[0]));
    while let Some(state) = open.pop() {
        renamings += roles.count_renamed(&state);
        roles.expand(&state, &|_| false, &mut |next| {
            if let Next::State(print, state) = next
                && seen.insert(print)
            {
                open.push(state);
            }
        });
    }
    let (verdict, all) = explore(&Roles::with(bounds, Node::on_request, false));
    assert_eq!(verdict, Verdict::Holds);
    assert_eq!(renamings, all.states);
    assert!(seen.len() * 3 < all.states, "{} of {}", seen.len(), all.states);
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let bounds = thorough(Bounds::new(3, 1));
    let limits = Limits {
        threads: 3,
        ..NO_LIMIT
    };
    let (verdict, several) = search(&Roles::new(bounds), limits, |_| {});
    let (_, one) = explore(&Roles::new(bounds));
    assert_eq!(verdict, Verdict::Holds);
    assert_eq!(
        (one.states, one.steps, one.depth),
        (several.states, several.steps, several.depth)
    );
}

#[test]
fn a_search_that_stops_at_a_limit_says_so() {
    let limits = Limits { depth: 5, ..NO_LIMIT };
    let (verdict, tally) = search(&Roles::new(Bounds::new(3, 1)), limits, |_| {});
    assert_eq!(verdict, Verdict::LimitReached);
    assert_eq!(tally.depth, 5);
}

/// Searches with mutants of the acceptors. Returns the invariant that was broken, and after how many steps.
fn find(bounds: Bounds, mutant: OnRequest) -> (Invariant, usize) {
    let roles = Roles::with(bounds, mutant, true);
    let (verdict, _) = explore(&roles);
    let Verdict::Violated { breach, path } = verdict else {
        panic!("nothing was found: {verdict:?}");
    };
    let counterexample = roles.counterexample(&path, &breach);
    assert!(counterexample.lines.len() >= path.len(), "{counterexample:?}");
    (breach.invariant, counterexample.lines.len())
}

/// A mutant: it votes below its promise.
fn votes_for_everybody(node: &Node, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
    let Message::Accept { ballot, slot, .. } = &packet.message else {
        return node.on_request(packet, bounds);
    };
    let mut change = node.on_request(packet, bounds)?;
    if let (Some(change), Some(acceptor)) = (&mut change, node.live()) {
        for sent in &mut change.sent {
            sent.message = Message::Accepted {
                ballot: *ballot,
                slot: *slot,
                vector: acceptor.vector().clone(),
            };
        }
    }
    Ok(change)
}

/// A mutant: its promises and votes carry no crash vector.
fn votes_without_vectors(node: &Node, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
    let mut change = node.on_request(packet, bounds)?;
    for sent in change.iter_mut().flat_map(|change| &mut change.sent) {
        if let Message::Accepted { vector, .. } | Message::Promise(Promise { vector, .. }) = &mut sent.message
        {
            *vector = kvpaxos::crash_vector::CrashVector::default();
        }
    }
    Ok(change)
}

/// A mutant: its promises leave out what it accepted.
fn promises_without_entries(node: &Node, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
    let mut change = node.on_request(packet, bounds)?;
    for sent in change.iter_mut().flat_map(|change| &mut change.sent) {
        if let Message::Promise(Promise { entries, .. }) = &mut sent.message {
            entries.clear();
        }
    }
    Ok(change)
}

/// Votes for everybody, promises without entries, and votes without vectors, each within bounds in which that leads to
/// two chosen values.
pub(crate) fn mutants() -> [Roles; 3] {
    [
        Roles::with(Bounds::new(3, 0), votes_for_everybody, true),
        Roles::with(Bounds::new(3, 0), promises_without_entries, true),
        Roles::with(Bounds::new(3, 1), votes_without_vectors, true),
    ]
}

#[test]
fn mutants_are_found() {
    for bounds in [Bounds::new(3, 0), thorough(Bounds::new(3, 0))] {
        assert_eq!(find(bounds, votes_for_everybody).0, Invariant::Agreement);
        assert_eq!(find(bounds, promises_without_entries).0, Invariant::Agreement);
    }
    for bounds in [Bounds::new(3, 1), thorough(Bounds::new(3, 1))] {
        assert_eq!(find(bounds, votes_without_vectors).0, Invariant::Agreement);
    }
}
