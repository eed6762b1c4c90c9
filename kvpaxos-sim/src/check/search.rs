//! The search for an order (Wing and Gong, 1993), depth first, with configurations remembered (Lowe, 2017).
//!
//! A configuration is which operations have taken effect, and the value. The next one to take effect is any that was invoked
//! before the first completion among those that have not. What keeps the search small:
//!
//! - An operation that fits and changes no value, wherever it stands, takes effect at once: in every order it can be
//!   moved to the front.
//! - Operations of unknown fate come last, and only right before one that finds the value they leave: in an order with as
//!   few of them as can be, what none finds is left out.
//! - A configuration that was left without success is not entered again.

use std::collections::HashSet;

use super::steps::{Step, Values, step};
use super::{Budget, Recorded};
use crate::history::Datum;

/// The result of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Order,
    NoOrder,
    OutOfBudget,
}

/// Looks for an order of what was known before the event at `end`; tells how many configurations that took.
pub(super) fn search(
    initial: &Datum,
    operations: &[Recorded<'_>],
    end: usize,
    budget: Budget,
) -> (Found, u64) {
    let mut search = Search::new(initial, operations, end, budget);
    let found = search.run();
    (found, search.steps)
}

/// One that was answered.
struct Must {
    step: Step,
    invoked: usize,
    completed: usize,
}

/// One of unknown fate.
struct May {
    step: Step,
    invoked: usize,
    /// The last before it that does the same: the earlier goes first.
    same: Option<usize>,
}

#[derive(Clone, Copy)]
enum Choice {
    Must(usize),
    May(usize),
}

/// A configuration that is being tried, and what is left to try in it.
struct Frame {
    /// Pure ones that took effect on entering.
    committed: Vec<usize>,
    /// The last is tried next.
    choices: Vec<Choice>,
    /// The one being tried, and the value before it.
    taken: Option<(Choice, u32)>,
}

struct Search {
    values: Values,
    /// In the order of invocations.
    must: Vec<Must>,
    may: Vec<May>,
    /// The configuration: what took effect, how many are left, the value.
    done: Vec<bool>,
    used: Vec<bool>,
    left: usize,
    value: u32,
    /// All before have taken effect.
    first: usize,
    /// Whether the last to take effect was one of unknown fate whose value nothing has found yet.
    unfound: bool,
    visited: HashSet<Box<[u64]>>,
    remembered: usize,
    steps: u64,
    budget: Budget,
}

impl Search {
    fn new(initial: &Datum, operations: &[Recorded<'_>], end: usize, budget: Budget) -> Search {
        let mut values = Values::default();
        let mut value = values.number(initial);
        let (mut must, mut may) = (Vec::new(), Vec::<May>::new());
        for operation in operations.iter().filter(|operation| operation.invoked < end) {
            let invoked = operation.invoked;
            let answered = operation.answered.filter(|(place, _)| *place < end);
            let answer = answered.map(|(_, answer)| answer);
            let Some(step) = step(&mut values, &operation.operation.action, answer) else {
                continue;
            };
            match answered {
                Some((completed, _)) => must.push(Must {
                    step,
                    invoked,
                    completed,
                }),
                None => may.push(May {
                    step,
                    invoked,
                    same: None,
                }),
            }
        }
        let steps = must.iter_mut().map(|must| &mut must.step);
        merge_unnamed(
            &mut value,
            steps.chain(may.iter_mut().map(|may| &mut may.step)).collect(),
        );
        for place in 0..may.len() {
            may[place].same = may[..place]
                .iter()
                .rposition(|other| other.step == may[place].step);
        }
        Search {
            values,
            done: vec![false; must.len()],
            used: vec![false; may.len()],
            left: must.len(),
            must,
            may,
            value,
            first: 0,
            unfound: false,
            visited: HashSet::new(),
            remembered: 0,
            steps: 0,
            budget,
        }
    }

    fn run(&mut self) -> Found {
        let mut stack: Vec<Frame> = Vec::new();
        loop {
            self.steps += 1;
            if self.steps > self.budget.steps || self.remembered > self.budget.memory {
                return Found::OutOfBudget;
            }
            let committed = self.commit_pure();
            if self.left == 0 {
                return Found::Order;
            }
            let choices = if self.remember() {
                self.choices()
            } else {
                Vec::new()
            };
            stack.push(Frame {
                committed,
                choices,
                taken: None,
            });
            // On to the next choice of the deepest frame that has one.
            loop {
                let Some(frame) = stack.last_mut() else {
                    return Found::NoOrder;
                };
                if let Some((choice, value)) = frame.taken.take() {
                    self.mark(choice, false);
                    self.value = value;
                }
                if let Some(choice) = frame.choices.pop() {
                    frame.taken = Some((choice, self.value));
                    self.take(choice);
                    break;
                }
                for place in std::mem::take(&mut frame.committed) {
                    self.mark(Choice::Must(place), false);
                }
                stack.pop();
            }
        }
    }

    /// Lets every pure operation that fits take effect.
    fn commit_pure(&mut self) -> Vec<usize> {
        let mut committed = Vec::new();
        loop {
            let (candidates, _) = self.candidates();
            let before = committed.len();
            for place in candidates {
                let step = self.must[place].step;
                if step.is_pure() && self.after(step) == Some(self.value) {
                    self.mark(Choice::Must(place), true);
                    committed.push(place);
                    self.unfound = false;
                }
            }
            if committed.len() == before {
                return committed;
            }
        }
    }

    /// What can take effect next, the best last: those answered by the time they completed, then those of unknown fate.
    fn choices(&mut self) -> Vec<Choice> {
        let (mut candidates, limit) = self.candidates();
        let mut choices = Vec::new();
        for place in (0..self.may.len()).rev() {
            let step = self.may[place].step;
            if self.is_open(place, limit, None)
                && !(self.unfound && step.is_blind())
                && let Some(value) = self.after(step)
                && value != self.value
                && self.can_be_found(value, place, &candidates, limit)
            {
                choices.push(Choice::May(place));
            }
        }
        candidates.retain(|place| {
            let step = self.must[*place].step;
            self.after(step).is_some() && !(self.unfound && step.is_blind())
        });
        candidates.sort_by_key(|place| std::cmp::Reverse(self.must[*place].completed));
        choices.extend(candidates.into_iter().map(Choice::Must));
        choices
    }

    /// Whether one of unknown fate may come next, or after the one at `by`.
    fn is_open(&self, place: usize, limit: usize, by: Option<usize>) -> bool {
        let may = &self.may[place];
        let turn = may.same.is_none_or(|same| self.used[same] || by == Some(same));
        !self.used[place] && by != Some(place) && may.invoked < limit && turn
    }

    /// Whether anything that may come next finds the value that the one of unknown fate at `by` leaves.
    fn can_be_found(&self, value: u32, by: usize, candidates: &[usize], limit: usize) -> bool {
        let mut must = candidates.iter().map(|place| self.must[*place].step);
        let mut may = (0..self.may.len()).filter(|place| self.is_open(*place, limit, Some(by)));
        must.any(|step| step.finds(value)) || may.any(|place| self.may[place].step.finds(value))
    }

    /// Those answered ones that may come next, and the first completion among all that are left.
    fn candidates(&self) -> (Vec<usize>, usize) {
        let (mut candidates, mut limit) = (Vec::new(), usize::MAX);
        for place in self.first..self.must.len() {
            let must = &self.must[place];
            if self.done[place] {
                continue;
            }
            if must.invoked > limit {
                break;
            }
            limit = limit.min(must.completed);
            candidates.push(place);
        }
        (candidates, limit)
    }

    /// The value after a step, if it can be taken.
    fn after(&mut self, step: Step) -> Option<u32> {
        let value = self.value;
        match step {
            Step::Get { seen } => (value == seen).then_some(value),
            Step::Put { value } => Some(value),
            Step::Append { tail } => Some(self.values.append(value, tail)),
            Step::Swap { expect, value: new } => (value == expect).then_some(new),
            Step::Differ { from } => (value != from).then_some(value),
        }
    }

    fn take(&mut self, choice: Choice) {
        let step = self.step(choice);
        self.mark(choice, true);
        self.value = self.after(step).expect("only what can be taken is chosen");
        self.unfound = matches!(choice, Choice::May(_));
    }

    fn step(&self, choice: Choice) -> Step {
        match choice {
            Choice::Must(place) => self.must[place].step,
            Choice::May(place) => self.may[place].step,
        }
    }

    fn mark(&mut self, choice: Choice, taken: bool) {
        match choice {
            Choice::May(place) => self.used[place] = taken,
            Choice::Must(place) => {
                self.done[place] = taken;
                if taken {
                    self.left -= 1;
                    while self.done.get(self.first) == Some(&true) {
                        self.first += 1;
                    }
                } else {
                    self.left += 1;
                    self.first = self.first.min(place);
                }
            }
        }
    }

    /// Remembers the configuration; tells whether it is new.
    fn remember(&mut self) -> bool {
        let last = self
            .done
            .iter()
            .rposition(|done| *done)
            .map_or(0, |last| last + 1);
        let mut words = vec![self.first as u64 | u64::from(self.unfound) << 31 | u64::from(self.value) << 32];
        words.extend(pack(&self.used));
        words.extend(pack(&self.done[self.first.min(last)..last]));
        let bytes = words.len() * 8 + 48;
        let new = self.visited.insert(words.into_boxed_slice());
        if new {
            self.remembered += bytes;
        }
        new
    }
}

/// The first flag is the lowest bit, so that flags up to the last that is set give words that no others give.
fn pack(flags: &[bool]) -> impl Iterator<Item = u64> {
    let word = |flags: &[bool]| {
        flags
            .iter()
            .rev()
            .fold(0, |word, flag| word << 1 | u64::from(*flag))
    };
    flags.chunks(64).map(word)
}

/// Values that no operation names are not told apart: makes them all one. Operations of unknown fate that write them then
/// do the same, which saves trying one for the other.
fn merge_unnamed(initial: &mut u32, mut steps: Vec<&mut Step>) {
    const UNNAMED: u32 = u32::MAX;
    let mut named = HashSet::new();
    for step in &steps {
        match step {
            Step::Get { seen: value } | Step::Differ { from: value } | Step::Swap { expect: value, .. } => {
                named.insert(*value);
            }
            Step::Append { .. } => return, // tells all values apart
            Step::Put { .. } => {}
        }
    }
    let merge = |value: &mut u32| {
        if !named.contains(value) {
            *value = UNNAMED;
        }
    };
    merge(initial);
    for step in &mut steps {
        if let Step::Put { value } | Step::Swap { value, .. } = step {
            merge(value);
        }
    }
}
