//! What replicas say to each other.

use std::fmt;

use super::{Chunk, Cut, Foundings, Vector, list};
use crate::message::{AcceptorHealth, Heartbeat, Message, Promise, Remembered, SnapshotPart};

/// Its name, then what it carries.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Prepare { ballot, from, .. } => write!(f, "Prepare {ballot} from {from:?}"),
            Message::Promise(promise) => promise.fmt(f),
            Message::Refused { ballot, promised } => write!(f, "Refused {ballot}, promised {promised}"),
            Message::Accept {
                ballot,
                slot,
                value,
                chosen,
                ..
            } => write!(f, "Accept {ballot} {slot:?} {value}; {chosen}"),
            Message::Accepted { ballot, slot, vector } => {
                write!(f, "Accepted {ballot} {slot:?}{}", Vector(vector))
            }
            Message::Chosen { ballot, chosen, .. } => write!(f, "Chosen {ballot}; {chosen}"),
            Message::Applied { ballot, up_to } => write!(f, "Applied {ballot} below {up_to:?}"),
            Message::Heartbeat(heartbeat) => heartbeat.fmt(f),
            Message::Forward { commands } => {
                f.write_str("Forward [")?;
                list(f, commands, ", ")?;
                f.write_str("]")
            }
            Message::ReadIndex { number } => write!(f, "ReadIndex #{number}"),
            Message::ReadIndexed { number, up_to, .. } => write!(f, "ReadIndexed #{number} below {up_to:?}"),
            Message::Confirm { ballot, round, .. } => write!(f, "Confirm {ballot} round {round}"),
            Message::Confirmed { ballot, round } => write!(f, "Confirmed {ballot} round {round}"),
            Message::Learn { from } => write!(f, "Learn from {from:?}"),
            Message::Learned { from, values } => {
                write!(f, "Learned from {from:?} {{")?;
                list(f, values, ", ")?;
                f.write_str("}")
            }
            Message::Recall { nonce } => write!(f, "Recall #{nonce}"),
            Message::Recalled { nonce, heard: None } => write!(f, "Recalled #{nonce}: recovering"),
            Message::Recalled {
                nonce,
                heard: Some(heard),
            } => write!(f, "Recalled #{nonce}: heard of life {}", heard.0),
            Message::Announce {
                nonce,
                incarnation,
                from,
            } => write!(f, "Announce #{nonce} life {}, from {from:?}", incarnation.0),
            Message::Remembered(remembered) => remembered.fmt(f),
            Message::Fetch { slot, at } => write!(f, "Fetch snapshot {slot:?} at {at}"),
            Message::SnapshotPart(part) => part.fmt(f),
            Message::Saved { pieces, .. } => write!(f, "Saved {pieces}"),
            Message::Stand { ballot } => write!(f, "Stand {ballot}"),
        }
    }
}

impl Message {
    /// The name of its variant: what its notation begins with.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Message::Prepare { .. } => "Prepare",
            Message::Promise(_) => "Promise",
            Message::Refused { .. } => "Refused",
            Message::Accept { .. } => "Accept",
            Message::Accepted { .. } => "Accepted",
            Message::Chosen { .. } => "Chosen",
            Message::Applied { .. } => "Applied",
            Message::Heartbeat(_) => "Heartbeat",
            Message::Forward { .. } => "Forward",
            Message::ReadIndex { .. } => "ReadIndex",
            Message::ReadIndexed { .. } => "ReadIndexed",
            Message::Confirm { .. } => "Confirm",
            Message::Confirmed { .. } => "Confirmed",
            Message::Learn { .. } => "Learn",
            Message::Learned { .. } => "Learned",
            Message::Recall { .. } => "Recall",
            Message::Recalled { .. } => "Recalled",
            Message::Announce { .. } => "Announce",
            Message::Remembered(_) => "Remembered",
            Message::Fetch { .. } => "Fetch",
            Message::SnapshotPart(_) => "SnapshotPart",
            Message::Saved { .. } => "Saved",
            Message::Stand { .. } => "Stand",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Promise {
            ballot,
            from,
            vector,
            cut,
            entries,
            more,
        } = self;
        let (entries, cut, vector) = (Chunk(entries, *more), Cut(*cut), Vector(vector));
        write!(f, "Promise {ballot} from {from:?} {entries}{cut}{vector}")
    }
}

impl fmt::Display for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Remembered {
            nonce,
            incarnation,
            vector,
            promised,
            cut,
            from,
            entries,
            more,
            met,
        } = self;
        let life = incarnation.0;
        write!(f, "Remembered #{nonce} life {life}: promised {promised}, ")?;
        let (entries, cut, vector) = (Chunk(entries, *more), Cut(*cut), Vector(vector));
        write!(f, "from {from:?} {entries}{cut}{vector}{}", Foundings(met))
    }
}

impl fmt::Display for SnapshotPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = if self.next.is_none() { ", the last" } else { "" };
        write!(f, "SnapshotPart {:?} at {}{last}", self.slot, self.at)
    }
}

/// The echo is "-" if no heartbeat of the receiver was heard.
impl fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Heartbeat {} echo ", self.beat)?;
        match self.echo {
            Some((_, beat)) => write!(f, "{beat}, ")?,
            None => f.write_str("-, ")?,
        }
        match self.leader {
            Some(ballot) => write!(f, "leader {ballot}")?,
            None => f.write_str("no leader")?,
        }
        write!(f, ", highest {}, learned below {:?}", self.highest, self.learned)?;
        if let Some(chosen) = self.chosen {
            write!(f, ", {chosen}")?;
        }
        f.write_str(match self.acceptor {
            AcceptorHealth::Votes => "",
            AcceptorHealth::Failed => ", no vote",
            AcceptorHealth::Lost => ", memory lost",
        })?;
        write!(f, "{}{}", Vector(&self.vector), Foundings(&self.met))?;
        match self.differs {
            Some(slot) => write!(f, ", differs below {slot:?}"),
            None => Ok(()),
        }
    }
}
