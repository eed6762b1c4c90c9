//! Faults as lines of text, and lines of text as faults.

use std::fmt;

use kvpaxos::{Micros, Time};

use super::words::{self, damage_word, role_word};
use crate::decisions::Nodes;
use crate::decisions::words::{client, link, number, read_seconds, replica, seconds};
use crate::world::nemesis::{Fault, LastingFault, PlannedFault};

/// Writes calls, each with `write_call`, and faults in the order of their times, so that the file reads as a story.
pub(crate) fn write_plan<C>(
    f: &mut fmt::Formatter<'_>,
    calls: &[C],
    at: impl Fn(&C) -> Time,
    write_call: impl Fn(&mut fmt::Formatter<'_>, &C) -> fmt::Result,
    faults: &[PlannedFault],
) -> fmt::Result {
    let mut calls = calls.iter().peekable();
    for fault in faults {
        while let Some(call) = calls.next_if(|call| at(call) < fault.at) {
            write_call(f, call)?;
        }
        write_fault(f, fault)?;
    }
    calls.try_for_each(|call| write_call(f, call))
}

/// Writes a fault as a line.
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

impl Nodes {
    /// Reads a fault: what follows the word `fault`. It stands below `above`.
    pub(crate) fn fault(
        &self,
        fault: &str,
        rest: &[&str],
        above: &[PlannedFault],
    ) -> Result<PlannedFault, String> {
        let fault_number = number(fault, "number of a fault")?;
        let [at, words @ ..] = rest else {
            return Err("a fault has a time: fault 3 1.5s +0.2s crash r1".to_owned());
        };
        let at = Time(read_seconds(at)?);
        if above.last().is_some_and(|last| last.at > at) {
            return Err(
                "this fault begins before the one above: faults stand in the order of their times".to_owned(),
            );
        }
        let (lasts, fault) = match words {
            [length, words @ ..] if length.starts_with('+') => {
                let lasts = Micros(read_seconds(&length[1..])?);
                (lasts, Fault::Lasting(self.lasting(words)?))
            }
            words => (Micros(0), self.instant(words)?),
        };
        let is_lasting = |fault: &Fault| matches!(fault, Fault::Lasting(_));
        let same = |other: &PlannedFault| other.number == fault_number && is_lasting(&other.fault);
        if is_lasting(&fault) && above.iter().any(same) {
            return Err(format!("there is a fault {fault_number} above"));
        }
        Ok(PlannedFault {
            number: fault_number,
            at,
            lasts,
            fault,
        })
    }

    fn lasting(&self, words: &[&str]) -> Result<LastingFault, String> {
        let id = |word: &str| replica(word, self.replicas);
        Ok(match *words {
            ["crash", who] => down(id(who)?, false, None),
            ["crash", who, "lost"] => down(id(who)?, true, None),
            ["crash", who, "lost", how] => {
                let damage = words::damage(how);
                let damage = damage.ok_or_else(|| format!("{how:?} is no kind of damage"))?;
                down(id(who)?, true, Some(damage))
            }
            ["stop", who, down] => LastingFault::Stopping {
                id: id(who)?,
                down: Micros(read_seconds(down)?),
            },
            ["pause", who] => LastingFault::Paused(id(who)?),
            ["fail", who, role] => failed(id(who)?, role, false)?,
            ["fail", who, role, "lost"] => failed(id(who)?, role, true)?,
            ["cut", ref links @ ..] if !links.is_empty() => {
                let link = |word: &&str| link(word, self.replicas, self.clients);
                LastingFault::Cut(links.iter().map(link).collect::<Result<_, _>>()?)
            }
            ["drift", who, speed] => LastingFault::Drift {
                id: id(who)?,
                speed: read_speed(speed)?,
            },
            ["slow-disk", who] => LastingFault::Slow(id(who)?),
            ["full-disk", who] => LastingFault::Full(id(who)?),
            ["crash-at-sync", who] => LastingFault::CrashAtSync(id(who)?),
            ["corrupt-parts", who] => LastingFault::Corrupting(id(who)?),
            ["degrade-links", who] => LastingFault::DegradedLinks(id(who)?),
            _ => {
                return Err(format!(
                    "{:?} is no fault that lasts: crash, stop, pause, fail, cut, drift, slow-disk, full-disk, crash-at-sync, \
                     corrupt-parts and degrade-links are, each with a replica",
                    words.join(" ")
                ));
            }
        })
    }

    fn instant(&self, words: &[&str]) -> Result<Fault, String> {
        let id = |word: &str| replica(word, self.replicas);
        Ok(match *words {
            ["speed", who, speed] => Fault::Speed {
                id: id(who)?,
                speed: read_speed(speed)?,
            },
            ["jump", who, by] => Fault::Jump {
                id: id(who)?,
                by: Micros(read_seconds(by)?),
            },
            ["hang-up", whose, who] => Fault::HangUp {
                client: client(whose, self.clients)?,
                id: id(who)?,
            },
            _ => {
                return Err(format!(
                    "{:?} is no fault without a length: speed, jump and hang-up are; write +0.5s after the time of others",
                    words.join(" ")
                ));
            }
        })
    }
}

fn down(id: kvpaxos::ReplicaId, lost: bool, damage: Option<crate::engine::Damage>) -> LastingFault {
    LastingFault::Down { id, lost, damage }
}

fn failed(id: kvpaxos::ReplicaId, role: &str, lost: bool) -> Result<LastingFault, String> {
    let role = words::role(role)?;
    Ok(LastingFault::Role { id, role, lost })
}

/// The speed of a clock, in local microseconds per million simulated ones.
fn read_speed(word: &str) -> Result<u64, String> {
    match number(word, "speed")? {
        speed @ 1..=100_000_000 => Ok(speed),
        speed => Err(format!(
            "a clock cannot run at speed {speed}: 1000000 is right, and 1 to 100000000 are possible"
        )),
    }
}
