//! Clients that send requests and repeat them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kvpaxos::{ClientId, Op, Outcome, Refusal, ReplicaId, Reply, RequestBody, Sequence, SessionId, Tag};

use crate::support::World;

/// All clients of a schedule.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    known: BTreeMap<ClientId, Client>,
    /// The number of sessions that were opened for any client.
    opens: u64,
    /// The client of each unanswered request, and the sequence number of a write.
    asked: BTreeMap<u64, (ClientId, Option<Sequence>)>,
}

#[derive(Debug, Default)]
struct Client {
    session: Option<SessionId>,
    next: u64,
    /// The sequence numbers of writes without a definite answer.
    open: BTreeSet<Sequence>,
    last: Option<RequestBody>,
}

/// The next request of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Put,
    Delete,
    Cas,
    Get,
    Submit,
    /// The last write again.
    Again,
    Close,
}

impl Clients {
    /// A client sends a request to a replica. A client without a session opens one instead of a write.
    pub(crate) fn ask(&mut self, world: &mut World, at: ReplicaId, who: ClientId, wish: Wish, key: u8) {
        let client = self.known.entry(who).or_default();
        let key = Bytes::from(vec![b'a' + key % 3]);
        let body = match (wish, client.session) {
            (Wish::Get, _) => RequestBody::Get { key },
            (Wish::Submit, _) => RequestBody::Submit { payload: key },
            (_, None) => RequestBody::Open {
                tag: Tag {
                    nonce: who.0,
                    number: self.opens,
                },
            },
            (Wish::Close, Some(session)) => {
                *client = Client::default();
                RequestBody::Close { session }
            }
            (Wish::Again, Some(session)) => match client.last.clone() {
                Some(last) => last,
                None => client.write(session, Op::Delete { key }),
            },
            (Wish::Put, Some(session)) => {
                let value = client.fresh_value(session);
                client.write(session, Op::Put { key, value })
            }
            (Wish::Delete, Some(session)) => client.write(session, Op::Delete { key }),
            (Wish::Cas, Some(session)) => {
                let value = Some(client.fresh_value(session));
                client.write(
                    session,
                    Op::Cas {
                        key,
                        expect: None,
                        value,
                    },
                )
            }
        };
        let sequence = match &body {
            RequestBody::Apply { sequence, .. } => Some(*sequence),
            _ => None,
        };
        let id = world.request(at, who, body);
        self.asked.insert(id, (who, sequence));
    }

    /// A client receives an answer.
    pub(crate) fn on_reply(&mut self, reply: &Reply) {
        let Some((who, sequence)) = self.asked.remove(&reply.id) else {
            return;
        };
        let client = self.known.entry(who).or_default();
        match &reply.outcome {
            Outcome::Opened { session } if client.session.is_none() => {
                self.opens += 1;
                *client = Client {
                    session: Some(*session),
                    ..Client::default()
                };
            }
            Outcome::Done { .. } | Outcome::Deleted { .. } | Outcome::Swapped { .. } => {
                client.open.retain(|open| Some(*open) != sequence);
            }
            Outcome::Refused(Refusal::SessionExpired { session }) if client.session == Some(*session) => {
                *client = Client::default();
            }
            _ => {}
        }
    }
}

impl Client {
    fn write(&mut self, session: SessionId, op: Op) -> RequestBody {
        let sequence = Sequence(self.next);
        self.next += 1;
        self.open.insert(sequence);
        let lowest = self.open.first().copied().unwrap_or(sequence);
        let body = RequestBody::Apply {
            session,
            sequence,
            lowest_unanswered: lowest,
            op,
        };
        self.last = Some(body.clone());
        body
    }

    /// A value that no other write has. It shows whether a write took effect twice.
    fn fresh_value(&self, session: SessionId) -> Bytes {
        Bytes::from(format!("{session}#{}", self.next))
    }
}
