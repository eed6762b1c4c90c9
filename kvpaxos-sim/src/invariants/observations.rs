//! Checks of what replicas report about themselves: their status, their observations and their replies (A1,
//! A4, L1 to L4, P3, P4, S5).

use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Ballot, Incarnation, Observation, Outcome, ReplicaId, Slot, Status, Value};

use super::audit::Audit;
use super::coverage::Sometimes;
use super::two_phase::written_at;
use super::violation::Property;

impl Audit {
    /// A1, A4, R1: an acceptor starts, and `status` is what its replica reports about it.
    pub(super) fn check_status(&mut self, id: ReplicaId, status: &Status) {
        let acceptor = &self.acceptors[usize::from(id.0)];
        let AcceptorStatus::Voting { promised } = status.acceptor else {
            return;
        };
        if acceptor.memory_lost {
            self.violated(Property::A4, format!("{id} lost its memory and is ready to vote"));
        } else if promised < acceptor.promise_durable {
            let durable = acceptor.promise_durable;
            let what = format!("{id} starts with the promise {promised}, but {durable} is on its disk");
            self.violated(Property::A1, what);
        }
        self.refine(
            |refinement| refinement.starts(id, promised),
            || format!("{id} starts with the promise {promised}"),
        );
    }

    /// L1, L2, L3: a learner applied a slot.
    pub(super) fn check_applied(&mut self, by: ReplicaId, slot: Slot, digest: u128, value: Option<&Value>) {
        self.protocol.applied += 1;
        if let Err(why) = self.learners[usize::from(by.0)].apply(slot) {
            self.violated(Property::L2, format!("{by} {why}"));
        }
        if let Some(acknowledgements) = &mut self.acknowledgements {
            acknowledgements.applied(by, slot.next());
        }
        match value {
            Some(value) => self.check_chosen(by, slot, value),
            None => self.check_prefix(by, slot.next(), "the learner"),
        }
        if let Err(other) = self.slots.digest(slot, digest) {
            let what = format!("{by} has digest {digest:032x} after slot {slot}, another has {other:032x}");
            self.violated(Property::L3, what);
        }
    }

    /// S5: a replica answers a client.
    pub(super) fn check_reply(&mut self, by: ReplicaId, outcome: &Outcome) {
        if let (Some(acknowledgements), Some(slot)) = (&self.acknowledgements, written_at(outcome))
            && let Err(why) = acknowledgements.answered(slot)
        {
            let what = format!("{by} answers {outcome}, but of slot {slot} {why}");
            self.violated(Property::S5, what);
        }
    }

    pub(super) fn on_observation(&mut self, by: ReplicaId, observation: &Observation) {
        match observation {
            Observation::Candidate { ballot } => self.on_candidate(by, *ballot),
            Observation::Elected {
                ballot,
                carried_over,
                gaps,
            } => self.on_elected(by, *ballot, *carried_over, *gaps),
            Observation::Deposed { ballot, why } => {
                if let Some(situation) = self.ballots.deposed(*ballot, *why) {
                    self.coverage.hit(situation);
                }
            }
            Observation::Chosen { ballot, slot } => {
                let votes = self.slots.votes(*ballot, *slot);
                if votes < self.quorums.phase2 {
                    let needed = self.quorums.phase2;
                    let what = format!(
                        "{by} counts slot {slot} as chosen in {ballot} with {votes} of {needed} votes"
                    );
                    self.violated(Property::P4, what);
                }
            }
            Observation::CaughtUp { .. } => self.coverage.hit(Sometimes::CaughtUp),
            Observation::Differs { with, slot, .. } => {
                let what =
                    format!("{by} finds that the states of {with} differ from its own below slot {slot}");
                self.violated(Property::L3, what);
            }
            Observation::SessionsDropped { .. } => self.coverage.hit(Sometimes::SessionDropped),
            // `Applied` is checked with the machine at hand, when the replica was stepped.
            Observation::Applied { .. } | Observation::StaysOut => {}
            Observation::FoundedAnew { replica, .. } => {
                // A replica that has been recovered since may still have messages from before on their way.
                if !self.ever_refounded.contains(*replica) {
                    self.violated(
                        Property::Contract,
                        format!("{by} refuses {replica}, which was never founded anew"),
                    );
                }
            }
            Observation::Outlived { incarnation } => self.on_outlived(by, *incarnation),
            Observation::Recovering { .. } => {
                let out = self
                    .acceptors
                    .iter()
                    .filter(|acceptor| acceptor.memory_lost)
                    .count();
                if out > 1 {
                    self.coverage.hit(Sometimes::SeveralRecover);
                }
            }
            Observation::Recovered { .. } => {
                if self.acceptor(by).memory_lost {
                    let what = format!("{by} takes its recovery for complete before that is on its disk");
                    self.violated(Property::A4, what);
                }
            }
            Observation::Installed { slot, digest } => self.on_installed(by, *slot, *digest),
            Observation::SnapshotTaken { slot, digest } => {
                self.coverage.hit(Sometimes::SnapshotTaken);
                self.check_snapshot(by, *slot, *digest);
            }
            Observation::Checkpointed { slot } => {
                if *slot > Slot::ZERO {
                    self.coverage.hit(Sometimes::Checkpointed);
                }
            }
        }
    }

    /// A replica stands. Its ballot is not used yet: if a crash loses its record before anything was sent, it is
    /// free again.
    fn on_candidate(&mut self, by: ReplicaId, ballot: Ballot) {
        self.protocol.standing += 1;
        self.stood_when_asked.remove(by);
        if self.asked_to_stand {
            self.stood_when_asked.insert(by);
            self.coverage.hit(Sometimes::StoodWhenAsked);
        }
        if self.ballots.stands(ballot) {
            self.coverage.hit(Sometimes::ContestedElection);
        }
    }

    /// A4: an acceptor learns that others know a later life of it, and takes its memory for lost.
    fn on_outlived(&mut self, by: ReplicaId, incarnation: Incarnation) {
        self.coverage.hit(Sometimes::AcceptorLost);
        let announced = self.acceptor(by).incarnation_announced;
        if announced < incarnation {
            let (life, announced) = (incarnation.0, announced.0);
            let what = format!(
                "{by} takes its memory for lost in life {life}, but has announced no life above {announced}"
            );
            self.violated(Property::A4, what);
        }
        self.acceptor(by).outlived();
        // The proposer begins a new life as well, as it does when the disk is lost.
        self.ballots.new_life(by);
    }

    /// L4: a learner continues from a snapshot.
    fn on_installed(&mut self, by: ReplicaId, slot: Slot, digest: u128) {
        self.coverage.hit(Sometimes::SnapshotInstalled);
        self.check_prefix(by, slot, "an installed snapshot");
        self.check_snapshot(by, slot, digest);
        self.learners[usize::from(by.0)].install(slot);
        if let Some(acknowledgements) = &mut self.acknowledgements {
            acknowledgements.applied(by, slot);
        }
    }

    /// P3, P4: a candidate has completed phase 1.
    fn on_elected(&mut self, by: ReplicaId, ballot: Ballot, carried_over: u64, gaps: u64) {
        self.protocol.elected += 1;
        if let Some(acknowledgements) = &mut self.acknowledgements {
            acknowledgements.leads(by);
        }
        if let Err(why) = self.ballots.used(by, ballot) {
            self.violated(Property::P3, why);
        }
        let promises = self.ballots.elected(ballot);
        if promises < self.quorums.phase1 {
            let needed = self.quorums.phase1;
            let what = format!("{by} is elected in {ballot} with {promises} of {needed} promises");
            self.violated(Property::P4, what);
        }
        for (situation, occurred) in [
            (Sometimes::LeaderChange, self.protocol.elected > 1),
            (Sometimes::CarriedOver, carried_over > 0),
            (Sometimes::GapFilled, gaps > 0),
            (Sometimes::HandedOver, self.stood_when_asked.remove(by)),
        ] {
            if occurred {
                self.coverage.hit(situation);
            }
        }
    }
}
