//! The place of one acceptor: the shipping [`Acceptor`], or the shipping [`Recovery`] while it has lost its memory.
//!
//! What is here and not in the core is what a replica and a disk do for their acceptor: they route messages to the one or the other,
//! bring fresh nonces, hold answers back until they are durable, and crash.

use kvpaxos::acceptor::{Acceptor, Answer};
use kvpaxos::recovery::{Progress, Recovery};
use kvpaxos::{Incarnation, Message, ReplicaId, Slot};

use crate::model::bounds::Bounds;
use crate::model::invariant::{Breach, Invariant};
use crate::model::packet::Packet;

/// Answers are not cut into chunks, unless the bounds say so, or into chunks of one entry each.
const WHOLE: usize = usize::MAX / 2;
const ONE_ENTRY: usize = 1;

/// An acceptor, whatever state it is in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Node {
    pub(super) id: ReplicaId,
    /// How many nonces it has used.
    pub(super) nonces: u64,
    pub(super) state: NodeState,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum NodeState {
    /// It has its memory.
    Voting {
        /// What it would remember after a crash.
        durable: Acceptor,
        /// What has happened since, not yet durable, and what leaves once it is.
        unsynced: Vec<Unsynced>,
    },
    /// It lost its memory.
    Recovering {
        recovery: Recovery,
        /// The last life in which it voted.
        last: Incarnation,
    },
}

/// A step that is not durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unsynced {
    /// What it came to.
    acceptor: Acceptor,
    /// What leaves once this is durable.
    then: Vec<Packet>,
}

/// What came of something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) node: Node,
    pub(super) sent: Vec<Packet>,
    /// Nothing changed that anybody's memory holds: an answer was given, or waits for the disk.
    pub(super) is_mere_answer: bool,
}

impl Node {
    /// One that never heard anything.
    pub(super) fn new(id: ReplicaId) -> Node {
        Node::voting(id, 0, Acceptor::new(id))
    }

    fn voting(id: ReplicaId, nonces: u64, durable: Acceptor) -> Node {
        Node {
            id,
            nonces,
            state: NodeState::Voting {
                durable,
                unsynced: Vec::new(),
            },
        }
    }

    /// The acceptor as it is in memory, if it has its memory.
    pub(super) fn live(&self) -> Option<&Acceptor> {
        match &self.state {
            NodeState::Voting { durable, unsynced } => {
                Some(unsynced.last().map_or(durable, |last| &last.acceptor))
            }
            NodeState::Recovering { .. } => None,
        }
    }

    /// The recovery, if it has lost its memory.
    pub(super) fn recovery(&self) -> Option<&Recovery> {
        match &self.state {
            NodeState::Voting { .. } => None,
            NodeState::Recovering { recovery, .. } => Some(recovery),
        }
    }

    /// An acceptor hears a proposer, or one that lost its memory.
    pub(super) fn on_request(&self, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
        let NodeState::Voting { durable, unsynced } = &self.state else {
            return Ok(self.cannot_tell(packet));
        };
        let before = unsynced.last().map_or(durable, |last| &last.acceptor);
        if packet.from == self.id {
            return Ok(None);
        }
        let mut acceptor = before.clone();
        let sent = match hear(&mut acceptor, packet, bounds)? {
            None => return Ok(None),
            Some(Response::Immediate(message)) => {
                return Ok(Some(Change {
                    node: self.clone(),
                    sent: vec![self.reply(packet, message)],
                    is_mere_answer: true,
                }));
            }
            Some(Response::AfterSync(message)) => vec![self.reply(packet, message)],
        };
        check(before, &acceptor, packet)?;
        let is_mere_answer = acceptor == *before;
        if unsynced.is_empty() && (is_mere_answer || bounds.unsynced == 0) {
            return Ok(Some(Change {
                node: Node::voting(self.id, self.nonces, acceptor),
                sent,
                is_mere_answer,
            }));
        }
        let mut waiting = unsynced.clone();
        let is_full = waiting.len() == bounds.unsynced;
        match waiting.last_mut() {
            Some(last) if is_mere_answer => {
                let news = sent.into_iter().filter(|packet| !last.then.contains(packet));
                let news: Vec<Packet> = news.collect();
                last.then.extend(news);
            }
            _ if is_full => return Ok(None),
            _ => waiting.push(Unsynced { acceptor, then: sent }),
        }
        let mut node = self.clone();
        node.state = NodeState::Voting {
            durable: durable.clone(),
            unsynced: waiting,
        };
        Ok(Some(Change {
            node,
            sent: Vec::new(),
            is_mere_answer,
        }))
    }

    /// One that is recovering vouches for nobody: it answers as its replica does for it, and nothing but this.
    fn cannot_tell(&self, packet: &Packet) -> Option<Change> {
        let Message::Recall { nonce } = packet.message else {
            return None;
        };
        let message = Message::Recalled { nonce, heard: None };
        (packet.from != self.id).then(|| Change {
            node: self.clone(),
            sent: vec![self.reply(packet, message)],
            is_mere_answer: true,
        })
    }

    fn reply(&self, to: &Packet, message: Message) -> Packet {
        Packet {
            from: self.id,
            to: Some(to.from),
            message,
        }
    }

    /// One that lost its memory hears what another knows, or remembers.
    pub(super) fn on_answer(&self, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
        let NodeState::Recovering { recovery, last } = &self.state else {
            return Ok(None);
        };
        let mut recovery = recovery.clone();
        let mut nonces = self.nonces;
        let progress = match packet.message.clone() {
            Message::Recalled { nonce, heard } => recovery.on_recalled(packet.from, nonce, heard),
            Message::Remembered(told) => recovery.on_remembered(packet.from, *told),
            _ => return Ok(None),
        };
        let questions = match progress {
            Progress::Nothing => Vec::new(),
            Progress::Ask(questions) => questions,
            Progress::Again => {
                nonces += 1;
                recovery.again(nonces);
                recovery.questions()
            }
            Progress::Recovered(acceptor) => return self.return_as(acceptor, *last, bounds).map(Some),
        };
        let node = Node {
            id: self.id,
            nonces,
            state: NodeState::Recovering {
                recovery,
                last: *last,
            },
        };
        let sent = self.to_all(questions);
        let is_mere_answer = node == *self && sent.is_empty();
        Ok(Some(Change {
            node,
            sent,
            is_mere_answer,
        }))
    }

    /// (c): it has its memory again, durably.
    fn return_as(&self, acceptor: Acceptor, last: Incarnation, bounds: &Bounds) -> Result<Change, Breach> {
        let incarnation = acceptor.vector().get(self.id);
        if incarnation <= last && !bounds.agreement_only {
            return Err(Breach::new(
                Invariant::P3,
                format!(
                    "{} returns in incarnation {}, after it voted in incarnation {}",
                    self.id, incarnation.0, last.0
                ),
            ));
        }
        Ok(Change {
            node: Node::voting(self.id, self.nonces, acceptor),
            sent: Vec::new(),
            is_mere_answer: false,
        })
    }

    /// The memory is lost. One that was recovering begins again. `knows_life`: the replica lives on, and knows the life that its acceptor
    /// was in; it has lost its disk otherwise. `None` if that makes no difference.
    pub(super) fn lose_memory(&self, bounds: &Bounds, knows_life: bool) -> Option<Change> {
        let needed = bounds.answers_needed()?;
        let (last, known) = match &self.state {
            NodeState::Voting { durable, .. } => {
                let life = durable.vector().get(self.id);
                (life, life)
            }
            NodeState::Recovering { recovery, last } => {
                (*last, recovery.incarnation().unwrap_or(recovery.above()))
            }
        };
        let nothing = Incarnation::default();
        if knows_life && known == nothing {
            return None;
        }
        let above = if knows_life { known } else { nothing };
        let nonces = self.nonces + 1;
        let recovery = Recovery::new(self.id, bounds.members(), needed, above, nonces);
        let sent = self.to_all(recovery.questions());
        Some(Change {
            node: Node {
                id: self.id,
                nonces,
                state: NodeState::Recovering { recovery, last },
            },
            sent,
            is_mere_answer: false,
        })
    }

    /// The disk has written the first of what waits for it.
    pub(super) fn sync(&self) -> Option<Change> {
        let NodeState::Voting { unsynced, .. } = &self.state else {
            return None;
        };
        let (first, rest) = unsynced.split_first()?;
        let mut node = self.clone();
        node.state = NodeState::Voting {
            durable: first.acceptor.clone(),
            unsynced: rest.to_vec(),
        };
        Some(Change {
            node,
            sent: first.then.clone(),
            is_mere_answer: false,
        })
    }

    /// A crash with the memory kept: what was not durable is gone. (What became durable without the answers' having left is the same as
    /// answers that are never delivered.)
    pub(super) fn restart(&self) -> Option<Change> {
        let NodeState::Voting { durable, unsynced } = &self.state else {
            return None;
        };
        (!unsynced.is_empty()).then(|| Change {
            node: Node::voting(self.id, self.nonces, durable.clone()),
            sent: Vec::new(),
            is_mere_answer: false,
        })
    }

    /// It cuts its log: its replica has all that was chosen below `slot`, durably.
    pub(super) fn cut(&self, slot: Slot) -> Option<Change> {
        let NodeState::Voting { durable, unsynced } = &self.state else {
            return None;
        };
        if !unsynced.is_empty() || durable.cut() >= slot {
            return None;
        }
        let mut acceptor = durable.clone();
        acceptor.cut_below(slot);
        Some(Change {
            node: Node::voting(self.id, self.nonces, acceptor),
            sent: Vec::new(),
            is_mere_answer: false,
        })
    }

    /// Questions to each are one packet for all, if they say the same.
    fn to_all(&self, questions: Vec<(ReplicaId, Message)>) -> Vec<Packet> {
        let mut sent: Vec<Packet> = Vec::new();
        for (_, message) in questions {
            if !sent.iter().any(|packet| packet.message == message) {
                sent.push(Packet {
                    from: self.id,
                    to: None,
                    message,
                });
            }
        }
        sent
    }
}

/// What an acceptor says.
enum Response {
    /// Nothing that must be durable first.
    Immediate(Message),
    /// It reveals what was written before.
    AfterSync(Message),
}

/// The one place where the acceptor of the core is asked.
fn hear(acceptor: &mut Acceptor, packet: &Packet, bounds: &Bounds) -> Result<Option<Response>, Breach> {
    let chunk_bytes = if bounds.chunks { ONE_ENTRY } else { WHOLE };
    let answer: Option<Answer> = match &packet.message {
        Message::Prepare { ballot, from, .. } => Some(acceptor.on_prepare(*ballot, *from, WHOLE)),
        Message::Accept {
            ballot, slot, value, ..
        } => acceptor
            .on_accept(*ballot, *slot, value)
            .map_err(|why| Breach::new(Invariant::P1, why.to_string()))?,
        Message::Recall { nonce } => {
            return Ok(Some(Response::Immediate(acceptor.on_recall(packet.from, *nonce))));
        }
        Message::Announce {
            nonce,
            incarnation,
            from,
        } => Some(acceptor.on_announce(packet.from, *nonce, *incarnation, *from, chunk_bytes)),
        _ => None,
    };
    Ok(answer.map(|answer| Response::AfterSync(answer.message)))
}

/// A1 and A2, from outside.
fn check(before: &Acceptor, after: &Acceptor, packet: &Packet) -> Result<(), Breach> {
    let mut merged = after.vector().clone();
    merged.merge(before.vector());
    if after.promised() < before.promised() || after.cut() < before.cut() || merged != *after.vector() {
        return Err(Breach::new(
            Invariant::A1,
            format!("{before:?} became {after:?} by {packet:?}"),
        ));
    }
    for (slot, entry) in after.accepted() {
        let is_new = before.accepted().get(slot) != Some(entry);
        if entry.0 > after.promised() || (is_new && entry.0 < before.promised()) {
            return Err(Breach::new(
                Invariant::A2,
                format!("{before:?} became {after:?} by {packet:?}"),
            ));
        }
    }
    Ok(())
}
