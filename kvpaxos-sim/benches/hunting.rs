//! How soon sweeps find mutants: seed after seed, and guided (see `kvpaxos_sim::world::guided`).
//!
//! `cargo bench -p kvpaxos-sim --bench hunting -- [--hunts N] [--events N] [NAME...]` hunts each mutant from N different first
//! seeds in both ways, and prints the median of the events that were simulated until a check found it. Events do not depend on
//! the load of the machine; one core simulates about a million a second. A hunt ends without success after `--events`. With the name
//! `none`, it hunts the replica as it is, which the checks must not accuse; a patched tree has its mutant there.

use std::ops::ControlFlow;

use kvpaxos::Replica;
use kvpaxos_sim::Trace;
use kvpaxos_sim::mutants::MUTANTS;
use kvpaxos_sim::parallel;
use kvpaxos_sim::world::guided::{Guided, Lineage, guided, play};

/// First seeds of hunts are this far from each other.
const APART: u64 = 10_000_000;

fn main() {
    let (mut hunts, mut most, mut wanted) = (5, 60_000_000, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo passes it
            "--hunts" => hunts = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(hunts),
            "--events" => most = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(most),
            _ => wanted.push(argument),
        }
    }
    println!(
        "{hunts} hunts of at most {most} events in each way; the median events until a check finds the mutant, in millions"
    );
    println!("{:<24}{:>16}{:>16}{:>10}", "", "seed by seed", "guided", "ratio");
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    for mutant in MUTANTS.iter().filter(|mutant| is_wanted(mutant.name)) {
        compare(mutant.name, hunts, most, &|lineage| mutant.play_lineage(lineage));
    }
    if wanted.iter().any(|name| name == "none") {
        compare("none", hunts, most, &|lineage| {
            play::<Replica>(lineage, None, Trace::Off)
        });
    }
}

fn compare(name: &str, hunts: u64, most: u64, play: &(impl Fn(&Lineage) -> Guided + Sync)) {
    let first = |hunt| 1_000_000_007 + hunt * APART;
    let in_turn = parallel::map(0..hunts, parallel::cores(), |hunt| {
        seed_by_seed(first(hunt), most, play)
    });
    let with_guide = parallel::map(0..hunts, parallel::cores(), |hunt| {
        with_guide(first(hunt), most, play)
    });
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
