//! Observations of a replica, as log lines.

use kvpaxos::{Observation, ReplicaId, ReplicaSet, Slot};

/// Logs one observation. What happens in every slot is logged at the finest level only.
pub(crate) fn log(id: ReplicaId, observation: &Observation) {
    match observation {
        Observation::Standing { ballot } => {
            tracing::info!(replica = %id, %ballot, "stands for election: phase 1 begins");
        }
        Observation::Elected {
            ballot,
            carried_over,
            gaps,
        } => tracing::info!(replica = %id, %ballot, carried_over, gaps, "leads: phase 1 is complete"),
        Observation::Deposed { ballot, why } => {
            tracing::info!(replica = %id, %ballot, %why, "gives up its ballot");
        }
        Observation::CaughtUp { from, slots } => {
            tracing::debug!(replica = %id, from = from.0, slots, "caught up from another replica");
        }
        Observation::StaysOut => tracing::warn!(
            replica = %id,
            "the acceptor lost its memory and never votes again: with these quorum sizes the others cannot \
             give it back"
        ),
        Observation::FoundedAnew {
            replica,
            known,
            claimed,
        } => tracing::error!(
            replica = %id, refused = %replica, %known, %claimed,
            "a replica claims to be new but was a member before: its directory was formatted, and it has \
             forgotten its promises. Its messages are ignored until it is recovered (kvpaxos recover \
             --discard)"
        ),
        Observation::Outlived { incarnation } => tracing::warn!(
            replica = %id, life = incarnation.0,
            "the others know a later life of this acceptor than its disk does: the disk lost something that \
             was synced, and its contents are not used any more"
        ),
        Observation::Recovering { incarnation } => tracing::warn!(
            replica = %id, life = incarnation.0,
            "the acceptor lost its memory; it asks the others what it may have promised before it votes again"
        ),
        Observation::Recovered { incarnation } => {
            tracing::info!(replica = %id, life = incarnation.0, "the acceptor has recovered and votes again");
        }
        Observation::Installed { slot, .. } => {
            tracing::info!(replica = %id, slot = slot.0, "installed the snapshot of another replica");
        }
        Observation::SnapshotTaken { slot, .. } => {
            tracing::debug!(replica = %id, slot = slot.0, "took a snapshot");
        }
        Observation::Checkpointed { slot } => {
            tracing::debug!(replica = %id, slot = slot.0, "a checkpoint is durable: the log before it can be deleted");
        }
        Observation::Differs { with, slot, serves } => log_differing(id, *with, *slot, *serves),
        Observation::SessionsDropped { count } => {
            tracing::debug!(replica = %id, count, "sessions were dropped to make room");
        }
        Observation::Chosen { .. } | Observation::Applied { .. } => {
            tracing::trace!(replica = %id, %observation);
        }
    }
}

/// Logs which replicas are known to differ from this one, and whether this one still serves.
fn log_differing(id: ReplicaId, with: ReplicaSet, slot: Slot, serves: bool) {
    if with.is_empty() {
        tracing::info!(replica = %id, "no other replica's state is known to differ any more");
    } else if serves {
        tracing::warn!(
            replica = %id, %with, slot = slot.0,
            "the state of these replicas differs from that of this one and of a quorum; their messages are \
             ignored. A disk has lost synced writes, and acknowledged writes may be on their side only: \
             compare the logs before one of them is recovered"
        );
    } else {
        tracing::error!(
            replica = %id, %with, slot = slot.0,
            "the state of these replicas differs from that of this one, which no quorum is known to share: \
             this replica serves nobody. A disk has lost synced writes, and acknowledged writes may be on \
             one side only: compare the logs, and decide which side is to be recovered from the other"
        );
    }
}
