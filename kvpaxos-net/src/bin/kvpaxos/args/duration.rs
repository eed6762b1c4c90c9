//! Lengths of time on the command line.

use std::time::Duration;

/// The longest time that is accepted, in milliseconds: a day.
const LONGEST: u64 = 24 * 60 * 60 * 1000;

/// Parses `250ms`, `2s` or `1m`; a number without a unit counts seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time; write it as 250ms, 2s or 1m, up to a day");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60 * 1000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(unit) {
        Some(millis) if millis <= LONGEST => Ok(Duration::from_millis(millis)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        assert!(duration("3 weeks").is_err());
        assert!(duration("99999999999999999m").is_err());
    }
}
