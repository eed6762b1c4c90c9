//! The judge that sees one event after the other, and remembers what is open.
//!
//! The events of a key are held back until the fates of all operations before them are known, which is at the latest when nothing on the
//! key is under way any more. Then they go through the search forward in time, without any knowledge of what comes later, and what is left is
//! what can have happened so far: as a rule one value, and which operations of unknown outcome have been used.
//!
//! An operation that ran alone on its key while there was but one such possibility needs no search. Where it fits, it takes effect and
//! changes the value, or leaves it: whatever else can have happened before needs operations of unknown outcome, and none of these takes
//! effect before it must (see the module `window`). Nothing that is invoked later takes effect before such an operation, so when the block
//! under way began no longer matters.
//!
//! An append is the exception where there are operations of unknown outcome, for what one of these left before it can still be seen with it.
//! So it stays held back, with what the value is if none took effect ([`LoneAppends`]). Where the next operation that tells or sets the value
//! (a read, a swap that was applied, a put, a delete) runs alone as well and fits, there is again but one such possibility: whatever else can
//! have happened has the same value after it, and fewer operations left to use. Otherwise all that is held back is searched.

use std::collections::{HashMap, VecDeque};

use super::report::{Budget, KeyReport, KeyVerdict, Report};
use super::search::{Ending, Frontier, StopReason, StreamedOperation};
use crate::hashing::BuildQuick;
use crate::history::{Action, Answer, Datum, Event, EventKind};

/// See [`Stream::many`].
const MANY: usize = 512;
/// What may be spent at a time on what was held back, and as much again for each operation of it that ran alone.
const EASY: u64 = 50_000;
/// About how many bytes an event takes that is held back.
const HELD_BYTES: usize = 160;

/// Judges the events of a history as they come, in memory that is proportional to what is open.
///
/// It is exact in what it says. A key on which very much runs side by side may be left undecided, where
/// [`check`](super::check) with the whole history at hand may still decide.
///
/// ```
/// use kvpaxos_sim::linearizability::{Budget, Stream};
/// use kvpaxos_sim::history::generate::{Flaw, Generator, Settings};
/// use kvpaxos_sim::history::Datum;
///
/// # fn main() -> Result<(), kvpaxos_sim::history::generate::SettingsError> {
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
    open: HashMap<u64, OpenRef, BuildQuick>,
    numbers: HashMap<Box<str>, usize, BuildQuick>,
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
struct OpenRef {
    key: usize,
    event: u64,
    /// Whether the operation matters even if its outcome is unknown.
    asserts: bool,
}

struct Key {
    /// What was found so far; its name is filled in at the end.
    found: KeyReport,
    /// The value, where `rest` has not more than one, before what is held back.
    value: Datum,
    /// What there is of `held` that ran alone and fitted.
    ahead: Option<LoneAppends>,
    /// What else there is to know.
    rest: Option<Box<Frontier>>,
    held: VecDeque<HeldEvent>,
    /// How many were held before the first of these.
    gone: u64,
    /// How many operations are under way.
    running: usize,
}

/// Appends that ran alone, the first of what is held back; see the module.
struct LoneAppends {
    /// What they make of the value, if no operation of unknown outcome takes effect before them.
    value: Datum,
    /// How many events they are.
    events: usize,
}

/// Whether an operation that ran alone needs a search; see the module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// Not, nor does anything before it.
    Settled,
    /// That is not known yet.
    Ahead,
    Searched,
}

/// An event that is held back.
enum HeldEvent {
    Begins(StreamedOperation),
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
            open: HashMap::default(),
            numbers: HashMap::default(),
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
            EventKind::Ok(answer) => Completion::Answered(answer),
            EventKind::Fail => Completion::Refused,
            EventKind::Info | EventKind::Invoke(_) => Completion::Unknown,
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
        Report::new(self.end(), Vec::new())
    }

    /// There is no more. What was found for each key, in the order of their names.
    pub(super) fn end(mut self) -> Vec<KeyReport> {
        let open: Vec<OpenRef> = self.open.drain().map(|(_, place)| place).collect();
        for place in open {
            self.ends(place, Completion::Unknown, self.now);
        }
        let mut keys: Vec<Option<Key>> = self.keys.into_iter().map(Some).collect();
        let mut names: Vec<(Box<str>, usize)> = self.numbers.into_iter().collect();
        names.sort_unstable();
        let found = names.into_iter().filter_map(|(name, number)| {
            let key = name.into();
            let found = keys[number].take()?.found;
            Some(KeyReport { key, ..found })
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

    fn begins(&mut self, number: usize, action: &Action, now: usize) -> OpenRef {
        let key = &mut self.keys[number];
        let event = key.gone + key.held.len() as u64;
        if key.found.verdict == KeyVerdict::Linearizable {
            self.held += 1;
            key.running += 1;
            key.held.push_back(HeldEvent::Begins(StreamedOperation {
                action: action.clone(),
                invoked: now,
                fate: Ending::Pending,
            }));
        }
        OpenRef {
            key: number,
            event,
            asserts: *action != Action::Get,
        }
    }

    fn ends(&mut self, place: OpenRef, end: Completion<'_>, now: usize) {
        let key = &mut self.keys[place.key];
        let counts = match end {
            Completion::Answered(_) => true,
            Completion::Unknown => place.asserts,
            Completion::Refused => false,
        };
        key.found.operations += usize::from(counts);
        key.found.unknown += usize::from(counts && end == Completion::Unknown);
        if key.found.verdict != KeyVerdict::Linearizable {
            return;
        }
        let (held, before) = (key.held.len(), key.steps());
        let alone = key.ahead.as_ref().map_or(0, |ahead| ahead.events / 2);
        let easy = EASY.saturating_mul(1 + alone as u64);
        let budget = Budget {
            steps: easy.min(self.budget.steps.saturating_sub(self.spent)),
            ..self.budget
        };
        let stop = key.ends(place.event, end, now, (self.many, budget));
        self.spent += key.steps() - before;
        self.held = self.held + key.held.len() - held;
        let is_too_much = self.held > self.budget.memory / HELD_BYTES;
        let verdict = match stop {
            Err(StopReason::Impossible) => KeyVerdict::NotLinearizable,
            Err(StopReason::OutOfBudget) => KeyVerdict::Undecided,
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
            found: KeyReport {
                key: String::new(),
                verdict: KeyVerdict::Linearizable,
                operations: 0,
                unknown: 0,
                steps: 0,
            },
            value,
            ahead: None,
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
        self.ahead = None;
        self.held = VecDeque::new();
    }

    /// An operation ends that is held back as this event.
    fn ends(
        &mut self,
        event: u64,
        end: Completion<'_>,
        now: usize,
        (many, budget): (usize, Budget),
    ) -> Result<(), StopReason> {
        self.running -= 1;
        let before = self.ahead.as_ref().map_or(0, |ahead| ahead.events);
        let alone = if self.held.len() == before + 1 {
            self.alone(end)?
        } else {
            Alone::Searched
        };
        if alone == Alone::Settled {
            self.gone += self.held.len() as u64;
            self.held.clear();
            self.ahead = None;
            return Ok(());
        }
        let place = usize::try_from(event - self.gone).unwrap_or(usize::MAX);
        if let Some(HeldEvent::Begins(begun)) = self.held.get_mut(place) {
            begun.fate = end.fate(now);
        }
        if matches!(end, Completion::Answered(_)) {
            let begun = event;
            self.held.push_back(HeldEvent::Ends { begun, at: now });
        }
        let is_all = self.running == 0 && alone == Alone::Searched;
        if is_all || self.held.len() >= many {
            self.drain(budget)?;
        }
        Ok(())
    }

    /// The last event that is held back is the beginning of an operation that ends now, and ran alone, as all did that are held back.
    fn alone(&mut self, end: Completion<'_>) -> Result<Alone, StopReason> {
        let Some(HeldEvent::Begins(begun)) = self.held.back_mut() else {
            return Ok(Alone::Searched);
        };
        let Completion::Answered(answer) = end else {
            let is_nothing =
                self.ahead.is_none() && (end == Completion::Refused || begun.action == Action::Get);
            return Ok(if is_nothing {
                Alone::Settled
            } else {
                Alone::Searched
            });
        };
        let value = self.ahead.as_ref().map_or(&self.value, |ahead| &ahead.value);
        let is_possible = begun.action.is_answered_by(answer, value);
        let tells = match begun.action {
            Action::Get | Action::Put(_) | Action::Delete => true,
            Action::Cas { .. } => *answer == Answer::Swapped { applied: true } || self.ahead.is_none(),
            Action::Append(_) => false,
        };
        let is_blind = matches!(begun.action, Action::Put(_) | Action::Delete);
        match &self.rest {
            None if !is_possible => return Err(StopReason::Impossible),
            None => {}
            Some(rest) if rest.is_single() && is_possible && !tells => {
                let mut value = value.clone();
                begun.action.clone().apply(&mut value);
                let events = self.held.len() + 1;
                self.ahead = Some(LoneAppends { value, events });
                return Ok(Alone::Ahead);
            }
            Some(rest) if rest.is_single() && is_possible => {}
            Some(rest) if is_blind && !rest.has_optional() => {
                self.found.steps += rest.steps();
                self.rest = None;
            }
            Some(_) => return Ok(Alone::Searched),
        }
        let action = std::mem::replace(&mut begun.action, Action::Get);
        if let Some(ahead) = self.ahead.take() {
            self.value = ahead.value;
        }
        action.apply(&mut self.value);
        Ok(Alone::Settled)
    }

    /// Looks at all that is held back and can be looked at.
    fn drain(&mut self, budget: Budget) -> Result<(), StopReason> {
        self.ahead = None;
        let new = || Box::new(Frontier::new(&self.value, budget));
        let rest = self.rest.get_or_insert_with(new);
        if rest.is_single() && rest.is_quiet() {
            rest.set(&self.value);
        }
        rest.prepare(budget.steps);
        while let Some(held) = self.held.pop_front() {
            match held {
                HeldEvent::Begins(begun) if begun.fate == Ending::Pending => {
                    self.held.push_front(HeldEvent::Begins(begun));
                    break;
                }
                HeldEvent::Begins(begun) => rest.begins(self.gone, &begun),
                HeldEvent::Ends { begun, at } => rest.ends(begun, at)?,
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
enum Completion<'a> {
    Answered(&'a Answer),
    Refused,
    Unknown,
}

impl Completion<'_> {
    fn fate(self, now: usize) -> Ending {
        match self {
            Completion::Answered(answer) => Ending::Answered(now, answer.clone()),
            Completion::Refused => Ending::Refused,
            Completion::Unknown => Ending::Unknown,
        }
    }
}
