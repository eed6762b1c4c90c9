//! Clients that ask, are answered, and ask again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kvpaxos::{ClientId, Op, Outcome, Refusal, ReplicaId, Reply, RequestBody, Sequence, SessionId, Tag};

use crate::support::World;

/// Some clients.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    known: BTreeMap<ClientId, Client>,
    /// Sessions that were opened, by anybody.
    opens: u64,
    /// Whose each request is, and its sequence if it is a write.
    asked: BTreeMap<u64, (ClientId, Option<Sequence>)>,
}

#[derive(Debug, Default)]
struct Client {
    session: Option<SessionId>,
    next: u64,
    /// Writes that had no answer.
    open: BTreeSet<Sequence>,
    last: Option<RequestBody>,
}

/// What a client does next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Put,
    Delete,
    Cas,
    Get,
    Submit,
    /// The last write once more.
    Again,
    Close,
}

impl Clients {
    /// A client asks a replica for something; a write of a client without a session asks for a session instead.
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

    /// A replica answers.
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

    /// A value that no other write has, so that a write that took effect twice shows.
    fn fresh_value(&self, session: SessionId) -> Bytes {
        Bytes::from(format!("{session}#{}", self.next))
    }
}
