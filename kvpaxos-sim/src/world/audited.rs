//! An engine of replicas whose observer checks the invariants. Clients and the nemesis of a world act on it.

use kvpaxos::ReplicaId;
use kvpaxos::status::ProposerStatus;

use crate::engine::Engine;
use crate::invariants::Audit;
use crate::subject::Subject;

/// An engine of replicas, or of mutants, whose observer is the audit.
pub(crate) type AuditedEngine<M> = Engine<M, Audit>;

/// The replica that leads according to its own status; of several, the one with the highest ballot.
pub(crate) fn leader<M: Subject>(engine: &AuditedEngine<M>) -> Option<ReplicaId> {
    let leading = engine
        .ids()
        .filter_map(|id| match engine.machine(id)?.status().proposer {
            ProposerStatus::Leading { ballot } => Some((ballot, id)),
            _ => None,
        });
    leading.max().map(|(_, id)| id)
}
