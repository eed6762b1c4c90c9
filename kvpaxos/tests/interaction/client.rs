//! A client in the scripts: its requests, and what it remembers of them.

use std::collections::BTreeMap;

use kvpaxos::{ClientId, Op, Outcome, Reply, RequestBody, Sequence, SessionId, Tag};

use crate::word;

/// A client with at most one session at a time.
#[derive(Debug, Default)]
pub(crate) struct Client {
    session: Option<SessionId>,
    next: u64,
    last: Option<RequestBody>,
    /// The number of sessions that were opened for it.
    opened: u64,
    /// The unanswered writes, by the ids of their requests.
    open: BTreeMap<u64, Sequence>,
}

impl Client {
    /// The request that these words of a script mean; `None` if they mean none.
    pub(crate) fn ask(&mut self, own: ClientId, verb: &str, arguments: &[&str]) -> Option<RequestBody> {
        let body = match (verb, arguments) {
            ("open", []) => RequestBody::Open {
                tag: Tag {
                    nonce: own.0,
                    number: self.opened,
                },
            },
            ("again", []) => self.last.clone().expect("the client has written before"),
            ("get", [key]) => RequestBody::Get {
                key: word::bytes(key),
            },
            ("submit", [payload]) => RequestBody::Submit {
                payload: word::bytes(payload),
            },
            ("close", []) => RequestBody::Close {
                session: self.session(),
            },
            ("put", [key, value]) => self.write(Op::Put {
                key: word::bytes(key),
                value: word::bytes(value),
            }),
            ("delete", [key]) => self.write(Op::Delete {
                key: word::bytes(key),
            }),
            ("cas", [key, expect, value]) => self.write(Op::Cas {
                key: word::bytes(key),
                expect: word::maybe(expect),
                value: word::maybe(value),
            }),
            _ => return None,
        };
        Some(body)
    }

    /// Its latest request got this id. `sequence` is `None` if the request is no write.
    pub(crate) fn asked(&mut self, id: u64, sequence: Option<Sequence>) {
        self.open.extend(sequence.map(|sequence| (id, sequence)));
    }

    pub(crate) fn hears(&mut self, reply: &Reply) {
        self.open.remove(&reply.id);
        if let Outcome::Opened { session } = reply.outcome {
            (self.session, self.next) = (Some(session), 0);
            self.opened += 1;
        }
    }

    fn session(&self) -> SessionId {
        self.session.expect("the client has a session")
    }

    fn write(&mut self, op: Op) -> RequestBody {
        let sequence = Sequence(self.next);
        self.next += 1;
        let body = RequestBody::Apply {
            session: self.session(),
            sequence,
            lowest_unanswered: self.open.values().min().copied().unwrap_or(sequence),
            op,
        };
        self.last = Some(body.clone());
        body
    }
}
