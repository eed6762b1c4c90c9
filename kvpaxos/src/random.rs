//! The core's only source of random numbers: a ChaCha8 stream.

use std::hash::{Hash, Hasher};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::export::{Export, Exporter, ImportError, Importer};
use crate::types::Entropy;

/// A stream of random numbers. It is the same for the same entropy, on every machine and with every release
/// of the rand crates: it uses only `next_u64`, which these keep stable, and draws ranges itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream with this entropy as its seed.
    #[must_use]
    pub fn new(entropy: Entropy) -> Random {
        Random(ChaCha8Rng::from_seed(entropy.0))
    }

    /// The stream with this number as its seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Random {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound` (0 if `bound` is 0): Lemire's multiplication without rejection, whose bias of
    /// at most `bound` / 2^64 does not matter here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the high half of a 128-bit product has 64 bits")
    }

    /// Continues with a new stream, seeded from the present one and fresh entropy.
    pub fn stir(&mut self, Entropy(mut bytes): Entropy) {
        let Entropy(own) = self.entropy();
        bytes.iter_mut().zip(own).for_each(|(fresh, own)| *fresh ^= own);
        *self = Random::new(Entropy(bytes));
    }

    /// Draws entropy for another stream.
    pub fn entropy(&mut self) -> Entropy {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes());
        }
        Entropy(bytes)
    }
}

/// The seed and the position are the whole state.
impl Export for Random {
    fn export_to(&self, to: &mut Exporter) {
        to.put(&(self.0.get_seed(), self.0.get_word_pos()));
    }

    fn import_from(from: &mut Importer<'_>) -> Result<Random, ImportError> {
        let (seed, position) = from.get()?;
        let mut random = ChaCha8Rng::from_seed(seed);
        random.set_word_pos(position);
        Ok(Random(random))
    }
}

/// As in an export.
impl Hash for Random {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get_seed().hash(state);
        self.0.get_word_pos().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins the stream: a change of these numbers changes every seed's outcome.
    #[test]
    fn the_stream_is_pinned() {
        let mut random = Random::from_seed(1);
        let drawn: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        let below: Vec<u64> = (0..8).map(|_| random.below(10)).collect();
        expect_test::expect![
            "([7424550030962593201, 1482817706323250795, 11004592982271133285], [2, 2, 7, 4, 1, 8, 7, 4])"
        ]
        .assert_eq(&format!("{:?}", (drawn, below)));
    }
}
