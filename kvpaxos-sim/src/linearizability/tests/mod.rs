use expect_test::{Expect, expect};

use std::cell::Cell;

use super::*;
use crate::history::generate::hard::hard_family;
use crate::history::generate::{Flaw, Generator, Settings};
use crate::history::script::history;
use crate::history::{Datum, EventKind, Operation};

mod random;

fn good(script: &str) {
    let report = check(&history(script), Budget::default());
    assert!(report.is_good(), "{script}\n{report}");
}

fn bad(script: &str, expect: &Expect) {
    let report = check(&history(script), Budget::default());
    let Verdict::NotLinearizable(evidence) = &report.verdict else {
        panic!("{report}");
    };
    let shown: Vec<String> = evidence.iter().map(ToString::to_string).collect();
    expect.assert_eq(&format!("{report}\n{}\n", shown.join("\n")));
}

#[test]
fn operations_side_by_side_may_take_effect_in_any_order() {
    good("1 put k a \n 2 put k b \n 3 get k \n 1 ok \n 2 ok \n 3 ok a \n 3 get k \n 3 ok b");
    good("1 put k a \n 2 get k \n 2 ok null \n 2 get k \n 2 ok a \n 1 ok");
    good("");
}

#[test]
fn a_stale_read() {
    bad(
        "1 put k a \n 1 ok \n 1 put k b \n 2 get k \n 1 ok \n 2 ok a \n 2 get k \n 2 ok a",
        &expect![[r#"
            NOT linearizable (1 keys): 4 operations on 1 keys, 0 of unknown fate
            key "k", first null: no order explains the last operation together with those before
              [0 .. 1] process 1: put k "a" = ok
              [2 .. 4] process 1: put k "b" = ok
              [3 .. 5] process 2: get k = "a"
            ! [6 .. 7] process 2: get k = "a"
        "#]],
    );
}

#[test]
fn a_value_that_vanishes_and_comes_back() {
    bad(
        "1 put k a \n 2 get k \n 2 ok a \n 3 get k \n 3 ok null \n 1 ok",
        &expect![[r#"
            NOT linearizable (1 keys): 3 operations on 1 keys, 0 of unknown fate
            key "k", first null: no order explains the last operation together with those before
              [0 ..] process 1: put k "a" = ?
              [1 .. 2] process 2: get k = "a"
            ! [3 .. 4] process 3: get k = null
        "#]],
    );
}

#[test]
fn an_unknown_write_takes_effect_late_or_never_but_once() {
    good("1 put k a \n 1 info \n 2 get k \n 2 ok null \n 1 put k b \n 1 ok \n 2 get k \n 2 ok a");
    good("1 put k a \n 1 info \n 2 get k \n 2 ok null");
    good("2 get k \n 1 put k a \n 2 ok a");
    bad(
        "1 put k a \n 1 info \n 2 put k b \n 2 ok \n 2 get k \n 2 ok a \n 2 put k b \n 2 ok \n 2 get k \n 2 ok a",
        &expect![[r#"
            NOT linearizable (1 keys): 5 operations on 1 keys, 1 of unknown fate
            key "k", first null: no order explains the last operation together with those before
              [0 ..] process 1: put k "a" = ?
              [2 .. 3] process 2: put k "b" = ok
              [4 .. 5] process 2: get k = "a"
              [6 .. 7] process 2: put k "b" = ok
            ! [8 .. 9] process 2: get k = "a"
        "#]],
    );
}

/// The stream comes to the same: the value before an append is open until an operation shows it.
#[test]
fn an_append_leaves_open_what_it_was_appended_to() {
    let scenes = [
        ("2 get k \n 2 ok b-c", true),
        ("2 get k \n 2 ok a-c", true),
        ("2 cas k x y \n 2 ok differs \n 2 get k \n 2 ok a-c", true),
        ("2 append k -d \n 2 ok \n 2 cas k a-c-d y \n 2 ok applied", true),
        ("2 put k b \n 2 ok \n 2 get k \n 2 ok a", true),
        (
            "2 get k \n 2 ok b-c \n 2 append k -d \n 2 ok \n 2 get k \n 2 ok a-d",
            true,
        ),
        ("2 get k \n 2 ok b-c \n 2 get k \n 2 ok a-c", false),
        (
            "2 get k \n 2 ok a-c \n 2 append k -d \n 2 ok \n 2 get k \n 2 ok b-c-d",
            false,
        ),
    ];
    for (then, is_good) in scenes {
        let script = format!("2 put k b \n 2 ok \n 1 put k a \n 1 info \n 2 append k -c \n 2 ok \n {then}");
        let history = history(&script);
        let mut stream = Stream::new(Datum::Null, Budget::default());
        history.events().iter().for_each(|event| stream.add(event));
        assert_eq!(stream.finish().is_good(), is_good, "{then}");
        assert_eq!(check(&history, Budget::default()).is_good(), is_good, "{then}");
    }
}

/// Until an operation shows the value, any of the unknown writes may have come before any of the appends.
#[test]
fn appends_that_nobody_reads_for_long_stay_within_the_budget() {
    let unknown: String = (1..=10)
        .map(|n| format!("{n} put k u{n} \n {n} info \n"))
        .collect();
    let appends: String = (0..80).map(|n| format!("11 append k -{n} \n 11 ok \n")).collect();
    let tail: String = (30..80).map(|n| format!("-{n}")).collect();
    for (seen, is_good) in [(format!("u7{tail}"), true), (format!("u7-0{tail}"), false)] {
        let history = history(&format!("{unknown} {appends} 12 get k \n 12 ok {seen}"));
        let mut stream = Stream::new(Datum::Null, Budget::default());
        history.events().iter().for_each(|event| stream.add(event));
        let report = stream.finish();
        assert_eq!(
            (report.is_good(), report.is_bad()),
            (is_good, !is_good),
            "{report}"
        );
    }
}

#[test]
fn a_failed_write_has_no_effect() {
    bad(
        "1 put k a \n 1 fail \n 2 get k \n 2 ok a",
        &expect![[r#"
        NOT linearizable (1 keys): 1 operations on 1 keys, 0 of unknown fate
        key "k", first null: no order explains the last operation together with those before
        ! [2 .. 3] process 2: get k = "a"
    "#]],
    );
}

#[test]
fn nothing_takes_effect_before_it_is_invoked() {
    bad(
        "2 get k \n 2 ok a \n 1 put k a",
        &expect![[r#"
        NOT linearizable (1 keys): 2 operations on 1 keys, 1 of unknown fate
        key "k", first null: no order explains the last operation together with those before
        ! [0 .. 1] process 2: get k = "a"
    "#]],
    );
}

#[test]
fn compare_and_swap() {
    good("1 cas k null 1 \n 2 cas k 1 2 \n 2 ok applied \n 1 ok applied \n 1 get k \n 1 ok 2");
    good("1 cas k null 1 \n 1 ok applied \n 1 cas k null 2 \n 1 ok differs");
    // Both found the key absent.
    bad(
        "1 cas k null 1 \n 2 cas k null 2 \n 1 ok applied \n 2 ok applied",
        &expect![[r#"
            NOT linearizable (1 keys): 2 operations on 1 keys, 0 of unknown fate
            key "k", first null: no order explains the last operation together with those before
              [0 .. 2] process 1: cas k null -> 1 = applied
            ! [1 .. 3] process 2: cas k null -> 2 = applied
        "#]],
    );
    // The value did not differ.
    bad(
        "1 put k 1 \n 1 ok \n 2 cas k 1 2 \n 2 ok differs",
        &expect![[r#"
        NOT linearizable (1 keys): 2 operations on 1 keys, 0 of unknown fate
        key "k", first null: no order explains the last operation together with those before
          [0 .. 1] process 1: put k 1 = ok
        ! [2 .. 3] process 2: cas k 1 -> 2 = not applied
    "#]],
    );
    // An unknown write made the value differ.
    good("1 put k 2 \n 1 info \n 2 cas k null 3 \n 2 ok differs");
}

#[test]
fn append_and_types() {
    good("1 append k a \n 2 append k b \n 1 ok \n 2 ok \n 3 get k \n 3 ok ba");
    good("1 put k 1 \n 1 ok \n 1 append k 2 \n 1 ok \n 1 cas k 12 3 \n 1 ok differs");
    bad(
        "1 append k a \n 2 append k b \n 1 ok \n 2 ok \n 3 get k \n 3 ok a",
        &expect![[r#"
            NOT linearizable (1 keys): 3 operations on 1 keys, 0 of unknown fate
            key "k", first null: no order explains the last operation together with those before
              [0 .. 2] process 1: append k "a" = ok
              [1 .. 3] process 2: append k "b" = ok
            ! [4 .. 5] process 3: get k = "a"
        "#]],
    );
}

#[test]
fn each_bad_key_is_told_and_the_rest_is_left_out() {
    let before: String = (0..20).map(|n| format!("1 put k {n} \n 1 ok \n")).collect();
    bad(
        &format!(
            "{before} 2 put other x \n 2 ok \n 2 get other \n 2 ok x \n 1 get k \n 1 ok 3 \n 1 get k \n 1 ok 19"
        ),
        &expect![[r#"
            NOT linearizable (1 keys): 24 operations on 2 keys, 0 of unknown fate
            key "k", first null: no order explains the last operation together with those before
              ... 13 operations more
              [6 .. 7] process 1: put k 3 = ok
              [28 .. 29] process 1: put k 14 = ok
              [30 .. 31] process 1: put k 15 = ok
              [32 .. 33] process 1: put k 16 = ok
              [34 .. 35] process 1: put k 17 = ok
              [36 .. 37] process 1: put k 18 = ok
              [38 .. 39] process 1: put k 19 = ok
            ! [44 .. 45] process 1: get k = 3
        "#]],
    );
}

#[test]
fn out_of_budget_is_no_verdict() {
    let begin: String = (0..12).map(|n| format!("{n} put k {} \n", n % 11)).collect();
    let end: String = (0..12).map(|n| format!("{n} ok \n")).collect();
    let reads: String = [3, 5, 3].map(|n| format!("1 get k \n 1 ok {n} \n")).concat();
    let history = history(&format!("{begin}{end}{reads}"));
    let budget = Budget {
        steps: 10,
        ..Budget::default()
    };
    let undecided = Verdict::Undecided {
        keys: vec!["k".to_owned()],
    };
    assert_eq!(check(&history, budget).verdict, undecided);
    let budget = Budget {
        memory: 50,
        ..Budget::default()
    };
    assert_eq!(check(&history, budget).verdict, undecided);
    assert!(check(&history, Budget::default()).is_bad());
}

/// Fifty clients without a pause on five values: exact searches are lost after a hundred events.
#[test]
fn a_beam_finds_an_order_where_configurations_are_too_many() {
    let budget = Budget {
        steps: 3_000_000,
        ..Budget::default()
    };
    let hard = hard_family().into_iter();
    for member in hard.filter(|member| member.name.starts_with("few values, 50 clients")) {
        let settings = Settings {
            operations: if cfg!(debug_assertions) { 2_000 } else { 10_000 },
            ..member.settings
        };
        let report = check(&settings.history().unwrap(), budget);
        let is_bad = settings.flaw == Flaw::Impossible;
        assert_eq!(
            (report.is_good(), report.is_bad()),
            (!is_bad, is_bad),
            "{}: {report}",
            member.name
        );
    }
}

/// The first reading ends at the first bad key; what comes after it is not even read.
#[test]
fn the_first_bad_key_ends_the_reading() {
    let script = "1 put a x \n 1 ok \n 2 put b x \n 2 ok \n 2 get b \n 2 ok y \n 1 get a \n 1 ok y";
    let history = history(script);
    let (read, all) = (Cell::new(0), history.events().len());
    let open = || {
        let count = |event: &Event| {
            read.set(read.get() + 1);
            Ok::<Event, ()>(event.clone())
        };
        Ok((Datum::Null, history.events().iter().map(count)))
    };
    let report = check_first(open, Budget::default()).unwrap();
    let Verdict::NotLinearizable(evidence) = &report.verdict else {
        panic!("{report}");
    };
    let bad: Vec<&str> = evidence.iter().map(|evidence| &*evidence.key).collect();
    assert_eq!(
        (bad, report.per_key.len(), read.get()),
        (vec!["b"], 1, 2 * (all - 2))
    );
    let report = check_twice(open, Budget::default()).unwrap();
    assert_eq!(report.per_key.iter().filter(|key| key.is_bad()).count(), 2);
}

/// Keys that the stream cannot judge are searched one after the other, up to the first that is bad.
#[test]
fn the_first_bad_key_ends_the_search() {
    let hard = hard_family().into_iter();
    let hard = hard.filter(|member| member.name.starts_with("few values, 50 clients"));
    let keys = ["good", "impossible", "other"].into_iter();
    let mut events = Vec::new();
    for (number, (key, member)) in
        (0..).zip(keys.zip([0, 2, 2].map(|place| hard.clone().nth(place).unwrap())))
    {
        let settings = Settings {
            operations: 1_000,
            ..member.settings
        };
        for event in Generator::new(settings).unwrap() {
            let kind = match event.kind {
                EventKind::Invoke(operation) => EventKind::Invoke(Operation {
                    key: key.to_owned(),
                    ..operation
                }),
                kind => kind,
            };
            events.push(Event {
                process: event.process * 3 + number,
                kind,
                time: 0,
                rev: None,
            });
        }
    }
    let open = || Ok::<_, ()>((Datum::Null, events.iter().cloned().map(Ok)));
    let report = check_first(open, Budget::default()).unwrap();
    let keys: Vec<(&str, KeyVerdict)> = report
        .per_key
        .iter()
        .map(|key| (&*key.key, key.verdict))
        .collect();
    assert_eq!(keys, [("impossible", KeyVerdict::NotLinearizable)]);
}
