//! Deviations as lines of text, and lines of text as deviations. The page [`crate::manual::scenarios`] has the grammar.

use std::collections::BTreeMap;
use std::fmt;

use super::decider::Deviations;
use super::names::{Draw, DrawName, MessageName, SyncName};
use super::words::{count, link, number, read_seconds, replica, seconds};
use crate::engine::{Fate, Label, interned};

impl fmt::Display for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, fate) in &self.fates {
            match fate {
                Fate::Lost => writeln!(f, "lose {name}")?,
                Fate::Arrives(after) => writeln!(f, "delay {name} {}", seconds(*after))?,
                Fate::ArrivesTwice(first, second) => {
                    writeln!(f, "twice {name} {} {}", seconds(*first), seconds(*second))?;
                }
            }
        }
        for (name, length) in &self.syncs {
            writeln!(f, "sync {name} {}", seconds(*length))?;
        }
        for (name, answer) in &self.draws {
            writeln!(f, "draw {name} {answer}")?;
        }
        Ok(())
    }
}

/// What the names in a text may refer to.
pub(crate) struct Nodes {
    /// The number of replicas.
    pub(crate) replicas: usize,
    /// The number of clients.
    pub(crate) clients: u32,
    /// All kinds of messages, requests and replies; `None` if any word may be one.
    pub(crate) labels: Option<&'static [&'static str]>,
}

impl Deviations {
    /// Takes in a line, if it begins as one of a deviation does. The error says what is wrong with it.
    pub(crate) fn read(&mut self, words: &[&str], nodes: &Nodes) -> Result<bool, String> {
        match *words {
            ["lose", ref name @ ..] => once(&mut self.fates, nodes.message(name)?, Fate::Lost)?,
            ["delay", ref name @ .., after] => {
                let fate = Fate::Arrives(read_seconds(after)?);
                once(&mut self.fates, nodes.message(name)?, fate)?;
            }
            ["twice", ref name @ .., first, second] => {
                let fate = Fate::ArrivesTwice(read_seconds(first)?, read_seconds(second)?);
                once(&mut self.fates, nodes.message(name)?, fate)?;
            }
            ["sync", id, of, length] => {
                let id = replica(id, nodes.replicas)?;
                let count = count(of)?;
                once(&mut self.syncs, SyncName { id, count }, read_seconds(length)?)?;
            }
            ["draw", ref name @ .., answer] => {
                once(&mut self.draws, nodes.draw(name)?, number(answer, "answer")?)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Nodes {
    fn message(&self, words: &[&str]) -> Result<MessageName, String> {
        let [between, kind, about, of] = *words else {
            return Err(format!(
                "{:?} names no message: write r0->r2 Accept 7 #3",
                words.join(" ")
            ));
        };
        let (from, to) = link(between, self.replicas, self.clients)?;
        let known = match self.labels {
            Some(labels) => labels.iter().find(|known| **known == kind).copied(),
            None => Some(interned(kind)),
        };
        let kind = known.ok_or_else(|| format!("no message is called {kind:?}"))?;
        let about = number(about, "number of a slot, ballot or request")?;
        Ok(MessageName {
            from,
            to,
            label: Label { kind, about },
            count: count(of)?,
        })
    }

    fn draw(&self, words: &[&str]) -> Result<DrawName, String> {
        let (fault, rest) = match words {
            ["fault", fault, rest @ ..] => (Some(number(fault, "number of a fault")?), rest),
            ["-", rest @ ..] => (None, rest),
            _ => {
                return Err(
                    "a draw belongs to a fault or (-) to none: draw fault 3 r1 torn-sector #1 2".to_owned(),
                );
            }
        };
        let [who, what, of] = *rest else {
            return Err(format!(
                "{:?} names no draw: write r1 torn-sector #1",
                rest.join(" ")
            ));
        };
        let id = match who {
            "-" => None,
            who => Some(replica(who, self.replicas)?),
        };
        let known = Draw::ALL.into_iter().find(|draw| draw.word() == what);
        Ok(DrawName {
            fault,
            id,
            what: known.ok_or_else(|| format!("nothing that is drawn is called {what:?}"))?,
            count: count(of)?,
        })
    }
}

fn once<N: Ord + fmt::Display, A>(of: &mut BTreeMap<N, A>, name: N, answer: A) -> Result<(), String> {
    let text = name.to_string();
    match of.insert(name, answer) {
        None => Ok(()),
        Some(_) => Err(format!("{text} is decided above")),
    }
}
