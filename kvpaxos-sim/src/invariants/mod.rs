//! The invariants, checked from outside after every event.
//!
//! [`Audit`] watches what replicas write, send and tell, and trusts nothing else: a vote counts here when its record is
//! durable, a value is chosen here when a phase-2 quorum has durably accepted it in one ballot. What a replica says of
//! itself is held against that. No check costs more than the event that it looks at.

mod acceptors;
mod answers;
mod ballots;
mod book;
mod coverage;
mod excerpt;
mod learners;
mod messages;
mod settled;
mod sides;
mod together;
mod trace;
mod violation;
mod watching;

pub(crate) use answers::Floor;
pub use coverage::{Coverage, Sometimes};
pub use excerpt::excerpt;
pub use trace::Trace;
pub(crate) use trace::seconds;
pub use violation::{Property, Violation};

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{
    Ballot, Observation, Outcome, Quorums, Record, ReplicaId, ReplicaSet, Slot, Status, Time, Update, Value,
    Watermark,
};

use acceptors::Acceptor;
use ballots::Ballots;
use book::{Book, Vote};
use learners::Learner;
use settled::{Settled, written_at};
use sides::Sides;

/// The first thing found wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which property.
    pub property: Property,
    /// When.
    pub at: Time,
    /// How.
    pub explanation: String,
}

/// What the protocol did in a run, in numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ProtocolCounts {
    /// How often a proposer began phase 1 of a ballot.
    pub standing: u64,
    /// How often phase 1 was completed.
    pub elected: u64,
    /// How many slots have a chosen value.
    pub chosen: u64,
    /// How many slots were applied, counted at each replica.
    pub applied: u64,
    /// How many records became durable.
    pub records: u64,
}

/// See the module.
pub struct Audit {
    quorums: Quorums,
    acceptors: Vec<Acceptor>,
    learners: Vec<Learner>,
    ballots: Ballots,
    book: Book,
    answers: answers::Answers,
    /// In the two-phase setting.
    settled: Option<Settled>,
    /// Where disks forget in silence, so that replicas may come to differ: then that is what is judged, and nothing else.
    sides: Option<Sides>,
    /// Who was founded anew, and claims to be new since: it forgot what it promised, so that nothing of it may be believed, and nothing of it is
    /// checked but that. It is to halt, and to be recovered.
    anew: ReplicaSet,
    /// Who ever was.
    was_anew: ReplicaSet,
    /// How often one that was founded anew halted.
    pub halted_anew: u64,
    now: Time,
    finding: Option<Finding>,
    /// A line for each event, if anybody wants them.
    pub trace: Trace,
    /// How often each situation occurred.
    pub coverage: Coverage,
    /// What the protocol did, in numbers.
    pub protocol: ProtocolCounts,
}

impl Audit {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(replicas: usize, quorums: Quorums, update: Update) -> Audit {
        let mut coverage = Coverage::default();
        if quorums != Quorums::majority(replicas) {
            coverage.hit(Sometimes::FlexibleQuorums);
        }
        Audit {
            quorums,
            acceptors: (0..replicas).map(|_| Acceptor::default()).collect(),
            learners: (0..replicas).map(|_| Learner::default()).collect(),
            ballots: Ballots::new(replicas),
            book: Book::new(quorums.phase2),
            answers: answers::Answers::default(),
            settled: (update == Update::TwoPhase).then(|| Settled::new(replicas)),
            sides: None,
            anew: ReplicaSet::EMPTY,
            was_anew: ReplicaSet::EMPTY,
            halted_anew: 0,
            now: Time(0),
            finding: None,
            trace: Trace::Off,
            coverage,
            protocol: ProtocolCounts::default(),
        }
    }

    /// Disks will forget in silence from now on: agreement cannot be had, and only what follows from that is judged (D1).
    pub(crate) fn expect_sides(&mut self) {
        self.sides = Some(Sides::new(self.acceptors.len(), self.quorums));
    }

    /// What came of it, where disks forget in silence.
    pub(crate) fn sides(&self) -> Option<&Sides> {
        self.sides.as_ref()
    }

    /// The first thing found wrong, if anything is.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    /// Notes what is found wrong; the first finding stands.
    pub fn report(&mut self, at: Time, property: Property, explanation: String) {
        if self.sides.is_some() && property != Property::D1 {
            return;
        }
        self.finding.get_or_insert(Finding {
            property,
            at,
            explanation,
        });
    }

    fn wrong(&mut self, property: Property, explanation: String) {
        self.report(self.now, property, explanation);
    }

    /// The first slot that is not chosen.
    #[must_use]
    pub fn prefix(&self) -> Slot {
        self.book.prefix()
    }

    /// The value chosen for a slot.
    #[must_use]
    pub fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.book.chosen(slot)
    }

    /// Whether the replica's acceptor has lost its memory.
    #[must_use]
    pub fn is_out(&self, id: ReplicaId) -> bool {
        self.acceptors[usize::from(id.0)].out
    }

    fn acceptor(&mut self, id: ReplicaId) -> &mut Acceptor {
        &mut self.acceptors[usize::from(id.0)]
    }

    // --- Records ---------------------------------------------------------------------------------------------------

    fn check_record(&mut self, by: ReplicaId, record: &Record) {
        if let Err((promise, why)) = self.acceptor(by).write(record) {
            let property = if promise { Property::A1 } else { Property::A2 };
            self.wrong(property, format!("{by} {why}"));
        }
        match record {
            // A leader's own acceptor hears of a proposal within the step that makes it.
            Record::Accepted { ballot, slot, value } if ballot.replica == by => {
                self.check_accept(by, *ballot, *slot, value, Watermark::default());
            }
            Record::Accepted { ballot, slot, value } if !self.book.was_proposed(*ballot, *slot, value) => {
                let what = format!("{by} accepts {value:?} for slot {slot}, which {ballot} never proposed");
                self.wrong(Property::P1, what);
            }
            Record::Chosen { up_to, .. } => self.check_prefix(by, *up_to, "the disk"),
            Record::Learned { slot, value } => self.check_chosen(by, *slot, value),
            _ => {}
        }
    }

    fn on_durable(&mut self, by: ReplicaId, record: &Record) {
        self.protocol.records += 1;
        if self.acceptor(by).durable(record) {
            self.coverage.hit(Sometimes::AcceptorRecovered);
        }
        // A vote of one that lost its memory is on the disk in vain: nobody will hear of it.
        if let Record::Accepted { ballot, slot, .. } = record
            && !self.acceptor(by).out
        {
            let vector = self.acceptor(by).vector.clone();
            self.count_vote(by, *ballot, *slot, &vector);
        }
    }

    /// A vote is durable, or given again.
    fn count_vote(&mut self, by: ReplicaId, ballot: Ballot, slot: Slot, vector: &CrashVector) {
        match self.book.vote(by, ballot, slot, vector) {
            Ok(Vote::Counted) => {}
            Ok(Vote::Chosen) => {
                self.protocol.chosen += 1;
                self.on_chosen(slot);
            }
            Err(why) => self.wrong(Property::L1, why),
        }
    }

    fn on_chosen(&mut self, slot: Slot) {
        let Some(value) = self.book.chosen(slot) else {
            return;
        };
        if value.commands().len() > 1 {
            self.coverage.hit(Sometimes::Batched);
        }
        for command in value.commands() {
            if self.answers.was_chosen_before(command) {
                self.coverage.hit(Sometimes::Deduplicated);
            }
        }
    }

    // --- What replicas tell of themselves --------------------------------------------------------------------------

    fn check_status(&mut self, id: ReplicaId, status: &Status) {
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

    fn check_applied(&mut self, by: ReplicaId, slot: Slot, digest: u128, value: Option<&Value>) {
        self.protocol.applied += 1;
        if let Err(why) = self.learners[usize::from(by.0)].apply(slot) {
            self.wrong(Property::L2, format!("{by} {why}"));
        }
        if let Some(settled) = &mut self.settled {
            settled.applied(by, slot.next());
        }
        match value {
            Some(value) => self.check_chosen(by, slot, value),
            None => self.check_prefix(by, slot.next(), "the learner"),
        }
        if let Err(other) = self.book.digest(slot, digest) {
            let what = format!("{by} has digest {digest:032x} after slot {slot}, another has {other:032x}");
            self.wrong(Property::L3, what);
        }
    }

    /// S5: the answer to a write leaves.
    fn check_reply(&mut self, by: ReplicaId, outcome: &Outcome) {
        if let (Some(settled), Some(slot)) = (&self.settled, written_at(outcome))
            && let Err(why) = settled.answered(slot)
        {
            let what = format!("{by} answers {outcome:?}, but of slot {slot} {why}");
            self.wrong(Property::S5, what);
        }
    }

    fn on_observation(&mut self, by: ReplicaId, observation: &Observation) {
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
                let votes = self.book.votes(*ballot, *slot);
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
                if let Some(settled) = &mut self.settled {
                    settled.applied(by, *slot);
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

    fn on_elected(&mut self, by: ReplicaId, ballot: Ballot, carried_over: u64, gaps: u64) {
        self.protocol.elected += 1;
        if let Some(settled) = &mut self.settled {
            settled.leads(by);
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
