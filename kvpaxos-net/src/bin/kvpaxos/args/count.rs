//! Numbers of things on the command line.

/// The most clients, or requests in flight, that make sense.
const MOST: usize = 1_000_000;

/// Parses a number of things of which there must be one at least.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if (1..=MOST).contains(&count) => Ok(count),
        _ => Err(format!("{text:?} is no number from 1 to {MOST}")),
    }
}

/// The most requests a second that are accepted.
const HIGHEST_RATE: u64 = 100_000_000;

/// Parses a rate: `500`, or `500/s`.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    match text.strip_suffix("/s").unwrap_or(text).parse::<u64>() {
        Ok(rate) if (1..=HIGHEST_RATE).contains(&rate) => Ok(rate),
        _ => Err(format!(
            "{text:?} is no rate from 1 to {HIGHEST_RATE} a second, such as 500/s"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_at_least() {
        assert_eq!(count("1"), Ok(1));
        for text in ["0", "-1", "", "x", "1000001"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_a_second() {
        assert_eq!((rate("500"), rate("1/s")), (Ok(500), Ok(1)));
        for text in ["0", "0/s", "-1", "1.5", "5/m", "/s", "100000001"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
