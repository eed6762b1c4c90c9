//! `kvpaxos-sim mutants`: plays mutants until a check finds each.

use std::ops::Range;
use std::panic;

use kvpaxos_sim::mutants::{self, MUTANTS, Mutant};
use kvpaxos_sim::{note, say};

/// Prints the names of all mutants.
pub(crate) fn list() -> u8 {
    for mutant in MUTANTS {
        say!("{}", mutant.name);
    }
    0
}

/// Hunts the mutants of these names, or all if there are none, and prints a row of the table for each.
pub(crate) fn hunt(seeds: Range<u64>, jobs: usize, names: &[String]) -> u8 {
    let mut chosen = Vec::new();
    for name in names {
        let Some(mutant) = Mutant::named(name) else {
            let known: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
            note!("there is no mutant {name:?}; there are {}", known.join(", "));
            return 2;
        };
        chosen.push(mutant);
    }
    if chosen.is_empty() {
        chosen.extend(MUTANTS);
    }
    // A failed assertion is reported as a violation, in the table.
    panic::set_hook(Box::new(|_| ()));
    let mut all = true;
    for mutant in chosen {
        let hunt = mutants::hunt(mutant, seeds.clone(), jobs);
        let number = mutant.bug.map_or_else(String::new, |bug| bug.to_string());
        let seconds = hunt.took.as_secs();
        let caught = match &hunt.caught {
            Some(violation) => format!("{} at seed {} in {seconds} s", violation.property, violation.seed),
            None => format!("NOT CAUGHT in {} seeds, {seconds} s", seeds.end - seeds.start),
        };
        all &= hunt.caught.is_some();
        say!(
            "{number:>2}  {:<38}  boundary  {caught:<50}  {}",
            mutant.name,
            mutant.says
        );
    }
    u8::from(!all)
}
