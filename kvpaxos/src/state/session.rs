//! Client sessions: they make a write take effect exactly once (Ongaro's thesis, 6.3).
//!
//! A session stores the outcome of every sequence that its client may still ask about: those from its *floor*
//! on, which is the lowest unanswered one. Sequences may arrive in any order within a window above the floor.
//! To store only the largest sequence would skip requests that arrive out of order. Sequences below the floor
//! are answered, and are never executed again.
//!
//! The table holds a bounded number of sessions. Every replica makes room in the same way, in log order
//! (segmented LRU: Karedla, Love and Wherry, 1994). A session is *on trial* until its second command, and *in
//! use* from then on. The oldest session on trial is dropped first. When the sessions in use exceed their
//! share, the least recently used one goes back on trial. So clients that open a session, write once and
//! leave only push out each other.
//!
//! The results of transactions are stored too, and may be large. Their bytes are bounded over all sessions:
//! the session that stores the oldest ones is dropped first, as its client has not reported for the longest
//! time that it has them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::command::{Refusal, Tag};
use crate::config::Limits;
use crate::state::buckets::{BucketsToFree, Map, MapBucket};
use crate::types::{Revision, Sequence, SessionId};

mod encoding;
mod outcomes;
mod queue;
mod results;

pub use encoding::SessionError;
pub(crate) use encoding::{ReceivedResults, ReceivedSessions};
use outcomes::OutcomeWindow;
pub(crate) use outcomes::StoredOutcome;
pub(crate) use outcomes::digest_words;
use queue::Queue;
pub(crate) use results::Execution;
pub use results::ResultsOf;
use results::{ResultsTable, StoredResults};

/// The table of open sessions.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sessions {
    /// The greatest number of sessions, at least 1, and of sessions in use.
    most: usize,
    most_in_use: usize,
    window: u64,
    table: Table,
    by_tag: ByTag,
    on_trial: Queue,
    in_use: Queue,
    dropped: u64,
    /// The sum of the digests of all sessions, updated as they change.
    digest: u64,
    results: ResultsTable,
    /// The greatest number of bytes of results.
    most_results: u64,
}

type Table = Map<SessionId, Session, 2>;
type ByTag = Map<Tag, SessionId, 32>;

/// One session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Session {
    tag: Tag,
    outcomes: OutcomeWindow,
    last_use: Revision,
    /// The revision under which it is in its queue.
    queued: Revision,
    standing: Standing,
    /// The digest of all fields except for the stored outcomes.
    head: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It has executed nothing yet.
    New,
    /// Its next command moves it to the sessions in use.
    OnTrial,
    InUse,
}

/// The greatest number of sessions that are examined to find the least recently used one. Each examination
/// but the last is paid for by one use of a session; the bound keeps one command from paying for all of them.
const LOOKS: usize = 16;

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Sessions {
        let most = Sessions::most(limits);
        Sessions {
            most,
            most_in_use: most - most.div_ceil(4),
            window: limits.session_window,
            table: Table::new(),
            by_tag: ByTag::new(),
            on_trial: Queue::default(),
            in_use: Queue::default(),
            dropped: 0,
            digest: 0,
            results: ResultsTable::new(),
            most_results: limits.results_bytes as u64,
        }
    }

    /// Opens a session whose id is the revision of the command, and makes room if necessary. A repeat, with
    /// the same tag, returns the session that is open already.
    pub(crate) fn open(&mut self, at: Revision, tag: Tag) -> SessionId {
        let tag_hash = hash_tag(tag);
        if let Some(known) = self.by_tag.get(tag_hash, &tag) {
            return *known;
        }
        if self.table.len() >= self.most {
            self.make_room();
        }
        let id = SessionId(at);
        let mut session = Session {
            tag,
            outcomes: OutcomeWindow::default(),
            last_use: at,
            queued: at,
            standing: Standing::New,
            head: 0,
        };
        session.renew_head(id);
        self.digest = self.digest.wrapping_add(session.digest(id));
        self.table.add(hash_id(id), id, session);
        self.by_tag.add(tag_hash, tag, id);
        self.on_trial.insert((at, id));
        id
    }

    /// Removes a session; returns whether it existed.
    pub(crate) fn close(&mut self, id: SessionId) -> bool {
        let Some(session) = self.table.remove(hash_id(id), &id) else {
            return false;
        };
        self.digest = self.digest.wrapping_sub(session.digest(id));
        self.by_tag.remove(hash_tag(session.tag), &session.tag);
        let queue = match session.standing {
            Standing::New | Standing::OnTrial => &mut self.on_trial,
            Standing::InUse => &mut self.in_use,
        };
        let queued = queue.remove(&(session.queued, id));
        assert!(queued, "session {id} is in the queue of its standing");
        session.outcomes.drop_all_results(id, &mut self.results);
        true
    }

    /// Runs `execute` if this sequence was not executed yet. Returns the outcome, new or stored. A refusal
    /// changes nothing.
    pub(crate) fn once<E: Into<Execution>>(
        &mut self,
        at: Revision,
        id: SessionId,
        sequence: Sequence,
        lowest: Sequence,
        execute: impl FnOnce() -> E,
    ) -> Result<Execution, Refusal> {
        let Some(session) = self.table.get_mut(hash_id(id), &id) else {
            return Err(Refusal::SessionExpired { session: id });
        };
        let floor = session.outcomes.admit(id, sequence, lowest, self.window)?;
        let mut changed = session.outcomes.raise_floor(id, floor, &mut self.results);
        session.last_use = at;
        let known = session.outcomes.get(sequence);
        let mut promote = false;
        let execution = if let Some(stored) = known {
            let results = results_of(&self.results, id, sequence, stored);
            Execution { stored, results }
        } else {
            let execution = execute().into();
            changed = changed.wrapping_add(session.outcomes.keep(id, sequence, execution.stored));
            promote = session.standing == Standing::OnTrial;
            if session.standing == Standing::New {
                session.standing = Standing::OnTrial;
            }
            execution
        };
        changed = changed.wrapping_add(session.renew_head(id));
        self.digest = self.digest.wrapping_add(changed);
        if promote {
            self.promote(at, id);
        }
        if let (None, Some(results)) = (known, &execution.results) {
            let of = ResultsOf {
                session: id,
                sequence,
            };
            self.results.keep(of, at, Arc::clone(results));
            self.bound_results();
        }
        Ok(execution)
    }

    /// Drops sessions until the results of the others are within the limit.
    fn bound_results(&mut self) {
        while self.results.bytes() > self.most_results
            && let Some(id) = self.results.oldest()
        {
            self.close(id);
            self.dropped += 1;
        }
    }

    /// The open session with this tag.
    pub(crate) fn opened(&self, tag: Tag) -> Option<SessionId> {
        self.by_tag.get(hash_tag(tag), &tag).copied()
    }

    /// What [`once`](Sessions::once) would return without executing anything: the stored outcome, or that the
    /// sequence was answered.
    pub(crate) fn known(&self, id: SessionId, sequence: Sequence) -> Option<Result<Execution, Refusal>> {
        let known = self.table.get(hash_id(id), &id)?.outcomes.known(id, sequence)?;
        Some(known.map(|stored| {
            let results = results_of(&self.results, id, sequence, stored);
            Execution { stored, results }
        }))
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The number of sessions that were dropped to make room, since the first slot.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.wrapping_add(self.results.digest())
    }

    /// The bytes of all stored results.
    pub(crate) fn results_bytes(&self) -> u64 {
        self.results.bytes()
    }

    /// Moves a session from trial to use. If too many are in use, the least recently used one goes the other
    /// way.
    fn promote(&mut self, at: Revision, id: SessionId) {
        self.requeue(id, at, Standing::InUse);
        if self.in_use.len() > self.most_in_use
            && let Some(least) = self.least_recently_used()
        {
            self.requeue(least, at, Standing::OnTrial);
        }
    }

    fn make_room(&mut self) {
        let oldest = self.on_trial.first().map(|(_, id)| *id);
        if let Some(id) = oldest.or_else(|| self.least_recently_used()) {
            self.close(id);
            self.dropped += 1;
        }
    }

    /// The session in use whose last use is the oldest or, if many were used since they were queued, one of
    /// the oldest.
    fn least_recently_used(&mut self) -> Option<SessionId> {
        for _ in 0..LOOKS {
            let (queued, id) = *self.in_use.first()?;
            let last_use = self.table.get(hash_id(id), &id)?.last_use;
            if last_use == queued {
                break;
            }
            self.requeue(id, last_use, Standing::InUse);
        }
        self.in_use.first().map(|(_, id)| *id)
    }

    fn requeue(&mut self, id: SessionId, at: Revision, standing: Standing) {
        let Some(session) = self.table.get_mut(hash_id(id), &id) else {
            return;
        };
        let from = (session.standing, session.queued);
        (session.standing, session.queued) = (standing, at);
        let changed = session.renew_head(id);
        self.digest = self.digest.wrapping_add(changed);
        let removed = self.queue(from.0).remove(&(from.1, id));
        let added = self.queue(standing).insert((at, id));
        assert!(removed && added, "session {id} is in exactly one queue, once");
    }

    fn queue(&mut self, standing: Standing) -> &mut Queue {
        match standing {
            Standing::New | Standing::OnTrial => &mut self.on_trial,
            Standing::InUse => &mut self.in_use,
        }
    }
}

/// A session table that is being freed.
#[derive(Default)]
pub(crate) struct SessionsToFree {
    table: BucketsToFree<MapBucket<SessionId, Session>>,
    by_tag: BucketsToFree<MapBucket<Tag, SessionId>>,
    results: BucketsToFree<MapBucket<ResultsOf, StoredResults>>,
    queues: [Queue; 3],
}

impl SessionsToFree {
    /// See [`BucketsToFree::free_some`].
    pub(crate) fn free_some(&mut self, work: &mut usize) {
        self.table.free_some(work);
        self.by_tag.free_some(work);
        self.results.free_some(work);
        for queue in &mut self.queues {
            queue.free_some(work);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let queued = self.queues.iter().map(Queue::len).sum::<usize>();
        self.table.is_empty() && self.by_tag.is_empty() && self.results.is_empty() && queued == 0
    }
}

impl From<Sessions> for SessionsToFree {
    fn from(sessions: Sessions) -> SessionsToFree {
        let (results, by_age) = sessions.results.into_parts();
        SessionsToFree {
            table: sessions.table.into(),
            by_tag: sessions.by_tag.into(),
            results: results.into(),
            queues: [sessions.on_trial, sessions.in_use, by_age],
        }
    }
}

impl Session {
    fn digest(&self, id: SessionId) -> u64 {
        self.head.wrapping_add(self.outcomes.digest(id))
    }

    /// Something else than the stored outcomes has changed: updates `head`, and returns the change of the
    /// digest.
    fn renew_head(&mut self, id: SessionId) -> u64 {
        let before = self.head;
        self.head = self.digest_head(id);
        self.head.wrapping_sub(before)
    }

    /// The digest of all fields except for the stored outcomes.
    fn digest_head(&self, id: SessionId) -> u64 {
        let standing = match self.standing {
            Standing::New => 0,
            Standing::OnTrial => 1,
            Standing::InUse => 2,
        };
        digest_words([
            id.0.slot.0,
            u64::from(id.0.index) | u64::from(self.last_use.index) << 32,
            self.last_use.slot.0,
            self.outcomes.floor().0,
            self.queued.slot.0,
            u64::from(self.queued.index) | standing << 32,
            self.tag.nonce,
            self.tag.number,
        ])
    }
}

/// The results of a write, if there are any.
fn results_of(
    table: &ResultsTable,
    session: SessionId,
    sequence: Sequence,
    stored: StoredOutcome,
) -> Option<results::Results> {
    let of = ResultsOf { session, sequence };
    let results = stored.has_results().then(|| table.get(of));
    results
        .map(|results| results.expect("the results of an executed transaction are stored with its outcome"))
}

fn hash_id(id: SessionId) -> u32 {
    low(digest_words([id.0.slot.0, id.0.index.into()]))
}

fn hash_tag(tag: Tag) -> u32 {
    low(digest_words([tag.nonce, tag.number]))
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low(hash: u64) -> u32 {
    hash as u32
}

/// Equal tables have equal digests; different ones differ, except for a negligible probability.
impl Hash for Sessions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest().hash(state);
        self.dropped.hash(state);
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.table.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
