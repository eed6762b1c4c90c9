//! Reading a scenario from text.

use kvpaxos::Time;

use super::words;
use super::write::HEAD;
use super::{Deviations, End, Scenario, settings};
use crate::decisions::words::{client, number, read_seconds};
use crate::decisions::{Nodes, Variation};
use crate::invariants::Property;
use crate::subject::LABELS;
use crate::world::clients::PlannedCall;
use crate::world::nemesis::PlannedFault;
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
        let nodes = Nodes {
            replicas: self.replicas(),
            clients: self.setup.clients.count,
            labels: Some(&LABELS),
        };
        if self.deviations.read(words, &nodes)? {
            return Ok(());
        }
        match *words {
            ["mutant", name] => self.mutant = Some(name.to_owned()),
            ["violates", name] => self.violates = Some(property(name)?),
            ["seed", seed] => self.setup.seed = number(seed, "seed")?,
            ["set", path, value] => settings::set(&mut self.setup, path, value)?,
            ["fault", at, ref rest @ ..] => {
                let fault = nodes.fault(at, rest, &self.faults)?;
                self.faults.push(fault);
            }
            ["call", at, who, ref call @ ..] => self.call(at, who, call)?,
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

    fn call(&mut self, at: &str, who: &str, call: &[&str]) -> Result<(), String> {
        let (who, lane) = match who.split_once('.') {
            Some((who, lane)) => (who, number(lane, "lane")?),
            None => (who, 0),
        };
        let client = client(who, self.setup.clients.count)?;
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
            variation: Variation::default(),
        })
    }
}

fn property(name: &str) -> Result<Property, String> {
    let mut all = Property::ALL.into_iter();
    all.find(|property| property.to_string() == name)
        .ok_or_else(|| format!("there is no property {name:?}"))
}
