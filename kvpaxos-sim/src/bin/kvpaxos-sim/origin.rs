//! Which run a command is about: that of a scenario, or that of a seed.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::world::Origin;
use kvpaxos_sim::world::scenario::{Pictured, Recording, Scenario};
use kvpaxos_sim::{Setup, Trace};

use crate::scenario::{mutant, read, unplayable};

/// The flags that name a run. A command that needs one says so with a group of `file` and `seed`.
#[derive(Args)]
pub(crate) struct RunFlags {
    /// The scenario.
    #[arg(conflicts_with_all = ["seed", "mutant"])]
    file: Option<PathBuf>,
    /// The run of this seed, in the place of a scenario.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Put this mutant in the place of the replicas. `kvpaxos-sim mutants --list` names all.
    #[arg(long, value_name = "NAME", value_parser = mutant, requires = "seed")]
    mutant: Option<Mutant>,
}

/// A run that can be played.
pub(crate) enum Chosen {
    /// That of a scenario, which comes from this file.
    Scenario(PathBuf, Box<Scenario>),
    /// That of a seed.
    Seed(Box<Setup>, Option<Mutant>),
}

impl RunFlags {
    /// The run that was chosen.
    ///
    /// # Errors
    /// The exit code, if its file cannot be read.
    pub(crate) fn chosen(&self) -> Result<Chosen, u8> {
        match (&self.file, self.seed) {
            (Some(file), _) => Ok(Chosen::Scenario(file.clone(), Box::new(read(file)?))),
            (None, Some(seed)) => Ok(Chosen::Seed(Box::new(Setup::drawn(seed)), self.mutant)),
            (None, None) => unreachable!("clap requires a file or a seed"),
        }
    }
}

impl Chosen {
    /// Plays it.
    ///
    /// # Errors
    /// The exit code, if it cannot be played.
    pub(crate) fn play(&self) -> Result<Recording, u8> {
        match self {
            Chosen::Scenario(_, scenario) => {
                mutants::replay(scenario, Trace::Off).map_err(|why| self.unplayable(&why))
            }
            Chosen::Seed(setup, mutant) => {
                mutants::record(Setup::clone(setup), *mutant).map_err(|why| self.unplayable(&why))
            }
        }
    }

    /// Plays it, with a timeline.
    ///
    /// # Errors
    /// The exit code, if it cannot be played.
    pub(crate) fn picture(&self) -> Result<Pictured, u8> {
        match self {
            Chosen::Scenario(_, scenario) => {
                mutants::replay_pictured(scenario).map_err(|why| self.unplayable(&why))
            }
            Chosen::Seed(setup, mutant) => {
                mutants::record_pictured(Setup::clone(setup), *mutant).map_err(|why| self.unplayable(&why))
            }
        }
    }

    fn unplayable(&self, why: &impl Display) -> u8 {
        let what = match self {
            Chosen::Scenario(file, _) => file.display().to_string(),
            Chosen::Seed(setup, _) => format!("seed {}", setup.seed),
        };
        unplayable(&what, why)
    }

    /// The mutant that stands in the place of the replicas.
    pub(crate) fn mutant(&self) -> Option<Mutant> {
        match self {
            Chosen::Scenario(_, scenario) => scenario.mutant.as_deref().and_then(Mutant::named),
            Chosen::Seed(_, mutant) => *mutant,
        }
    }

    /// Where it comes from.
    pub(crate) fn origin(self) -> Origin {
        match self {
            Chosen::Scenario(_, scenario) => Origin::Scenario(scenario),
            Chosen::Seed(setup, _) => Origin::Seed(setup),
        }
    }
}
