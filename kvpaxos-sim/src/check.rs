//! Linearizability: whether some order of the operations, each taking effect at one moment between its invocation and its
//! completion, explains all answers (Herlihy and Wing, 1990).
//!
//! Keys are judged one by one: linearizability is local. An operation of unknown fate may take effect at any time after
//! its invocation, or never; one that certainly had no effect says nothing.
//!
//! A key's history is searched for an order, first with all configurations side by side, which is the shortest way where they stay few;
//! then depth first, which finds an order where one is easily found; then as if operations of unknown fate could take effect any
//! number of times, which shows soon that there is no order where there is none by far. Each stage is exact in what it says. The rules that
//! keep all of them small stand, with why they are right, in the module `window`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::{Action, Answer, Datum, EventKind, History, Operation};

use timeline::Timeline;
use window::Mode;

mod config;
mod deep;
mod layers;
mod lookahead;
mod steps;
#[cfg(test)]
mod tests;
mod timeline;
mod window;

/// How much may be spent on one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Configurations looked at.
    pub steps: u64,
    /// Bytes of configurations remembered.
    pub memory: usize,
}

impl Default for Budget {
    /// Some seconds and a gigabyte; histories of a simulation take a thousandth of it.
    fn default() -> Budget {
        Budget {
            steps: 20_000_000,
            memory: 1 << 30,
        }
    }
}

/// What the checker found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The verdict on the whole.
    pub verdict: Verdict,
    /// How many keys there are.
    pub keys: usize,
    /// How many operations asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown fate.
    pub unknown: usize,
    /// Configurations looked at.
    pub steps: u64,
    /// What was found for each key, in the order of their names.
    pub per_key: Vec<KeyReport>,
}

/// What the checker found for one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyReport {
    /// The key.
    pub key: String,
    /// The verdict on it.
    pub verdict: KeyVerdict,
    /// How many of its operations asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown fate.
    pub unknown: usize,
    /// Configurations looked at.
    pub steps: u64,
}

/// See [`KeyReport`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyVerdict {
    /// There is an order.
    Linearizable,
    /// There is none; [`Verdict::NotLinearizable`] has the evidence.
    NotLinearizable,
    /// The budget did not suffice.
    Undecided,
}

impl Report {
    /// Whether the history is certainly not linearizable.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.verdict, Verdict::NotLinearizable(_))
    }

    /// Whether it certainly is.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict == Verdict::Linearizable
    }
}

/// Any key that is bad makes the history bad; else any that is undecided makes it undecided; else it is linearizable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// An order was found for every key.
    Linearizable,
    /// There is none, for these keys.
    NotLinearizable(Vec<Evidence>),
    /// The budget did not suffice for these keys; the others are linearizable.
    Undecided {
        /// Which.
        keys: Vec<String>,
    },
}

/// Why a key's history is not linearizable: where the shortest prefix of it ends that no order explains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The key.
    pub key: String,
    /// Its first value.
    pub initial: Datum,
    /// The operation whose answer no order explains. What completed before it can be explained.
    pub culprit: Shown,
    /// What matters to it, in the order of invocations: what ran beside it, the last operations before, and all writes of
    /// the values that these say they found. What had not completed when the culprit did is shown as such.
    pub others: Vec<Shown>,
    /// How many earlier operations on the key are not shown.
    pub left_out: usize,
    /// The longest order found for the prefix: it explains all answers in it but those of `unplaced`.
    pub order: Vec<Shown>,
    /// What completed within the prefix and has no place in that order.
    pub unplaced: Vec<Shown>,
}

/// An operation as evidence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Whose.
    pub process: u64,
    /// What.
    pub operation: Operation,
    /// What came back; nothing if its fate was unknown.
    pub answer: Option<Answer>,
    /// When it was invoked.
    pub invoked: i64,
    /// When it completed.
    pub completed: Option<i64>,
}

/// Judges a history.
#[must_use]
pub fn check(history: &History, budget: Budget) -> Report {
    let keys = by_key(history);
    let (mut bad, mut undecided, mut per_key) = (Vec::new(), Vec::new(), Vec::new());
    for (key, operations) in &keys {
        let all = history.events().len();
        let (found, steps) = order(history.initial(), operations, all, budget);
        let verdict = match found {
            Found::Order => KeyVerdict::Linearizable,
            Found::OutOfBudget => {
                undecided.push((*key).to_owned());
                KeyVerdict::Undecided
            }
            Found::NoOrder { from, likely } => {
                bad.push(evidence(history, key, operations, (from, likely), budget));
                KeyVerdict::NotLinearizable
            }
        };
        per_key.push(KeyReport {
            key: (*key).to_owned(),
            verdict,
            operations: operations.len(),
            unknown: operations.iter().filter(|one| one.answered.is_none()).count(),
            steps,
        });
    }
    let verdict = if !bad.is_empty() {
        Verdict::NotLinearizable(bad)
    } else if !undecided.is_empty() {
        Verdict::Undecided { keys: undecided }
    } else {
        Verdict::Linearizable
    };
    Report {
        verdict,
        keys: per_key.len(),
        operations: per_key.iter().map(|key| key.operations).sum(),
        unknown: per_key.iter().map(|key| key.unknown).sum(),
        steps: per_key.iter().map(|key| key.steps).sum(),
        per_key,
    }
}

/// The result of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Found {
    Order,
    NoOrder {
        /// Every prefix that ends before this event has an order.
        from: usize,
        /// This prefix likely has none.
        likely: usize,
    },
    OutOfBudget,
}

/// One way to search.
#[derive(Clone, Copy, Debug)]
enum Stage {
    SideBySide(Mode),
    DepthFirst,
}

/// Looks for an order of what was known before the event at `end`; tells how many configurations that took.
fn order(initial: &Datum, operations: &[Recorded<'_>], end: usize, budget: Budget) -> (Found, u64) {
    const EASY: u64 = 100_000;
    let tenth = budget.steps / 10;
    let stages = [
        (Stage::SideBySide(Mode::Exact), EASY),
        (Stage::DepthFirst, tenth),
        (Stage::SideBySide(Mode::Exact), 4 * tenth),
        (Stage::SideBySide(Mode::Relaxed), 2 * tenth),
        (Stage::DepthFirst, budget.steps),
    ];
    let mut spent = 0;
    for (stage, share) in stages {
        let steps = share.min(budget.steps.saturating_sub(spent));
        let budget = Budget { steps, ..budget };
        let timeline = Timeline::new(initial, operations, end);
        let (found, more) = match stage {
            Stage::SideBySide(mode) => layers::layers(timeline, mode, budget),
            Stage::DepthFirst => deep::deep(timeline, budget),
        };
        spent += more;
        if found != Found::OutOfBudget {
            return (found, spent);
        }
    }
    (Found::OutOfBudget, spent)
}

/// An operation that was not refused. Places are those of events in the history.
#[derive(Clone, Copy)]
struct Recorded<'a> {
    process: u64,
    operation: &'a Operation,
    invoked: usize,
    answered: Option<(usize, &'a Answer)>,
}

/// In the order of invocations.
fn by_key(history: &History) -> BTreeMap<&str, Vec<Recorded<'_>>> {
    let mut keys: BTreeMap<&str, Vec<Recorded<'_>>> = BTreeMap::new();
    let mut open: BTreeMap<u64, (&Operation, usize)> = BTreeMap::new();
    let mut close = |process, operation, invoked, answered| {
        let recorded = Recorded {
            process,
            operation,
            invoked,
            answered,
        };
        keys.entry(&recorded.operation.key).or_default().push(recorded);
    };
    for (place, event) in history.events().iter().enumerate() {
        let process = event.process;
        if let EventKind::Invoke(operation) = &event.kind {
            open.insert(process, (operation, place));
            continue;
        }
        let Some((operation, invoked)) = open.remove(&process) else {
            continue;
        };
        match &event.kind {
            EventKind::Ok(answer) => close(process, operation, invoked, Some((place, answer))),
            EventKind::Info => close(process, operation, invoked, None),
            EventKind::Fail | EventKind::Invoke(_) => {}
        }
    }
    for (process, (operation, invoked)) in open {
        close(process, operation, invoked, None);
    }
    for operations in keys.values_mut() {
        // A read whose answer nobody saw asserts nothing.
        operations.retain(|one| one.answered.is_some() || one.operation.action != Action::Get);
        operations.sort_by_key(|operation| operation.invoked);
    }
    keys
}

/// Where the shortest bad prefix ends. What is bad stays bad with more behind it, so halving finds it.
fn shortest(
    history: &History,
    operations: &[Recorded<'_>],
    (from, likely): (usize, usize),
    budget: Budget,
) -> usize {
    let completed = operations.iter().filter_map(|operation| operation.answered);
    let mut ends: Vec<usize> = completed.map(|(place, _)| place + 1).collect();
    ends.sort_unstable();
    // Out of its budget counts as not bad; the last one is known to be bad.
    let is_bad = |end: usize| {
        let (found, _) = order(history.initial(), operations, end, budget);
        matches!(found, Found::NoOrder { .. })
    };
    let mut first = ends.partition_point(|end| *end < from).min(ends.len() - 1);
    let mut last = ends.len() - 1;
    let likely = ends.partition_point(|end| *end < likely).clamp(first, last);
    let guesses = [likely, likely.saturating_sub(1)];
    let mut guesses = guesses.into_iter();
    while first < last {
        let guess = guesses.next().filter(|guess| (first..last).contains(guess));
        let end = guess.unwrap_or(first + (last - first) / 2);
        if is_bad(ends[end]) {
            last = end;
        } else {
            first = end + 1;
        }
    }
    ends[first]
}

fn evidence(
    history: &History,
    key: &str,
    operations: &[Recorded<'_>],
    known: (usize, usize),
    budget: Budget,
) -> Evidence {
    let end = shortest(history, operations, known, budget);
    let ends_here = |operation: &Recorded<'_>| operation.answered.is_some_and(|(place, _)| place + 1 == end);
    let culprit = operations
        .iter()
        .position(ends_here)
        .expect("each end is that of an operation");
    let prefix: Vec<Recorded<'_>> = operations
        .iter()
        .filter(|operation| operation.invoked < end)
        .map(|operation| cut(*operation, end))
        .collect();
    let beside = |place: usize| operations[place].answered.is_some_and(|(place, _)| place >= end);
    let useful = useful(&prefix, culprit, beside);
    let show = |operation: &Recorded<'_>| show(history, operation);
    Evidence {
        key: key.to_owned(),
        initial: history.initial().clone(),
        culprit: show(&operations[culprit]),
        others: useful.iter().map(|place| show(&prefix[*place])).collect(),
        left_out: prefix.len() - 1 - useful.len(),
        order: Vec::new(),
        unplaced: vec![show(&operations[culprit])],
    }
}

/// The operation as it was known before the event at `end`.
fn cut(operation: Recorded<'_>, end: usize) -> Recorded<'_> {
    let answered = operation.answered.filter(|(place, _)| *place < end);
    Recorded {
        answered,
        ..operation
    }
}

/// See [`Evidence::others`]; `beside` tells which of those that had not completed ran on and did so later.
fn useful(prefix: &[Recorded<'_>], culprit: usize, beside: impl Fn(usize) -> bool) -> Vec<usize> {
    const BEFORE: usize = 6;
    let begun = prefix[culprit].invoked;
    let completed = prefix
        .iter()
        .filter_map(|one| one.answered.map(|(place, _)| place));
    let mut before: Vec<usize> = completed.filter(|place| *place < begun).collect();
    before.sort_unstable();
    let since = before.len().checked_sub(BEFORE).map_or(0, |skip| before[skip]);
    let recent = |place: usize| match prefix[place].answered {
        Some((completed, _)) => completed >= since,
        None => beside(place),
    };
    let shown = (0..prefix.len()).filter(|place| recent(*place));
    let named: BTreeSet<&Datum> = shown.filter_map(|place| found(&prefix[place])).collect();
    (0..prefix.len())
        .filter(|place| *place != culprit)
        .filter(|place| recent(*place) || written(&prefix[*place]).is_some_and(|value| named.contains(value)))
        .collect()
}

/// The value that an operation says it found.
fn found<'a>(operation: &Recorded<'a>) -> Option<&'a Datum> {
    match (&operation.operation.action, operation.answered?.1) {
        (_, Answer::Value(value)) => Some(value),
        (Action::Cas { expect, .. }, Answer::Swapped { applied: true }) => Some(expect),
        _ => None,
    }
}

fn written<'a>(operation: &Recorded<'a>) -> Option<&'a Datum> {
    match &operation.operation.action {
        Action::Put(value) | Action::Append(value) | Action::Cas { value, .. } => Some(value),
        Action::Delete => Some(&Datum::Null),
        Action::Get => None,
    }
}

fn show(history: &History, operation: &Recorded<'_>) -> Shown {
    let time = |place: usize| history.events()[place].time;
    Shown {
        process: operation.process,
        operation: operation.operation.clone(),
        answer: operation.answered.map(|(_, answer)| answer.clone()),
        invoked: time(operation.invoked),
        completed: operation.answered.map(|(place, _)| time(place)),
    }
}

impl Evidence {
    /// A line for each operation, to be read from top to bottom.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "key {:?}, first {}: no order explains the last operation together with those before",
            self.key, self.initial
        )];
        if self.left_out > 0 {
            lines.push(format!("  ... {} operations more", self.left_out));
        }
        lines.extend(self.others.iter().map(|shown| format!("  {shown}")));
        lines.push(format!("! {}", self.culprit));
        lines
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// `[7 .. 9] process 3: get k = "v"`.
impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown {
            process,
            operation,
            invoked,
            ..
        } = self;
        match (self.completed, &self.answer) {
            (Some(completed), Some(answer)) => {
                write!(
                    f,
                    "[{invoked} .. {completed}] process {process}: {operation} = {answer}"
                )
            }
            _ => write!(f, "[{invoked} ..] process {process}: {operation} = ?"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            keys,
            operations,
            unknown,
            ..
        } = self;
        match &self.verdict {
            Verdict::Linearizable => f.write_str("linearizable")?,
            Verdict::NotLinearizable(bad) => write!(f, "NOT linearizable ({} keys)", bad.len())?,
            Verdict::Undecided { keys } => write!(f, "undecided: out of budget for {} keys", keys.len())?,
        }
        write!(
            f,
            ": {operations} operations on {keys} keys, {unknown} of unknown fate"
        )
    }
}
