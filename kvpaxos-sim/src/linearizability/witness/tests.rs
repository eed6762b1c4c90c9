use expect_test::{Expect, expect};
use kvpaxos::Random;

use super::*;
use crate::history::generate::{Flaw, Fraction, Mix, Settings, Values};
use crate::history::script::history;
use crate::linearizability::{Budget, check};

/// The verdict in a word, and a contradiction in full. A history that is consistent is linearizable by the
/// search as well.
fn in_words(script: &str) -> String {
    let history = history(script);
    match judge(&history) {
        WitnessVerdict::Consistent => {
            assert!(check(&history, Budget::default()).is_good(), "{script}");
            "consistent".to_owned()
        }
        WitnessVerdict::Contradicted(why) => {
            let placed = why.operations.iter().map(|placed| format!("\n  {placed}"));
            format!("{}{}", why.explanation, placed.collect::<String>())
        }
        WitnessVerdict::NotDecided { keys } => {
            let keys = keys.iter().map(|key| format!("{}: {}", key.key, key.why));
            format!("not decided: {}", keys.collect::<Vec<_>>().join(", "))
        }
    }
}

fn tells(script: &str, expect: &Expect) {
    expect.assert_eq(&in_words(script));
}

fn consistent(script: &str) {
    assert_eq!(in_words(script), "consistent", "{script}");
}

fn contradicted(script: &str) {
    let found = judge(&history(script));
    assert!(
        matches!(found, WitnessVerdict::Contradicted(_)),
        "{script}: {found:?}"
    );
}

fn not_decided(script: &str) {
    let found = judge(&history(script));
    assert!(
        matches!(found, WitnessVerdict::NotDecided { .. }),
        "{script}: {found:?}"
    );
}

#[test]
fn answers_in_the_order_of_their_positions() {
    consistent("");
    consistent(
        "1 put k a
         2 get k
         3 cas k a b
         4 append k c
         5 cas k a d
         6 get k
         1 ok @1
         2 ok a @1
         6 ok null @0
         3 ok applied @2.1
         4 ok @2.2
         5 ok differs @3
         7 get k
         7 ok bc @4
         8 delete k
         8 ok @5
         9 get l
         9 ok null @5",
    );
}

#[test]
fn an_answer_that_the_writes_before_it_do_not_explain() {
    tells(
        "1 put k a
         1 ok @1
         2 get k
         2 ok b @1",
        &expect![[r#"
            process 2's "get k" at 1.0 answers "b", but what stands before it leaves "a", and operations of unknown outcome cannot make up for that
              [2 .. 3] process 2: get k = "b" at 1.0
              [0 .. 1] process 1: put k "a" = ok at 1.0"#]],
    );
    // Positions are compared slot first.
    contradicted("1 put k a\n 1 ok @1.9\n 2 put k b\n 2 ok @2.1\n 3 get k\n 3 ok a @2.1");
    contradicted("1 put k a\n 1 ok @1\n 2 cas k b c\n 2 ok applied @2");
    contradicted("1 put k a\n 1 ok @1\n 2 cas k a c\n 2 ok differs @2");
    contradicted("1 put k a\n 1 ok @1\n 2 cas k a c\n 2 ok differs @2\n 3 get k\n 3 ok a @2");
    contradicted("1 put k a\n 1 ok @1\n 2 append k b\n 2 ok @2\n 3 get k\n 3 ok a @2");
    contradicted("1 put k a\n 1 ok @1\n 2 delete k\n 2 fail\n 3 get k\n 3 ok null @2");
}

#[test]
fn real_time() {
    tells(
        "1 put k a
         1 ok @5
         2 put l a
         2 ok @4",
        &expect![[r#"
            process 2's "put l "a"" stands at 4.0 but was invoked after process 1's "put k "a"" had completed, which stands at 5.0: it must stand above
              [2 .. 3] process 2: put l "a" = ok at 4.0
              [0 .. 1] process 1: put k "a" = ok at 5.0"#]],
    );
    // Of two writes at the same position, one cannot have completed before the other began.
    contradicted("1 put k a\n 1 ok @5\n 2 put l a\n 2 ok @5");
    consistent("1 put k a\n 2 put l a\n 1 ok @5\n 2 ok @5\n 3 get k\n 3 ok a @5");
    // A get sees what others have seen, of other keys as well.
    contradicted("1 put k a\n 1 ok @5\n 2 get l\n 2 ok null @4");
    consistent("2 get l\n 1 put k a\n 1 ok @5\n 2 ok null @4");
    contradicted("2 put k a\n 3 get l\n 3 ok null @6\n 4 get l\n 4 ok null @5\n 2 ok @7");
    contradicted("1 get k\n 1 ok null @5\n 2 put k a\n 2 ok @5");
}

#[test]
fn a_key_is_written_once_at_a_position() {
    tells(
        "1 put k a
         2 cas k a b
         1 ok @1
         2 ok differs @1",
        &expect![[r#"
            two writes of key "k" stand at 1.0
              [0 .. 2] process 1: put k "a" = ok at 1.0
              [1 .. 3] process 2: cas k "a" -> "b" = not applied at 1.0"#]],
    );
    // A get at the position of a write sees that write and nothing later.
    consistent("1 put k a\n 2 get k\n 3 put k b\n 1 ok @1\n 3 info\n 2 ok a @1");
    contradicted("1 put k a\n 2 get k\n 3 put k b\n 1 ok @1\n 3 info\n 2 ok b @1");
    contradicted("3 put k b\n 3 info\n 1 get k\n 2 get k\n 1 ok null @1\n 2 ok b @1");
}

#[test]
fn operations_of_unknown_outcome_explain_answers() {
    consistent("1 put k a\n 1 info\n 2 get k\n 2 ok a @3");
    consistent("1 put k a\n 2 get k\n 2 ok a @3");
    consistent("1 delete k\n 2 put k a\n 2 ok @2\n 3 get k\n 3 ok null @3");
    consistent("1 append k b\n 2 put k a\n 2 ok @2\n 3 get k\n 3 ok ab @3");
    consistent("1 append k 5\n 2 get k\n 2 ok null @0\n 3 cas k null x\n 3 ok differs @1");
    consistent("1 cas k a b\n 2 put k a\n 2 ok @2\n 3 cas k b c\n 3 ok applied @3");
    // The put comes before the append, or before the swap that was not applied.
    consistent("1 put k a\n 1 info\n 2 append k b\n 2 ok @2\n 3 get k\n 3 ok ab @3");
    consistent("1 put k 7\n 2 append k b\n 2 ok @2\n 3 cas k b c\n 3 ok differs @3\n 4 get k\n 4 ok 7b @4");
    consistent("1 put k a\n 2 cas k null c\n 2 ok differs @3\n 4 get k\n 4 ok a @4");
    // An operation whose value nobody saw is left to stretches that need that value, in any order.
    consistent(
        "1 put k a\n 2 put k b\n 3 cas k null c\n 3 ok differs @1\n 4 put k d\n 4 ok @2\n 5 get k\n 5 ok a @3",
    );
}

#[test]
fn operations_of_unknown_outcome_explain_no_more_than_they_can() {
    // It was invoked after an operation above the answer had completed.
    contradicted("1 get l\n 2 get k\n 1 ok null @3\n 3 put k a\n 3 info\n 2 ok a @3");
    tells(
        "1 put k a
         1 info
         2 get k
         2 ok a @1
         3 put k b
         3 ok @2
         4 get k
         4 ok a @3",
        &expect![[r#"
            process 4's "get k" at 3.0 answers "a", but what stands before it leaves "b", and operations of unknown outcome cannot make up for that
              [6 .. 7] process 4: get k = "a" at 3.0
              [4 .. 5] process 3: put k "b" = ok at 2.0
              [0 ..] process 1: put k "a" = ?"#]],
    );
    contradicted("1 put k a\n 1 info\n 2 get k\n 2 ok a @1\n 3 get k\n 3 ok null @2");
    contradicted(
        "1 put k a\n 1 info\n 2 cas k a b\n 2 ok applied @1\n 3 cas k b c\n 3 ok applied @2\n 4 get k\n 4 ok a @3",
    );
    contradicted("1 cas k a b\n 1 info\n 2 get k\n 2 ok a @1");
    contradicted("1 append k ab\n 1 info\n 2 get k\n 2 ok b @1");
}

#[test]
fn what_takes_a_chain_is_not_decided() {
    not_decided("1 put k a\n 2 cas k a b\n 3 get k\n 3 ok b @1");
    not_decided("1 put k a\n 2 append k b\n 3 get k\n 3 ok ab @1");
    // The history may be linearizable, but no single operation explains each stretch.
    not_decided("1 append k a\n 2 get k\n 2 ok ba @1");
    tells(
        "1 put k a
         1 ok
         2 get k
         2 ok a @1
         3 put l b
         3 ok @2",
        &expect!["not decided: k: an answer does not say its position"],
    );
    contradicted("1 put k a\n 1 ok\n 2 get l\n 2 ok a @1");
}

/// A small history with few values, so that answers can come about in many ways.
fn small(seed: u64) -> Settings {
    let mut random = Random::from_seed(seed);
    let mut below = |bound: u32| u32::try_from(random.below(bound.into())).unwrap();
    Settings {
        seed,
        operations: 4 + u64::from(below(30)),
        keys: 1 + u64::from(below(3)),
        clients: 2 + below(5),
        mix: Mix {
            append: below(30),
            delete: below(30),
            ..Mix::default()
        },
        values: [Values::Unique, Values::Twice, Values::Few(2)][below(3) as usize],
        unknown: Fraction::percent([0, 5, 20, 60][below(4) as usize]),
        failed: Fraction::percent(below(5)),
        long: Fraction::percent(10),
        pause: 300,
        rev: true,
        ..Settings::default()
    }
}

/// The numbers of consistent, contradicted and undecided histories. Those that are consistent are
/// linearizable.
fn judged(all: impl Iterator<Item = Settings>) -> [u32; 3] {
    let mut counts = [0; 3];
    for settings in all {
        let history = settings.history().unwrap();
        let found = judge(&history);
        counts[match found {
            WitnessVerdict::Consistent => {
                let report = check(&history, Budget::default());
                assert!(report.is_good(), "{settings:?}: {report}");
                0
            }
            WitnessVerdict::Contradicted(why) => {
                assert!(settings.flaw != Flaw::None, "{settings:?}: {why:?}");
                1
            }
            WitnessVerdict::NotDecided { .. } => 2,
        }] += 1;
    }
    counts
}

#[test]
fn histories_without_flaw_are_never_contradicted() {
    let counts = judged((0..3000).map(small));
    expect!["[2983, 0, 17]"].assert_eq(&format!("{counts:?}"));
    let certain = (0..500).map(|seed| Settings {
        unknown: Fraction::NONE,
        ..small(seed)
    });
    assert_eq!(judged(certain), [500, 0, 0]);
}

#[test]
fn histories_with_a_flaw_are_consistent_only_if_they_are_linearizable() {
    let flawed = |seed, flaw| Settings { flaw, ..small(seed) };
    let impossible = judged((0..1500).map(|seed| flawed(seed, Flaw::Impossible)));
    let stale = judged((0..1500).map(|seed| flawed(seed, Flaw::Stale)));
    expect!["[0, 1500, 0] [245, 1240, 15]"].assert_eq(&format!("{impossible:?} {stale:?}"));
}

#[test]
fn a_long_history_of_a_hot_key() {
    let settings = Settings {
        operations: 20_000,
        hot: Fraction::percent(90),
        clients: 50,
        unknown: Fraction::percent(2),
        rev: true,
        ..Settings::default()
    };
    let found = judge(&settings.history().unwrap());
    expect!["Consistent"].assert_eq(&format!("{found:?}"));
}
