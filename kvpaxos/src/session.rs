//! Client sessions: what makes a write take effect exactly once (design 4.5; Ongaro's thesis, 6.3).
//!
//! A session keeps the outcome of every sequence that its client may still ask about: those from its *floor*, the
//! lowest one unanswered, on. Sequences may come in any order within a window from there: keeping only the
//! largest one would skip requests that were overtaken. What is below the floor has been answered and is never
//! executed again.
//!
//! The table holds a bounded number, and every replica makes room in the same way, in log order (segmented LRU: Karedla,
//! Love and Wherry, 1994). A session is *on trial* until its second command, and *in use* from then on. Room is made
//! among those on trial, in the order they came; the least recently used one goes back on trial when those in use exceed
//! their share. So any number of clients that open a session, write once and are gone push out only each other.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_128;

use crate::buckets::Buckets;
use crate::command::{Outcome, Refusal, Tag};
use crate::config::Limits;
use crate::types::{Revision, Sequence, SessionId};

/// The outcome of a write, as long as its client may ask again. It holds no values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kept {
    Done { revision: Revision },
    Deleted { revision: Revision, existed: bool },
    Swapped { revision: Revision, applied: bool },
}

impl From<Kept> for Outcome {
    fn from(kept: Kept) -> Outcome {
        match kept {
            Kept::Done { revision } => Outcome::Done { revision },
            Kept::Deleted { revision, existed } => Outcome::Deleted { revision, existed },
            Kept::Swapped { revision, applied } => Outcome::Swapped { revision, applied },
        }
    }
}

/// The sessions that are open.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sessions {
    /// The most there may be, at least 1, and how many of them may be in use.
    most: usize,
    most_in_use: usize,
    window: u64,
    table: Buckets<SessionId, Session>,
    by_tag: Buckets<Tag, SessionId>,
    on_trial: Queue,
    in_use: Queue,
    dropped: u64,
    /// The sum over all sessions, kept as they change.
    digest: u128,
}

/// Sessions by the time they were queued. Those in use may have been used since: the first one whose
/// [`Session::queued`] and [`Session::last_use`] are equal is the least recently used.
type Queue = BTreeSet<(Revision, SessionId)>;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Session {
    tag: Tag,
    /// The lowest sequence that the client has no answer for: what is below is not executed, nor kept.
    floor: Sequence,
    /// Outcomes from the floor on, in ascending order.
    kept: VecDeque<(Sequence, Kept)>,
    last_use: Revision,
    /// Under which time it stands in its queue.
    queued: Revision,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It executed nothing yet.
    New,
    /// The next command makes it one in use.
    OnTrial,
    InUse,
}

/// How many sessions are looked at to find the least recently used. Each look but the last is paid for by a use in
/// between; the bound keeps one command from paying for all uses since the last time that room was made.
const LOOKS: usize = 16;

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Sessions {
        let most = limits.sessions.max(1);
        Sessions {
            most,
            most_in_use: most - most.div_ceil(4),
            window: limits.session_window,
            table: Buckets::new(),
            by_tag: Buckets::new(),
            on_trial: Queue::new(),
            in_use: Queue::new(),
            dropped: 0,
            digest: 0,
        }
    }

    /// Opens a session, named after where the command stands, making room if need be. A repeat, known by its tag, finds the
    /// one that it opened.
    pub(crate) fn open(&mut self, at: Revision, tag: Tag) -> SessionId {
        let tag_hash = hash_tag(tag);
        if let Some(known) = self.by_tag.get(tag_hash, &tag) {
            return *known;
        }
        if self.table.len() >= self.most {
            self.make_room();
        }
        let id = SessionId(at);
        let session = Session {
            tag,
            floor: Sequence(0),
            kept: VecDeque::new(),
            last_use: at,
            queued: at,
            standing: Standing::New,
        };
        self.digest = self.digest.wrapping_add(session.digest(id));
        self.table.insert(hash_id(id), &id, |id| *id, session);
        self.by_tag.insert(tag_hash, &tag, |tag| *tag, id);
        self.on_trial.insert((at, id));
        id
    }

    /// Forgets a session; tells whether it was there.
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
        assert!(queued, "session {id} stands in the queue that its standing names");
        true
    }

    /// Runs `execute` if this sequence was not executed yet, and returns its outcome, new or kept. A refusal changes
    /// nothing.
    pub(crate) fn once(
        &mut self,
        at: Revision,
        id: SessionId,
        sequence: Sequence,
        lowest: Sequence,
        execute: impl FnOnce() -> Kept,
    ) -> Result<Kept, Refusal> {
        let Some(session) = self.table.get_mut(hash_id(id), &id) else {
            return Err(Refusal::SessionExpired { session: id });
        };
        let floor = session.admit(id, sequence, lowest, self.window)?;
        let before = session.digest_head(id);
        let mut changed = session.raise_floor(id, floor);
        session.last_use = at;
        let (kept, promote) = match session.find(sequence) {
            Ok(place) => (session.kept[place].1, false),
            Err(place) => {
                let kept = execute();
                session.keep(place, sequence, kept);
                changed = changed.wrapping_add(digest_kept(id, sequence, kept));
                let promote = session.standing == Standing::OnTrial;
                if session.standing == Standing::New {
                    session.standing = Standing::OnTrial;
                }
                (kept, promote)
            }
        };
        changed = changed.wrapping_add(session.digest_head(id).wrapping_sub(before));
        self.digest = self.digest.wrapping_add(changed);
        if promote {
            self.promote(at, id);
        }
        Ok(kept)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many were dropped to make room, since the first slot.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn digest(&self) -> u128 {
        self.digest
    }

    /// From trial to use; the least recently used one goes the other way if there are too many.
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

    /// The one in use whose last use is furthest back; if many were used since they were queued, one that was not
    /// used for long.
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
        let before = session.digest_head(id);
        let from = (session.standing, session.queued);
        (session.standing, session.queued) = (standing, at);
        let after = session.digest_head(id);
        self.digest = self.digest.wrapping_add(after.wrapping_sub(before));
        let removed = self.queue(from.0).remove(&(from.1, id));
        let added = self.queue(standing).insert((at, id));
        assert!(removed && added, "session {id} stands in one queue, once");
    }

    fn queue(&mut self, standing: Standing) -> &mut Queue {
        match standing {
            Standing::New | Standing::OnTrial => &mut self.on_trial,
            Standing::InUse => &mut self.in_use,
        }
    }
}

impl Session {
    /// Checks that the sequence may be asked about; returns the floor that the request brings. The client's word for the
    /// lowest unanswered one counts as soon as it is higher than what is known.
    fn admit(
        &self,
        id: SessionId,
        sequence: Sequence,
        lowest: Sequence,
        window: u64,
    ) -> Result<Sequence, Refusal> {
        if sequence < self.floor {
            return Err(Refusal::AlreadyAnswered {
                session: id,
                sequence,
                lowest: self.floor,
            });
        }
        let floor = self.floor.max(lowest);
        match sequence.0.checked_sub(floor.0) {
            Some(ahead) if ahead < window => Ok(floor),
            _ => Err(Refusal::OutOfWindow {
                sequence,
                lowest: floor,
                window,
            }),
        }
    }

    /// Forgets what is below; returns the change of the digest.
    fn raise_floor(&mut self, id: SessionId, floor: Sequence) -> u128 {
        self.floor = floor;
        let mut changed = 0_u128;
        while let Some(&(sequence, kept)) = self.kept.front()
            && sequence < floor
        {
            self.kept.pop_front();
            changed = changed.wrapping_sub(digest_kept(id, sequence, kept));
        }
        // A burst must not hold its memory for ever.
        if self.kept.capacity() > 64 && self.kept.len() < self.kept.capacity() / 8 {
            self.kept.shrink_to(self.kept.len() * 2);
        }
        changed
    }

    /// Where the sequence is kept, or belongs. Most come in order.
    fn find(&self, sequence: Sequence) -> Result<usize, usize> {
        match self.kept.back() {
            Some((last, _)) if *last >= sequence => {
                self.kept.binary_search_by_key(&sequence, |(kept, _)| *kept)
            }
            _ => Err(self.kept.len()),
        }
    }

    fn keep(&mut self, place: usize, sequence: Sequence, kept: Kept) {
        if place == self.kept.len() {
            self.kept.push_back((sequence, kept));
        } else {
            self.kept.insert(place, (sequence, kept));
        }
    }

    fn digest(&self, id: SessionId) -> u128 {
        let kept = self.kept.iter();
        kept.fold(self.digest_head(id), |sum, (sequence, kept)| {
            sum.wrapping_add(digest_kept(id, *sequence, *kept))
        })
    }

    /// Of all but the kept outcomes: whatever decides what the session answers and when it is dropped.
    fn digest_head(&self, id: SessionId) -> u128 {
        let standing = match self.standing {
            Standing::New => 0,
            Standing::OnTrial => 1,
            Standing::InUse => 2,
        };
        digest_words([
            id.0.slot.0,
            u64::from(id.0.index) | u64::from(self.last_use.index) << 32,
            self.last_use.slot.0,
            self.floor.0,
            self.queued.slot.0,
            u64::from(self.queued.index) | standing << 32 | u64::from(self.tag.replica.0) << 40,
            self.tag.nonce,
            self.tag.number,
        ])
    }
}

fn digest_kept(id: SessionId, sequence: Sequence, kept: Kept) -> u128 {
    let (revision, kind) = match kept {
        Kept::Done { revision } => (revision, 0),
        Kept::Deleted { revision, existed } => (revision, 2 + u64::from(existed)),
        Kept::Swapped { revision, applied } => (revision, 4 + u64::from(applied)),
    };
    digest_words([
        id.0.slot.0,
        u64::from(id.0.index) | u64::from(revision.index) << 32,
        revision.slot.0,
        sequence.0,
        kind,
    ])
}

/// 5 words or 8: no two kinds of things have the same length.
fn digest_words<const N: usize>(words: [u64; N]) -> u128 {
    let mut bytes = [0; 64];
    for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    xxh3_128(&bytes[..N * 8])
}

fn hash_id(id: SessionId) -> u64 {
    fold(
        id.0.slot.0 ^ 0x9E37_79B9_7F4A_7C15,
        u64::from(id.0.index) ^ 0xD6E8_FEB8_6659_FD93,
    )
}

fn hash_tag(tag: Tag) -> u64 {
    let numbers = fold(
        tag.nonce ^ 0xA076_1D64_78BD_642F,
        tag.number ^ 0xE703_7ED1_A0B4_28DB,
    );
    fold(numbers ^ u64::from(tag.replica.0), 0x8EBC_6AF0_9C88_C6E3)
}

/// Both halves of the product: every bit of either number reaches the low bits that choose the bucket.
#[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product >> 64) as u64 ^ product as u64
}

/// Equal tables have equal digests, and the reverse is as good as certain.
impl Hash for Sessions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
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
