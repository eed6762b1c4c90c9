//! Requests and answers as a history has them.

use kvpaxos_history as history;
use kvpaxos_history::{Datum, Operation};

use crate::bench::connection::{Answer, Done, Failure, FailureKind, Request};
use crate::bench::mix::Kind;
use crate::recorder::Completion;

/// A request as an operation.
///
/// # Panics
/// For an increment, which histories do not have.
pub(crate) fn operation(request: &Request) -> Operation {
    let key = String::from_utf8_lossy(&request.key).into_owned();
    let value = || Datum::from(&request.value[..]);
    match request.kind {
        Kind::Get => Operation::get(key),
        Kind::Put => Operation::put(key, value()),
        Kind::Delete => Operation::delete(key),
        Kind::Cas => Operation::cas(key, Datum::from(request.expect.as_deref()), value()),
        Kind::Append => Operation::append(key, value()),
        Kind::Increment => unreachable!("a plan with a history has no increment"),
    }
}

/// How the operation ended.
pub(crate) fn completion(ended: &Result<Done, Failure>) -> Completion {
    match ended {
        Ok(Done { answer, revision }) => {
            let answer = match answer {
                Answer::Value(value) => history::Answer::Value(Datum::from(value.as_deref())),
                Answer::Written | Answer::Deleted { .. } => history::Answer::Done,
                Answer::Swapped { applied } => history::Answer::Swapped { applied: *applied },
            };
            Completion::Done(answer, *revision)
        }
        Err(failure) => match failure.kind {
            FailureKind::Unknown => Completion::Unknown,
            FailureKind::Refused | FailureKind::Impossible | FailureKind::Unavailable => Completion::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_is_unknown_is_not_called_a_failure() {
        let failed = |kind| {
            let text = String::new();
            completion(&Err(Failure { kind, text }))
        };
        assert_eq!(failed(FailureKind::Unknown), Completion::Unknown);
        for kind in [
            FailureKind::Refused,
            FailureKind::Impossible,
            FailureKind::Unavailable,
        ] {
            assert_eq!(failed(kind), Completion::Refused);
        }
    }

    #[test]
    fn a_compare_and_swap_keeps_what_it_expected() {
        let request = Request {
            kind: Kind::Cas,
            key: Bytes::from_static(b"k"),
            value: Bytes::from_static(b"new"),
            expect: None,
        };
        assert_eq!(operation(&request), Operation::cas("k", Datum::Null, "new"));
        let answer = Answer::Swapped { applied: false };
        let done = completion(&Ok(Done {
            answer,
            revision: None,
        }));
        assert_eq!(
            done,
            Completion::Done(history::Answer::Swapped { applied: false }, None)
        );
    }
}
