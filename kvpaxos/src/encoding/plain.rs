//! How numbers, ids and positions are read.

use super::error::DecodeError;
use super::format::{MAX_COUNTER, MAX_SMALL_COUNTER};
use super::reader::Reader;
use crate::command::Tag;
use crate::crash_vector::CrashVector;
use crate::types::{
    Ballot, Founding, Incarnation, Life, MAX_REPLICAS, ReplicaId, ReplicaSet, Revision, Sequence, SessionId,
    Slot,
};

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
pub(crate) fn small_counter(r: &mut Reader, what: &'static str) -> Result<u32, DecodeError> {
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
pub(crate) fn slot(r: &mut Reader) -> Result<Slot, DecodeError> {
    counter(r, "slot").map(Slot)
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
pub(crate) fn session(r: &mut Reader) -> Result<SessionId, DecodeError> {
    revision(r).map(SessionId)
}

#[inline]
pub(crate) fn tag(r: &mut Reader) -> Result<Tag, DecodeError> {
    Ok(Tag {
        nonce: r.u64("tag's nonce")?,
        number: counter(r, "tag's number")?,
    })
}

pub(crate) fn ballot(r: &mut Reader) -> Result<Ballot, DecodeError> {
    Ok(Ballot {
        round: counter(r, "round")?,
        replica: replica(r)?,
        life: life(r)?,
    })
}

pub(crate) fn life(r: &mut Reader) -> Result<Life, DecodeError> {
    Ok(Life {
        incarnation: incarnation(r)?,
        restarts: small_counter(r, "count of restarts")?,
    })
}

#[inline]
pub(crate) fn incarnation(r: &mut Reader) -> Result<Incarnation, DecodeError> {
    small_counter(r, "incarnation").map(Incarnation)
}

/// One incarnation per replica, without trailing zeros, so that the encoding is unique.
pub(crate) fn crash_vector(r: &mut Reader) -> Result<CrashVector, DecodeError> {
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

pub(crate) fn founding(r: &mut Reader) -> Result<Founding, DecodeError> {
    r.u64("founding").map(Founding)
}

#[inline]
pub(crate) fn replica(r: &mut Reader) -> Result<ReplicaId, DecodeError> {
    match ReplicaId(r.byte("replica")?) {
        id if usize::from(id.0) < MAX_REPLICAS => Ok(id),
        id => Err(DecodeError::Replica { id }),
    }
}

/// A bit for each replica; none for ids that no replica has.
pub(crate) fn replicas(r: &mut Reader) -> Result<ReplicaSet, DecodeError> {
    let bits = r.u16("set of replicas")?;
    (0..16_u8)
        .filter(|id| bits & (1 << id) != 0)
        .map(|id| match usize::from(id) < MAX_REPLICAS {
            true => Ok(ReplicaId(id)),
            false => Err(DecodeError::Replica { id: ReplicaId(id) }),
        })
        .collect()
}
