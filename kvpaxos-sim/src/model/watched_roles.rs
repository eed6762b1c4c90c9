//! Paths of single roles, told as if replicas took them.
//!
//! An acceptor writes what the core tells it to write; what it remembers after a recovery, or after a cut, it
//! writes as a checkpoint. Every acceptor answers each request that only asks for an answer, after each step,
//! whether the search needs that answer or not.

use std::collections::VecDeque;

use kvpaxos::acceptor::Acceptor;
use kvpaxos::io::Checkpoint;
use kvpaxos::message::Accepted;
use kvpaxos::{Message, Observation, Record, ReplicaId, Role, Slot, Time};

use crate::model::node::Node;
use crate::model::packet::Packet;
use crate::model::roles::{Action, Roles, State, bit};
use crate::model::tables::{Input, Tables};
use crate::model::watch::{Watched, Watcher};

/// What is known on a path besides its last state.
pub(crate) struct RolesPath {
    /// By acceptor: the records of each change that is not durable, oldest first.
    unsynced: Vec<VecDeque<Vec<Record>>>,
    /// How many checkpoints were written, all together.
    checkpoints: u64,
    /// How many steps were taken; the time that the watcher is told.
    steps: u64,
}

impl Watched for Roles {
    type Step = Action;
    type Path = RolesPath;

    fn begin<W: Watcher>(&self, watcher: &mut W) -> RolesPath {
        let mut path = RolesPath {
            unsynced: vec![VecDeque::new(); self.bounds.acceptors],
            checkpoints: 0,
            steps: 0,
        };
        let mut state = self.blank();
        for place in 0..self.bounds.ballots {
            let (proposer, ballot) = (self.bounds.proposer(place), self.bounds.ballot(place));
            watcher.reports(proposer, &Observation::Candidate { ballot });
            path.write(proposer, &[Record::Proposed { ballot }], watcher);
        }
        self.tell_sent(&path, &state.packets, watcher);
        for (action, after) in self.prefix() {
            self.tell(&mut path, &state, &action, &after, watcher);
            state = after;
        }
        path
    }

    fn steps(&self, state: &State) -> Vec<(Action, State)> {
        let actions = self.actions(state).into_iter();
        actions
            .filter(|action| !matches!(action, Action::Broken(_)))
            .map(|action| {
                let after = self.take(state, &action).0;
                (action, after)
            })
            .collect()
    }

    fn tell<W: Watcher>(
        &self,
        path: &mut RolesPath,
        before: &State,
        action: &Action,
        after: &State,
        watcher: &mut W,
    ) {
        path.steps += 1;
        match action {
            Action::Broken(_) => {}
            Action::Acceptor {
                place,
                input,
                transition,
            } => {
                let (then, now) = self.update(|tables| {
                    let node = |id| tables.node(id).clone();
                    (node(before.nodes[*place]), node(transition.node))
                });
                let packet = input.and_then(|input| match input {
                    Input::Receive(id) => Some(self.update(|tables| tables.packet(id).packet.clone())),
                    _ => None,
                });
                match packet {
                    Some(packet) => {
                        let mut revealing = self.messages(&transition.sent);
                        revealing.extend(now.waiting());
                        let records = then.records_of(&packet, &self.bounds);
                        let is_durable = self.bounds.unsynced == 0;
                        path.tell_request(*place, records, &revealing, is_durable, watcher);
                    }
                    None => path.tell_change(*place, *input, &now, watcher),
                }
                self.tell_sent(path, &transition.sent, watcher);
            }
            Action::Lead { place, leader } => {
                let by = self.bounds.proposer(*place);
                let elected = Observation::Elected {
                    ballot: self.bounds.ballot(*place),
                    carried_over: 0,
                    gaps: 0,
                };
                watcher.reports(by, &elected);
                let accepts = self.update(|tables| tables.leaders[*leader as usize].accepts.clone());
                self.tell_sent(path, &accepts, watcher);
            }
        }
        self.answer_all(path, after, watcher);
        self.tell_chosen(before, after, watcher);
    }

    fn words(&self, before: &State, action: &Action, after: &State) -> String {
        self.words_of(before, action, after)
    }
}

impl Roles {
    fn messages(&self, packets: &[u32]) -> Vec<Message> {
        let message = |tables: &Tables, id: &u32| tables.packet(*id).packet.message.clone();
        self.update(|tables| packets.iter().map(|id| message(tables, id)).collect())
    }

    /// Tells of packets that leave, to each whom they reach.
    fn tell_sent<W: Watcher>(&self, path: &RolesPath, packets: &[u32], watcher: &mut W) {
        for id in packets {
            let Packet { from, to, message } = self.update(|tables| tables.packet(*id).packet.clone());
            let others = self.bounds.members().iter().filter(|member| *member != from);
            let all: Vec<ReplicaId> = to.map_or_else(|| others.collect(), |to| vec![to]);
            for to in all {
                watcher.leaves(Time(path.steps), from, to, &message);
            }
        }
    }

    /// Every acceptor answers each request that changes nothing in it.
    fn answer_all<W: Watcher>(&self, path: &RolesPath, state: &State, watcher: &mut W) {
        for node in &state.nodes[..self.bounds.acceptors] {
            for packet in &state.packets {
                let answer = self.update(|tables| {
                    let is_request = tables.packet(*packet).kind.is_request();
                    let step = is_request.then(|| tables.take_step(*node, Input::Receive(*packet)));
                    step.and_then(Result::ok)
                        .flatten()
                        .filter(|step| step.is_mere_answer)
                });
                if let Some(answer) = answer {
                    let by = self.update(|tables| tables.node(*node).id);
                    watcher.writes(by, &[], &self.messages(&answer.sent));
                    self.tell_sent(path, &answer.sent, watcher);
                }
            }
        }
    }

    /// Leaders count values as chosen.
    fn tell_chosen<W: Watcher>(&self, before: &State, after: &State, watcher: &mut W) {
        for place in 0..self.bounds.ballots {
            for slot in (0..self.bounds.slots as u64).map(Slot) {
                if after.chosen & !before.chosen & bit(place, slot) != 0 {
                    let ballot = self.bounds.ballot(place);
                    watcher.reports(self.bounds.proposer(place), &Observation::Chosen { ballot, slot });
                }
            }
        }
    }
}

impl RolesPath {
    /// A request changes an acceptor, which writes records that these messages reveal.
    fn tell_request<W: Watcher>(
        &mut self,
        place: usize,
        records: Vec<Record>,
        revealing: &[Message],
        is_durable: bool,
        watcher: &mut W,
    ) {
        let by = ReplicaId(u8::try_from(place).expect("the bounds were checked"));
        watcher.writes(by, &records, revealing);
        if !is_durable {
            self.unsynced[place].push_back(records);
            return;
        }
        for record in records {
            watcher.durable(Time(self.steps), by, &record);
        }
    }

    /// Something other than a request changes an acceptor, which is in the state `now` by that.
    fn tell_change<W: Watcher>(&mut self, place: usize, input: Option<Input>, now: &Node, watcher: &mut W) {
        let id = now.id;
        let time = Time(self.steps);
        match input {
            Some(Input::Lose { .. }) => {
                self.unsynced[place].clear();
                watcher.role_failed(time, id, Role::Acceptor);
                watcher.role_restarting(time, id, Role::Acceptor, true);
                self.write(id, &[Record::MemoryLost], watcher);
            }
            Some(Input::Sync) => {
                for record in self.unsynced[place].pop_front().iter().flatten() {
                    watcher.durable(time, id, record);
                }
            }
            Some(Input::Restart) => {
                let lost = self.unsynced[place].len();
                self.unsynced[place].clear();
                watcher.crashed(time, id, None, lost);
            }
            Some(Input::Cut(_)) | None => {
                if let Some(acceptor) = now.live() {
                    self.checkpoint(id, acceptor, watcher);
                }
            }
            Some(Input::Receive(_)) => unreachable!("a request is told as one"),
        }
    }

    /// Records are written, and durable at once.
    fn write<W: Watcher>(&self, by: ReplicaId, records: &[Record], watcher: &mut W) {
        watcher.writes(by, records, &[]);
        for record in records {
            watcher.durable(Time(self.steps), by, record);
        }
    }

    /// An acceptor writes down all that it remembers.
    fn checkpoint<W: Watcher>(&mut self, by: ReplicaId, acceptor: &Acceptor, watcher: &mut W) {
        self.checkpoints += 1;
        let number = self.checkpoints;
        let begin = Record::Checkpoint(Box::new(Checkpoint {
            number,
            cut: acceptor.cut(),
            promised: acceptor.promised(),
            vector: acceptor.vector().clone(),
            ..Checkpoint::default()
        }));
        let carried = acceptor.accepted().range(acceptor.cut()..);
        let carried = carried.map(|(slot, (ballot, value))| {
            Record::Carried(Accepted {
                slot: *slot,
                ballot: *ballot,
                value: value.clone(),
            })
        });
        let end = Record::CheckpointEnd { number };
        let records: Vec<Record> = [begin].into_iter().chain(carried).chain([end]).collect();
        self.write(by, &records, watcher);
    }
}
