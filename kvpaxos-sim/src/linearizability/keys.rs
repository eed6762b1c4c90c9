//! The keys that streaming left open: each is searched with its whole history in memory, several in parallel,
//! within one budget.

use std::ops::ControlFlow;

use super::Extent;
use super::evidence::{Evidence, evidence};
use super::report::{Budget, KeyReport, KeyVerdict};
use super::search::{KeyOperation, Question, SearchResult, by_key, order};
use crate::history::History;
use crate::parallel;

/// At most so many searches run in parallel and share the memory, however many cores there are: the verdict
/// must not depend on the machine.
const MOST_THREADS: usize = 4;

struct Task<'a> {
    report: &'a mut KeyReport,
    /// Whether the key is still to be decided.
    is_open: bool,
    operations: Vec<KeyOperation<'a>>,
    evidence: Option<Evidence>,
}

/// Searches those keys of a history that are not good, and completes their reports. Keys that are lost are
/// left as they are. The history may lack all other keys. Returns the evidence against those that are bad.
///
/// All open keys get the same number of steps. The steps that decided keys did not need are shared among the
/// others, as long as that gives each at least twice as many as before. If only one bad key is wanted, the
/// keys are searched one after the other, so that it does not depend on the machine which of several it is.
pub(super) fn search_keys(
    history: &History,
    keys: &mut [KeyReport],
    lost: &[bool],
    extent: Extent,
    budget: Budget,
) -> Vec<Evidence> {
    let is_wanted = |name: &str| {
        let place = keys.binary_search_by(|key| (*key.key).cmp(name));
        place.is_ok_and(|place| !keys[place].is_good())
    };
    let mut operations = by_key(history, is_wanted);
    let bad = keys.iter_mut().filter(|key| !key.is_good());
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for (report, is_lost) in bad.zip(lost) {
        tasks.push(Task {
            is_open: !is_lost,
            operations: operations.remove(&*report.key).unwrap_or_default(),
            evidence: None,
            report,
        });
    }
    let memory = budget.memory / tasks.len().clamp(1, MOST_THREADS);
    let (mut left, mut before) = (budget.steps, 0);
    loop {
        let open: Vec<&mut Task<'_>> = tasks.iter_mut().filter(|task| task.is_open).collect();
        let steps = left / (open.len().max(1) as u64);
        if open.is_empty() || steps == 0 || steps / 2 < before {
            break;
        }
        let budget = Budget { steps, memory };
        let wants_all = extent == Extent::AllKeys;
        let most = if wants_all { MOST_THREADS } else { 1 };
        let threads = parallel::cores().min(most).min(open.len());
        let mut found_bad = false;
        let search = |task: &mut Task<'_>| (task.search(history, budget), task.report.is_bad());
        parallel::for_each(open, threads, search, |(spent, is_bad)| {
            // A search notices only after some steps that it has none left.
            left = left.saturating_sub(spent);
            found_bad |= is_bad;
            if is_bad && !wants_all {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if found_bad && !wants_all {
            break;
        }
        before = steps;
    }
    tasks.into_iter().filter_map(|task| task.evidence).collect()
}

impl Task<'_> {
    /// Searches the key, and returns the number of steps that took.
    fn search(&mut self, history: &History, budget: Budget) -> u64 {
        let question = Question {
            initial: history.initial(),
            operations: &self.operations,
            end: history.events().len(),
            wants_order: false,
            is_doubted: false,
        };
        let (found, steps) = order(question, budget);
        self.report.steps += steps;
        self.is_open = found == SearchResult::OutOfBudget;
        let is_undecided = self.report.verdict == KeyVerdict::Undecided;
        match found {
            // A key that streaming found bad stays bad, even if there is no evidence within the budget.
            SearchResult::Order(_) if is_undecided => self.report.verdict = KeyVerdict::Linearizable,
            SearchResult::Order(_) | SearchResult::OutOfBudget => {}
            SearchResult::NoOrder { from, likely, .. } => {
                self.report.verdict = KeyVerdict::NotLinearizable;
                let bounds = (from, likely);
                self.evidence = Some(evidence(history, &self.report.key, question, bounds, budget));
            }
        }
        steps
    }
}
