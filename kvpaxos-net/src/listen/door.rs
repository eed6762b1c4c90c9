//! Who may stay at the door for peers. Whoever connects is a stranger until it has said hello, and there is room
//! for [`STRANGERS`] of them: when another comes, the oldest of the host with most of them goes. A peer says hello at
//! once, so it never has to wait for those who say nothing; and within TLS, where a hello takes a few messages, a host
//! that floods the door pushes out its own. A peer has up to [`PER_PEER`] connections, as an old one may linger after it
//! has connected again; of more, the one that was silent for the longest time goes. Within TLS a hello is proven
//! by a certificate, so nobody else can make a peer's connections go; without, whoever reaches the port is believed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kvpaxos::ReplicaId;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Connections at once that have not said hello.
pub(crate) const STRANGERS: usize = 64;
/// Connections of one peer.
pub(crate) const PER_PEER: usize = 2;

/// A host: an address, or the part of an IPv6 address that is one network's, as one host has many of the rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Host([u8; 8]);

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Host {
        let mut host = [0; 8];
        match address.to_canonical() {
            IpAddr::V4(address) => host[4..].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => host.copy_from_slice(&address.octets()[..8]),
        }
        Host(host)
    }
}

/// The connections that have not said hello, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Strangers(VecDeque<Stranger>);

#[derive(Debug)]
struct Stranger {
    host: Host,
    task: AbortHandle,
    /// Whether it has said hello meanwhile.
    known: Arc<AtomicBool>,
}

impl Strangers {
    /// Adds the newest. Returns whether another one had to go for it.
    pub(crate) fn add(&mut self, host: Host, task: AbortHandle, known: Arc<AtomicBool>) -> bool {
        self.0.push_back(Stranger { host, task, known });
        if self.0.len() <= STRANGERS {
            return false;
        }
        self.0
            .retain(|one| !one.known.load(Ordering::Relaxed) && !one.task.is_finished());
        if self.0.len() <= STRANGERS {
            return false;
        }
        if let Some(one) = self.one_too_many().and_then(|place| self.0.remove(place)) {
            one.task.abort();
        }
        true
    }

    /// The place of the oldest of the host that has most; of several such hosts, of the one that came first.
    fn one_too_many(&self) -> Option<usize> {
        let mut hosts: BTreeMap<Host, (usize, Reverse<usize>)> = BTreeMap::new();
        for (place, one) in self.0.iter().enumerate() {
            hosts.entry(one.host).or_insert((0, Reverse(place))).0 += 1;
        }
        let (_, Reverse(place)) = hosts.into_values().max()?;
        Some(place)
    }
}

/// The connections of peers that have said hello.
#[derive(Debug, Default)]
pub(crate) struct PeerConnections(Mutex<BTreeMap<ReplicaId, Vec<Arc<State>>>>);

#[derive(Debug)]
struct State {
    last_message: Mutex<Instant>,
    replaced: Notify,
}

impl State {
    fn last_message(&self) -> Instant {
        *self.last_message.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them; removed when this is dropped.
#[derive(Debug)]
pub(crate) struct PeerConnection<'a> {
    all: &'a PeerConnections,
    from: ReplicaId,
    state: Arc<State>,
}

impl PeerConnections {
    /// Adds a connection of this peer; if there are too many, another one has to go.
    pub(crate) fn add(&self, from: ReplicaId) -> PeerConnection<'_> {
        let state = Arc::new(State {
            last_message: Mutex::new(Instant::now()),
            replaced: Notify::new(),
        });
        let mut all = self.lock();
        let own = all.entry(from).or_default();
        if own.len() >= PER_PEER
            && let Some(silent) = (0..own.len()).min_by_key(|index| own[*index].last_message())
        {
            own.remove(silent).replaced.notify_one();
        }
        own.push(Arc::clone(&state));
        PeerConnection {
            all: self,
            from,
            state,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaId, Vec<Arc<State>>>> {
        // Nothing that runs under the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerConnection<'_> {
    /// A message has come.
    pub(crate) fn on_message(&self) {
        *self
            .state
            .last_message
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Resolves when it has to go.
    pub(crate) async fn replaced(&self) {
        self.state.replaced.notified().await;
    }
}

impl Drop for PeerConnection<'_> {
    fn drop(&mut self) {
        if let Some(own) = self.all.lock().get_mut(&self.from) {
            own.retain(|state| !Arc::ptr_eq(state, &self.state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(address: &str) -> Host {
        Host::from(address.parse::<IpAddr>().unwrap())
    }

    #[tokio::test]
    async fn the_oldest_stranger_goes_and_whoever_said_hello_stays() {
        let mut strangers = Strangers::default();
        let mut tasks = tokio::task::JoinSet::new();
        let mut join = |said_hello| {
            let task = tasks.spawn(std::future::pending::<()>());
            let known = Arc::new(AtomicBool::new(said_hello));
            (strangers.add(host("10.0.0.1"), task.clone(), known), task)
        };
        let (_, oldest) = join(false);
        let (_, second) = join(false);
        let (_, peer) = join(true);
        for _ in 3..STRANGERS {
            assert!(!join(false).0);
        }
        assert!(!join(false).0, "the peer takes no place");
        assert!(join(false).0);
        tokio::task::yield_now().await;
        assert!(oldest.is_finished() && !second.is_finished() && !peer.is_finished());
    }

    #[tokio::test]
    async fn a_host_that_floods_the_door_pushes_out_its_own() {
        let mut strangers = Strangers::default();
        let mut tasks = tokio::task::JoinSet::new();
        let mut join = |address: &str| {
            let task = tasks.spawn(std::future::pending::<()>());
            strangers.add(host(address), task.clone(), Arc::default());
            task
        };
        let peer = join("10.0.0.2");
        // The addresses of one network are those of one host.
        let flood: Vec<_> = (0..3 * STRANGERS)
            .map(|n| join(&format!("2001:db8::{n:x}")))
            .collect();
        let another = join("::ffff:10.0.0.3");
        let (gone, left) = flood.split_at(flood.len() - (STRANGERS - 2));
        for task in gone {
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        assert!(
            left.iter()
                .chain([&peer, &another])
                .all(|task| !task.is_finished())
        );
    }

    #[tokio::test]
    async fn of_too_many_connections_of_a_peer_the_silent_one_goes() {
        let connections = PeerConnections::default();
        let first = connections.add(ReplicaId(1));
        let second = connections.add(ReplicaId(1));
        let _other = connections.add(ReplicaId(2));
        std::thread::sleep(std::time::Duration::from_millis(2));
        first.on_message();
        let _third = connections.add(ReplicaId(1));
        second.replaced().await;
        drop(second);
        assert_eq!(connections.count(), PER_PEER + 1);
    }
}
