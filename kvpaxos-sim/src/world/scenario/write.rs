//! A scenario as text.

use std::fmt;

use super::words::{call_words, damage_word, role_word, seconds};
use super::{End, Scenario, settings};
use crate::engine::Fate;
use crate::world::clients::PlannedCall;
use crate::world::nemesis::{Fault, LastingFault, PlannedFault};

/// The first word of the file, and the version of the format.
pub(super) const HEAD: &str = "kvpaxos-scenario 1";

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some(mutant) = &self.mutant {
            writeln!(f, "mutant {mutant}")?;
        }
        if let Some(property) = self.violates {
            writeln!(f, "violates {property} # {}", property.says())?;
        }
        writeln!(f, "seed {}", self.setup.seed)?;
        for line in settings::lines(&self.setup) {
            writeln!(f, "{line}")?;
        }
        let mut calls = self.calls.iter().peekable();
        let mut faults = self.faults.iter().peekable();
        // In the order of their times, so that the file reads as a story.
        loop {
            let call_first = match (calls.peek(), faults.peek()) {
                (None, None) => break,
                (Some(call), Some(fault)) => call.at < fault.at,
                (call, _) => call.is_some(),
            };
            if call_first {
                calls.next().map_or(Ok(()), |call| write_call(f, call))?;
            } else {
                faults.next().map_or(Ok(()), |fault| write_fault(f, fault))?;
            }
        }
        for (name, fate) in &self.deviations.fates {
            match fate {
                Fate::Lost => writeln!(f, "lose {name}")?,
                Fate::Arrives(after) => writeln!(f, "delay {name} {}", seconds(*after))?,
                Fate::ArrivesTwice(first, second) => {
                    writeln!(f, "twice {name} {} {}", seconds(*first), seconds(*second))?;
                }
            }
        }
        for (name, length) in &self.deviations.syncs {
            writeln!(f, "sync {name} {}", seconds(*length))?;
        }
        for (name, answer) in &self.deviations.draws {
            writeln!(f, "draw {name} {answer}")?;
        }
        match self.end {
            End::Stop(at) => writeln!(f, "stop {}", seconds(at.0)),
            End::Heal(at) => writeln!(f, "heal {}", seconds(at.0)),
        }
    }
}

fn write_call(f: &mut fmt::Formatter<'_>, planned: &PlannedCall) -> fmt::Result {
    let PlannedCall {
        client,
        lane,
        at,
        call,
    } = planned;
    let lane = if *lane == 0 {
        String::new()
    } else {
        format!(".{lane}")
    };
    writeln!(f, "call {} c{client}{lane} {}", seconds(at.0), call_words(call))
}

fn write_fault(f: &mut fmt::Formatter<'_>, planned: &PlannedFault) -> fmt::Result {
    let PlannedFault {
        number,
        at,
        lasts,
        fault,
    } = planned;
    let what = match fault {
        Fault::Lasting(fault) => {
            write!(f, "fault {number} {} +{} ", seconds(at.0), seconds(lasts.0))?;
            lasting_words(fault)
        }
        instant => {
            write!(f, "fault {number} {} ", seconds(at.0))?;
            match instant {
                Fault::Speed { id, speed } => format!("speed {id} {speed}"),
                Fault::Jump { id, by } => format!("jump {id} {}", seconds(by.0)),
                Fault::HangUp { client, id } => format!("hang-up c{client} {id}"),
                Fault::Lasting(_) => String::new(),
            }
        }
    };
    writeln!(f, "{what}")
}

fn lasting_words(fault: &LastingFault) -> String {
    let lost_word = |lost: &bool| if *lost { " lost" } else { "" };
    match fault {
        LastingFault::Down { id, lost, damage } => {
            let damage = damage.map(|damage| format!(" {}", damage_word(damage)));
            format!("crash {id}{}{}", lost_word(lost), damage.unwrap_or_default())
        }
        LastingFault::Stopping { id, down } => format!("stop {id} {}", seconds(down.0)),
        LastingFault::Paused(id) => format!("pause {id}"),
        LastingFault::Role { id, role, lost } => {
            format!("fail {id} {}{}", role_word(*role), lost_word(lost))
        }
        LastingFault::Cut(cuts) | LastingFault::Flapping { cuts, .. } => {
            let links: Vec<String> = cuts.iter().map(|(from, to)| format!("{from}->{to}")).collect();
            format!("cut {}", links.join(" "))
        }
        LastingFault::Drift { id, speed } => format!("drift {id} {speed}"),
        LastingFault::Slow(id) => format!("slow-disk {id}"),
        LastingFault::Full(id) => format!("full-disk {id}"),
        LastingFault::CrashAtSync(id) => format!("crash-at-sync {id}"),
        LastingFault::Corrupting(id) => format!("corrupt-parts {id}"),
        LastingFault::DegradedLinks(id) => format!("degrade-links {id}"),
    }
}
