//! Who may stay at the door for peers. Whoever connects is a stranger until it has said hello, and there is room
//! for [`STRANGERS`] of them: when another comes, the oldest of the host with most of them goes. A peer says hello at
//! once, so it never has to wait for those who say nothing; and within TLS, where a hello takes a few messages, a host
//! that floods the door pushes out its own. Those stay longest whose address is that of a host in the peers' list, as it was
//! looked up when that host was last dialled: a flood from elsewhere does not touch them. A peer has up to
//! [`PER_PEER`] connections, as an old one may linger after it has connected again; of more, the one that was silent for the longest time goes. Within TLS a hello is proven
//! by a certificate, so nobody else can make a peer's connections go. Without, whoever reaches the port is believed from whatever
//! address: a peer may connect through a proxy or from a second address of its host, and an address is no proof.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
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

/// The connections that have not said what they want, the oldest first.
#[derive(Debug)]
pub(crate) struct Strangers {
    waiting: VecDeque<Stranger>,
    limit: usize,
}

/// A connection that has said nothing yet.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) host: Host,
    pub(crate) task: AbortHandle,
    /// Whether it has spoken meanwhile.
    pub(crate) known: Arc<AtomicBool>,
    /// Whether it comes from an address from which somebody is expected.
    pub(crate) is_expected: bool,
}

impl Strangers {
    /// At most so many.
    pub(crate) fn new(limit: usize) -> Strangers {
        Strangers {
            waiting: VecDeque::new(),
            limit,
        }
    }

    /// Adds the newest. Returns whether another one had to go for it.
    pub(crate) fn add(&mut self, stranger: Stranger) -> bool {
        self.waiting.push_back(stranger);
        if self.waiting.len() <= self.limit {
            return false;
        }
        self.waiting
            .retain(|one| !one.known.load(Ordering::Relaxed) && !one.task.is_finished());
        if self.waiting.len() <= self.limit {
            return false;
        }
        if let Some(one) = self.one_too_many().and_then(|place| self.waiting.remove(place)) {
            one.task.abort();
        }
        true
    }

    /// The place of the oldest of the host that has most; of several such hosts, of the one that came first. Those whom
    /// somebody expects are spared as long as there are others.
    fn one_too_many(&self) -> Option<usize> {
        let others = self.waiting.iter().any(|one| !one.is_expected);
        let mut hosts: BTreeMap<Host, (usize, Reverse<usize>)> = BTreeMap::new();
        for (place, one) in self.waiting.iter().enumerate() {
            if !(others && one.is_expected) {
                hosts.entry(one.host).or_insert((0, Reverse(place))).0 += 1;
            }
        }
        let (_, Reverse(place)) = hosts.into_values().max()?;
        Some(place)
    }
}

/// The addresses that the hosts of the peers' list have now.
#[derive(Debug, Default)]
pub(crate) struct PeerHosts(Mutex<BTreeMap<ReplicaId, Vec<IpAddr>>>);

impl PeerHosts {
    /// The host of a peer was looked up.
    pub(crate) fn set(&self, peer: ReplicaId, addresses: &[SocketAddr]) {
        let addresses = addresses.iter().map(|address| address.ip().to_canonical());
        self.lock().insert(peer, addresses.collect());
    }

    /// Whether a peer has this address.
    pub(crate) fn have(&self, address: SocketAddr) -> bool {
        let address = address.ip().to_canonical();
        self.lock().values().any(|all| all.contains(&address))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaId, Vec<IpAddr>>> {
        // An entry is set as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A connection from there, and its task.
    fn join(
        strangers: &mut Strangers,
        address: &str,
        said_hello: bool,
        is_expected: bool,
    ) -> (bool, AbortHandle) {
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        let stranger = Stranger {
            host: host(address),
            task: task.clone(),
            known: Arc::new(AtomicBool::new(said_hello)),
            is_expected,
        };
        (strangers.add(stranger), task)
    }

    #[tokio::test]
    async fn those_go_first_whom_nobody_expects() {
        let hosts = PeerHosts::default();
        hosts.set(ReplicaId(1), &["10.0.0.1:7100".parse().unwrap()]);
        assert!(hosts.have("10.0.0.1:40000".parse().unwrap()));
        assert!(hosts.have("[::ffff:10.0.0.1]:40000".parse().unwrap()));
        assert!(!hosts.have("10.0.0.2:7100".parse().unwrap()));

        let mut strangers = Strangers::new(3);
        let mut join = |address: &str| join(&mut strangers, address, false, address == "10.0.0.1");
        let (_, first) = join("10.0.0.1");
        let (_, second) = join("10.0.0.1");
        let (_, other) = join("10.0.0.2");
        let (went, last) = join("10.0.0.1");
        tokio::task::yield_now().await;
        assert!(went && other.is_finished() && !first.is_finished() && !second.is_finished());
        // Only expected ones are left: the oldest goes.
        assert!(join("10.0.0.1").0);
        tokio::task::yield_now().await;
        assert!(first.is_finished() && !second.is_finished() && !last.is_finished());
    }

    #[tokio::test]
    async fn the_oldest_stranger_goes_and_whoever_said_hello_stays() {
        let mut strangers = Strangers::new(STRANGERS);
        let mut join = |said_hello| join(&mut strangers, "10.0.0.1", said_hello, false);
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
        let mut strangers = Strangers::new(STRANGERS);
        let mut join = |address: &str| join(&mut strangers, address, false, false).1;
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
