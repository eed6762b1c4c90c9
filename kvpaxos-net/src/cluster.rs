//! The configuration of a cluster: what all replicas must agree on, and where they listen for each other.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use kvpaxos::codec::{MAX_NAME, Settings};
use kvpaxos::recovery::answers_needed;
use kvpaxos::{Config, ConfigError, Limits, Quorums, ReplicaId, ReplicaSet, Timing, Update};

use crate::address::{AddressError, check_address};

/// The configuration of a cluster, as one of its replicas has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cluster {
    /// Tells clusters apart that are otherwise alike. Part of the fingerprint.
    pub name: String,
    /// Where each replica listens for the others.
    pub peers: PeerAddresses,
    /// When a client is answered: see [`Update`].
    pub update: Update,
    /// How many replicas make a quorum of each phase.
    pub quorums: Quorums,
    /// Intervals and timeouts. Replicas may differ in these.
    pub timing: Timing,
    /// Limits on requests, sessions and the log.
    pub limits: Limits,
}

impl Cluster {
    /// A cluster whose quorums are majorities, with default timing and limits.
    #[must_use]
    pub fn new(name: &str, peers: PeerAddresses) -> Cluster {
        Cluster {
            name: name.to_owned(),
            update: Update::Quorum,
            quorums: Quorums::majority(peers.0.len()),
            timing: Timing::default(),
            limits: Limits::default(),
            peers,
        }
    }

    /// The same cluster in the two-phase setting, in which every replica must acknowledge every update twice.
    #[must_use]
    pub fn two_phase(mut self) -> Cluster {
        self.update = Update::TwoPhase;
        self.quorums = Quorums {
            phase1: 1,
            phase2: self.peers.0.len(),
        };
        self
    }

    /// The configuration of one of its replicas.
    ///
    /// # Errors
    /// If the replica is not a member, or the values do not fit together.
    pub fn config(&self, id: ReplicaId) -> Result<Config, ConfigError> {
        let config = Config {
            id,
            members: self.peers.members(),
            quorums: self.quorums,
            update: self.update,
            timing: self.timing,
            limits: self.limits,
        };
        config.check()?;
        Ok(config)
    }

    /// What all replicas must agree on, as they tell each other.
    pub(crate) fn settings(&self) -> Settings {
        let name = &self.name.as_bytes()[..self.name.len().min(MAX_NAME)];
        Settings {
            name: Bytes::copy_from_slice(name),
            members: self.peers.members(),
            phase1: self.quorums.phase1 as u64,
            phase2: self.quorums.phase2 as u64,
            two_phase: self.update == Update::TwoPhase,
            key: self.limits.key as u64,
            value: self.limits.value as u64,
            sessions: self.limits.sessions as u64,
            session_window: self.limits.session_window,
            transaction_bytes: self.limits.transaction_bytes as u64,
            answer_bytes: self.limits.answer_bytes as u64,
            results_bytes: self.limits.results_bytes as u64,
            log_bytes: self.limits.log_bytes as u64,
            log_slots: self.limits.log_slots,
        }
    }

    /// A digest of what all replicas must agree on: the name, the members, the quorums, and the limits that decide how
    /// commands are applied and where the log is cut. Addresses and timing are not in it: they may differ, and change.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut digest = self.digest();
        digest.number(self.limits.log_bytes as u64);
        digest.number(self.limits.log_slots);
        digest.0
    }

    /// The same without the limits that decide where the log is cut. It is written to the directory of each
    /// replica: these limits may change, if they change while all replicas are stopped.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.digest().0
    }

    fn digest(&self) -> Fnv {
        let mut digest = Fnv::new();
        digest.bytes(self.name.as_bytes());
        for id in self.peers.0.keys() {
            digest.number(u64::from(id.0));
        }
        let Limits {
            key,
            value,
            sessions,
            session_window,
            transaction_bytes,
            answer_bytes,
            results_bytes,
            ..
        } = self.limits;
        let two_phase = u64::from(self.update == Update::TwoPhase);
        let sizes = [self.quorums.phase1, self.quorums.phase2, key, value, sessions].map(|size| size as u64);
        let bytes = [transaction_bytes, answer_bytes, results_bytes].map(|size| size as u64);
        let numbers = sizes.into_iter().chain([two_phase, session_window]);
        for number in numbers.chain(bytes) {
            digest.number(number);
        }
        digest
    }
}

/// How many acceptors may be without memory at once: n - r of [`kvpaxos::recovery`]; none if an acceptor
/// cannot recover.
pub(crate) fn spare_memories(config: &Config) -> usize {
    let replicas = config.members.len();
    answers_needed(config.quorums, replicas).map_or(0, |needed| replicas - needed)
}

/// FNV-1a: good enough to notice a mistake, and the same on every machine and in every release.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for byte in bytes {
            self.byte(*byte);
        }
    }

    fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// Where each replica listens for the others, written as `0=127.0.0.1:7000,1=127.0.0.1:7001,...`.
///
/// ```
/// let peers: kvpaxos_net::PeerAddresses = "0=127.0.0.1:7000,1=node-b:7000,2=[::1]:7000".parse().unwrap();
/// assert_eq!(peers.address(kvpaxos::ReplicaId(1)), Some("node-b:7000"));
/// assert!("0=127.0.0.1:7000,0=127.0.0.1:7001".parse::<kvpaxos_net::PeerAddresses>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAddresses(BTreeMap<ReplicaId, String>);

impl PeerAddresses {
    /// Replicas 0, 1, 2, ... at these addresses.
    ///
    /// # Errors
    /// If there are none or too many, one is not `host:port`, or two are the same.
    pub fn in_order<A: ToString>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<PeerAddresses, PeerAddressesError> {
        let mut peers = BTreeMap::new();
        for (index, address) in addresses.into_iter().enumerate() {
            let id = replica_id(&index.to_string())?;
            peers.insert(id, checked_address(&address.to_string())?);
        }
        PeerAddresses::checked(peers)
    }

    fn checked(peers: BTreeMap<ReplicaId, String>) -> Result<PeerAddresses, PeerAddressesError> {
        if peers.is_empty() {
            return Err(PeerAddressesError::Empty);
        }
        let mut owners = BTreeMap::new();
        for (id, address) in &peers {
            if let Some(first) = owners.insert(address, *id) {
                return Err(PeerAddressesError::SameAddress {
                    first,
                    second: *id,
                    address: address.clone(),
                });
            }
        }
        Ok(PeerAddresses(peers))
    }

    /// The ids of all replicas.
    #[must_use]
    pub fn members(&self) -> ReplicaSet {
        self.0.keys().copied().collect()
    }

    /// Where this replica listens; `None` if it is not a member.
    #[must_use]
    pub fn address(&self, id: ReplicaId) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }

    /// All replicas and their addresses, by ascending ids.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, &str)> {
        self.0.iter().map(|(id, address)| (*id, address.as_str()))
    }
}

impl FromStr for PeerAddresses {
    type Err = PeerAddressesError;

    fn from_str(text: &str) -> Result<PeerAddresses, PeerAddressesError> {
        let mut peers = BTreeMap::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let Some((id, address)) = entry.split_once('=') else {
                return Err(PeerAddressesError::NoEquals {
                    entry: entry.to_owned(),
                });
            };
            let id = replica_id(id)?;
            if peers.insert(id, checked_address(address)?).is_some() {
                return Err(PeerAddressesError::Duplicate { id });
            }
        }
        PeerAddresses::checked(peers)
    }
}

impl fmt::Display for PeerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (id, address)) in self.0.iter().enumerate() {
            write!(f, "{}{}={address}", if place == 0 { "" } else { "," }, id.0)?;
        }
        Ok(())
    }
}

fn replica_id(text: &str) -> Result<ReplicaId, PeerAddressesError> {
    let number = text.trim().trim_start_matches('r').parse::<u8>();
    match number {
        Ok(number) if usize::from(number) < kvpaxos::types::MAX_REPLICAS => Ok(ReplicaId(number)),
        _ => Err(PeerAddressesError::Id {
            text: text.to_owned(),
        }),
    }
}

fn checked_address(text: &str) -> Result<String, PeerAddressesError> {
    let text = text.trim();
    check_address(text)?;
    Ok(text.to_owned())
}

/// What is wrong with a list of replicas.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PeerAddressesError {
    /// The list is empty.
    #[error("the list of replicas is empty; write it as 0=127.0.0.1:7000,1=127.0.0.1:7001,...")]
    Empty,
    /// An entry of the list is not `id=address`.
    #[error("{entry:?} is not id=address; write the replicas as 0=127.0.0.1:7000,1=127.0.0.1:7001,...")]
    NoEquals {
        /// The entry.
        entry: String,
    },
    /// An id is not a number below [`MAX_REPLICAS`](kvpaxos::types::MAX_REPLICAS).
    #[error("{text:?} names no replica; ids are the numbers 0 to {}", kvpaxos::types::MAX_REPLICAS - 1)]
    Id {
        /// The text in place of the id.
        text: String,
    },
    /// A replica appears twice.
    #[error("replica {} appears twice in the list; give each id one address", id.0)]
    Duplicate {
        /// The replica.
        id: ReplicaId,
    },
    /// Two replicas have one address.
    #[error("replicas {} and {} have the same address {address}; each needs one of its own", first.0, second.0)]
    SameAddress {
        /// One replica.
        first: ReplicaId,
        /// The other.
        second: ReplicaId,
        /// The address of both.
        address: String,
    },
    /// An address is not `host:port`.
    #[error(transparent)]
    Address(#[from] AddressError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str) -> Cluster {
        Cluster::new(name, "0=a:1,1=b:1,2=c:1".parse().unwrap())
    }

    /// Whatever makes the fingerprints of two clusters differ can be named.
    #[test]
    fn what_differs_can_be_named() {
        let plain = cluster("x");
        let mut others = vec![cluster("y"), cluster("x").two_phase()];
        others.push(Cluster::new("x", "0=a:1,1=b:1,2=c:1,3=d:1".parse().unwrap()));
        let limits: [fn(&mut Limits); 9] = [
            |limits| limits.key += 1,
            |limits| limits.value += 1,
            |limits| limits.sessions += 1,
            |limits| limits.session_window += 1,
            |limits| limits.transaction_bytes -= 1,
            |limits| limits.answer_bytes -= 1,
            |limits| limits.results_bytes += 1,
            |limits| limits.log_bytes += 1,
            |limits| limits.log_slots += 1,
        ];
        for change in limits {
            let mut other = plain.clone();
            change(&mut other.limits);
            others.push(other);
        }
        for other in others {
            assert_ne!(plain.fingerprint(), other.fingerprint());
            let named = plain.settings().differences(&other.settings());
            assert!(named.contains("there and"), "{other:?}");
        }
    }

    #[test]
    fn the_fingerprint_is_of_what_all_must_agree_on() {
        let plain = cluster("x").fingerprint();
        let mut elsewhere = cluster("x");
        elsewhere.peers = "0=d:4,1=e:5,2=f:6".parse().unwrap();
        elsewhere.timing.patience += 1;
        assert_eq!(
            plain,
            elsewhere.fingerprint(),
            "addresses and timing may differ and change"
        );
        let mut longer = cluster("x");
        longer.limits.log_bytes += 1;
        assert_ne!(plain, longer.fingerprint());
        assert_eq!(
            cluster("x").identity(),
            longer.identity(),
            "a directory can be served with another limit of the log"
        );
        assert_ne!(cluster("x").identity(), cluster("y").identity());
        assert_ne!(plain, cluster("y").fingerprint());
        assert_ne!(plain, cluster("x").two_phase().fingerprint());
        let more = Cluster::new("x", "0=a:1,1=b:1,2=c:1,3=d:1".parse().unwrap());
        assert_ne!(plain, more.fingerprint());
    }

    #[test]
    fn wrong_lists_are_named() {
        let error = |text: &str| text.parse::<PeerAddresses>().unwrap_err().to_string();
        assert!(error("").contains("empty"));
        assert!(error("127.0.0.1:7000").contains("not id=address"));
        assert!(error("16=a:1").contains("names no replica"));
        assert!(error("0=a").contains("not an address"));
        assert!(error("0=a:1,r0=b:1").contains("appears twice"));
        assert!(error("0=a:1,1=b:1,2=a:1").contains("replicas 0 and 2 have the same address a:1"));
    }
}
