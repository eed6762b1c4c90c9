//! The judge that sees one event after the other, and remembers what is open.
//!
//! The events of a key are held back until the fates of all operations before them are known, which is at the latest when nothing on the
//! key is under way any more. Then they go through the search forward in time, without any knowledge of what comes later, and what is left is
//! what can have happened so far: as a rule one value, and which operations of unknown outcome have been used.
//!
//! An operation that ran alone on its key while there was but one such possibility needs no search. Where it fits, it takes effect and
//! changes the value, or leaves it: whatever else can have happened before needs operations of unknown outcome, and none of these takes
//! effect before it must (see the module `window`). An append is the exception, where there are any, for what was there before it can
//! still be seen with it. Nothing that is invoked later takes effect before such an operation, so when the block under way began no
//! longer matters.

use std::collections::{HashMap, VecDeque};

use super::possible::{Begun, Fate, Possible, Stop, apply, fits};
use super::{Budget, KeyVerdict, Report, report};
use crate::history::{Action, Answer, Datum, Event, EventKind};

/// See [`Stream::many`].
const MANY: usize = 512;
/// What may be spent at a time on what was held back.
const EASY: u64 = 50_000;
/// About how many bytes an event takes that is held back.
const HELD_BYTES: usize = 160;

/// Judges the events of a history as they come, in memory that is proportional to what is open.
///
/// It is exact in what it says. A key on which very much runs side by side may be left undecided, where
/// [`check`](super::check) with the whole history at hand may still decide.
///
/// ```
/// use kvpaxos_sim::check::{Budget, Stream};
/// use kvpaxos_sim::generate::{Flaw, Generator, Settings};
/// use kvpaxos_sim::history::Datum;
///
/// # fn main() -> Result<(), kvpaxos_sim::generate::Nonsense> {
/// let settings = Settings { flaw: Flaw::Impossible, ..Settings::default() };
/// let mut stream = Stream::new(Datum::Null, Budget::default());
/// for event in Generator::new(settings)? {
///     stream.add(&event);
/// }
/// assert!(stream.is_bad());
/// # Ok(())
/// # }
/// ```
pub struct Stream {
    initial: Datum,
    budget: Budget,
    /// Events so far.
    now: usize,
    open: HashMap<u64, Place>,
    numbers: HashMap<Box<str>, usize>,
    keys: Vec<Key>,
    /// Events held back, of all keys.
    held: usize,
    /// So many of a key are held back at most before those are looked at that can be.
    many: usize,
    /// Configurations looked at, for all keys.
    spent: u64,
    bad: bool,
}

/// Where an open operation is held back.
#[derive(Clone, Copy)]
struct Place {
    key: usize,
    event: u64,
    /// Whether the operation matters even if its outcome is unknown.
    asserts: bool,
}

/// What was found for a key so far.
#[derive(Clone, Debug)]
pub(super) struct Streamed {
    pub(super) verdict: KeyVerdict,
    pub(super) operations: usize,
    pub(super) unknown: usize,
    pub(super) steps: u64,
}

struct Key {
    found: Streamed,
    /// The value, where `rest` has not more than one.
    value: Datum,
    /// What else there is to know.
    rest: Option<Box<Possible>>,
    held: VecDeque<Held>,
    /// How many were held before the first of these.
    gone: u64,
    /// How many operations are under way.
    running: usize,
}

/// An event that is held back.
enum Held {
    Begins(Begun),
    Ends { begun: u64, at: usize },
}

impl Stream {
    /// A judge of histories in which every key has this value at first. The memory is for what is held back.
    #[must_use]
    pub fn new(initial: Datum, budget: Budget) -> Stream {
        Stream {
            initial,
            budget,
            now: 0,
            open: HashMap::new(),
            numbers: HashMap::new(),
            keys: Vec::new(),
            held: 0,
            many: MANY,
            spent: 0,
            bad: false,
        }
    }

    /// The same, but holding back more or fewer events.
    #[cfg(test)]
    pub(super) fn holding(self, many: usize) -> Stream {
        Stream { many, ..self }
    }

    /// Takes in the next event. What completes nothing is passed over.
    pub fn add(&mut self, event: &Event) {
        let now = self.now;
        self.now += 1;
        if let EventKind::Invoke(operation) = &event.kind {
            let number = self.number(&operation.key);
            let place = self.begins(number, &operation.action, now);
            self.open.insert(event.process, place);
            return;
        }
        let Some(place) = self.open.remove(&event.process) else {
            return;
        };
        let end = match &event.kind {
            EventKind::Ok(answer) => End::Answered(answer),
            EventKind::Fail => End::Refused,
            EventKind::Info | EventKind::Invoke(_) => End::Unknown,
        };
        self.ends(place, end, now);
    }

    /// Whether some key is certainly not linearizable.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.bad
    }

    /// There is no more. The evidence for keys that are bad takes a second look at the history; see [`check_twice`](super::check_twice).
    #[must_use]
    pub fn finish(self) -> Report {
        report(self.end(), Vec::new())
    }

    /// There is no more. What was found for each key, in the order of their names.
    pub(super) fn end(mut self) -> Vec<(Box<str>, Streamed)> {
        let open: Vec<Place> = self.open.drain().map(|(_, place)| place).collect();
        for place in open {
            self.ends(place, End::Unknown, self.now);
        }
        let mut keys: Vec<Option<Key>> = self.keys.into_iter().map(Some).collect();
        let mut names: Vec<(Box<str>, usize)> = self.numbers.into_iter().collect();
        names.sort_unstable();
        let found = names.into_iter().filter_map(|(name, number)| {
            let key = keys[number].take()?;
            Some((name, key.found))
        });
        found.collect()
    }

    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.keys.len();
        self.keys.push(Key::new(self.initial.clone()));
        self.numbers.insert(name.into(), number);
        number
    }

    fn begins(&mut self, number: usize, action: &Action, now: usize) -> Place {
        let key = &mut self.keys[number];
        let event = key.gone + key.held.len() as u64;
        if key.found.verdict == KeyVerdict::Linearizable {
            self.held += 1;
            key.running += 1;
            key.held.push_back(Held::Begins(Begun {
                action: action.clone(),
                invoked: now,
                fate: Fate::Open,
            }));
        }
        Place {
            key: number,
            event,
            asserts: *action != Action::Get,
        }
    }

    fn ends(&mut self, place: Place, end: End<'_>, now: usize) {
        let key = &mut self.keys[place.key];
        let counts = match end {
            End::Answered(_) => true,
            End::Unknown => place.asserts,
            End::Refused => false,
        };
        key.found.operations += usize::from(counts);
        key.found.unknown += usize::from(counts && end == End::Unknown);
        if key.found.verdict != KeyVerdict::Linearizable {
            return;
        }
        let (held, before) = (key.held.len(), key.steps());
        let budget = Budget {
            steps: EASY.min(self.budget.steps.saturating_sub(self.spent)),
            ..self.budget
        };
        let stop = key.ends(place.event, end, now, (self.many, budget));
        self.spent += key.steps() - before;
        self.held = self.held + key.held.len() - held;
        let is_too_much = self.held > self.budget.memory / HELD_BYTES;
        let verdict = match stop {
            Err(Stop::Impossible) => KeyVerdict::NotLinearizable,
            Err(Stop::OutOfBudget) => KeyVerdict::Undecided,
            Ok(()) if is_too_much => KeyVerdict::Undecided,
            Ok(()) => return,
        };
        self.bad |= verdict == KeyVerdict::NotLinearizable;
        self.held -= key.held.len();
        key.give_up(verdict);
    }
}

impl Key {
    fn new(value: Datum) -> Key {
        Key {
            found: Streamed {
                verdict: KeyVerdict::Linearizable,
                operations: 0,
                unknown: 0,
                steps: 0,
            },
            value,
            rest: None,
            held: VecDeque::new(),
            gone: 0,
            running: 0,
        }
    }

    /// Configurations looked at.
    fn steps(&self) -> u64 {
        self.found.steps + self.rest.as_ref().map_or(0, |rest| rest.steps())
    }

    /// Nothing more needs to be known.
    fn give_up(&mut self, verdict: KeyVerdict) {
        self.found.steps = self.steps();
        self.found.verdict = verdict;
        self.rest = None;
        self.held = VecDeque::new();
    }

    /// An operation ends that is held back as this event.
    fn ends(
        &mut self,
        event: u64,
        end: End<'_>,
        now: usize,
        (many, budget): (usize, Budget),
    ) -> Result<(), Stop> {
        self.running -= 1;
        if self.held.len() == 1 && self.alone(end)? {
            self.held.pop_front();
            self.gone += 1;
            return Ok(());
        }
        let place = usize::try_from(event - self.gone).unwrap_or(usize::MAX);
        if let Some(Held::Begins(begun)) = self.held.get_mut(place) {
            begun.fate = end.fate(now);
        }
        if matches!(end, End::Answered(_)) {
            let begun = event;
            self.held.push_back(Held::Ends { begun, at: now });
        }
        if self.running == 0 || self.held.len() >= many {
            self.drain(budget)?;
        }
        Ok(())
    }

    /// Whether the only operation that is held back ends so that nothing needs to be searched; see the module.
    fn alone(&mut self, end: End<'_>) -> Result<bool, Stop> {
        let Some(Held::Begins(begun)) = self.held.front_mut() else {
            return Ok(false);
        };
        let End::Answered(answer) = end else {
            return Ok(end == End::Refused || begun.action == Action::Get);
        };
        let is_blind = matches!(begun.action, Action::Put(_) | Action::Delete);
        let is_append = matches!(begun.action, Action::Append(_));
        match &self.rest {
            None if !fits(&begun.action, answer, &self.value) => return Err(Stop::Impossible),
            None => {}
            Some(rest) if rest.is_certain() && !is_append && fits(&begun.action, answer, &self.value) => {}
            Some(rest) if is_blind && !rest.has_optional() => {
                self.found.steps += rest.steps();
                self.rest = None;
            }
            Some(_) => return Ok(false),
        }
        let action = std::mem::replace(&mut begun.action, Action::Get);
        apply(action, answer, &mut self.value);
        Ok(true)
    }

    /// Looks at all that is held back and can be looked at.
    fn drain(&mut self, budget: Budget) -> Result<(), Stop> {
        let new = || Box::new(Possible::only(&self.value, budget));
        let rest = self.rest.get_or_insert_with(new);
        if rest.is_certain() && rest.is_quiet() {
            rest.set(&self.value);
        }
        rest.prepare(budget.steps);
        while let Some(held) = self.held.pop_front() {
            match held {
                Held::Begins(begun) if begun.fate == Fate::Open => {
                    self.held.push_front(Held::Begins(begun));
                    break;
                }
                Held::Begins(begun) => rest.begins(self.gone, &begun),
                Held::Ends { begun, at } => rest.ends(begun, at)?,
            }
            self.gone += 1;
        }
        if let Some(value) = rest.value().filter(|_| rest.is_quiet()) {
            self.value = value.clone();
            if !rest.has_optional() {
                self.found.steps += rest.steps();
                self.rest = None;
            }
        }
        Ok(())
    }
}

/// How an operation ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End<'a> {
    Answered(&'a Answer),
    Refused,
    Unknown,
}

impl End<'_> {
    fn fate(self, now: usize) -> Fate {
        match self {
            End::Answered(answer) => Fate::Answered(now, answer.clone()),
            End::Refused => Fate::Refused,
            End::Unknown => Fate::Unknown,
        }
    }
}
