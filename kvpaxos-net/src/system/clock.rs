//! What a sans-IO core must be given from outside: the time, and fresh randomness.

use std::time::{Duration, Instant};

use kvpaxos::{Micros, Time};

/// The monotonic clock of one life, read as the core's [`Time`]: microseconds since the life began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Clock {
        Clock {
            origin: Instant::now(),
        }
    }

    /// The time now; it never goes down.
    pub(crate) fn now(self) -> Time {
        let micros = self.origin.elapsed().as_micros();
        Time(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// When that time is. A time beyond what the system's clock can express is a day away, which is as good as never:
    /// whoever waits for it is woken for nothing once a day.
    pub(crate) fn instant(self, time: Time) -> Instant {
        self.origin
            .checked_add(Duration::from_micros(time.0))
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }
}

/// A duration as the core counts it.
pub(crate) fn micros(length: Duration) -> Micros {
    Micros(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))
}
