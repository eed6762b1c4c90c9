//! The encoding of sessions in the parts of a snapshot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::results::{Results, ResultsOf, ResultsTable, bytes_of};
use super::{OutcomeWindow, Queue, Session, Sessions, Standing, StoredOutcome, Table, hash_id, hash_tag};
use crate::codec::step_results;
use crate::command::{Outcome, Tag};
use crate::config::Limits;
use crate::encoding::{DecodeError, Reader, plain};
use crate::state::buckets::{EntryPosition, Walk};
use crate::transaction::StepResult;
use crate::types::{Revision, Sequence, SessionId};

/// What is wrong with a session in a part of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// The bytes are not an encoding of a session.
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    /// The session does not belong after the one before it.
    #[error("session {session} is out of order, or comes twice: the sender is faulty")]
    Order {
        /// The session.
        session: SessionId,
    },
    /// It has more outcomes than a session may have.
    #[error(
        "session {session} has {count} outcomes, more than the window of {window}: use the same limits on \
         both ends"
    )]
    Window {
        /// The session.
        session: SessionId,
        /// The number of outcomes that it claims.
        count: u64,
        /// The limit.
        window: u64,
    },
    /// Its last outcome is missing.
    #[error("the outcomes of session {session} end with a gap: the sender uses another encoding")]
    Gap {
        /// The session.
        session: SessionId,
    },
    /// A revision in it is below that at which the session was opened, or above the last command of the
    /// snapshot.
    #[error(
        "the {what} of session {session} is at {at}, not between {session} and {last}: the sender is faulty"
    )]
    Time {
        /// The session.
        session: SessionId,
        /// What the revision is of.
        what: &'static str,
        /// The revision.
        at: Revision,
        /// The last command that the snapshot holds.
        last: Revision,
    },
    /// Another session has the same tag.
    #[error("session {session} has the tag of another session: the sender is faulty")]
    Tag {
        /// The session.
        session: SessionId,
    },
    /// Results do not belong after those before them.
    #[error("the results of session {} are out of order, or come twice: the sender is faulty", .of.session)]
    ResultsOrder {
        /// The write whose results they are.
        of: ResultsOf,
    },
    /// Results belong to no transaction.
    #[error(
        "session {} has not executed a transaction under sequence {}, but there are results of it: the \
         sender is faulty", .of.session, .of.sequence.0
    )]
    ResultsOfNothing {
        /// The write whose results they would be.
        of: ResultsOf,
    },
    /// The results of all sessions are longer than the limits allow.
    #[error(
        "the sessions store results of {bytes} bytes, more than the limit of {limit}: use the same limits \
         on both ends"
    )]
    ResultsBytes {
        /// The bytes so far.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More sessions are in use than the limits allow.
    #[error("more than {limit} sessions are in use: use the same limits on both ends")]
    InUse {
        /// The limit.
        limit: usize,
    },
}

/// A session as postcard encodes it. A change is a new version of the codec.
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

/// The outcome of one sequence as postcard encodes it.
#[derive(Serialize)]
enum EncodedOutcome {
    Nothing,
    Done { revision: Revision },
    Deleted { revision: Revision, existed: bool },
    Swapped { revision: Revision, applied: bool },
    Executed { revision: Revision, held: bool },
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
            Outcome::Executed { revision, results } => EncodedOutcome::Executed {
                revision,
                held: results.is_some(),
            },
            other => unreachable!("{other:?} is not the outcome of a write"),
        }
    }
}

impl Session {
    /// The number of outcomes that it stores, including gaps.
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

    /// Checks that all revisions are between that of the session and that of the last command.
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
        4 => StoredOutcome::executed(plain::revision(r)?, r.flag("held")?),
        found => {
            let what = "kept outcome";
            return Err(DecodeError::Variant { what, found });
        }
    })
}

/// The sessions of one part, checked and not yet added to the table.
pub(crate) struct ReceivedSessions {
    sessions: Vec<(SessionId, Session)>,
    tags: BTreeSet<Tag>,
    in_use: usize,
    /// The transactions whose results must follow, and when they were executed.
    executed: BTreeMap<ResultsOf, Revision>,
}

impl ReceivedSessions {
    pub(crate) fn none() -> ReceivedSessions {
        ReceivedSessions {
            sessions: Vec::new(),
            tags: BTreeSet::new(),
            in_use: 0,
            executed: BTreeMap::new(),
        }
    }

    /// The number of transactions whose results must follow.
    pub(crate) fn executed(&self) -> u64 {
        self.executed.len() as u64
    }

    /// Reads one more session; returns its position in the table that is being assembled. `last` is the last
    /// command of the snapshot.
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
        self.executed.extend(session.outcomes.with_results(id));
        self.sessions.push((id, session));
        Ok(spot)
    }
}

/// The results of one part, checked and not yet added.
#[derive(Default)]
pub(crate) struct ReceivedResults {
    results: Vec<(ResultsOf, Revision, Results)>,
    bytes: u64,
}

impl ReceivedResults {
    /// Reads the results of one more transaction; returns their position in the table that is being
    /// assembled. `part` are the sessions of the same part. The values may be `limit` bytes long, all
    /// together.
    pub(crate) fn read(
        &mut self,
        table: &Sessions,
        part: &ReceivedSessions,
        walk: &mut Walk<ResultsOf>,
        limit: usize,
        r: &mut Reader,
    ) -> Result<EntryPosition, SessionError> {
        let (session, sequence) = (plain::session(r)?, plain::sequence(r)?);
        let of = ResultsOf { session, sequence };
        let order = SessionError::ResultsOrder { of };
        let spot = ResultsTable::step(walk, of).ok_or(order)?;
        let of_nothing = SessionError::ResultsOfNothing { of };
        let at = part.executed.get(&of).copied().or_else(|| table.executed(of));
        let at = at.ok_or(of_nothing)?;
        r.reset_counts();
        let results: Results = step_results(r, limit)?.into_iter().map(owned).collect();
        self.bytes += bytes_of(&results) as u64;
        let (bytes, limit) = (table.results.bytes() + self.bytes, table.most_results);
        if bytes > limit {
            return Err(SessionError::ResultsBytes { bytes, limit });
        }
        self.results.push((of, at, results));
        Ok(spot)
    }

    /// The number of transactions. All of them are different, and have executed something.
    pub(crate) fn len(&self) -> u64 {
        self.results.len() as u64
    }
}

/// The same result without a reference to the part that it was received in.
fn owned(mut result: StepResult) -> StepResult {
    if let StepResult::Value(Some(value))
    | StepResult::Changed {
        previous: Some(value),
        ..
    } = &mut result
    {
        *value = Bytes::copy_from_slice(value);
    }
    result
}

impl Sessions {
    /// When a transaction was executed whose results are stored, or must follow.
    fn executed(&self, ResultsOf { session, sequence }: ResultsOf) -> Option<Revision> {
        let session = self.table.get(hash_id(session), &session)?;
        session.outcomes.executed(sequence)
    }

    pub(crate) fn results_len(&self) -> usize {
        self.results.len()
    }

    /// See [`ResultsTable::iter_from`].
    pub(crate) fn results_from(
        &self,
        from: EntryPosition,
    ) -> impl Iterator<Item = (EntryPosition, ResultsOf, &[StepResult], usize)> {
        self.results.iter_from(from)
    }

    /// Checks the order of the results of `len` transactions.
    pub(crate) fn walk_results(len: u64) -> Walk<ResultsOf> {
        ResultsTable::walk(len)
    }

    /// Adds the results of a part.
    pub(crate) fn add_results(&mut self, newcomers: ReceivedResults) {
        for (of, at, results) in newcomers.results {
            self.results.keep(of, at, results);
        }
    }

    /// The greatest number of sessions.
    pub(crate) fn most(limits: &Limits) -> usize {
        limits.sessions.max(1)
    }

    /// The sessions at `from` and after it, with their positions, in an order that follows from the content.
    pub(crate) fn iter_from(
        &self,
        from: EntryPosition,
    ) -> impl Iterator<Item = (EntryPosition, SessionId, &Session)> {
        let sessions = self.table.iter_from(from);
        sessions.map(|(spot, id, session)| (spot, *id, session))
    }

    /// Checks the order of the sessions of a table that holds `len` of them, which is that of
    /// [`iter_from`](Sessions::iter_from).
    pub(crate) fn walk(len: u64) -> Walk<SessionId> {
        Table::walk(len)
    }

    /// Adds the sessions of a part.
    pub(crate) fn add(&mut self, newcomers: ReceivedSessions) {
        for (id, session) in newcomers.sessions {
            self.digest = self.digest.wrapping_add(session.digest(id));
            self.by_tag.add(hash_tag(session.tag), session.tag, id);
            let queue: &mut Queue = self.queue(session.standing);
            queue.insert((session.queued, id));
            self.table.add(hash_id(id), id, session);
        }
    }

    /// Sets the number of sessions that were dropped so far.
    pub(crate) fn set_dropped(&mut self, dropped: u64) {
        self.dropped = dropped;
    }
}
