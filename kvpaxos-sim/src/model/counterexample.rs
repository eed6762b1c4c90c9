//! Counterexamples: the path to a breach, a line for each step.
//!
//! Messages are written in the core's [notation](kvpaxos::notation). Acceptors are `r0`, `r1`, ...; proposers
//! are numbered behind them. The ballot of round 1 belongs to the first proposer, whose command for each slot
//! is `v1`, and so on.

use kvpaxos::acceptor::Acceptor;
use kvpaxos::{ReplicaId, Slot, Value};

use crate::model::invariant::Breach;
use crate::model::node::{Node, NodeState};
use crate::model::packet::{Packet, PacketKind};
use crate::model::roles::{Action, Roles, State, bit};
use crate::model::search::follow;
use crate::model::tables::{Input, Tables};

/// The path to a breach of an invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterexample {
    /// A line for each step.
    pub lines: Vec<String>,
    /// How many packets arrive and how many memories are lost on the path. One step of a proposer or of a
    /// recovering acceptor takes in several packets.
    pub events: usize,
}

/// A breach would have been an [`Action::Broken`].
const NO_BREACH: &str = "the search saw this step without a breach";

/// A step in words, and the number of its events.
struct Line {
    text: String,
    events: usize,
}

impl Roles {
    /// The steps along a path that [`search`](crate::model::search()) found, up to the breach.
    #[must_use]
    pub fn counterexample(&self, path: &[u128], breach: &Breach) -> Counterexample {
        let mut counterexample = Counterexample {
            lines: Vec::new(),
            events: 0,
        };
        let mut add = |line: Line| {
            counterexample.lines.push(line.text);
            counterexample.events += line.events;
        };
        let mut before = self.blank();
        for (action, after) in self.prefix() {
            add(self.line(&before, &action, &after));
            before = after;
        }
        for after in follow(self, path).into_iter().skip(1) {
            let leads_there = |action: &Action| self.take(&before, action).0 == after;
            let action = self.actions(&before).into_iter().find(leads_there);
            let action = action.expect("the search took an action from this state to the next");
            add(self.line(&before, &action, &after));
            before = after;
        }
        for action in self.actions(&before) {
            let (after, found) = self.take(&before, &action);
            if found.as_deref() == Some(breach) {
                add(self.line(&before, &action, &after));
                break;
            }
        }
        counterexample
    }

    /// A step in words.
    pub(super) fn words_of(&self, before: &State, action: &Action, after: &State) -> String {
        self.line(before, action, after).text
    }

    fn line(&self, before: &State, action: &Action, after: &State) -> Line {
        let mut line = self.update(|tables| {
            let mut line = self.action(tables, before, action);
            let is_new = |packet: &&u32| !before.packets.contains(packet);
            let is_answer = |packet: &&u32| {
                let kind = tables.packet(**packet).kind;
                matches!(kind, PacketKind::Promise { .. } | PacketKind::Vote { .. })
            };
            let sent: Vec<String> = after
                .packets
                .iter()
                .filter(is_new)
                .filter(is_answer)
                .map(|id| tables.packet(*id).packet.message.to_string())
                .collect();
            if !sent.is_empty() {
                line.text.push_str(&format!("; sends {}", sent.join(" | ")));
            }
            line
        });
        for place in 0..self.bounds.ballots {
            for slot in (0..self.bounds.slots).map(|slot| Slot(slot as u64)) {
                if (after.chosen & !before.chosen) & bit(place, slot) != 0 {
                    let ballot = self.bounds.ballot(place);
                    line.text
                        .push_str(&format!("; {slot:?} has a chosen value in {ballot}"));
                }
            }
        }
        line
    }

    fn action(&self, tables: &mut Tables, before: &State, action: &Action) -> Line {
        match action {
            Action::Broken(_) => Line {
                text: "the next step breaks the invariant".to_owned(),
                events: 0,
            },
            Action::Acceptor {
                place,
                input: Some(input),
                transition,
            } => Line {
                text: format!(
                    "r{place} {}; now {}",
                    input_in_words(tables, *input),
                    node_in_words(tables.node(transition.node))
                ),
                events: 1,
            },
            Action::Acceptor {
                place,
                input: None,
                transition,
            } => {
                let key = self.recovery_key(tables, before, *place);
                let found = tables.recover(key[0], &key[1..]).expect(NO_BREACH);
                let path = path_to(found, transition);
                Line {
                    text: format!(
                        "r{place} receives {}; now {}",
                        packets_in_words(tables, &path),
                        node_in_words(tables.node(transition.node))
                    ),
                    events: path.len(),
                }
            }
            Action::Lead { place, leader } => {
                let key = self.election_key(tables, before, *place);
                let found = tables.elect(*place, &key[1..]).expect(NO_BREACH);
                let path = path_to(found, leader);
                let proposals = &tables.leaders[*leader as usize].elected.proposals;
                Line {
                    text: format!(
                        "{} receives {}; leads, and proposes {}",
                        self.bounds.proposer(*place),
                        packets_in_words(tables, &path),
                        proposals_in_words(proposals)
                    ),
                    events: path.len(),
                }
            }
        }
    }
}

/// The packets that lead to this outcome.
fn path_to<T: PartialEq>(found: Vec<(T, Vec<u32>)>, outcome: &T) -> Vec<u32> {
    let found = found.into_iter().find(|(known, _)| known == outcome);
    found.expect("the search saw the core come to this outcome").1
}

fn input_in_words(tables: &Tables, input: Input) -> String {
    match input {
        Input::Receive(packet) => format!("receives {}", packet_in_words(&tables.packet(packet).packet)),
        Input::Lose { knows_life: false } => "loses its memory".to_owned(),
        Input::Lose { knows_life: true } => "loses its memory, but its replica knows its life".to_owned(),
        Input::Sync => "has its oldest write on the disk".to_owned(),
        Input::Restart => "crashes and restarts from its disk".to_owned(),
        Input::Cut(slot) => format!("cuts its log below {slot:?}"),
    }
}

fn packets_in_words(tables: &Tables, packets: &[u32]) -> String {
    let packets = packets
        .iter()
        .map(|id| packet_in_words(&tables.packet(*id).packet));
    packets.collect::<Vec<String>>().join(" | ")
}

fn packet_in_words(packet: &Packet) -> String {
    format!("from {}: {}", packet.from, packet.message)
}

fn proposals_in_words(proposals: &[(Slot, Value)]) -> String {
    let proposals = proposals.iter().map(|(slot, value)| format!("{slot:?} {value}"));
    proposals.collect::<Vec<String>>().join(", ")
}

fn node_in_words(node: &Node) -> String {
    match &node.state {
        NodeState::Voting { durable, unsynced } => {
            let live = unsynced.last().map_or(durable, |last| last.acceptor());
            let unsynced = if unsynced.is_empty() {
                ""
            } else {
                ", not yet durable"
            };
            format!("{}{unsynced}", acceptor_in_words(live, node.id))
        }
        NodeState::Recovering { recovery, .. } => match recovery.incarnation() {
            None => format!("asks for its life (#{})", node.nonces),
            Some(life) => format!("announces life {} (#{})", life.0, node.nonces),
        },
    }
}

fn acceptor_in_words(acceptor: &Acceptor, id: ReplicaId) -> String {
    let accepted = acceptor.accepted().iter();
    let accepted = accepted.map(|(slot, (ballot, value))| format!("{slot:?} {ballot} {value}"));
    let mut text = format!(
        "promised {}, accepted {{{}}}",
        acceptor.promised(),
        accepted.collect::<Vec<String>>().join("; ")
    );
    if acceptor.vector().iter().next().is_some() {
        let life = acceptor.vector().get(id).0;
        text.push_str(&format!(", in life {life}, knows {}", acceptor.vector()));
    }
    if acceptor.cut() > Slot::ZERO {
        text.push_str(&format!(", cut below {:?}", acceptor.cut()));
    }
    text
}
