//! Failures on purpose: roles of running replicas fail at random times and come back, from a seed.

use std::time::Duration;

use kvpaxos::{Micros, Random, ReplicaId, Role};

use crate::event_loop::Remembers;
use crate::node::NodeHandle;

/// What fails, how often and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failures {
    /// The roles to choose from.
    pub roles: Vec<Role>,
    /// The mean time between two failures: each waits for half to one and a half of it.
    pub every: Duration,
    /// How long a role is down, likewise.
    pub down: Duration,
    /// What it finds when it comes back.
    pub remembers: Remembers,
    /// Draws the roles, the replicas and the times.
    pub seed: u64,
}

/// What has just happened, for whoever wants to tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happened {
    /// A role has failed.
    Failed(ReplicaId, Role),
    /// It has been started again.
    Restarted(ReplicaId, Role),
}

/// Lets one role after the other of these replicas fail and come back, one at a time, until `stop` is resolved; a role that
/// is down then comes back first.
pub async fn run(
    failures: Failures,
    nodes: Vec<NodeHandle>,
    stop: impl Future<Output = ()>,
    mut told: impl FnMut(Happened),
) {
    if failures.roles.is_empty() || nodes.is_empty() {
        return;
    }
    let mut random = Random::from_seed(failures.seed);
    tokio::pin!(stop);
    let mut stopping = false;
    while !stopping {
        stopping = tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(around(&mut random, failures.every)) => false,
        };
        let node = pick(&mut random, &nodes);
        let role = *pick(&mut random, &failures.roles);
        node.fail(role).await;
        told(Happened::Failed(node.id(), role));
        stopping = tokio::select! {
            () = &mut stop => true,
            () = tokio::time::sleep(around(&mut random, failures.down)) => stopping,
        };
        node.restart(role, failures.remembers).await;
        told(Happened::Restarted(node.id(), role));
    }
}

/// Half to one and a half of `mean`.
fn around(random: &mut Random, mean: Duration) -> Duration {
    let Micros(mean) = crate::clock::micros(mean);
    Duration::from_micros((mean / 2).saturating_add(random.below(mean.max(1))))
}

fn pick<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    let index = random.below(from.len() as u64);
    &from[usize::try_from(index).expect("an index is no larger than a length")]
}
