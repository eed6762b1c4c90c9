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
}
