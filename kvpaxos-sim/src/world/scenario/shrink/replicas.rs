//! Fewer replicas and clients: some go, with their faults, and the others get new numbers.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kvpaxos::{Quorums, Random, ReplicaId};

use super::Shrinker;
use crate::decisions::{DrawName, MessageName};
use crate::engine::Node;
use crate::shrinking::{Player, Progress};
use crate::world::nemesis::{Fault, LastingFault};
use crate::world::partition::Cut;
use crate::world::scenario::Scenario;
use crate::world::scenario::play::Recording;

/// So many choices of the replicas that stay are tried for each number of them, each with other random bits.
const CHOICES: u64 = 60;

impl<P, H> Shrinker<P, H>
where
    P: Player<Scenario = Scenario, Outcome = Recording>,
    H: FnMut(&Progress<'_, Recording>) -> ControlFlow<()>,
{
    /// Looks for the smallest cluster.
    pub(super) fn replicas(&mut self) {
        if self.is_long() {
            return;
        }
        let mut random = Random::from_seed(self.search.runs());
        for count in 1..self.search.scenario().setup.cluster.replicas {
            for _ in 0..CHOICES {
                let mut candidate = self.search.scenario().clone();
                let kept = choose(count, candidate.setup.cluster.replicas, &mut random);
                keep(&mut candidate, &kept);
                candidate.setup.seed = random.below(1_000_000);
                if candidate.setup.check().is_ok() && self.search.attempt(&candidate) {
                    return;
                }
            }
        }
    }
}

/// So many of the replicas, in the order of their numbers.
fn choose(count: usize, of: usize, random: &mut Random) -> Vec<ReplicaId> {
    let mut all: Vec<ReplicaId> = (0u8..).take(of).map(ReplicaId).collect();
    while all.len() > count {
        let place = random.below(all.len() as u64);
        all.remove(usize::try_from(place).unwrap_or(0));
    }
    all
}

/// Keeps these replicas, with majority quorums.
fn keep(scenario: &mut Scenario, kept: &[ReplicaId]) {
    let new = |id: ReplicaId| {
        let place = kept.iter().position(|other| *other == id)?;
        u8::try_from(place).ok().map(ReplicaId)
    };
    let node = |node: Node| match node.as_replica() {
        Some(id) => new(id).map(Node::replica),
        None => Some(node),
    };
    let cluster = &mut scenario.setup.cluster;
    cluster.replicas = kept.len();
    cluster.quorums = Quorums::majority(kept.len());
    let losses = &mut scenario.setup.faults.losses;
    *losses = (*losses).min(scenario.setup.cluster.losable());
    scenario
        .faults
        .retain_mut(|fault| renumber(&mut fault.fault, &new, &node));
    let deviations = std::mem::take(&mut scenario.deviations);
    let name = |name: MessageName| {
        let (from, to) = (node(name.from)?, node(name.to)?);
        Some(MessageName { from, to, ..name })
    };
    let fates = deviations.fates.into_iter();
    scenario.deviations.fates = fates.filter_map(|(old, fate)| Some((name(old)?, fate))).collect();
    let syncs = deviations.syncs.into_iter();
    scenario.deviations.syncs = syncs
        .filter_map(|(mut name, length)| {
            name.id = new(name.id)?;
            Some((name, length))
        })
        .collect();
    let draws = deviations.draws.into_iter();
    scenario.deviations.draws = draws
        .filter_map(|(name, answer)| {
            let id = match name.id {
                Some(id) => Some(new(id)?),
                None => None,
            };
            Some((DrawName { id, ..name }, answer))
        })
        .collect();
}

/// Gives the clients that make calls the first numbers. There are no others then.
pub(super) fn number_clients(scenario: &mut Scenario) {
    let calls = scenario.calls.iter();
    let used: BTreeSet<u32> = calls.map(|call| call.client).collect();
    let new = |client: u32| (0u32..).zip(&used).find(|(_, old)| **old == client);
    let new = |client: u32| new(client).map(|(new, _)| new);
    let node = |node: Node| match node.as_client() {
        Some(client) => new(client).map(Node::client),
        None => Some(node),
    };
    for call in &mut scenario.calls {
        call.client = new(call.client).unwrap_or(call.client);
    }
    scenario.faults.retain_mut(|fault| match &mut fault.fault {
        Fault::HangUp { client, .. } => match new(*client) {
            Some(number) => {
                *client = number;
                true
            }
            None => false,
        },
        fault => renumber(fault, &Some, &node),
    });
    let fates = std::mem::take(&mut scenario.deviations.fates).into_iter();
    let name = |name: MessageName| {
        let (from, to) = (node(name.from)?, node(name.to)?);
        Some(MessageName { from, to, ..name })
    };
    scenario.deviations.fates = fates.filter_map(|(old, fate)| Some((name(old)?, fate))).collect();
    let clients = &mut scenario.setup.clients;
    clients.count = u32::try_from(used.len()).unwrap_or(clients.count);
    clients.connected = clients.connected.min(clients.count);
}

/// Gives the replicas of a fault their new numbers. Returns whether the fault still is one.
fn renumber(
    fault: &mut Fault,
    new: &impl Fn(ReplicaId) -> Option<ReplicaId>,
    node: &impl Fn(Node) -> Option<Node>,
) -> bool {
    let id = match fault {
        Fault::Lasting(LastingFault::Cut(cuts) | LastingFault::Flapping { cuts, .. }) => {
            let of = |(from, to): &Cut| Some((node(*from)?, node(*to)?));
            *cuts = cuts.iter().filter_map(of).collect();
            return !cuts.is_empty();
        }
        Fault::Lasting(lasting) => lasting.replica_mut(),
        Fault::Speed { id, .. } | Fault::Jump { id, .. } | Fault::HangUp { id, .. } => Some(id),
    };
    let Some(id) = id else { return false };
    let Some(renumbered) = new(*id) else {
        return false;
    };
    *id = renumbered;
    true
}
