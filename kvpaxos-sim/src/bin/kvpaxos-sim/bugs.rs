//! Known bugs, each played until a check notices.

use std::ops::Range;
use std::panic;
use std::process::ExitCode;

use kvpaxos_sim::mutants::{self, BUGS, Bug};

/// Prints the names of all.
pub(crate) fn list() -> ExitCode {
    for bug in BUGS {
        println!("{}", bug.name);
    }
    ExitCode::SUCCESS
}

/// Hunts the bugs of these names, or all, and prints a row of the table for each.
pub(crate) fn hunt(seeds: Range<u64>, jobs: usize, names: &[String]) -> ExitCode {
    let mut bugs = Vec::new();
    for name in names {
        let Some(bug) = Bug::named(name) else {
            let known: Vec<&str> = BUGS.iter().map(|bug| bug.name).collect();
            eprintln!("there is no bug {name:?}; there are {}", known.join(", "));
            return ExitCode::from(2);
        };
        bugs.push(bug);
    }
    if bugs.is_empty() {
        bugs.extend(BUGS);
    }
    // A failed assertion is a violation like any other, and told with the others.
    panic::set_hook(Box::new(|_| ()));
    let mut all = true;
    for bug in bugs {
        let hunted = mutants::hunt(bug, seeds.clone(), jobs);
        let number = bug.number.map_or_else(String::new, |number| number.to_string());
        let seconds = hunted.took.as_secs();
        let caught = match &hunted.caught {
            Some(violation) => format!("{} at seed {} in {seconds} s", violation.property, violation.seed),
            None => format!("NOT CAUGHT in {} seeds, {seconds} s", seeds.end - seeds.start),
        };
        all &= hunted.caught.is_some();
        println!(
            "{number:>2}  {:<38}  boundary  {caught:<50}  {}",
            bug.name, bug.says
        );
    }
    ExitCode::from(u8::from(!all))
}
