//! Judges a history by the positions of its answers, without a search.
//!
//! If answers have positions in one order of all operations (`rev`, see [`Event::rev`]), that order is a
//! witness. Verifying it takes n log n for n operations, for all keys together:
//!
//! - **Real time.** A write has a higher position than every operation that completed before it was invoked,
//!   for that operation saw or made a state without the write. A get has at least their positions: it may see
//!   the same state, but no older one. The judge notes the highest position of all completed operations at
//!   each invocation and compares it at the completion; that comparison implies all others.
//! - **One write of a key at a position.** Writes of different keys with the same position took effect
//!   together. They ran at the same time, since a write must lie above everything that completed before its
//!   invocation.
//! - **Replay.** The operations of each key are replayed in the order of their positions, gets after the
//!   write at the same position. A get finds its value, an applied compare-and-swap finds what it expected,
//!   and one that was not applied finds anything else. Nothing else touches the key, so each key is replayed
//!   by itself. There may be unreported writes between two positions.
//!
//! A history that passes is linearizable: in the order of positions (writes before gets at the same position)
//! each answer is right, and no operation stands before one that completed before its invocation.
//!
//! # Operations of unknown outcome
//!
//! Such an operation took effect once, at any position above those that had completed when it was invoked
//! (its *floor*), or never. They matter only where known writes do not explain an answer. The key's value is
//! certain after a put, a delete, a get or an applied compare-and-swap, so the *stretches* between these are
//! explained one by one; all that they share is that an operation is used once. For a stretch that needs it,
//! the judge looks for one operation that explains it alone:
//!
//! - A floor is only a lower bound, so an operation that can stand in a gap can stand in every later one.
//!   Operations that do the same are interchangeable from the first gap on in which they can stand, and any
//!   of them can be taken. Of those that lead to the same value, the judge takes a compare-and-swap before a
//!   put or delete, which can replace it but not the other way round, and an append last. Stretches that end
//!   with an answer choose first, since all others can take any operation.
//! - If every stretch finds an operation, the result is a complete order, and nothing more has to be argued.
//! - If a stretch finds none, that proves nothing yet: two operations in a row might explain it, or one that
//!   was used elsewhere. It is a contradiction if no operation could have stood there at all. It is also one
//!   if operations of unknown outcome must have set the key to some value more often than there are such
//!   operations that could leave that value (those that set it, and appends of an end of it), for each change
//!   needs one of its own.
//! - Otherwise the key is not decided. Neither is a key with an answer that has no position.

use std::collections::HashMap;
use std::fmt;

use kvpaxos::Revision;

use crate::hashing::BuildQuick;
use crate::history::{Action, Answer, Datum, Event, EventKind, History, Operation};

mod replay;
#[cfg(test)]
mod tests;
mod unknown;

/// What the positions show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WitnessVerdict {
    /// The history is linearizable in the order of its positions.
    Consistent,
    /// No order with the operations at their positions explains the answers.
    Contradicted(Box<Contradiction>),
    /// Neither has been shown, because of some keys.
    NotDecided {
        /// These keys, in the order of their names.
        keys: Vec<UndecidedKey>,
    },
}

/// Why the positions of a history cannot be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contradiction {
    /// The key.
    pub key: String,
    /// The reason, in a sentence.
    pub explanation: String,
    /// First the operation whose answer or position is wrong, then those that it contradicts.
    pub operations: Vec<PositionedOperation>,
}

/// A key that is not decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UndecidedKey {
    /// The key.
    pub key: String,
    /// The reason.
    pub why: Cause,
}

/// Why a key is not decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// An answer has no position.
    NoPosition,
    /// This operation could be explained only by several operations of unknown outcome, or by one that is
    /// used for another.
    Unknown(Box<PositionedOperation>),
}

/// An operation and its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PositionedOperation {
    /// The process that asked.
    pub process: u64,
    /// The operation.
    pub operation: Operation,
    /// The answer; none if the outcome is unknown.
    pub answer: Option<Answer>,
    /// The position that the answer claims.
    pub rev: Option<Revision>,
    /// The time of its invocation.
    pub invoked: i64,
    /// The time of its completion, if it completed.
    pub completed: Option<i64>,
}

/// Judges a history by its positions.
#[must_use]
pub fn judge(history: &History) -> WitnessVerdict {
    let mut witness = Witness::new(history.initial().clone());
    history
        .events()
        .iter()
        .for_each(|event| witness.add(event.clone()));
    witness.judge()
}

/// Takes in a history event by event, and judges it at the end. All answered operations are in memory until
/// then.
pub struct Witness {
    initial: Datum,
    names: HashMap<String, usize>,
    keys: Vec<KeyHistory>,
    open: HashMap<u64, Invocation, BuildQuick>,
    /// The highest position of a completed operation.
    highest: Option<Floor>,
    /// The first contradiction to real time.
    late: Option<Contradiction>,
}

/// The operations on a key.
struct KeyHistory {
    name: String,
    known: Vec<KnownOperation>,
    unknown: Vec<UnknownOperation>,
    lacks_positions: bool,
}

/// An operation with an answer and a position.
struct KnownOperation {
    process: u64,
    action: Action,
    answer: Answer,
    rev: Revision,
    invoked: i64,
    completed: i64,
}

/// An operation that may have taken effect above its floor, if it has one.
struct UnknownOperation {
    process: u64,
    action: Action,
    floor: Option<Revision>,
    invoked: i64,
}

struct Invocation {
    key: usize,
    action: Action,
    floor: Option<Floor>,
    time: i64,
}

/// A position and the operation that completed with it.
#[derive(Clone, Copy)]
struct Floor {
    rev: Revision,
    key: usize,
    index: usize,
}

impl Witness {
    /// Begins a history in which every key has this value at first.
    #[must_use]
    pub fn new(initial: Datum) -> Witness {
        Witness {
            initial,
            names: HashMap::new(),
            keys: Vec::new(),
            open: HashMap::default(),
            highest: None,
            late: None,
        }
    }

    /// Takes in the next event, which must fit those before it.
    pub fn add(&mut self, event: Event) {
        let process = event.process;
        if let EventKind::Invoke(operation) = event.kind {
            let invoked = Invocation {
                key: self.key(operation.key),
                action: operation.action,
                floor: self.highest,
                time: event.time,
            };
            self.open.insert(process, invoked);
            return;
        }
        let Some(invoked) = self.open.remove(&process) else {
            return;
        };
        match event.kind {
            EventKind::Ok(answer) => match event.rev {
                Some(rev) => self.answered(invoked, answer, rev, (process, event.time)),
                None => self.keys[invoked.key].lacks_positions = true,
            },
            EventKind::Info => self.unknown(process, invoked),
            EventKind::Fail | EventKind::Invoke(_) => {}
        }
    }

    fn key(&mut self, name: String) -> usize {
        if let Some(key) = self.names.get(&name) {
            return *key;
        }
        let key = self.keys.len();
        self.keys.push(KeyHistory {
            name: name.clone(),
            known: Vec::new(),
            unknown: Vec::new(),
            lacks_positions: false,
        });
        self.names.insert(name, key);
        key
    }

    fn answered(&mut self, invoked: Invocation, answer: Answer, rev: Revision, at: (u64, i64)) {
        let (process, completed) = at;
        let (key, floor) = (invoked.key, invoked.floor);
        let known = KnownOperation {
            process,
            action: invoked.action,
            answer,
            rev,
            invoked: invoked.time,
            completed,
        };
        let is_late = |floor: &Floor| rev < floor.rev || rev == floor.rev && !known.is_get();
        if let Some(floor) = floor.filter(|floor| self.late.is_none() && is_late(floor)) {
            self.late = Some(self.contradicts_time(key, &known, floor));
        }
        let log = &mut self.keys[key].known;
        if self.highest.is_none_or(|highest| highest.rev < rev) {
            let index = log.len();
            self.highest = Some(Floor { rev, key, index });
        }
        log.push(known);
    }

    fn contradicts_time(&self, key: usize, known: &KnownOperation, floor: Floor) -> Contradiction {
        let (log, other) = (&self.keys[key], &self.keys[floor.key]);
        let culprit = known.placed(&log.name);
        let before = other.known[floor.index].placed(&other.name);
        let least = if known.is_get() { "there or above" } else { "above" };
        Contradiction {
            key: log.name.clone(),
            explanation: format!(
                "process {}'s \"{}\" stands at {} but was invoked after process {}'s \"{}\" had completed, which stands at {}: \
                 it must stand {least}",
                culprit.process, culprit.operation, known.rev, before.process, before.operation, floor.rev
            ),
            operations: vec![culprit, before],
        }
    }

    fn unknown(&mut self, process: u64, invoked: Invocation) {
        // A get without an answer asserts nothing.
        if invoked.action != Action::Get {
            self.keys[invoked.key].unknown.push(UnknownOperation {
                process,
                action: invoked.action,
                floor: invoked.floor.map(|floor| floor.rev),
                invoked: invoked.time,
            });
        }
    }

    /// Judges the history. Operations that are still open are of unknown outcome.
    #[must_use]
    pub fn judge(mut self) -> WitnessVerdict {
        if let Some(late) = self.late {
            return WitnessVerdict::Contradicted(Box::new(late));
        }
        for (process, invoked) in std::mem::take(&mut self.open) {
            self.unknown(process, invoked);
        }
        self.keys.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let (mut bad, mut keys) = (Vec::new(), Vec::new());
        for log in self.keys {
            let key = log.name.clone();
            let found = if log.lacks_positions {
                Err(replay::ReplayError::Undecided(Cause::NoPosition))
            } else {
                replay::replay(&self.initial, log)
            };
            match found {
                Ok(()) => {}
                Err(replay::ReplayError::Contradicted(why)) => bad.push(*why),
                Err(replay::ReplayError::Undecided(why)) => keys.push(UndecidedKey { key, why }),
            }
        }
        let first = bad
            .into_iter()
            .min_by_key(|bad| bad.operations.first().and_then(|placed| placed.rev));
        match first {
            Some(first) => WitnessVerdict::Contradicted(Box::new(first)),
            None if keys.is_empty() => WitnessVerdict::Consistent,
            None => WitnessVerdict::NotDecided { keys },
        }
    }
}

impl KnownOperation {
    fn is_get(&self) -> bool {
        self.action == Action::Get
    }

    fn placed(&self, key: &str) -> PositionedOperation {
        PositionedOperation {
            process: self.process,
            operation: operation(key, &self.action),
            answer: Some(self.answer.clone()),
            rev: Some(self.rev),
            invoked: self.invoked,
            completed: Some(self.completed),
        }
    }
}

impl UnknownOperation {
    fn placed(&self, key: &str) -> PositionedOperation {
        PositionedOperation {
            process: self.process,
            operation: operation(key, &self.action),
            answer: None,
            rev: None,
            invoked: self.invoked,
            completed: None,
        }
    }
}

fn operation(key: &str, action: &Action) -> Operation {
    let (key, action) = (key.to_owned(), action.clone());
    Operation { key, action }
}

/// Formats as `[7 .. 9] process 3: get k = "v" at 12.0`.
impl fmt::Display for PositionedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} ..", self.invoked)?;
        if let Some(completed) = self.completed {
            write!(f, " {completed}")?;
        }
        write!(f, "] process {}: {} = ", self.process, self.operation)?;
        match &self.answer {
            Some(answer) => answer.fmt(f)?,
            None => f.write_str("?")?,
        }
        self.rev.map_or(Ok(()), |rev| write!(f, " at {rev}"))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NoPosition => f.write_str("an answer does not say its position"),
            Cause::Unknown(placed) => write!(
                f,
                "no single operation of unknown outcome that is left explains {placed}"
            ),
        }
    }
}

/// Formats as `key "k": why`.
impl fmt::Display for UndecidedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {:?}: {}", self.key, self.why)
    }
}
