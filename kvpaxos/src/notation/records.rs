//! What stands in the log.

use std::fmt;

use super::{Cut, Foundings, Vector};
use crate::io::{Checkpoint, Record};

/// Its name, then what it says.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Proposed { ballot } => write!(f, "Proposed {ballot}"),
            Record::Promised { ballot } => write!(f, "Promised {ballot}"),
            Record::Accepted { ballot, slot, value } => write!(f, "Accepted {ballot} {slot:?} {value}"),
            Record::Chosen { ballot, up_to } => write!(f, "Chosen {ballot} below {up_to:?}"),
            Record::Learned { slot, value } => write!(f, "Learned {slot:?} {value}"),
            Record::MemoryLost => f.write_str("MemoryLost"),
            Record::DiskLost => f.write_str("DiskLost"),
            Record::Heard {
                acceptor,
                incarnation,
            } => write!(f, "Heard of life {} of {acceptor}", incarnation.0),
            Record::Checkpoint(checkpoint) => checkpoint.fmt(f),
            Record::Carried(accepted) => write!(f, "Carried {accepted}"),
            Record::SnapshotPart { at, next, .. } => {
                let last = if next.is_none() { ", the last" } else { "" };
                write!(f, "SnapshotPart at {at}{last}")
            }
            Record::CheckpointEnd { number } => write!(f, "CheckpointEnd {number}"),
            Record::Received(part) => write!(f, "Received snapshot {:?} at {}", part.slot, part.at),
            Record::Founded { founding } => write!(f, "Founded {founding}"),
            Record::Met { replica, known } => write!(f, "Met {replica} of {known}"),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint {
            number,
            slot,
            promised,
            proposed,
            ..
        } = self;
        write!(
            f,
            "Checkpoint {number} at {slot:?}: promised {promised}, used {proposed}"
        )?;
        let (cut, vector, foundings) = (Cut(self.cut), Vector(&self.vector), Foundings(&self.met));
        write!(f, "{cut}{vector}{foundings}")
    }
}
