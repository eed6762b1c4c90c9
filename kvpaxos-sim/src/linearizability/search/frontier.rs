//! The frontier: all configurations that are possible so far, for a judge that reads the history only once
//! and does not know what comes.

use super::configuration::Configuration;
use super::op_set::OpIndex;
use super::orders::Orders;
use super::transitions::{Values, transition};
use super::window::{Mode, OpenOperation, OutOfBudget, Window};
use crate::history::{Action, Answer, Datum};
use crate::linearizability::report::Budget;

/// An operation that has begun.
pub(crate) struct StreamedOperation {
    pub(crate) action: Action,
    pub(crate) invoked: usize,
    pub(crate) ending: Ending,
}

/// How it ended, as far as that is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// It has not ended.
    Pending,
    /// Its outcome is unknown: it took effect, will, or never does.
    Unknown,
    /// It had no effect.
    Refused,
    /// It took effect before this moment and got this answer.
    Answered(usize, Answer),
}

/// All configurations that are possible so far. [`just_in_time`](super::just_in_time) says how they follow on
/// each other.
pub(crate) struct Frontier {
    window: Window,
    configs: Vec<Configuration>,
    /// Indices that are not in use.
    free: Vec<OpIndex>,
    table_size: usize,
    /// The open operations that will complete, by the numbers that the caller gave them.
    running: Vec<(u64, OpIndex)>,
    /// The number of operations of unknown outcome.
    optional: usize,
}

/// Why the search cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StopReason {
    /// No configuration is left: the history is not linearizable.
    Impossible,
    /// The budget is spent.
    OutOfBudget,
}

impl Frontier {
    /// The frontier of a key that has this value and no open operations.
    pub(crate) fn new(value: &Datum, budget: Budget) -> Frontier {
        let mut values = Values::default();
        let first = values.number(value);
        Frontier {
            window: Window::new(values, None, Mode::Exact, Orders::default(), budget),
            configs: vec![Configuration::first(first)],
            free: Vec::new(),
            table_size: 0,
            running: Vec::new(),
            optional: 0,
        }
    }

    /// Whether no open operation will complete.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether there are operations of unknown outcome.
    pub(crate) fn has_optional(&self) -> bool {
        self.optional > 0
    }

    /// The number of configurations looked at.
    pub(crate) fn steps(&self) -> u64 {
        self.window.steps()
    }

    /// Whether there is only one configuration.
    pub(crate) fn is_single(&self) -> bool {
        self.configs.len() == 1
    }

    /// The value, if there is only one configuration.
    pub(crate) fn value(&self) -> Option<&Datum> {
        match &self.configs[..] {
            [one] => Some(self.window.values.get(one.value)),
            _ => None,
        }
    }

    /// Sets the value of the only configuration.
    pub(crate) fn set(&mut self, value: &Datum) {
        if let [one] = &mut self.configs[..] {
            one.value = self.window.values.number(value);
            one.since = 0;
        }
    }

    /// Allows so many more steps, and forgets values that are no longer in use.
    pub(crate) fn prepare(&mut self, steps: u64) {
        self.window.budget.steps = self.window.steps().saturating_add(steps);
        if self.window.values.len() < 64 + 4 * (self.configs.len() + self.table_size) {
            return;
        }
        let old = std::mem::take(&mut self.window.values);
        let values = &mut self.window.values;
        let mut renumber = |value: &mut u32| *value = values.number(old.get(*value));
        for config in &mut self.configs {
            renumber(&mut config.value);
        }
        for open in self.window.operations.iter_mut().flatten() {
            open.transition
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

    /// An operation begins whose ending is known.
    pub(crate) fn begins(&mut self, number: u64, begun: &StreamedOperation) {
        let (until, answer) = match &begun.ending {
            Ending::Answered(at, answer) => (at + 1, Some(answer)),
            Ending::Refused => return,
            Ending::Unknown | Ending::Pending => (usize::MAX, None),
        };
        let Some(transition) = transition(&mut self.window.values, &begun.action, answer) else {
            return;
        };
        let is_optional = answer.is_none();
        if is_optional && transition.is_pure() {
            return;
        }
        let op = self.free.pop().unwrap_or_else(|| {
            self.table_size += 1;
            self.table_size - 1
        });
        let open = OpenOperation {
            transition,
            invoked: begun.invoked + 1,
            until,
            useful: usize::MAX,
            number: 0,
        };
        self.window.open(op, open);
        for config in &mut self.configs {
            self.window.on_open(config, op);
        }
        if is_optional {
            self.optional += 1;
        } else {
            self.running.push((number, op));
        }
    }

    /// The operation completes.
    pub(crate) fn ends(&mut self, number: u64, at: usize) -> Result<(), StopReason> {
        let Some(place) = self.running.iter().position(|(other, _)| *other == number) else {
            return Ok(());
        };
        let (_, op) = self.running.swap_remove(place);
        let mut found = Vec::new();
        for config in std::mem::take(&mut self.configs) {
            let done = self.window.successors(config, op, at + 1, &mut found);
            done.map_err(|OutOfBudget| StopReason::OutOfBudget)?;
        }
        self.window.close(op);
        self.free.push(op);
        self.configs = self.window.undominated(found);
        if self.configs.is_empty() {
            return Err(StopReason::Impossible);
        }
        self.retire();
        Ok(())
    }

    /// Forgets the operations of unknown outcome that have certainly taken effect.
    fn retire(&mut self) {
        if self.optional == 0 || self.configs.len() != 1 {
            return;
        }
        let done: Vec<OpIndex> = self.configs[0].done.iter().collect();
        for op in done {
            let is_optional = self.window.operations[op].is_some_and(|open| open.is_optional());
            if is_optional {
                self.window.close(op);
                Window::on_close(&mut self.configs[0], op);
                self.free.push(op);
                self.optional -= 1;
            }
        }
    }
}
