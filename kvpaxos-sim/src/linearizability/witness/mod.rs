//! Judges a history by the positions that its answers claim: no search, but a replay.
//!
//! Where answers say their place in one order of everything (`rev`, see [`Event::rev`]), that order is a witness, and to
//! judge the history is to verify it, in n log n for n operations, all keys at once:
//!
//! - **Real time.** A write has a higher position than every operation that completed before it was invoked: that one saw
//!   or made a state in which the write had no part. A get has at least their positions: it may see the same state again,
//!   not an older one. The highest position of what has completed is noted at each invocation and compared at the
//!   completion; that suffices, as it is the strictest of all comparisons.
//! - **One write of a key at a position.** Writes of different keys with one position took effect together. Since a write must
//!   lie above all that completed before its invocation, they then also ran at the same time.
//! - **Replay.** Each key's operations are replayed by position, at equal positions gets after the write. A get finds its
//!   value, a compare-and-swap that was applied finds what it expected, one that was not finds anything else. Nothing
//!   else touches the key, so keys can be replayed one by one. Between two positions there may be others that nobody reports.
//!
//! Whatever passes is linearizable: in the order of positions (at one position, writes before gets) each answer is right, and
//! no operation stands before one that completed before its invocation.
//!
//! # Operations of unknown outcome
//!
//! They took effect once, at any position above those that had completed when they were invoked (their floor), or never. They
//! matter where known writes do not explain an answer. After a put, a delete, a get or an applied compare-and-swap the
//! key's value is certain, whatever happened before, so that the stretches between these are explained one by one, and what they
//! share is only that an operation is used once. In a stretch that needs it, one operation is looked for that explains it alone.
//!
//! - Which one? A floor bounds from below only: what may stand in one gap may stand in every later one too. Operations
//!   that do the same are thus interchangeable from the first gap on in which they may stand, and any of them can be taken.
//!   Of those that lead to the same value a compare-and-swap goes before a put or delete, which can stand in for it but not
//!   the other way round; an append comes last. Stretches that end with an answer choose first, as others can take anything.
//! - If one is found for every stretch, a whole order has been made, and nothing more has to be argued.
//! - If none is found, that proves nothing yet: two of them in a row might explain it, or one that was used elsewhere. It
//!   is a contradiction if there is no operation that could have stood there at all; or if the key must have been set to
//!   that value by operations of unknown outcome more often than there are any, up to there, that could leave that value (those
//!   that set it, and appends of an end of it): each change needs one of its own, however the others are used.
//! - Else the key is not decided. Neither is one with an answer that has no position.

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
    /// The history is linearizable, and in this order.
    Consistent,
    /// No order that has the operations at their positions explains the answers.
    Contradicted(Box<Contradiction>),
    /// Neither has been shown, because of these keys.
    NotDecided {
        /// Which, in the order of their names.
        keys: Vec<Undecided>,
    },
}

/// Cause a history's positions cannot be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contradiction {
    /// The key.
    pub key: String,
    /// In a sentence.
    pub explanation: String,
    /// First the one whose answer or position is wrong, then what it disagrees with.
    pub operations: Vec<PositionedOperation>,
}

/// A key that could not be judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undecided {
    /// The key.
    pub key: String,
    /// Cause.
    pub why: Cause,
}

/// See [`Undecided`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// An answer does not say its position.
    NoPosition,
    /// Only several operations of unknown outcome could explain this, or one that had been used for another.
    Unknown(Box<PositionedOperation>),
}

/// An operation and its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PositionedOperation {
    /// Whose.
    pub process: u64,
    /// What.
    pub operation: Operation,
    /// What came back; nothing if its fate was unknown.
    pub answer: Option<Answer>,
    /// Where it claims to stand.
    pub rev: Option<Revision>,
    /// When it was invoked.
    pub invoked: i64,
    /// When it completed.
    pub completed: Option<i64>,
}

/// Judges a history.
#[must_use]
pub fn judge(history: &History) -> WitnessVerdict {
    let mut witness = Witness::new(history.initial().clone());
    history
        .events()
        .iter()
        .for_each(|event| witness.add(event.clone()));
    witness.judge()
}

/// Takes a history event by event; what was answered is held until it is judged.
pub struct Witness {
    initial: Datum,
    names: HashMap<String, usize>,
    keys: Vec<KeyHistory>,
    open: HashMap<u64, Invocation, BuildQuick>,
    /// The highest position of what has completed.
    highest: Option<Floor>,
    /// The first that is at odds with real time.
    late: Option<Contradiction>,
}

/// What happened to a key.
struct KeyHistory {
    name: String,
    known: Vec<KnownOperation>,
    unknown: Vec<UnknownOperation>,
    lacks_positions: bool,
}

/// Was answered, and says where it stands.
struct KnownOperation {
    process: u64,
    action: Action,
    answer: Answer,
    rev: Revision,
    invoked: i64,
    completed: i64,
}

/// May have taken effect above its floor, if it has one.
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

/// A position, and the operation that completed with it.
#[derive(Clone, Copy)]
struct Floor {
    rev: Revision,
    key: usize,
    index: usize,
}

impl Witness {
    /// Begins with this value of every key.
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

    /// The next event of a history in which each fits those before it.
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
        // A get whose answer nobody saw asserts nothing.
        if invoked.action != Action::Get {
            self.keys[invoked.key].unknown.push(UnknownOperation {
                process,
                action: invoked.action,
                floor: invoked.floor.map(|floor| floor.rev),
                invoked: invoked.time,
            });
        }
    }

    /// Judges what was added. What has not completed is of unknown outcome.
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
                Err(replay::ReplayError::Undecided(why)) => keys.push(Undecided { key, why }),
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

/// `[7 .. 9] process 3: get k = "v" at 12.0`.
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

/// `"k": why`.
impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {:?}: {}", self.key, self.why)
    }
}
