//! How many of the hard histories the checker decides. Run with `cargo bench -p kvpaxos-sim --bench hard`.
//!
//! A member is decided if it was judged within the time limit, evidence included. The time of a step varies
//! widely, so each member is judged with few steps first, and with more as long as the last attempt suggests
//! that there is time. So the benchmark ends soon after the limit, whatever the checker does. The table shows
//! the time of the last attempt alone.
//!
//! With arguments, only members whose names contain one of them are judged. `--seconds N` sets the time
//! limit, `--memory N` the memory of a search in MiB, and `--steps N` the number of steps for each member.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kvpaxos_sim::history::History;
use kvpaxos_sim::history::generate::Flaw;
use kvpaxos_sim::history::generate::hard::{Member, hard_family};
use kvpaxos_sim::linearizability::{Budget, Report, Verdict, check};

/// The number of steps of the first attempt.
const FIRST: u64 = 1000;
/// The next attempt takes at most so many times as many steps: steps get slower as configurations grow.
const MORE: u64 = 16;

struct Arguments {
    limit: Duration,
    most: Budget,
    wanted: Vec<String>,
}

fn main() {
    let arguments = arguments();
    let Arguments { limit, most, wanted } = &arguments;
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted));
    println!(
        "at most {} s and {} MiB for each",
        limit.as_secs(),
        most.memory >> 20
    );
    println!(
        "{:<48}{:>12}{:>9}{:>9}  {:<10}{:>12}{:>9}",
        "", "operations", "clients", "unknown", "verdict", "steps", "ms"
    );
    let mut tally = Tally::default();
    for member in hard_family().iter().filter(|member| is_wanted(&member.name)) {
        let history = member.settings.history().expect("members can be made");
        let Attempt { report, took } = judge(&history, &arguments);
        let is_decided = !matches!(report.verdict, Verdict::Undecided { .. }) && took <= *limit;
        println!(
            "{:<48}{:>12}{:>9}{:>9}  {:<10}{:>12}{:>9}",
            member.name,
            report.operations,
            member.settings.clients,
            report.unknown,
            verdict(&report, is_decided),
            report.steps,
            took.as_millis()
        );
        assert!(!is_wrong(member, &report), "{}: {report}", member.name);
        tally.add(member, is_decided);
    }
    tally.print();
}

fn arguments() -> Arguments {
    let mut given = std::env::args().skip(1);
    let (mut seconds, mut memory, mut steps, mut wanted) = (10, 1024, u64::MAX, Vec::new());
    while let Some(argument) = given.next() {
        let mut number = |or: u64| given.next().and_then(|number| number.parse().ok()).unwrap_or(or);
        match argument.as_str() {
            "--bench" => {} // cargo says so
            "--seconds" => seconds = number(seconds),
            "--memory" => memory = number(memory),
            "--steps" => steps = number(steps),
            _ => wanted.push(argument),
        }
    }
    let memory = usize::try_from(memory << 20).unwrap_or(usize::MAX);
    Arguments {
        limit: Duration::from_secs(seconds),
        most: Budget { steps, memory },
        wanted,
    }
}

/// The last attempt.
struct Attempt {
    report: Report,
    took: Duration,
}

fn judge(history: &History, arguments: &Arguments) -> Attempt {
    let Arguments { limit, most, .. } = arguments;
    let mut steps = FIRST.min(most.steps);
    loop {
        let began = Instant::now();
        let report = check(history, Budget { steps, ..*most });
        let took = began.elapsed();
        let is_out_of_steps = matches!(report.verdict, Verdict::Undecided { .. }) && report.steps >= steps;
        let affordable = limit.as_micros() * 10 / took.as_micros().max(1);
        let tenths = u64::try_from(affordable).unwrap_or(MORE * 10).min(MORE * 10);
        // An attempt with less than a fifth more steps is not worth its time.
        if !is_out_of_steps || tenths < 12 || steps == most.steps {
            return Attempt { report, took };
        }
        steps = (steps.saturating_mul(tenths) / 10).min(most.steps);
    }
}

fn verdict(report: &Report, is_decided: bool) -> &'static str {
    match report.verdict {
        Verdict::Undecided { .. } => "undecided",
        _ if !is_decided => "late",
        Verdict::Linearizable => "good",
        Verdict::NotLinearizable(_) => "bad",
    }
}

/// Whether the verdict contradicts what is known of the member.
fn is_wrong(member: &Member, report: &Report) -> bool {
    match member.settings.flaw {
        Flaw::None => report.is_bad(),
        Flaw::Stale => false,
        Flaw::Impossible => report.is_good(),
    }
}

/// How many were decided, and of how many: in all, and for each workload, size, percentage of unknown
/// outcomes and flaw.
#[derive(Default)]
struct Tally(BTreeMap<String, (u32, u32)>);

impl Tally {
    fn add(&mut self, member: &Member, is_decided: bool) {
        let settings = &member.settings;
        for group in [
            "all".to_owned(),
            format!("workload: {}", member.workload),
            format!(
                "size: {:>6} operations, {} clients",
                settings.operations, settings.clients
            ),
            format!("unknown: {}", settings.unknown),
            format!("flaw: {:?}", settings.flaw).to_lowercase(),
        ] {
            let (decided, of) = self.0.entry(group).or_default();
            *decided += u32::from(is_decided);
            *of += 1;
        }
    }

    fn print(&self) {
        println!("\ndecided in time:");
        for (group, (decided, of)) in &self.0 {
            println!("{group:<40}{decided:>4} of {of:>3}{:>6}%", decided * 100 / of);
        }
    }
}
