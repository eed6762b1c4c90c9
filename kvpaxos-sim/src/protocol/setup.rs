//! What a world consists of besides the protocol, and what may happen in it.

use kvpaxos::Micros;
use serde::{Deserialize, Serialize};

use crate::engine::{Decider, Decision, LinkProfile, Node, Seeded, Stream, Table, latency};
use crate::world::FaultKind;

/// Everything that is fixed before a run begins. The same setup gives the same run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The seed of all decisions of the run.
    pub seed: u64,
    /// The number of clients, at most [`Node::CLIENTS`]. Each makes one call after the other.
    pub clients: u32,
    /// The longest pause between two calls of a client.
    pub think: Micros,
    /// How long a client waits for an answer before it goes on without.
    pub patience: Micros,
    /// How links behave.
    pub links: LinkProfile,
    /// How long syncs take.
    pub sync: Table,
    /// The faults.
    pub faults: Faults,
    /// The length of the run.
    pub length: Micros,
}

/// Which faults happen, and how often.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Faults {
    /// The kinds, each as likely as the others. No fault happens if there is none.
    pub kinds: Vec<FaultKind>,
    /// The longest pause between the beginnings of two faults.
    pub pause: Micros,
    /// The longest time that a fault lasts.
    pub length: Micros,
}

/// Crashes with the disk kept, pauses, cut links, clocks that go wrong, slow disks.
const KINDS: [FaultKind; 11] = [
    FaultKind::Crash,
    FaultKind::CrashAll,
    FaultKind::CrashAtSync,
    FaultKind::Pause,
    FaultKind::Split,
    FaultKind::Isolate,
    FaultKind::OneWay,
    FaultKind::Partial,
    FaultKind::JumpClock,
    FaultKind::DriftClock,
    FaultKind::SlowDisk,
];

/// Two seconds with three clients and all faults of these kinds: crashes that keep the disk, pauses, cut links, clocks that go
/// wrong, slow disks; and links that lose, repeat and reorder messages.
impl Default for Setup {
    fn default() -> Setup {
        Setup {
            seed: 0,
            clients: 3,
            think: Micros(100_000),
            patience: Micros(200_000),
            links: LinkProfile {
                drop: 50_000,
                duplicate: 50_000,
                delay: latency::REGION,
                reorder: true,
            },
            sync: latency::FLASH,
            faults: Faults {
                kinds: KINDS.to_vec(),
                pause: Micros(300_000),
                length: Micros(300_000),
            },
            length: Micros(2_000_000),
        }
    }
}

impl Setup {
    /// The setup of a seed: links that lose and delay more or less than these, and about half of the kinds of
    /// faults (a *swarm*: Groce et al., *Swarm Testing*, 2012).
    #[must_use]
    pub fn drawn(mut self, seed: u64) -> Setup {
        let mut seeded = Seeded::new(seed);
        let decider: &mut (dyn Decider + Send) = &mut seeded;
        let mut one_of = |what, of: &[u32]| decider.pick(Stream::Setup, Decision::Setup(what), of);
        self.seed = seed;
        self.links.drop = one_of("links.drop", &[0, self.links.drop, 4 * self.links.drop]).min(900_000);
        self.links.duplicate = one_of("links.duplicate", &[0, self.links.duplicate]);
        let delay = self.links.delay;
        self.links.delay = decider.pick(
            Stream::Setup,
            Decision::Setup("links.delay"),
            &[delay, latency::LAN, latency::WILD],
        );
        let half = |_: &FaultKind| decider.chance(Stream::Setup, Decision::Setup("faults"), 500_000);
        self.faults.kinds.retain(half);
        self
    }

    /// The same setup for a scenario, which holds the faults itself and says when it ends.
    pub(super) fn planned(&self) -> Setup {
        let mut setup = self.clone();
        setup.faults = Faults {
            kinds: Vec::new(),
            ..Setup::default().faults
        };
        setup.length = Setup::default().length;
        (setup.links.drop, setup.links.duplicate) = (0, 0);
        setup.think = Setup::default().think;
        setup
    }

    /// What a scenario has where it says nothing.
    pub(super) fn quiet(seed: u64) -> Setup {
        let setup = Setup::default().planned();
        Setup { seed, ..setup }
    }

    /// The number of clients, or what is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.clients > Node::CLIENTS {
            return Err(format!(
                "clients is {}: there are at most {}",
                self.clients,
                Node::CLIENTS
            ));
        }
        Ok(())
    }
}
