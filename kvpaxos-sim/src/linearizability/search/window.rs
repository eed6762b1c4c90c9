//! The window: the open operations at some moment, and the tables by which a search finds them.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::configuration::Configuration;
use super::lookahead::Lookahead;
use super::op_set::{OpIndex, OpSet, OpSetsByValue};
use super::orders::Orders;
use super::transitions::{Transition, Values};
use crate::hashing::BuildQuick;
use crate::linearizability::report::Budget;

/// The number of every value that nobody will see.
pub(super) const UNSEEN: u32 = u32::MAX;

/// An open operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenOperation {
    pub(super) transition: Transition,
    /// The moment of its invocation, from 1.
    pub(super) invoked: usize,
    /// The moment of its completion; `usize::MAX` if its outcome is unknown: then it need not take effect at
    /// all.
    pub(super) until: usize,
    /// Until when it is of use, if its outcome is unknown and the whole history is known.
    pub(super) useful: usize,
    /// Its place in the question.
    pub(super) number: u32,
}

impl OpenOperation {
    pub(super) fn is_optional(&self) -> bool {
        self.until == usize::MAX
    }
}

/// How often an operation of unknown outcome can take effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// At most once.
    Exact,
    /// Any number of times, so that a configuration need not remember which did. If there is no order even
    /// then, there is none.
    Relaxed,
}

/// The open operations at some moment.
pub(super) struct Window {
    pub(super) values: Values,
    pub(super) mode: Mode,
    pub(super) lookahead: Option<Lookahead>,
    pub(super) operations: Vec<Option<OpenOperation>>,
    /// The open operations by kind: first those that never change the value.
    pub(super) pure: OpSet,
    /// Of these, the reads, by the value that they find; then the others.
    pub(super) reads: OpSetsByValue,
    pub(super) checks: OpSet,
    pub(super) puts: OpSet,
    /// The swaps that change the value.
    pub(super) swaps: OpSet,
    /// The same, by the value that they find, and by the value that they leave.
    pub(super) swapping: OpSetsByValue,
    pub(super) leaving: OpSetsByValue,
    pub(super) appends: OpSet,
    /// The appends that lead from a value to one that is found later, as far as that was looked up since the
    /// last event.
    pub(super) leading: HashMap<u32, OpSet, BuildQuick>,
    /// The operations of unknown outcome, of all kinds.
    pub(super) optional: OpSet,
    pub(super) steps: u64,
    /// At most so many configurations are looked at to find how one goes on; those that take the fewest
    /// operations come first.
    pub(super) width: usize,
    /// Whether there were more.
    pub(super) is_cut: bool,
    /// The moment of the last completion.
    pub(super) now: usize,
    pub(super) orders: Orders,
    pub(super) budget: Budget,
}

/// The budget is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OutOfBudget;

impl Window {
    pub(super) fn new(
        values: Values,
        lookahead: Option<Lookahead>,
        mode: Mode,
        orders: Orders,
        budget: Budget,
    ) -> Window {
        Window {
            values,
            mode,
            lookahead,
            operations: Vec::new(),
            pure: OpSet::default(),
            reads: OpSetsByValue::default(),
            checks: OpSet::default(),
            puts: OpSet::default(),
            swaps: OpSet::default(),
            swapping: OpSetsByValue::default(),
            leaving: OpSetsByValue::default(),
            appends: OpSet::default(),
            leading: HashMap::default(),
            optional: OpSet::default(),
            steps: 0,
            width: usize::MAX,
            is_cut: false,
            now: 0,
            orders,
            budget,
        }
    }

    /// The number of configurations looked at so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The operation becomes open, with this index.
    pub(super) fn open(&mut self, op: OpIndex, open: OpenOperation) {
        if self.operations.len() <= op {
            self.operations.resize(op + 1, None);
        }
        self.operations[op] = Some(open);
        self.kind(open.transition).insert(op);
        if open.is_optional() {
            self.optional.insert(op);
        }
        match open.transition {
            Transition::Get { seen } => self.reads.insert(seen, op),
            transition if transition.is_pure() => self.checks.insert(op),
            Transition::Swap { expect, value } => {
                self.swapping.insert(expect, op);
                self.leaving.insert(value, op);
            }
            _ => {}
        }
        self.leading.clear();
    }

    /// The operation is no longer open.
    pub(super) fn close(&mut self, op: OpIndex) {
        if let Some(open) = self.operations[op].take() {
            self.kind(open.transition).remove(op);
            self.optional.remove(op);
            match open.transition {
                Transition::Get { seen } => self.reads.remove(seen, op),
                transition if transition.is_pure() => self.checks.remove(op),
                Transition::Swap { expect, value } => {
                    self.swapping.remove(expect, op);
                    self.leaving.remove(value, op);
                }
                _ => {}
            }
            self.leading.clear();
        }
    }

    fn kind(&mut self, transition: Transition) -> &mut OpSet {
        match transition {
            _ if transition.is_pure() => &mut self.pure,
            Transition::Put { .. } => &mut self.puts,
            Transition::Append { .. } => &mut self.appends,
            _ => &mut self.swaps,
        }
    }

    pub(super) fn at(&self, op: OpIndex) -> OpenOperation {
        self.operations[op].expect("an index in use has an operation")
    }

    /// Changes a configuration when the operation becomes open: a pure one takes effect at once if it fits.
    pub(super) fn on_open(&mut self, config: &mut Configuration, op: OpIndex) {
        let OpenOperation {
            transition, number, ..
        } = self.at(op);
        if transition.is_pure() && fits(transition, config.value) {
            config.done.insert(op);
            config.block = self.orders.add(config.block, number);
        }
    }

    /// Changes a configuration when the operation is no longer open.
    pub(super) fn on_close(config: &mut Configuration, op: OpIndex) {
        config.done.remove(op);
    }

    /// The order that led to the configuration, if orders are recorded.
    pub(super) fn order(&mut self, config: &Configuration) -> Vec<u32> {
        let all = self.orders.join(config.past, config.block);
        self.orders.order(all)
    }

    /// The value, or `UNSEEN` if nobody will see it.
    pub(super) fn relevant(&self, value: u32, now: usize) -> u32 {
        match &self.lookahead {
            Some(lookahead) if value != UNSEEN && lookahead.last(value) < now => UNSEEN,
            _ => value,
        }
    }

    /// Lets every pure operation that fits the value take effect.
    pub(super) fn commit(&mut self, config: &mut Configuration, before: usize) {
        let reads = self.reads.of(config.value).without(&config.done);
        let left: SmallVec<[OpIndex; 16]> = reads.chain(self.checks.without(&config.done)).collect();
        for op in left {
            let open = self.at(op);
            if open.invoked < before && fits(open.transition, config.value) {
                config.done.insert(op);
                config.block = self.orders.add(config.block, open.number);
            }
        }
    }
}

/// Whether a pure operation fits the value.
fn fits(transition: Transition, value: u32) -> bool {
    match transition {
        Transition::Get { seen } => seen == value,
        Transition::Differ { from } => from != value,
        Transition::Swap { expect, .. } => expect == value,
        Transition::Put { .. } | Transition::Append { .. } => false,
    }
}
