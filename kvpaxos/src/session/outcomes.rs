//! What one session keeps: the outcomes that its client may still ask for again.

use std::collections::VecDeque;

use crate::command::{Outcome, Refusal};
use crate::types::{Revision, Sequence, SessionId, Slot};

/// The outcome of a write, as long as its client may ask again. It holds no values, and little else: a table of many
/// sessions with many outcomes each passes through the caches once a round of its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    slot: Slot,
    index: u32,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Done,
    DeletedNothing,
    Deleted,
    NotSwapped,
    Swapped,
}

const _: () = assert!(
    size_of::<Option<Kept>>() == 16,
    "four outcomes share a line of the cache"
);

impl Kept {
    pub(crate) fn done(revision: Revision) -> Kept {
        Kept::new(revision, Kind::Done)
    }

    pub(crate) fn deleted(revision: Revision, existed: bool) -> Kept {
        let kind = if existed {
            Kind::Deleted
        } else {
            Kind::DeletedNothing
        };
        Kept::new(revision, kind)
    }

    pub(crate) fn swapped(revision: Revision, applied: bool) -> Kept {
        let kind = if applied { Kind::Swapped } else { Kind::NotSwapped };
        Kept::new(revision, kind)
    }

    fn new(Revision { slot, index }: Revision, kind: Kind) -> Kept {
        Kept { slot, index, kind }
    }
}

impl From<Kept> for Outcome {
    fn from(Kept { slot, index, kind }: Kept) -> Outcome {
        let revision = Revision { slot, index };
        match kind {
            Kind::Done => Outcome::Done { revision },
            Kind::DeletedNothing | Kind::Deleted => Outcome::Deleted {
                revision,
                existed: kind == Kind::Deleted,
            },
            Kind::NotSwapped | Kind::Swapped => Outcome::Swapped {
                revision,
                applied: kind == Kind::Swapped,
            },
        }
    }
}

/// The outcomes of a session's window.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Outcomes {
    /// The lowest sequence that the client has no answer for: what is below is not executed, nor kept.
    floor: Sequence,
    /// From the floor on; nothing for what has not been executed. The last is never nothing.
    kept: VecDeque<Option<Kept>>,
}

impl Outcomes {
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
    pub(crate) fn raise_floor(&mut self, id: SessionId, floor: Sequence) -> u64 {
        let mut changed = 0_u64;
        while self.floor < floor {
            let Some(front) = self.kept.pop_front() else {
                self.floor = floor;
                break;
            };
            if let Some(kept) = front {
                changed = changed.wrapping_sub(digest_kept(id, self.floor, kept));
            }
            self.floor = Sequence(self.floor.0 + 1);
        }
        // A burst must not hold its memory for ever.
        if self.kept.capacity() > 64 && self.kept.len() < self.kept.capacity() / 8 {
            self.kept.shrink_to(self.kept.len() * 2);
        }
        changed
    }

    /// The outcome of a sequence from the floor on, if it has been executed.
    pub(crate) fn get(&self, sequence: Sequence) -> Option<Kept> {
        self.kept.get(self.place(sequence)).copied().flatten()
    }

    /// Keeps an outcome; returns the change of the digest.
    pub(crate) fn keep(&mut self, id: SessionId, sequence: Sequence, kept: Kept) -> u64 {
        let place = self.place(sequence);
        if place >= self.kept.len() {
            self.kept.resize(place, None);
            self.kept.push_back(Some(kept));
        } else {
            self.kept[place] = Some(kept);
        }
        digest_kept(id, sequence, kept)
    }

    pub(crate) fn digest(&self, id: SessionId) -> u64 {
        let kept = (self.floor.0..).map(Sequence).zip(&self.kept);
        kept.fold(0, |sum: u64, (sequence, kept)| {
            sum.wrapping_add(kept.map_or(0, |kept| digest_kept(id, sequence, kept)))
        })
    }

    /// Both lie within the window: [`admit`](Outcomes::admit) has seen to it.
    #[expect(clippy::cast_possible_truncation, reason = "a window fits in memory")]
    fn place(&self, sequence: Sequence) -> usize {
        (sequence.0 - self.floor.0) as usize
    }

    #[cfg(test)]
    pub(crate) fn check(&self, window: u64) {
        assert!(self.kept.len() as u64 <= window);
        assert!(self.kept.back().is_none_or(Option::is_some));
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> (usize, usize) {
        (self.kept.len(), self.kept.capacity())
    }
}

fn digest_kept(id: SessionId, sequence: Sequence, kept: Kept) -> u64 {
    let Kept { slot, index, kind } = kept;
    digest_words([
        id.0.slot.0,
        u64::from(id.0.index) | u64::from(index) << 32,
        slot.0,
        sequence.0,
        kind as u64,
    ])
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
