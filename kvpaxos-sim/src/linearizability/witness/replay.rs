//! The replay of one key. Its operations fall into stretches: each begins where the value is certain, and
//! ends with the next operation that shows or sets the value. Between them are only appends and swaps that
//! were not applied.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use super::unknown::{Change, DELETED, UnknownOperations, set_by};
use super::{Cause, Contradiction, KeyHistory, KnownOperation, PositionedOperation};
use crate::history::{Action, Answer, Datum};

/// In longer stretches than this the replay looks for no operation of unknown outcome.
const LONGEST: usize = 64;
/// A contradiction shows at most so many operations.
const SHOWN: usize = 12;

/// Why a key is not consistent.
pub(super) enum ReplayError {
    /// Its positions cannot be right.
    Contradicted(Box<Contradiction>),
    /// Its positions may or may not be right.
    Undecided(Cause),
}

/// Judges a key whose answers all have positions.
pub(super) fn replay(initial: &Datum, mut log: KeyHistory) -> Result<(), ReplayError> {
    log.known.sort_by_key(|known| (known.rev, known.is_get()));
    log.unknown
        .sort_by_key(|unknown| (unknown.floor, unknown.invoked));
    one_write_each(&log)?;
    let mut replay = Replay {
        log: &log,
        unknown: UnknownOperations::new(&log.unknown),
        changes: HashMap::new(),
        later: Vec::new(),
        undecided: None,
    };
    replay.stretches(initial)?;
    for stretch in std::mem::take(&mut replay.later) {
        replay.explain(&stretch)?;
    }
    replay
        .undecided
        .map_or(Ok(()), |why| Err(ReplayError::Undecided(why)))
}

fn one_write_each(log: &KeyHistory) -> Result<(), ReplayError> {
    let mut pairs = log.known.iter().zip(log.known.iter().skip(1));
    match pairs.find(|(one, other)| one.rev == other.rev && !other.is_get()) {
        None => Ok(()),
        Some((one, other)) => Err(contradicted(
            log,
            format!("two writes of key {:?} stand at {}", log.name, one.rev),
            vec![one.placed(&log.name), other.placed(&log.name)],
        )),
    }
}

fn contradicted(log: &KeyHistory, explanation: String, operations: Vec<PositionedOperation>) -> ReplayError {
    ReplayError::Contradicted(Box::new(Contradiction {
        key: log.name.clone(),
        explanation,
        operations,
    }))
}

struct Replay<'a> {
    log: &'a KeyHistory,
    unknown: UnknownOperations<'a>,
    /// How often operations of unknown outcome must have set the key to a value.
    changes: HashMap<&'a Datum, usize>,
    /// Stretches that end without an answer and need an operation of unknown outcome.
    later: Vec<Stretch<'a>>,
    undecided: Option<Cause>,
}

/// The known operations of a stretch, without the one that it begins with.
struct Stretch<'a> {
    /// The value that it begins with.
    from: &'a Datum,
    /// The places of its operations.
    first: usize,
    end: usize,
    /// The value that the operation at `end` found, if that shows one.
    found: Option<&'a Datum>,
}

/// The state of a key within a stretch, if only known operations take effect.
struct StretchState<'a> {
    value: Cow<'a, Datum>,
    /// The first swap that was not applied although it found what it expected.
    wrong_swap: Option<usize>,
}

impl<'a> Replay<'a> {
    fn stretches(&mut self, initial: &'a Datum) -> Result<(), ReplayError> {
        let known = &self.log.known;
        let (mut from, mut first) = (initial, 0);
        let mut now = StretchState::begin(from);
        for (end, operation) in known.iter().enumerate() {
            if operation.stays_within() {
                now.step(end, operation);
                continue;
            }
            let found = operation.found();
            let stretch = Stretch {
                from,
                first,
                end,
                found,
            };
            self.end(stretch, &now)?;
            (from, first) = (operation.leaves(), end + 1);
            now = StretchState::begin(from);
        }
        let (end, found) = (known.len(), None);
        self.end(
            Stretch {
                from,
                first,
                end,
                found,
            },
            &now,
        )
    }

    fn end(&mut self, stretch: Stretch<'a>, now: &StretchState<'_>) -> Result<(), ReplayError> {
        let is_found = stretch.found.is_none_or(|found| *found == *now.value);
        match (is_found, now.wrong_swap, stretch.found) {
            (true, None, _) => Ok(()),
            (true, Some(_), None) => {
                self.later.push(stretch);
                Ok(())
            }
            _ => self.explain(&stretch),
        }
    }

    /// Explains a stretch that known operations alone do not explain.
    fn explain(&mut self, stretch: &Stretch<'a>) -> Result<(), ReplayError> {
        let must_change = self.must_change(stretch);
        if let Some(found) = must_change {
            *self.changes.entry(found).or_default() += 1;
        }
        if stretch.end - stretch.first < LONGEST
            && let Some(used) = self.one_that_explains(stretch)
        {
            self.unknown.use_up(used);
            return Ok(());
        }
        let now = self.outcome(stretch, stretch.end);
        let is_wrong = stretch.found.is_some_and(|found| *found != *now.value);
        let at_end = is_wrong.then_some(stretch.end);
        for culprit in now.wrong_swap.into_iter().chain(at_end) {
            if !self.can_change(stretch.first..=culprit) {
                return Err(self.contradiction(stretch, culprit));
            }
        }
        if must_change.is_some_and(|found| !self.can_become(stretch, found)) {
            return Err(self.contradiction(stretch, stretch.end));
        }
        let culprit = now.wrong_swap.unwrap_or(stretch.end);
        let placed = self.log.known[culprit].placed(&self.log.name);
        self.undecided.get_or_insert(Cause::Unknown(Box::new(placed)));
        Ok(())
    }

    /// Whether any operation of unknown outcome could stand right before one of these.
    fn can_change(&self, places: RangeInclusive<usize>) -> bool {
        let rev = self.log.known[*places.end()].rev;
        self.unknown.has_any_before(rev) && places.into_iter().any(|place| self.has_gap(place))
    }

    /// Whether enough operations of unknown outcome leave the value that the stretch must have been changed
    /// to.
    fn can_become(&self, stretch: &Stretch<'a>, found: &Datum) -> bool {
        let after = self
            .last_append(stretch)
            .map_or(stretch.first, |append| append + 1);
        let changes = self.changes.get(found).copied().unwrap_or_default();
        let rev = self.log.known[stretch.end].rev;
        self.can_change(after..=stretch.end) && self.unknown.leaving(found, rev) >= changes
    }

    /// The state after the operations of the stretch before this place.
    fn outcome(&self, stretch: &Stretch<'a>, before: usize) -> StretchState<'a> {
        let mut now = StretchState::begin(stretch.from);
        (stretch.first..before).for_each(|place| now.step(place, &self.log.known[place]));
        now
    }

    fn last_append(&self, stretch: &Stretch<'a>) -> Option<usize> {
        (stretch.first..stretch.end).rfind(|place| self.tail(*place).is_some())
    }

    fn tail(&self, place: usize) -> Option<&'a Datum> {
        match &self.log.known[place].action {
            Action::Append(tail) => Some(tail),
            _ => None,
        }
    }

    /// Whether another operation can stand right before this one, above the one before it.
    fn has_gap(&self, place: usize) -> bool {
        let known = &self.log.known;
        place == 0 || known[place - 1].rev < known[place].rev
    }

    /// The value that the stretch must have been changed to: the one that is found at its end, if the last
    /// known change, an append or the beginning, certainly left another one. An operation of unknown outcome
    /// must then have come after that change.
    fn must_change(&self, stretch: &Stretch<'a>) -> Option<&'a Datum> {
        let found = stretch.found?;
        let is_other = match self.last_append(stretch).and_then(|place| self.tail(place)) {
            None => found != stretch.from,
            Some(tail) => !matches!(found, Datum::Text(text) if text.ends_with(&*tail.as_text())),
        };
        is_other.then_some(found)
    }

    /// An operation of unknown outcome that explains the whole stretch if it is put into it.
    fn one_that_explains(&mut self, stretch: &Stretch<'a>) -> Option<usize> {
        let mut states = Vec::new();
        let mut now = StretchState::begin(stretch.from);
        for place in stretch.first..stretch.end {
            states.push(now.value.as_ref().clone());
            now.step(place, &self.log.known[place]);
        }
        states.push(now.value.into_owned());
        let last = now.wrong_swap.unwrap_or(stretch.end);
        let gaps = (stretch.first..=last)
            .rev()
            .filter(|place| *place < self.log.known.len() && self.has_gap(*place));
        for gap in gaps.collect::<Vec<usize>>() {
            let from = &states[gap - stretch.first];
            let found = match stretch.found {
                Some(found) => self.one_that_leaves(stretch, (gap, from), found),
                None => self.one_that_changes(stretch, (gap, from)),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// An operation that, put into this gap, leads to the value found at the end.
    fn one_that_leaves(
        &mut self,
        stretch: &Stretch<'a>,
        (gap, from): (usize, &Datum),
        found: &Datum,
    ) -> Option<usize> {
        let rev = self.log.known[gap].rev;
        for to in self.before_appends(gap..stretch.end, found) {
            if !self.fits(stretch, gap, &to) {
                continue;
            }
            let unknown = &mut self.unknown;
            let one = Change::between(from, &to)
                .iter()
                .find_map(|change| unknown.find(change, rev));
            if one.is_some() {
                return one;
            }
        }
        None
    }

    /// Any operation that, put into this gap, makes the swaps fail.
    fn one_that_changes(&mut self, stretch: &Stretch<'a>, (gap, from): (usize, &Datum)) -> Option<usize> {
        let some = self.unknown.some(self.log.known[gap].rev);
        let mut fitting = some
            .into_iter()
            .filter(|(_, change)| self.fits(stretch, gap, &change.to(from)));
        fitting.next().map(|(index, _)| index)
    }

    /// The values that the appends among these operations turn into this value.
    fn before_appends(&self, places: Range<usize>, value: &Datum) -> Vec<Datum> {
        let tails: Vec<&Datum> = places.filter_map(|place| self.tail(place)).collect();
        if tails.is_empty() {
            return vec![value.clone()];
        }
        let tails: String = tails.into_iter().map(Datum::as_text).collect();
        let Datum::Text(text) = value else {
            return Vec::new();
        };
        let Some(text) = text.strip_suffix(&tails) else {
            return Vec::new();
        };
        let integer = text.parse().ok().map(Datum::Integer);
        let others = [integer, Some(Datum::Null)].into_iter().flatten();
        let mut all = vec![Datum::Text(text.to_owned())];
        all.extend(others.filter(|other| other.as_text() == text));
        all
    }

    /// Whether the rest of the stretch is right if the key has this value here.
    fn fits(&self, stretch: &Stretch<'a>, gap: usize, value: &Datum) -> bool {
        let mut now = StretchState::begin(value);
        (gap..stretch.end).for_each(|place| now.step(place, &self.log.known[place]));
        now.wrong_swap.is_none() && stretch.found.is_none_or(|found| *found == *now.value)
    }

    fn contradiction(&self, stretch: &Stretch<'a>, culprit: usize) -> ReplayError {
        let (known, name) = (&self.log.known, &self.log.name);
        let placed = known[culprit].placed(name);
        let now = self.outcome(stretch, culprit);
        let answer = placed.answer.as_ref().map_or_else(String::new, Answer::to_string);
        let explanation = format!(
            "process {}'s \"{}\" at {} answers {answer}, but what stands before it leaves {}, and operations of unknown outcome \
             cannot make up for that",
            placed.process, placed.operation, known[culprit].rev, now.value
        );
        let before = stretch.first.saturating_sub(1).max(culprit.saturating_sub(SHOWN))..culprit;
        let mut operations = vec![placed];
        operations.extend(known[before].iter().map(|known| known.placed(name)));
        let could = self.log.unknown.iter().filter(|unknown| {
            unknown.floor < Some(known[culprit].rev)
                && stretch.found.is_some()
                && set_by(&unknown.action) == stretch.found
        });
        operations.extend(could.take(SHOWN).map(|unknown| unknown.placed(name)));
        contradicted(self.log, explanation, operations)
    }
}

impl<'a> StretchState<'a> {
    fn begin(from: &'a Datum) -> StretchState<'a> {
        let value = Cow::Borrowed(from);
        StretchState {
            value,
            wrong_swap: None,
        }
    }

    fn step(&mut self, place: usize, known: &KnownOperation) {
        match &known.action {
            Action::Append(tail) => self.value.to_mut().append(tail),
            Action::Cas { expect, .. } if *self.value == *expect => {
                self.wrong_swap.get_or_insert(place);
            }
            _ => {}
        }
    }
}

impl KnownOperation {
    /// Whether the value after the operation depends on the one before, and the operation does not show it.
    fn stays_within(&self) -> bool {
        matches!(self.action, Action::Append(_)) || self.answer == Answer::Swapped { applied: false }
    }

    /// The value that the operation found, if it shows that.
    fn found(&self) -> Option<&Datum> {
        match (&self.action, &self.answer) {
            (Action::Get, Answer::Value(value)) => Some(value),
            (Action::Cas { expect, .. }, _) => Some(expect),
            _ => None,
        }
    }

    /// The value after an operation that shows or sets it.
    fn leaves(&self) -> &Datum {
        match (&self.action, &self.answer) {
            (Action::Get, Answer::Value(value)) => value,
            (Action::Put(value) | Action::Cas { value, .. }, _) => value,
            _ => DELETED,
        }
    }
}
