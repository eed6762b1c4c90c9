//! Partitions: the links that faults cut.

use kvpaxos::{ReplicaId, ReplicaSet};

use crate::engine::{Decider, Decision, Network, Node, Stream};
use crate::world::setup::FaultKind;

/// One direction of a link.
pub type Cut = (Node, Node);

/// Cuts links.
pub(crate) fn cut(cuts: &[Cut], network: &mut Network) {
    for (from, to) in cuts {
        network.cut(*from, *to);
    }
}

/// Mends links.
pub(crate) fn mend(cuts: &[Cut], network: &mut Network) {
    for (from, to) in cuts {
        network.mend(*from, *to);
    }
}

/// Both directions of all links between two sides.
#[must_use]
pub fn between(side: ReplicaSet, other: ReplicaSet) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for one in side.iter() {
        for two in other.iter().filter(|two| *two != one) {
            cuts.push((one.into(), two.into()));
            cuts.push((two.into(), one.into()));
        }
    }
    cuts
}

/// Quorum loss (Omni-Paxos, section 2): every replica is connected to `hub` only.
#[must_use]
pub fn quorum_loss(replicas: usize, hub: ReplicaId) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut left = ReplicaSet::first(replicas);
    left.remove(hub);
    while let Some(one) = left.iter().next() {
        left.remove(one);
        let mut alone = ReplicaSet::EMPTY;
        alone.insert(one);
        cuts.extend(between(alone, left));
    }
    cuts
}

/// Constrained election (Omni-Paxos, section 2): [`quorum_loss`] with the old leader cut off entirely, so
/// that only `hub`, which may lag, can be elected.
#[must_use]
pub fn constrained_election(replicas: usize, hub: ReplicaId, leader: ReplicaId) -> Vec<Cut> {
    let mut cuts = quorum_loss(replicas, hub);
    cuts.extend([(hub.into(), leader.into()), (leader.into(), hub.into())]);
    cuts
}

/// Chained (Omni-Paxos, section 2): every replica is connected to its two neighbours only.
#[must_use]
pub fn chained(replicas: usize) -> Vec<Cut> {
    let all = ReplicaSet::first(replicas);
    let mut cuts = Vec::new();
    for one in all.iter() {
        for two in all.iter().filter(|two| two.0.abs_diff(one.0) > 1) {
            cuts.push((one.into(), two.into()));
        }
    }
    cuts
}

/// Draws the links that a fault of this kind cuts around a replica.
#[must_use]
pub(crate) fn draw(
    kind: FaultKind,
    id: ReplicaId,
    replicas: usize,
    clients: u32,
    decider: &mut (dyn Decider + Send + 'static),
) -> Vec<Cut> {
    let all = ReplicaSet::first(replicas);
    let mut alone = ReplicaSet::EMPTY;
    alone.insert(id);
    match kind {
        FaultKind::Isolate => between(alone, all.without(alone)),
        FaultKind::Hub => quorum_loss(replicas, id),
        FaultKind::OneWay => {
            let leaves = flip(decider);
            let others = all.without(alone).iter().filter(|_| !flip_rarely(decider));
            others
                .map(|other| {
                    if leaves {
                        (id.into(), other.into())
                    } else {
                        (other.into(), id.into())
                    }
                })
                .collect()
        }
        FaultKind::Partial => between(all, all)
            .into_iter()
            .filter(|(from, to)| from.index() < to.index())
            .filter(|_| flip(decider))
            .flat_map(|(from, to)| [(from, to), (to, from)])
            .collect(),
        FaultKind::Flap => {
            let other = other_than(id, replicas, decider);
            vec![(id.into(), other.into()), (other.into(), id.into())]
        }
        FaultKind::Overtake => {
            let heard = other_than(id, replicas, decider);
            let others = || all.without(alone).iter();
            let leave = others().map(|other| (id.into(), other.into()));
            let arrive = others().filter(|other| *other != heard);
            leave
                .chain(arrive.map(|other| (other.into(), id.into())))
                .collect()
        }
        FaultKind::CutClient => {
            let client = decider.below(Stream::Nemesis, Decision::FaultTarget, clients.into());
            let client = Node::client(u32::try_from(client).expect("a number below a u32 is a u32"));
            let side = all.iter().filter(|_| flip(decider)).map(Node::from);
            side.flat_map(|node| [(client, node), (node, client)]).collect()
        }
        _ => {
            let side: ReplicaSet = all.iter().filter(|_| flip(decider)).collect();
            between(side, all.without(side))
        }
    }
}

fn flip(decider: &mut (dyn Decider + Send + 'static)) -> bool {
    decider.chance(Stream::Nemesis, Decision::FaultDetail, 500_000)
}

fn flip_rarely(decider: &mut (dyn Decider + Send + 'static)) -> bool {
    decider.chance(Stream::Nemesis, Decision::FaultDetail, 200_000)
}

fn other_than(id: ReplicaId, replicas: usize, decider: &mut (dyn Decider + Send + 'static)) -> ReplicaId {
    let all = ReplicaSet::first(replicas);
    let others: Vec<ReplicaId> = all.iter().filter(|other| *other != id).collect();
    if others.is_empty() {
        return id;
    }
    decider.pick(Stream::Nemesis, Decision::FaultTarget, &others)
}
