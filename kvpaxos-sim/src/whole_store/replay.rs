//! The judge that takes the log for the order of all writes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kvpaxos::{Command, Limits, Op, Outcome, Query, Revision, Sequence, SessionId, Slot, StateMachine};

use super::Model;

/// What a client asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    Write(Op),
    Read(Query),
}

/// An answer that a client received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GivenAnswer {
    pub(crate) question: Question,
    /// The revision that it names.
    pub(crate) revision: Revision,
    pub(crate) outcome: Outcome,
}

/// The pages of one scan, from the first to the last, with their revisions.
pub(crate) type ScanWalk = Vec<(Revision, Vec<Bytes>)>;

/// Executes the log, and compares every answer with what the model says at its place.
pub(crate) struct Replay {
    /// Tells which commands took effect: not the repeats, and not those of sessions that were dropped.
    machine: StateMachine,
    limits: Limits,
    model: Model,
    executed: BTreeSet<(SessionId, Sequence)>,
    /// The writes that took effect, and the states in which something was read.
    writes: BTreeMap<Revision, (Op, Outcome)>,
    reads: BTreeMap<Revision, Vec<(Query, Outcome)>>,
    /// When each key came, and when it went.
    spans: BTreeMap<Bytes, Vec<(Revision, Option<Revision>)>>,
}

/// What is wrong. The first half says whether a write took effect twice, rather than gave a wrong answer.
#[derive(Debug)]
pub(crate) enum Wrong {
    Twice(String),
    Answer(String),
}

impl Replay {
    pub(crate) fn new(limits: Limits) -> Replay {
        Replay {
            machine: StateMachine::new(limits),
            limits,
            model: Model::default(),
            executed: BTreeSet::new(),
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            spans: BTreeMap::new(),
        }
    }

    /// Judges answers and scans by a log: the commands of each slot, from the first slot on. Answers that
    /// name a place behind its end are not judged.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(crate) fn judge<'a>(
        mut self,
        log: impl Iterator<Item = &'a [Command]>,
        answers: &[GivenAnswer],
        scans: &[ScanWalk],
    ) -> Result<(), Wrong> {
        for answer in answers {
            if let Question::Read(query) = &answer.question {
                let reads = self.reads.entry(answer.revision).or_default();
                reads.push((query.clone(), answer.outcome.clone()));
            }
        }
        self.read_at(Revision::default())?;
        let mut end = None;
        for (slot, commands) in (0..).map(Slot).zip(log) {
            self.execute(slot, commands)?;
            end = Some(slot);
        }
        let Some(end) = end else { return Ok(()) };
        for answer in answers {
            if let Question::Write(op) = &answer.question
                && answer.revision.slot <= end
            {
                self.compare_write(op, answer.revision, &answer.outcome)?;
            }
        }
        let whole = |scan: &&ScanWalk| scan.last().is_some_and(|(revision, _)| revision.slot <= end);
        scans
            .iter()
            .filter(whole)
            .try_for_each(|scan| self.compare_scan(scan))
    }

    fn execute(&mut self, slot: Slot, commands: &[Command]) -> Result<(), Wrong> {
        let outcomes = self.machine.apply_all(slot, commands);
        for ((index, command), outcome) in (0..).zip(commands).zip(outcomes) {
            let revision = Revision { slot, index };
            if let Command::Apply {
                session,
                sequence,
                op,
                ..
            } = command
                && position(&outcome) == Some(revision)
            {
                if !self.executed.insert((*session, *sequence)) {
                    let number = sequence.0;
                    return Err(Wrong::Twice(format!(
                        "{op}, sequence {number} of session {session}, took effect again at {revision}"
                    )));
                }
                self.write(revision, op);
            }
        }
        // A slot is applied as a whole before anything is read.
        let last = u32::try_from(commands.len())
            .ok()
            .and_then(|count| count.checked_sub(1));
        last.map_or(Ok(()), |index| self.read_at(Revision { slot, index }))
    }

    fn write(&mut self, revision: Revision, op: &Op) {
        let mut outcomes = self.model.write(Some(revision), op, &self.limits);
        let (outcome, after) = outcomes.swap_remove(0);
        for key in op.keys() {
            let spans = self.spans.entry(key.clone()).or_default();
            match (self.model.value(key).is_some(), after.value(key).is_some()) {
                (false, true) if spans.last().is_none_or(|(_, gone)| gone.is_some()) => {
                    spans.push((revision, None));
                }
                (true, false) => {
                    if let Some((_, gone)) = spans.last_mut() {
                        *gone = Some(revision);
                    }
                }
                _ => {}
            }
        }
        self.model = after;
        self.writes.insert(revision, (op.clone(), outcome));
    }

    /// Compares the answers to the reads of the present state.
    fn read_at(&mut self, revision: Revision) -> Result<(), Wrong> {
        for (query, outcome) in self.reads.remove(&revision).unwrap_or_default() {
            let right = match (&query, &outcome) {
                (Query::Scan { .. }, Outcome::Page { keys, .. }) => {
                    let known: BTreeSet<&Bytes> = self.model.keys().collect();
                    let listed: BTreeSet<&Bytes> = keys.iter().collect();
                    listed.len() == keys.len() && listed.is_subset(&known)
                }
                _ => self.model.read(revision, &query).as_ref() == Some(&outcome),
            };
            if !right {
                return Err(Wrong::Answer(match self.model.read(revision, &query) {
                    Some(expected) => {
                        format!("{query} was answered: {outcome}, where the log says: {expected}")
                    }
                    None => {
                        format!("{query} was answered: {outcome}, with a key twice or one that is absent")
                    }
                }));
            }
        }
        Ok(())
    }

    fn compare_write(&self, op: &Op, revision: Revision, outcome: &Outcome) -> Result<(), Wrong> {
        match self.writes.get(&revision) {
            Some((executed, expected)) if executed == op && expected == outcome => Ok(()),
            Some((_, expected)) => Err(Wrong::Answer(format!(
                "{op} was answered: {outcome}, where the log says: {expected}"
            ))),
            None => Err(Wrong::Answer(format!(
                "{op} was answered: {outcome}, where nothing took effect"
            ))),
        }
    }

    /// A key that was there from the first page to the last must be on one of them.
    fn compare_scan(&self, scan: &ScanWalk) -> Result<(), Wrong> {
        let (Some((first, _)), Some((last, _))) = (scan.first(), scan.last()) else {
            return Ok(());
        };
        let listed: BTreeSet<&Bytes> = scan.iter().flat_map(|(_, keys)| keys).collect();
        let stayed = self.spans.iter().filter(|(_, spans)| {
            let mut spans = spans.iter();
            spans.any(|(came, gone)| came <= first && gone.is_none_or(|gone| gone > *last))
        });
        for (key, _) in stayed {
            if !listed.contains(key) {
                return Err(Wrong::Answer(format!(
                    "a scan from {first} to {last} left out {}, which was there all the time",
                    key.escape_ascii()
                )));
            }
        }
        Ok(())
    }
}

/// The position of a write that took effect.
fn position(outcome: &Outcome) -> Option<Revision> {
    match outcome {
        Outcome::Done { revision }
        | Outcome::Deleted { revision, .. }
        | Outcome::Swapped { revision, .. }
        | Outcome::Executed { revision, .. } => Some(*revision),
        _ => None,
    }
}
