//! How a replica stops in order, so that neither its clients nor the others have to find out by silence.
//!
//! 1. Redis clients go first: they ask one replica, and most know no other. Their connections are closed between
//!    two requests, once what they have asked is answered.
//! 2. The replica hears that it is to stop ([`Event::HandOver`](kvpaxos::Event)). If it leads, it hands leadership over,
//!    and serves on meanwhile. Then it refuses further requests, which tells clients of the cluster to ask another
//!    replica at once.
//! 3. It stops when another leads, and its own clients are answered. It stays a little longer: clients that have
//!    not asked since hear of it, which datagrams would else be sent for in vain.
//!
//! All this takes [`LONGEST`] at most. A replica that the others cannot spare has nobody to hand over to: it
//! stops at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use kvpaxos::{Micros, Time};
use tokio::sync::watch;

/// How long a replica that is to stop waits for another leader, and for the answers that it owes.
const LONGEST: Micros = Micros(2_000_000);
/// How long its Redis clients may take for what they have asked.
const GUESTS: Micros = Micros(500_000);
/// How long it goes on to refuse requests once it could stop.
const GRACE: Micros = Micros(100_000);

/// How far a replica that is to stop has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Leaving {
    /// It stops at this time in any case.
    latest: Time,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The connections of Redis clients end, until this time.
    Guests { until: Time },
    /// It has been told to hand leadership over.
    HandingOver,
    /// Since this time another leads.
    Refusing { since: Time },
}

/// What a replica that is to stop does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Wait,
    /// It is told to hand leadership over.
    HandOver,
    Stop,
}

/// What decides how it goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// Whether the others can lead without it.
    pub(super) is_spared: bool,
    /// Whether another one leads.
    pub(super) another_leads: bool,
    /// The requests that it owes an answer.
    pub(super) pending: u64,
    /// The Redis connections that are open.
    pub(super) guests: usize,
}

impl Leaving {
    /// It is to stop from now on.
    pub(super) fn begin(now: Time) -> Leaving {
        Leaving {
            latest: now.after(LONGEST),
            stage: Stage::Guests {
                until: now.after(GUESTS),
            },
        }
    }

    /// It is to stop at once.
    pub(super) fn at_once(now: Time) -> Leaving {
        Leaving {
            latest: now,
            stage: Stage::HandingOver,
        }
    }

    pub(super) fn next(&mut self, now: Time, situation: Situation) -> Next {
        if now >= self.latest || !situation.is_spared {
            return Next::Stop;
        }
        match self.stage {
            Stage::Guests { until } if situation.guests == 0 || now >= until => {
                self.stage = Stage::HandingOver;
                Next::HandOver
            }
            Stage::HandingOver if situation.another_leads => {
                self.stage = Stage::Refusing { since: now };
                Next::Wait
            }
            Stage::Refusing { since } if situation.pending == 0 && now >= since.after(GRACE) => Next::Stop,
            Stage::Guests { .. } | Stage::HandingOver | Stage::Refusing { .. } => Next::Wait,
        }
    }
}

/// How long the ports for clients are served.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Service {
    All,
    /// Connections of Redis clients end when they have been answered.
    NoGuests,
    /// The replica has stopped: connections end when they have been written.
    Ended,
}

/// Tells the ports for clients that the replica stops, and counts the Redis connections.
#[derive(Debug)]
pub(crate) struct Closing {
    service: watch::Sender<Service>,
    guests: AtomicUsize,
}

impl Default for Closing {
    fn default() -> Closing {
        Closing {
            service: watch::Sender::new(Service::All),
            guests: AtomicUsize::new(0),
        }
    }
}

impl Closing {
    /// The ports go over to this; never back.
    pub(crate) fn set(&self, service: Service) {
        self.service.send_if_modified(|now| {
            let is_later = service > *now;
            *now = service.max(*now);
            is_later
        });
    }

    /// Waits until at most this is served.
    pub(crate) async fn reached(&self, service: Service) {
        // The sender is this value itself, and not dropped meanwhile.
        let _ = self.service.subscribe().wait_for(|now| *now >= service).await;
    }

    /// The Redis connections that are open.
    pub(crate) fn guests(&self) -> usize {
        self.guests.load(Ordering::Relaxed)
    }

    /// A Redis connection is open for as long as what this returns is kept.
    pub(crate) fn guest(&self) -> Guest<'_> {
        self.guests.fetch_add(1, Ordering::Relaxed);
        Guest(&self.guests)
    }
}

/// A Redis connection.
#[derive(Debug)]
pub(crate) struct Guest<'a>(&'a AtomicUsize);

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Situation = Situation {
        is_spared: true,
        another_leads: true,
        pending: 0,
        guests: 0,
    };

    #[test]
    fn it_stops_when_its_clients_are_answered_and_another_leads() {
        let at = |millis: u64| Time(millis * 1000);
        let mut leaving = Leaving::begin(at(0));
        let (guest, leads) = (
            Situation { guests: 1, ..IDLE },
            Situation {
                another_leads: false,
                ..IDLE
            },
        );
        assert_eq!(leaving.next(at(100), guest), Next::Wait);
        assert_eq!(leaving.next(at(200), leads), Next::HandOver);
        assert_eq!(leaving.next(at(300), leads), Next::Wait);
        assert_eq!(leaving.next(at(400), IDLE), Next::Wait, "others may still ask");
        let owes = Situation { pending: 1, ..IDLE };
        assert_eq!(leaving.next(at(600), owes), Next::Wait);
        assert_eq!(leaving.next(at(700), IDLE), Next::Stop);
    }

    #[test]
    fn nothing_keeps_it_for_ever_and_who_cannot_be_spared_does_not_wait() {
        let at = |millis: u64| Time(millis * 1000);
        let stays = Situation {
            another_leads: false,
            pending: 9,
            guests: 9,
            ..IDLE
        };
        let mut leaving = Leaving::begin(at(0));
        assert_eq!(leaving.next(at(499), stays), Next::Wait);
        assert_eq!(leaving.next(at(500), stays), Next::HandOver);
        assert_eq!(leaving.next(at(1999), stays), Next::Wait);
        assert_eq!(leaving.next(at(2000), stays), Next::Stop);
        let alone = Situation {
            is_spared: false,
            ..stays
        };
        assert_eq!(Leaving::begin(at(0)).next(at(0), alone), Next::Stop);
        assert_eq!(Leaving::at_once(at(5)).next(at(5), stays), Next::Stop);
    }

    #[tokio::test]
    async fn ports_close_and_never_open_again() {
        let closing = Closing::default();
        closing.set(Service::Ended);
        closing.set(Service::NoGuests);
        closing.reached(Service::NoGuests).await;
        closing.reached(Service::Ended).await;
        let guests = (closing.guest(), closing.guest());
        assert_eq!(closing.guests(), 2);
        drop(guests);
        assert_eq!(closing.guests(), 0);
    }
}
