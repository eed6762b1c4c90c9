//! Reading a scenario of a protocol from text.

use kvpaxos::Time;
use serde::de::DeserializeOwned;

use super::scenario::{HEAD, PlannedCall, Scenario};
use super::seam::{Protocol, RequestOf};
use super::setup::Setup;
use crate::decisions::words::{client, number, read_seconds, replica};
use crate::decisions::{Deviations, Nodes, Variation, settings};

/// Why a text is no scenario of a protocol.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The first line is not that of a scenario of this version and protocol.
    #[error(
        "line 1 must be \"{HEAD} {protocol}\", not {found:?}: this is no scenario, or one of another version or protocol"
    )]
    Head {
        /// The name of the protocol.
        protocol: &'static str,
        /// The line.
        found: String,
    },
    /// A line is wrong.
    #[error("line {line}: {why}")]
    Line {
        /// The number of the line, counted from 1.
        line: usize,
        /// What is wrong, with the word.
        why: String,
    },
    /// The file ends too early.
    #[error("the last line must say when the scenario ends: stop TIME. The file may be cut off")]
    CutOff,
}

/// Reads a scenario of this protocol.
pub(super) fn read<P: Protocol>(protocol: &P, text: &str) -> Result<Scenario<RequestOf<P>>, ScenarioError> {
    let mut lines = (1..).zip(text.lines());
    let head = lines.next().map_or("", |(_, line)| line);
    if without_comment(head) != format!("{HEAD} {}", P::NAME) {
        return Err(ScenarioError::Head {
            protocol: P::NAME,
            found: head.chars().take(80).collect(),
        });
    }
    let mut scenario = Scenario {
        protocol: P::NAME.to_owned(),
        violates: None,
        setup: Setup::quiet(0),
        stop: Time(0),
        faults: Vec::new(),
        calls: Vec::new(),
        deviations: Deviations::default(),
        variation: Variation::default(),
    };
    let (mut has_story, mut has_ended) = (false, false);
    for (line, text) in lines {
        let text = without_comment(text);
        if text.is_empty() {
            continue;
        }
        let wrong = |why| ScenarioError::Line { line, why };
        if has_ended {
            return Err(wrong(
                "nothing may follow the line that ends the scenario".to_owned(),
            ));
        }
        let nodes = Nodes {
            replicas: protocol.configs().len(),
            clients: scenario.setup.clients,
            labels: None,
        };
        match read_line(&mut scenario, text, &nodes).map_err(wrong)? {
            Kind::Setting if has_story => {
                return Err(wrong(format!(
                    "{text:?} must stand before all faults, calls and other decisions"
                )));
            }
            Kind::Setting => {}
            Kind::Story => has_story = true,
            Kind::End => has_ended = true,
        }
    }
    if has_ended {
        Ok(scenario)
    } else {
        Err(ScenarioError::CutOff)
    }
}

enum Kind {
    Setting,
    Story,
    End,
}

fn read_line<Q: DeserializeOwned>(
    scenario: &mut Scenario<Q>,
    text: &str,
    nodes: &Nodes,
) -> Result<Kind, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if scenario.deviations.read(&words, nodes)? {
        return Ok(Kind::Story);
    }
    match *words {
        ["violates", ..] => {
            scenario.violates = Some(text["violates".len()..].trim().to_owned());
            Ok(Kind::Setting)
        }
        ["seed", seed] => {
            scenario.setup.seed = number(seed, "seed")?;
            Ok(Kind::Setting)
        }
        ["set", path, value] => {
            settings::set(&mut scenario.setup, path, value)?;
            scenario.setup.check()?;
            Ok(Kind::Setting)
        }
        ["fault", at, ref rest @ ..] => {
            let fault = nodes.fault(at, rest, &scenario.faults)?;
            scenario.faults.push(fault);
            Ok(Kind::Story)
        }
        ["call", at, who, to, ..] => {
            let call = PlannedCall {
                client: client(who, nodes.clients)?,
                at: Time(read_seconds(at)?),
                to: replica(to, nodes.replicas)?,
                request: read_request(text)?,
            };
            if scenario.calls.last().is_some_and(|last| last.at > call.at) {
                return Err(
                    "this call begins before the one above: calls stand in the order of their times"
                        .to_owned(),
                );
            }
            scenario.calls.push(call);
            Ok(Kind::Story)
        }
        ["stop", at] => {
            scenario.stop = Time(read_seconds(at)?);
            Ok(Kind::End)
        }
        _ => Err(format!(
            "{:?} begins no line, or has the wrong number of words after it; lines begin with violates, seed, set, \
             fault, call, lose, delay, twice, sync, draw, stop",
            words.first().copied().unwrap_or_default()
        )),
    }
}

/// The request of a call: what follows its first four words, as JSON.
fn read_request<Q: DeserializeOwned>(text: &str) -> Result<Q, String> {
    let mut rest = text;
    for _ in 0..4 {
        rest = rest.trim_start();
        rest = rest.find(char::is_whitespace).map_or("", |at| &rest[at..]);
    }
    let rest = rest.trim();
    serde_json::from_str(rest).map_err(|error| format!("{rest:?} is no request in JSON: {error}"))
}

/// The line without what follows a `#` that stands alone.
fn without_comment(line: &str) -> &str {
    let line = line.trim();
    if line == "#" || line.starts_with("# ") {
        return "";
    }
    line.find(" # ").map_or(line, |at| &line[..at]).trim_end()
}
