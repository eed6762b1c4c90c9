//! Reading a scenario from text.

use kvpaxos::{Micros, Time};

use super::words::{self, count, number, read_seconds, replica};
use super::write::HEAD;
use super::{Deviations, Draw, DrawName, End, MessageName, Scenario, SyncName, settings};
use crate::engine::{Fate, Label};
use crate::invariants::Property;
use crate::subject::LABELS;
use crate::world::clients::PlannedCall;
use crate::world::nemesis::{Fault, LastingFault, PlannedFault};
use crate::world::setup::{Setup, SetupError};

/// Why a text is no scenario.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The first line is not that of a scenario of this version.
    #[error("line 1 must be \"{HEAD}\", not {0:?}: this is no scenario, or one of another version")]
    Head(String),
    /// A line is wrong.
    #[error("line {line}: {why}")]
    Line {
        /// The number of the line, counted from 1.
        line: usize,
        /// What is wrong, with the word.
        why: String,
    },
    /// The file ends too early.
    #[error("the last line must say how the scenario ends: stop TIME, or heal TIME. The file may be cut off")]
    CutOff,
    /// The lines together make no valid setup.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The first line that is wrong, and why.
    pub fn read(text: &str) -> Result<Scenario, ScenarioError> {
        let mut lines = (1..).zip(text.lines());
        let head = lines.next().map_or("", |(_, line)| line);
        if without_comment(head) != HEAD {
            return Err(ScenarioError::Head(head.chars().take(80).collect()));
        }
        let mut reader = Reader::default();
        for (line, text) in lines {
            let words: Vec<&str> = without_comment(text).split_whitespace().collect();
            if !words.is_empty() {
                let read = reader.line(&words);
                read.map_err(|why| ScenarioError::Line { line, why })?;
            }
        }
        reader.finish()
    }
}

/// The line without what follows a `#` that stands alone.
fn without_comment(line: &str) -> &str {
    let line = line.trim();
    if line == "#" || line.starts_with("# ") {
        return "";
    }
    line.find(" # ").map_or(line, |at| &line[..at]).trim_end()
}

/// The parts read so far.
struct Reader {
    mutant: Option<String>,
    violates: Option<Property>,
    setup: Setup,
    /// A line has been read that depends on the setup.
    has_story: bool,
    faults: Vec<PlannedFault>,
    calls: Vec<PlannedCall>,
    deviations: Deviations,
    end: Option<End>,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader {
            mutant: None,
            violates: None,
            setup: Setup::quiet(0),
            has_story: false,
            faults: Vec::new(),
            calls: Vec::new(),
            deviations: Deviations::default(),
            end: None,
        }
    }
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        if self.end.is_some() {
            return Err("nothing may follow the line that ends the scenario".to_owned());
        }
        let settings = matches!(words, ["mutant" | "violates" | "seed" | "set", ..]);
        if settings && self.has_story {
            return Err(format!(
                "{:?} must stand before all faults, calls and other decisions",
                words[0]
            ));
        }
        self.has_story |= !settings;
        match *words {
            ["mutant", name] => self.mutant = Some(name.to_owned()),
            ["violates", name] => self.violates = Some(property(name)?),
            ["seed", seed] => self.setup.seed = number(seed, "seed")?,
            ["set", path, value] => settings::set(&mut self.setup, path, value)?,
            ["fault", at, ref rest @ ..] => self.fault(at, rest)?,
            ["call", at, who, ref call @ ..] => self.call(at, who, call)?,
            ["lose", ref name @ ..] => {
                let name = self.message(name)?;
                self.fate(name, Fate::Lost)?;
            }
            ["delay", ref name @ .., after] => {
                let name = self.message(name)?;
                self.fate(name, Fate::Arrives(read_seconds(after)?))?;
            }
            ["twice", ref name @ .., first, second] => {
                let name = self.message(name)?;
                let fate = Fate::ArrivesTwice(read_seconds(first)?, read_seconds(second)?);
                self.fate(name, fate)?;
            }
            ["sync", id, of, length] => {
                let id = replica(id, self.replicas())?;
                let name = SyncName {
                    id,
                    count: count(of)?,
                };
                once(&mut self.deviations.syncs, name, read_seconds(length)?)?;
            }
            ["draw", ref name @ .., answer] => {
                let name = self.draw(name)?;
                once(&mut self.deviations.draws, name, number(answer, "answer")?)?;
            }
            ["stop", at] => self.end = Some(End::Stop(Time(read_seconds(at)?))),
            ["heal", at] => self.end = Some(End::Heal(Time(read_seconds(at)?))),
            [word, ..] => {
                return Err(format!(
                    "{word:?} begins no line, or has the wrong number of words after it; lines begin with mutant, \
                     violates, seed, set, fault, call, lose, delay, twice, sync, draw, stop, heal"
                ));
            }
            [] => {}
        }
        Ok(())
    }

    fn replicas(&self) -> usize {
        self.setup.cluster.replicas
    }

    fn fault(&mut self, fault: &str, rest: &[&str]) -> Result<(), String> {
        let fault_number = number(fault, "number of a fault")?;
        let [at, words @ ..] = rest else {
            return Err("a fault has a time: fault 3 1.5s +0.2s crash r1".to_owned());
        };
        let at = Time(read_seconds(at)?);
        if self.faults.last().is_some_and(|last| last.at > at) {
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
        if is_lasting(&fault) && self.faults.iter().any(same) {
            return Err(format!("there is a fault {fault_number} above"));
        }
        self.faults.push(PlannedFault {
            number: fault_number,
            at,
            lasts,
            fault,
        });
        Ok(())
    }

    fn lasting(&self, words: &[&str]) -> Result<LastingFault, String> {
        let id = |word: &str| replica(word, self.replicas());
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
                let link = |word: &&str| words::link(word, self.replicas(), self.setup.clients.count);
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
        let id = |word: &str| replica(word, self.replicas());
        Ok(match *words {
            ["speed", who, speed] => Fault::Speed {
                id: id(who)?,
                speed: read_speed(speed)?,
            },
            ["jump", who, by] => Fault::Jump {
                id: id(who)?,
                by: Micros(read_seconds(by)?),
            },
            ["hang-up", client, who] => Fault::HangUp {
                client: words::client(client, self.setup.clients.count)?,
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

    fn call(&mut self, at: &str, who: &str, call: &[&str]) -> Result<(), String> {
        let (who, lane) = match who.split_once('.') {
            Some((who, lane)) => (who, number(lane, "lane")?),
            None => (who, 0),
        };
        let client = words::client(who, self.setup.clients.count)?;
        if lane >= self.setup.clients.lanes {
            let lanes = self.setup.clients.lanes;
            return Err(format!("there is no lane {lane}: clients.lanes is {lanes}"));
        }
        let at = Time(read_seconds(at)?);
        let mut earlier = self.calls.iter().rev();
        let before = earlier.find(|call| (call.client, call.lane) == (client, lane));
        if before.is_some_and(|before| before.at > at) {
            return Err("this call begins before the one above it of the same client and lane".to_owned());
        }
        self.calls.push(PlannedCall {
            client,
            lane,
            at,
            call: words::call(call)?,
        });
        Ok(())
    }

    fn message(&self, words: &[&str]) -> Result<MessageName, String> {
        let [link, kind, about, of] = *words else {
            return Err(format!(
                "{:?} names no message: write r0->r2 Accept 7 #3",
                words.join(" ")
            ));
        };
        let (from, to) = words::link(link, self.replicas(), self.setup.clients.count)?;
        let known = LABELS.into_iter().find(|known| *known == kind);
        let kind = known.ok_or_else(|| format!("no message is called {kind:?}"))?;
        let about = number(about, "number of a slot, ballot or request")?;
        Ok(MessageName {
            from,
            to,
            label: Label { kind, about },
            count: count(of)?,
        })
    }

    fn fate(&mut self, name: MessageName, fate: Fate) -> Result<(), String> {
        once(&mut self.deviations.fates, name, fate)
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
            who => Some(replica(who, self.replicas())?),
        };
        let known = Draw::ALL.into_iter().find(|draw| draw.word() == what);
        Ok(DrawName {
            fault,
            id,
            what: known.ok_or_else(|| format!("nothing that is drawn is called {what:?}"))?,
            count: count(of)?,
        })
    }

    fn finish(self) -> Result<Scenario, ScenarioError> {
        let end = self.end.ok_or(ScenarioError::CutOff)?;
        self.setup.check()?;
        Ok(Scenario {
            mutant: self.mutant,
            violates: self.violates,
            setup: self.setup,
            end,
            faults: self.faults,
            calls: self.calls,
            deviations: self.deviations,
            anchors: Vec::new(),
        })
    }
}

fn property(name: &str) -> Result<Property, String> {
    let mut all = Property::ALL.into_iter();
    all.find(|property| property.to_string() == name)
        .ok_or_else(|| format!("there is no property {name:?}"))
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

fn once<N: Ord + std::fmt::Display, A>(
    of: &mut std::collections::BTreeMap<N, A>,
    name: N,
    answer: A,
) -> Result<(), String> {
    let text = name.to_string();
    match of.insert(name, answer) {
        None => Ok(()),
        Some(_) => Err(format!("{text} is decided above")),
    }
}
