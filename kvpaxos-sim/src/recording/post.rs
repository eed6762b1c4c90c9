//! The messages and sessions of a script that is being played.

use std::collections::{BTreeMap, HashMap, VecDeque};

use kvpaxos::recording::message_digest;
use kvpaxos::{ClientId, Effect, Founding, Message, Outcome, Replica, ReplicaId, SessionId};

use super::script::{ItemId, Source};
use crate::engine::{Machine, PacketId};
use crate::hashing::BuildQuick;

/// A message that was sent.
pub(super) struct Sent {
    pub(super) message: Message,
    /// The sender's founding when it sent it.
    pub(super) founding: Option<Founding>,
    pub(super) packet: PacketId,
    pub(super) source: Source,
}

/// Every message that was sent, and what names it.
#[derive(Default)]
pub(super) struct Post {
    sent: Vec<Sent>,
    by_source: HashMap<(ReplicaId, Source), usize>,
    /// Those that have not arrived yet, by content. The last one of each content stays: it may arrive twice.
    by_content: HashMap<u128, VecDeque<usize>, BuildQuick>,
    /// How many messages of each kind the present item has sent to each replica.
    numbers: BTreeMap<(ReplicaId, &'static str), u32>,
}

impl Post {
    /// Another item begins.
    pub(super) fn begin_item(&mut self) {
        self.numbers.clear();
    }

    /// An item sends a message.
    pub(super) fn send(
        &mut self,
        item: ItemId,
        [from, to]: [ReplicaId; 2],
        founding: Option<Founding>,
        message: &Message,
        packet: PacketId,
    ) {
        let kind = Replica::label(message).kind;
        let number = self.numbers.entry((to, kind)).or_default();
        let source = Source::Item {
            item,
            kind,
            number: *number,
        };
        *number += 1;
        let place = self.sent.len();
        self.by_source.insert((to, source.clone()), place);
        let content = message_digest(from, to, message);
        self.by_content.entry(content).or_default().push_back(place);
        self.sent.push(Sent {
            message: message.clone(),
            founding,
            packet,
            source,
        });
    }

    /// The message of this source, if it was sent.
    pub(super) fn sent_by(&self, to: ReplicaId, source: &Source) -> Option<&Sent> {
        let place = self.by_source.get(&(to, source.clone()))?;
        self.sent.get(*place)
    }

    /// The message that arrives at `to`: the one of this source or, if that was not sent, one with this content.
    pub(super) fn arrives(
        &mut self,
        [from, to]: [ReplicaId; 2],
        source: &Source,
        message: &Message,
    ) -> Option<&Sent> {
        let place = self.by_source.get(&(to, source.clone())).copied();
        let place = place.or_else(|| {
            let same = self.by_content.get_mut(&message_digest(from, to, message))?;
            if same.len() > 1 {
                same.pop_front()
            } else {
                same.front().copied()
            }
        })?;
        self.sent.get(place)
    }
}

/// The sessions that were opened.
#[derive(Default)]
pub(super) struct Sessions {
    /// Requests for sessions that wait for their answers, by replica, client and id.
    waiting: HashMap<(ReplicaId, ClientId, u64), ItemId>,
    opened: HashMap<ItemId, SessionId>,
    openers: HashMap<SessionId, ItemId>,
}

impl Sessions {
    /// An item asks for a session.
    pub(super) fn ask(&mut self, replica: ReplicaId, client: ClientId, request: u64, item: ItemId) {
        self.waiting.insert((replica, client, request), item);
    }

    /// A replica has stepped: it may have answered.
    pub(super) fn stepped(&mut self, replica: ReplicaId, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Reply { to, reply } = effect
                && let Outcome::Opened { session } = &reply.outcome
                && let Some(item) = self.waiting.remove(&(replica, *to, reply.id))
            {
                self.opened.insert(item, *session);
                self.openers.insert(*session, item);
            }
        }
    }

    /// The item whose request opened a session.
    pub(super) fn opener(&self, session: SessionId) -> Option<ItemId> {
        self.openers.get(&session).copied()
    }

    /// The session that the request of an item opened.
    pub(super) fn opened_by(&self, item: ItemId) -> Option<SessionId> {
        self.opened.get(&item).copied()
    }
}
