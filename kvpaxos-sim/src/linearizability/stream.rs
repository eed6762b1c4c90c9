//! The stream: judges a history event by event, and keeps only what is open.
//!
//! The events of a key are held back until the endings of all operations before them are known, at the latest
//! when no operation on the key is open. Then they go through the search without any knowledge of what comes
//! later. What is left is the *frontier*: all configurations that are possible so far, usually a single value
//! and the operations of unknown outcome that have been used.
//!
//! An operation that ran alone on its key while there was only one configuration needs no search. If its
//! answer fits, it takes effect and changes the value or leaves it: every other configuration needs
//! operations of unknown outcome, and none of these takes effect before it must (see
//! [`just_in_time`](super::search)). Nothing that is invoked later takes effect before such an operation, so
//! it no longer matters when the current block began.
//!
//! Appends are an exception if there are operations of unknown outcome, for a later read still shows what
//! such an operation left before the append. So a lone append stays held back, together with the value that
//! results if no operation of unknown outcome took effect ([`LoneAppends`]). If the next operation that tells
//! or sets the value (a read, an applied swap, a put, a delete) also runs alone and fits, there is only one
//! configuration again: all others have the same value after it, and fewer operations left to use. Otherwise
//! everything that is held back is searched.

use std::collections::{HashMap, VecDeque};

use super::report::{Budget, KeyReport, KeyVerdict, Report};
use super::search::{Ending, Frontier, StopReason, StreamedOperation};
use crate::hashing::BuildQuick;
use crate::history::{Action, Answer, Datum, Event, EventKind};

/// The default of [`Stream::held_limit`].
const HELD_LIMIT: usize = 512;
/// How many steps a search of held events may take, for the search itself and again for each lone operation
/// among them.
const EASY: u64 = 50_000;
/// The same where a search of the whole history follows if they do not suffice. It knows which values are found
/// later, so what is hard here is mostly easy there.
const EASY_AT_FIRST: u64 = 2_000;
/// The memory that a held event takes, about.
const HELD_BYTES: usize = 160;

/// Judges the events of a history as they come, in memory proportional to the open operations.
///
/// It decides correctly or not at all. A key with very many concurrent operations may be undecided although
/// [`check`](super::check), which has the whole history at hand, can decide it.
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
    /// The number of events so far.
    now: usize,
    open: HashMap<u64, OpenRef, BuildQuick>,
    numbers: HashMap<Box<str>, usize, BuildQuick>,
    keys: Vec<Key>,
    /// The number of held events of all keys.
    held: usize,
    /// How many events of a key are held at most before those that can be searched are.
    held_limit: usize,
    /// How many steps an easy search takes at most.
    easy: u64,
    /// The number of configurations looked at, for all keys.
    spent: u64,
    /// The number of the first key that was found bad.
    first_bad: Option<usize>,
}

/// An open operation, as a reference to the held event that began it.
#[derive(Clone, Copy)]
struct OpenRef {
    key: usize,
    event: u64,
    /// Whether the operation counts even if its outcome is unknown.
    asserts: bool,
}

struct Key {
    /// The report so far. The key's name is filled in at the end.
    found: KeyReport,
    /// The value before the held events, if there is only one configuration.
    value: Datum,
    /// The first of the held events, if they are appends that ran alone and fitted.
    lone_appends: Option<LoneAppends>,
    /// The frontier, if there is more to know than the value.
    frontier: Option<Box<Frontier>>,
    held: VecDeque<HeldEvent>,
    /// The number of events that were held and are no longer.
    forgotten: u64,
    /// The number of open operations.
    running: usize,
}

/// Appends that ran alone; see the module's docs.
struct LoneAppends {
    /// The value after them, if no operation of unknown outcome takes effect before them.
    value: Datum,
    /// How many held events they are.
    events: usize,
}

/// Whether an operation that ran alone needs a search; see the module's docs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoneVerdict {
    /// Neither it nor anything before it does.
    Decided,
    /// It is an append, and that is not known yet.
    HeldBack,
    NeedsSearch,
}

/// A held event.
enum HeldEvent {
    Begins(StreamedOperation),
    Ends { begun: u64, at: usize },
}

impl Stream {
    /// Begins to judge a history in which every key has this value at first. The budget's memory is for held
    /// events.
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
            held_limit: HELD_LIMIT,
            easy: EASY,
            spent: 0,
            first_bad: None,
        }
    }

    /// The same stream, for a first reading of the history: it soon leaves hard keys undecided.
    pub(super) fn at_first(self) -> Stream {
        let easy = EASY_AT_FIRST;
        Stream { easy, ..self }
    }

    /// The same stream, holding back more or fewer events.
    #[cfg(test)]
    pub(super) fn holding(self, held_limit: usize) -> Stream {
        Stream { held_limit, ..self }
    }

    /// Takes in the next event. A completion without an open operation is ignored.
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
        self.first_bad.is_some()
    }

    /// The first key that was found not linearizable.
    pub(super) fn first_bad(&self) -> Option<&str> {
        let bad = self.first_bad?;
        let mut names = self.numbers.iter();
        names.find_map(|(name, number)| (*number == bad).then_some(&**name))
    }

    /// Ends the history. The report has no evidence, which takes a second reading; see
    /// [`check_twice`](super::check_twice).
    #[must_use]
    pub fn finish(self) -> Report {
        Report::new(self.end(), Vec::new())
    }

    /// Ends the history. Returns the reports on the keys, in the order of their names.
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
        let event = key.forgotten + key.held.len() as u64;
        if key.found.verdict == KeyVerdict::Linearizable {
            self.held += 1;
            key.running += 1;
            key.held.push_back(HeldEvent::Begins(StreamedOperation {
                action: action.clone(),
                invoked: now,
                ending: Ending::Pending,
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
        let alone = key
            .lone_appends
            .as_ref()
            .map_or(0, |lone_appends| lone_appends.events / 2);
        let easy = self.easy.saturating_mul(1 + alone as u64);
        let budget = Budget {
            steps: easy.min(self.budget.steps.saturating_sub(self.spent)),
            ..self.budget
        };
        let stop = key.ends(place.event, end, now, (self.held_limit, budget));
        self.spent += key.steps() - before;
        self.held = self.held + key.held.len() - held;
        let is_too_much = self.held > self.budget.memory / HELD_BYTES;
        let verdict = match stop {
            Err(StopReason::Impossible) => KeyVerdict::NotLinearizable,
            Err(StopReason::OutOfBudget) => KeyVerdict::Undecided,
            Ok(()) if is_too_much => KeyVerdict::Undecided,
            Ok(()) => return,
        };
        if verdict == KeyVerdict::NotLinearizable {
            self.first_bad.get_or_insert(place.key);
        }
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
            lone_appends: None,
            frontier: None,
            held: VecDeque::new(),
            forgotten: 0,
            running: 0,
        }
    }

    /// The number of configurations looked at.
    fn steps(&self) -> u64 {
        self.found.steps + self.frontier.as_ref().map_or(0, |frontier| frontier.steps())
    }

    /// Ends the search of this key with a verdict.
    fn give_up(&mut self, verdict: KeyVerdict) {
        self.found.steps = self.steps();
        self.found.verdict = verdict;
        self.frontier = None;
        self.lone_appends = None;
        self.held = VecDeque::new();
    }

    /// Ends the operation that the held event with this number began.
    fn ends(
        &mut self,
        event: u64,
        end: Completion<'_>,
        now: usize,
        (held_limit, budget): (usize, Budget),
    ) -> Result<(), StopReason> {
        self.running -= 1;
        let before = self
            .lone_appends
            .as_ref()
            .map_or(0, |lone_appends| lone_appends.events);
        let alone = if self.held.len() == before + 1 {
            self.alone(end)?
        } else {
            LoneVerdict::NeedsSearch
        };
        if alone == LoneVerdict::Decided {
            self.forgotten += self.held.len() as u64;
            self.held.clear();
            self.lone_appends = None;
            return Ok(());
        }
        let place = usize::try_from(event - self.forgotten).expect("as many events as are held");
        let Some(HeldEvent::Begins(begun)) = self.held.get_mut(place) else {
            unreachable!("an open operation is held back with the event that began it")
        };
        begun.ending = end.ending(now);
        if matches!(end, Completion::Answered(_)) {
            let begun = event;
            self.held.push_back(HeldEvent::Ends { begun, at: now });
        }
        let is_all = self.running == 0 && alone == LoneVerdict::NeedsSearch;
        if is_all || self.held.len() >= held_limit {
            self.drain(budget)?;
        }
        Ok(())
    }

    /// Judges an operation that ran alone and ends now. It began with the last held event, and everything
    /// held before it ran alone, too.
    fn alone(&mut self, end: Completion<'_>) -> Result<LoneVerdict, StopReason> {
        let Some(HeldEvent::Begins(begun)) = self.held.back_mut() else {
            return Ok(LoneVerdict::NeedsSearch);
        };
        let Completion::Answered(answer) = end else {
            let is_nothing =
                self.lone_appends.is_none() && (end == Completion::Refused || begun.action == Action::Get);
            return Ok(if is_nothing {
                LoneVerdict::Decided
            } else {
                LoneVerdict::NeedsSearch
            });
        };
        let value = self
            .lone_appends
            .as_ref()
            .map_or(&self.value, |lone_appends| &lone_appends.value);
        let is_possible = begun.action.is_answered_by(answer, value);
        let tells = match begun.action {
            Action::Get | Action::Put(_) | Action::Delete => true,
            Action::Cas { .. } => *answer == Answer::Swapped { applied: true } || self.lone_appends.is_none(),
            Action::Append(_) => false,
        };
        let is_blind = matches!(begun.action, Action::Put(_) | Action::Delete);
        match &self.frontier {
            None if !is_possible => return Err(StopReason::Impossible),
            None => {}
            Some(frontier) if frontier.is_single() && is_possible && !tells => {
                let mut value = value.clone();
                begun.action.clone().apply(&mut value);
                let events = self.held.len() + 1;
                self.lone_appends = Some(LoneAppends { value, events });
                return Ok(LoneVerdict::HeldBack);
            }
            Some(frontier) if frontier.is_single() && is_possible => {}
            Some(frontier) if is_blind && !frontier.has_optional() => {
                self.found.steps += frontier.steps();
                self.frontier = None;
            }
            Some(_) => return Ok(LoneVerdict::NeedsSearch),
        }
        let action = std::mem::replace(&mut begun.action, Action::Get);
        if let Some(lone_appends) = self.lone_appends.take() {
            self.value = lone_appends.value;
        }
        action.apply(&mut self.value);
        Ok(LoneVerdict::Decided)
    }

    /// Searches all held events whose operations have ended.
    fn drain(&mut self, budget: Budget) -> Result<(), StopReason> {
        self.lone_appends = None;
        let new = || Box::new(Frontier::new(&self.value, budget));
        let frontier = self.frontier.get_or_insert_with(new);
        if frontier.is_single() && frontier.is_quiet() {
            frontier.set(&self.value);
        }
        frontier.prepare(budget.steps);
        while let Some(held) = self.held.pop_front() {
            match held {
                HeldEvent::Begins(begun) if begun.ending == Ending::Pending => {
                    self.held.push_front(HeldEvent::Begins(begun));
                    break;
                }
                HeldEvent::Begins(begun) => frontier.begins(self.forgotten, &begun),
                HeldEvent::Ends { begun, at } => frontier.ends(begun, at)?,
            }
            self.forgotten += 1;
        }
        if let Some(value) = frontier.value().filter(|_| frontier.is_quiet()) {
            self.value = value.clone();
            if !frontier.has_optional() {
                self.found.steps += frontier.steps();
                self.frontier = None;
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
    fn ending(self, now: usize) -> Ending {
        match self {
            Completion::Answered(answer) => Ending::Answered(now, answer.clone()),
            Completion::Refused => Ending::Refused,
            Completion::Unknown => Ending::Unknown,
        }
    }
}
