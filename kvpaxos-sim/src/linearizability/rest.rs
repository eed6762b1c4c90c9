//! The keys that a first look has not settled: searched with all means, side by side, and with the budget shared among them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::evidence::{Evidence, evidence};
use super::search::{Found, Question, Recorded, by_key, order};
use super::{Budget, KeyVerdict};
use crate::history::{Action, Answer, Datum, Event, EventKind, History};

/// Searches take place side by side, and this many share the memory at most, however many cores there are: a verdict must not
/// depend on that.
const LANES: usize = 4;

/// What was found for a key.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) verdict: KeyVerdict,
    pub(super) evidence: Option<Evidence>,
    pub(super) steps: u64,
}

struct Task<'a> {
    key: &'a str,
    is_lost: bool,
    operations: Vec<Recorded<'a>>,
    settled: Settled,
}

/// What a history says of these keys, as far as there is memory for it; and of which it says nothing, as they take too much.
///
/// A history in which no time passes, as where its lines have none, gets the numbers of its events for times: evidence without
/// any would not tell what came before what.
pub(super) fn excerpt<E>(
    initial: Datum,
    events: impl Iterator<Item = Result<Event, E>>,
    keys: &[&str],
    memory: usize,
) -> Result<(History, Vec<bool>), E> {
    // What is kept, with the place of its key, and how many bytes that is for each key.
    let mut kept: Vec<(usize, i64, Event)> = Vec::new();
    let mut bytes = vec![Some(0); keys.len()];
    let (mut open, mut all) = (HashMap::new(), 0);
    let (mut first, mut last) = (None, None);
    for (number, event) in (1..).zip(events) {
        let event = event?;
        last = Some(event.time);
        first = first.or(last);
        let place = match &event.kind {
            EventKind::Invoke(operation) => keys.binary_search(&&*operation.key).ok(),
            _ => open.remove(&event.process),
        };
        let Some(place) = place else { continue };
        if matches!(event.kind, EventKind::Invoke(_)) {
            open.insert(event.process, place);
        }
        let Some(taken) = &mut bytes[place] else { continue };
        let more = size(&event);
        *taken += more;
        all += more;
        kept.push((place, number, event));
        if all > memory {
            let most = (0..keys.len()).max_by_key(|place| bytes[*place]);
            let most = most.unwrap_or_default();
            all -= bytes[most].take().unwrap_or_default();
            kept.retain(|(place, ..)| *place != most);
        }
    }
    let mut history = History::starting_with(initial);
    for (_, number, event) in kept {
        let time = if first == last { number } else { event.time };
        // What does not fit here did not fit where it came from, and says nothing.
        let _ = history.add(Event { time, ..event });
    }
    let lost = bytes.iter().map(Option::is_none).collect();
    Ok((history, lost))
}

/// About how many bytes an event takes.
fn size(event: &Event) -> usize {
    let text = |datum: &Datum| match datum {
        Datum::Text(text) => text.len(),
        Datum::Null | Datum::Integer(_) => 0,
    };
    let more = match &event.kind {
        EventKind::Invoke(operation) => {
            let value = match &operation.action {
                Action::Get | Action::Delete => 0,
                Action::Put(value) | Action::Append(value) => text(value),
                Action::Cas { expect, value } => text(expect) + text(value),
            };
            operation.key.len() + value
        }
        EventKind::Ok(Answer::Value(value)) => text(value),
        EventKind::Ok(_) | EventKind::Fail | EventKind::Info => 0,
    };
    // The event itself, twice, for it is moved, and what the search makes of it.
    2 * size_of::<Event>() + 2 * more + 200
}

/// Judges these keys of a history, which may lack others, but for those that are lost; what was found for each, in the same order.
///
/// All that are not decided get the same number of steps. What the decided ones leave is shared among the others, as long as
/// that gives each at least twice as much as before.
pub(super) fn settle(history: &History, keys: &[&str], lost: &[bool], budget: Budget) -> Vec<Settled> {
    let mut operations = by_key(history, |key| keys.binary_search(&key).is_ok());
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for (key, is_lost) in keys.iter().zip(lost) {
        tasks.push(Task {
            key,
            is_lost: *is_lost,
            operations: operations.remove(key).unwrap_or_default(),
            settled: Settled::default(),
        });
    }
    let memory = budget.memory / tasks.len().clamp(1, LANES);
    let (mut left, mut before) = (budget.steps, 0);
    loop {
        let mut open: Vec<&mut Task<'_>> = tasks.iter_mut().filter(|task| task.is_open()).collect();
        let steps = left / (open.len().max(1) as u64);
        if open.is_empty() || steps == 0 || steps / 2 < before {
            break;
        }
        let budget = Budget { steps, memory };
        left -= side_by_side(&mut open, |task| task.search(history, budget)).min(left);
        before = steps;
    }
    tasks.into_iter().map(|task| task.settled).collect()
}

impl Task<'_> {
    fn is_open(&self) -> bool {
        !self.is_lost && self.settled.verdict == KeyVerdict::Undecided
    }

    /// Tells how many steps it took.
    fn search(&mut self, history: &History, budget: Budget) -> u64 {
        let question = Question {
            initial: history.initial(),
            operations: &self.operations,
            end: history.events().len(),
            told: false,
            doubted: false,
        };
        let (found, steps) = order(question, budget);
        self.settled.steps += steps;
        match found {
            Found::Order(_) => self.settled.verdict = KeyVerdict::Linearizable,
            Found::OutOfBudget => {}
            Found::NoOrder { from, likely, .. } => {
                self.settled.verdict = KeyVerdict::NotLinearizable;
                self.settled.evidence = Some(evidence(history, self.key, question, (from, likely), budget));
            }
        }
        steps
    }
}

/// Does all of it, on as many threads as there are cores; the sum.
fn side_by_side<T: Send>(tasks: &mut [&mut T], work: impl Fn(&mut T) -> u64 + Sync) -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores.min(tasks.len()) < 2 {
        return tasks.iter_mut().map(|task| work(task)).sum();
    }
    let next = Mutex::new(tasks.iter_mut());
    let lane = || {
        let mut sum = 0;
        loop {
            let task = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(task) = task else { return sum };
            sum += work(task);
        }
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..cores.min(LANES)).map(|_| scope.spawn(lane)).collect();
        let join = |lane: std::thread::ScopedJoinHandle<'_, u64>| {
            lane.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        lanes.into_iter().map(join).sum()
    })
}
