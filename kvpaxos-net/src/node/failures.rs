//! Failures on purpose: roles of running replicas fail at random times and come back, from a seed.
//!
//! An acceptor that comes back without its memory gets it from the others, of whom enough must have theirs. So before it loses its memory
//! for good it looks, in its own replica's status, at who is without memory or silent now; with too many it comes back with
//! its memory this time. Replicas that fail on purpose in processes of their own look at nearly the same moment, maybe, and know nothing
//! of each other's choice yet: so each has its own turn on the clock (`TURN`) in which it may lose memory. Clocks that differ by more
//! make that bound no worse than luck; with them, and in earnest, use `--keep-memory`.

use std::time::{Duration, SystemTime};

use kvpaxos::status::{AcceptorStatus, Status};
use kvpaxos::{Micros, Random, ReplicaId, Role};

use crate::node::handle::NodeHandle;
use crate::replica::inbox::Remembers;

/// Each replica may lose memory in the first part of its turn; in the rest the others hear of it, by heartbeats.
const TURN: Duration = Duration::from_millis(400);
const PART: Duration = Duration::from_millis(100);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What fails, how often and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failures {
    /// The roles to choose from.
    pub roles: Vec<Role>,
    /// The mean time between two failures: each waits for half to one and a half of it.
    pub every: Duration,
    /// How long a role is down, likewise.
    pub down: Duration,
    /// What it finds when it comes back. An acceptor finds its memory in any case if too many others are without theirs.
    pub remembers: Remembers,
    /// Other replicas of the cluster fail on purpose in processes of their own, so that each waits for its turn to lose memory.
    pub turns: bool,
    /// Draws the roles, the replicas and the times.
    pub seed: u64,
}

/// What has just happened, for whoever wants to tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happened {
    /// A role has failed.
    Failed(ReplicaId, Role),
    /// It has been started again, with its memory or without.
    Restarted(ReplicaId, Role, Remembers),
    /// An acceptor that came back without memory has got back what counts.
    Recovered(ReplicaId),
}

/// Lets one role after the other of these replicas fail and come back, one at a time, until `stop` is resolved; a role that
/// is down then comes back first, and an acceptor without its memory gets it back.
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
        let down = around(&mut random, failures.down);
        // Without records, memory is gone as soon as the role fails, so that it asks the others at once.
        let forgets_at_once = role == Role::Acceptor && !node.keeps_records();
        let down = if forgets_at_once { Duration::ZERO } else { down };
        if role == Role::Acceptor && failures.remembers == Remembers::Lost && failures.turns {
            stopping = tokio::select! {
                () = &mut stop => return,
                () = wait_for_turn(node, down) => false,
            };
        }
        if forgets_at_once && !may_lose(node).await {
            continue;
        }
        node.fail(role).await;
        told(Happened::Failed(node.id(), role));
        stopping = tokio::select! {
            () = &mut stop, if !forgets_at_once => true,
            () = tokio::time::sleep(down) => stopping,
        };
        let lose = forgets_at_once
            || (failures.remembers == Remembers::Lost && (role != Role::Acceptor || may_lose(node).await));
        let remembers = if lose { Remembers::Lost } else { Remembers::Kept };
        restart(node, role, remembers, &mut told).await;
    }
}

async fn restart(node: &NodeHandle, role: Role, remembers: Remembers, told: &mut impl FnMut(Happened)) {
    node.restart(role, remembers).await;
    told(Happened::Restarted(node.id(), role, remembers));
    if role == Role::Acceptor && remembers == Remembers::Lost {
        // One at a time.
        while let Some(status) = node.status().await {
            match status.acceptor {
                AcceptorStatus::Recovering { .. } => tokio::time::sleep(LOOK).await,
                AcceptorStatus::Voting { .. } => return told(Happened::Recovered(node.id())),
                AcceptorStatus::Failed | AcceptorStatus::Out => return,
            }
        }
    }
}

/// Waits until a role that fails now, and is down for so long, comes back within its turn.
async fn wait_for_turn(node: &NodeHandle, down: Duration) {
    if let Some(status) = node.status().await {
        tokio::time::sleep(until_turn(node.id(), status.members.len(), down)).await;
    }
}

/// Whether enough others have their memory, as far as is known here and now.
async fn may_lose(node: &NodeHandle) -> bool {
    let status = node.status().await;
    status.is_some_and(|status| has_room(&status, node.spare_memories()))
}

/// Whoever is silent may be without memory, too.
fn has_room(status: &Status, spare: usize) -> bool {
    let mut without = status.lost;
    for id in status.silent.iter().chain([status.id]) {
        without.insert(id);
    }
    without.len() <= spare
}

fn until_turn(id: ReplicaId, replicas: usize, ahead: Duration) -> Duration {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let turn = TURN.as_micros();
    let round = turn * replicas.max(1) as u128;
    let mine = turn * u128::from(id.0);
    let into = (now.as_micros() + ahead.as_micros() + round - mine) % round;
    let wait = if into < PART.as_micros() { 0 } else { round - into };
    Duration::from_micros(u64::try_from(wait).unwrap_or(0))
}

/// Half to one and a half of `mean`.
fn around(random: &mut Random, mean: Duration) -> Duration {
    let Micros(mean) = crate::system::clock::micros(mean);
    Duration::from_micros((mean / 2).saturating_add(random.below(mean.max(1))))
}

fn pick<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    let index = random.below(from.len() as u64);
    &from[usize::try_from(index).expect("an index is no larger than a length")]
}
