//! What the front end asks the replica, and how its answers sound to a Redis client if there is no result.

use kvpaxos::client::{Call, Completion};
use kvpaxos::{Op, Query, Refusal, ReplicaSet};

use crate::redis::reply::Reply;

/// What the replica is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    Query(Query),
    Write(Op),
    Status,
}

impl From<Question> for Call {
    fn from(question: Question) -> Call {
        match question {
            Question::Query(query) => Call::Read(query),
            Question::Write(op) => Call::Write(op),
            Question::Status => Call::Status,
        }
    }
}

/// The error for a request that was not done, or may have been.
pub(crate) fn problem(completion: Completion) -> Reply {
    match completion {
        Completion::Unknown { silent } => Reply::error(format!(
            "UNKNOWN the outcome is unknown: no quorum answered in time{}; the command may have been done, \
             or may still be",
            silence(silent)
        )),
        Completion::Refused(refusal) => refused(&refusal),
        // Whoever asks looks for the results first.
        Completion::Done(_) => crate::redis::steps::missing(),
    }
}

/// The error for a request that was certainly not done. Codes that Redis has are used as there: clients may
/// repeat after TRYAGAIN, and CLUSTERDOWN needs an operator.
fn refused(refusal: &Refusal) -> Reply {
    let code = match refusal {
        Refusal::Busy { .. } | Refusal::Unavailable { .. } => "TRYAGAIN",
        Refusal::MemoryLost { .. } | Refusal::Differs(_) => "CLUSTERDOWN",
        _ => "ERR",
    };
    Reply::error(format!("{code} {refusal}"))
}

/// The replica has stopped, and the request with it.
pub(crate) fn stopped(question: &Question) -> Reply {
    match question {
        Question::Write(_) => Reply::error(
            "UNKNOWN the outcome is unknown: the replica stops; the command may have been done, or may still \
             be. Ask another replica",
        ),
        Question::Query(_) | Question::Status => Reply::error("TRYAGAIN the replica stops; ask another one"),
    }
}

fn silence(silent: ReplicaSet) -> String {
    if silent.is_empty() {
        String::new()
    } else {
        format!(" ({silent} silent)")
    }
}
