//! What operations do to a value. Values are numbers here, so that configurations are small.

use std::collections::{BTreeMap, HashMap};

use crate::hashing::BuildQuick;
use crate::history::{Action, Answer, Datum};

/// The values that occur, by number.
#[derive(Default)]
pub(super) struct Values {
    numbers: BTreeMap<Datum, u32>,
    values: Vec<Datum>,
    /// The number of a value with another one appended.
    appended: HashMap<(u32, u32), u32, BuildQuick>,
}

impl Values {
    pub(super) fn number(&mut self, value: &Datum) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).expect("fewer than 2^32 values are met");
        self.numbers.insert(value.clone(), number);
        self.values.push(value.clone());
        number
    }

    /// Whether `longer` is a string that begins with `shorter`, so that an append may have led from one to
    /// the other.
    pub(super) fn begins(&self, longer: u32, shorter: u32) -> bool {
        let (longer, shorter) = (self.get(longer), self.get(shorter));
        matches!(longer, Datum::Text(text) if text.starts_with(&*shorter.as_text()))
    }

    /// The number of values.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value with this number.
    pub(super) fn get(&self, number: u32) -> &Datum {
        &self.values[number as usize]
    }

    pub(super) fn append(&mut self, value: u32, tail: u32) -> u32 {
        if let Some(number) = self.appended.get(&(value, tail)) {
            return *number;
        }
        let longer = self.values[value as usize].appended(&self.values[tail as usize]);
        let number = self.number(&longer);
        self.appended.insert((value, tail), number);
        number
    }
}

/// What an operation does to the value if it takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transition {
    Get { seen: u32 },
    Put { value: u32 },
    Append { tail: u32 },
    Swap { expect: u32, value: u32 },
    Differ { from: u32 },
}

impl Transition {
    /// The value numbers in it.
    pub(super) fn values_mut(&mut self) -> [Option<&mut u32>; 2] {
        match self {
            Transition::Get { seen: value } | Transition::Differ { from: value } => [Some(value), None],
            Transition::Put { value } | Transition::Append { tail: value } => [Some(value), None],
            Transition::Swap { expect, value } => [Some(expect), Some(value)],
        }
    }

    /// Whether the operation never changes the value.
    pub(super) fn is_pure(self) -> bool {
        match self {
            Transition::Get { .. } | Transition::Differ { .. } => true,
            Transition::Swap { expect, value } => expect == value,
            Transition::Put { .. } | Transition::Append { .. } => false,
        }
    }

    /// Whether the operation sets the value, whatever it was.
    pub(super) fn is_blind(self) -> bool {
        matches!(self, Transition::Put { .. })
    }
}

/// The transition of an operation; none for a read without an answer.
pub(super) fn transition(
    values: &mut Values,
    action: &Action,
    answer: Option<&Answer>,
) -> Option<Transition> {
    Some(match (action, answer) {
        (Action::Get, Some(Answer::Value(seen))) => {
            let seen = values.number(seen);
            Transition::Get { seen }
        }
        (Action::Get, _) => return None,
        (Action::Put(value), _) => {
            let value = values.number(value);
            Transition::Put { value }
        }
        (Action::Delete, _) => {
            let value = values.number(&Datum::Null);
            Transition::Put { value }
        }
        (Action::Append(tail), _) => {
            let tail = values.number(tail);
            Transition::Append { tail }
        }
        (Action::Cas { expect, .. }, Some(Answer::Swapped { applied: false })) => {
            let from = values.number(expect);
            Transition::Differ { from }
        }
        (Action::Cas { expect, value }, _) => {
            let (expect, value) = (values.number(expect), values.number(value));
            Transition::Swap { expect, value }
        }
    })
}
