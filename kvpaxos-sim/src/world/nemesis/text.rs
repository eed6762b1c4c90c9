//! Faults in words, for timelines.

use std::fmt;

use kvpaxos::Micros;

use super::fault::{Fault, LastingFault};
use crate::world::partition::Cut;

impl fmt::Display for LastingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LastingFault::Down { id, lost, damage } => {
                write!(f, "{id} is down")?;
                match damage {
                    Some(damage) => write!(f, ", and its log is damaged: {damage:?}"),
                    None if *lost => f.write_str(", and its disk is lost"),
                    None => Ok(()),
                }
            }
            LastingFault::Stopping { id, .. } => write!(f, "{id} is to stop"),
            LastingFault::Paused(id) => write!(f, "{id} is paused"),
            LastingFault::Role { id, role, lost } => {
                let lost = if *lost { ", and loses its memory" } else { "" };
                write!(f, "the {role} of {id} fails{lost}")
            }
            LastingFault::Cut(cuts) | LastingFault::Flapping { cuts, .. } => write_cuts(f, cuts),
            LastingFault::Drift { id, speed } => write_speed(f, id, *speed),
            LastingFault::Slow(id) => write!(f, "the disk of {id} is slow"),
            LastingFault::Full(id) => write!(f, "the disk of {id} is full"),
            LastingFault::CrashAtSync(id) => write!(f, "{id} crashes at its next sync"),
            LastingFault::Corrupting(id) => write!(f, "{id} changes what it sends"),
            LastingFault::DegradedLinks(id) => write!(f, "the links of {id} lose most messages"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Lasting(fault) => fault.fmt(f),
            Fault::Speed { id, speed } => write_speed(f, id, *speed),
            Fault::Jump { id, by: Micros(by) } => write!(f, "the clock of {id} jumps by {} ms", by / 1000),
            Fault::HangUp { client, id } => write!(f, "the connection of c{client} to {id} breaks"),
        }
    }
}

fn write_cuts(f: &mut fmt::Formatter<'_>, cuts: &[Cut]) -> fmt::Result {
    f.write_str("cut:")?;
    for (from, to) in cuts {
        if from > to && cuts.contains(&(*to, *from)) {
            continue;
        }
        let both = if cuts.contains(&(*to, *from)) { "<->" } else { "->" };
        write!(f, " {from}{both}{to}")?;
    }
    Ok(())
}

fn write_speed(f: &mut fmt::Formatter<'_>, id: &kvpaxos::ReplicaId, speed: u64) -> fmt::Result {
    write!(f, "the clock of {id} runs at {} %", speed / 10_000)
}
