//! A node: the core's [`Acceptor`], or the core's [`Recovery`] while it lacks its memory.
//!
//! The code here, and not in the core, does what a replica and its disk do for an acceptor: it routes
//! messages to the acceptor or to the recovery, draws fresh nonces, holds answers back until they are
//! durable, and crashes.

use kvpaxos::acceptor::{Acceptor, Answer};
use kvpaxos::recovery::{Progress, Recovery};
use kvpaxos::{Incarnation, Message, Record, ReplicaId, Slot};

use crate::model::bounds::Bounds;
use crate::model::invariant::{Breach, Invariant};
use crate::model::packet::Packet;

/// The limit of bytes for an answer that comes in one piece.
const UNLIMITED: usize = usize::MAX / 2;
/// The limit of bytes for an answer that comes in chunks of one entry each.
const ONE_ENTRY: usize = 1;

/// An acceptor in whichever state it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Node {
    pub(super) id: ReplicaId,
    /// How many nonces it has used. The last one is also the number of its present question.
    pub(super) nonces: u64,
    pub(super) state: NodeState,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum NodeState {
    /// It has its memory.
    Voting {
        /// The state that a crash leaves.
        durable: Acceptor,
        /// The changes since then, oldest first.
        unsynced: Vec<Unsynced>,
    },
    /// It lost its memory and has not recovered yet.
    Recovering {
        recovery: Recovery,
        /// The incarnation in which it voted last.
        last: Incarnation,
    },
}

/// A change that is not durable yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unsynced {
    /// The acceptor after the change.
    acceptor: Acceptor,
    /// The packets that leave once the change is durable.
    then: Vec<Packet>,
}

impl Unsynced {
    /// The acceptor after the change.
    pub(super) fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }
}

/// What an input to a node leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) node: Node,
    pub(super) sent: Vec<Packet>,
    /// Whether nothing in the node's memory changes: it only answers, or the answer waits for the disk.
    pub(super) is_mere_answer: bool,
}

impl Node {
    /// A node that has not received anything yet.
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

    /// The acceptor with all its changes, durable or not. `None` while it recovers.
    pub(super) fn live(&self) -> Option<&Acceptor> {
        match &self.state {
            NodeState::Voting { durable, unsynced } => {
                Some(unsynced.last().map_or(durable, |last| &last.acceptor))
            }
            NodeState::Recovering { .. } => None,
        }
    }

    /// The messages that wait for the last change to be durable.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Message> {
        let last = match &self.state {
            NodeState::Voting { unsynced, .. } => unsynced.last(),
            NodeState::Recovering { .. } => None,
        };
        let packets = last.into_iter().flat_map(|last| &last.then);
        packets.map(|packet| packet.message.clone())
    }

    /// The recovery. `None` while the acceptor has its memory.
    pub(super) fn recovery(&self) -> Option<&Recovery> {
        match &self.state {
            NodeState::Voting { .. } => None,
            NodeState::Recovering { recovery, .. } => Some(recovery),
        }
    }

    /// A request arrives, from a proposer or from a recovering acceptor.
    ///
    /// # Errors
    /// If the acceptor's reaction breaks an invariant.
    pub(super) fn on_request(&self, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
        let NodeState::Voting { durable, unsynced } = &self.state else {
            return Ok(self.answer_while_recovering(packet));
        };
        let before = unsynced.last().map_or(durable, |last| &last.acceptor);
        if packet.from == self.id {
            return Ok(None);
        }
        let mut acceptor = before.clone();
        let sent = match ask(&mut acceptor, packet, bounds)? {
            None => return Ok(None),
            Some(Response::Immediate(message)) => {
                return Ok(Some(Change {
                    node: self.clone(),
                    sent: vec![self.reply(packet, message)],
                    is_mere_answer: true,
                }));
            }
            Some(Response::AfterSync(answer)) => vec![self.reply(packet, answer.message)],
        };
        check_change(before, &acceptor, packet)?;
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

    /// A recovering acceptor answers no request, except that it says so to another that recovers. In a
    /// replica, the replica answers for it.
    fn answer_while_recovering(&self, packet: &Packet) -> Option<Change> {
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

    /// An answer to a question of a recovering acceptor arrives.
    ///
    /// # Errors
    /// If the recovery ends in an incarnation that was used before.
    pub(super) fn on_answer(&self, packet: &Packet, bounds: &Bounds) -> Result<Option<Change>, Breach> {
        let NodeState::Recovering { recovery, last } = &self.state else {
            return Ok(None);
        };
        let mut recovery = recovery.clone();
        let mut nonces = self.nonces;
        let progress = match packet.message.clone() {
            Message::Recalled { nonce, heard } => recovery.on_recalled(packet.from, nonce, heard),
            Message::Remembered(memory) => recovery.on_remembered(packet.from, *memory),
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

    /// The recovery is complete and durable.
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

    /// The memory is lost. An acceptor that was recovering begins again.
    ///
    /// With `knows_life` the replica survives and still knows which life its acceptor was in; without, the
    /// disk is lost as well. `None` if knowing it makes no difference, or if no acceptor can recover with
    /// these quorums.
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

    /// The oldest change becomes durable. `None` if everything is.
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

    /// A crash that keeps the memory: changes that are not durable are lost. `None` if there are none. (A
    /// change that becomes durable just before the crash, so that its answers never leave, is the same as one
    /// whose answers never arrive.)
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

    /// The acceptor cuts its log below `slot`: its replica has everything that was chosen there, durably.
    /// `None` if it may not, or has already.
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

    /// Equal questions to several acceptors become one packet to all.
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

/// An acceptor's answer, and when it may leave.
enum Response {
    /// At once.
    Immediate(Message),
    /// Once its records, and everything that was written before, are durable.
    AfterSync(Answer),
}

impl Node {
    /// The records with which the acceptor writes down what a request changes in it.
    pub(super) fn records_of(&self, packet: &Packet, bounds: &Bounds) -> Vec<Record> {
        let live = self.live().filter(|_| packet.from != self.id);
        match live.map(|live| ask(&mut live.clone(), packet, bounds)) {
            Some(Ok(Some(Response::AfterSync(answer)))) => answer.records,
            _ => Vec::new(),
        }
    }
}

/// Hands a request to the acceptor of the core.
fn ask(acceptor: &mut Acceptor, packet: &Packet, bounds: &Bounds) -> Result<Option<Response>, Breach> {
    let chunk_bytes = if bounds.chunks { ONE_ENTRY } else { UNLIMITED };
    let answer: Option<Answer> = match &packet.message {
        Message::Prepare { ballot, from, .. } => Some(acceptor.on_prepare(*ballot, *from, UNLIMITED)),
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
    Ok(answer.map(Response::AfterSync))
}

/// A1 and A2, checked independently of the core.
fn check_change(before: &Acceptor, after: &Acceptor, packet: &Packet) -> Result<(), Breach> {
    let mut merged = after.vector().clone();
    merged.merge(before.vector());
    if after.promised() < before.promised() || after.cut() < before.cut() || merged != *after.vector() {
        return Err(Breach::new(
            Invariant::A1,
            format!("{before:?} became {after:?} by {}", packet.message),
        ));
    }
    for (slot, entry) in after.accepted() {
        let is_new = before.accepted().get(slot) != Some(entry);
        if entry.0 > after.promised() || (is_new && entry.0 < before.promised()) {
            return Err(Breach::new(
                Invariant::A2,
                format!("{before:?} became {after:?} by {}", packet.message),
            ));
        }
    }
    Ok(())
}
