//! The checker is checked: it counts what it should, and finds what is wrong.

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

/// How many states there are, if every invariant holds in all.
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

fn thorough(bounds: Bounds) -> Bounds {
    Bounds {
        thorough: true,
        ..bounds
    }
}

/// The numbers are pinned: a change of the core that adds or removes something that can happen shows here.
#[test]
fn the_shipping_roles_hold() {
    assert_eq!(states(Bounds::new(3, 1)), 970);
    assert_eq!(states(thorough(Bounds::new(3, 0))), 141);
    assert_eq!(states(thorough(Bounds::new(3, 1))), 5_003);
    // Each ballot has something to propose for every slot.
    let two_slots = Bounds {
        slots: 2,
        ..Bounds::new(3, 0)
    };
    assert_eq!(states(two_slots), 981);
}

#[test]
fn they_hold_with_quorums_of_different_sizes() {
    let quorums = Quorums { phase1: 3, phase2: 2 };
    let bounds = Bounds {
        quorums,
        ..Bounds::new(4, 1)
    };
    assert!(states(bounds) > 1_000);
}

#[test]
fn they_hold_when_what_is_not_durable_is_lost() {
    let bounds = Bounds {
        unsynced: 1,
        ..Bounds::new(3, 1)
    };
    assert!(states(bounds) > 970);
}

#[test]
fn they_hold_when_logs_are_cut() {
    let bounds = Bounds {
        cuts: true,
        ..Bounds::new(3, 1)
    };
    assert!(states(bounds) > 970);
}

#[test]
fn they_hold_when_memories_are_told_slot_by_slot() {
    let bounds = Bounds {
        slots: 2,
        chunks: true,
        ..Bounds::new(3, 1)
    };
    assert_eq!(states(bounds), 61_391);
}

/// One state of those that differ in names alone stands for all of them, and for no other: if names are told apart, there are just as many
/// states as those that were seen have likenesses.
#[test]
fn names_do_not_matter() {
    let bounds = thorough(Bounds::new(3, 0));
    let roles = Roles::new(bounds);
    let mut seen = HashSet::new();
    let mut open = vec![roles.initial()];
    let mut likenesses = 0;
    seen.insert(roles.fingerprint(&open[0]));
    while let Some(state) = open.pop() {
        likenesses += roles.likenesses(&state);
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
    assert_eq!(likenesses, all.states);
    assert!(seen.len() * 3 < all.states, "{} of {}", seen.len(), all.states);
}

#[test]
fn any_number_of_threads_sees_the_same() {
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
fn a_limit_is_told() {
    let limits = Limits { depth: 5, ..NO_LIMIT };
    let (verdict, tally) = search(&Roles::new(Bounds::new(3, 1)), limits, |_| {});
    assert_eq!(verdict, Verdict::LimitReached);
    assert_eq!(tally.depth, 5);
}

/// Searches with wrong acceptors; returns what was found, and in how many steps.
fn find(bounds: Bounds, wrong: OnRequest) -> (Invariant, usize) {
    let roles = Roles::with(bounds, wrong, true);
    let (verdict, _) = explore(&roles);
    let Verdict::Violated { breach, path } = verdict else {
        panic!("nothing was found: {verdict:?}");
    };
    let counterexample = roles.counterexample(&path, &breach);
    assert!(counterexample.lines.len() >= path.len(), "{counterexample:?}");
    (breach.invariant, counterexample.lines.len())
}

/// An acceptor that votes below its promise.
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

/// One that tells of no lives in its votes.
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

/// One that promises, and tells nothing of what it accepted.
fn promises_without_entries(node: &Node, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
    let mut change = node.on_request(packet, bounds)?;
    for sent in change.iter_mut().flat_map(|change| &mut change.sent) {
        if let Message::Promise(Promise { entries, .. }) = &mut sent.message {
            entries.clear();
        }
    }
    Ok(change)
}

#[test]
fn wrong_acceptors_are_found_out() {
    for bounds in [Bounds::new(3, 0), thorough(Bounds::new(3, 0))] {
        assert_eq!(find(bounds, votes_for_everybody).0, Invariant::Agreement);
        assert_eq!(find(bounds, promises_without_entries).0, Invariant::Agreement);
    }
    for bounds in [Bounds::new(3, 1), thorough(Bounds::new(3, 1))] {
        assert_eq!(find(bounds, votes_without_vectors).0, Invariant::Agreement);
    }
}
