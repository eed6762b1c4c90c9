//! How the records of the log are read.

use super::commands::{accepted, value};
use super::messages::{known, met, snapshot_part};
use crate::encoding::plain::{ballot, counter, crash_vector, founding, incarnation, replica, replicas, slot};
use crate::encoding::{Decode, DecodeError, MAX_PART, Reader};
use crate::io::{Checkpoint, Record};
use crate::state::snapshot::Cursor;

impl Decode for Record {
    fn decode(r: &mut Reader) -> Result<Record, DecodeError> {
        Ok(match r.u32("record")? {
            0 => Record::Proposed { ballot: ballot(r)? },
            1 => Record::Promised { ballot: ballot(r)? },
            2 => Record::Accepted {
                ballot: ballot(r)?,
                slot: slot(r)?,
                value: value(r)?,
            },
            3 => Record::Chosen {
                ballot: ballot(r)?,
                up_to: slot(r)?,
            },
            4 => Record::Learned {
                slot: slot(r)?,
                value: value(r)?,
            },
            5 => Record::MemoryLost,
            6 => Record::DiskLost,
            7 => Record::Heard {
                acceptor: replica(r)?,
                incarnation: incarnation(r)?,
            },
            8 => Record::Checkpoint(Box::new(checkpoint(r)?)),
            9 => Record::Carried(accepted(r)?),
            10 => Record::SnapshotPart {
                at: Cursor::decode(r)?,
                next: r.option("next part", Cursor::decode)?,
                bytes: r.bytes("part of a snapshot", MAX_PART)?,
            },
            11 => Record::CheckpointEnd {
                number: counter(r, "checkpoint's number")?,
            },
            12 => Record::Received(Box::new(snapshot_part(r)?)),
            13 => Record::Founded {
                founding: founding(r)?,
            },
            14 => Record::Met {
                replica: replica(r)?,
                known: known(r)?,
            },
            found => {
                return Err(DecodeError::Variant {
                    what: "record",
                    found,
                });
            }
        })
    }
}

fn checkpoint(r: &mut Reader) -> Result<Checkpoint, DecodeError> {
    Ok(Checkpoint {
        number: counter(r, "checkpoint's number")?,
        slot: slot(r)?,
        digest: r.u128("digest")?,
        cut: slot(r)?,
        promised: ballot(r)?,
        vector: crash_vector(r)?,
        proposed: ballot(r)?,
        members: replicas(r)?,
        founding: r.option("founding", founding)?,
        met: met(r)?,
    })
}
