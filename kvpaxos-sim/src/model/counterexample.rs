//! A way through the states, told to people.

use std::fmt::Write as _;

use kvpaxos::acceptor::AcceptedValues;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::{Accepted, Promise};
use kvpaxos::{Ballot, Command, Message, ReplicaId, Slot, Value};

use crate::model::invariant::Breach;
use crate::model::node::{Node, NodeState};
use crate::model::packet::{Packet, PacketKind};
use crate::model::roles::{Action, Roles, State, bit};
use crate::model::search::follow;
use crate::model::tables::{Input, Tables};

/// How an invariant comes to be broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterexample {
    /// A line for each step.
    pub lines: Vec<String>,
    /// How many packets were heard and memories lost in it: a step of a proposer or a recovering acceptor hears several.
    pub events: usize,
}

impl Roles {
    /// Tells a way that [`search`](crate::model::search()) found: its last state, or one step from there, is at breach.
    #[must_use]
    pub fn counterexample(&self, path: &[u128], breach: &Breach) -> Counterexample {
        let mut counterexample = Counterexample {
            lines: Vec::new(),
            events: 0,
        };
        let mut before = self.untouched();
        for (action, after) in self.prefix() {
            self.tell(&mut counterexample, &before, &action, &after);
            before = after;
        }
        for after in follow(self, path).into_iter().skip(1) {
            let leads_there = |action: &Action| self.take(&before, action).0 == after;
            if let Some(action) = self.actions(&before).into_iter().find(leads_there) {
                self.tell(&mut counterexample, &before, &action, &after);
            }
            before = after;
        }
        for action in self.actions(&before) {
            let (after, wrong) = self.take(&before, &action);
            if wrong.as_deref() == Some(breach) {
                self.tell(&mut counterexample, &before, &action, &after);
                break;
            }
        }
        counterexample
    }

    fn tell(&self, counterexample: &mut Counterexample, before: &State, action: &Action, after: &State) {
        let mut line = String::new();
        let mut events = 1;
        self.learn(|tables| {
            let said = match action {
                Action::Broken(_) => {
                    events = 0;
                    write!(line, "what follows breaks an invariant")
                }
                Action::Acceptor {
                    place,
                    input: Some(input),
                    transition,
                } => {
                    let node = tables.node(transition.node);
                    write!(
                        line,
                        "{} {}; now {}",
                        letter(*place),
                        self.happening(tables, *input),
                        self.look(node)
                    )
                }
                Action::Acceptor {
                    place,
                    input: None,
                    transition,
                } => {
                    let key = self.recovery_key(tables, before, *place);
                    let found = tables.recover(key[0], &key[1..]).unwrap_or_default();
                    let path = found.into_iter().find(|(known, _)| known == transition);
                    let path = path.map(|(_, path)| path).unwrap_or_default();
                    events = path.len();
                    let heard = self.list(tables, &path);
                    let node = tables.node(transition.node);
                    write!(line, "{} hears {heard}; now {}", letter(*place), self.look(node))
                }
                Action::Lead { place, leader } => {
                    let key = self.election_key(tables, before, *place);
                    let found = tables.elect(*place, &key[1..]).unwrap_or_default();
                    let path = found.into_iter().find(|(known, _)| known == leader);
                    let path = path.map(|(_, path)| path).unwrap_or_default();
                    events = path.len();
                    let heard = self.list(tables, &path);
                    let proposals = &tables.leaders[*leader as usize].elected.proposals;
                    let proposals = proposals
                        .iter()
                        .map(|(slot, value)| format!("slot {slot}: {}", self.value(value)));
                    let proposals: Vec<String> = proposals.collect();
                    write!(
                        line,
                        "p{} hears {heard}; leads, and proposes {}",
                        place + 1,
                        proposals.join(", ")
                    )
                }
            };
            // Writing to a String does not fail.
            let _ = said;
            let news = after
                .packets
                .iter()
                .filter(|packet| !before.packets.contains(packet));
            let answers: Vec<u32> = news
                .copied()
                .filter(|packet| {
                    matches!(
                        tables.packet(*packet).kind,
                        PacketKind::Promise { .. } | PacketKind::Vote { .. }
                    )
                })
                .collect();
            if !answers.is_empty() {
                let _ = write!(line, "; sent: {}", self.list(tables, &answers));
            }
        });
        for place in 0..self.bounds.ballots {
            for slot in (0..self.bounds.slots).map(|slot| Slot(slot as u64)) {
                if (after.chosen & !before.chosen) & bit(place, slot) != 0 {
                    let _ = write!(line, "; slot {slot} is chosen in b{}", place + 1);
                }
            }
        }
        counterexample.events += events;
        counterexample.lines.push(line);
    }

    fn happening(&self, tables: &Tables, input: Input) -> String {
        match input {
            Input::Hear(packet) => format!("hears {}", self.packet(&tables.packet(packet).packet)),
            Input::Lose { knows_life: false } => "loses its memory".to_owned(),
            Input::Lose { knows_life: true } => "loses its memory, and knows its life".to_owned(),
            Input::Sync => "has written to its disk what waited".to_owned(),
            Input::Restart => "crashes and restarts from its disk".to_owned(),
            Input::Cut(slot) => format!("cuts its log below slot {slot}"),
        }
    }

    fn list(&self, tables: &Tables, packets: &[u32]) -> String {
        let told: Vec<String> = packets
            .iter()
            .map(|id| self.packet(&tables.packet(*id).packet))
            .collect();
        told.join(", ")
    }

    fn packet(&self, packet: &Packet) -> String {
        let from = self.name(packet.from);
        let what = match &packet.message {
            Message::Prepare { ballot, .. } => format!("Prepare({})", self.ballot(*ballot)),
            Message::Promise(Promise {
                ballot,
                vector,
                entries,
                cut,
                ..
            }) => format!(
                "Promise({}, {}, {}{})",
                self.ballot(*ballot),
                vector_of(vector),
                self.accepted(entries),
                cut_at(cut.0)
            ),
            Message::Accept {
                ballot, slot, value, ..
            } => format!(
                "Accept({}, slot {slot}: {})",
                self.ballot(*ballot),
                self.value(value)
            ),
            Message::Accepted { ballot, slot, vector } => format!(
                "Accepted({}, slot {slot}, {})",
                self.ballot(*ballot),
                vector_of(vector)
            ),
            Message::Recall { nonce } => format!("Recall(nonce {nonce})"),
            Message::Recalled { nonce, heard } => {
                let heard = heard.map_or("nothing".to_owned(), |life| format!("life {}", life.0));
                format!("Recalled(nonce {nonce}, {heard})")
            }
            Message::Announce {
                nonce, incarnation, ..
            } => format!("Announce(nonce {nonce}, life {})", incarnation.0),
            Message::Remembered(told) => format!(
                "Remembered(nonce {}, {}, promised {}, {}{})",
                told.nonce,
                vector_of(&told.vector),
                self.ballot(told.promised),
                self.accepted(&told.entries),
                cut_at(told.cut.0)
            ),
            other => format!("{other:?}"),
        };
        format!("{from}'s {what}")
    }

    fn look(&self, node: &Node) -> String {
        match &node.state {
            NodeState::Voting { unsynced, .. } => {
                let live = node.live().expect("it votes");
                format!(
                    "promised {}, {}, {}{}{}",
                    self.ballot(live.promised()),
                    self.entries(live.accepted()),
                    vector_of(live.vector()),
                    cut_at(live.cut().0),
                    if unsynced.is_empty() {
                        ""
                    } else {
                        ", not yet durable"
                    }
                )
            }
            NodeState::Recovering { recovery, .. } => match recovery.incarnation() {
                None => format!("asks all for its life (nonce {})", node.nonces),
                Some(life) => format!("announces life {} (nonce {})", life.0, node.nonces),
            },
        }
    }

    fn entries(&self, entries: &AcceptedValues) -> String {
        let accepted = entries.iter().map(|(slot, (ballot, value))| Accepted {
            slot: *slot,
            ballot: *ballot,
            value: value.clone(),
        });
        self.accepted(&accepted.collect::<Vec<Accepted>>())
    }

    fn accepted(&self, entries: &[Accepted]) -> String {
        if entries.is_empty() {
            return "accepted nothing".to_owned();
        }
        let told = entries.iter().map(|entry| {
            let (ballot, value) = (self.ballot(entry.ballot), self.value(&entry.value));
            format!("slot {}: {value} in {ballot}", entry.slot)
        });
        format!("accepted {}", told.collect::<Vec<String>>().join(", "))
    }

    fn ballot(&self, ballot: Ballot) -> String {
        format!("b{}", ballot.round)
    }

    fn value(&self, value: &Value) -> String {
        match value.commands().first() {
            Some(Command::Opaque { tag, .. }) => {
                format!("v{}", tag.number + 1 - self.bounds.acceptors as u64)
            }
            _ => "no-op".to_owned(),
        }
    }

    fn name(&self, id: ReplicaId) -> String {
        match usize::from(id.0).checked_sub(self.bounds.acceptors) {
            Some(place) => format!("p{}", place + 1),
            None => letter(usize::from(id.0)).to_string(),
        }
    }
}

/// Acceptors are a, b, c, as in the core's own tables.
fn letter(place: usize) -> char {
    char::from(b'a' + u8::try_from(place).unwrap_or(25))
}

fn vector_of(vector: &CrashVector) -> String {
    let told: Vec<String> = vector
        .iter()
        .map(|(id, life)| format!("{}:{}", letter(usize::from(id.0)), life.0))
        .collect();
    format!("{{{}}}", told.join(" "))
}

fn cut_at(slot: u64) -> String {
    if slot == 0 {
        String::new()
    } else {
        format!(", cut below {slot}")
    }
}
