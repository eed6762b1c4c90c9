//! A share that was estimated from samples.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};

/// How many of some samples fail.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize)]
pub struct Share {
    /// Samples that fail.
    pub failing: u64,
    /// All samples.
    pub samples: u64,
}

impl Share {
    /// The share of the samples that fail; 0 without samples.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 samples")]
    pub fn of_samples(self) -> f64 {
        if self.samples == 0 {
            return 0.0;
        }
        self.failing as f64 / self.samples as f64
    }

    /// The interval that contains the true share in 95 of 100 estimates (Wilson, *Probable Inference, the Law
    /// of Succession, and Statistical Inference*, 1927).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 samples")]
    pub fn interval(self) -> (f64, f64) {
        if self.samples == 0 {
            return (0.0, 1.0);
        }
        // The 97.5th percentile of the normal distribution.
        const Z: f64 = 1.959_964;
        let (share, n) = (self.of_samples(), self.samples as f64);
        let scale = 1.0 + Z * Z / n;
        let centre = (share + Z * Z / (2.0 * n)) / scale;
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        let low = if self.failing == 0 { 0.0 } else { centre - half };
        let high = if self.is_all() { 1.0 } else { centre + half };
        (low.max(0.0), high.min(1.0))
    }

    /// Whether there are samples and all of them fail.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.samples > 0 && self.failing == self.samples
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        let Share { failing, samples } = self;
        write!(
            f,
            "{failing} of {samples} ({:.0}-{:.0} %)",
            100.0 * low,
            100.0 * high
        )
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (low, high) = self.interval();
        let mut fields = to.serialize_struct("Share", 4)?;
        fields.serialize_field("failing", &self.failing)?;
        fields.serialize_field("samples", &self.samples)?;
        fields.serialize_field("low", &low)?;
        fields.serialize_field("high", &high)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values were computed apart from this code.
    #[test]
    fn intervals_are_those_of_wilson() {
        for (failing, samples, low, high) in [
            (0, 40, 0.0, 0.087_6),
            (1, 40, 0.004_4, 0.128_8),
            (20, 40, 0.352, 0.648),
            (40, 40, 0.912_4, 1.0),
            (0, 0, 0.0, 1.0),
        ] {
            let got = Share { failing, samples }.interval();
            assert!(
                (got.0 - low).abs() < 1e-4 && (got.1 - high).abs() < 1e-4,
                "{got:?}"
            );
        }
    }
}
