//! Questions to the core, each asked once: what an acceptor does with a packet, and what a recovery, a
//! candidate or a leader concludes from a set of packets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kvpaxos::{Message, Slot};

use crate::hashing::key_of;
use crate::model::invariant::{Breach, Invariant};
use crate::model::node::{Change, Node};
use crate::model::packet::{Packet, PacketKind};
use crate::model::proposer::{self, Elected};
use crate::model::tables::{Count, Input, LeaderRow, Miss, StepResult, Tables, Transition, number};

impl Tables {
    /// Asks the core a question and adds the answer to the tables.
    pub(super) fn ask_core(&mut self, miss: Miss) {
        match miss {
            Miss::Step(node, input) => {
                let result = self.take_step(node, input);
                if let Ok(Some(transition)) = &result {
                    self.add_renamed_keys(transition);
                }
                self.steps.insert((node, input.code()), (true, result));
            }
            Miss::Recovery(key) => {
                let found = self.recover(key[0], &key[1..]);
                for (transition, _) in found.iter().flatten() {
                    self.add_renamed_keys(transition);
                }
                let transitions =
                    found.map(|found| found.into_iter().map(|(transition, _)| transition).collect());
                self.recoveries.insert(key, transitions);
            }
            Miss::Election(key) => {
                let found = self.elect(key[0] as usize, &key[1..]);
                let leaders = found.map(|found| found.into_iter().map(|(leader, _)| leader).collect());
                self.elections.insert(key, leaders);
            }
            Miss::Count(key) => {
                let (leader, slot) = (&self.leaders[key[0] as usize], Slot(u64::from(key[1])));
                let votes: Vec<&Packet> = key[2..].iter().map(|id| &self.packet(*id).packet).collect();
                let leadership = &leader.elected.leadership;
                let count = Count {
                    by_leader: proposer::count(&self.bounds, leadership, slot, &votes).is_some(),
                    by_definition: proposer::has_consistent_quorum(&self.bounds, &votes),
                };
                self.counts.insert(key, count);
            }
        }
    }

    /// What the node does with the input. The result is remembered.
    pub(super) fn take_step(&mut self, node: u32, input: Input) -> StepResult {
        if let Some((_, known)) = self.steps.get(&(node, input.code())) {
            return known.clone();
        }
        let before = self.node(node);
        let bounds = &self.bounds;
        let ask = || match input {
            Input::Receive(packet) => match (&self.packet(packet).packet, self.packet(packet).kind) {
                (packet, kind) if kind.is_request() => (self.on_request)(before, packet, bounds),
                (packet, _) => before.on_answer(packet, bounds),
            },
            Input::Lose { knows_life } => Ok(before.lose_memory(bounds, knows_life)),
            Input::Sync => Ok(before.sync()),
            Input::Restart => Ok(before.restart()),
            Input::Cut(slot) => Ok(before.cut(slot)),
        };
        let change = guarded(ask)?;
        if let Some(change) = &change {
            check_recovering(before, change)?;
        }
        let transition = change.map(|change| self.transition(node, input, change));
        self.steps
            .insert((node, input.code()), (false, Ok(transition.clone())));
        Ok(transition)
    }

    fn transition(&mut self, node: u32, input: Input, change: Change) -> Transition {
        let Change {
            node: after,
            sent,
            is_mere_answer,
        } = change;
        Transition {
            node: self.node_id(after, Some((node, input))),
            sent: sent.into_iter().map(|packet| self.packet_id(packet)).collect(),
            is_mere_answer,
        }
    }

    /// What this transition leads to becomes part of a state of the search, so its renamed keys are needed.
    fn add_renamed_keys(&mut self, transition: &Transition) {
        self.add_node_keys(transition.node);
        for packet in &transition.sent {
            self.add_packet_keys(*packet);
        }
    }

    /// Everything that a recovery can lead to when these packets reach it, any number of them in any order,
    /// up to the point where it sends something new or ends; and the packets that lead there. Until then a
    /// recovery only listens, so the packets may as well arrive one right after the other.
    pub(super) fn recover(
        &mut self,
        node: u32,
        packets: &[u32],
    ) -> Result<Vec<(Transition, Vec<u32>)>, Box<Breach>> {
        let asked: Vec<Packet> = self
            .node(node)
            .recovery()
            .map(|recovery| recovery.questions())
            .into_iter()
            .flatten()
            .map(|(_, message)| Packet {
                from: self.node(node).id,
                to: None,
                message,
            })
            .collect();
        let asked: Vec<u32> = asked.into_iter().map(|packet| self.packet_id(packet)).collect();
        let mut found: Vec<(Transition, Vec<u32>)> = Vec::new();
        let mut open = vec![(node, Vec::new())];
        let mut next = 0;
        while next < open.len() {
            let (node, received) = open[next].clone();
            next += 1;
            for packet in packets {
                let Some(transition) = self.take_step(node, Input::Receive(*packet))? else {
                    continue;
                };
                if transition.is_mere_answer {
                    continue;
                }
                let mut path: Vec<u32> = received.clone();
                path.push(*packet);
                let continues = self.node(transition.node).recovery().is_some()
                    && transition.sent.iter().all(|packet| asked.contains(packet));
                self.check_fresh(node, *packet)?;
                if !continues {
                    if !found.iter().any(|(known, _)| *known == transition) {
                        found.push((transition, path));
                    }
                } else if !open.iter().any(|(known, _)| *known == transition.node) {
                    open.push((transition.node, path));
                }
            }
        }
        Ok(found)
    }

    /// [`Invariant::Fresh`]: the same answer to an earlier question must change nothing.
    fn check_fresh(&self, node: u32, packet: u32) -> Result<(), Box<Breach>> {
        let mut stale = self.packet(packet).packet.clone();
        match &mut stale.message {
            Message::Recalled { nonce, .. } => *nonce -= 1,
            Message::Remembered(memory) => memory.nonce -= 1,
            _ => return Ok(()),
        }
        let change = guarded(|| self.node(node).on_answer(&stale, &self.bounds))?;
        if change.is_some_and(|change| !change.is_mere_answer) && !self.bounds.agreement_only {
            let what = format!(
                "{} takes an answer to an earlier question for a fresh one: {}",
                self.node(node).id,
                stale.message
            );
            return Err(Box::new(Breach::new(Invariant::Fresh, what)));
        }
        Ok(())
    }

    /// Every leader that the candidate at `place` can become, and the packets that lead there.
    pub(super) fn elect(
        &mut self,
        place: usize,
        packets: &[u32],
    ) -> Result<Vec<(u32, Vec<u32>)>, Box<Breach>> {
        let promises: Vec<&Packet> = packets.iter().map(|id| &self.packet(*id).packet).collect();
        let elections = guarded(|| proposer::elections(&self.bounds, place, &promises))?;
        let mut leaders = Vec::new();
        for (elected, path) in elections {
            let received = path.into_iter().map(|index| packets[index]).collect();
            leaders.push((self.leader_id(place, elected), received));
        }
        Ok(leaders)
    }

    /// The number of a leader.
    fn leader_id(&mut self, place: usize, elected: Elected) -> u32 {
        let key = key_of(&elected);
        if let Some(id) = self.leader_ids.get(&key) {
            return *id;
        }
        let accept = |(slot, value): &(Slot, _)| proposer::accept(&self.bounds, place, *slot, value);
        let accepts: Vec<Packet> = elected.proposals.iter().map(accept).collect();
        let accepts: Box<[u32]> = accepts.into_iter().map(|packet| self.packet_id(packet)).collect();
        for packet in &accepts {
            self.add_packet_keys(*packet);
        }
        let id = number(self.leaders.len());
        self.leaders.push(LeaderRow {
            elected,
            accepts,
            key,
        });
        self.leader_ids.insert(key, id);
        id
    }
}

/// A4: a recovering acceptor neither promises nor votes.
fn check_recovering(before: &Node, change: &Change) -> Result<(), Box<Breach>> {
    let mut kinds = change.sent.iter().map(Packet::kind);
    let takes_part = kinds.any(|kind| matches!(kind, PacketKind::Promise { .. } | PacketKind::Vote { .. }));
    if before.recovery().is_some() && takes_part {
        let what = format!("{} sends {:?} while it recovers", before.id, change.sent);
        return Err(Box::new(Breach::new(Invariant::A4, what)));
    }
    Ok(())
}

/// Asks the core, and turns a failed assertion into a breach of [`Invariant::Assertion`].
pub(super) fn guarded<T>(ask: impl FnOnce() -> Result<T, Breach>) -> Result<T, Box<Breach>> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => answer.map_err(Box::new),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "a panic without a message".to_owned());
            Err(Box::new(Breach::new(Invariant::Assertion, text)))
        }
    }
}
