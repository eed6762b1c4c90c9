//! The time at which the replica wants to be stepped, as a timer.

use std::pin::Pin;

use kvpaxos::Time;
use tokio::time::Sleep;

use crate::system::clock::Clock;

/// A timer for the replica's deadline. It is set again only when the deadline changes, which saves work.
pub(crate) struct Alarm {
    clock: Clock,
    set_to: Option<Time>,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// A timer that is not set.
    pub(crate) fn new(clock: Clock) -> Alarm {
        Alarm {
            clock,
            set_to: None,
            sleep: Box::pin(tokio::time::sleep(std::time::Duration::ZERO)),
        }
    }

    /// Sets the timer to this deadline; `None` turns it off.
    pub(crate) fn set(&mut self, deadline: Option<Time>) {
        if let Some(time) = deadline
            && self.set_to != deadline
        {
            self.sleep.as_mut().reset(self.clock.instant(time).into());
        }
        self.set_to = deadline;
    }

    /// Resolves at the deadline; never if there is none. A timer is a millisecond late, and a replica that has work left
    /// should not wait for it: a deadline that has passed only lets other tasks run.
    pub(crate) async fn rings(&mut self) {
        match self.set_to {
            Some(deadline) if deadline <= self.clock.now() => tokio::task::yield_now().await,
            Some(_) => self.sleep.as_mut().await,
            None => std::future::pending().await,
        }
    }
}
