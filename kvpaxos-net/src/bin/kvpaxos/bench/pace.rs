//! When requests are sent.
//!
//! In a closed loop a client sends its next request when an earlier one has ended, so a store that stalls is
//! asked less, and the requests that would have met the stall are never sent: their latencies are missing.
//! In an open loop requests arrive at a rate, whatever becomes of the earlier ones, and a latency is counted
//! from the moment at which its request was due: a request that had to wait for a place in a client, because
//! earlier ones took long, counts that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

const NANOS: u128 = 1_000_000_000;
/// The longest sleep of the thread that releases arrivals. It must notice that a run ends early.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// When a run began, and when it ends. It may end early.
#[derive(Debug)]
pub(crate) struct RunTime {
    start: Instant,
    /// Before this, nothing is measured.
    warm_up: Duration,
    /// The end, in nanoseconds from the start.
    end: AtomicU64,
}

impl RunTime {
    pub(crate) fn new(start: Instant, warm_up: Duration, measured: Duration) -> RunTime {
        RunTime {
            start,
            warm_up,
            end: AtomicU64::new(nanos(warm_up + measured)),
        }
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// When the measurement begins.
    pub(crate) fn measured_from(&self) -> Instant {
        self.start + self.warm_up
    }

    pub(crate) fn end(&self) -> Instant {
        self.start + Duration::from_nanos(self.end.load(Ordering::Relaxed))
    }

    /// Ends the run now, unless it has ended.
    pub(crate) fn stop(&self, now: Instant) {
        self.end.fetch_min(
            nanos(now.saturating_duration_since(self.start)),
            Ordering::Relaxed,
        );
    }

    /// How long it is measured.
    pub(crate) fn measured(&self) -> Duration {
        self.end().saturating_duration_since(self.measured_from())
    }

    /// Whether this moment is within what is measured.
    pub(crate) fn is_measured(&self, at: Instant) -> bool {
        self.measured_from() <= at && at < self.end()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The moments at which the requests of an open loop are due: evenly spaced. Arrival 0 is due at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrivals {
    /// How many a second, at least 1.
    pub(crate) rate: u64,
}

impl Arrivals {
    /// When an arrival is due, from the start on.
    pub(crate) fn offset(self, arrival: u64) -> Duration {
        let nanos = u128::from(arrival) * NANOS / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many are due when this much time has passed.
    pub(crate) fn due(self, elapsed: Duration) -> u64 {
        let elapsed = elapsed.as_nanos() + 1;
        let count = elapsed.saturating_mul(u128::from(self.rate)).div_ceil(NANOS);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// How many are due before this much time has passed.
    pub(crate) fn before(self, elapsed: Duration) -> u64 {
        let count = elapsed
            .as_nanos()
            .saturating_mul(u128::from(self.rate))
            .div_ceil(NANOS);
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// The arrivals of one client of an open loop: every n-th of all. They are counted and not queued, so a client
/// that is far behind needs no memory for that.
#[derive(Debug)]
pub(crate) struct ArrivalQueue {
    arrivals: Arrivals,
    client: u64,
    clients: u64,
    start: Instant,
    /// A permit for each arrival that is due and not taken. Closed at the end.
    due: Semaphore,
    /// How many were released.
    released: AtomicU64,
    /// How many were taken.
    taken: AtomicU64,
}

impl ArrivalQueue {
    pub(crate) fn new(arrivals: Arrivals, client: usize, clients: usize, start: Instant) -> ArrivalQueue {
        ArrivalQueue {
            arrivals,
            client: client as u64,
            clients: clients as u64,
            start,
            due: Semaphore::new(0),
            released: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// The next arrival, when it is due: the moment at which it was due. `None` at the end.
    pub(crate) async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        Some(self.moment(taken))
    }

    /// The moment at which an arrival of this client is due.
    fn moment(&self, number: u64) -> Instant {
        self.start + self.arrivals.offset(number * self.clients + self.client)
    }

    /// Releases what is due, if this many of all clients' arrivals are.
    fn release(&self, due: u64) {
        // Of the arrivals below `due`, those of this client.
        let target = due.saturating_sub(self.client).div_ceil(self.clients);
        let before = self.released.fetch_max(target, Ordering::Relaxed);
        let new = target.saturating_sub(before);
        let mut new = usize::try_from(new).unwrap_or(usize::MAX);
        while new > 0 {
            let some = new.min(Semaphore::MAX_PERMITS / 2);
            self.due.add_permits(some);
            new -= some;
        }
    }

    /// Ends the queue: nobody begins to take from it any more.
    pub(crate) fn close(&self) {
        self.due.close();
    }

    /// The moments at which those were due that nobody has taken, once all who took have ended.
    pub(crate) fn left(&self) -> impl Iterator<Item = Instant> {
        let (taken, released) = (
            self.taken.load(Ordering::Relaxed),
            self.released.load(Ordering::Relaxed),
        );
        (taken..released).map(|number| self.moment(number))
    }
}

/// Releases the arrivals of all clients until the run ends. It blocks its thread, because the timers of tokio
/// only have a resolution of a millisecond, which would be counted as latency.
pub(crate) fn release_all(arrivals: Arrivals, queues: &[Arc<ArrivalQueue>], time: &RunTime) {
    loop {
        let (now, end) = (Instant::now(), time.end());
        let elapsed = now.saturating_duration_since(time.start());
        if now >= end {
            let all = arrivals.before(end.saturating_duration_since(time.start()));
            queues.iter().for_each(|queue| queue.release(all));
            return;
        }
        let due = arrivals.due(elapsed);
        queues.iter().for_each(|queue| queue.release(due));
        let next = time.start() + arrivals.offset(due);
        let pause = next.min(end).saturating_duration_since(Instant::now());
        std::thread::sleep(pause.min(LONGEST_SLEEP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_due_at_their_rate() {
        let three = Arrivals { rate: 3 };
        let nanos = |nanos| Duration::from_nanos(nanos);
        assert_eq!(
            [0, 1, 2, 3].map(|arrival| three.offset(arrival)),
            [
                nanos(0),
                nanos(333_333_333),
                nanos(666_666_666),
                nanos(1_000_000_000)
            ],
            "no rounding adds up"
        );
        assert_eq!(three.offset(3 * 86_400), Duration::from_secs(86_400));
        assert_eq!(three.before(Duration::ZERO), 0, "the first is due at the start");
        assert_eq!(
            three.before(Duration::from_secs(1)),
            3,
            "and not the fourth within a second"
        );
    }

    /// `due` is the inverse of `offset`: at its moment an arrival is due, and just before it is not.
    #[test]
    fn what_is_due_is_counted_exactly() {
        for rate in [1, 3, 7, 1_000, 999_983, 10_000_000, 3_000_000_000] {
            let arrivals = Arrivals { rate };
            for arrival in [0, 1, 2, 6, 1_000, 123_456_789] {
                let offset = arrivals.offset(arrival);
                let due = arrivals.due(offset);
                assert!(due > arrival, "rate {rate}, arrival {arrival}: {due} are due");
                assert!(arrivals.offset(due) > offset, "rate {rate}: {due} are too few");
                if let Some(before) = offset.checked_sub(Duration::from_nanos(1)) {
                    assert!(arrivals.due(before) <= arrival, "rate {rate}, arrival {arrival}");
                }
            }
        }
        assert_eq!(Arrivals { rate: u64::MAX }.due(Duration::MAX), u64::MAX);
    }

    #[tokio::test]
    async fn each_arrival_belongs_to_one_client_and_keeps_its_moment() {
        let start = Instant::now();
        let arrivals = Arrivals { rate: 10 };
        let queues: Vec<_> = (0..3)
            .map(|client| ArrivalQueue::new(arrivals, client, 3, start))
            .collect();
        for due in [0, 1, 5, 4, 8] {
            queues.iter().for_each(|queue| queue.release(due));
        }
        let mut moments = Vec::new();
        for (queue, count) in queues.iter().zip([3, 2, 1]) {
            for _ in 0..count {
                moments.push(queue.next().await.expect("it is due"));
            }
        }
        // Eight are due: three, three and two. One of the second client and one of the third are not taken.
        for queue in &queues {
            queue.close();
            assert_eq!(queue.next().await, None, "nothing comes after the end");
            moments.extend(queue.left());
        }
        moments.sort_unstable();
        let expected: Vec<_> = (0..8)
            .map(|arrival| start + Duration::from_millis(100) * arrival)
            .collect();
        assert_eq!(moments, expected);
    }

    /// All arrivals of a run that is over are released, however late the thread is.
    #[test]
    fn what_was_due_until_the_end_is_released() {
        let start = Instant::now() - Duration::from_secs(60);
        let time = RunTime::new(start, Duration::from_secs(1), Duration::from_secs(2));
        let arrivals = Arrivals { rate: 100 };
        let queues: Vec<_> = (0..7)
            .map(|client| Arc::new(ArrivalQueue::new(arrivals, client, 7, start)))
            .collect();
        release_all(arrivals, &queues, &time);
        let left: Vec<Instant> = queues.iter().flat_map(|queue| queue.left()).collect();
        assert_eq!(left.len(), 300);
        assert_eq!(left.iter().filter(|at| time.is_measured(**at)).count(), 200);
    }

    #[test]
    fn a_run_may_end_early_but_not_late() {
        let start = Instant::now();
        let time = RunTime::new(start, Duration::from_secs(1), Duration::from_secs(4));
        assert!(!time.is_measured(start) && time.is_measured(start + Duration::from_secs(1)));
        assert!(
            !time.is_measured(start + Duration::from_secs(5)),
            "the end is not measured"
        );
        time.stop(start + Duration::from_secs(9));
        assert_eq!(time.measured(), Duration::from_secs(4));
        time.stop(start + Duration::from_secs(3));
        assert_eq!(time.measured(), Duration::from_secs(2));
        time.stop(start);
        assert_eq!(time.measured(), Duration::ZERO);
    }
}
