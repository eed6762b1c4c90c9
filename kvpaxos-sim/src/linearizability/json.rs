//! The report on a file as one line of JSON, for programs. [`page`](fn@crate::linearizability::page) draws
//! the same for people.

use serde::{Serialize, Serializer};

use crate::history::{Action, Answer, Datum, ReadError};
use crate::linearizability::{Evidence, EvidenceOperation, KeyReport, KeyVerdict, Report, Verdict};

/// A file and what the checker says of it.
///
/// # JSON
///
/// One object, on one line:
///
/// ```text
/// {"file":"h.jsonl","verdict":"not_linearizable","keys":1,"operations":2,"unknown":0,"steps":3,
///  "per_key":[{"key":"k","verdict":"not_linearizable","operations":2,"unknown":0,"steps":3,
///              "evidence":{"initial":null,"culprit":OPERATION,"others":[OPERATION],"left_out":0,
///                          "order":[OPERATION],"unplaced":[OPERATION]}}]}
/// {"file":"x.jsonl","verdict":"malformed","line":4,"reason":"line 4 is malformed: ..."}
/// ```
///
/// A verdict is `linearizable`, `not_linearizable` or `undecided`. A file can also be `malformed`; its `line`
/// is null if the file could not be read at all. Only keys that are not linearizable have `evidence`, whose
/// fields are those of [`Evidence`]. An operation has the fields of kv-history/1 and its answer:
///
/// ```text
/// {"process":3,"op":"cas","key":"r","expect":1,"value":4,"answer":{"applied":false},"invoked":7,"completed":9}
/// ```
///
/// The answer is `{"value":...}` for a get, `{"applied":...}` for a cas, and `{"done":true}` for all others.
/// `answer` and `completed` are null if they were unknown when the culprit completed. Times are those of the
/// history; the command `check` numbers the events of a history without times.
#[derive(Debug)]
pub struct FileReport {
    /// The name of the file.
    pub file: String,
    /// The report, or why the file could not be judged.
    pub result: Result<Report, ReadError>,
}

impl FileReport {
    /// The report as one line of JSON, without a line break; see [`FileReport`] for the format.
    ///
    /// # Errors
    /// None are known: everything in a report has a form in JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&FileJson::of(self))
    }
}

/// The verdict in JSON.
pub(crate) fn word(verdict: KeyVerdict) -> &'static str {
    match verdict {
        KeyVerdict::Linearizable => "linearizable",
        KeyVerdict::NotLinearizable => "not_linearizable",
        KeyVerdict::Undecided => "undecided",
    }
}

/// The verdict on the whole history.
pub(crate) fn overall(report: &Report) -> KeyVerdict {
    match report.verdict {
        Verdict::Linearizable => KeyVerdict::Linearizable,
        Verdict::NotLinearizable(_) => KeyVerdict::NotLinearizable,
        Verdict::Undecided { .. } => KeyVerdict::Undecided,
    }
}

/// The evidence against the keys that are bad.
pub(crate) fn evidence(report: &Report) -> &[Evidence] {
    match &report.verdict {
        Verdict::NotLinearizable(bad) => bad,
        Verdict::Linearizable | Verdict::Undecided { .. } => &[],
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum FileJson<'a> {
    Judged {
        file: &'a str,
        verdict: &'static str,
        keys: usize,
        operations: usize,
        unknown: usize,
        steps: u64,
        per_key: Vec<KeyJson<'a>>,
    },
    Malformed {
        file: &'a str,
        verdict: &'static str,
        line: Option<usize>,
        reason: String,
    },
}

impl<'a> FileJson<'a> {
    fn of(judged: &'a FileReport) -> FileJson<'a> {
        let file = &judged.file;
        let report = match &judged.result {
            Ok(report) => report,
            Err(error) => {
                let line = match error {
                    ReadError::Malformed { line, .. } => Some(*line),
                    ReadError::Io(_) => None,
                };
                let (verdict, reason) = ("malformed", error.to_string());
                return FileJson::Malformed {
                    file,
                    verdict,
                    line,
                    reason,
                };
            }
        };
        // Keys and evidence are in the same order, so the next evidence belongs to the next bad key.
        let mut bad = evidence(report).iter();
        let per_key = report.per_key.iter().map(|key| KeyJson::of(key, &mut bad));
        FileJson::Judged {
            file,
            verdict: word(overall(report)),
            keys: report.keys,
            operations: report.operations,
            unknown: report.unknown,
            steps: report.steps,
            per_key: per_key.collect(),
        }
    }
}

#[derive(Serialize)]
struct KeyJson<'a> {
    key: &'a str,
    verdict: &'static str,
    operations: usize,
    unknown: usize,
    steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceJson<'a>>,
}

impl<'a> KeyJson<'a> {
    fn of(report: &'a KeyReport, bad: &mut impl Iterator<Item = &'a Evidence>) -> KeyJson<'a> {
        let is_bad = report.verdict == KeyVerdict::NotLinearizable;
        KeyJson {
            key: &report.key,
            verdict: word(report.verdict),
            operations: report.operations,
            unknown: report.unknown,
            steps: report.steps,
            evidence: if is_bad {
                bad.next().map(EvidenceJson::of)
            } else {
                None
            },
        }
    }
}

#[derive(Serialize)]
struct EvidenceJson<'a> {
    initial: &'a Datum,
    culprit: OperationJson<'a>,
    others: Vec<OperationJson<'a>>,
    left_out: usize,
    order: Vec<OperationJson<'a>>,
    unplaced: Vec<OperationJson<'a>>,
}

impl<'a> EvidenceJson<'a> {
    fn of(evidence: &'a Evidence) -> EvidenceJson<'a> {
        let all = |shown: &'a [EvidenceOperation]| shown.iter().map(OperationJson).collect();
        EvidenceJson {
            initial: &evidence.initial,
            culprit: OperationJson(&evidence.culprit),
            others: all(&evidence.others),
            left_out: evidence.left_out,
            order: all(&evidence.order),
            unplaced: all(&evidence.unplaced),
        }
    }
}

/// An operation with the fields of kv-history/1.
struct OperationJson<'a>(&'a EvidenceOperation);

impl Serialize for OperationJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let OperationJson(shown) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("process", &shown.process)?;
        map.serialize_entry("op", shown.operation.action.name())?;
        map.serialize_entry("key", &shown.operation.key)?;
        match &shown.operation.action {
            Action::Get | Action::Delete => {}
            Action::Put(value) | Action::Append(value) => map.serialize_entry("value", value)?,
            Action::Cas { expect, value } => {
                map.serialize_entry("expect", expect)?;
                map.serialize_entry("value", value)?;
            }
        }
        map.serialize_entry("answer", &shown.answer.as_ref().map(AnswerJson::of))?;
        map.serialize_entry("invoked", &shown.invoked)?;
        map.serialize_entry("completed", &shown.completed)?;
        map.end()
    }
}

/// The answer of an operation.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum AnswerJson<'a> {
    Done(bool),
    Value(&'a Datum),
    Applied(bool),
}

impl AnswerJson<'_> {
    fn of(answer: &Answer) -> AnswerJson<'_> {
        match answer {
            Answer::Done => AnswerJson::Done(true),
            Answer::Value(value) => AnswerJson::Value(value),
            Answer::Swapped { applied } => AnswerJson::Applied(*applied),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::history::{History, Operation};
    use crate::linearizability::{Budget, check};

    fn json(found: Result<History, ReadError>) -> String {
        let judged = FileReport {
            file: "h.jsonl".to_owned(),
            result: found.map(|history| certain(check(&history, Budget::default()))),
        };
        judged.json().expect("it has a form in JSON")
    }

    /// The report with steps and orders that do not depend on how the search went.
    fn certain(mut report: Report) -> Report {
        report.steps = 9;
        report.per_key.iter_mut().for_each(|key| key.steps = 9);
        if let Verdict::NotLinearizable(bad) = &mut report.verdict {
            for evidence in bad {
                evidence.order.clone_from(&evidence.others);
            }
        }
        report
    }

    #[test]
    fn a_linearizable_history_has_figures_for_each_key() {
        let mut history = History::starting_with(7);
        history.invoke(1, Operation::get("k")).expect("fits");
        history.ok(1, Answer::Value(7.into())).expect("fits");
        history.invoke(1, Operation::delete("l")).expect("fits");
        let expected = expect![[
            r#"{"file":"h.jsonl","verdict":"linearizable","keys":2,"operations":2,"unknown":1,"steps":9,"per_key":[{"key":"k","verdict":"linearizable","operations":1,"unknown":0,"steps":9},{"key":"l","verdict":"linearizable","operations":1,"unknown":1,"steps":9}]}"#
        ]];
        expected.assert_eq(&json(Ok(history)));
    }

    #[test]
    fn evidence_names_each_operation_in_full() {
        let mut history = History::new();
        let mut play = |time: i64, operation: Operation, answer: Answer| {
            history
                .at(time)
                .expect("later")
                .invoke(1, operation)
                .expect("fits");
            history.at(time + 1).expect("later").ok(1, answer).expect("fits");
        };
        play(1, Operation::put("k", 4), Answer::Done);
        play(
            3,
            Operation::cas("k", 4, "a\"b"),
            Answer::Swapped { applied: false },
        );
        let expected = expect![[
            r#"{"file":"h.jsonl","verdict":"not_linearizable","keys":1,"operations":2,"unknown":0,"steps":9,"per_key":[{"key":"k","verdict":"not_linearizable","operations":2,"unknown":0,"steps":9,"evidence":{"initial":null,"culprit":{"process":1,"op":"cas","key":"k","expect":4,"value":"a\"b","answer":{"applied":false},"invoked":3,"completed":4},"others":[{"process":1,"op":"put","key":"k","value":4,"answer":{"done":true},"invoked":1,"completed":2}],"left_out":0,"order":[{"process":1,"op":"put","key":"k","value":4,"answer":{"done":true},"invoked":1,"completed":2}],"unplaced":[{"process":1,"op":"cas","key":"k","expect":4,"value":"a\"b","answer":{"applied":false},"invoked":3,"completed":4}]}}]}"#
        ]];
        expected.assert_eq(&json(Ok(history)));
    }

    #[test]
    fn what_cannot_be_judged_says_where_and_why() {
        let expected = expect![[
            r#"{"file":"h.jsonl","verdict":"malformed","line":1,"reason":"line 1 is malformed: a history begins with a header of format \"kv-history\", version 1"}"#
        ]];
        expected.assert_eq(&json(History::read(&b"{}\n"[..])));
        let gone = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let expected = expect![[
            r#"{"file":"h.jsonl","verdict":"malformed","line":null,"reason":"the history cannot be read: no such file"}"#
        ]];
        expected.assert_eq(&json(Err(gone.into())));
    }
}
