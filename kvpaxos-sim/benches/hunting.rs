//! How soon sweeps find mutants: seed after seed, and guided (see `kvpaxos_sim::world::guided`).
//!
//! `cargo bench -p kvpaxos-sim --bench hunting -- [NAME...]` hunts each mutant from several first seeds in both ways, and prints the
//! median of the events that were simulated until a check found it. Events do not depend on the load of the machine; one core
//! simulates about a million a second. With the name `none`, it hunts the replica as it is, which the checks must not accuse; a
//! patched tree has its mutant there. `--help` lists the flags.

use std::ops::ControlFlow;

use clap::{Parser, value_parser};
use kvpaxos::Replica;
use kvpaxos_sim::Trace;
use kvpaxos_sim::mutants::MUTANTS;
use kvpaxos_sim::parallel;
use kvpaxos_sim::world::guided::{Guided, Lineage, guided, play};

/// First seeds of hunts are this far from each other.
const APART: u64 = 10_000_000;

/// How soon sweeps find mutants: seed after seed, and guided.
#[derive(Parser)]
struct Settings {
    /// The mutants to hunt [default: all those made at a replica's boundary]; `none` is the replica as it is.
    names: Vec<String>,
    /// Hunts of each mutant in each way.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..))]
    hunts: u64,
    /// Events after which a hunt ends without success.
    #[arg(long, default_value_t = 60_000_000)]
    events: u64,
    /// The first seed of the first hunt; that of the next is ten million further.
    #[arg(long, default_value_t = 1_000_000_007)]
    first: u64,
    /// Hunts at a time [default: one for each core].
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let settings = Settings::parse();
    let (hunts, most) = (settings.hunts, settings.events);
    println!(
        "{hunts} hunts of at most {most} events in each way; the median events until a check finds the mutant, in millions"
    );
    println!("{:<24}{:>16}{:>16}{:>10}", "", "seed by seed", "guided", "ratio");
    let is_wanted = |name: &str| settings.names.is_empty() || settings.names.iter().any(|it| it == name);
    for mutant in MUTANTS.iter().filter(|mutant| is_wanted(mutant.name)) {
        compare(mutant.name, &settings, &|lineage| mutant.play_lineage(lineage));
    }
    if settings.names.iter().any(|name| name == "none") {
        compare("none", &settings, &|lineage| {
            play::<Replica>(lineage, None, Trace::Off)
        });
    }
}

fn compare(name: &str, settings: &Settings, play: &(impl Fn(&Lineage) -> Guided + Sync)) {
    let (hunts, most) = (settings.hunts, settings.events);
    let first = |hunt| settings.first + hunt * APART;
    let jobs = settings.jobs.map_or_else(parallel::cores, usize::from);
    let in_turn = parallel::map(0..hunts, jobs, |hunt| seed_by_seed(first(hunt), most, play));
    let with_guide = parallel::map(0..hunts, jobs, |hunt| with_guide(first(hunt), most, play));
    let medians = [median(in_turn), median(with_guide)];
    let ratio = match medians {
        [Some(one), Some(other)] => format!("{:.2}", other as f64 / one as f64),
        _ => "-".to_owned(),
    };
    let [one, other] = medians.map(|events| match events {
        Some(events) => format!("{:.3}", events as f64 / 1e6),
        None => "not found".to_owned(),
    });
    println!("{name:<24}{one:>16}{other:>16}{ratio:>10}");
}

fn seed_by_seed(first: u64, most: u64, play: impl Fn(&Lineage) -> Guided) -> Option<u64> {
    let mut events = 0;
    for seed in first.. {
        let run = play(&Lineage::of_seed(seed));
        events += run.report.counts.events;
        if run.report.violation.is_some() {
            return Some(events);
        }
        if events > most {
            break;
        }
    }
    None
}

fn with_guide(first: u64, most: u64, play: impl Fn(&Lineage) -> Guided + Sync) -> Option<u64> {
    let (mut events, mut found) = (0, None);
    guided(first, 1, play, |_, run| {
        events += run.report.counts.events;
        if run.report.violation.is_some() {
            found = Some(events);
        }
        if found.is_some() || events > most {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found
}

/// The median. A hunt that found nothing counts as longer than all others.
fn median(mut hunts: Vec<Option<u64>>) -> Option<u64> {
    hunts.sort_by_key(|events| events.unwrap_or(u64::MAX));
    hunts[hunts.len() / 2]
}
