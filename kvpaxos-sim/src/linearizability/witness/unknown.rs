//! The operations of unknown outcome on a key: each can be used once.

use std::collections::{BTreeSet, HashMap};

use kvpaxos::Revision;

use super::UnknownOperation;
use crate::history::{Action, Datum};

/// The value of a key that was deleted.
pub(super) const DELETED: &Datum = &Datum::Null;
/// How many are tried where any might do.
const TRIED: usize = 64;

/// See the head of this file. Those that do the same are in the order of their floors.
pub(super) struct UnknownOperations<'a> {
    all: &'a [UnknownOperation],
    used: Vec<bool>,
    /// All before this one are used.
    unused_from: usize,
    same: HashMap<Change, AlikeOperations>,
    /// How long the texts are that are appended.
    tails: BTreeSet<usize>,
    /// The floors of those that set a value.
    sets: HashMap<&'a Datum, Vec<Option<Revision>>>,
}

/// Those that do the same; all before `next` are used.
#[derive(Default)]
struct AlikeOperations {
    members: Vec<usize>,
    next: usize,
}

/// What an operation does to a value, if anything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Change {
    /// Sets it, whatever it is.
    Set(Datum),
    /// Sets it to the second if it is the first.
    Swap(Datum, Datum),
    /// Appends to it.
    Append(String),
}

impl<'a> UnknownOperations<'a> {
    /// These must be in the order of their floors.
    pub(super) fn new(all: &'a [UnknownOperation]) -> UnknownOperations<'a> {
        let mut table = UnknownOperations {
            all,
            used: vec![false; all.len()],
            unused_from: 0,
            same: HashMap::new(),
            tails: BTreeSet::new(),
            sets: HashMap::new(),
        };
        for (index, unknown) in all.iter().enumerate() {
            let Some(does) = Change::of(&unknown.action) else {
                continue;
            };
            if let Change::Append(text) = &does {
                table.tails.insert(text.len());
            }
            if let Some(value) = set_by(&unknown.action) {
                table.sets.entry(value).or_default().push(unknown.floor);
            }
            table.same.entry(does).or_default().members.push(index);
        }
        table
    }

    /// Whether any could stand right before this position.
    pub(super) fn has_any_before(&self, rev: Revision) -> bool {
        self.all.first().is_some_and(|first| first.floor < Some(rev))
    }

    /// One that does this, is not used, and could stand right before this position.
    pub(super) fn find(&mut self, does: &Change, rev: Revision) -> Option<usize> {
        let same = self.same.get_mut(does)?;
        while self.used[*same.members.get(same.next)?] {
            same.next += 1;
        }
        let first = same.members[same.next];
        (self.all[first].floor < Some(rev)).then_some(first)
    }

    /// Some that are not used and could stand right before this position, and what they do.
    pub(super) fn some(&mut self, rev: Revision) -> Vec<(usize, Change)> {
        while self.used.get(self.unused_from) == Some(&true) {
            self.unused_from += 1;
        }
        let rest = self.all.iter().enumerate().skip(self.unused_from);
        rest.take_while(|(_, unknown)| unknown.floor < Some(rev))
            .filter(|(index, _)| !self.used[*index])
            .filter_map(|(index, unknown)| Some((index, Change::of(&unknown.action)?)))
            .take(TRIED)
            .collect()
    }

    /// It cannot be used again.
    pub(super) fn use_up(&mut self, index: usize) {
        self.used[index] = true;
    }

    /// How many there are, used or not, that could stand before this position and leave this value.
    pub(super) fn leaving(&self, value: &Datum, rev: Revision) -> usize {
        let setting = self
            .sets
            .get(value)
            .map_or(0, |floors| floors.partition_point(|floor| *floor < Some(rev)));
        let Datum::Text(text) = value else {
            return setting;
        };
        let tails = self.tails.iter().filter_map(|length| {
            let begin = text.len().checked_sub(*length)?;
            text.get(begin..)
        });
        let appending = |tail: &str| {
            let is_one = |unknown: &&UnknownOperation| {
                unknown.floor < Some(rev)
                    && matches!(&unknown.action, Action::Append(text) if text.as_text() == tail)
            };
            self.all.iter().filter(is_one).count()
        };
        setting + tails.map(appending).sum::<usize>()
    }
}

/// The value that an operation leaves, whatever it finds, if it sets the key at all.
pub(super) fn set_by(action: &Action) -> Option<&Datum> {
    match action {
        Action::Put(value) | Action::Cas { value, .. } => Some(value),
        Action::Delete => Some(DELETED),
        Action::Get | Action::Append(_) => None,
    }
}

impl Change {
    fn of(action: &Action) -> Option<Change> {
        match action {
            Action::Get => None,
            Action::Put(value) => Some(Change::Set(value.clone())),
            Action::Delete => Some(Change::Set(DELETED.clone())),
            Action::Append(tail) => Some(Change::Append(tail.as_text().into_owned())),
            Action::Cas { expect, value } => Some(Change::Swap(expect.clone(), value.clone())),
        }
    }

    /// What it makes of a value.
    pub(super) fn to(&self, value: &Datum) -> Datum {
        match self {
            Change::Set(new) => new.clone(),
            Change::Swap(expect, new) if expect == value => new.clone(),
            Change::Swap(..) => value.clone(),
            Change::Append(tail) => Datum::Text(value.as_text().into_owned() + tail),
        }
    }

    /// All that make the one value of the other; the first is to be preferred.
    pub(super) fn between(from: &Datum, to: &Datum) -> Vec<Change> {
        let mut all = vec![Change::Swap(from.clone(), to.clone()), Change::Set(to.clone())];
        if let Datum::Text(text) = to
            && let Some(tail) = text.strip_prefix(&*from.as_text())
        {
            all.push(Change::Append(tail.to_owned()));
        }
        all
    }
}
