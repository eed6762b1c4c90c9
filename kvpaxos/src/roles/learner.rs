//! The learner: it finds out what was chosen, applies it in slot order, and helps learners that lag.
//!
//! Its log is cut as it grows. Once the values since the last snapshot are larger than the state itself, or
//! very many, the learner takes a snapshot, which costs little, and drops the values from before the
//! *previous* snapshot. The slots of snapshots follow from the log alone. So all replicas have the same
//! snapshots, and one replica can continue a transfer that another began.

mod applied;
mod export;
mod helped;

use crate::agreement::DigestHistory;
use crate::command::{Outcome, Value};
use crate::config::{Limits, Timing};
use crate::io::Reason;
use crate::roles::acceptor::AcceptedValues;
use crate::roles::chosen_log::ChosenLog;
use crate::roles::learner::applied::is_long;
pub(crate) use crate::roles::learner::applied::{AppliedSlots, Portion};
use crate::roles::learner::helped::{Bound, Helped};
use crate::state::machine::StateMachine;
use crate::state::snapshot::{Builder, Cursor, DeferredFree, Snapshot};
use crate::types::{Ballot, ReplicaId, Slot};

/// The number of slots beyond the last chosen one for which proposals are kept. Values of later slots are
/// requested when they are needed.
const LOOKAHEAD: u64 = 4096;

/// The number of unanswered requests in a row after which the learner gives up a transfer: perhaps no
/// reachable replica has that snapshot any more.
const INSISTENCE: u32 = 3;

/// How many times as much as is applied between two snapshots the log is kept for a replica that lags.
const HELP: u64 = 4;

/// A learner.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Learner {
    limits: Limits,
    /// The chosen values, from the slot at which the log was cut.
    log: ChosenLog,
    /// The last snapshot that was taken or installed. Replicas that lag behind the start of the log get it.
    snapshot: Option<Snapshot>,
    /// The number of slots, and of bytes of values, applied since that snapshot.
    since: (u64, u64),
    /// What is kept for others that lag.
    helped: Helped,
    /// A snapshot of another replica that is being received.
    incoming: Option<Builder>,
    /// For later slots, the value that was proposed in the highest ballot.
    proposed: AcceptedValues,
    /// The state after every slot below `applied`.
    machine: StateMachine,
    /// The first slot not applied.
    applied: Slot,
    /// Whether what is not applied is the log of an earlier life, which may be long: see
    /// [`has_backlog`](Learner::has_backlog).
    backlog: bool,
    /// The digests after the last slots that were applied.
    digests: DigestHistory,
    /// Every slot below is known to be chosen, here or elsewhere.
    known: Slot,
    /// Ticks for which it has lacked a chosen value without making progress.
    behind: u32,
    /// Its position at the last tick.
    before: LearnerPosition,
    /// The replica that it has asked for missing values, and the ticks since.
    asked: Option<(ReplicaId, u32)>,
    /// The number of requests in a row for the rest of the incoming snapshot that were not answered.
    unanswered: u32,
}

/// The position of a learner in the log, and in the snapshot that it receives.
type LearnerPosition = (Slot, Option<(Slot, Cursor)>);

/// A slot that was applied, with the outcomes of its commands if somebody may wait for them.
pub(crate) struct AppliedSlot {
    pub(crate) slot: Slot,
    pub(crate) value: Value,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) digest: u128,
    pub(crate) sessions_dropped: u64,
    /// Whether a snapshot was taken after this slot.
    pub(crate) snapshot: bool,
}

/// The effect of a part of a snapshot on the transfer.
pub(crate) enum TransferProgress {
    /// None: it is not the part that was requested.
    Nothing,
    /// The part was added; the next one must be requested.
    More,
    /// It was the last part, and the snapshot is installed.
    Installed,
    /// The part, or the whole snapshot, is not what its sender claims.
    Broken,
}

impl Learner {
    /// A learner that begins with these chosen values. It treats the accepted values as proposed in their
    /// ballots: they may turn out to be chosen.
    pub(crate) fn new(
        limits: Limits,
        snapshot: Option<Snapshot>,
        chosen: &ChosenLog,
        accepted: &AcceptedValues,
    ) -> Learner {
        let next = chosen.next();
        let within = accepted
            .range(next..)
            .take_while(|(slot, _)| slot.0 < next.0 + LOOKAHEAD);
        let (applied, machine) = match &snapshot {
            Some(snapshot) => (snapshot.slot(), snapshot.machine().clone()),
            None => (Slot::ZERO, StateMachine::new(limits)),
        };
        let mut digests = DigestHistory::default();
        digests.push(applied, machine.digest());
        Learner {
            limits,
            log: chosen.clone(),
            snapshot,
            since: (0, 0),
            helped: Helped::default(),
            incoming: None,
            proposed: within.map(|(slot, proposal)| (*slot, proposal.clone())).collect(),
            machine,
            applied,
            backlog: is_long(chosen, applied, &limits),
            digests,
            known: next,
            behind: 0,
            before: (next, None),
            asked: None,
            unanswered: 0,
        }
    }

    /// The first slot not known to be chosen.
    pub(crate) fn next(&self) -> Slot {
        self.log.next()
    }

    /// The first slot not applied.
    pub(crate) fn applied(&self) -> Slot {
        self.applied
    }

    /// Whether it began with a log that it has not applied yet, or got one since from its acceptor, and this is more than a
    /// step may apply beside its other work. It may be as long as a log ever gets, so it is applied in portions. Values that
    /// are chosen meanwhile wait in line behind it.
    pub(crate) fn has_backlog(&self) -> bool {
        self.backlog
    }

    pub(crate) fn machine(&self) -> &StateMachine {
        &self.machine
    }

    /// The digests after the last slots that were applied.
    pub(crate) fn digests(&self) -> &DigestHistory {
        &self.digests
    }

    /// The chosen values that are still held.
    pub(crate) fn log(&self) -> &ChosenLog {
        &self.log
    }

    /// The last snapshot.
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    pub(crate) fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.log.get(slot)
    }

    /// Keeps the value that the leader of `ballot` proposed.
    ///
    /// # Errors
    /// If the same leader proposed another value for the slot before (P1).
    pub(crate) fn on_accept(&mut self, ballot: Ballot, slot: Slot, value: &Value) -> Result<(), Reason> {
        if slot < self.next() || slot.0 >= self.next().0 + LOOKAHEAD {
            return Ok(());
        }
        match self.proposed.get(&slot) {
            Some((before, same)) if *before == ballot && same != value => {
                Err(Reason::TwoValues { ballot, slot })
            }
            Some((before, _)) if *before >= ballot => Ok(()),
            _ => {
                self.proposed.insert(slot, (ballot, value.clone()));
                Ok(())
            }
        }
    }

    /// The leader of `ballot` reports that every slot below `up_to` is chosen. The values that it proposed
    /// for them are the chosen ones; values of other leaders need not be.
    pub(crate) fn on_watermark(&mut self, ballot: Ballot, up_to: Slot) {
        self.known = self.known.max(up_to);
        while self.next() < up_to {
            let next = self.next();
            match self.proposed.get(&next) {
                Some((proposed_in, _)) if *proposed_in == ballot => {
                    let (_, value) = self.proposed.remove(&next).expect("it was there a moment ago");
                    self.log.push(value);
                }
                _ => break,
            }
        }
    }

    /// Another replica reports that every slot below `up_to` is chosen.
    pub(crate) fn on_learned_elsewhere(&mut self, up_to: Slot) {
        self.known = self.known.max(up_to);
    }

    /// Another replica sends the values chosen for consecutive slots.
    ///
    /// # Errors
    /// If one of them differs from the value that was learned here for the same slot (L1).
    pub(crate) fn on_learned(
        &mut self,
        from: Slot,
        values: &[Value],
        to_free: &mut DeferredFree,
    ) -> Result<(), Reason> {
        let before = self.next();
        for (slot, value) in (from.0..).map(Slot).zip(values) {
            match self.chosen(slot) {
                Some(known) if known != value => return Err(Reason::TwoChosen { slot }),
                Some(_) => {}
                None if slot < self.next() => {}
                None if slot == self.next() => {
                    self.proposed.remove(&slot);
                    self.log.push(value.clone());
                }
                None => break,
            }
        }
        if self.next() > before {
            // Only an answer with new values ends the request: asking again at once after an empty one would
            // never end.
            self.asked = None;
            if !self.insists() {
                self.give_up_incoming(to_free);
            }
        }
        self.known = self.known.max(self.next());
        Ok(())
    }

    /// Applies the next chosen slot, if there is one that is not applied (L2). The outcomes are kept only if somebody may wait for
    /// them.
    pub(crate) fn apply_next(&mut self, is_awaited: bool, to_free: &mut DeferredFree) -> Option<AppliedSlot> {
        let slot = self.applied;
        let value = self.chosen(slot)?.clone();
        let dropped_before = self.machine.sessions_dropped();
        let outcomes = if is_awaited {
            self.machine.apply_all(slot, value.commands())
        } else {
            self.machine.apply_each(slot, value.commands(), drop);
            Vec::new()
        };
        self.applied = slot.next();
        self.backlog &= self.applied < self.next();
        let sessions_dropped = self.machine.sessions_dropped() - dropped_before;
        let (slots, bytes) = self.since;
        self.since = (slots + 1, bytes + value.size() as u64);
        let digest = self.machine.digest();
        self.digests.push(self.applied, digest);
        Some(AppliedSlot {
            slot,
            value,
            outcomes,
            digest,
            sessions_dropped,
            snapshot: self.take_snapshot_when_due(to_free),
        })
    }

    /// Takes a snapshot if the log since the last one is larger than the state, or very long, and cuts the
    /// log at the last one. A replica that lags by less than the part that remains is helped with values
    /// instead of a snapshot.
    fn take_snapshot_when_due(&mut self, to_free: &mut DeferredFree) -> bool {
        let (slots, bytes) = self.since;
        let (most_slots, most_bytes) = (
            self.limits.log_slots,
            self.machine.bytes().max(self.limits.log_bytes as u64),
        );
        let due = bytes >= most_bytes || slots >= most_slots;
        if due {
            self.since = (0, 0);
            let last = self.snapshot.replace(Snapshot::new(self.applied, &self.machine));
            if let Some(last) = last {
                // As many proposals beyond the log are kept in any case, so a bound of fewer slots would save nothing.
                let bound = Bound {
                    slots: most_slots.saturating_mul(HELP).max(LOOKAHEAD),
                    bytes: most_bytes.saturating_mul(HELP),
                };
                let cut = self.helped.cut(last.slot(), (slots, bytes), &bound, to_free);
                self.log.cut(cut);
                to_free.push(last);
            }
        }
        due
    }

    /// Takes a part of another replica's snapshot. A transfer is given up only for a newer snapshot, or if no
    /// replica continues it.
    pub(crate) fn on_part(
        &mut self,
        (slot, digest): (Slot, u128),
        at: Cursor,
        bytes: &bytes::Bytes,
        next: Option<Cursor>,
        to_free: &mut DeferredFree,
    ) -> TransferProgress {
        if slot <= self.next() {
            return TransferProgress::Nothing;
        }
        self.known = self.known.max(slot);
        let newer = self
            .incoming
            .as_ref()
            .is_none_or(|incoming| incoming.slot() < slot);
        if at == Cursor::START && (newer || !self.insists()) {
            self.give_up_incoming(to_free);
            self.incoming = Some(Builder::new(self.limits, slot, digest));
        }
        let expected = |incoming: &&mut Builder| {
            (incoming.slot(), incoming.digest()) == (slot, digest) && incoming.next() == at
        };
        let Some(incoming) = self.incoming.as_mut().filter(expected) else {
            return TransferProgress::Nothing;
        };
        self.asked = None;
        self.unanswered = 0;
        match incoming.add(at, bytes, next) {
            Err(_) => {
                let broken = self.incoming.take();
                broken.into_iter().for_each(|builder| to_free.push(builder));
                TransferProgress::Broken
            }
            Ok(false) => TransferProgress::More,
            Ok(true) => match self.incoming.take().map(Builder::finish) {
                Some(Ok(snapshot)) => {
                    self.install(snapshot, to_free);
                    TransferProgress::Installed
                }
                Some(Err(rejected)) => {
                    to_free.push(*rejected.builder);
                    TransferProgress::Broken
                }
                None => TransferProgress::Nothing,
            },
        }
    }

    /// Continues from a snapshot that is ahead of all slots that this learner knows.
    pub(crate) fn install(&mut self, snapshot: Snapshot, to_free: &mut DeferredFree) {
        let slot = snapshot.slot();
        assert!(
            slot > self.next(),
            "L2: a snapshot at {slot:?} where {:?} is next",
            self.next()
        );
        to_free.push(std::mem::replace(&mut self.machine, snapshot.machine().clone()));
        self.applied = slot;
        self.backlog = false;
        self.digests.push(slot, snapshot.digest());
        self.log.jump_to(slot);
        self.helped.end(to_free);
        self.proposed = self.proposed.split_off(&slot);
        self.since = (0, 0);
        let last = self.snapshot.replace(snapshot);
        last.into_iter().for_each(|snapshot| to_free.push(snapshot));
    }

    /// Learns the chosen values that the acceptor's side of this replica has and the learner has not.
    pub(crate) fn go_on_with(&mut self, chosen: &ChosenLog) {
        let next = self.next();
        for (slot, value) in chosen.iter_from(next) {
            self.proposed.remove(&slot);
            self.log.push(value.clone());
        }
        self.backlog |= is_long(&self.log, next, &self.limits);
        self.known = self.known.max(self.next());
    }

    /// Frees so many values of the part of the log that is cut.
    pub(crate) fn free_some(&mut self, count: usize) {
        self.log.free_some(count);
    }

    /// Whether a snapshot of another replica is being received.
    pub(crate) fn is_receiving(&self) -> bool {
        self.incoming.is_some()
    }

    /// Continues a transfer that began in an earlier life.
    pub(crate) fn resume(&mut self, incoming: Option<Builder>) {
        if let Some(incoming) = &incoming {
            self.known = self.known.max(incoming.slot());
        }
        self.incoming = incoming;
    }

    /// The learner has failed: hands its state over to be freed little by little.
    pub(crate) fn discard(mut self, to_free: &mut DeferredFree) {
        self.helped.end(to_free);
        to_free.push(self.machine);
        self.snapshot
            .into_iter()
            .for_each(|snapshot| to_free.push(snapshot));
        self.incoming
            .into_iter()
            .for_each(|builder| to_free.push(builder));
    }

    fn give_up_incoming(&mut self, to_free: &mut DeferredFree) {
        self.unanswered = 0;
        let given_up = self.incoming.take();
        given_up.into_iter().for_each(|builder| to_free.push(builder));
    }

    /// Whether it still requests the rest of the incoming snapshot. If not, it requests whatever others have.
    pub(crate) fn insists(&self) -> bool {
        self.unanswered < INSISTENCE
    }

    /// The next part of the incoming snapshot, if there is one and the learner has not passed its slot by
    /// other means.
    pub(crate) fn wanted_part(&self) -> Option<(Slot, Cursor)> {
        let incoming = self
            .incoming
            .as_ref()
            .filter(|incoming| incoming.slot() > self.next())?;
        Some((incoming.slot(), incoming.next()))
    }

    /// Whether a value is chosen that this learner lacks and has not requested.
    pub(crate) fn lacks(&self) -> bool {
        self.next() < self.known && self.asked.is_none()
    }

    /// Notes the replica that it asks.
    pub(crate) fn ask(&mut self, whom: ReplicaId) {
        self.asked = Some((whom, 0));
    }

    /// The number of ticks for which it has lacked a chosen value without making progress.
    pub(crate) fn behind(&self) -> u32 {
        self.behind
    }

    /// This replica leads from now on: phase 2 will bring the missing values.
    pub(crate) fn on_elected(&mut self) {
        self.behind = 0;
    }

    /// A tick has passed. Returns the replica that did not answer in time, if one did not.
    pub(crate) fn on_tick(&mut self, timing: &Timing, to_free: &mut DeferredFree) -> Option<ReplicaId> {
        self.helped.on_tick(timing.resend + timing.patience, to_free);
        let reached = (self.next(), self.wanted_part());
        let stuck = self.next() < self.known && reached == self.before;
        self.behind = if stuck { self.behind.saturating_add(1) } else { 0 };
        self.before = reached;
        let (whom, age) = self.asked.as_mut()?;
        *age += 1;
        if *age < timing.resend {
            return None;
        }
        let whom = *whom;
        self.asked = None;
        if self.wanted_part().is_some() {
            self.unanswered = self.unanswered.saturating_add(1);
        }
        Some(whom)
    }
}
