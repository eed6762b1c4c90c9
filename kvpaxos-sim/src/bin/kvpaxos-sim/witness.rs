//! `kvpaxos-sim check --witness`: judges histories by the positions of their answers.

use std::path::{Path, PathBuf};
use std::time::Instant;

use kvpaxos_sim::history::ReadError;
use kvpaxos_sim::linearizability::witness::{Witness, WitnessVerdict};
use kvpaxos_sim::say;

use crate::exit::Exit;
use crate::source::{name, source};

pub(crate) fn run(files: &[PathBuf]) -> u8 {
    let judged = files.iter().map(|file| judge(file));
    Exit::worst(judged).code()
}

fn judge(file: &Path) -> Exit {
    let began = Instant::now();
    let name = name(file);
    let (found, events) = match found(file) {
        Ok(found) => found,
        Err(error) => {
            say!("{name}: {error}");
            return Exit::Malformed;
        }
    };
    let took = format!("({events} events, {} ms)", began.elapsed().as_millis());
    match found {
        WitnessVerdict::Consistent => {
            say!("{name}: linearizable in the order of its positions {took}");
            Exit::Linearizable
        }
        WitnessVerdict::Contradicted(why) => {
            say!("{name}: NOT linearizable in the order of its positions {took}");
            say!("{}", why.explanation);
            why.operations.iter().for_each(|one| say!("  {one}"));
            Exit::NotLinearizable
        }
        WitnessVerdict::NotDecided { keys } => {
            say!("{name}: not decided by its positions alone {took}");
            keys.iter().for_each(|key| say!("  {key}"));
            Exit::Undecided
        }
    }
}

fn found(file: &Path) -> Result<(WitnessVerdict, u64), ReadError> {
    let reader = source(file)?.reader()?;
    let mut witness = Witness::new(reader.initial().clone());
    let mut events = 0;
    for event in reader {
        witness.add(event?);
        events += 1;
    }
    Ok((witness.judge(), events))
}
