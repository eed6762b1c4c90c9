//! What one session keeps: the outcomes that its client may still ask for again.

use std::collections::VecDeque;
use std::fmt;

use crate::command::{Outcome, Refusal};
use crate::types::{Revision, Sequence, SessionId, Slot};

/// The outcome of a write, as long as its client may ask again. It holds no values, and little else: a table of many
/// sessions with many outcomes each passes through the caches once a round of its clients.
///
/// Two whole words, so that it is passed in registers. Put together in memory, from smaller parts, it could not be read
/// again as a whole before all that was written earlier had reached the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredOutcome {
    slot: u64,
    /// The place in the slot's batch, and one of the constants below beside it.
    index_and_kind: u64,
}

const DONE: u64 = 1;
const DELETED_NOTHING: u64 = 2;
const DELETED: u64 = 3;
const NOT_SWAPPED: u64 = 4;
const SWAPPED: u64 = 5;

impl StoredOutcome {
    /// Of what has not been executed.
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

    /// Where the write stands, if it was executed.
    pub(super) fn revision(self) -> Option<Revision> {
        let revision = Revision {
            slot: Slot(self.slot),
            index: u32::try_from(self.index_and_kind >> 8).expect("it was 32 bits long"),
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

impl From<StoredOutcome> for Outcome {
    fn from(kept: StoredOutcome) -> Outcome {
        let revision = kept.revision().expect("what was not executed has no outcome");
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

/// The outcomes of a session's window.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct OutcomeWindow {
    /// The lowest sequence that the client has no answer for: what is below is not executed, nor kept.
    floor: Sequence,
    /// From the floor on, with [`StoredOutcome::NOTHING`] for what has not been executed. The last was.
    kept: VecDeque<StoredOutcome>,
}

impl OutcomeWindow {
    pub(crate) fn floor(&self) -> Sequence {
        self.floor
    }

    /// Checks that the sequence may be asked about; returns the floor that the request brings. The client's word for the
    /// lowest unanswered one counts as soon as it is higher than what is known.
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

    /// What is known of a sequence, if it was executed or lies below the floor.
    pub(super) fn known(&self, id: SessionId, sequence: Sequence) -> Option<Result<StoredOutcome, Refusal>> {
        if sequence < self.floor {
            return Some(Err(self.answered(id, sequence)));
        }
        let place = usize::try_from(sequence.0 - self.floor.0).ok()?;
        let kept = self.kept.get(place).copied()?;
        (kept != StoredOutcome::NOTHING).then_some(Ok(kept))
    }

    /// Forgets what is below; returns the change of the digest.
    pub(crate) fn raise_floor(&mut self, id: SessionId, floor: Sequence) -> u64 {
        let mut changed = 0_u64;
        while self.floor < floor {
            let Some(front) = self.kept.pop_front() else {
                self.floor = floor;
                break;
            };
            changed = changed.wrapping_sub(digest_stored(id, self.floor, front));
            self.floor = Sequence(self.floor.0 + 1);
        }
        // A burst must not hold its memory for ever.
        if self.kept.capacity() > 64 && self.kept.len() < self.kept.capacity() / 8 {
            self.kept.shrink_to(self.kept.len() * 2);
        }
        changed
    }

    /// The outcome of a sequence from the floor on, if it has been executed.
    pub(crate) fn get(&self, sequence: Sequence) -> Option<StoredOutcome> {
        let kept = self.kept.get(self.place(sequence)).copied();
        kept.filter(|kept| *kept != StoredOutcome::NOTHING)
    }

    /// Keeps an outcome; returns the change of the digest.
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

    /// From the floor on, with [`StoredOutcome::NOTHING`] for what has not been executed.
    pub(super) fn kept(&self) -> &VecDeque<StoredOutcome> {
        &self.kept
    }

    /// As they were elsewhere. The last of `kept` was executed.
    pub(super) fn of(floor: Sequence, kept: VecDeque<StoredOutcome>) -> OutcomeWindow {
        OutcomeWindow { floor, kept }
    }

    /// Both lie within the window: [`admit`](OutcomeWindow::admit) has seen to it.
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

fn digest_stored(id: SessionId, sequence: Sequence, kept: StoredOutcome) -> u64 {
    if kept == StoredOutcome::NOTHING {
        return 0;
    }
    let Revision { slot, index } = id.0;
    digest_words([slot.0, index.into(), sequence.0, kept.slot, kept.index_and_kind])
}

/// A digest of a few words, in the manner of wyhash: the halves of products, which every bit of either factor reaches. A
/// hash for strings would take several times as long, and this is taken with every command.
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
