//! What came of a load.

use std::fmt;

/// What came of a load.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Figures {
    /// Operations done a second.
    pub(crate) throughput: f64,
    /// In milliseconds.
    pub(crate) p50: f64,
    /// In milliseconds.
    pub(crate) p99: f64,
    /// Requests that failed, or whose outcome is unknown.
    pub(crate) errors: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:8.0}/s  p50 {:7.3} ms  p99 {:8.3} ms",
            self.throughput, self.p50, self.p99
        )?;
        match self.errors {
            0 => Ok(()),
            errors => write!(f, "  errors: {errors}"),
        }
    }
}

impl Figures {
    /// The median of each figure, and the sum of the errors.
    ///
    /// # Panics
    /// If there are none.
    pub(crate) fn median(rounds: &[Figures]) -> Figures {
        let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
        Figures {
            throughput: of(|figures| figures.throughput),
            p50: of(|figures| figures.p50),
            p99: of(|figures| figures.p99),
            errors: rounds.iter().map(|figures| figures.errors).sum(),
        }
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
///
/// # Panics
/// If there are none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        f64::midpoint(numbers[middle - 1], numbers[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_own_median() {
        let figures = |throughput, p50, errors| Figures {
            throughput,
            p50,
            p99: 9.0,
            errors,
        };
        let rounds = [figures(1.0, 8.0, 1), figures(5.0, 6.0, 0), figures(3.0, 7.0, 2)];
        assert_eq!(Figures::median(&rounds), figures(3.0, 7.0, 3));
        assert_eq!(Figures::median(&rounds[..2]), figures(3.0, 7.0, 1));
    }
}
