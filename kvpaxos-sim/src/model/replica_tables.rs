//! States of whole replicas and messages by number. The core is stepped once for each action in each state of
//! a replica.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use kvpaxos::{
    ClientId, Effect, Entropy, Envelope, Event, Input, Memory, Message, Replica, ReplicaId, Request,
    RequestBody, Role, Time,
};

use crate::engine::Observer;
use crate::hashing::{BuildQuick, key_of};
use crate::model::core_queries::guarded;
use crate::model::invariant::{Breach, Invariant};

/// Something that can happen to a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Action {
    /// Its clock reaches its deadline.
    Tick,
    /// The message of this number arrives.
    Deliver(u32),
    /// A client sends a command; the number tells commands apart.
    Command(u8),
    /// Its acceptor loses its memory; the number tells losses apart.
    Loss(u8),
    /// It hears that it is to stop.
    HandOver,
}

/// What an action leads to.
#[derive(Clone, Debug)]
pub(super) struct Transition {
    /// The number of the replica's state.
    pub(super) replica: u32,
    /// The numbers of the messages that it sends to others.
    pub(super) sent: Vec<u32>,
}

/// A message on its way between two replicas.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct SentMessage {
    pub(super) from: ReplicaId,
    pub(super) to: ReplicaId,
    pub(super) message: Message,
}

/// States of replicas and messages by number, and the transitions that the core was asked for.
#[derive(Default)]
pub(super) struct ReplicaTables {
    /// Each state of a replica, its time, and its key.
    pub(super) replicas: Vec<(Replica, Time, u128)>,
    replica_ids: HashMap<u128, u32, BuildQuick>,
    /// Each message and its key.
    pub(super) messages: Vec<(SentMessage, u128)>,
    message_ids: HashMap<u128, u32, BuildQuick>,
    /// By the key of the replica's number and the action.
    pub(super) transitions: HashMap<u128, Result<Transition, Box<Breach>>, BuildQuick>,
}

impl ReplicaTables {
    /// The place of the replica that a message is for.
    pub(super) fn receiver(&self, message: u32) -> usize {
        usize::from(self.messages[message as usize].0.to.0)
    }

    /// Whether the acceptor of the replica has lost its memory and not yet recovered.
    pub(super) fn has_lost_memory(&self, replica: u32) -> bool {
        let status = self.replicas[replica as usize].0.status();
        matches!(
            status.acceptor,
            kvpaxos::status::AcceptorStatus::Recovering { .. }
        )
    }

    /// Whether all these replicas name the same leader.
    pub(super) fn all_follow(&self, ids: &[u32]) -> bool {
        let leader = |id: &u32| self.replicas[*id as usize].0.status().leader;
        let first = leader(&ids[0]);
        first.is_some() && ids.iter().all(|id| leader(id) == first)
    }

    /// Steps the replica with an action. Messages to itself arrive at once, and records are durable at once.
    /// The observer is told.
    ///
    /// # Errors
    /// If an assertion of the core fails, or if the replica halts.
    pub(super) fn take<O: Observer<Replica>>(
        &mut self,
        id: u32,
        what: &Action,
        observer: &mut O,
    ) -> Result<Transition, Box<Breach>> {
        let (replica, now, _) = &self.replicas[id as usize];
        let (mut replica, mut now) = (replica.clone(), *now);
        let own = replica.config().id;
        let mut inbox: VecDeque<Event> = VecDeque::new();
        match what {
            Action::Tick => {
                now = replica.deadline().unwrap_or(now);
                inbox.push_back(Event::Clock);
            }
            Action::Deliver(id) => {
                let SentMessage { from, message, .. } = self.messages[*id as usize].0.clone();
                inbox.push_back(Event::Peer {
                    from,
                    founding: None,
                    message,
                });
            }
            Action::Command(number) => inbox.push_back(Event::Client {
                from: ClientId(u64::from(*number)),
                request: Request {
                    id: 0,
                    body: RequestBody::Submit {
                        payload: Bytes::copy_from_slice(&[*number]),
                    },
                },
            }),
            Action::HandOver => inbox.push_back(Event::HandOver),
            Action::Loss(number) => {
                inbox.push_back(Event::Fail(Role::Acceptor));
                inbox.push_back(Event::Restart {
                    role: Role::Acceptor,
                    memory: Memory::Lost,
                    entropy: Entropy([100 + number; 32]),
                });
            }
        }
        let mut sent = Vec::new();
        while let Some(event) = inbox.pop_front() {
            let failed = matches!(event, Event::Fail(_));
            let restarted = matches!(event, Event::Restart { .. });
            if failed {
                observer.role_failed(now, own, Role::Acceptor);
            }
            if restarted {
                observer.role_restarting(now, own, Role::Acceptor, true);
            }
            observer.enters(now, own, &event);
            let effects = guarded(|| Ok(replica.step(Input { at: now, event })))?;
            observer.stepped(now, own, &replica, &effects);
            for Envelope { to, message } in carry_out(effects, (now, own), observer)? {
                if to == own {
                    inbox.push_back(Event::Peer {
                        from: own,
                        founding: None,
                        message,
                    });
                } else {
                    let from = own;
                    sent.push(self.message_id(SentMessage { from, to, message }));
                }
            }
            if restarted {
                observer.role_restarted(now, own, Role::Acceptor, &replica);
            }
        }
        Ok(Transition {
            replica: self.replica_id(replica, now),
            sent,
        })
    }

    /// The number of a replica's state.
    pub(super) fn replica_id(&mut self, replica: Replica, now: Time) -> u32 {
        let key = key_of(&(&replica, now));
        if let Some(id) = self.replica_ids.get(&key) {
            return *id;
        }
        let id = u32::try_from(self.replicas.len()).expect("fewer than 2^32 fit into memory");
        self.replicas.push((replica, now, key));
        self.replica_ids.insert(key, id);
        id
    }

    fn message_id(&mut self, message: SentMessage) -> u32 {
        let key = key_of(&message);
        if let Some(id) = self.message_ids.get(&key) {
            return *id;
        }
        let id = u32::try_from(self.messages.len()).expect("fewer than 2^32 fit into memory");
        self.messages.push((message, key));
        self.message_ids.insert(key, id);
        id
    }
}

/// Makes the records of a step's effects durable, and returns its messages.
///
/// # Errors
/// If the replica halts.
fn carry_out<O: Observer<Replica>>(
    effects: Vec<Effect>,
    (now, own): (Time, ReplicaId),
    observer: &mut O,
) -> Result<Vec<Envelope>, Box<Breach>> {
    let mut all = Vec::new();
    for effect in effects {
        let leaving = match effect {
            Effect::Send(envelope) => vec![envelope],
            Effect::Persist { records, then, .. } => {
                for record in &records {
                    observer.durable(now, own, record);
                }
                then
            }
            Effect::Halt(why) => return Err(Box::new(Breach::new(Invariant::Agreement, why.to_string()))),
            _ => Vec::new(),
        };
        for Envelope { to, message } in &leaving {
            observer.leaves(now, own, *to, message);
        }
        all.extend(leaving);
    }
    Ok(all)
}
