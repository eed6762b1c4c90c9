//! Sessions as they travel in the parts of a snapshot.

use std::collections::{BTreeSet, VecDeque};

use serde::{Serialize, Serializer};

use super::{OutcomeWindow, Queue, Session, Sessions, Standing, StoredOutcome, Table, hash_id, hash_tag};
use crate::command::{Outcome, Tag};
use crate::config::Limits;
use crate::encoding::{DecodeError, Reader, plain};
use crate::state::buckets::{EntryPosition, Walk};
use crate::types::{Revision, Sequence, SessionId};

/// What is wrong with a session that came in a part of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// The bytes are not those of a session.
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    /// The session does not follow the one before it.
    #[error("session {session} comes out of order, or twice: the sender lies")]
    Order {
        /// Which.
        session: SessionId,
    },
    /// It keeps more outcomes than a session may.
    #[error(
        "session {session} keeps {count} outcomes, over the window of {window}: \
         run the same limits on both ends"
    )]
    Window {
        /// Which.
        session: SessionId,
        /// How many it says to keep.
        count: u64,
        /// The limit.
        window: u64,
    },
    /// What comes last among the outcomes must be one.
    #[error(
        "the outcomes of session {session} end with a gap: the sender does not encode as this program does"
    )]
    Gap {
        /// Which.
        session: SessionId,
    },
    /// Something took place before the session was opened, or after all that the snapshot holds.
    #[error("the {what} of session {session} is at {at}, not between {session} and {last}: the sender lies")]
    Time {
        /// Which.
        session: SessionId,
        /// What took place.
        what: &'static str,
        /// When it did.
        at: Revision,
        /// The last command that the snapshot holds.
        last: Revision,
    },
    /// A tag opens one session.
    #[error("session {session} was opened under a tag that opened another one: the sender lies")]
    Tag {
        /// Which.
        session: SessionId,
    },
    /// There are more sessions in use than there may be.
    #[error("more than {limit} sessions are in use: run the same limits on both ends")]
    InUse {
        /// The limit.
        limit: usize,
    },
}

/// A session as it is encoded, by postcard. Never changed but with the version of the codec.
#[derive(Serialize)]
struct Encoded<'a> {
    id: SessionId,
    tag: Tag,
    last_use: Revision,
    queued: Revision,
    standing: u32,
    floor: Sequence,
    #[serde(serialize_with = "encode_stored")]
    kept: &'a VecDeque<StoredOutcome>,
}

/// The outcome of one sequence as it is encoded.
#[derive(Serialize)]
enum EncodedOutcome {
    Nothing,
    Done { revision: Revision },
    Deleted { revision: Revision, existed: bool },
    Swapped { revision: Revision, applied: bool },
}

fn encode_stored<S: Serializer>(kept: &VecDeque<StoredOutcome>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(kept.iter().copied().map(EncodedOutcome::from))
}

impl From<StoredOutcome> for EncodedOutcome {
    fn from(kept: StoredOutcome) -> EncodedOutcome {
        if kept == StoredOutcome::NOTHING {
            return EncodedOutcome::Nothing;
        }
        match Outcome::from(kept) {
            Outcome::Done { revision } => EncodedOutcome::Done { revision },
            Outcome::Deleted { revision, existed } => EncodedOutcome::Deleted { revision, existed },
            Outcome::Swapped { revision, applied } => EncodedOutcome::Swapped { revision, applied },
            other => unreachable!("{other:?} is not the outcome of a write"),
        }
    }
}

impl Session {
    /// How many outcomes it keeps, gaps included.
    pub(crate) fn kept(&self) -> usize {
        self.outcomes.kept().len()
    }

    /// Appends the session's encoding.
    pub(crate) fn append(&self, id: SessionId, out: &mut Vec<u8>) {
        let encoded = Encoded {
            id,
            tag: self.tag,
            last_use: self.last_use,
            queued: self.queued,
            standing: match self.standing {
                Standing::New => 0,
                Standing::OnTrial => 1,
                Standing::InUse => 2,
            },
            floor: self.outcomes.floor(),
            kept: self.outcomes.kept(),
        };
        crate::encoding::append_payload(&encoded, out);
    }

    fn decode(r: &mut Reader, window: u64) -> Result<(SessionId, Session), SessionError> {
        let id = plain::session(r)?;
        let mut session = Session {
            tag: plain::tag(r)?,
            last_use: plain::revision(r)?,
            queued: plain::revision(r)?,
            standing: match r.u32("standing")? {
                0 => Standing::New,
                1 => Standing::OnTrial,
                2 => Standing::InUse,
                found => {
                    let what = "standing";
                    return Err(DecodeError::Variant { what, found }.into());
                }
            },
            outcomes: decode_outcomes(r, id, window)?,
            head: 0,
        };
        session.renew_head(id);
        Ok((id, session))
    }

    /// Checks that nothing took place before the session was opened, or after the last command.
    fn check_times(&self, id: SessionId, last: Revision) -> Result<(), SessionError> {
        let kept = self.outcomes.kept().iter().filter_map(|kept| kept.revision());
        let times = [
            ("opening", id.0),
            ("last use", self.last_use),
            ("queueing", self.queued),
        ];
        let mut times = times.into_iter().chain(kept.map(|at| ("outcome", at)));
        match times.find(|(_, at)| *at < id.0 || *at > last) {
            Some((what, at)) => Err(SessionError::Time {
                session: id,
                what,
                at,
                last,
            }),
            None => Ok(()),
        }
    }
}

fn decode_outcomes(r: &mut Reader, session: SessionId, window: u64) -> Result<OutcomeWindow, SessionError> {
    let floor = plain::sequence(r)?;
    let count = r.u64("number of outcomes")?;
    if count > window {
        return Err(SessionError::Window {
            session,
            count,
            window,
        });
    }
    let mut kept = VecDeque::new();
    for _ in 0..count {
        kept.push_back(decode_stored(r)?);
    }
    if kept.back() == Some(&StoredOutcome::NOTHING) {
        return Err(SessionError::Gap { session });
    }
    Ok(OutcomeWindow::of(floor, kept))
}

fn decode_stored(r: &mut Reader) -> Result<StoredOutcome, DecodeError> {
    Ok(match r.u32("kept outcome")? {
        0 => StoredOutcome::NOTHING,
        1 => StoredOutcome::done(plain::revision(r)?),
        2 => StoredOutcome::deleted(plain::revision(r)?, r.flag("existed")?),
        3 => StoredOutcome::swapped(plain::revision(r)?, r.flag("applied")?),
        found => {
            let what = "kept outcome";
            return Err(DecodeError::Variant { what, found });
        }
    })
}

/// Sessions that came in one part, checked and not added to the table yet.
pub(crate) struct ReceivedSessions {
    sessions: Vec<(SessionId, Session)>,
    tags: BTreeSet<Tag>,
    in_use: usize,
}

impl ReceivedSessions {
    pub(crate) fn none() -> ReceivedSessions {
        ReceivedSessions {
            sessions: Vec::new(),
            tags: BTreeSet::new(),
            in_use: 0,
        }
    }

    /// Reads one session more; tells where it lies in the table that is being put together. `last` is the last command that
    /// was applied to that table.
    pub(crate) fn read(
        &mut self,
        table: &Sessions,
        walk: &mut Walk<SessionId>,
        last: Revision,
        r: &mut Reader,
    ) -> Result<EntryPosition, SessionError> {
        let (id, session) = Session::decode(r, table.window)?;
        let order = SessionError::Order { session: id };
        let spot = walk.step(hash_id(id), &id).ok_or(order)?;
        session.check_times(id, last)?;
        let tag = session.tag;
        if table.by_tag.get(hash_tag(tag), &tag).is_some() || !self.tags.insert(tag) {
            return Err(SessionError::Tag { session: id });
        }
        self.in_use += usize::from(session.standing == Standing::InUse);
        if table.in_use.len() + self.in_use > table.most_in_use {
            let limit = table.most_in_use;
            return Err(SessionError::InUse { limit });
        }
        self.sessions.push((id, session));
        Ok(spot)
    }
}

impl Sessions {
    /// The most sessions that there may be.
    pub(crate) fn most(limits: &Limits) -> usize {
        limits.sessions.max(1)
    }

    /// The sessions at `from` and after it, each with where it lies, in an order that follows from the content.
    pub(crate) fn iter_from(
        &self,
        from: EntryPosition,
    ) -> impl Iterator<Item = (EntryPosition, SessionId, &Session)> {
        let sessions = self.table.iter_from(from);
        sessions.map(|(spot, id, session)| (spot, *id, session))
    }

    /// Expects the sessions of a table that holds `len` of them, in the order of [`iter_from`](Sessions::iter_from).
    pub(crate) fn walk(len: u64) -> Walk<SessionId> {
        Table::walk(len)
    }

    /// Adds sessions that came from elsewhere.
    pub(crate) fn add(&mut self, newcomers: ReceivedSessions) {
        for (id, session) in newcomers.sessions {
            self.digest = self.digest.wrapping_add(session.digest(id));
            self.by_tag.add(hash_tag(session.tag), session.tag, id);
            let queue: &mut Queue = self.queue(session.standing);
            queue.insert((session.queued, id));
            self.table.add(hash_id(id), id, session);
        }
    }

    /// Says how many were dropped elsewhere.
    pub(crate) fn set_dropped(&mut self, dropped: u64) {
        self.dropped = dropped;
    }
}
