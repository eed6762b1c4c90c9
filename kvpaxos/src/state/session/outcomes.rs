//! The outcomes that a session stores because its client may still ask for them.

use std::collections::VecDeque;
use std::fmt;

use super::results::{ResultsOf, ResultsTable};
use crate::command::{Outcome, Refusal};
use crate::types::{Revision, Sequence, SessionId, Slot};

/// The outcome of a write, stored while its client may ask again. It is small and holds no values: a table of
/// many sessions with many outcomes passes through the caches again and again.
///
/// Two machine words, so that it is passed in registers. If it were written to memory in smaller parts, a
/// read of the whole would have to wait until all earlier writes had reached the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredOutcome {
    slot: u64,
    /// The index in the slot's batch, and one of the constants below in the low byte.
    index_and_kind: u64,
}

const DONE: u64 = 1;
const DELETED_NOTHING: u64 = 2;
const DELETED: u64 = 3;
const NOT_SWAPPED: u64 = 4;
const SWAPPED: u64 = 5;
const NOT_EXECUTED: u64 = 6;
const EXECUTED: u64 = 7;

impl StoredOutcome {
    /// Stands for a sequence that is not executed.
    pub(super) const NOTHING: StoredOutcome = StoredOutcome {
        slot: 0,
        index_and_kind: 0,
    };

    pub(crate) fn done(revision: Revision) -> StoredOutcome {
        StoredOutcome::new(revision, DONE)
    }

    pub(crate) fn deleted(revision: Revision, existed: bool) -> StoredOutcome {
        StoredOutcome::new(revision, if existed { DELETED } else { DELETED_NOTHING })
    }

    pub(crate) fn swapped(revision: Revision, applied: bool) -> StoredOutcome {
        StoredOutcome::new(revision, if applied { SWAPPED } else { NOT_SWAPPED })
    }

    /// A transaction. If its conditions held, its results are stored too: see
    /// [`results`](super::results).
    pub(crate) fn executed(revision: Revision, held: bool) -> StoredOutcome {
        StoredOutcome::new(revision, if held { EXECUTED } else { NOT_EXECUTED })
    }

    /// Whether there are results of this write.
    pub(super) fn has_results(self) -> bool {
        self.index_and_kind & 0xFF == EXECUTED
    }

    /// The revision of the write, if it was executed.
    pub(super) fn revision(self) -> Option<Revision> {
        let revision = Revision {
            slot: Slot(self.slot),
            index: u32::try_from(self.index_and_kind >> 8).expect("an index has 32 bits"),
        };
        (self != StoredOutcome::NOTHING).then_some(revision)
    }

    fn new(Revision { slot, index }: Revision, kind: u64) -> StoredOutcome {
        StoredOutcome {
            slot: slot.0,
            index_and_kind: u64::from(index) << 8 | kind,
        }
    }
}

/// Without the results of a transaction.
impl From<StoredOutcome> for Outcome {
    fn from(kept: StoredOutcome) -> Outcome {
        let revision = kept
            .revision()
            .expect("a sequence that is not executed has no outcome");
        match kept.index_and_kind & 0xFF {
            DONE => Outcome::Done { revision },
            kind @ (DELETED_NOTHING | DELETED) => Outcome::Deleted {
                revision,
                existed: kind == DELETED,
            },
            kind @ (NOT_SWAPPED | SWAPPED) => Outcome::Swapped {
                revision,
                applied: kind == SWAPPED,
            },
            kind @ (NOT_EXECUTED | EXECUTED) => Outcome::Executed {
                revision,
                results: (kind == EXECUTED).then(Vec::new),
            },
            kind => unreachable!("there is no kind {kind} of outcomes"),
        }
    }
}

impl fmt::Debug for StoredOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == StoredOutcome::NOTHING {
            return f.write_str("not executed");
        }
        Outcome::from(*self).fmt(f)
    }
}

/// The outcomes of a session, from its floor on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct OutcomeWindow {
    /// The lowest sequence for which the client still needs an answer. Sequences below are neither executed
    /// nor stored.
    floor: Sequence,
    /// From the floor on, with [`StoredOutcome::NOTHING`] for sequences that are not executed. The last one
    /// is executed.
    kept: VecDeque<StoredOutcome>,
}

impl OutcomeWindow {
    pub(crate) fn floor(&self) -> Sequence {
        self.floor
    }

    /// Checks that the sequence is within the window; returns the new floor. The lowest unanswered sequence
    /// that the client reports becomes the floor if it is higher than the present one.
    pub(crate) fn admit(
        &self,
        id: SessionId,
        sequence: Sequence,
        lowest: Sequence,
        window: u64,
    ) -> Result<Sequence, Refusal> {
        if sequence < self.floor {
            return Err(self.answered(id, sequence));
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

    fn answered(&self, id: SessionId, sequence: Sequence) -> Refusal {
        Refusal::AlreadyAnswered {
            session: id,
            sequence,
            lowest: self.floor,
        }
    }

    /// The outcome of a sequence if it is stored, or a refusal if the sequence is below the floor.
    pub(super) fn known(&self, id: SessionId, sequence: Sequence) -> Option<Result<StoredOutcome, Refusal>> {
        if sequence < self.floor {
            return Some(Err(self.answered(id, sequence)));
        }
        let place = usize::try_from(sequence.0 - self.floor.0).ok()?;
        let kept = self.kept.get(place).copied()?;
        (kept != StoredOutcome::NOTHING).then_some(Ok(kept))
    }

    /// Drops the outcomes below the new floor, and their results; returns the change of the digest.
    pub(super) fn raise_floor(&mut self, id: SessionId, floor: Sequence, results: &mut ResultsTable) -> u64 {
        let mut changed = 0_u64;
        while self.floor < floor {
            let Some(front) = self.kept.pop_front() else {
                self.floor = floor;
                break;
            };
            changed = changed.wrapping_sub(digest_stored(id, self.floor, front));
            drop_results(results, id, self.floor, front);
            self.floor = Sequence(self.floor.0 + 1);
        }
        // Give memory back after a burst.
        if self.kept.capacity() > 64 && self.kept.len() < self.kept.capacity() / 8 {
            self.kept.shrink_to(self.kept.len() * 2);
        }
        changed
    }

    /// Drops the results of all outcomes, when the session ends.
    pub(super) fn drop_all_results(&self, id: SessionId, results: &mut ResultsTable) {
        for (of, at) in self.with_results(id) {
            results.remove(of, at);
        }
    }

    /// The transactions that have results, and when they were executed.
    pub(super) fn with_results(&self, session: SessionId) -> impl Iterator<Item = (ResultsOf, Revision)> {
        let kept = (self.floor.0..).map(Sequence).zip(&self.kept);
        kept.filter_map(move |(sequence, kept)| {
            let at = kept.revision().filter(|_| kept.has_results())?;
            Some((ResultsOf { session, sequence }, at))
        })
    }

    /// When a transaction was executed that has results.
    pub(super) fn executed(&self, sequence: Sequence) -> Option<Revision> {
        let place = usize::try_from(sequence.0.checked_sub(self.floor.0)?).ok()?;
        let kept = self.kept.get(place).filter(|kept| kept.has_results())?;
        kept.revision()
    }

    /// The outcome of a sequence at or above the floor, if it is executed.
    pub(crate) fn get(&self, sequence: Sequence) -> Option<StoredOutcome> {
        let kept = self.kept.get(self.place(sequence)).copied();
        kept.filter(|kept| *kept != StoredOutcome::NOTHING)
    }

    /// Stores an outcome; returns the change of the digest.
    pub(crate) fn keep(&mut self, id: SessionId, sequence: Sequence, kept: StoredOutcome) -> u64 {
        let place = self.place(sequence);
        if place >= self.kept.len() {
            self.kept.resize(place, StoredOutcome::NOTHING);
            self.kept.push_back(kept);
        } else {
            self.kept[place] = kept;
        }
        digest_stored(id, sequence, kept)
    }

    pub(crate) fn digest(&self, id: SessionId) -> u64 {
        let kept = (self.floor.0..).map(Sequence).zip(&self.kept);
        kept.fold(0, |sum: u64, (sequence, kept)| {
            sum.wrapping_add(digest_stored(id, sequence, *kept))
        })
    }

    /// The outcomes from the floor on, with [`StoredOutcome::NOTHING`] for sequences that are not executed.
    pub(super) fn kept(&self) -> &VecDeque<StoredOutcome> {
        &self.kept
    }

    /// The outcomes of a session of another replica. The last of `kept` is executed.
    pub(super) fn of(floor: Sequence, kept: VecDeque<StoredOutcome>) -> OutcomeWindow {
        OutcomeWindow { floor, kept }
    }

    /// The distance from the floor. [`admit`](OutcomeWindow::admit) has checked that it is within the window.
    #[expect(clippy::cast_possible_truncation, reason = "a window fits in memory")]
    fn place(&self, sequence: Sequence) -> usize {
        (sequence.0 - self.floor.0) as usize
    }

    #[cfg(test)]
    pub(crate) fn check(&self, window: u64) {
        assert!(self.kept.len() as u64 <= window);
        assert!(self.kept.back() != Some(&StoredOutcome::NOTHING));
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> (usize, usize) {
        (self.kept.len(), self.kept.capacity())
    }
}

fn drop_results(results: &mut ResultsTable, session: SessionId, sequence: Sequence, kept: StoredOutcome) {
    if kept.has_results()
        && let Some(at) = kept.revision()
    {
        results.remove(ResultsOf { session, sequence }, at);
    }
}

fn digest_stored(id: SessionId, sequence: Sequence, kept: StoredOutcome) -> u64 {
    if kept == StoredOutcome::NOTHING {
        return 0;
    }
    let Revision { slot, index } = id.0;
    digest_words([slot.0, index.into(), sequence.0, kept.slot, kept.index_and_kind])
}

/// A digest of a few words, in the manner of wyhash: the halves of products, which depend on every bit of
/// both factors. Every command computes this, and a hash for strings would take several times as long.
pub(crate) fn digest_words<const N: usize>(words: [u64; N]) -> u64 {
    const PRIMES: [u64; 4] = [
        0xA076_1D64_78BD_642F,
        0xE703_7ED1_A0B4_28DB,
        0x8EBC_6AF0_9C88_C6E3,
        0x5899_65CC_7537_4CC3,
    ];
    let mut digest = PRIMES[N % 4];
    for pair in words.chunks(2) {
        let (one, other) = (pair[0], pair.get(1).copied().unwrap_or(N as u64));
        digest = multiply(digest ^ one ^ PRIMES[0], other ^ PRIMES[1]);
    }
    multiply(digest ^ PRIMES[2], PRIMES[3])
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
fn multiply(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product >> 64) as u64 ^ product as u64
}
