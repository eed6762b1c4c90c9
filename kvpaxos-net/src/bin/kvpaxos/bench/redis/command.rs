//! Requests as commands, and replies as answers.

use bytes::Bytes;

use crate::bench::connection::{Answer, Request};
use crate::bench::mix::Kind;
use crate::bench::redis::client::RedisError;
use crate::bench::redis::decode::Reply;

/// Appends the command of a request.
///
/// # Panics
/// For a compare-and-swap, for which there is no command.
pub(crate) fn encode_request(request: &Request, out: &mut Vec<u8>) {
    let (key, value) = (&request.key[..], &request.value[..]);
    match request.kind {
        Kind::Get => encode(&[b"GET", key], out),
        Kind::Put => encode(&[b"SET", key, value], out),
        Kind::Delete => encode(&[b"DEL", key], out),
        Kind::Increment => encode(&[b"INCR", key], out),
        Kind::Append => encode(&[b"APPEND", key, value], out),
        Kind::Cas => unreachable!("a plan for the Redis protocol has no compare-and-swap"),
    }
}

/// Appends a command.
pub(crate) fn encode(words: &[&[u8]], out: &mut Vec<u8>) {
    let mut head = |kind: char, number: usize, rest: &[u8]| {
        out.extend_from_slice(format!("{kind}{number}\r\n").as_bytes());
        if kind == '$' {
            out.extend_from_slice(rest);
            out.extend_from_slice(b"\r\n");
        }
    };
    head('*', words.len(), b"");
    for word in words {
        head('$', word.len(), word);
    }
}

/// What a reply says of a request of this kind.
pub(crate) fn answer(kind: Kind, reply: Reply) -> Result<Answer, RedisError> {
    match (kind, reply) {
        (_, Reply::Error(text)) => Err(RedisError::Answer(text)),
        (Kind::Get, Reply::Bulk(value)) => Ok(Answer::Value(value)),
        (Kind::Put, Reply::Status(text)) if text == "OK" => Ok(Answer::Written),
        (Kind::Delete, Reply::Integer(count)) => Ok(Answer::Deleted { existed: count > 0 }),
        (Kind::Increment | Kind::Append, Reply::Integer(_)) => Ok(Answer::Written),
        (kind, reply) => Err(RedisError::Strange(format!(
            "{} was answered with {}",
            kind.name(),
            shown(&reply)
        ))),
    }
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Status(text) | Reply::Error(text) => format!("{text:?}"),
        Reply::Integer(number) => number.to_string(),
        Reply::Bulk(None) => "nothing".to_owned(),
        Reply::Bulk(Some(value)) => format!("a value of {} bytes", Bytes::len(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(kind: Kind) -> String {
        let mut out = Vec::new();
        let request = Request {
            kind,
            key: Bytes::from_static(b"key"),
            value: Bytes::from_static(b"v\r\n"),
            expect: None,
        };
        encode_request(&request, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_arrays_of_bulk_strings() {
        assert_eq!(encoded(Kind::Get), "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
        assert_eq!(
            encoded(Kind::Put),
            "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\nv\r\n\r\n"
        );
        assert_eq!(encoded(Kind::Increment), "*2\r\n$4\r\nINCR\r\n$3\r\nkey\r\n");
    }

    #[test]
    fn only_the_reply_of_its_own_kind_is_an_answer() {
        let ok = || Reply::Status("OK".to_owned());
        assert_eq!(answer(Kind::Put, ok()), Ok(Answer::Written));
        assert_eq!(answer(Kind::Get, Reply::Bulk(None)), Ok(Answer::Value(None)));
        assert_eq!(
            answer(Kind::Delete, Reply::Integer(0)),
            Ok(Answer::Deleted { existed: false })
        );
        assert_eq!(answer(Kind::Append, Reply::Integer(7)), Ok(Answer::Written));
        for (kind, reply) in [
            (Kind::Get, ok()),
            (Kind::Put, Reply::Bulk(None)),
            (Kind::Put, Reply::Status("QUEUED".to_owned())),
            (Kind::Delete, ok()),
        ] {
            let answer = answer(kind, reply);
            assert!(matches!(answer, Err(RedisError::Strange(_))), "{answer:?}");
        }
        let refused = answer(Kind::Get, Reply::Error("ERR no".to_owned()));
        assert_eq!(refused, Err(RedisError::Answer("ERR no".to_owned())));
    }
}
