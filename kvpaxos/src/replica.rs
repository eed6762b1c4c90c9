//! The replica: owns the roles and routes between them.

use crate::command::Value;
use crate::config::{Config, ConfigError};
use crate::io::{Effect, Input, Memory};
use crate::status::Status;
use crate::types::{Entropy, Slot, Time};

/// One replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Replica {
    config: Config,
}

impl Replica {
    /// A replica that starts (all its roles do) with what its disk held. Its first step may be of any event.
    ///
    /// # Errors
    /// If the configuration does not fit together.
    pub fn new(config: Config, memory: Memory, entropy: Entropy, at: Time) -> Result<Replica, ConfigError> {
        let _ = (memory, entropy, at);
        config.check()?;
        Ok(Replica { config })
    }

    /// Total and deterministic: the next state and the effects depend on the state and the input alone.
    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.step_into(input, &mut effects);
        effects
    }

    /// Like [`step`](Replica::step), appending to `effects`.
    pub fn step_into(&mut self, _input: Input, _effects: &mut Vec<Effect>) {}

    /// When the replica next wants to hear the clock; after a step always later than that step's time.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        None
    }

    /// What it knows of itself and its peers.
    #[must_use]
    pub fn status(&self) -> Status {
        unimplemented!()
    }

    /// The value chosen for a slot, if the learner knows it (and has not dropped it).
    #[must_use]
    pub fn chosen(&self, _slot: Slot) -> Option<&Value> {
        None
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}
