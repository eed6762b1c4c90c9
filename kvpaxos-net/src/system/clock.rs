//! The clock of a replica or a client.

use std::time::{Duration, Instant};

use kvpaxos::{Micros, Time};

/// A monotonic clock, read as the core's [`Time`]: microseconds since the process of the replica or the
/// client began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins at zero now.
    pub(crate) fn start() -> Clock {
        Clock {
            origin: Instant::now(),
        }
    }

    /// Returns the time, which never goes down.
    pub(crate) fn now(self) -> Time {
        let micros = self.origin.elapsed().as_micros();
        Time(u64::try_from(micros).expect("no process runs for 500,000 years"))
    }

    /// Returns the instant of a time. A time beyond what the system's clock can express is given as one day
    /// from now: a task that waits for it is woken once a day for nothing.
    pub(crate) fn instant(self, time: Time) -> Instant {
        self.origin
            .checked_add(Duration::from_micros(time.0))
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }
}

/// A duration as the core counts it. One of more than 500,000 years is cut to that.
pub(crate) fn micros(length: Duration) -> Micros {
    Micros(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))
}
