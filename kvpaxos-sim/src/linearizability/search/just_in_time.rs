//! Just-in-time linearization: the rules by which configurations follow on each other, and so the rule by
//! which a history is not linearizable.
//!
//! Every answered operation takes effect after its invocation and before its completion. So a search for an
//! order goes from completion to completion (Lowe's just-in-time linearization, *Testing for
//! linearizability*, 2017). At each it computes, from every *configuration* that is possible so far, those
//! that can follow: a configuration is the key's value, and which of the open operations have taken effect.
//! **If no configuration is left after a completion, no order explains the answers up to there, and the
//! history is not linearizable.**
//!
//! # Blocks
//!
//! An order falls into *blocks*: a put or a delete, and everything after it up to the next one. What a block
//! does depends on nothing before it. That keeps the number of configurations small:
//!
//! - **Pure** operations (reads, and swaps that were not applied) take effect as soon as they fit. If one is
//!   moved to an earlier place where it fits, an order remains an order.
//! - Every other operation takes effect as late as possible: at its completion, or when an operation in its
//!   block needs it before.
//! - A block can be **hidden** if nothing in it is needed any more: put right before the put that began the
//!   current block, it changes nothing that anybody sees. So a configuration remembers when that put took
//!   effect (`since`), and an open operation that was invoked before then can be hidden there. A block is
//!   hidden as a whole.
//!
//! Let L be an order, o the operation that completes, j its block in L, and k the current block. Everything
//! in j before o was invoked by now. There are three cases:
//!
//! 1. j = k: the current block goes on as in L, up to o.
//! 2. j < k: everything in j comes before the beginning of k in L, was invoked before that, and is open; if
//!    any of it had completed, the block would have been done then. It is hidden as a whole, at `since`.
//! 3. j > k: the rest of k comes first, all of which was invoked by now. Then j begins and goes on up to o.
//!    What lies between k and j was invoked by now, and can be hidden from now on.
//!
//! [`Window::successors`] tries these three ways, so if there is an order, the search finds one. In each way
//! operations take effect only while they are open, so what the search finds is an order.
//!
//! # Values that nobody will see
//!
//! If the whole history is known, a value that no later operation finds, and that appends do not turn into
//! one that is found, is as good as any other such value: all of them are [`UNSEEN`](super::window::UNSEEN).
//! An operation of unknown outcome that leaves such a value is of no use, unless an answer asserts that the
//! value *differed* from another: without the operation nobody sees a different value. The same is true of an
//! append of text that is in no string that is found later.
//!
//! # Dominance
//!
//! If two operations do the same and either could be taken, the search takes the one that completes first: in
//! an order that has them the other way round, they can be exchanged.
//!
//! Of two configurations with the same value, the search drops one that is dominated: it began its block no
//! later, has done what the other may still do or leave, and has not done a pure operation that the other has
//! done. If it has left something else that the other has done, then for each such operation the other must
//! have left one that does the same, completes no sooner, and was invoked no later (or can be hidden now).
//! Whenever the dominated one does the first, the other does the second.

use super::block::Chain;
use super::configuration::Configuration;
use super::op_set::OpIndex;
use super::orders::BEGINNING;
use super::transitions::Transition;
use super::window::{OpenOperation, OutOfBudget, Window};

impl Window {
    /// The operation completes now, so it has taken effect. Adds all configurations that can follow to
    /// `found`.
    pub(super) fn successors(
        &mut self,
        mut config: Configuration,
        op: OpIndex,
        now: usize,
        found: &mut Vec<Configuration>,
    ) -> Result<(), OutOfBudget> {
        let first = found.len();
        if self.now != now {
            self.now = now;
            self.leading.clear();
        }
        config.value = self.relevant(config.value, now);
        if config.done.has(op) {
            found.push(config);
        } else {
            self.force(&config, op, now, found)?;
        }
        for config in &mut found[first..] {
            config.done.remove(op);
        }
        Ok(())
    }

    /// Lets the operation take effect now, at the latest possible moment, in each of the three ways of the
    /// module's docs.
    fn force(
        &mut self,
        config: &Configuration,
        op: OpIndex,
        now: usize,
        found: &mut Vec<Configuration>,
    ) -> Result<(), OutOfBudget> {
        let open = self.at(op);
        let blind = open.transition.is_blind();
        if !blind {
            let chain = Chain {
                before: usize::MAX,
                goal: Some(op),
                on: false,
            };
            self.chains(config.clone(), chain, now, found)?;
        }
        if open.invoked < config.since {
            self.hide(config, op, now, found)?;
        }
        let mut ends = Vec::new();
        let chain = Chain {
            before: usize::MAX,
            goal: None,
            on: true,
        };
        self.chains(config.clone(), chain, now, &mut ends)?;
        let goal = Chain {
            goal: Some(op),
            on: false,
            ..chain
        };
        for end in ends {
            // Appends that led nowhere can be hidden later as well.
            if end.done.has(op) || (end != *config && !self.is_progress(config, &end)) {
                continue;
            }
            for put in self.first_puts(&end, usize::MAX, if blind { Some(op) } else { None }, now) {
                let begun = self.begin(&end, put, now, now, usize::MAX);
                self.chains(begun, goal, now, found)?;
            }
        }
        Ok(())
    }

    /// Case 2: the operation was invoked before the current block began and takes effect right before it.
    fn hide(
        &mut self,
        config: &Configuration,
        op: OpIndex,
        now: usize,
        found: &mut Vec<Configuration>,
    ) -> Result<(), OutOfBudget> {
        let OpenOperation {
            transition, number, ..
        } = self.at(op);
        let before = config.since;
        let chain = Chain {
            before,
            goal: Some(op),
            on: true,
        };
        let mut hidden = Vec::new();
        if matches!(transition, Transition::Append { .. }) {
            let mut alone = config.clone();
            alone.done.insert(op);
            alone.block = self.orders.add(BEGINNING, number);
            hidden.push(alone);
        }
        let only = transition.is_blind().then_some(op);
        for put in self.first_puts(config, before, only, now) {
            let begun = self.begin(config, put, before, now, before);
            self.chains(begun, chain, now, &mut hidden)?;
        }
        for end in hidden {
            found.push(Configuration {
                value: config.value,
                since: config.since,
                done: end.done,
                past: self.orders.join(config.past, end.block),
                block: config.block,
            });
        }
        Ok(())
    }
}
