//! What can have happened on one key, for a judge that does not know what comes.

use super::bitset::Slot;
use super::configuration::Config;
use super::orders::Story;
use super::transitions::{Values, step};
use super::window::{Mode, Open, OutOfBudget, Window};
use crate::history::{Action, Answer, Datum};
use crate::linearizability::report::Budget;

/// An operation that began.
pub(crate) struct Begun {
    pub(crate) action: Action,
    pub(crate) invoked: usize,
    pub(crate) fate: Fate,
}

/// What is known of how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Nothing yet.
    Open,
    /// It may have taken effect, or will, or never does.
    Unknown,
    /// It had no effect.
    Refused,
    /// It took effect before this moment.
    Answered(usize, Answer),
}

/// All configurations; see the module `window`.
pub(crate) struct Possible {
    window: Window,
    configs: Vec<Config>,
    /// Slots that are not in use.
    free: Vec<Slot>,
    slots: usize,
    /// Operations that began and will complete, by the numbers that the caller gave them.
    running: Vec<(u64, Slot)>,
    /// Operations of unknown outcome.
    optional: usize,
}

/// Why there is no going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// Nothing is possible any more.
    Impossible,
    /// The budget does not suffice.
    OutOfBudget,
}

impl Possible {
    /// The key holds this value.
    pub(crate) fn only(value: &Datum, budget: Budget) -> Possible {
        let mut values = Values::default();
        let first = values.number(value);
        Possible {
            window: Window::new(values, None, Mode::Exact, Story::default(), budget),
            configs: vec![Config::first(first)],
            free: Vec::new(),
            slots: 0,
            running: Vec::new(),
            optional: 0,
        }
    }

    /// Whether no operation is under way that will complete.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether there are operations of unknown outcome.
    pub(crate) fn has_optional(&self) -> bool {
        self.optional > 0
    }

    /// Configurations looked at.
    pub(crate) fn steps(&self) -> u64 {
        self.window.steps()
    }

    /// Whether there is but one configuration.
    pub(crate) fn is_certain(&self) -> bool {
        self.configs.len() == 1
    }

    /// The value, if there is but one configuration.
    pub(crate) fn value(&self) -> Option<&Datum> {
        match &self.configs[..] {
            [one] => Some(self.window.values.get(one.value)),
            _ => None,
        }
    }

    /// There is but one configuration, and this is the value now.
    pub(crate) fn set(&mut self, value: &Datum) {
        if let [one] = &mut self.configs[..] {
            one.value = self.window.values.number(value);
            one.since = 0;
        }
    }

    /// Prepares for a search of so many steps. Values that are of no use any more are forgotten.
    pub(crate) fn prepare(&mut self, steps: u64) {
        self.window.budget.steps = self.window.steps().saturating_add(steps);
        if self.window.values.len() < 64 + 4 * (self.configs.len() + self.slots) {
            return;
        }
        let old = std::mem::take(&mut self.window.values);
        let values = &mut self.window.values;
        let mut renumber = |value: &mut u32| *value = values.number(old.get(*value));
        for config in &mut self.configs {
            renumber(&mut config.value);
        }
        for open in self.window.slots.iter_mut().flatten() {
            open.step
                .values_mut()
                .into_iter()
                .flatten()
                .for_each(&mut renumber);
        }
        self.window.reads.renumber(&mut renumber);
        self.window.swapping.renumber(&mut renumber);
        self.window.leaving.renumber(&mut renumber);
        self.window.leading.clear();
    }

    /// An operation begins whose fate is known.
    pub(crate) fn begins(&mut self, number: u64, begun: &Begun) {
        let (until, answer) = match &begun.fate {
            Fate::Answered(at, answer) => (at + 1, Some(answer)),
            Fate::Refused => return,
            Fate::Unknown | Fate::Open => (usize::MAX, None),
        };
        let Some(step) = step(&mut self.window.values, &begun.action, answer) else {
            return;
        };
        let is_optional = answer.is_none();
        if is_optional && step.is_pure() {
            return;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        let open = Open {
            step,
            invoked: begun.invoked + 1,
            until,
            useful: usize::MAX,
            number: 0,
        };
        self.window.open(slot, open);
        for config in &mut self.configs {
            self.window.on_open(config, slot);
        }
        if is_optional {
            self.optional += 1;
        } else {
            self.running.push((number, slot));
        }
    }

    /// It completes.
    pub(crate) fn ends(&mut self, number: u64, at: usize) -> Result<(), Stop> {
        let Some(place) = self.running.iter().position(|(other, _)| *other == number) else {
            return Ok(());
        };
        let (_, slot) = self.running.swap_remove(place);
        let mut found = Vec::new();
        for config in std::mem::take(&mut self.configs) {
            let done = self.window.successors(config, slot, at + 1, &mut found);
            done.map_err(|OutOfBudget| Stop::OutOfBudget)?;
        }
        self.window.close(slot);
        self.free.push(slot);
        self.configs = self.window.best_of(found);
        if self.configs.is_empty() {
            return Err(Stop::Impossible);
        }
        self.retire();
        Ok(())
    }

    /// Forgets operations of unknown outcome that have been used whatever happened.
    fn retire(&mut self) {
        if self.optional == 0 || self.configs.len() != 1 {
            return;
        }
        let done: Vec<Slot> = self.configs[0].done.iter().collect();
        for slot in done {
            let is_optional = self.window.slots[slot].is_some_and(|open| open.is_optional());
            if is_optional {
                self.window.close(slot);
                Window::on_close(&mut self.configs[0], slot);
                self.free.push(slot);
                self.optional -= 1;
            }
        }
    }
}

/// Whether an operation can have this answer where it finds this value.
pub(crate) fn fits(action: &Action, answer: &Answer, value: &Datum) -> bool {
    match (action, answer) {
        (Action::Get, Answer::Value(seen)) => seen == value,
        (Action::Put(_) | Action::Delete | Action::Append(_), Answer::Done) => true,
        (Action::Cas { expect, .. }, Answer::Swapped { applied }) => (expect == value) == *applied,
        _ => false,
    }
}

/// What it then does to the value.
pub(crate) fn apply(action: Action, answer: &Answer, value: &mut Datum) {
    match action {
        Action::Put(new) => *value = new,
        Action::Delete => *value = Datum::Null,
        Action::Append(tail) => *value = value.appended(&tail),
        Action::Cas { value: new, .. } if *answer == (Answer::Swapped { applied: true }) => *value = new,
        Action::Cas { .. } | Action::Get => {}
    }
}
