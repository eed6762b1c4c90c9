//! A replica's clock. It has a speed of its own, and it can jump forward.

use kvpaxos::{Micros, Time};

/// Maps the simulated time to a replica's local time.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// The simulated time at which the present speed began.
    since: Time,
    /// The local time at that moment.
    shown: Time,
    /// Local microseconds per million simulated ones.
    speed: u64,
}

/// The speed of a correct clock, in local microseconds per million simulated ones.
pub const RIGHT_SPEED: u64 = 1_000_000;

impl Clock {
    /// A clock of the right speed that shows `shown` at `now`.
    #[must_use]
    pub(super) fn new(now: Time, shown: Time) -> Clock {
        Clock {
            since: now,
            shown,
            speed: RIGHT_SPEED,
        }
    }

    /// The local time at `now`, which is not before the last change of speed.
    #[must_use]
    pub(super) fn read(&self, now: Time) -> Time {
        assert!(
            now >= self.since,
            "a clock must not be read at a time before the last change of speed"
        );
        let elapsed = now.0 - self.since.0;
        Time(self.shown.0 + scale(elapsed, self.speed, RIGHT_SPEED))
    }

    /// The first simulated time at which the clock shows `local` or later.
    #[must_use]
    pub(super) fn when(&self, local: Time) -> Time {
        let left = local.0.saturating_sub(self.shown.0);
        let mut elapsed = scale(left, RIGHT_SPEED, self.speed);
        if scale(elapsed, self.speed, RIGHT_SPEED) < left {
            elapsed += 1;
        }
        // A deadline that is so far away is never reached.
        Time(self.since.0.saturating_add(elapsed))
    }

    /// Runs at `speed` local microseconds per million from now on.
    pub(super) fn set_speed(&mut self, now: Time, speed: u64) {
        self.shown = self.read(now);
        self.since = now;
        assert!(speed > 0, "the speed of a clock must be positive");
        self.speed = speed;
    }

    /// Jumps forward by `length`.
    pub(super) fn jump(&mut self, length: Micros) {
        self.shown = self.shown.after(length);
    }

    /// Shows `shown` at `now`, at the same speed as before: the process has restarted.
    pub(super) fn restart(&mut self, now: Time, shown: Time) {
        self.since = now;
        self.shown = shown;
    }
}

fn scale(number: u64, by: u64, of: u64) -> u64 {
    // Nearly all clocks run at the right speed, and every step reads one.
    if by == of {
        return number;
    }
    let product = u128::from(number) * u128::from(by) / u128::from(of);
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_first_time_that_shows_it() {
        for speed in [1, 333_333, 999_999, RIGHT_SPEED, 1_000_003, 3_000_000] {
            let mut clock = Clock::new(Time(100), Time(77));
            clock.set_speed(Time(150), speed);
            for local in [128, 129, 200, 1_000, 54_321] {
                let when = clock.when(Time(local));
                assert!(clock.read(when).0 >= local, "speed {speed}");
                assert!(
                    clock.read(Time(when.0 - 1)).0 < local || when.0 == 150,
                    "speed {speed}"
                );
            }
        }
    }

    #[test]
    fn it_never_goes_down() {
        let mut clock = Clock::new(Time(0), Time(0));
        let mut last = Time(0);
        for now in 0..1_000u64 {
            match now % 100 {
                7 => clock.set_speed(Time(now), 500_000 + now * 700),
                50 => clock.jump(Micros(now)),
                _ => {}
            }
            assert!(clock.read(Time(now)) >= last);
            last = clock.read(Time(now));
        }
    }
}
