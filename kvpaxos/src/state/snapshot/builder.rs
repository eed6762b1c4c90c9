//! Assembles a snapshot from its parts.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use super::{Cursor, Head, MAX_ITEMS, Section, Snapshot, SnapshotError};
use crate::config::Limits;
use crate::encoding::{Reader, plain};
use crate::state::buckets::Walk;
use crate::state::kv::{EntryRef, ReceivedEntry, StoreAssembly};
use crate::state::machine::{StateMachine, digest_of};
use crate::state::session::{ReceivedResults, ReceivedSessions, ResultsOf, Sessions};
use crate::types::{Revision, SessionId, Slot};

/// Assembles a snapshot from its parts, in order.
///
/// The parts need not be trusted. Each is checked in full before anything is taken from it, and memory grows
/// only in proportion to what has arrived. The digest is computed as the parts arrive.
#[derive(Clone, PartialEq, Eq)]
pub struct Builder {
    limits: Limits,
    slot: Slot,
    digest: u128,
    next: Cursor,
    /// The items that are missing; unknown before the head has arrived.
    rest: Option<Remainder>,
    sessions: Sessions,
    store: StoreAssembly,
}

/// The content of the head, and the items that are missing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Remainder {
    last: Option<Revision>,
    dropped: u64,
    history: u128,
    sessions: Walk<SessionId>,
    results: Walk<ResultsOf>,
    /// The number of transactions whose results must follow.
    awaited: u64,
    keys: Walk<Vec<u8>>,
}

/// The content of a part, checked.
struct CheckedPart<'a> {
    rest: Remainder,
    next: Cursor,
    sessions: ReceivedSessions,
    results: ReceivedResults,
    entries: Vec<ReceivedEntry<'a>>,
}

/// A snapshot that could not be finished. The builder may be large: free it with
/// [`DeferredFree`](super::DeferredFree).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}")]
pub struct Rejected {
    /// Why.
    pub error: SnapshotError,
    /// The builder with all that was added.
    pub builder: Box<Builder>,
}

impl Builder {
    /// Expects the snapshot of the state after every slot below `slot`, with this digest. `limits` must be
    /// those of the cluster: they bound what is accepted, and the state is used with them.
    #[must_use]
    pub fn new(limits: Limits, slot: Slot, digest: u128) -> Builder {
        Builder {
            limits,
            slot,
            digest,
            next: Cursor::START,
            rest: None,
            sessions: Sessions::new(&limits),
            store: StoreAssembly::new(),
        }
    }

    /// The slot of the snapshot.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The digest that the snapshot must have.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The position at which the next part begins.
    #[must_use]
    pub fn next(&self) -> Cursor {
        self.next
    }

    /// Whether all parts have been added.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rest.as_ref().is_some_and(Remainder::is_empty)
    }

    /// Adds the part that begins at `at` and is followed by the one at `next`, `None` if it is the last, as
    /// [`Snapshot::part`] returned them. Returns whether the snapshot is complete.
    ///
    /// Short values are copied, so that they do not hold the memory of the part; long ones share it.
    ///
    /// # Errors
    /// If the part is not valid. Nothing is changed, and the same part of another replica may be added. If
    /// that is refused as well, an earlier part was wrong: begin again.
    pub fn add(&mut self, at: Cursor, part: &Bytes, next: Option<Cursor>) -> Result<bool, SnapshotError> {
        if self.is_complete() {
            return Err(SnapshotError::Complete);
        }
        if at != self.next {
            let expected = self.next;
            return Err(SnapshotError::NotNext { at, expected });
        }
        if part.is_empty() {
            return Err(SnapshotError::Empty { at });
        }
        let arrival = self.read(part)?;
        let found = (!arrival.rest.is_empty()).then_some(arrival.next);
        if next != found {
            return Err(SnapshotError::End { told: next, found });
        }
        self.take(arrival);
        Ok(found.is_none())
    }

    /// Returns the snapshot, if all parts are added and their digest is the expected one. It does not visit
    /// the entries again.
    ///
    /// # Errors
    /// Returns the builder, with the reason: [`SnapshotError::Incomplete`] or [`SnapshotError::Digest`].
    pub fn finish(self) -> Result<Snapshot, Rejected> {
        if !self.is_complete() {
            let error = SnapshotError::Incomplete { next: self.next };
            let builder = Box::new(self);
            return Err(Rejected { error, builder });
        }
        let (slot, expected) = (self.slot, self.digest);
        let (last, history) = self
            .rest
            .as_ref()
            .map_or((None, 0), |rest| (rest.last, rest.history));
        let found = digest_of(last, &self.sessions, self.store.digest(), history);
        if found != expected {
            let error = SnapshotError::Digest { expected, found };
            let builder = Box::new(self);
            return Err(Rejected { error, builder });
        }
        let machine = StateMachine::restored(self.limits, last, self.sessions, self.store.finish(), history);
        let machine = Arc::new(machine);
        Ok(Snapshot { slot, machine })
    }

    /// The content that was added so far.
    pub(super) fn into_content(self) -> (Sessions, StoreAssembly) {
        (self.sessions, self.store)
    }

    /// Reads a part and checks it against the earlier parts, without changing anything.
    fn read<'a>(&self, part: &'a Bytes) -> Result<CheckedPart<'a>, SnapshotError> {
        let mut reader = Reader::new(part);
        let r = &mut reader;
        let (rest, next) = match &self.rest {
            None => (Remainder::read(r, self.slot, &self.limits)?, Cursor::AFTER_HEAD),
            Some(rest) => (rest.clone(), self.next),
        };
        let mut arrival = CheckedPart {
            rest,
            next,
            sessions: ReceivedSessions::none(),
            results: ReceivedResults::default(),
            entries: Vec::new(),
        };
        let mut items = 0;
        while !arrival.rest.is_empty() && r.finish().is_err() {
            items += 1;
            if items > MAX_ITEMS {
                return Err(SnapshotError::TooManyItems { at: self.next });
            }
            if arrival.rest.sessions.left() > 0 {
                self.read_session(r, &mut arrival)?;
            } else if arrival.rest.results.left() > 0 {
                self.read_results(r, &mut arrival)?;
            } else {
                self.read_entry(part, r, &mut arrival)?;
            }
        }
        r.finish()?;
        arrival.rest.awaited += arrival.sessions.executed();
        arrival.rest.awaited -= arrival.results.len();
        match arrival.rest.awaited {
            count if count > 0 && arrival.rest.is_empty() => Err(SnapshotError::Results { count }),
            _ => Ok(arrival),
        }
    }

    fn read_session(&self, r: &mut Reader, arrival: &mut CheckedPart) -> Result<(), SnapshotError> {
        let last = arrival.rest.last.unwrap_or_default();
        let walk = &mut arrival.rest.sessions;
        let spot = arrival.sessions.read(&self.sessions, walk, last, r)?;
        arrival.next = Cursor::after(Section::Sessions, spot);
        Ok(())
    }

    fn read_results(&self, r: &mut Reader, arrival: &mut CheckedPart) -> Result<(), SnapshotError> {
        let CheckedPart {
            rest,
            sessions,
            results,
            ..
        } = arrival;
        let limit = self.limits.answer_bytes;
        let spot = results.read(&self.sessions, sessions, &mut rest.results, limit, r)?;
        arrival.next = Cursor::after(Section::Results, spot);
        Ok(())
    }

    fn read_entry<'a>(
        &self,
        part: &Bytes,
        r: &mut Reader<'a>,
        arrival: &mut CheckedPart<'a>,
    ) -> Result<(), SnapshotError> {
        let key = r.slice("key", self.limits.key)?;
        let value = r.slice("value", self.limits.value)?;
        let changed = plain::revision(r)?;
        let last = arrival.rest.last.unwrap_or_default();
        if changed > last {
            return Err(SnapshotError::Changed { at: changed, last });
        }
        let entry = EntryRef { key, value, changed };
        let Some((spot, entry)) = ReceivedEntry::next(&mut arrival.rest.keys, part, entry) else {
            let (length, after) = (key.len(), arrival.next);
            return Err(SnapshotError::KeyOrder { length, after });
        };
        arrival.next = Cursor::after(Section::Entries, spot);
        arrival.entries.push(entry);
        Ok(())
    }

    fn take(&mut self, arrival: CheckedPart) {
        self.sessions.add(arrival.sessions);
        self.sessions.add_results(arrival.results);
        self.sessions.set_dropped(arrival.rest.dropped);
        self.store.add(&arrival.entries);
        self.next = arrival.next;
        self.rest = Some(arrival.rest);
    }
}

impl Remainder {
    fn read(r: &mut Reader, slot: Slot, limits: &Limits) -> Result<Remainder, SnapshotError> {
        let head = Head {
            last: r.option("last command", plain::revision)?,
            dropped: plain::counter(r, "number of dropped sessions")?,
            sessions: plain::counter(r, "number of sessions")?,
            results: plain::counter(r, "number of transactions with results")?,
            keys: plain::counter(r, "number of keys")?,
            history: [r.u64("history")?, r.u64("history")?],
        };
        let [high, low] = head.history.map(u128::from);
        match head.last {
            Some(last) if last.slot >= slot => return Err(SnapshotError::TooLate { slot, last }),
            None if head.dropped > 0 || head.sessions > 0 || head.results > 0 || head.keys > 0 => {
                return Err(SnapshotError::FromNothing);
            }
            _ => {}
        }
        let limit = Sessions::most(limits);
        if head.sessions > limit as u64 {
            let count = head.sessions;
            return Err(SnapshotError::TooManySessions { count, limit });
        }
        Ok(Remainder {
            last: head.last,
            dropped: head.dropped,
            history: (high << 64) | low,
            sessions: Sessions::walk(head.sessions),
            results: Sessions::walk_results(head.results),
            awaited: 0,
            keys: StoreAssembly::walk(head.keys),
        })
    }

    fn is_empty(&self) -> bool {
        self.sessions.left() == 0 && self.results.left() == 0 && self.keys.left() == 0
    }
}

impl Hash for Builder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.limits, self.slot, self.digest, self.next).hash(state);
        self.rest.hash(state);
        self.sessions.hash(state);
        (self.store.digest(), self.store.len()).hash(state);
    }
}

/// Not the content, which may be large.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("slot", &self.slot)
            .field("digest", &format_args!("{:032x}", self.digest))
            .field("next", &self.next)
            .field("keys", &self.store.len())
            .field("sessions", &self.sessions.len())
            .finish()
    }
}
