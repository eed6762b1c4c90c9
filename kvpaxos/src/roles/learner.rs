//! The learner: finds out what was chosen, applies it in slot order, and helps others that lag.
//!
//! Its log is cut as it grows: once the values since the last snapshot outweigh the state itself, or are very many, the learner takes
//! a snapshot, which costs next to nothing, and forgets what was chosen before the *previous* one. Where that falls follows from the
//! log alone, so that all replicas have the same snapshots, and one can go on with a transfer that another began.

use crate::agreement::DigestHistory;
use crate::command::{Outcome, Value};
use crate::config::Limits;
use crate::io::Reason;
use crate::roles::acceptor::AcceptedValues;
use crate::roles::chosen_log::ChosenLog;
use crate::state::machine::StateMachine;
use crate::state::snapshot::{Builder, Cursor, DeferredFree, Snapshot};
use crate::types::{Ballot, ReplicaId, Slot};

/// Accepts this far beyond the last chosen slot are remembered; what lies further is asked for when its time comes.
const LOOKAHEAD: u64 = 4096;

/// A snapshot that is on its way is given up if it was asked for so often in turn and nobody answered: it may be that nobody has it any
/// more, or nobody that can be reached.
const INSISTENCE: u32 = 3;

/// A learner.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Learner {
    limits: Limits,
    /// The chosen values from where the log was cut.
    log: ChosenLog,
    /// The last snapshot that was taken or installed: others that lag behind the log get it.
    snapshot: Option<Snapshot>,
    /// Values applied since then: how many slots, and how many bytes.
    since: (u64, u64),
    /// A snapshot of another replica, on its way here.
    incoming: Option<Builder>,
    /// What leaders proposed for later slots, of the highest ballot for each.
    proposed: AcceptedValues,
    /// The state after all of `log`, but for what `apply_next` has not applied yet.
    machine: StateMachine,
    /// The first slot not applied.
    applied: Slot,
    /// The digests after the last slots that were applied.
    digests: DigestHistory,
    /// The highest slot below which all is said to be chosen.
    known: Slot,
    /// Ticks for which it has lacked something that is chosen, without learning anything.
    behind: u32,
    /// How far it had come at the last tick.
    before: LearnerPosition,
    /// Whom it asked for what it lacks, and how many ticks ago.
    asked: Option<(ReplicaId, u32)>,
    /// How often in turn nobody answered when it asked for the rest of the snapshot that is on its way.
    unanswered: u32,
}

/// How far a learner has come: in the log, and in a snapshot that it receives.
type LearnerPosition = (Slot, Option<(Slot, Cursor)>);

/// A command that was applied, by its place in the log, and how it went.
pub(crate) struct AppliedSlot {
    pub(crate) slot: Slot,
    pub(crate) value: Value,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) digest: u128,
    pub(crate) sessions_dropped: u64,
    /// Whether a snapshot was taken after it.
    pub(crate) snapshot: bool,
}

/// What a part of a snapshot led to.
pub(crate) enum TransferProgress {
    /// It was not what was asked for.
    Nothing,
    /// The next part is to be asked for.
    More,
    /// It was the last, and the state is installed.
    Installed,
    /// The parts do not make up what they say.
    Broken,
}

impl Learner {
    /// A learner that begins with what is known to be chosen, and with what was accepted: that was proposed, in the ballot that
    /// stands with it, and may turn out to be chosen.
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
            incoming: None,
            proposed: within.map(|(slot, proposal)| (*slot, proposal.clone())).collect(),
            machine,
            applied,
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

    pub(crate) fn machine(&self) -> &StateMachine {
        &self.machine
    }

    /// The digests after the last slots that were applied.
    pub(crate) fn digests(&self) -> &DigestHistory {
        &self.digests
    }

    /// The chosen values that are not cut.
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

    /// Remembers what the leader of `ballot` proposed.
    ///
    /// # Errors
    /// If it proposed another value before (P1).
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

    /// The leader of `ballot` says that every slot below `up_to` is chosen. What it proposed for them is the chosen value;
    /// what another leader proposed may not be.
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

    /// Another replica says that every slot below `up_to` is chosen.
    pub(crate) fn on_learned_elsewhere(&mut self, up_to: Slot) {
        self.known = self.known.max(up_to);
    }

    /// Another replica tells the values chosen for consecutive slots.
    ///
    /// # Errors
    /// If one of them is not what was learned here for the same slot (L1).
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
            // An answer that brought nothing is no answer: asking again at once would go round and round.
            self.asked = None;
            if !self.insists() {
                self.give_up_incoming(to_free);
            }
        }
        self.known = self.known.max(self.next());
        Ok(())
    }

    /// Applies the next chosen slot, if there is one that is not applied (L2).
    pub(crate) fn apply_next(&mut self, to_free: &mut DeferredFree) -> Option<AppliedSlot> {
        let slot = self.applied;
        let value = self.chosen(slot)?.clone();
        let dropped_before = self.machine.sessions_dropped();
        let outcomes = self.machine.apply_all(slot, value.commands());
        self.applied = slot.next();
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

    /// Takes a snapshot if the log since the last one outweighs the state, or is very long, and cuts the log at the last one:
    /// who lags by less than a whole such stretch is helped with values.
    fn take_snapshot_when_due(&mut self, to_free: &mut DeferredFree) -> bool {
        let (slots, bytes) = self.since;
        let due =
            bytes >= self.machine.bytes().max(self.limits.log_bytes as u64) || slots >= self.limits.log_slots;
        if due {
            self.since = (0, 0);
            let last = self.snapshot.replace(Snapshot::new(self.applied, &self.machine));
            if let Some(last) = last {
                self.log.cut(last.slot());
                to_free.push(last);
            }
        }
        due
    }

    /// A part of another replica's snapshot. The newest one that anybody offers is taken; one that is on its way is given up for a
    /// newer one only, or if nobody goes on with it.
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

    /// Goes on from a snapshot that is ahead of all that is known here.
    pub(crate) fn install(&mut self, snapshot: Snapshot, to_free: &mut DeferredFree) {
        let slot = snapshot.slot();
        assert!(
            slot > self.next(),
            "L2: a snapshot at {slot:?} where {:?} is next",
            self.next()
        );
        to_free.push(std::mem::replace(&mut self.machine, snapshot.machine().clone()));
        self.applied = slot;
        self.digests.push(slot, snapshot.digest());
        self.log.jump_to(slot);
        self.proposed = self.proposed.split_off(&slot);
        self.since = (0, 0);
        let last = self.snapshot.replace(snapshot);
        last.into_iter().for_each(|snapshot| to_free.push(snapshot));
    }

    /// Learns what is chosen from the first slot on that is not known here, as its replica's own log has it.
    pub(crate) fn go_on_with(&mut self, chosen: &ChosenLog) {
        let next = self.next();
        for (slot, value) in chosen.iter_from(next) {
            self.proposed.remove(&slot);
            self.log.push(value.clone());
        }
        self.known = self.known.max(self.next());
    }

    /// Frees a little of the log that is cut.
    pub(crate) fn free_some(&mut self) {
        self.log.free_some();
    }

    /// Goes on with a transfer of an earlier life.
    pub(crate) fn resume(&mut self, incoming: Option<Builder>) {
        if let Some(incoming) = &incoming {
            self.known = self.known.max(incoming.slot());
        }
        self.incoming = incoming;
    }

    /// It has failed: what it held is freed bit by bit.
    pub(crate) fn discard(self, to_free: &mut DeferredFree) {
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

    /// Whether it asks for the rest of the snapshot that is on its way; else for whatever others have.
    pub(crate) fn insists(&self) -> bool {
        self.unanswered < INSISTENCE
    }

    /// What it lacks first: a part of the snapshot that is on its way, if one is and has not come too late: what lies in it may
    /// have been learned by other ways meanwhile.
    pub(crate) fn wanted_part(&self) -> Option<(Slot, Cursor)> {
        let incoming = self
            .incoming
            .as_ref()
            .filter(|incoming| incoming.slot() > self.next())?;
        Some((incoming.slot(), incoming.next()))
    }

    /// Chosen values from a slot on, as many as fit; empty if the first is not known here.
    pub(crate) fn values_from(&self, from: Slot, chunk_bytes: usize) -> Vec<Value> {
        let mut values = Vec::new();
        let mut bytes = 0;
        for (_, value) in self.log.iter_from(from) {
            if !values.is_empty() && bytes + value.size() > chunk_bytes {
                break;
            }
            bytes += value.size();
            values.push(value.clone());
        }
        values
    }

    /// Whether something is chosen elsewhere that is not known here and that nobody was asked for.
    pub(crate) fn lacks(&self) -> bool {
        self.next() < self.known && self.asked.is_none()
    }

    /// Notes whom it asks.
    pub(crate) fn ask(&mut self, whom: ReplicaId) {
        self.asked = Some((whom, 0));
    }

    /// For how many ticks it has lacked something that is chosen, and learned nothing.
    pub(crate) fn behind(&self) -> u32 {
        self.behind
    }

    /// This replica leads from now on: what the learner lacks, phase 2 is about to bring.
    pub(crate) fn on_elected(&mut self) {
        self.behind = 0;
    }

    /// A tick has passed. Tells who did not answer in time, if somebody did not.
    pub(crate) fn on_tick(&mut self, patience: u32) -> Option<ReplicaId> {
        let reached = (self.next(), self.wanted_part());
        let stuck = self.next() < self.known && reached == self.before;
        self.behind = if stuck { self.behind.saturating_add(1) } else { 0 };
        self.before = reached;
        let (whom, age) = self.asked.as_mut()?;
        *age += 1;
        if *age < patience {
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
