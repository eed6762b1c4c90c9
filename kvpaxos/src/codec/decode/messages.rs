//! How messages between replicas are read.

use super::commands::{accepted, command, value};
use crate::agreement::StateDigest;
use crate::codec::peer::{Hello, MAX_NAME, PeerFrame, Settings};
use crate::encoding::plain::{ballot, counter, crash_vector, founding, incarnation, replica, replicas, slot};
use crate::encoding::{Decode, DecodeError, Elements, MAX_PART, Reader};
use crate::founding::{KnownFounding, KnownFoundings};
use crate::message::{
    Accepted, AcceptorHealth, Heartbeat, Message, Promise, Remembered, SnapshotPart, Watermark,
};
use crate::state::snapshot::Cursor;
use crate::types::{Ballot, MAX_REPLICAS, Slot};

impl Decode for PeerFrame {
    fn decode(r: &mut Reader) -> Result<PeerFrame, DecodeError> {
        match r.u32("peer frame")? {
            0 => Ok(PeerFrame::Hello(Hello {
                cluster: r.u64("cluster")?,
                from: replica(r)?,
                to: replica(r)?,
                members: replicas(r)?,
                founding: r.option("founding", founding)?,
            })),
            1 => Message::decode(r).map(PeerFrame::Message),
            2 => Ok(PeerFrame::Settings(Settings {
                name: r.bytes("name", MAX_NAME)?,
                members: replicas(r)?,
                phase1: r.u64("phase-1 quorum")?,
                phase2: r.u64("phase-2 quorum")?,
                two_phase: r.flag("two-phase")?,
                key: r.u64("longest key")?,
                value: r.u64("longest value")?,
                sessions: r.u64("sessions")?,
                session_window: r.u64("session window")?,
                transaction_bytes: r.u64("largest transaction")?,
                answer_bytes: r.u64("longest answer")?,
                results_bytes: r.u64("room for results")?,
                log_bytes: r.u64("bytes of the log")?,
                log_slots: r.u64("slots of the log")?,
            })),
            found => Err(DecodeError::Variant {
                what: "peer frame",
                found,
            }),
        }
    }
}

impl Decode for Message {
    fn decode(r: &mut Reader) -> Result<Message, DecodeError> {
        match r.u32("message")? {
            variant @ 0..=6 => phases(r, variant),
            7 => heartbeat(r).map(Box::new).map(Message::Heartbeat),
            variant @ 8..=14 => commands_and_reads(r, variant),
            variant @ 15..=21 => recovery_and_snapshots(r, variant),
            22 => Ok(Message::Stand { ballot: ballot(r)? }),
            found => Err(unknown(found)),
        }
    }
}

fn unknown(found: u32) -> DecodeError {
    DecodeError::Variant {
        what: "message",
        found,
    }
}

/// Phases 1 and 2: from [`Message::Prepare`] to [`Message::Applied`].
fn phases(r: &mut Reader, variant: u32) -> Result<Message, DecodeError> {
    Ok(match variant {
        0 => Message::Prepare {
            ballot: ballot(r)?,
            from: slot(r)?,
            state: state_digest(r)?,
        },
        1 => Message::Promise(promise(r)?),
        2 => Message::Refused {
            ballot: ballot(r)?,
            promised: ballot(r)?,
        },
        3 => Message::Accept {
            ballot: ballot(r)?,
            slot: slot(r)?,
            value: value(r)?,
            chosen: watermark(r)?,
            state: state_digest(r)?,
        },
        4 => Message::Accepted {
            ballot: ballot(r)?,
            slot: slot(r)?,
            vector: crash_vector(r)?,
        },
        5 => Message::Chosen {
            ballot: ballot(r)?,
            chosen: watermark(r)?,
            state: state_digest(r)?,
        },
        6 => Message::Applied {
            ballot: ballot(r)?,
            up_to: slot(r)?,
        },
        found => return Err(unknown(found)),
    })
}

/// From [`Message::Forward`] to [`Message::Learned`].
fn commands_and_reads(r: &mut Reader, variant: u32) -> Result<Message, DecodeError> {
    Ok(match variant {
        8 => Message::Forward {
            commands: r.sequence(Elements::Commands, command)?,
        },
        9 => Message::ReadIndex {
            number: counter(r, "read's number")?,
        },
        10 => Message::ReadIndexed {
            number: counter(r, "read's number")?,
            up_to: slot(r)?,
            state: state_digest(r)?,
        },
        11 => Message::Confirm {
            ballot: ballot(r)?,
            round: counter(r, "confirmation's round")?,
            state: state_digest(r)?,
        },
        12 => Message::Confirmed {
            ballot: ballot(r)?,
            round: counter(r, "confirmation's round")?,
        },
        13 => Message::Learn { from: slot(r)? },
        14 => Message::Learned {
            from: slot(r)?,
            values: r.sequence(Elements::Values, |r, values| {
                values.push(value(r)?);
                Ok(())
            })?,
        },
        found => return Err(unknown(found)),
    })
}

/// From [`Message::Recall`] to [`Message::Saved`].
fn recovery_and_snapshots(r: &mut Reader, variant: u32) -> Result<Message, DecodeError> {
    Ok(match variant {
        15 => Message::Recall {
            nonce: r.u64("nonce")?,
        },
        16 => Message::Recalled {
            nonce: r.u64("nonce")?,
            heard: r.option("heard", incarnation)?,
        },
        17 => Message::Announce {
            nonce: r.u64("nonce")?,
            incarnation: incarnation(r)?,
            from: slot(r)?,
        },
        18 => Message::Remembered(Box::new(remembered(r)?)),
        19 => Message::Fetch {
            slot: slot(r)?,
            at: Cursor::decode(r)?,
        },
        20 => Message::SnapshotPart(Box::new(snapshot_part(r)?)),
        21 => Message::Saved {
            number: counter(r, "checkpoint's number")?,
            pieces: counter(r, "number of pieces")?,
        },
        found => return Err(unknown(found)),
    })
}

fn promise(r: &mut Reader) -> Result<Promise, DecodeError> {
    let (promised, from) = (ballot(r)?, slot(r)?);
    let (vector, cut) = (crash_vector(r)?, slot(r)?);
    let (entries, more) = entries(r, promised, from.max(cut))?;
    Ok(Promise {
        ballot: promised,
        from,
        vector,
        cut,
        entries,
        more,
    })
}

fn remembered(r: &mut Reader) -> Result<Remembered, DecodeError> {
    let (nonce, incarnation, vector) = (r.u64("nonce")?, incarnation(r)?, crash_vector(r)?);
    let (promised, cut, from) = (ballot(r)?, slot(r)?, slot(r)?);
    let (entries, more) = entries(r, promised, from.max(cut))?;
    Ok(Remembered {
        nonce,
        incarnation,
        vector,
        promised,
        cut,
        from,
        entries,
        more,
        met: met(r)?,
    })
}

/// What an acceptor with this promise accepted from `least` on, in ascending order, and the slot at which the
/// next chunk begins.
fn entries(
    r: &mut Reader,
    promised: Ballot,
    mut least: Slot,
) -> Result<(Vec<Accepted>, Option<Slot>), DecodeError> {
    let entries = r.sequence(Elements::Entries, |r, entries| {
        entries.push(accepted(r)?);
        Ok(())
    })?;
    let more = r.option("next chunk's slot", slot)?;
    for entry in &entries {
        if entry.slot < least {
            return Err(DecodeError::Order {
                slot: entry.slot,
                least,
            });
        }
        if entry.ballot > promised {
            let (slot, accepted) = (entry.slot, entry.ballot);
            return Err(DecodeError::AbovePromise {
                slot,
                promised,
                accepted,
            });
        }
        least = entry.slot.next();
    }
    match more {
        Some(slot) if slot < least => Err(DecodeError::Order { slot, least }),
        _ => Ok((entries, more)),
    }
}

pub(super) fn snapshot_part(r: &mut Reader) -> Result<SnapshotPart, DecodeError> {
    Ok(SnapshotPart {
        slot: slot(r)?,
        digest: r.u128("digest")?,
        at: Cursor::decode(r)?,
        next: r.option("next part", Cursor::decode)?,
        bytes: r.bytes("part of a snapshot", MAX_PART)?,
    })
}

pub(super) fn known(r: &mut Reader) -> Result<KnownFounding, DecodeError> {
    match r.u32("known founding")? {
        0 => founding(r).map(KnownFounding::Founded),
        1 => Ok(KnownFounding::FoundedAgain),
        found => {
            let what = "known founding";
            Err(DecodeError::Variant { what, found })
        }
    }
}

/// Each replica at most once, in ascending order, so that the encoding is unique.
pub(super) fn met(r: &mut Reader) -> Result<KnownFoundings, DecodeError> {
    let count = usize::from(r.byte("number of known foundings")?);
    if count > MAX_REPLICAS {
        let limit = MAX_REPLICAS;
        let what = "known foundings";
        return Err(DecodeError::TooMany { what, count, limit });
    }
    let mut met = KnownFoundings::default();
    let mut last = None;
    for _ in 0..count {
        let id = replica(r)?;
        if last.is_some_and(|last| id <= last) {
            let what = "known foundings' order";
            return Err(DecodeError::Number { what });
        }
        last = Some(id);
        met.note(id, known(r)?);
    }
    Ok(met)
}

fn heartbeat(r: &mut Reader) -> Result<Heartbeat, DecodeError> {
    Ok(Heartbeat {
        beat: counter(r, "beat")?,
        nonce: r.u64("nonce")?,
        echo: r.option("echo", |r| {
            Ok((r.u64("echo's nonce")?, counter(r, "echo's beat")?))
        })?,
        acceptor: match r.u32("acceptor's sign")? {
            0 => AcceptorHealth::Votes,
            1 => AcceptorHealth::Failed,
            2 => AcceptorHealth::Lost,
            found => {
                let what = "acceptor's sign";
                return Err(DecodeError::Variant { what, found });
            }
        },
        highest: ballot(r)?,
        leader: r.option("leader", ballot)?,
        learned: slot(r)?,
        chosen: r.option("chosen", watermark)?,
        vector: crash_vector(r)?,
        state: state_digest(r)?,
        differs: r.option("differing slot", slot)?,
        met: met(r)?,
    })
}

fn state_digest(r: &mut Reader) -> Result<StateDigest, DecodeError> {
    let (slot, digest) = (slot(r)?, r.u64("state's digest")?);
    Ok(StateDigest { slot, digest })
}

fn watermark(r: &mut Reader) -> Result<Watermark, DecodeError> {
    let (chosen, settled) = (slot(r)?, slot(r)?);
    if settled > chosen {
        return Err(DecodeError::Watermark { settled, chosen });
    }
    Ok(Watermark { chosen, settled })
}
