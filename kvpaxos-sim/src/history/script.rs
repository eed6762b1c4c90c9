//! Histories in the short form that tests use.

use kvpaxos::{Revision, Slot};

use super::{Answer, Datum, History, Operation};

/// Parses a script with an event on each line: `1 put k a`, `1 ok`, `2 get k`, `2 ok a @3.1`, `3 info`. The
/// times are the numbers of the lines.
pub(crate) fn history(script: &str) -> History {
    let mut history = History::new();
    for (time, line) in (0..).zip(script.lines().map(str::trim).filter(|line| !line.is_empty())) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let rev = words.last().and_then(|word| word.strip_prefix('@')).map(rev);
        words.truncate(words.len() - usize::from(rev.is_some()));
        let process = words[0].parse().unwrap();
        history.at(time).unwrap();
        match words[1..] {
            ["get", key] => history.invoke(process, Operation::get(key)),
            ["put", key, value] => history.invoke(process, Operation::put(key, datum(value))),
            ["append", key, value] => history.invoke(process, Operation::append(key, datum(value))),
            ["delete", key] => history.invoke(process, Operation::delete(key)),
            ["cas", key, expect, value] => {
                history.invoke(process, Operation::cas(key, datum(expect), datum(value)))
            }
            ["ok"] => history.ok_at(process, Answer::Done, rev),
            ["ok", "applied"] => history.ok_at(process, Answer::Swapped { applied: true }, rev),
            ["ok", "differs"] => history.ok_at(process, Answer::Swapped { applied: false }, rev),
            ["ok", value] => history.ok_at(process, Answer::Value(datum(value)), rev),
            ["fail"] => history.fail(process),
            ["info"] => history.info(process),
            _ => panic!("{line}"),
        }
        .unwrap();
    }
    history
}

fn rev(text: &str) -> Revision {
    let (slot, index) = text.split_once('.').unwrap_or((text, "0"));
    let (slot, index) = (Slot(slot.parse().unwrap()), index.parse().unwrap());
    Revision { slot, index }
}

fn datum(word: &str) -> Datum {
    match word {
        "null" => Datum::Null,
        word => word.parse::<i64>().map_or_else(|_| word.into(), Datum::from),
    }
}
