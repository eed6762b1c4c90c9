//! `kvpaxos-sim explain`: the event after which the failure of a run was likely, and the one after which it was
//! certain.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args};
use kvpaxos::{Micros, Time};
use kvpaxos_sim::explain::{self, Explanation, Plan, Share, Turn};
use kvpaxos_sim::invariants::{EventLines, Finding};
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::recording::{NoFuture, RecordedRun};
use kvpaxos_sim::world::{FailingRun, Origin};
use kvpaxos_sim::{note, say, say_part};
use serde_json::json;

use crate::origin::RunFlags;
use crate::recording::failing;
use crate::scenario::{HELD, UNREADABLE};
use crate::threads;

/// So many events are simulated, about, if the number of samples is not given: a minute on one core.
const EVENTS: u64 = 60_000_000;

/// How often a line tells how far it is.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Args)]
#[command(group(ArgGroup::new("run").args(["file", "seed", "recording"]).required(true)))]
pub(crate) struct Explain {
    #[command(flatten)]
    run: RunFlags,
    /// Explain what real replicas recorded: the directories that `kvpaxos serve --record` wrote.
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "mutant")]
    recording: Vec<PathBuf>,
    /// Play so many futures from a point of the run, and four times as many from those that decide. Default: as
    /// many as take about a minute on one core, from 10 to 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    samples: Option<u64>,
    /// A future that fails so many milliseconds after the run still fails in time. Default: 100, and 5,000 for a
    /// recording.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    grace: Option<u64>,
    /// How many futures to play at a time. Default: one per core. It changes nothing in what is printed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Explains the violation of a seed, a scenario or a recording.
pub(crate) fn explain(what: &Explain) -> u8 {
    // A failed assertion is a violation like any other, and comes up in many futures.
    std::panic::set_hook(Box::new(|_| ()));
    if !what.recording.is_empty() {
        return recorded(what);
    }
    let (run, mutant) = match failing_run(what) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let began = Instant::now();
    let explanation = look(&run, mutant, what.samples, threads(what.jobs));
    let lines = mutants::lines_of_events(&run, mutant, &events(&explanation, run.events));
    let text = Explained {
        title: run.violation.to_string(),
        violation: json!(run.violation),
        events: run.events,
        start: "the start: only the setup is given",
        horizon: run.horizon,
        drawn: match &run.origin {
            Origin::Seed(_) => "everything in it is drawn as for the seed",
            Origin::Scenario(_) => {
                "delays, losses, syncs and calls in it are drawn as the setup of the scenario says, and no more of \
                 its faults and calls are as planned"
            }
        },
        explanation: &explanation,
        lines: &lines,
    };
    text.tell(what.json, began);
    0
}

/// Explains the violation of a recording.
fn recorded(what: &Explain) -> u8 {
    let recording = match failing(&what.recording, "explain") {
        Ok(recording) => recording,
        Err(code) => return code,
    };
    let run = match RecordedRun::new(&recording, what.grace(RecordedRun::GRACE)) {
        Ok(run) => run,
        Err(why) => return unexplained(&why),
    };
    let began = Instant::now();
    let explanation = look_at_recording(&run, what.samples, threads(what.jobs));
    let lines = run.lines(&events(&explanation, run.steps));
    let Finding {
        property,
        at,
        explanation: why,
    } = &run.violation;
    let says = property.says();
    let text = Explained {
        title: format!("{property} is violated ({says}): at {} s: {why}", seconds(*at)),
        violation: json!(run.violation),
        events: run.steps,
        start: if run.begun == 0 {
            "the start: only what is on the disks is given"
        } else {
            "the start: every replica has begun"
        },
        horizon: Some(run.horizon),
        drawn: "it is calm: messages that were on their way arrive as recorded, delays, syncs and the calls of two \
                clients are drawn, nothing is lost or fails, and what is down starts again within 2 s",
        explanation: &explanation,
        lines: &lines,
    };
    text.tell(what.json, began);
    0
}

/// Says why a recording cannot be explained.
pub(crate) fn unexplained(why: &NoFuture) -> u8 {
    note!("the recording cannot be explained: {why}");
    UNREADABLE
}

impl Explain {
    fn grace(&self, default: Micros) -> Micros {
        self.grace.map_or(default, |grace| Micros(grace * 1_000))
    }
}

/// Plays so many futures from a point, by default as many as take about a minute, and tells how far it is.
pub(crate) fn look(
    run: &FailingRun,
    mutant: Option<Mutant>,
    samples: Option<u64>,
    threads: usize,
) -> Explanation {
    let seed = match &run.origin {
        Origin::Seed(setup) => setup.seed,
        Origin::Scenario(scenario) => scenario.setup.seed,
    };
    let plan = plan(seed, run.events, samples, threads);
    mutants::explain(run, mutant, &plan, progress(&plan))
}

/// Plays so many futures from a point of a recording.
pub(crate) fn look_at_recording(run: &RecordedRun<'_>, samples: Option<u64>, threads: usize) -> Explanation {
    let plan = plan(0, run.cost(), samples, threads);
    explain::explain(run.steps, &plan, |fork| run.play_future(fork), progress(&plan))
}

/// How much to sample of a run of so many events.
fn plan(seed: u64, events: u64, samples: Option<u64>, threads: usize) -> Plan {
    let samples = samples.unwrap_or_else(|| {
        let futures = EVENTS / events.max(1);
        (futures / Plan::usual_futures(1)).clamp(10, 100)
    });
    Plan::new(seed, samples, threads)
}

/// Says from time to time how many futures have been played.
fn progress(plan: &Plan) -> impl FnMut(u64) {
    let usual = Plan::usual_futures(plan.samples);
    let mut last = Instant::now();
    move |futures| {
        if last.elapsed() > PAUSE {
            last = Instant::now();
            note!("{futures} futures played, of about {usual}");
        }
    }
}

/// The events whose lines are shown: those of all points, and the last one.
fn events(explanation: &Explanation, last: u64) -> Vec<u64> {
    let points = explanation.points.iter().map(|point| point.after);
    points.chain([last]).collect()
}

/// The run to explain, with the mutant in it.
fn failing_run(what: &Explain) -> Result<(FailingRun, Option<Mutant>), u8> {
    let chosen = what.run.chosen()?;
    let recording = chosen.play()?;
    let mutant = chosen.mutant();
    let Some(run) = FailingRun::new(chosen.origin(), &recording, what.grace(FailingRun::GRACE)) else {
        note!("every property holds in this run: there is nothing to explain");
        return Err(HELD);
    };
    Ok((run, mutant))
}

/// What an event changed, in a clause.
pub(crate) fn changed(turn: &Turn) -> String {
    let Turn { before, after, .. } = turn;
    format!(
        "{} instead of {} of the futures fail: {after}, before it {before}",
        percent(*after),
        percent(*before)
    )
}

struct Explained<'a> {
    /// What is violated.
    title: String,
    violation: serde_json::Value,
    events: u64,
    /// What is given after event 0.
    start: &'static str,
    /// How long futures go on; `None` to their ends.
    horizon: Option<Time>,
    /// How what comes after the fork is drawn.
    drawn: &'static str,
    explanation: &'a Explanation,
    lines: &'a EventLines,
}

impl Explained<'_> {
    fn tell(&self, is_json: bool, began: Instant) {
        if is_json {
            say!("{}", self.json());
        } else {
            say_part!("{}", self.text());
            say!(
                "{} futures were played in {} s.",
                self.explanation.futures,
                began.elapsed().as_secs()
            );
        }
    }

    /// What happened in an event: the first line of its trace.
    fn what(&self, event: u64) -> String {
        const WIDTH: usize = 120;
        if event == 0 {
            return self.start.to_owned();
        }
        let (_, lines) = self.lines.at(event);
        let Some(line) = lines.first() else {
            return "the trace shows nothing".to_owned();
        };
        let line = line.trim_start();
        match line.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{} ...", &line[..end]),
            None => line.to_owned(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        text.push_str(&format!(
            "{:>11}  {:>11}  {:>22}  {}\n",
            "after event", "at", "futures that fail", "the event"
        ));
        let shown = self.shown();
        let points = self.explanation.points.iter();
        for point in points.filter(|point| shown.contains(&point.after)) {
            let (at, _) = self.lines.at(point.after);
            text.push_str(&format!(
                "{:>11}  {:>11}  {:>22}  {}\n",
                grouped(point.after),
                seconds(at),
                point.share.to_string(),
                self.what(point.after)
            ));
        }
        text.push('\n');
        for sentence in self.sentences() {
            text.push_str(&sentence);
            text.push('\n');
        }
        text
    }

    /// The points that the table shows: those that were sampled first, and those around the events that were
    /// found.
    fn shown(&self) -> BTreeSet<u64> {
        let Explanation { likely, certain, .. } = self.explanation;
        let found = likely.iter().chain(certain).map(|turn| turn.event);
        let around = found.flat_map(|event| [event - 1, event]);
        Plan::first_points(self.events).chain(around).collect()
    }

    fn sentences(&self) -> Vec<String> {
        let base = self.explanation.from_the_start();
        let mut sentences = vec![match &self.explanation.likely {
            Some(turn) => {
                let (event, what) = (grouped(turn.event), self.what(turn.event));
                format!("After event {event} ({what}) {}.", changed(turn))
            }
            None if self.explanation.certain.is_none() && base.is_all() => {
                "No event made it likely: such a run fails whatever happens in it.".to_owned()
            }
            None => "No single event made it likely.".to_owned(),
        }];
        let is_likely = |event| self.explanation.likely.is_some_and(|turn| turn.event == event);
        sentences.push(match &self.explanation.certain {
            Some(Turn { event, after, .. }) if is_likely(*event) => {
                format!("From there on it was certain, as far as samples tell: {after} futures fail.")
            }
            Some(Turn { event, before, after }) => format!(
                "From event {} ({}) on it was certain, as far as samples tell: {after} futures fail, before it {before}.",
                grouped(*event),
                self.what(*event)
            ),
            None if base.is_all() => "It was certain from the start, as far as samples tell.".to_owned(),
            None => "It was never certain.".to_owned(),
        });
        sentences.push(format!("From the start {base} futures fail."));
        sentences.push(self.horizon());
        if self.explanation.otherwise > 0 {
            sentences.push(format!(
                "{} futures violate something else first, or in another manner; they count as futures that do \
                 not fail.",
                self.explanation.otherwise
            ));
        }
        sentences
    }

    /// How long futures go on, and what is drawn in them.
    fn horizon(&self) -> String {
        let until = match self.horizon {
            Some(at) => format!("until {} s", seconds(at)),
            None => "to its end, because the run fails after its faults".to_owned(),
        };
        format!("A future goes on {until}; {}.", self.drawn)
    }

    fn json(&self) -> serde_json::Value {
        let events: Vec<serde_json::Value> = self
            .explanation
            .points
            .iter()
            .map(|point| {
                let (at, lines) = self.lines.at(point.after);
                json!({ "after": point.after, "at": at.0, "futures": point.share, "lines": lines })
            })
            .collect();
        let turn = |turn: &Option<Turn>| {
            turn.map(|Turn { event, before, after }| {
                let (at, _) = self.lines.at(event);
                json!({
                    "event": event, "at": at.0, "what": self.what(event), "before": before, "after": after,
                })
            })
        };
        json!({
            "violation": self.violation,
            "events": self.events,
            "horizon": self.horizon.map(|at| at.0),
            "from_the_start": self.explanation.from_the_start(),
            "likely": turn(&self.explanation.likely),
            "certain": turn(&self.explanation.certain),
            "points": events,
            "futures": self.explanation.futures,
            "otherwise": self.explanation.otherwise,
            "sentences": self.sentences(),
        })
    }
}

fn percent(share: Share) -> String {
    format!("{:.0} %", 100.0 * share.of_samples())
}

fn seconds(at: Time) -> String {
    format!("{}.{:06}", at.0 / 1_000_000, at.0 % 1_000_000)
}

/// A number with a comma before each group of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1_234), "1,234");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }
}
