//! What a sans-IO core must be given from outside: the time, and fresh randomness.

use std::io;
use std::time::{Duration, Instant};

use kvpaxos::{Entropy, Micros, Time};

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

/// Fresh bits from the operating system.
///
/// # Errors
/// If the operating system has none to give.
pub fn entropy() -> io::Result<Entropy> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(Entropy(bits))
}

/// A number of fresh bits.
///
/// # Errors
/// As [`entropy`].
pub(crate) fn draw() -> io::Result<u64> {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(bits))
}
