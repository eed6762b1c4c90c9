use super::*;
use crate::history::{Action, Answer, Datum, History, Operation};
use crate::linearizability::{EvidenceOperation, Verdict, check};

/// `(process, operation, answer, invoked, completed)`.
type Row = (u64, Operation, Option<Answer>, i64, Option<i64>);

fn shown((process, operation, answer, invoked, completed): Row) -> EvidenceOperation {
    EvidenceOperation {
        process,
        operation,
        answer,
        invoked,
        completed,
    }
}

fn put(process: u64, value: &str, invoked: i64, completed: i64) -> EvidenceOperation {
    shown((
        process,
        Operation::put("k", value),
        Some(Answer::Done),
        invoked,
        Some(completed),
    ))
}

fn get(process: u64, value: &str, invoked: i64, completed: i64) -> EvidenceOperation {
    let answer = Some(Answer::Value(value.into()));
    shown((process, Operation::get("k"), answer, invoked, Some(completed)))
}

/// A read that does not see the write before it.
fn stale() -> Evidence {
    let (old, new) = (put(1, "old", 1, 3), put(2, "new", 4, 6));
    let beside = shown((4, Operation::put("k", "later"), None, 5, None));
    let culprit = get(3, "old", 7, 9);
    Evidence {
        key: "k".to_owned(),
        initial: Datum::Null,
        others: vec![old.clone(), new.clone(), beside],
        left_out: 0,
        order: vec![old, new],
        unplaced: vec![culprit.clone()],
        culprit,
    }
}

fn judged(bad: Vec<Evidence>) -> FileReport {
    let mut report = check(&History::new(), Budget::default());
    report.verdict = Verdict::NotLinearizable(bad);
    FileReport {
        file: "history.jsonl".to_owned(),
        result: Ok(report),
    }
}

fn page_of(bad: Vec<Evidence>) -> String {
    page(&[judged(bad)], Budget::default())
}

#[test]
fn each_operation_is_a_bar_and_the_culprit_is_marked() {
    let page = page_of(vec![stale()]);
    assert_eq!(page.matches("<g class=\"bar\">").count(), 4);
    assert_eq!(page.matches("✗ culprit</text>").count(), 1);
    assert_eq!(page.matches("<tr class=\"bad\">").count(), 1);
    assert_eq!(page.matches("open\" d=").count(), 2, "one, and the legend's");
    assert!(page.contains("has 2 operations (2 of them drawn"), "{page}");
    assert!(
        page.contains("After it the value is <code>&quot;new&quot;</code>"),
        "{page}"
    );
}

#[test]
fn the_line_goes_through_each_bar_while_it_runs_and_never_back() {
    let mut evidence = stale();
    // The first write is the last in the order: it was open beside the other.
    evidence.others[0].completed = Some(8);
    evidence.order = vec![evidence.others[1].clone(), evidence.others[0].clone()];
    let layout = Layout::of(&evidence);
    let at = |place: &usize| {
        let bar = &layout.bars[*place];
        let at = bar.placed.as_ref().map(|placed| placed.at);
        let at = at.expect("it is in the line");
        let (from, to) = (
            f64::from(u8::try_from(bar.from).expect("few")),
            f64::from(u8::try_from(bar.to).expect("few")),
        );
        assert!(from < at && at < to, "{from} {at} {to}");
        at
    };
    let moments: Vec<f64> = layout.line.iter().map(at).collect();
    assert_eq!(moments.len(), 2);
    assert!(moments.is_sorted(), "{moments:?}");
}

#[test]
fn one_time_for_all_keeps_what_each_process_did_apart() {
    let rows = [put(1, "a", 0, 0), get(1, "a", 0, 0), put(2, "b", 0, 0)];
    let evidence = Evidence {
        others: rows.to_vec(),
        culprit: get(1, "x", 0, 0),
        order: Vec::new(),
        ..stale()
    };
    let layout = Layout::of(&evidence);
    assert_eq!(
        layout.times.len(),
        10,
        "with that which has no place and is not among the others"
    );
    assert!(layout.has_ties());
    let of_1: Vec<&Bar<'_>> = layout.bars.iter().filter(|bar| bar.shown.process == 1).collect();
    assert!(of_1.windows(2).all(|pair| pair[0].to < pair[1].from));
}

#[test]
fn a_process_that_goes_on_after_an_unknown_outcome_takes_another_row() {
    let mut evidence = stale();
    evidence.others.push(put(4, "again", 8, 8));
    let layout = Layout::of(&evidence);
    assert_eq!(layout.lanes, [(1, 1), (2, 1), (3, 1), (4, 2)]);
}

#[test]
fn of_very_many_without_a_place_some_are_drawn() {
    let mut evidence = stale();
    evidence.left_out = 5000;
    let lost = (0..5000).map(|time| put(5, "lost", 10 * time, 10 * time + 1));
    evidence.unplaced.extend(lost);
    let page = page_of(vec![evidence]);
    assert_eq!(page.matches("<g class=\"bar\">").count(), 44);
    assert!(page.contains("no place for 5001 that completed"));
    assert!(page.contains("4960 operations more on the key are not drawn"));
}

#[test]
fn what_a_history_holds_is_never_markup() {
    let evil = "</title><script>alert('1')</script>\"><img src=x onerror=\"x\">&amp;\u{0}\u{1b}\u{202e}";
    let mut evidence = stale();
    evidence.key = evil.to_owned();
    evidence.initial = evil.into();
    evidence.others[0].operation = Operation::put(evil, evil);
    evidence.order[0] = evidence.others[0].clone();
    evidence.culprit.answer = Some(Answer::Value(evil.into()));
    evidence.unplaced = vec![evidence.culprit.clone()];
    let mut judged = judged(vec![evidence]);
    judged.file = evil.to_owned();
    let page = page(&[judged], Budget::default());
    for bad in ["<script", "<img", "onerror=\"", "\u{0}", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn nothing_comes_from_elsewhere() {
    let page = page_of(vec![stale()]);
    for outside in ["http", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn long_values_are_cut_and_say_their_length() {
    let mut evidence = stale();
    evidence.others[0].operation.action = Action::Put("x".repeat(1_000_000).into());
    let page = page_of(vec![evidence]);
    assert!(page.len() < 60_000, "{}", page.len());
    assert!(page.contains("(1000006 characters in all)"));
}

#[test]
fn very_many_keys_are_counted_and_not_listed() {
    let mut history = History::new();
    for key in 0..230 {
        history
            .invoke(1, Operation::put(format!("k{key}"), 1))
            .expect("fits");
        history.ok(1, Answer::Done).expect("fits");
    }
    let result = Ok(check(&history, Budget::default()));
    let file = "many".to_owned();
    let page = page(&[FileReport { file, result }], Budget::default());
    assert!(page.contains("30 keys more are not listed"));
    assert!(page.contains("<span class=\"verdict linearizable\">linearizable</span>"));
}

#[test]
fn an_undecided_history_says_within_what() {
    let mut history = History::new();
    for process in [1, 2] {
        let put = Operation::put("k", 1);
        history.invoke(process, put).expect("fits");
    }
    for process in [1, 2] {
        history.ok(process, Answer::Done).expect("fits");
    }
    let budget = Budget {
        steps: 0,
        memory: 3 << 20,
    };
    let result = Ok(check(&history, budget));
    let file = "hard".to_owned();
    let page = page(&[FileReport { file, result }], budget);
    assert!(
        page.contains("1 could not be decided within 0 steps or 3 MiB"),
        "{page}"
    );
}

#[test]
fn text_is_cut_at_characters() {
    assert_eq!(text::clip("äöü", 3), "äöü");
    assert_eq!(text::clip("äöüß", 3), "äö…");
    assert_eq!(text::clip("x", 0), "");
    assert_eq!(escape("a\tb\n'"), "a\\u{9}b\n&#39;");
}
