//! The operations of unknown outcome on a key. Each can be used once.

use std::collections::{BTreeSet, HashMap};

use kvpaxos::Revision;

use super::UnknownOperation;
use crate::history::{Action, Datum};

/// The value of a deleted key.
pub(super) const DELETED: &Datum = &Datum::Null;
/// How many operations are tried where any might do.
const TRIED: usize = 64;

/// The operations of unknown outcome on a key. Those that do the same are in the order of their floors.
pub(super) struct UnknownOperations<'a> {
    all: &'a [UnknownOperation],
    used: Vec<bool>,
    /// All operations before this one are used.
    unused_from: usize,
    same: HashMap<Change, AlikeOperations>,
    /// The lengths of the texts that are appended.
    tails: BTreeSet<usize>,
    /// The floors of the operations that set a value.
    sets: HashMap<&'a Datum, Vec<Option<Revision>>>,
}

/// Operations that do the same. All before `next` are used.
#[derive(Default)]
struct AlikeOperations {
    members: Vec<usize>,
    next: usize,
}

/// What an operation does to a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Change {
    /// Sets it, whatever it is.
    Set(Datum),
    /// Sets it to the second value if it is the first.
    Swap(Datum, Datum),
    /// Appends to it.
    Append(String),
}

impl<'a> UnknownOperations<'a> {
    /// The operations must be in the order of their floors.
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
            let Some(change) = Change::of(&unknown.action) else {
                continue;
            };
            if let Change::Append(text) = &change {
                table.tails.insert(text.len());
            }
            if let Some(value) = set_by(&unknown.action) {
                table.sets.entry(value).or_default().push(unknown.floor);
            }
            table.same.entry(change).or_default().members.push(index);
        }
        table
    }

    /// Whether any operation could stand right before this position.
    pub(super) fn has_any_before(&self, rev: Revision) -> bool {
        self.all.first().is_some_and(|first| first.floor < Some(rev))
    }

    /// An unused operation that makes this change and could stand right before this position.
    pub(super) fn find(&mut self, change: &Change, rev: Revision) -> Option<usize> {
        let same = self.same.get_mut(change)?;
        while self.used[*same.members.get(same.next)?] {
            same.next += 1;
        }
        let first = same.members[same.next];
        (self.all[first].floor < Some(rev)).then_some(first)
    }

    /// Some unused operations that could stand right before this position, and their changes.
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

    /// Notes that the operation is used.
    pub(super) fn use_up(&mut self, index: usize) {
        self.used[index] = true;
    }

    /// How many operations, used or not, could stand before this position and leave this value.
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

/// The value that an operation leaves if it sets the key.
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

    /// The value that the change makes of this one.
    pub(super) fn to(&self, value: &Datum) -> Datum {
        match self {
            Change::Set(new) => new.clone(),
            Change::Swap(expect, new) if expect == value => new.clone(),
            Change::Swap(..) => value.clone(),
            Change::Append(tail) => Datum::Text(value.as_text().into_owned() + tail),
        }
    }

    /// All changes that turn one value into the other, the preferred one first.
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
