//! How each type is read and checked: postcard's encoding of its serde derive, variant by variant.
//!
//! What is read here must mirror the types' declarations; the tests compare it with postcard's own decoding of the derives.

use super::reader::Elements;
use super::{
    DecodeError, Hello, MAX_COUNTER, MAX_PART, MAX_REQUEST_PAYLOAD, MAX_SMALL_COUNTER, PeerFrame, Reader,
};
use crate::agreement::{Doubt, StateDigest};
use crate::command::{Batch, Command, Op, Outcome, Refusal, Reply, Request, RequestBody, Tag, Value};
use crate::config::{MAX_KEY, MAX_VALUE};
use crate::crash_vector::CrashVector;
use crate::founding::{Known, Met};
use crate::io::{Checkpoint, Record};
use crate::message::{Accepted, AcceptorSign, Heartbeat, Message, Remembered, SnapshotPart, Watermark};
use crate::state::snapshot::Cursor;
use crate::status::{AcceptorStatus, LearnerStatus, ProposerStatus, Status};
use crate::types::{
    Ballot, Founding, Incarnation, Life, MAX_REPLICAS, ReplicaId, ReplicaSet, Revision, Sequence, SessionId,
    Slot,
};

/// Reads a value, or names what is wrong with it.
pub trait Decode: Sized {
    /// Reads one from where the reader stands.
    #[doc(hidden)]
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError>;
}

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
            found => Err(DecodeError::Variant {
                what: "peer frame",
                found,
            }),
        }
    }
}

impl Decode for Message {
    fn decode(r: &mut Reader) -> Result<Message, DecodeError> {
        Ok(match r.u32("message")? {
            0 => Message::Prepare {
                ballot: ballot(r)?,
                from: slot(r)?,
                state: state_digest(r)?,
            },
            1 => promise(r)?,
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
            7 => Message::Heartbeat(Box::new(heartbeat(r)?)),
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
            found => {
                return Err(DecodeError::Variant {
                    what: "message",
                    found,
                });
            }
        })
    }
}

impl Decode for Request {
    fn decode(r: &mut Reader) -> Result<Request, DecodeError> {
        let id = r.u64("request's id")?;
        let body = match r.u32("request")? {
            0 => RequestBody::Open { tag: tag(r)? },
            1 => RequestBody::Close { session: session(r)? },
            2 => RequestBody::Apply {
                session: session(r)?,
                sequence: sequence(r)?,
                lowest_unanswered: sequence(r)?,
                op: op(r, Lengths::OF_REQUESTS)?,
            },
            3 => RequestBody::Get {
                key: r.bytes("key", Lengths::OF_REQUESTS.key)?,
            },
            4 => RequestBody::Submit {
                payload: r.bytes("payload", Lengths::OF_REQUESTS.value)?,
            },
            5 => RequestBody::Status,
            found => {
                return Err(DecodeError::Variant {
                    what: "request",
                    found,
                });
            }
        };
        Ok(Request { id, body })
    }
}

impl Decode for Reply {
    fn decode(r: &mut Reader) -> Result<Reply, DecodeError> {
        let id = r.u64("reply's id")?;
        let outcome = match r.u32("outcome")? {
            0 => Outcome::Opened { session: session(r)? },
            1 => Outcome::Closed,
            2 => Outcome::Done {
                revision: revision(r)?,
            },
            3 => Outcome::Deleted {
                revision: revision(r)?,
                existed: r.flag("existed")?,
            },
            4 => Outcome::Swapped {
                revision: revision(r)?,
                applied: r.flag("applied")?,
            },
            5 => Outcome::Value {
                revision: revision(r)?,
                value: r.option("value", |r| r.bytes("value", MAX_VALUE))?,
            },
            6 => Outcome::Status(Box::new(status(r)?)),
            7 => Outcome::Refused(refusal(r)?),
            8 => Outcome::Unknown { silent: replicas(r)? },
            found => {
                return Err(DecodeError::Variant {
                    what: "outcome",
                    found,
                });
            }
        };
        Ok(Reply { id, outcome })
    }
}

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

/// How long keys and values may be.
#[derive(Clone, Copy)]
struct Lengths {
    key: usize,
    value: usize,
}

impl Lengths {
    /// In the log, and between peers: no replica lets in more.
    const OF_COMMANDS: Lengths = Lengths {
        key: MAX_KEY,
        value: MAX_VALUE,
    };
    /// In requests: whatever fits in the frame, so that the replica can refuse it by name and number.
    const OF_REQUESTS: Lengths = Lengths {
        key: MAX_REQUEST_PAYLOAD,
        value: MAX_REQUEST_PAYLOAD,
    };
}

fn promise(r: &mut Reader) -> Result<Message, DecodeError> {
    let (promised, from) = (ballot(r)?, slot(r)?);
    let (vector, cut) = (crash_vector(r)?, slot(r)?);
    let (entries, more) = entries(r, promised, from.max(cut))?;
    Ok(Message::Promise {
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

/// What an acceptor with this promise accepted from `least` on, in order, and where the next chunk begins.
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

fn accepted(r: &mut Reader) -> Result<Accepted, DecodeError> {
    Ok(Accepted {
        slot: slot(r)?,
        ballot: ballot(r)?,
        value: value(r)?,
    })
}

/// One incarnation a replica, without zeros at the end: no two encodings mean the same.
fn crash_vector(r: &mut Reader) -> Result<CrashVector, DecodeError> {
    let count = usize::from(r.byte("crash vector's length")?);
    if count > MAX_REPLICAS {
        let limit = MAX_REPLICAS;
        let what = "incarnations";
        return Err(DecodeError::TooMany { what, count, limit });
    }
    let mut last = Incarnation::default();
    let mut vector = CrashVector::default();
    for acceptor in (0..).map(ReplicaId).take(count) {
        last = incarnation(r)?;
        vector.raise(acceptor, last);
    }
    if count > 0 && last == Incarnation::default() {
        let what = "crash vector's last incarnation";
        return Err(DecodeError::Number { what });
    }
    Ok(vector)
}

#[inline]
fn incarnation(r: &mut Reader) -> Result<Incarnation, DecodeError> {
    small_counter(r, "incarnation").map(Incarnation)
}

fn snapshot_part(r: &mut Reader) -> Result<SnapshotPart, DecodeError> {
    Ok(SnapshotPart {
        slot: slot(r)?,
        digest: r.u128("digest")?,
        at: Cursor::decode(r)?,
        next: r.option("next part", Cursor::decode)?,
        bytes: r.bytes("part of a snapshot", MAX_PART)?,
    })
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

fn founding(r: &mut Reader) -> Result<Founding, DecodeError> {
    r.u64("founding").map(Founding)
}

fn known(r: &mut Reader) -> Result<Known, DecodeError> {
    match r.u32("known founding")? {
        0 => founding(r).map(Known::Founded),
        1 => Ok(Known::FoundedAgain),
        found => {
            let what = "known founding";
            Err(DecodeError::Variant { what, found })
        }
    }
}

/// Each replica at most once, in ascending order: no two encodings mean the same.
fn met(r: &mut Reader) -> Result<Met, DecodeError> {
    let count = usize::from(r.byte("number of known foundings")?);
    if count > MAX_REPLICAS {
        let limit = MAX_REPLICAS;
        let what = "known foundings";
        return Err(DecodeError::TooMany { what, count, limit });
    }
    let mut met = Met::default();
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
            0 => AcceptorSign::Votes,
            1 => AcceptorSign::Failed,
            2 => AcceptorSign::Lost,
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

fn doubt(r: &mut Reader) -> Result<Doubt, DecodeError> {
    let (with, slot) = (replicas(r)?, slot(r)?);
    Ok(Doubt { with, slot })
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

fn value(r: &mut Reader) -> Result<Value, DecodeError> {
    match r.u32("value")? {
        0 => Ok(Value::Noop),
        1 => Ok(Value::Batch(Batch::new(r.sequence(Elements::Commands, command)?))),
        found => Err(DecodeError::Variant { what: "value", found }),
    }
}

#[inline]
fn command(r: &mut Reader, commands: &mut Vec<Command>) -> Result<(), DecodeError> {
    match r.u32("command")? {
        0 => commands.push(Command::Open { tag: tag(r)? }),
        1 => commands.push(Command::Close { session: session(r)? }),
        2 => commands.push(Command::Apply {
            session: session(r)?,
            sequence: sequence(r)?,
            lowest_unanswered: sequence(r)?,
            op: op(r, Lengths::OF_COMMANDS)?,
        }),
        3 => commands.push(Command::Opaque {
            tag: tag(r)?,
            payload: r.bytes("payload", Lengths::OF_COMMANDS.value)?,
        }),
        found => {
            return Err(DecodeError::Variant {
                what: "command",
                found,
            });
        }
    }
    Ok(())
}

#[inline]
fn op(r: &mut Reader, lengths: Lengths) -> Result<Op, DecodeError> {
    let key = |r: &mut Reader| r.bytes("key", lengths.key);
    let value = |r: &mut Reader| r.bytes("value", lengths.value);
    Ok(match r.u32("operation")? {
        0 => Op::Put {
            key: key(r)?,
            value: value(r)?,
        },
        1 => Op::Delete { key: key(r)? },
        2 => Op::Cas {
            key: key(r)?,
            expect: r.option("expected value", value)?,
            value: r.option("new value", value)?,
        },
        found => {
            return Err(DecodeError::Variant {
                what: "operation",
                found,
            });
        }
    })
}

#[inline]
pub(crate) fn tag(r: &mut Reader) -> Result<Tag, DecodeError> {
    Ok(Tag {
        nonce: r.u64("tag's nonce")?,
        number: counter(r, "tag's number")?,
    })
}

fn status(r: &mut Reader) -> Result<Status, DecodeError> {
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
    })
}

fn refusal(r: &mut Reader) -> Result<Refusal, DecodeError> {
    Ok(match r.u32("refusal")? {
        0 => Refusal::KeyTooLong {
            length: counter(r, "key's length")?,
            limit: counter(r, "limit")?,
        },
        1 => Refusal::ValueTooLong {
            length: counter(r, "value's length")?,
            limit: counter(r, "limit")?,
        },
        2 => Refusal::Busy {
            pending: counter(r, "number of pending requests")?,
        },
        3 => Refusal::SessionExpired { session: session(r)? },
        4 => Refusal::AlreadyAnswered {
            session: session(r)?,
            sequence: sequence(r)?,
            lowest: sequence(r)?,
        },
        5 => Refusal::OutOfWindow {
            sequence: sequence(r)?,
            lowest: sequence(r)?,
            window: counter(r, "session's window")?,
        },
        6 => Refusal::Unavailable { silent: replicas(r)? },
        7 => Refusal::MemoryLost { lost: replicas(r)? },
        8 => Refusal::Differs(doubt(r)?),
        found => {
            return Err(DecodeError::Variant {
                what: "refusal",
                found,
            });
        }
    })
}

fn ballot(r: &mut Reader) -> Result<Ballot, DecodeError> {
    Ok(Ballot {
        round: counter(r, "round")?,
        replica: replica(r)?,
        life: life(r)?,
    })
}

fn life(r: &mut Reader) -> Result<Life, DecodeError> {
    Ok(Life {
        incarnation: incarnation(r)?,
        restarts: small_counter(r, "count of restarts")?,
    })
}

#[inline]
pub(crate) fn session(r: &mut Reader) -> Result<SessionId, DecodeError> {
    revision(r).map(SessionId)
}

#[inline]
pub(crate) fn revision(r: &mut Reader) -> Result<Revision, DecodeError> {
    Ok(Revision {
        slot: slot(r)?,
        index: small_counter(r, "place in a batch")?,
    })
}

#[inline]
pub(crate) fn sequence(r: &mut Reader) -> Result<Sequence, DecodeError> {
    counter(r, "sequence").map(Sequence)
}

#[inline]
fn slot(r: &mut Reader) -> Result<Slot, DecodeError> {
    counter(r, "slot").map(Slot)
}

#[inline]
pub(crate) fn counter(r: &mut Reader, what: &'static str) -> Result<u64, DecodeError> {
    match r.u64(what)? {
        number if number <= MAX_COUNTER => Ok(number),
        number => Err(DecodeError::Absurd {
            what,
            number,
            limit: MAX_COUNTER,
        }),
    }
}

#[inline]
fn small_counter(r: &mut Reader, what: &'static str) -> Result<u32, DecodeError> {
    match r.u32(what)? {
        number if number <= MAX_SMALL_COUNTER => Ok(number),
        number => Err(DecodeError::Absurd {
            what,
            number: u64::from(number),
            limit: u64::from(MAX_SMALL_COUNTER),
        }),
    }
}

#[inline]
fn replica(r: &mut Reader) -> Result<ReplicaId, DecodeError> {
    match ReplicaId(r.byte("replica")?) {
        id if usize::from(id.0) < MAX_REPLICAS => Ok(id),
        id => Err(DecodeError::Replica { id }),
    }
}

/// A bit for each replica; none for a replica that cannot be.
fn replicas(r: &mut Reader) -> Result<ReplicaSet, DecodeError> {
    let bits = r.u16("set of replicas")?;
    (0..16_u8)
        .filter(|id| bits & (1 << id) != 0)
        .map(|id| match usize::from(id) < MAX_REPLICAS {
            true => Ok(ReplicaId(id)),
            false => Err(DecodeError::Replica { id: ReplicaId(id) }),
        })
        .collect()
}
