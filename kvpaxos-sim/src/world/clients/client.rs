//! One simulated client.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::client::{Call, Client, ClientConfig, ClientEvent};
use kvpaxos::{
    Micros, Op, Outcome, Query, Refusal, ReplicaSet, Request, RequestBody, Revision, Sequence, SessionId,
    Time,
};

use crate::engine::{Decider, Decision, Stream};
use crate::invariants::Floor;
use crate::timeline::CallId;
use crate::world::setup::Setup;

/// An operation under way.
pub(super) struct Open {
    /// The call on the timeline, if there is one.
    pub(super) pictured: Option<CallId>,
    pub(super) lane: u32,
    /// A test began it, and will ask for its end.
    pub(super) scripted: bool,
    pub(super) call: Call,
    pub(super) floor: Floor,
    pub(super) since: Time,
}

/// A lane of a client runs one operation after the other.
#[derive(Clone, Copy)]
pub(super) enum Lane {
    Thinking { until: Time },
    Waiting,
}

/// A client with its lanes.
pub(super) struct SimulatedClient {
    pub(super) machine: Client,
    /// How long its calls may take at most.
    pub(super) deadline: Micros,
    pub(super) armed: Option<Time>,
    pub(super) lanes: Vec<Lane>,
    pub(super) open: BTreeMap<u64, Open>,
    pub(super) numbers: u64,
    /// The last value that it saw for each key: a drawn compare-and-swap expects it, so that some succeed.
    pub(super) seen: BTreeMap<Bytes, Option<Bytes>>,
    /// Whether a shared key had a value when it was last read, and the revision of the answer.
    pub(super) watched: BTreeMap<Bytes, (bool, Revision)>,
    /// Where the next page of its scan begins.
    pub(super) cursor: u64,
    /// Operations done since the count began; see [`Clients::begin_count`](super::Clients::begin_count).
    pub(super) done_since: u64,
    /// For each sequence number of a session, the last request with it and the number of requests.
    pub(super) asked: BTreeMap<(SessionId, Sequence), (u64, u32)>,
}

impl SimulatedClient {
    pub(super) fn new(
        number: u32,
        setup: &Setup,
        decider: &mut (dyn Decider + Send + 'static),
    ) -> SimulatedClient {
        let stream = Stream::Client(number);
        let servers = ReplicaSet::first(setup.cluster.replicas);
        let mut config = ClientConfig::new(servers);
        config.attempt = setup.clients.attempt;
        config.deadline = setup.clients.deadline;
        // Every other client waits so long that only an answer ends its calls. S4, the promise that requests
        // are answered, is checked with these.
        if number % 2 == 1 && number < setup.clients.count {
            config.deadline = Micros(setup.clients.deadline.0.saturating_mul(40));
        }
        config.window = setup.cluster.limits.session_window.min(config.window);
        config.repeats = !setup.clients.is_connected(number);
        let lanes = if number < setup.clients.count {
            setup.clients.lanes
        } else {
            0
        };
        let think = setup.clients.think.0;
        let lanes = (0..lanes)
            .map(|_| Lane::Thinking {
                until: Time(decider.below(stream, Decision::Think, think + 1)),
            })
            .collect();
        let deadline = config.deadline;
        SimulatedClient {
            deadline,
            machine: Client::new(config, decider.entropy(stream)),
            armed: None,
            lanes,
            open: BTreeMap::new(),
            numbers: 0,
            seen: BTreeMap::new(),
            watched: BTreeMap::new(),
            cursor: 0,
            done_since: 0,
            asked: BTreeMap::new(),
        }
    }
}

impl SimulatedClient {
    /// Notes a request with a sequence number of a session.
    pub(super) fn note(&mut self, request: &Request) {
        let RequestBody::Apply {
            session,
            sequence,
            lowest_unanswered,
            ..
        } = request.body
        else {
            return;
        };
        // Everything below is answered: in this session, and in earlier ones apart from a few requests.
        while let Some(entry) = self.asked.first_entry()
            && *entry.key() < (session, lowest_unanswered)
        {
            entry.remove();
        }
        let (last, times) = self.asked.entry((session, sequence)).or_default();
        (*last, *times) = (request.id, *times + 1);
    }
}

/// Notes the value of a key after an operation.
pub(super) fn remember(seen: &mut BTreeMap<Bytes, Option<Bytes>>, call: &Call, outcome: &Outcome) {
    let (key, value) = match (call, outcome) {
        (Call::Read(Query::Get { key }), Outcome::Value { value, .. }) => (key, value.clone()),
        (Call::Write(Op::Put { key, value }), _) => (key, Some(value.clone())),
        (Call::Write(Op::Delete { key }), _) => (key, None),
        (Call::Write(Op::Cas { key, value, .. }), Outcome::Swapped { applied: true, .. }) => {
            (key, value.clone())
        }
        _ => return,
    };
    seen.insert(key.clone(), value);
}

/// Notes what the answer to a read of several keys tells.
pub(super) fn watch(client: &mut SimulatedClient, call: &Call, outcome: &Outcome) {
    let Call::Read(query) = call else { return };
    let keys = query.keys().iter().cloned();
    match outcome {
        Outcome::Value { revision, value } => {
            let existed = value.is_some();
            client.watched.extend(keys.map(|key| (key, (existed, *revision))));
        }
        Outcome::Values { revision, values } => {
            let seen = values.iter().cloned();
            client.seen.extend(keys.clone().zip(seen));
            let existed = values.iter().map(|value| (value.is_some(), *revision));
            client.watched.extend(keys.zip(existed));
        }
        Outcome::Lengths { revision, lengths } => {
            let existed = lengths.iter().map(|length| (length.is_some(), *revision));
            client.watched.extend(keys.zip(existed));
        }
        Outcome::Page { next, .. } => client.cursor = *next,
        _ => {}
    }
}

/// The session that a reply reports as expired, with the request that it answers; `None` for any other event.
pub(super) fn says_expired(event: &ClientEvent) -> Option<(SessionId, u64)> {
    match event {
        ClientEvent::Reply { reply, .. } => match reply.outcome {
            Outcome::Refused(Refusal::SessionExpired { session }) => Some((session, reply.id)),
            _ => None,
        },
        _ => None,
    }
}
