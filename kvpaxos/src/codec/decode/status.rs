//! How the status of a replica is read.

use crate::agreement::Doubt;
use crate::encoding::plain::{ballot, counter, incarnation, life, replica, replicas, slot};
use crate::encoding::{DecodeError, Reader};
use crate::status::{AcceptorStatus, LearnerStatus, ProposerStatus, SnapshotStatus, Status};

pub(super) fn status(r: &mut Reader) -> Result<Status, DecodeError> {
    Ok(Status {
        id: replica(r)?,
        members: replicas(r)?,
        proposer: match r.u32("proposer's status")? {
            0 => ProposerStatus::Failed,
            1 => ProposerStatus::Following,
            2 => ProposerStatus::Preparing { ballot: ballot(r)? },
            3 => ProposerStatus::Leading { ballot: ballot(r)? },
            found => {
                return Err(DecodeError::Variant {
                    what: "proposer's status",
                    found,
                });
            }
        },
        acceptor: match r.u32("acceptor's status")? {
            0 => AcceptorStatus::Failed,
            1 => AcceptorStatus::Voting { promised: ballot(r)? },
            2 => AcceptorStatus::Out,
            3 => AcceptorStatus::Recovering {
                incarnation: r.option("incarnation", incarnation)?,
                unanswered: replicas(r)?,
            },
            found => {
                return Err(DecodeError::Variant {
                    what: "acceptor's status",
                    found,
                });
            }
        },
        learner: match r.u32("learner's status")? {
            0 => LearnerStatus::Failed,
            1 => LearnerStatus::Learning {
                applied: slot(r)?,
                keys: counter(r, "number of keys")?,
                sessions: counter(r, "number of sessions")?,
                digest: r.u128("digest")?,
            },
            found => {
                return Err(DecodeError::Variant {
                    what: "learner's status",
                    found,
                });
            }
        },
        leader: r.option("leader", ballot)?,
        silent: replicas(r)?,
        waiting_for: replicas(r)?,
        pending: counter(r, "number of pending requests")?,
        lost: replicas(r)?,
        differing: replicas(r)?,
        doubt: r.option("doubt", doubt)?,
        stopping: r.flag("stopping")?,
        life: r.option("life", life)?,
        chosen: slot(r)?,
        snapshot: r.option("snapshot", |r| {
            let (slot, bytes) = (slot(r)?, counter(r, "snapshot's size")?);
            Ok(SnapshotStatus { slot, bytes })
        })?,
    })
}

pub(super) fn doubt(r: &mut Reader) -> Result<Doubt, DecodeError> {
    let (with, slot) = (replicas(r)?, slot(r)?);
    Ok(Doubt { with, slot })
}
