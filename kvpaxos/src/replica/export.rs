//! The complete state of a replica as bytes: see [`crate::export`].

use crate::config::Config;
use crate::export::{Export as _, ExportError, Exporter, ImportError, Importer, export_fields};
use crate::replica::Replica;
use crate::roles::learner::Learner;

export_fields!(Replica {
    config,
    now,
    next_tick,
    until_heartbeat,
    random,
    nonce,
    tags,
    life,
    proposed,
    incarnation,
    lost_in,
    founding,
    met,
    met_written,
    refused,
    checkpoints,
    proposer,
    hand_over,
    acceptor,
    learner,
    without_learner,
    peers,
    agreement,
    observed,
    pending,
    reads,
    settled,
    to_free,
    unsaved,
    halted,
});

impl Replica {
    /// Everything that decides what the replica will do, except for its configuration. Equal replicas have equal
    /// bytes. It takes as long as writing out the store and the log that the replica keeps in memory.
    ///
    /// # Errors
    /// If there would be more than `limit` bytes, or the state cannot be written now.
    pub fn export(&self, limit: usize) -> Result<Vec<u8>, ExportError> {
        if self.learner.as_ref().is_some_and(Learner::is_receiving) {
            return Err(ExportError::Receiving);
        }
        let mut to = Exporter::within(limit);
        self.export_to(&mut to);
        if to.is_over() {
            return Err(ExportError::TooLong { limit });
        }
        Ok(to.finish())
    }

    /// The replica whose state was [exported](Replica::export). The configuration must be the same.
    ///
    /// # Errors
    /// If the bytes are not the state of a replica. Bytes of a state that no replica reaches may be taken; then a later
    /// step may panic, as it does if an assertion fails.
    pub fn import(config: &Config, bytes: &[u8]) -> Result<Replica, ImportError> {
        config.check()?;
        let mut from = Importer::new(bytes, config)?;
        let replica = Replica::import_from(&mut from)?;
        from.finish()?;
        Ok(replica)
    }
}
