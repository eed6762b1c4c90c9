//! The complete state of a replica as bytes: see [`crate::export`].

use std::ops::ControlFlow;

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
        let mut state = Vec::new();
        let exported = self.export_in_pieces(&mut |piece| {
            if piece.len() > limit - state.len() {
                return ControlFlow::Break(());
            }
            state.extend_from_slice(piece);
            ControlFlow::Continue(())
        });
        match exported {
            Ok(()) => Ok(state),
            Err(ExportError::Stopped) => Err(ExportError::TooLong { limit }),
            Err(why) => Err(why),
        }
    }

    /// The same bytes in pieces of any length, so that they need not be in memory all at once. `take` gets them in their
    /// order, and says whether it takes more.
    ///
    /// # Errors
    /// If `take` takes no more, or the state cannot be written now.
    pub fn export_in_pieces(
        &self,
        take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), ExportError> {
        if !self.can_be_exported() {
            return Err(ExportError::Receiving);
        }
        let mut to = Exporter::new(take);
        self.export_to(&mut to);
        match to.finish() {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ExportError::Stopped),
        }
    }

    /// Whether its state can be written now: it cannot while the replica receives a snapshot of another one. A clone of the
    /// replica can be exported whenever the replica could when it was cloned. It shares the store and the values of the
    /// log, and costs a pointer for some thousand keys, and one or two for each slot of the log.
    #[must_use]
    pub fn can_be_exported(&self) -> bool {
        !self.learner.as_ref().is_some_and(Learner::is_receiving)
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
