//! What a replica tells of itself, as log lines.

use kvpaxos::{Observation, ReplicaId};

/// Logs one observation; what happens for every slot only at the finest level.
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
            tracing::info!(replica = %id, %ballot, ?why, "gives up its ballot");
        }
        Observation::CaughtUp { from, slots } => {
            tracing::debug!(replica = %id, from = from.0, slots, "caught up from another replica");
        }
        Observation::StaysOut => tracing::warn!(
            replica = %id,
            "the acceptor lost its memory and stays out of every vote for good: with these quorum sizes the others cannot make up for it"
        ),
        Observation::FoundedAnew {
            replica,
            known,
            claimed,
        } => tracing::error!(
            replica = %id, refused = %replica, %known, %claimed,
            "a replica claims to be new that had been a member before: its directory was formatted, and it has forgotten what it promised; it is \
             not heard until it is recovered (kvpaxos recover --discard)"
        ),
        Observation::Outlived { incarnation } => tracing::warn!(
            replica = %id, life = incarnation.0,
            "others know a later life of this acceptor than its disk does: the disk lacks what it promised to keep, and what it holds is \
             not used any more"
        ),
        Observation::Recovering { incarnation } => tracing::warn!(
            replica = %id, life = incarnation.0,
            "the acceptor lost its memory, and asks the others for what counts before it votes again"
        ),
        Observation::Recovered { incarnation } => {
            tracing::info!(replica = %id, life = incarnation.0, "the acceptor has got back what counts, and votes again");
        }
        Observation::Installed { slot, .. } => {
            tracing::info!(replica = %id, slot = slot.0, "went on from another replica's snapshot");
        }
        Observation::SnapshotTaken { slot, .. } => {
            tracing::debug!(replica = %id, slot = slot.0, "took a snapshot");
        }
        Observation::Checkpointed { slot } => {
            tracing::debug!(replica = %id, slot = slot.0, "a checkpoint is durable: the log before it can go");
        }
        Observation::Differs { with, .. } if with.is_empty() => {
            tracing::info!(replica = %id, "no other replica's state is known to differ any more");
        }
        Observation::Differs {
            with,
            slot,
            serves: true,
        } => tracing::warn!(
            replica = %id, %with, slot = slot.0,
            "the state of others differs from this replica's and from that of a quorum: they are not heard any more. A disk has lost what \
             was written to it; acknowledged writes may be on their side only: compare the logs before one of them is recovered"
        ),
        Observation::Differs {
            with,
            slot,
            serves: false,
        } => tracing::error!(
            replica = %id, %with, slot = slot.0,
            "the state of others differs from this replica's, and no quorum is known to share it: this replica serves nobody. A disk has \
             lost what was written to it; acknowledged writes may be on one side only: compare the logs, and decide which side is to be \
             recovered from the other"
        ),
        Observation::SessionsDropped { count } => {
            tracing::debug!(replica = %id, count, "sessions were dropped to make room");
        }
        Observation::Chosen { .. } | Observation::Applied { .. } => {
            tracing::trace!(replica = %id, ?observation);
        }
    }
}
