//! The phases of a run: faults; a random quorum heals and must serve; all heal and must agree. At the end the
//! history is judged.

use kvpaxos::status::{AcceptorStatus, LearnerStatus};
use kvpaxos::{Micros, ReplicaId, ReplicaSet, Slot, Time};
use serde::Serialize;

use crate::engine::{Decision, Stream};
use crate::invariants::{Property, Sometimes, Violation};
use crate::subject::Subject;
use crate::whole_store::StoreVerdict;
use crate::world::World;
use crate::world::liveness::{LEAST_SHARE, Round};
use crate::world::setup::Length;

/// How many operations each client must have done once a quorum has healed.
const SERVED_OPERATIONS: u64 = 3;

/// How long a cluster is observed that has lost too many memories to serve.
const REFUSING: Micros = Micros(10_000_000);

/// The phase with faults takes at most this many times its length.
const LONGEST: u32 = 16;

/// What is said where clients are served unfairly, before a number.
pub(crate) const UNFAIR: &str = "for each operation of the slowest client, clients on average had";

/// What is said where replicas do not come to agree.
pub(crate) const DISAGREE: &str = "they do not hold the same state";

/// Whether clients were served, but unfairly. That is counted over what clients draw when they have been served, and
/// so only in a run that a seed decides.
pub(crate) fn is_unfairness(violation: &Violation) -> bool {
    violation.property == Property::S4 && violation.explanation.contains(UNFAIR)
}

/// How long the phases took, in simulated time.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Phases {
    /// The phase with faults.
    pub faults: Micros,
    /// From the healing of a quorum until each client had its operations done.
    pub serving: Micros,
    /// The same in hundredths of rounds. A round is the time in which everything that can delay an answer
    /// happens once; it depends on the setup.
    pub serving_rounds: u64,
    /// The operations that clients had done on average, for each operation of the slowest client, counted
    /// from when each had been served once.
    pub unfairness: u64,
    /// From the healing of all replicas until all held the same state.
    pub agreeing: Micros,
}

impl<M: Subject> World<M> {
    /// Plays the run that the setup describes.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn play(&mut self) -> Result<Phases, Violation> {
        let mut phases = Phases::default();
        self.start_clients();
        self.start_faults();
        phases.faults = self.run_faults()?;
        if self.is_at_horizon() {
            self.verdict()?;
            return Ok(phases);
        }
        self.play_healing(&mut phases)?;
        Ok(phases)
    }

    /// Plays what comes after the phase with faults, and judges the run.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub(super) fn play_healing(&mut self, phases: &mut Phases) -> Result<(), Violation> {
        self.healed_at = Some(self.now());
        if self.has_lost_too_much() {
            phases.agreeing = self.run_refusing()?;
        } else {
            self.run_healed_quorum(phases)?;
            phases.agreeing = self.run_healed()?;
        }
        self.verdict()
    }

    fn run_faults(&mut self) -> Result<Micros, Violation> {
        let began = self.now();
        let Length {
            faults,
            operations,
            events,
            ..
        } = self.setup.length;
        for _ in 0..LONGEST {
            self.run_for(faults);
            self.check_findings()?;
            let is_enough =
                self.clients.operations.begun >= operations && self.engine.counts().events >= events;
            if is_enough || self.is_at_horizon() {
                break;
            }
        }
        Ok(since(began, self.now()))
    }

    /// S4: while a quorum is connected, requests are answered, earlier and new ones, whatever the other
    /// replicas do.
    fn run_healed_quorum(&mut self, phases: &mut Phases) -> Result<(), Violation> {
        let began = self.now();
        let quorum = self.draw_quorum();
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        self.nemesis.stop(&mut self.engine);
        self.remark(format!(
            "faults stop: {quorum} heal, what is wrong with the others stays"
        ));
        self.nemesis.break_for_good(all.without(quorum), &mut self.engine);
        self.nemesis.heal(quorum, &mut self.engine);
        let round = Round::of(&self.setup, self.engine.observer.prefix());
        // Where there are more clients than sessions, clients push each other's sessions out, and some of
        // them fail for long. So only as many clients go on as there are sessions.
        if let Ok(room) = u32::try_from(self.setup.cluster.limits.sessions) {
            self.clients.asking = self.clients.asking.min(room);
        }
        // Some clients still wait for a replica that does not answer. Fairness is judged from when each has
        // been served once.
        if self.clients.is_planned() {
            self.serve_planned(quorum, round)?;
        } else {
            self.serve(1, quorum, round)?;
            self.serve(SERVED_OPERATIONS, quorum, round)?;
        }
        phases.serving = since(began, self.now());
        phases.serving_rounds = round.hundredths(phases.serving);
        if !self.clients.is_planned() {
            phases.unfairness = self.clients.unfairness();
        }
        if phases.unfairness > LEAST_SHARE {
            let what = format!("{quorum} healed, and {UNFAIR} {} done", phases.unfairness);
            self.report_finding(Property::S4, what);
        }
        // Calls that are still open must be answered too; no client begins a new one.
        self.clients.asking = 0;
        let answered = self.run_until(round.bound(), |world| world.clients.open() == 0);
        self.check_findings()?;
        if !answered {
            let open = self.clients.describe_open().join("; ");
            let what = format!(
                "{quorum} healed and are connected, but after {round} these calls are not answered: {open}"
            );
            self.report_finding(Property::S4, what);
        }
        self.check_findings()
    }

    /// Runs until each client has had this many operations done. It is a violation if the bound passes
    /// before.
    fn serve(&mut self, operations: u64, quorum: ReplicaSet, round: Round) -> Result<(), Violation> {
        self.clients.begin_count();
        let served = self.run_until(round.bound(), |world| world.clients.all_done(operations));
        self.check_findings()?;
        if !served {
            let open = self.clients.describe_open().join("; ");
            let unserved = self.clients.unserved(operations);
            let unserved: Vec<String> = unserved.iter().map(u32::to_string).collect();
            let what = format!(
                "{quorum} healed and are connected, but after {round} these clients have not been served: {}; under way: {open}",
                unserved.join(", ")
            );
            self.report_finding(Property::S4, what);
        }
        self.check_findings()
    }

    /// Runs until every call of the scenario has begun and ended. It is a violation if the bound passes
    /// before.
    fn serve_planned(&mut self, quorum: ReplicaSet, round: Round) -> Result<(), Violation> {
        let served = self.run_until(round.bound(), |world| world.clients.is_plan_done());
        self.check_findings()?;
        if !served {
            let open = self.clients.describe_open().join("; ");
            let what = format!(
                "{quorum} healed and are connected, but after {round} these calls are not answered: {open}"
            );
            self.report_finding(Property::S4, what);
        }
        self.check_findings()
    }

    /// Whether more acceptors lack their memory, or will when they start, than the others can make up for.
    fn has_lost_too_much(&self) -> bool {
        let lost = |id: &ReplicaId| self.nemesis.has_lost(*id, &self.engine);
        self.engine.ids().filter(lost).count() > self.setup.cluster.losable()
    }

    /// Too many memories are lost: every replica heals, the cluster must refuse service, and any answer it
    /// still gives must be correct.
    fn run_refusing(&mut self) -> Result<Micros, Violation> {
        let began = self.now();
        self.nemesis.stop(&mut self.engine);
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        self.nemesis.heal(all, &mut self.engine);
        self.run_for(REFUSING);
        self.check_findings()?;
        Ok(since(began, self.now()))
    }

    /// A random quorum for both phases, of replicas whose acceptors have their memory.
    fn draw_quorum(&mut self) -> ReplicaSet {
        let quorums = self.setup.cluster.quorums;
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        let mut able: Vec<ReplicaId> = all
            .iter()
            .filter(|id| !self.nemesis.has_lost(*id, &self.engine))
            .collect();
        let mut quorum = ReplicaSet::EMPTY;
        while quorum.len() < quorums.phase1.max(quorums.phase2) && !able.is_empty() {
            let place = self
                .engine
                .decider()
                .index(Stream::Healing, Decision::Healed, able.len());
            quorum.insert(able.swap_remove(place));
        }
        quorum
    }

    /// All replicas heal, and must come to hold the same state.
    fn run_healed(&mut self) -> Result<Micros, Violation> {
        let began = self.now();
        self.remark("all heal".to_owned());
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        self.nemesis.heal(all, &mut self.engine);
        let round = Round::of(&self.setup, self.engine.observer.prefix());
        let agreed = self.run_until(round.bound(), |world| world.agreed());
        self.check_findings()?;
        if !agreed {
            let states: Vec<String> = all
                .iter()
                .map(|id| format!("{id} {}", self.describe(id)))
                .collect();
            let what = format!(
                "all replicas healed, but after {round} {DISAGREE}: {}",
                states.join("; ")
            );
            self.report_finding(Property::S4, what);
            self.check_findings()?;
        }
        Ok(since(began, self.now()))
    }

    /// Whether all replicas have applied everything that is chosen and hold the same state, and every
    /// acceptor that can has recovered its memory.
    #[must_use]
    pub fn agreed(&self) -> bool {
        let mut states = self.engine.ids().map(|id| self.applied(id));
        let Some(Some(first)) = states.next() else {
            return false;
        };
        first.0 == self.engine.observer.prefix()
            && states.all(|state| state == Some(first))
            && self.remembers()
    }

    /// Whether every acceptor that lost its memory has recovered it, where the quorums allow that.
    fn remembers(&self) -> bool {
        let mut out = self
            .engine
            .ids()
            .filter(|id| self.engine.observer.lacks_memory(*id));
        !self.setup.cluster.recovers() || out.next().is_none()
    }

    fn applied(&self, id: ReplicaId) -> Option<(Slot, u128)> {
        match self.status(id)?.learner {
            LearnerStatus::Learning { applied, digest, .. } => Some((applied, digest)),
            LearnerStatus::Failed => None,
        }
    }

    fn describe(&self, id: ReplicaId) -> String {
        let Some(status) = self.status(id) else {
            return "is down".to_owned();
        };
        let votes = match status.acceptor {
            AcceptorStatus::Voting { promised } => format!("votes in {promised}"),
            AcceptorStatus::Out => "has no vote".to_owned(),
            AcceptorStatus::Failed => "acceptor failed".to_owned(),
            AcceptorStatus::Recovering { unanswered, .. } => format!("recovers, lacks {{{unanswered}}}"),
        };
        let learner = match status.learner {
            LearnerStatus::Learning { applied, digest, .. } => {
                format!(
                    "applied {applied} of {} (digest {digest:032x})",
                    self.engine.observer.prefix()
                )
            }
            LearnerStatus::Failed => "learner failed".to_owned(),
        };
        let leader = status
            .leader
            .map_or("none".to_owned(), |ballot| ballot.to_string());
        format!(
            "{votes}, {learner}, leader {leader}, silent: {{{}}}",
            status.silent
        )
    }

    /// Judges the run so far: whether any invariant was violated, and whether the history is linearizable.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn verdict(&mut self) -> Result<(), Violation> {
        self.check_findings()?;
        if let Err(why) = self.recorder.judge() {
            self.report_finding(Property::S2, why.explanation);
        }
        let log = self.engine.observer.log();
        match self.recorder.store.judge(log, &self.setup.cluster.limits) {
            Ok(StoreVerdict::Linearizable) => self.engine.observer.coverage.hit(Sometimes::StoreSearched),
            Ok(_) => {}
            Err((property, explanation)) => self.report_finding(property, explanation),
        }
        if self.recorder.store.scans() > 0 {
            self.engine.observer.coverage.hit(Sometimes::Scanned);
        }
        self.check_findings()
    }

    /// Writes something on the timeline, if there is one.
    fn remark(&mut self, text: String) {
        let now = self.now();
        self.engine
            .observer
            .picture(|timeline| timeline.remark(now, text));
    }

    /// Reports a violation at the present time.
    pub(crate) fn report_finding(&mut self, property: Property, explanation: String) {
        let now = self.now();
        self.engine.observer.report(now, property, explanation);
    }

    /// Fails with the first finding, if anything was found wrong.
    pub(crate) fn check_findings(&self) -> Result<(), Violation> {
        let Some(finding) = self.finding().cloned() else {
            return Ok(());
        };
        let history = match self.recorder.wrong() {
            Some(why) if finding.property == Property::S2 => why.lines.clone(),
            _ => self.traced(),
        };
        Err(Violation {
            property: finding.property,
            seed: self.setup.seed,
            at: finding.at,
            explanation: finding.explanation,
            history,
        })
    }
}

fn since(began: Time, now: Time) -> Micros {
    Micros(now.0 - began.0)
}
