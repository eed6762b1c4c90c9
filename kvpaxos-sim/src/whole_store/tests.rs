//! Each judge accepts what is right, and finds an answer that was made wrong.

use bytes::Bytes;
use kvpaxos::{
    Command, Condition, Holds, Limits, Op, Outcome, Query, Revision, Sequence, SessionId, Slot, StateMachine,
    Step, StepResult, Tag, Transaction,
};

use super::*;

fn at(slot: u64) -> Revision {
    let (slot, index) = (Slot(slot), 0);
    Revision { slot, index }
}

fn add(key: &'static str) -> Op {
    let (key, delta) = (key.into(), 1);
    transaction(vec![], vec![Step::Add { key, delta }])
}

fn transaction(conditions: Vec<Condition>, steps: Vec<Step>) -> Op {
    Op::Transaction(Transaction { conditions, steps })
}

/// A slot for each command: a session is opened, and then writes.
fn log(writes: &[(u64, Op)]) -> Vec<Vec<Command>> {
    let tag = Tag { nonce: 1, number: 0 };
    let write = |(sequence, op): &(u64, Op)| Command::Apply {
        session: SessionId(at(0)),
        sequence: Sequence(*sequence),
        lowest_unanswered: Sequence(0),
        op: op.clone(),
    };
    let writes = writes.iter().map(write);
    std::iter::once(Command::Open { tag })
        .chain(writes)
        .map(|command| vec![command])
        .collect()
}

/// What a state machine answers to the writes of a log, and to reads of the state at its end.
fn answers(log: &[Vec<Command>], queries: &[Query]) -> Vec<GivenAnswer> {
    let mut machine = StateMachine::new(Limits::default());
    let mut answers = Vec::new();
    for (slot, commands) in (0..).zip(log) {
        let outcome = machine.apply_all(Slot(slot), commands).remove(0);
        if let Command::Apply { op, .. } = &commands[0] {
            answers.push(GivenAnswer {
                question: Question::Write(op.clone()),
                revision: crate::history::rev_of(&outcome).unwrap(),
                outcome,
            });
        }
    }
    answers.extend(queries.iter().map(|query| GivenAnswer {
        question: Question::Read(query.clone()),
        revision: machine.revision(),
        outcome: machine.answer(query),
    }));
    answers
}

fn replay(log: &[Vec<Command>], answers: &[GivenAnswer], scans: &[ScanWalk]) -> Result<(), String> {
    let judged = Replay::new(Limits::default()).judge(log.iter().map(Vec::as_slice), answers, scans);
    judged.map_err(|wrong| format!("{wrong:?}"))
}

/// Operations one after the other.
fn in_turn(answers: &[GivenAnswer]) -> Vec<StoreOperation> {
    let operation = |(place, answer): (usize, &GivenAnswer)| StoreOperation {
        question: answer.question.clone(),
        began: 2 * place,
        ended: Some(End {
            at: 2 * place + 1,
            revision: Some(answer.revision),
            outcome: Some(answer.outcome.clone()),
        }),
    };
    answers.iter().enumerate().map(operation).collect()
}

fn searched(operations: &[StoreOperation]) -> StoreVerdict {
    search(operations, &Limits::default(), 10_000)
}

/// Two counters that go together, and a repeat of the second write.
fn counters() -> (Vec<Vec<Command>>, Vec<GivenAnswer>) {
    let both = |conditions| {
        let step = |key: &'static str| Step::Add {
            key: key.into(),
            delta: 1,
        };
        transaction(conditions, vec![step("a"), step("b")])
    };
    let unchanged = Condition {
        key: "a".into(),
        holds: Holds::Unchanged {
            existed: true,
            since: at(2),
        },
    };
    let log = log(&[
        (0, both(vec![])),
        (1, add("a")),
        (1, add("a")),
        (2, both(vec![unchanged.clone()])),
        (3, both(vec![unchanged])),
    ]);
    let keys = vec![Bytes::from("a"), Bytes::from("b"), Bytes::from("c")];
    let queries = [
        Query::GetMany { keys: keys.clone() },
        Query::Lengths { keys },
        Query::Count,
    ];
    let answers = answers(&log, &queries);
    (log, answers)
}

#[test]
fn right_answers_are_accepted() {
    let (log, mut answers) = counters();
    assert!(
        matches!(&answers[3].outcome, Outcome::Executed { results: Some(results), .. }
        if *results == [StepResult::Integer(3), StepResult::Integer(2)])
    );
    assert!(matches!(
        &answers[4].outcome,
        Outcome::Executed { results: None, .. }
    ));
    assert_eq!(replay(&log, &answers, &[]), Ok(()));
    // The repeat is the same operation.
    answers.remove(2);
    assert_eq!(searched(&in_turn(&answers)), StoreVerdict::Linearizable);
}

/// Each answer in turn is made wrong.
#[test]
fn a_wrong_answer_is_found_by_both() {
    let (log, mut answers) = counters();
    answers.remove(2);
    for place in 0..answers.len() {
        let mut answers = answers.clone();
        match &mut answers[place].outcome {
            Outcome::Executed {
                results: Some(results),
                ..
            } => match &mut results[0] {
                StepResult::Integer(number) => *number += 1,
                other => panic!("an integer, not {other}"),
            },
            Outcome::Executed { results, .. } => {
                *results = Some(vec![StepResult::Integer(4), StepResult::Integer(3)]);
            }
            Outcome::Values { values, .. } => values[1] = None,
            Outcome::Lengths { lengths, .. } => lengths[2] = Some(0),
            Outcome::Count { keys, .. } => *keys = 3,
            other => panic!("no such outcome is here: {other}"),
        }
        assert!(replay(&log, &answers, &[]).is_err(), "answer {place}");
        let verdict = searched(&in_turn(&answers));
        assert_eq!(verdict, StoreVerdict::NotLinearizable, "answer {place}");
    }
}

/// A write whose client knows nothing explains an answer, but not two.
#[test]
fn the_search_places_what_is_unknown() {
    let (_, answers) = counters();
    let mut operations = in_turn(&answers[..2]);
    operations[0].ended = None;
    assert_eq!(searched(&operations), StoreVerdict::Linearizable, "it came first");
    operations[0].began = 10;
    assert_eq!(
        searched(&operations),
        StoreVerdict::NotLinearizable,
        "it began after the other's end"
    );
}

/// Reads of two keys that overlap two writes see them in different orders.
#[test]
fn the_search_finds_a_long_fork() {
    let put = |key: &'static str| Op::Put {
        key: key.into(),
        value: "1".into(),
    };
    let read = |values: [Option<&'static str>; 2]| Outcome::Values {
        revision: at(9),
        values: values.map(|value| value.map(Bytes::from)).to_vec(),
    };
    let both = Query::GetMany {
        keys: vec!["a".into(), "b".into()],
    };
    let operation = |question, outcome| StoreOperation {
        question,
        began: 0,
        ended: Some(End {
            at: 100,
            revision: crate::history::rev_of(&outcome),
            outcome: Some(outcome),
        }),
    };
    let mut operations = vec![
        operation(Question::Write(put("a")), Outcome::Done { revision: at(1) }),
        operation(Question::Write(put("b")), Outcome::Done { revision: at(2) }),
        operation(Question::Read(both.clone()), read([Some("1"), None])),
    ];
    assert_eq!(searched(&operations), StoreVerdict::Linearizable);
    operations.push(operation(Question::Read(both), read([None, Some("1")])));
    assert_eq!(searched(&operations), StoreVerdict::NotLinearizable);
    assert_eq!(
        search(&operations, &Limits::default(), 2),
        StoreVerdict::Undecided
    );
}

#[test]
fn the_replay_finds_a_key_that_a_scan_left_out() {
    let log = log(&[(0, add("a")), (1, add("b")), (2, add("c"))]);
    let page = |slot, keys: &[&'static str]| {
        let keys = keys.iter().map(|key| Bytes::from(*key)).collect();
        (at(slot), keys)
    };
    assert_eq!(
        replay(&log, &[], &[vec![page(2, &["a"]), page(3, &["b"])]]),
        Ok(()),
        "\"c\" came late"
    );
    let why = replay(&log, &[], &[vec![page(2, &["b"]), page(3, &["c"])]]).unwrap_err();
    assert!(why.contains("left out a"), "{why}");
    // One page that lists what is not there.
    let query = Query::Scan { cursor: 0, limit: 9 };
    let mut listed = answers(&log, &[query]);
    assert_eq!(replay(&log, &listed, &[]), Ok(()));
    if let Outcome::Page { keys, .. } = &mut listed.last_mut().unwrap().outcome {
        keys.push("d".into());
    }
    assert!(replay(&log, &listed, &[]).is_err());
}

/// Alice pays Bob while Carol reads both accounts.
const TRANSFER: &str = r#"{"type":"header","format":"kv-history","version":1,"initial":null}
{"type":"invoke","process":1,"op":"transaction","steps":[{"step":"put","key":"a","value":"10"},{"step":"put","key":"b","value":"0"}]}
{"type":"ok","process":1,"op":"transaction","results":[{"changed":{"applied":true}},{"changed":{"applied":true}}],"rev":[1,0]}
{"type":"invoke","process":1,"op":"transaction","conditions":[{"key":"a","holds":"equals","value":"10"},{"key":"a","holds":"unchanged","existed":true,"since":[1,0]}],"steps":[{"step":"add","key":"a","delta":-3},{"step":"add","key":"b","delta":3},{"step":"add","key":"c","delta":9223372036854775807},{"step":"add","key":"c","delta":1}]}
{"type":"invoke","process":2,"op":"transaction","steps":[{"step":"get","key":"a"},{"step":"get","key":"b"}]}
{"type":"ok","process":2,"op":"transaction","results":[{"value":"7"},{"value":"3"}]}
{"type":"ok","process":1,"op":"transaction","results":[{"integer":7},{"integer":3},{"integer":9223372036854775807},{"failed":{"why":"overflow"}}],"rev":[2,0]}
{"type":"invoke","process":2,"op":"append","key":"a","value":"0"}
{"type":"ok","process":2,"op":"append","key":"a"}
{"type":"invoke","process":1,"op":"put","key":"d","value":"lost"}
{"type":"info","process":1}
{"type":"invoke","process":2,"op":"get","key":"a"}
{"type":"ok","process":2,"op":"get","key":"a","value":"70"}
{"type":"invoke","process":2,"op":"delete","key":"a"}
{"type":"fail","process":2}
"#;

#[test]
fn histories_with_transactions_are_judged_from_a_file() {
    let judge = |text: &str| judge_file(text.as_bytes());
    assert_eq!(judge(TRANSFER).unwrap(), (StoreVerdict::Linearizable, 6));
    // Carol saw the money at both, or at neither.
    for seen in [
        "[{\"value\":\"10\"},{\"value\":\"3\"}]",
        "[{\"value\":\"7\"},{\"value\":\"0\"}]",
    ] {
        let text = TRANSFER.replace("[{\"value\":\"7\"},{\"value\":\"3\"}]", seen);
        assert_eq!(judge(&text).unwrap().0, StoreVerdict::NotLinearizable, "{seen}");
    }
    let none = TRANSFER.replace(
        "\"results\":[{\"integer\":7}",
        "\"results\":null,\"unknown\":[{\"integer\":7}",
    );
    assert_eq!(
        judge(&none).unwrap().0,
        StoreVerdict::NotLinearizable,
        "the condition held"
    );
}

#[test]
fn a_malformed_history_is_told_by_its_line() {
    for (line, from, to, why) in [
        (1, "kv-history", "else", "must be the header"),
        (1, "null}", "7}", "must be null"),
        (8, "append", "nonsense", "\"nonsense\""),
        (2, "\"step\":\"put\"", "\"step\":\"fly\"", "fly"),
        (3, "applied", "other", "results"),
        (5, "\"process\":2", "\"process\":1", "has an operation open"),
        (6, "\"process\":2", "\"process\":3", "no operation open"),
        (7, "[2,0]", "\"x\"", "\"rev\""),
        (8, "\"value\":\"0\"", "\"value\":0", "\"value\" is 0"),
    ] {
        let lines = TRANSFER.lines().enumerate().map(|(place, text)| {
            let text = if place + 1 == line {
                text.replacen(from, to, 1)
            } else {
                text.to_owned()
            };
            text + "\n"
        });
        let error = judge_file(lines.collect::<String>().as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("line {line}: ")) && error.contains(why),
            "{error}"
        );
    }
    assert!(judge_file(&b""[..]).is_err());
}
