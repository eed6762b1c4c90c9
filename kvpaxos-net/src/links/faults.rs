//! Faults of the links to the other replicas, on purpose: messages are dropped or late. Whole messages: the
//! protocol sends again what matters, and takes messages in any order.
//!
//! Both directions of a link are disturbed at this end, so the other end need not know. Connections stay up,
//! as they do in a network that loses packets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kvpaxos::{Random, ReplicaId};

use crate::metrics::chaos::ChaosMetrics;
use crate::system::times::TimeRange;

/// What is wrong with a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkFault {
    /// So many percent of the messages are lost.
    Drop(u8),
    /// Each batch of messages is held back for so long. What comes meanwhile waits, and is the next batch.
    Delay(TimeRange),
    /// All messages are lost.
    Cut,
}

/// Which messages a fault concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkDirection {
    /// Those that are sent and those that are received.
    Both,
    /// Those that this replica sends.
    Out,
    /// Those that this replica receives.
    In,
}

/// As in a rule for chaos.
impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkFault::Drop(percent) => write!(f, "drop={percent}%"),
            LinkFault::Delay(range) => write!(f, "delay={range}"),
            LinkFault::Cut => f.write_str("cut"),
        }
    }
}

impl fmt::Display for LinkDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkDirection::Both => "both",
            LinkDirection::Out => "out",
            LinkDirection::In => "in",
        })
    }
}

/// The way of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Way {
    Out,
    In,
}

/// The faults of all links of a replica, and what they did.
#[derive(Debug)]
pub(crate) struct LinkFaults {
    /// Whether there are any: looked at for each message.
    any: AtomicBool,
    state: Mutex<State>,
    metrics: ChaosMetrics,
}

#[derive(Debug)]
struct State {
    random: Random,
    faults: BTreeMap<(ReplicaId, Way), LinkFault>,
}

impl LinkFaults {
    /// No faults.
    pub(crate) fn new(metrics: ChaosMetrics) -> LinkFaults {
        LinkFaults {
            any: AtomicBool::new(false),
            state: Mutex::new(State {
                random: Random::from_seed(0),
                faults: BTreeMap::new(),
            }),
            metrics,
        }
    }

    /// From now on the link to this peer has this fault. The seed decides which messages it concerns.
    pub(crate) fn set(&self, peer: ReplicaId, fault: LinkFault, direction: LinkDirection, seed: u64) {
        let mut state = self.lock();
        state.random = Random::from_seed(seed);
        let ways: &[Way] = match direction {
            LinkDirection::Both => &[Way::Out, Way::In],
            LinkDirection::Out => &[Way::Out],
            LinkDirection::In => &[Way::In],
        };
        for way in ways {
            state.faults.insert((peer, *way), fault);
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// All links are whole again.
    pub(crate) fn clear(&self) {
        self.any.store(false, Ordering::Relaxed);
        self.lock().faults.clear();
    }

    /// Whether a message is lost. It is counted.
    pub(crate) fn drops(&self, way: Way, peer: ReplicaId) -> bool {
        if !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.lock();
        let drops = match state.faults.get(&(peer, way)) {
            Some(LinkFault::Cut) => true,
            Some(LinkFault::Drop(percent)) => {
                let percent = u64::from(*percent);
                state.random.below(100) < percent
            }
            Some(LinkFault::Delay(_)) | None => false,
        };
        if drops {
            self.metrics.drops.inc();
        }
        drops
    }

    /// How long a batch of messages is held back, if it is. It is counted.
    pub(crate) fn delay(&self, way: Way, peer: ReplicaId) -> Option<Duration> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.lock();
        let Some(LinkFault::Delay(range)) = state.faults.get(&(peer, way)).copied() else {
            return None;
        };
        self.metrics.delays.inc();
        Some(range.draw(&mut state.random))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole, whatever panics elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    const PEER: ReplicaId = ReplicaId(1);

    fn whole() -> LinkFaults {
        LinkFaults::new(Metrics::new(ReplicaId(0)).chaos())
    }

    fn counts(links: &LinkFaults) -> (u64, u64) {
        (links.metrics.drops.get(), links.metrics.delays.get())
    }

    #[test]
    fn a_cut_loses_all_in_its_direction_and_nothing_afterwards() {
        let links = whole();
        assert!(!links.drops(Way::Out, PEER));
        links.set(PEER, LinkFault::Cut, LinkDirection::Out, 1);
        let drops = |way, peer| (0..50).filter(|_| links.drops(way, peer)).count();
        assert_eq!((drops(Way::Out, PEER), drops(Way::In, PEER)), (50, 0));
        assert_eq!(drops(Way::Out, ReplicaId(2)), 0, "another link");
        links.clear();
        assert_eq!((drops(Way::Out, PEER), counts(&links)), (0, (50, 0)));
    }

    #[test]
    fn a_lossy_link_loses_its_share_and_a_slow_one_nothing() {
        let links = whole();
        links.set(PEER, LinkFault::Drop(20), LinkDirection::Both, 7);
        let drops = (0..1000).filter(|_| links.drops(Way::In, PEER)).count();
        assert!((150..250).contains(&drops), "{drops}");
        assert_eq!(links.delay(Way::In, PEER), None);
        let range = TimeRange::millis(10, 50);
        links.set(PEER, LinkFault::Delay(range), LinkDirection::Both, 7);
        assert!(!links.drops(Way::In, PEER));
        let delay = links.delay(Way::Out, PEER).unwrap();
        assert!(delay >= range.least() && delay <= range.most());
        assert_eq!(counts(&links), (drops as u64, 1));
    }
}
