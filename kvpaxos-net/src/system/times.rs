//! Ranges of times, as people write them.

use std::fmt;
use std::time::Duration;

use kvpaxos::Random;

/// The longest time that can be written: a day.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A range from which times are drawn. Whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeRange {
    least: u64,
    most: u64,
}

impl TimeRange {
    /// From `least` to `most` milliseconds, both included. The ends may stand in any order.
    pub(crate) const fn millis(least: u64, most: u64) -> TimeRange {
        if least <= most {
            TimeRange { least, most }
        } else {
            TimeRange {
                least: most,
                most: least,
            }
        }
    }

    /// From one time to the other, both included. The ends may stand in any order; what is longer than a day is
    /// cut to that.
    #[must_use]
    pub fn between(least: Duration, most: Duration) -> TimeRange {
        let millis = |time: Duration| u64::try_from(time.min(LONGEST).as_millis()).unwrap_or(u64::MAX);
        TimeRange::millis(millis(least), millis(most))
    }

    /// The shortest time.
    #[must_use]
    pub fn least(self) -> Duration {
        Duration::from_millis(self.least)
    }

    /// The longest time.
    #[must_use]
    pub fn most(self) -> Duration {
        Duration::from_millis(self.most)
    }

    /// Draws a time: each microsecond of the range is as likely as every other.
    pub(crate) fn draw(self, random: &mut Random) -> Duration {
        let span = (self.most - self.least).saturating_mul(1000);
        let micros = self.least.saturating_mul(1000);
        Duration::from_micros(micros.saturating_add(random.below(span.saturating_add(1))))
    }

    /// Parses `250ms`, `2s`, `1m`, or two of them with `..` between; `None` if the text is anything else.
    pub(crate) fn parse(text: &str) -> Option<TimeRange> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let (least, most) = (millis(least)?, millis(most)?);
        (least <= most).then_some(TimeRange { least, most })
    }
}

fn millis(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (Duration::from_millis(millis) <= LONGEST).then_some(millis)
}

/// As it is parsed.
impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_millis(self.least, f)?;
        if self.least != self.most {
            f.write_str("..")?;
            write_millis(self.most, f)?;
        }
        Ok(())
    }
}

fn write_millis(millis: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if millis == 0 {
        f.write_str("0s")
    } else if millis.is_multiple_of(60_000) {
        write!(f, "{}m", millis / 60_000)
    } else if millis.is_multiple_of(1000) {
        write!(f, "{}s", millis / 1000)
    } else {
        write!(f, "{millis}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_drawn_from_the_whole_range() {
        let range = TimeRange::parse("10ms..20ms").unwrap();
        let mut random = Random::from_seed(1);
        let times: Vec<Duration> = (0..1000).map(|_| range.draw(&mut random)).collect();
        let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*least >= range.least() && *least < Duration::from_micros(10_100));
        assert!(*most <= range.most() && *most > Duration::from_micros(19_900));
        let always = TimeRange::parse("3s").unwrap();
        assert_eq!(always.draw(&mut random), Duration::from_secs(3));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "3",
            "s",
            "3h",
            "-1s",
            "3s..",
            "..3s",
            "3s..1s",
            "1s..2s..3s",
            "25m..1441m",
            "1.5s",
            "99999999999999999999s",
        ] {
            assert_eq!(TimeRange::parse(text), None, "{text}");
        }
    }
}
