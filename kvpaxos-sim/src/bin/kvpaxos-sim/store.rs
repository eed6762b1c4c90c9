//! `kvpaxos-sim check --store`: judges histories with transactions, all keys together.

use std::path::{Path, PathBuf};

use kvpaxos_sim::say;
use kvpaxos_sim::whole_store::{StoreFileError, StoreVerdict, judge_file};

use crate::exit::Exit;
use crate::source::{name, source};

pub(crate) fn run(files: &[PathBuf]) -> u8 {
    let judged = files.iter().map(|file| judge(file));
    Exit::worst(judged).code()
}

fn judge(file: &Path) -> Exit {
    let name = name(file);
    match found(file) {
        Ok((StoreVerdict::Linearizable, count)) => {
            say!("{name}: linearizable ({count} operations on the whole store)");
            Exit::Linearizable
        }
        Ok((StoreVerdict::NotLinearizable, count)) => {
            say!("{name}: NOT linearizable: no order of its {count} operations explains all answers");
            Exit::NotLinearizable
        }
        Ok((StoreVerdict::Undecided, count)) => {
            say!("{name}: not decided: too many orders of its {count} operations");
            Exit::Undecided
        }
        Err(error) => {
            say!("{name}: {error}");
            Exit::Malformed
        }
    }
}

fn found(file: &Path) -> Result<(StoreVerdict, usize), StoreFileError> {
    judge_file(source(file)?.bytes()?)
}
