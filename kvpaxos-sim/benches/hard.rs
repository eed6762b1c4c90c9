//! How many of the hard histories the checker decides. Run with `cargo bench -p kvpaxos-sim --bench hard`.
//!
//! A member is decided if it was judged within the time limit, evidence included. The time of a step varies
//! widely, so each member is judged with few steps first, and with more as long as the last attempt suggests
//! that there is time. So the benchmark ends soon after the limit, whatever the checker does. The table shows
//! the time of the last attempt alone.
//!
//! With arguments, only members whose names contain one of them are judged. `--help` lists the flags.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Parser;
use kvpaxos_sim::history::History;
use kvpaxos_sim::history::generate::Flaw;
use kvpaxos_sim::history::generate::hard::{Member, hard_family};
use kvpaxos_sim::linearizability::{Budget, Report, Verdict, check};

/// The number of steps of the first attempt.
const FIRST: u64 = 1000;
/// The next attempt takes at most so many times as many steps: steps get slower as configurations grow.
const MORE: u64 = 16;

/// How many of the hard histories the checker decides.
#[derive(Parser)]
struct Arguments {
    /// Only members whose names contain one of these.
    names: Vec<String>,
    /// The time limit of each member.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The memory of a search, in MiB.
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// The most steps for each member [default: no limit].
    #[arg(long)]
    steps: Option<u64>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn most(&self) -> Budget {
        Budget {
            steps: self.steps.unwrap_or(u64::MAX),
            memory: usize::try_from(u64::from(self.memory) << 20).unwrap_or(usize::MAX),
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    let names = &arguments.names;
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| name.contains(wanted));
    println!(
        "at most {} s and {} MiB for each",
        arguments.seconds, arguments.memory
    );
    println!(
        "{:<48}{:>12}{:>9}{:>9}  {:<10}{:>12}{:>9}",
        "", "operations", "clients", "unknown", "verdict", "steps", "ms"
    );
    let mut tally = Tally::default();
    for member in hard_family().iter().filter(|member| is_wanted(&member.name)) {
        let history = member.settings.history().expect("members can be made");
        let Attempt { report, took } = judge(&history, &arguments);
        let is_decided = !matches!(report.verdict, Verdict::Undecided { .. }) && took <= arguments.limit();
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

/// The last attempt.
struct Attempt {
    report: Report,
    took: Duration,
}

fn judge(history: &History, arguments: &Arguments) -> Attempt {
    let (limit, most) = (arguments.limit(), arguments.most());
    let mut steps = FIRST.min(most.steps);
    loop {
        let began = Instant::now();
        let report = check(history, Budget { steps, ..most });
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
