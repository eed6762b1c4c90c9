//! What replicas tell of themselves.

use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Ballot, Observation, Outcome, ReplicaId, Slot, Status, Value};

use super::audit::Audit;
use super::coverage::Sometimes;
use super::two_phase::written_at;
use super::violation::Property;

impl Audit {
    pub(super) fn check_status(&mut self, id: ReplicaId, status: &Status) {
        let acceptor = &self.acceptors[usize::from(id.0)];
        let AcceptorStatus::Voting { promised } = status.acceptor else {
            return;
        };
        if acceptor.out {
            self.wrong(Property::A4, format!("{id} lost its memory and would vote"));
        } else if promised < acceptor.durable {
            let durable = acceptor.durable;
            let what = format!("{id} starts with the promise {promised}, but {durable} is on its disk");
            self.wrong(Property::A1, what);
        }
    }

    pub(super) fn check_applied(&mut self, by: ReplicaId, slot: Slot, digest: u128, value: Option<&Value>) {
        self.protocol.applied += 1;
        if let Err(why) = self.learners[usize::from(by.0)].apply(slot) {
            self.wrong(Property::L2, format!("{by} {why}"));
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
            self.wrong(Property::L3, what);
        }
    }

    /// S5: the answer to a write leaves.
    pub(super) fn check_reply(&mut self, by: ReplicaId, outcome: &Outcome) {
        if let (Some(acknowledgements), Some(slot)) = (&self.acknowledgements, written_at(outcome))
            && let Err(why) = acknowledgements.answered(slot)
        {
            let what = format!("{by} answers {outcome:?}, but of slot {slot} {why}");
            self.wrong(Property::S5, what);
        }
    }

    pub(super) fn on_observation(&mut self, by: ReplicaId, observation: &Observation) {
        match observation {
            Observation::Standing { ballot } => {
                // Not a use yet: if its record is lost in a crash before anything was sent, the ballot is free.
                self.protocol.standing += 1;
                if self.ballots.stands(*ballot) {
                    self.coverage.hit(Sometimes::ContestedElection);
                }
            }
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
                    self.wrong(Property::P4, what);
                }
            }
            Observation::CaughtUp { .. } => self.coverage.hit(Sometimes::CaughtUp),
            Observation::Differs { with, slot, .. } => {
                let what =
                    format!("{by} finds that the states of {with} differ from its own below slot {slot}");
                self.wrong(Property::L3, what);
            }
            Observation::SessionsDropped { .. } => self.coverage.hit(Sometimes::SessionDropped),
            // `Applied` needs the machine: see the hook.
            Observation::Applied { .. } | Observation::StaysOut => {}
            Observation::FoundedAnew { replica, .. } => {
                // One that was recovered since may have something on its way from before.
                if !self.was_anew.contains(*replica) {
                    self.wrong(
                        Property::Contract,
                        format!("{by} refuses {replica}, which was founded once"),
                    );
                }
            }
            Observation::Outlived { incarnation } => {
                self.coverage.hit(Sometimes::AcceptorLost);
                let announced = self.acceptor(by).announced;
                if announced < *incarnation {
                    let (told, announced) = (incarnation.0, announced.0);
                    let what = format!(
                        "{by} takes its memory for lost in life {told}, but announced none above {announced}"
                    );
                    self.wrong(Property::A4, what);
                }
                self.acceptor(by).lost();
                // As if its disk were lost, its proposer begins anew too.
                self.ballots.new_life(by);
            }
            Observation::Recovering { .. } => {
                let out = self.acceptors.iter().filter(|acceptor| acceptor.out).count();
                if out > 1 {
                    self.coverage.hit(Sometimes::SeveralRecover);
                }
            }
            Observation::Recovered { .. } => {
                if self.acceptor(by).out {
                    let what = format!("{by} takes its memory for recovered before that is on its disk");
                    self.wrong(Property::A4, what);
                }
            }
            Observation::Installed { slot, digest } => {
                self.coverage.hit(Sometimes::SnapshotInstalled);
                self.check_prefix(by, *slot, "an installed snapshot");
                self.check_snapshot(by, *slot, *digest);
                self.learners[usize::from(by.0)].install(*slot);
                if let Some(acknowledgements) = &mut self.acknowledgements {
                    acknowledgements.applied(by, *slot);
                }
            }
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

    pub(super) fn on_elected(&mut self, by: ReplicaId, ballot: Ballot, carried_over: u64, gaps: u64) {
        self.protocol.elected += 1;
        if let Some(acknowledgements) = &mut self.acknowledgements {
            acknowledgements.leads(by);
        }
        if let Err(why) = self.ballots.used(by, ballot) {
            self.wrong(Property::P3, why);
        }
        let promises = self.ballots.elected(ballot);
        if promises < self.quorums.phase1 {
            let needed = self.quorums.phase1;
            let what = format!("{by} is elected in {ballot} with {promises} of {needed} promises");
            self.wrong(Property::P4, what);
        }
        for (situation, occurred) in [
            (Sometimes::LeaderChange, self.protocol.elected > 1),
            (Sometimes::CarriedOver, carried_over > 0),
            (Sometimes::GapFilled, gaps > 0),
        ] {
            if occurred {
                self.coverage.hit(situation);
            }
        }
    }
}
