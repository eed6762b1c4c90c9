//! Disturbs one replica by rules, again and again.

use std::time::{Duration, Instant};

use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Config, Random, ReplicaId};

use crate::chaos::disturbance::Disturbance;
use crate::chaos::room::{ChaosRefusal, Room, works};
use crate::chaos::{ChaosRule, Target};
use crate::cluster::spare_memories;
use crate::node::handle::NodeHandle;
use crate::replica::inbox::RestartMemory;
use crate::system::random;
use crate::system::repeats::{Subject, info_repeated};
use crate::system::times::TimeRange;

/// How often a replica is asked whether it has recovered.
const POLL: Duration = Duration::from_millis(10);

/// How long the end of a session may take.
const FAREWELL: Duration = Duration::from_millis(200);

/// How long a replica is left alone between two disturbances at least. Others, for which there was no room,
/// get their turn.
const REST: TimeRange = TimeRange::millis(50, 150);

/// What is disturbed at a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chaos {
    /// What, how often, and for how long. One disturbance at a time.
    pub rules: Vec<ChaosRule>,
    /// Seeds the choice of what and when. Replicas with the same seed choose differently.
    pub seed: u64,
    /// Do not coordinate with the other replicas: a majority may be down, or without memory. Then acknowledged
    /// writes are lost, and the cluster may refuse to serve for good.
    pub may_lose_data: bool,
}

/// Why some rules make no sense for a replica.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChaosError {
    /// There is no minority.
    #[error("of {replicas} replicas none can be disturbed without a majority missing; use three or more")]
    TooFew {
        /// The replicas of the cluster.
        replicas: usize,
    },
    /// A memory that is lost would be lost for good.
    #[error(
        "{rule}: with these quorums (two-phase update) an acceptor that loses its memory never votes again; \
         write memory=kept"
    )]
    LostForGood {
        /// The rule.
        rule: ChaosRule,
    },
    /// There is nothing that could be kept.
    #[error(
        "{rule}: this replica keeps nothing on disk, so its roles come back without memory; write memory=lost"
    )]
    NothingKept {
        /// The rule.
        rule: ChaosRule,
    },
}

/// What [`run`] reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChaosEvent {
    /// A disturbance begins.
    Began(ReplicaId, Disturbance),
    /// Its time is up: roles restart, the link is whole again.
    Ended(ReplicaId, Disturbance),
    /// All roles of the replica work again, and its acceptor votes.
    Recovered(ReplicaId, Disturbance),
    /// A disturbance did not begin.
    Refused(ReplicaId, Disturbance, ChaosRefusal),
}

impl Chaos {
    /// Whether the rules make sense for this replica; `keeps_records` says whether it has a data directory.
    ///
    /// # Errors
    /// The first rule that does not, and why.
    pub fn check(&self, config: &Config, keeps_records: bool) -> Result<(), ChaosError> {
        let (replicas, memories) = (config.members.len(), spare_memories(config));
        let room = Room { replicas, memories };
        if !self.may_lose_data && room.minority() == 0 {
            return Err(ChaosError::TooFew { replicas });
        }
        for rule in self.rules.iter().copied() {
            let Target::Roles { choice, memory } = rule.target else {
                continue;
            };
            let loses = Disturbance::Roles { choice, memory }.loses_memory();
            if loses && memories == 0 && !self.may_lose_data {
                return Err(ChaosError::LostForGood { rule });
            }
            if memory == RestartMemory::Kept && !keeps_records {
                return Err(ChaosError::NothingKept { rule });
            }
        }
        Ok(())
    }
}

/// Disturbs the replica until `stop` resolves or the replica stops. A disturbance that is under way then ends
/// at once, and this returns after the replica has recovered from it. `report` is called with every event.
///
/// A replica is disturbed by one such task at a time; a second one waits for the end of the first.
pub async fn run(
    chaos: Chaos,
    node: NodeHandle,
    stop: impl Future<Output = ()>,
    report: impl FnMut(ChaosEvent),
) {
    let _turn = node.chaos.turn.lock().await;
    let seed = chaos.seed.wrapping_mul(256).wrapping_add(node.id.0.into());
    let mut random = Random::from_seed(seed);
    let now = Instant::now();
    let begin = |rule: &ChaosRule| now + rule.every.draw(&mut random);
    let due = chaos.rules.iter().map(begin).collect();
    let mut task = Task {
        chaos: &chaos,
        node: &node,
        random,
        due,
        report,
        may_be_listed: false,
    };
    task.run(stop).await;
    let admission = &node.chaos.admission;
    if task.may_be_listed {
        // Nothing that is still under way in the session puts the replica on the roster after this.
        admission.register.close().await;
        admission.leave().await;
    }
    // A session that stays open is dropped when the cluster needs its place.
    let _ = tokio::time::timeout(FAREWELL, admission.register.close()).await;
}

/// Takes a replica that has just started off the roster, if it was on it when its process ended before.
pub(crate) async fn leave_after_start(node: NodeHandle) {
    /// It is no hurry.
    const PAUSE: Duration = Duration::from_millis(100);
    let _turn = node.chaos.turn.lock().await;
    loop {
        match node.status().await {
            None => return,
            Some(status) if works(&status) && status.leader.is_some() => break,
            Some(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    let admission = &node.chaos.admission;
    if admission.is_listed().await {
        tracing::info!(replica = %node.id, "works again; it was disturbed on purpose when its process ended");
        admission.leave().await;
        admission.register.close().await;
    }
}

struct Task<'a, R> {
    chaos: &'a Chaos,
    node: &'a NodeHandle,
    random: Random,
    /// When the next disturbance by each rule is due.
    due: Vec<Instant>,
    report: R,
    /// Whether the replica may get on the roster by a swap that was not answered.
    may_be_listed: bool,
}

impl<R: FnMut(ChaosEvent)> Task<'_, R> {
    async fn run(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut stopping = false;
        while !stopping {
            let Some((place, due)) = self.due.iter().copied().enumerate().min_by_key(|(_, due)| *due) else {
                return stop.await;
            };
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep_until(due.into()) => {}
            }
            let rule = &self.chaos.rules[place];
            let drawn = Disturbance::draw(rule, &self.node.chaos.peers, &mut self.random);
            let (began, pause) = (Instant::now(), rule.every.draw(&mut self.random));
            let seed = self.random.next_u64();
            self.due[place] = began + pause;
            // Without a peer there is no link to disturb.
            let Some((disturbance, length)) = drawn else {
                continue;
            };
            let disturbance = if self.node.keeps_records {
                disturbance
            } else {
                disturbance.without_disk()
            };
            if let Err(refusal) = self.enter(disturbance).await {
                self.may_be_listed |= matches!(refusal, ChaosRefusal::Unanswered(_));
                self.refuse(disturbance, refusal);
                continue;
            }
            self.begin(disturbance, length, seed).await;
            stopping = tokio::select! {
                () = &mut stop => true,
                () = tokio::time::sleep(length) => false,
            };
            self.end(disturbance).await;
            if !self.recover(disturbance).await {
                return;
            }
            if !self.chaos.may_lose_data {
                self.node.chaos.admission.leave().await;
            }
            let rested = Instant::now() + REST.draw(&mut self.random);
            for due in &mut self.due {
                *due = rested.max(*due);
            }
        }
    }

    async fn enter(&self, disturbance: Disturbance) -> Result<(), ChaosRefusal> {
        if self.chaos.may_lose_data {
            return Ok(());
        }
        // Not drawn from the seed: no two entries have the same, in whatever process.
        let token = random::draw()
            .map_err(|error| ChaosRefusal::Unanswered(format!("the system gives no random bits: {error}")))?;
        let (word, loses) = (disturbance.word(), disturbance.loses_memory());
        let status = || self.node.status();
        self.node.chaos.admission.enter(word, loses, token, status).await
    }

    fn refuse(&mut self, disturbance: Disturbance, refusal: ChaosRefusal) {
        let (id, chaos) = (self.node.id, &self.node.chaos);
        chaos.metrics.refusals.inc();
        info_repeated!(
            chaos.repeats,
            Subject::cause(&refusal),
            {replica = %id, %disturbance, why = %refusal},
            "a disturbance on purpose does not begin"
        );
        (self.report)(ChaosEvent::Refused(id, disturbance, refusal));
    }

    async fn begin(&mut self, disturbance: Disturbance, length: Duration, seed: u64) {
        let (id, chaos) = (self.node.id, &self.node.chaos);
        let millis = length.as_millis();
        tracing::info!(replica = %id, %disturbance, millis, "a disturbance on purpose begins");
        chaos.metrics.begin(disturbance.word());
        chaos
            .board
            .begin(disturbance.to_string(), Instant::now() + length);
        (self.report)(ChaosEvent::Began(id, disturbance));
        match disturbance {
            Disturbance::Roles { choice, .. } => {
                for role in choice.roles() {
                    self.node.fail(*role).await;
                }
            }
            Disturbance::Link {
                peer,
                fault,
                direction,
            } => chaos.links.set(peer, fault, direction, seed),
        }
    }

    async fn end(&mut self, disturbance: Disturbance) {
        let id = self.node.id;
        tracing::info!(replica = %id, %disturbance, "a disturbance on purpose ends");
        (self.report)(ChaosEvent::Ended(id, disturbance));
        match disturbance {
            Disturbance::Roles { choice, memory } => {
                for role in choice.roles() {
                    self.node.restart(*role, memory).await;
                }
            }
            Disturbance::Link { .. } => self.node.chaos.links.clear(),
        }
    }

    /// Waits until the replica works again. Returns `false` if it never will.
    async fn recover(&mut self, disturbance: Disturbance) -> bool {
        let (id, chaos) = (self.node.id, &self.node.chaos);
        loop {
            match self.node.status().await {
                None => return false,
                Some(status) if works(&status) => break,
                Some(status) if status.acceptor == AcceptorStatus::Out => return false,
                Some(_) => tokio::time::sleep(POLL).await,
            }
        }
        chaos.metrics.end(disturbance.word());
        chaos.board.end();
        tracing::info!(replica = %id, %disturbance, "has recovered from a disturbance on purpose");
        (self.report)(ChaosEvent::Recovered(id, disturbance));
        true
    }
}
