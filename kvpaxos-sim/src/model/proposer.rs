//! Proposers: the core's [`Candidacy`], and its [`Leadership`], which counts votes.
//!
//! Both only listen until they conclude something, and packets stay deliverable. So a proposer concludes the
//! same if everything that led to the conclusion arrives right before it, and states need not contain what a
//! proposer has heard so far. What it can conclude from a set of packets is found by delivering them in every
//! order to a candidate or a leader of the core.

use std::collections::{BTreeSet, HashSet};

use kvpaxos::agreement::StateDigest;
use kvpaxos::candidacy::Candidacy;
use kvpaxos::command::Tag;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::leadership::Leadership;
use kvpaxos::message::Promise;
use kvpaxos::{Ballot, Command, Limits, Message, ReplicaId, Slot, Value, Watermark};

use crate::hashing::BuildQuick;
use crate::model::bounds::Bounds;
use crate::model::invariant::{Breach, Invariant};
use crate::model::packet::Packet;

/// A candidate that became leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Elected {
    pub(super) leadership: Leadership,
    /// The values that it proposes.
    pub(super) proposals: Vec<(Slot, Value)>,
}

/// The command that the proposer at `place` brings for its `nth` slot. Each slot has a command of its own,
/// since a leader proposes a command only once.
pub(super) fn own_command(bounds: &Bounds, place: usize, nth: u64) -> Command {
    Command::Opaque {
        tag: Tag {
            nonce: nth,
            number: bounds.proposer(place).0.into(),
        },
        payload: format!("v{}", place + 1).into(),
    }
}

/// Every leader that the candidate at `place` can become when some of these promises reach it, and the places
/// of those that lead there, in order.
pub(super) fn elections(
    bounds: &Bounds,
    place: usize,
    promises: &[&Packet],
) -> Result<Vec<(Elected, Vec<usize>)>, Breach> {
    let first = Candidacy::new(bounds.ballot(place), Slot::ZERO);
    let mut seen: HashSet<Candidacy, BuildQuick> = HashSet::default();
    let mut open = vec![(first, Vec::new())];
    let mut elected: Vec<(Elected, Vec<usize>)> = Vec::new();
    let mut next = 0;
    while next < open.len() {
        let (candidacy, received) = open[next].clone();
        next += 1;
        // The candidate may or may not have learned what acceptors have cut.
        let cuts = received.iter().filter_map(|index| promise(promises[*index]));
        let learned: BTreeSet<Slot> = cuts.map(|promise| promise.cut).chain([Slot::ZERO]).collect();
        for learned in learned {
            if candidacy.is_ready(bounds.quorums.phase1, learned) {
                let outcome = elect(bounds, place, candidacy.clone(), learned)?;
                if !elected.iter().any(|(known, _)| *known == outcome) {
                    elected.push((outcome, received.clone()));
                }
            }
        }
        // It leads as soon as it can, unless it must first learn what others have cut.
        if candidacy.is_ready(bounds.quorums.phase1, Slot::ZERO) {
            continue;
        }
        for (index, packet) in promises.iter().enumerate() {
            let mut after = candidacy.clone();
            if let Some(promise) = promise(packet) {
                after.on_promise(packet.from, promise);
            }
            if after != candidacy && seen.insert(after.clone()) {
                let mut path = received.clone();
                path.push(index);
                open.push((after, path));
            }
        }
    }
    Ok(elected)
}

fn promise(packet: &Packet) -> Option<Promise> {
    match &packet.message {
        Message::Promise(promise) => Some(promise.clone()),
        _ => None,
    }
}

/// Phase 1 is complete for a candidate that knows every value chosen below `learned`. It proposes the values
/// that it found, and its own where it found none.
fn elect(bounds: &Bounds, place: usize, candidacy: Candidacy, learned: Slot) -> Result<Elected, Breach> {
    let ballot = candidacy.ballot();
    let (start, carried) = candidacy.into_highest(learned);
    let mut leadership = Leadership::new(ballot, start, carried);
    let limits = Limits {
        batch_commands: 1,
        ..Limits::default()
    };
    let mut proposals = Vec::new();
    let slots = bounds.slots as u64;
    for slot in start.0..slots {
        leadership.enqueue(own_command(bounds, place, slot), usize::MAX, usize::MAX);
        proposals.extend(leadership.propose_next(&limits, |_| false));
    }
    assert!(
        proposals.iter().map(|(slot, _)| slot.0).eq(start.0..slots),
        "{ballot} has something to propose for every slot from {start} on: {proposals:?}"
    );
    let of_slot = |slot| (0..=place).map(move |place| own_command(bounds, place, slot));
    let known: Vec<Command> = (0..slots).flat_map(of_slot).collect();
    for (slot, value) in &proposals {
        if !value.commands().iter().all(|command| known.contains(command)) {
            return Err(Breach::new(
                Invariant::Validity,
                format!(
                    "{ballot} proposes {value:?} for slot {slot}, which no proposer up to this ballot brought"
                ),
            ));
        }
    }
    Ok(Elected {
        leadership,
        proposals,
    })
}

/// The Accept that a leader sends for a proposal.
pub(super) fn accept(bounds: &Bounds, place: usize, slot: Slot, value: &Value) -> Packet {
    Packet {
        from: bounds.proposer(place),
        to: None,
        message: Message::Accept {
            ballot: bounds.ballot(place),
            slot,
            value: value.clone(),
            chosen: Watermark::default(),
            state: StateDigest::NOTHING,
        },
    }
}

/// The Prepare that a candidate sends.
pub(super) fn prepare(bounds: &Bounds, place: usize) -> Packet {
    Packet {
        from: bounds.proposer(place),
        to: None,
        message: Message::Prepare {
            ballot: bounds.ballot(place),
            from: Slot::ZERO,
            state: StateDigest::NOTHING,
        },
    }
}

/// The content of a vote: the voter, the ballot, the slot and the crash vector. `None` for other packets.
pub(super) fn vote(packet: &Packet) -> Option<(ReplicaId, Ballot, Slot, &CrashVector)> {
    match &packet.message {
        Message::Accepted { ballot, slot, vector } => Some((packet.from, *ballot, *slot, vector)),
        _ => None,
    }
}

/// The places of votes from which the leader concludes that the slot is chosen, in an order that leads there.
/// `None` if there are none.
pub(super) fn count(
    bounds: &Bounds,
    leader: &Leadership,
    slot: Slot,
    votes: &[&Packet],
) -> Option<Vec<usize>> {
    let mut seen: HashSet<Leadership, BuildQuick> = HashSet::default();
    let mut open = vec![(leader.clone(), Vec::new())];
    while let Some((leader, received)) = open.pop() {
        for (index, packet) in votes.iter().enumerate() {
            let Some((from, _, _, vector)) = vote(packet) else {
                continue;
            };
            let mut path: Vec<usize> = received.clone();
            path.push(index);
            let mut after = leader.clone();
            if after.on_accepted(from, slot, vector, bounds.quorums.phase2) {
                return Some(path);
            }
            if after != leader && seen.insert(after.clone()) {
                open.push((after, path));
            }
        }
    }
    None
}

/// The definition of chosen, without the core: whether a quorum of different acceptors voted, and none of
/// them knew of a later life of another than that in which the other voted.
pub(super) fn has_consistent_quorum(bounds: &Bounds, votes: &[&Packet]) -> bool {
    let votes: Vec<(ReplicaId, &CrashVector)> = votes
        .iter()
        .filter_map(|packet| vote(packet))
        .map(|(from, _, _, vector)| (from, vector))
        .collect();
    extend(&mut Vec::new(), &votes, bounds.quorums.phase2)
}

/// Whether votes out of `rest` complete `chosen` to such a quorum.
fn extend<'a>(
    chosen: &mut Vec<(ReplicaId, &'a CrashVector)>,
    rest: &[(ReplicaId, &'a CrashVector)],
    quorum: usize,
) -> bool {
    if chosen.len() == quorum {
        return true;
    }
    for (index, vote) in rest.iter().enumerate() {
        let is_consistent = chosen.iter().all(|other| {
            vote.0 != other.0
                && vote.1.get(other.0) <= other.1.get(other.0)
                && other.1.get(vote.0) <= vote.1.get(vote.0)
        });
        if is_consistent {
            chosen.push(*vote);
            if extend(chosen, &rest[index + 1..], quorum) {
                return true;
            }
            chosen.pop();
        }
    }
    false
}
