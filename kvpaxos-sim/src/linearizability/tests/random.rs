//! Random histories: the judges against the definition of linearizability, and against each other.

use std::collections::BTreeSet;

use kvpaxos::Random;

use crate::history::{Action, Answer, Datum, Operation};
use crate::linearizability::evidence::{cut, shortest};
use crate::linearizability::search::{KeyOperation, Question, SearchResult, by_key, each_stage, order};
use crate::linearizability::*;

/// How many random histories are judged, of `all`: an eighth where the code is not optimized. `.ci/run` runs these tests optimized too.
const fn histories(all: u32) -> u32 {
    if cfg!(debug_assertions) { all / 8 } else { all }
}

/// The definition: tries every order of every choice of operations.
fn brute_force(left: &mut Vec<KeyOperation<'_>>, value: &Datum) -> bool {
    let first_end = left.iter().filter_map(|one| Some(one.answered?.0)).min();
    let Some(first_end) = first_end else {
        return true;
    };
    (0..left.len()).any(|place| {
        if left[place].invoked > first_end {
            return false;
        }
        let one = left.remove(place);
        let after = effect(
            &one.operation.action,
            one.answered.map(|(_, answer)| answer),
            value,
        );
        let found = after.is_some_and(|after| brute_force(left, &after));
        left.insert(place, one);
        found
    })
}

/// The end of the shortest bad prefix, by the definition.
fn shortest_of_all(history: &History, operations: &[KeyOperation<'_>]) -> usize {
    let is_bad = |end: &usize| {
        let known = operations.iter().filter(|one| one.invoked < *end);
        let mut known: Vec<KeyOperation<'_>> = known.map(|one| cut(*one, *end)).collect();
        known.retain(|one| one.answered.is_some() || one.operation.action != Action::Get);
        !brute_force(&mut known, history.initial())
    };
    (1..=history.events().len())
        .find(is_bad)
        .expect("the whole is bad")
}

fn effect(action: &Action, answer: Option<&Answer>, value: &Datum) -> Option<Datum> {
    match (action, answer) {
        (Action::Get, Some(Answer::Value(seen))) if seen != value => None,
        (Action::Get, _) => Some(value.clone()),
        (Action::Put(new), _) => Some(new.clone()),
        (Action::Append(tail), _) => Some(value.appended(tail)),
        (Action::Delete, _) => Some(Datum::Null),
        (Action::Cas { expect, value: new }, answer) => {
            let applied = expect == value;
            let claimed = match answer {
                Some(Answer::Swapped { applied }) => *applied,
                _ => applied,
            };
            let after = if applied { new } else { value };
            (applied == claimed).then(|| after.clone())
        }
    }
}

/// The operations of a random history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// All kinds of operations.
    All,
    /// All kinds but appends.
    Sparing,
    /// Gets, puts of values that are all different, and sometimes a delete.
    Unique,
}

impl Kind {
    const EACH: [Kind; 3] = [Kind::All, Kind::Sparing, Kind::Unique];
}

/// A small random history of one key. Each operation takes effect at a random moment, or never if it fails or
/// its outcome is unknown. Some answers are then replaced by others.
fn random_history(random: &mut Random, kind: Kind, length: u64, lies: u64) -> History {
    let mut history = History::starting_with(small(random));
    let mut value = history.initial().clone();
    // For each process: its open operation, and its answer once it has taken effect.
    let mut open: [Option<(Operation, Option<Answer>)>; 4] = std::array::from_fn(|_| None);
    let mut left = length;
    while left > 0 || (random.below(10) > 0 && open.iter().any(Option::is_some)) {
        let process = random.below(4);
        let place = usize::try_from(process).unwrap();
        match open[place].take() {
            None if left == 0 => {}
            None => {
                let operation = random_operation(random, kind, fresh(&history));
                history.invoke(process, operation.clone()).unwrap();
                open[place] = Some((operation, None));
                left -= 1;
            }
            Some((operation, None)) if random.below(8) > 0 => {
                let answer = answer_of(&operation.action, &value);
                value = effect(&operation.action, Some(&answer), &value).unwrap();
                open[place] = Some((operation, Some(answer)));
            }
            Some((_, None)) if random.below(2) == 0 => history.fail(process).unwrap(),
            Some((_, None)) => history.info(process).unwrap(),
            Some((_, Some(_))) if random.below(6) == 0 => history.info(process).unwrap(),
            Some((_, Some(answer))) => {
                let answer = if random.below(1000) < lies {
                    lie(random, answer, kind, fresh(&history))
                } else {
                    answer
                };
                history.ok(process, answer).unwrap();
            }
        }
    }
    history
}

/// A number that no operation of the history has.
fn fresh(history: &History) -> u64 {
    10 + history.events().len() as u64
}

fn random_operation(random: &mut Random, kind: Kind, fresh: u64) -> Operation {
    let kinds = match kind {
        Kind::All => 7,
        Kind::Sparing => 6,
        Kind::Unique if random.below(10) == 0 => return Operation::delete("k"),
        Kind::Unique if random.below(2) == 0 => return Operation::get("k"),
        Kind::Unique => return Operation::put("k", Datum::Integer(fresh.into())),
    };
    match random.below(kinds) {
        0 | 1 => Operation::get("k"),
        2 | 3 => Operation::put("k", small(random)),
        4 => Operation::cas("k", small(random), small(random)),
        5 => Operation::delete("k"),
        _ => Operation::append("k", small(random)),
    }
}

fn small(random: &mut Random) -> Datum {
    match random.below(4) {
        0 => Datum::Null,
        number => Datum::Integer(number.into()),
    }
}

fn answer_of(action: &Action, value: &Datum) -> Answer {
    match action {
        Action::Get => Answer::Value(value.clone()),
        Action::Cas { expect, .. } => Answer::Swapped {
            applied: expect == value,
        },
        Action::Put(_) | Action::Append(_) | Action::Delete => Answer::Done,
    }
}

fn lie(random: &mut Random, answer: Answer, kind: Kind, fresh: u64) -> Answer {
    match answer {
        Answer::Value(_) if kind == Kind::Unique => Answer::Value(Datum::Integer(random.below(fresh).into())),
        Answer::Value(_) => Answer::Value(small(random)),
        Answer::Swapped { applied } => Answer::Swapped { applied: !applied },
        Answer::Done => Answer::Done,
    }
}

/// Whether the order has every answered operation exactly once, agrees with real time, and explains all
/// answers.
fn explains(order: &[u32], question: Question<'_>) -> bool {
    let operations: Vec<KeyOperation<'_>> = order
        .iter()
        .map(|place| question.operations[*place as usize])
        .collect();
    let mut value = question.initial.clone();
    let mut latest = 0;
    let mut seen = BTreeSet::new();
    for (one, number) in operations.iter().zip(order) {
        let answer = one.answered.map(|(_, answer)| answer);
        let after = effect(&one.operation.action, answer, &value);
        latest = latest.max(one.invoked);
        let is_late = one.answered.is_some_and(|(place, _)| place < latest);
        let Some(after) = after.filter(|_| !is_late && seen.insert(*number)) else {
            return false;
        };
        value = after;
    }
    let is_due = |one: &KeyOperation<'_>| one.answered.is_some_and(|(place, _)| place < question.end);
    (0..)
        .zip(question.operations)
        .all(|(number, one)| !is_due(one) || seen.contains(&number))
}

#[test]
fn agrees_with_brute_force_on_small_histories() {
    let mut random = Random::from_seed(1);
    let (mut good, mut bad, mut with_unknown) = (0, 0, 0);
    let (mut judged_by_zones, mut refuted_by_sources) = (0, 0);
    for number in 0..histories(100_000) {
        let (length, lies) = (3 + random.below(6), 250 * random.below(4));
        let kind = Kind::EACH[number as usize % 3];
        let history = random_history(&mut random, kind, length, lies);
        let report = check(&history, Budget::default());
        let operations = by_key(&history, |_| true).remove("k").unwrap_or_default();
        let expected = brute_force(&mut operations.clone(), history.initial());
        assert_eq!(report.is_good(), expected, "history {number}: {history:#?}");
        assert_eq!(report.is_bad(), !expected);
        let shortest_bad = (!expected).then(|| shortest_of_all(&history, &operations));
        let question = Question {
            initial: history.initial(),
            operations: &operations,
            end: usize::MAX,
            wants_order: true,
            is_doubted: false,
        };
        for (stage, found) in each_stage(question) {
            judged_by_zones += u32::from(stage == "zones");
            refuted_by_sources += u32::from(stage == "sources");
            let agrees = match &found {
                SearchResult::Order(order) => expected && explains(order, question),
                SearchResult::NoOrder { from, likely, rest } => {
                    let end = likely.saturating_sub(1);
                    let is_right = rest.is_empty() || explains(rest, Question { end, ..question });
                    let (end, _) = shortest(question, (*from, *likely), Budget::default());
                    is_right && Some(end) == shortest_bad
                }
                SearchResult::OutOfBudget => ["relaxed", "beam"].contains(&stage),
            };
            assert!(agrees, "{stage} says {found:?} of {number}: {history:#?}");
        }
        let mut stream = Stream::new(history.initial().clone(), Budget::default());
        history.events().iter().for_each(|event| stream.add(event));
        let verdicts: Vec<KeyVerdict> = stream.end().iter().map(|key| key.verdict).collect();
        let verdict = if expected {
            KeyVerdict::Linearizable
        } else {
            KeyVerdict::NotLinearizable
        };
        assert_eq!(verdicts, [verdict], "stream, of {number}: {history:#?}");
        *if expected { &mut good } else { &mut bad } += 1;
        with_unknown += u32::from(report.unknown > 0);
        if let Verdict::NotLinearizable(evidence) = &report.verdict {
            assert_eq!(evidence.len(), 1);
            assert_eq!(evidence[0].unplaced, [evidence[0].culprit.clone()]);
            let others = evidence[0].others.iter().filter(|one| one.answer.is_some());
            let placed = evidence[0].order.iter().filter(|one| one.answer.is_some());
            let is_all_shown = evidence[0].left_out == 0;
            assert!(!is_all_shown || others.count() == placed.count());
        }
    }
    assert!(
        good > histories(40_000)
            && bad > histories(16_000)
            && with_unknown > histories(40_000)
            && judged_by_zones > histories(25_000)
            && refuted_by_sources > histories(15_000),
        "{good} {bad} {with_unknown} {judged_by_zones} {refuted_by_sources}"
    );
}

/// On long histories, most of which is judged and forgotten before the end, the stream agrees with the search.
#[test]
fn a_stream_agrees_with_the_search_on_long_histories() {
    let mut budget = Budget::default();
    if cfg!(debug_assertions) {
        // Hard histories take most of the time, and those that are left undecided prove nothing.
        budget.steps = 20_000;
    }
    let mut random = Random::from_seed(3);
    let (mut good, mut bad, mut undecided, mut decided) = (0, 0, 0, 0);
    for number in 0..histories(3_000) {
        let kind = Kind::EACH[number as usize % 3];
        let lies = 40 * random.below(2);
        let history = random_history(&mut random, kind, 120, lies);
        let operations = by_key(&history, |_| true).remove("k").unwrap_or_default();
        let question = Question {
            initial: history.initial(),
            operations: &operations,
            end: usize::MAX,
            wants_order: false,
            is_doubted: false,
        };
        let expected = match order(question, budget).0 {
            SearchResult::Order(_) => KeyVerdict::Linearizable,
            SearchResult::NoOrder { .. } => KeyVerdict::NotLinearizable,
            SearchResult::OutOfBudget => KeyVerdict::Undecided,
        };
        let unknown = operations.iter().filter(|one| one.answered.is_none()).count();
        for held_limit in [1, 6, 512] {
            let mut stream = Stream::new(history.initial().clone(), budget).holding(held_limit);
            history.events().iter().for_each(|event| stream.add(event));
            let keys = stream.end();
            let [key] = &keys[..] else {
                panic!("one key, and not {keys:?}")
            };
            // A quarter of the outcomes are unknown, which may be too much for a stream.
            let is_decided = key.verdict != KeyVerdict::Undecided;
            decided += u32::from(is_decided);
            assert!(
                !is_decided || key.verdict == expected,
                "{number}, holding {held_limit}"
            );
            assert_eq!((key.operations, key.unknown), (operations.len(), unknown));
        }
        match expected {
            KeyVerdict::Linearizable => good += 1,
            KeyVerdict::NotLinearizable => bad += 1,
            KeyVerdict::Undecided => undecided += 1,
        }
    }
    assert!(
        good > histories(1_500) && bad > histories(500) && undecided < 6 && decided > histories(8_000),
        "{good} {bad} {undecided} {decided}"
    );
}

/// A history like that of a simulation; then the same with a stale read at its end.
#[test]
fn a_long_history_takes_little() {
    let mut random = Random::from_seed(2);
    let mut history = History::new();
    let mut values: Vec<Datum> = vec![Datum::Null; 5];
    let mut open: [Option<(usize, Operation, Option<Answer>)>; 10] = std::array::from_fn(|_| None);
    for number in 0..6_000_i64 {
        let process = random.below(10);
        let place = usize::try_from(process).unwrap();
        match open[place].take() {
            None => {
                let key = usize::try_from(random.below(5)).unwrap();
                let operation = match random.below(10) {
                    0..4 => Operation::get(key.to_string()),
                    4..8 => Operation::put(key.to_string(), number),
                    8 => Operation::delete(key.to_string()),
                    _ => Operation::cas(key.to_string(), values[key].clone(), number),
                };
                history.invoke(process, operation.clone()).unwrap();
                open[place] = Some((key, operation, None));
            }
            Some((_, _, None)) if random.below(30) == 0 => history.info(process).unwrap(),
            Some((key, operation, None)) => {
                let answer = answer_of(&operation.action, &values[key]);
                values[key] = effect(&operation.action, None, &values[key]).unwrap();
                open[place] = Some((key, operation, Some(answer)));
            }
            Some((_, _, Some(_))) if random.below(30) == 0 => history.info(process).unwrap(),
            Some((_, _, Some(answer))) => history.ok(process, answer).unwrap(),
        }
    }
    let report = check(&history, Budget::default());
    assert!(
        report.is_good() && report.operations > 1900 && report.unknown > 70,
        "{report}"
    );
    assert!(report.steps < 10_000, "{report} took {} steps", report.steps);
    history.invoke(11, Operation::get("0")).unwrap();
    history.ok(11, Answer::Value(3.into())).unwrap();
    let report = check(&history, Budget::default());
    assert!(report.is_bad());
    assert!(report.steps < 100_000, "{report} took {} steps", report.steps);
}
