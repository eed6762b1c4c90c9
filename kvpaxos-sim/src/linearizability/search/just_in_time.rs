//! What can have happened so far, as time goes on.
//!
//! Every answered operation must take effect before it completes, and none before it is invoked. So a search for an order goes through
//! the completions, as Lowe's just-in-time linearization does (*Testing for linearizability*, 2017), from one *configuration* to
//! those that can follow on it: the value, and which of the operations under way have taken effect.
//!
//! # Blocks
//!
//! An order falls into *blocks*: a put (or delete) and what follows it up to the next one. What a block does depends on nothing before
//! it. This is what keeps the number of configurations small:
//!
//! - **Pure** operations (reads, and swaps that differed) take effect as soon as they fit. An order in which one is moved
//!   to an earlier place where it fits is an order still.
//! - Nothing else takes effect before it must: at its completion, or to make way for another one in its block.
//! - A block of which nothing is needed any more can be **hidden**: put right before the put that began the block under way, it
//!   changes nothing that anybody sees. So a configuration remembers when that put took effect (`since`), and an
//!   operation invoked before then may be hidden there as long as it is open. A block is hidden as a whole.
//!
//! Let L be an order, and o, in block j of L, the operation that completes; let k be the block under way. All of j that comes before o in
//! L was invoked by now.
//!
//! 1. If j = k, then the block under way goes on as in L, up to o.
//! 2. If j < k, then all of j comes before the beginning of k in L, was invoked before that, and is open: had any of it completed, this
//!    would have been done then. It is hidden as a whole, at `since`.
//! 3. If j > k, then the rest of k comes first, all of which was invoked by now; then j begins, and goes on up to o. What lies between k and
//!    j was invoked by now, and may be hidden from now on.
//!
//! These are the three ways that [`Window::successors`] tries, whoever o is; so if there is an order, it is found. And each way is one in
//! which operations take effect while they are open; so what is found is an order.
//!
//! # Values that nobody will find
//!
//! Where the whole history is known, a value that nothing finds from now on (and that appends do not lead to one that is found) is as good as
//! any other such value: all are [`UNSEEN`]. An operation of unknown outcome that leaves one is of no use, unless somebody asserts that the
//! value *differed*: without it nobody sees another value than with it. The same goes for an append of what is in no string that is found from
//! now on.
//!
//! # Which of two
//!
//! Where two operations do the same and either could be taken, the one that completes first is: in an order that has it the
//! other way round, they can be exchanged.
//!
//! Among configurations of the same value, one that is worse is dropped: one that began its block no later, has done what
//! the other may still do or leave, and has not done what is pure. If it has not done something else either, then for each such operation
//! the better one must have another left that does the same, completes no sooner, and was invoked no later (or can be hidden now): whenever the
//! worse one does the one, the better one does the other.

use super::block::Chain;
use super::configuration::Configuration;
use super::op_set::OpIndex;
use super::orders::BEGINNING;
use super::transitions::Transition;
use super::window::{OpenOperation, OutOfBudget, Window};

impl Window {
    /// The operation in the op completes now: it has taken effect. All configurations that can follow; see the module.
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

    /// All ways in which an operation takes effect now, at the latest; see the module.
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
            // Appends that led nowhere may as well be hidden.
            if end.done.has(op) || (end != *config && !self.gained(config, &end)) {
                continue;
            }
            for put in self.first_puts(&end, usize::MAX, if blind { Some(op) } else { None }, now) {
                let begun = self.begin(&end, put, now, now, usize::MAX);
                self.chains(begun, goal, now, found)?;
            }
        }
        Ok(())
    }

    /// What was invoked before the block under way began takes effect right before it.
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
