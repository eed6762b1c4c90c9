//! The keys that a first look has not settled: searched with all means, side by side, and with the budget shared among them.

use super::evidence::{Evidence, evidence};
use super::report::{Budget, KeyReport, KeyVerdict};
use super::search::{KeyOperation, Question, SearchResult, by_key, order};
use crate::history::History;
use crate::parallel;

/// Searches take place side by side, and this many share the memory at most, however many cores there are: a verdict must not
/// depend on that.
const LANES: usize = 4;

struct Task<'a> {
    report: &'a mut KeyReport,
    /// Whether it is still to be decided.
    is_open: bool,
    operations: Vec<KeyOperation<'a>>,
    evidence: Option<Evidence>,
}

/// Judges those keys of a history that are not good, but for those that are lost; the evidence against those that are bad. The history
/// may lack the other keys.
///
/// All that are not decided get the same number of steps. What the decided ones leave is shared among the others, as long as
/// that gives each at least twice as much as before.
pub(super) fn settle(
    history: &History,
    keys: &mut [KeyReport],
    lost: &[bool],
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
    let memory = budget.memory / tasks.len().clamp(1, LANES);
    let (mut left, mut before) = (budget.steps, 0);
    loop {
        let open: Vec<&mut Task<'_>> = tasks.iter_mut().filter(|task| task.is_open).collect();
        let steps = left / (open.len().max(1) as u64);
        if open.is_empty() || steps == 0 || steps / 2 < before {
            break;
        }
        let budget = Budget { steps, memory };
        let threads = parallel::cores().min(LANES).min(open.len());
        let spent = parallel::map(open, threads, |task| task.search(history, budget));
        left = left.saturating_sub(spent.iter().sum());
        before = steps;
    }
    tasks.into_iter().filter_map(|task| task.evidence).collect()
}

impl Task<'_> {
    /// Tells how many steps it took.
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
            // What is bad stays bad, even if the evidence was out of reach.
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
