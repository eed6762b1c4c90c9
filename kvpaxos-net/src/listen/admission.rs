//! How many clients are served at once, over all ports for clients of a replica. Silent ones make room for
//! others when there is none left.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvpaxos::ReplicaId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::system::descriptors::{self, ClientDescriptor};

/// A client that was idle for this long makes room for another if there is none.
const IDLE: Duration = Duration::from_secs(60);
/// The same for a client that has not sent a single request yet.
const SILENT: Duration = Duration::from_secs(2);
/// How often idle clients are asked to make room, at most: every one of them looks whether it is concerned.
const PAUSE: Duration = Duration::from_secs(1);

/// Admits the connections of clients to one replica.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: usize,
    permits: Arc<Semaphore>,
    /// Tells the connections that there is no room for another.
    full: watch::Sender<()>,
    refused: AtomicU64,
    /// When `full` was last sent.
    last_sent: Mutex<Option<Instant>>,
}

impl Admission {
    /// Admits at most `limit` connections at once, and no more than the process has descriptors for.
    pub(crate) fn new(id: ReplicaId, limit: usize) -> Admission {
        match descriptors::room() {
            Some(room) if room < limit => tracing::warn!(
                replica = %id, clients = room, wanted = limit,
                "there are descriptors for so many clients at once only. Raise the limit of open files: ulimit -n, or \
                 LimitNOFILE= of a systemd unit"
            ),
            _ => tracing::info!(replica = %id, clients = limit, "serves at most so many clients at once"),
        }
        Admission {
            limit,
            permits: Arc::new(Semaphore::new(limit)),
            full: watch::Sender::new(()),
            refused: AtomicU64::new(0),
            last_sent: Mutex::new(None),
        }
    }

    /// The most connections at once, as far as is known now.
    pub(crate) fn limit(&self) -> usize {
        descriptors::room().map_or(self.limit, |room| room.min(self.limit))
    }

    /// The connections that are served now.
    pub(crate) fn served(&self) -> usize {
        self.limit - self.permits.available_permits().min(self.limit)
    }

    /// The connections that were not admitted.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Admits one more connection. If there is no room, idle ones are asked to make some for the next.
    pub(crate) fn admit(&self) -> Option<Admitted> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        let descriptor = ClientDescriptor::take(descriptors::room());
        let (Some(permit), Some(descriptor)) = (permit, descriptor) else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            self.ask_for_room();
            return None;
        };
        Some(Admitted {
            _permit: permit,
            _descriptor: descriptor,
            full: self.full.subscribe(),
        })
    }

    fn ask_for_room(&self) {
        let mut last_sent = self.last_sent.lock().unwrap_or_else(PoisonError::into_inner);
        if last_sent.is_none_or(|last_sent| last_sent.elapsed() >= PAUSE) {
            *last_sent = Some(Instant::now());
            self.full.send_replace(());
        }
    }
}

/// A place among the clients, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    _permit: OwnedSemaphorePermit,
    _descriptor: ClientDescriptor,
    full: watch::Receiver<()>,
}

impl Admitted {
    /// Resolves when there is no room for another client, and this one has been idle for long.
    pub(crate) async fn must_make_room(&mut self, activity: &Activity) {
        while self.full.changed().await.is_ok() {
            if activity.is_idle(Instant::now()) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

/// When a client was last active.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<(Instant, bool)>);

impl Activity {
    /// A client that has just connected.
    pub(crate) fn new() -> Activity {
        Activity(Mutex::new((Instant::now(), false)))
    }

    /// The client has sent a request.
    pub(crate) fn on_request(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), true);
    }

    fn is_idle(&self, now: Instant) -> bool {
        let (last, asked) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(last) >= if asked { IDLE } else { SILENT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back() {
        let admission = Admission::new(ReplicaId(0), 2);
        let first = admission.admit().unwrap();
        let _second = admission.admit().unwrap();
        assert!(admission.admit().is_none());
        drop(first);
        assert!(admission.admit().is_some());
    }

    #[tokio::test]
    async fn silent_clients_make_room_and_others_do_not() {
        let admission = Admission::new(ReplicaId(0), 2);
        let (mut silent, mut busy) = (admission.admit().unwrap(), admission.admit().unwrap());
        let long_ago = Instant::now().checked_sub(2 * SILENT).unwrap();
        let silence = Activity(Mutex::new((long_ago, false)));
        let asked = Activity(Mutex::new((long_ago, true)));
        assert!(admission.admit().is_none());
        silent.must_make_room(&silence).await;
        tokio::select! {
            biased;
            () = busy.must_make_room(&asked) => panic!("it was active seconds ago"),
            () = tokio::task::yield_now() => {}
        }
    }
}
