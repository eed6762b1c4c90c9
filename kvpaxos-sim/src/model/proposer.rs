//! Proposers: the shipping [`Candidacy`] and the shipping [`Leadership`], which counts votes.
//!
//! Both only listen until they conclude, and what was sent stays deliverable. So whatever a proposer concludes, it also concludes if all
//! that it listens to arrives right before the conclusion: proposers need no place in the state between their steps. What they can
//! conclude from a set of packets is found by delivering these in every order, to a candidate or leader of their own.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
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
    /// What it proposes.
    pub(super) proposals: Vec<(Slot, Value)>,
}

/// What the proposer at `place` brings, one command for each slot: a leader proposes the same one only once.
pub(super) fn own_command(bounds: &Bounds, place: usize, nth: u64) -> Command {
    Command::Opaque {
        tag: Tag {
            nonce: nth,
            number: bounds.proposer(place).0.into(),
        },
        payload: Bytes::new(),
    }
}

/// All that the candidate at `place` can become when these promises reach it, and which of them in which order lead there.
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
        let (candidacy, heard) = open[next].clone();
        next += 1;
        // What somebody has cut the candidate may have learned, or not.
        let cuts = heard.iter().filter_map(|index| promise(promises[*index]));
        let learned: BTreeSet<Slot> = cuts.map(|promise| promise.cut).chain([Slot::ZERO]).collect();
        for learned in learned {
            if candidacy.is_ready(bounds.quorums.phase1, learned) {
                let outcome = elect(bounds, place, candidacy.clone(), learned)?;
                if !elected.iter().any(|(known, _)| *known == outcome) {
                    elected.push((outcome, heard.clone()));
                }
            }
        }
        // It leads at once, unless it must first learn what others have cut.
        if candidacy.is_ready(bounds.quorums.phase1, Slot::ZERO) {
            continue;
        }
        for (index, packet) in promises.iter().enumerate() {
            let mut after = candidacy.clone();
            if let Some(promise) = promise(packet) {
                after.on_promise(packet.from, promise);
            }
            if after != candidacy && seen.insert(after.clone()) {
                let mut path = heard.clone();
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

/// Phase 1 is complete for a candidate that knows what was chosen below `learned`: what it found is proposed, and the proposer's own value
/// where it found nothing.
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
                format!("{ballot} proposes {value:?} for slot {slot}, which no proposer up to it brought"),
            ));
        }
    }
    Ok(Elected {
        leadership,
        proposals,
    })
}

/// What a leader sends for a proposal.
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

/// What a candidate sends.
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

/// A vote for a slot: who, and what it knew.
pub(super) fn vote(packet: &Packet) -> Option<(ReplicaId, Ballot, Slot, &CrashVector)> {
    match &packet.message {
        Message::Accepted { ballot, slot, vector } => Some((packet.from, *ballot, *slot, vector)),
        _ => None,
    }
}

/// The votes of which the leader concludes that the slot is chosen, in some order in which they can reach it.
pub(super) fn count(
    bounds: &Bounds,
    leader: &Leadership,
    slot: Slot,
    votes: &[&Packet],
) -> Option<Vec<usize>> {
    let mut seen: HashSet<Leadership, BuildQuick> = HashSet::default();
    let mut open = vec![(leader.clone(), Vec::new())];
    while let Some((leader, heard)) = open.pop() {
        for (index, packet) in votes.iter().enumerate() {
            let Some((from, _, _, vector)) = vote(packet) else {
                continue;
            };
            let mut path: Vec<usize> = heard.clone();
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

/// The same from outside: whether a quorum of different acceptors voted, none of whom knew of a later life of another than the one that
/// the other's vote was cast in. Written without the core's help.
pub(super) fn has_consistent_quorum(bounds: &Bounds, votes: &[&Packet]) -> bool {
    let votes: Vec<(ReplicaId, &CrashVector)> = votes
        .iter()
        .filter_map(|packet| vote(packet))
        .map(|(from, _, _, vector)| (from, vector))
        .collect();
    extend(&mut Vec::new(), &votes, bounds.quorums.phase2)
}

fn extend<'a>(
    chosen: &mut Vec<(ReplicaId, &'a CrashVector)>,
    rest: &[(ReplicaId, &'a CrashVector)],
    quorum: usize,
) -> bool {
    if chosen.len() == quorum {
        return true;
    }
    for (index, vote) in rest.iter().enumerate() {
        let goes = chosen.iter().all(|other| {
            vote.0 != other.0
                && vote.1.get(other.0) <= other.1.get(other.0)
                && other.1.get(vote.0) <= vote.1.get(vote.0)
        });
        if goes {
            chosen.push(*vote);
            if extend(chosen, &rest[index + 1..], quorum) {
                return true;
            }
            chosen.pop();
        }
    }
    false
}
