//! Failures on purpose: roles of running replicas fail at random times and come back. A seed decides which
//! and when.
//!
//! An acceptor that comes back without memory gets it from the others, and enough of them must have theirs.
//! So before an acceptor loses its memory for good, the status of its replica is asked who is without memory
//! or silent now; if these are too many, the acceptor comes back with its memory this time. Several processes
//! of one cluster may do the same at nearly the same moment, and do not know of each other's choice yet. So
//! each replica has a turn on the wall clock ([`TURN`]) in which it may lose memory. Where the clocks of the
//! machines differ by more than a tenth of a second this bound does not hold; use `--keep-memory` there, and
//! wherever the data matters.

use std::time::{Duration, SystemTime};

use kvpaxos::status::{AcceptorStatus, Status};
use kvpaxos::{Micros, Random, ReplicaId, Role};

use crate::node::handle::NodeHandle;
use crate::replica::inbox::RestartMemory;

/// How long the turn of a replica is. It may lose memory in the first part ([`WINDOW`]); in the rest the
/// others learn of it, by heartbeats.
const TURN: Duration = Duration::from_millis(400);
const WINDOW: Duration = Duration::from_millis(100);
/// How often an acceptor that recovers is asked whether it has.
const POLL: Duration = Duration::from_millis(10);

/// What fails, how often and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failures {
    /// The roles that may fail.
    pub roles: Vec<Role>,
    /// The mean time between two failures; each time is drawn from half to one and a half of it.
    pub every: Duration,
    /// The mean time that a role is down, drawn in the same way.
    pub down: Duration,
    /// The memory with which a role comes back. An acceptor keeps its memory in any case while too many
    /// others are without theirs.
    pub memory: RestartMemory,
    /// Whether other replicas of the cluster fail on purpose in other processes. Then each waits for its turn
    /// to lose memory.
    pub turns: bool,
    /// Seeds the choice of roles, replicas and times.
    pub seed: u64,
}

/// What [`run`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureEvent {
    /// A role has failed.
    Failed(ReplicaId, Role),
    /// It has been restarted, with its memory or without.
    Restarted(ReplicaId, Role, RestartMemory),
    /// The acceptor of this replica, which came back without memory, has recovered and votes again.
    Recovered(ReplicaId),
}

/// Makes one role at a time fail and come back, until `stop` resolves. A role that is down then comes back
/// first, and an acceptor that is without memory recovers first. `report` is called with every event.
pub async fn run(
    failures: Failures,
    nodes: Vec<NodeHandle>,
    stop: impl Future<Output = ()>,
    mut report: impl FnMut(FailureEvent),
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
        // Without a log its memory is gone as soon as the role fails, so it comes back and asks the others at
        // once.
        let forgets_at_once = role == Role::Acceptor && !node.keeps_records();
        let down = if forgets_at_once { Duration::ZERO } else { down };
        if role == Role::Acceptor && failures.memory == RestartMemory::Lost && failures.turns {
            stopping = tokio::select! {
                () = &mut stop => return,
                () = wait_for_turn(node, down) => false,
            };
        }
        if forgets_at_once && !may_lose(node).await {
            continue;
        }
        node.fail(role).await;
        report(FailureEvent::Failed(node.id(), role));
        stopping = tokio::select! {
            () = &mut stop, if !forgets_at_once => true,
            () = tokio::time::sleep(down) => stopping,
        };
        let lose = forgets_at_once
            || (failures.memory == RestartMemory::Lost && (role != Role::Acceptor || may_lose(node).await));
        let memory = if lose {
            RestartMemory::Lost
        } else {
            RestartMemory::Kept
        };
        restart(node, role, memory, &mut report).await;
    }
}

async fn restart(
    node: &NodeHandle,
    role: Role,
    memory: RestartMemory,
    report: &mut impl FnMut(FailureEvent),
) {
    node.restart(role, memory).await;
    report(FailureEvent::Restarted(node.id(), role, memory));
    if role == Role::Acceptor && memory == RestartMemory::Lost {
        // The next role fails only once it has recovered.
        while let Some(status) = node.status().await {
            match status.acceptor {
                AcceptorStatus::Recovering { .. } => tokio::time::sleep(POLL).await,
                AcceptorStatus::Voting { .. } => return report(FailureEvent::Recovered(node.id())),
                AcceptorStatus::Failed | AcceptorStatus::Out => return,
            }
        }
    }
}

/// Waits until a role that fails now and is down for this long would come back within the turn of its
/// replica.
async fn wait_for_turn(node: &NodeHandle, down: Duration) {
    if let Some(status) = node.status().await {
        tokio::time::sleep(until_turn(node.id(), status.members.len(), down)).await;
    }
}

/// Whether enough others have their memory, as far as this replica knows now.
async fn may_lose(node: &NodeHandle) -> bool {
    let status = node.status().await;
    status.is_some_and(|status| has_room(&status, node.spare_memories()))
}

/// A silent replica may be without memory too, and counts as such.
fn has_room(status: &Status, spare: usize) -> bool {
    let mut without = status.lost;
    for id in status.silent.iter().chain([status.id]) {
        without.insert(id);
    }
    without.len() <= spare
}

/// How long until the window of this replica, seen from `ahead` from now.
fn until_turn(id: ReplicaId, replicas: usize, ahead: Duration) -> Duration {
    // A clock before 1970 counts as 1970: such a clock does not agree with the others' anyway.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let turn = TURN.as_micros();
    let round = turn * replicas.max(1) as u128;
    let mine = turn * u128::from(id.0);
    let into = (now.as_micros() + ahead.as_micros() + round - mine) % round;
    let wait = if into < WINDOW.as_micros() {
        0
    } else {
        round - into
    };
    Duration::from_micros(u64::try_from(wait).expect("less than one round of a few seconds"))
}

/// Draws from half to one and a half of `mean`.
fn around(random: &mut Random, mean: Duration) -> Duration {
    let Micros(mean) = crate::system::clock::micros(mean);
    Duration::from_micros((mean / 2).saturating_add(random.below(mean.max(1))))
}

fn pick<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    let index = random.below(from.len() as u64);
    &from[usize::try_from(index).expect("an index is no larger than a length")]
}
