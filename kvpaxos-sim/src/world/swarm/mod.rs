//! Swarm testing: each seed draws its own mix of cluster, network, workload and faults.
//!
//! The order of the draws is part of what a seed means: a draw that is added later comes last.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `special` | worlds that few seeds draw |
//! | `shapes` | shapes of clusters, networks and workloads that were added later, and the pace of a run |

mod shapes;
mod special;

use kvpaxos::{Micros, Quorums, Update};

use crate::engine::latency;
use crate::engine::{Decider, Decision, Format, LinkProfile, Seeded, Stream};
use crate::world::setup::{Cluster, FaultKind, Faults, Group, Length, Setup, Workload};

use special::strain;

impl Setup {
    /// The setup that a seed draws, with the slowest disks and the most checkpoints: many writes share a sync, and
    /// recoveries, checkpoints and faults overlap. Checks that take an order of events for granted fail here first.
    #[must_use]
    pub fn strained(seed: u64) -> Setup {
        let mut setup = Setup::drawn(seed);
        if !setup.memory_only && setup.cluster.update != Update::TwoPhase {
            strain(&mut setup, 2, 1);
        }
        setup
    }

    /// The setup that a seed draws.
    #[must_use]
    pub fn drawn(seed: u64) -> Setup {
        let mut seeded = Seeded::new(seed);
        let mut draw = Draw(&mut seeded);
        let mut cluster = draw.cluster();
        let links = draw.links(&cluster);
        let clients = draw.clients(&cluster);
        let faults = draw.faults(&cluster);
        if draw.percent("few sessions", 12) {
            // One session for each client and few more. With fewer sessions clients would push each other's
            // out for ever.
            let spare = draw.pick("sessions", &[1, 2, 4]);
            cluster.limits.sessions = clients.count as usize + spare;
        }
        let mut setup = Setup {
            seed,
            mutated: None,
            links,
            regions: 1,
            sync: draw.pick(
                "sync",
                &[latency::FLASH, latency::FLASH, latency::FLASH, latency::BUSY],
            ),
            format: draw.pick("format", &[Format::Plain, Format::Plain, Format::Bytes]),
            memory_only: cluster.recovers() && draw.percent("memory only", 10),
            clients,
            faults,
            length: Length {
                faults: Micros(1_000_000 * draw.between("seconds", 12, 24)),
                operations: 700,
                events: 24_000,
            },
            cluster,
        };
        draw.faults_of_files(&mut setup.faults);
        setup.faults.uneven_clocks = draw.percent("uneven clocks", 25);
        draw.connections(&mut setup.clients);
        draw.more_clients_than_sessions(&mut setup);
        draw.stragglers(&mut setup);
        draw.added_faults(&mut setup);
        draw.cramped(&mut setup);
        draw.slow_disks(&mut setup);
        draw.shared_keys(&mut setup);
        draw.orderly_stops(&mut setup);
        draw.moments(&mut setup);
        draw.shapes(&mut setup);
        draw.pace(&mut setup);
        setup
    }
}

struct Draw<'a>(&'a mut (dyn Decider + Send));

impl Draw<'_> {
    fn between(&mut self, name: &'static str, low: u64, high: u64) -> u64 {
        self.0.between(Stream::Setup, Decision::Setup(name), low, high)
    }

    fn small(&mut self, name: &'static str, low: u32, high: u32) -> u32 {
        u32::try_from(self.between(name, low.into(), high.into())).expect("a number between two u32 is a u32")
    }

    fn size(&mut self, name: &'static str, low: usize, high: usize) -> usize {
        let drawn = self.between(name, low as u64, high as u64);
        usize::try_from(drawn).expect("a number between two usize is a usize")
    }

    fn percent(&mut self, name: &'static str, percent: u32) -> bool {
        self.0
            .chance(Stream::Setup, Decision::Setup(name), percent * 10_000)
    }

    fn pick<T: Copy>(&mut self, name: &'static str, of: &[T]) -> T {
        self.0.pick(Stream::Setup, Decision::Setup(name), of)
    }

    fn cluster(&mut self) -> Cluster {
        let replicas = self.pick("replicas", &[5, 5, 5, 5, 5, 5, 3, 3, 7]);
        let mut cluster = Cluster::new(replicas);
        self.quorums(&mut cluster);
        self.timing(&mut cluster);
        self.limits(&mut cluster);
        cluster
    }

    fn quorums(&mut self, cluster: &mut Cluster) {
        let replicas = cluster.replicas;
        if self.percent("two-phase", 4) {
            let config = cluster.config(kvpaxos::ReplicaId(0)).two_phase();
            cluster.quorums = config.quorums;
            cluster.update = Update::TwoPhase;
        } else if self.percent("flexible", 12) {
            let phase2 = self.size("phase2", 2, replicas - 1);
            cluster.quorums = Quorums {
                phase1: replicas + 1 - phase2,
                phase2,
            };
        }
    }

    fn timing(&mut self, cluster: &mut Cluster) {
        let timing = &mut cluster.timing;
        timing.tick = Micros(self.pick("tick", &[25_000, 25_000, 25_000, 40_000, 15_000]));
        timing.jitter = self.small("jitter", 3, 10);
        timing.patience = self.small("patience", 5, 10);
        timing.resend = self.small("resend", 2, 6);
        timing.deadline = self.small("deadline", 10, 90);
    }

    /// Small limits in some runs, so that the limits are reached.
    fn limits(&mut self, cluster: &mut Cluster) {
        let limits = &mut cluster.limits;
        if self.percent("small window", 20) {
            limits.window = self.pick("window", &[1, 2, 3]);
        }
        if self.percent("small batches", 20) {
            limits.batch_commands = self.pick("batch", &[1, 2, 3]);
        }
        if self.percent("small chunks", 25) {
            limits.chunk_bytes = self.pick("chunk", &[1, 200, 1000]);
        }
        if self.percent("small session window", 15) {
            limits.session_window = self.pick("session window", &[1, 2, 3]);
        }
        if self.percent("short log", 65) {
            limits.log_slots = self.pick("log slots", &[3, 10, 30, 100, 300]);
            // Even a small state is sent in several parts.
            limits.chunk_bytes = limits.chunk_bytes.min(self.pick("parts", &[100, 300, 1_000_000]));
        } else if self.percent("small log", 50) {
            limits.log_bytes = self.pick("log bytes", &[500, 3_000, 20_000]);
        }
        if self.percent("few pending", 10) {
            limits.pending = self.pick("pending", &[2, 4, 8]);
        }
    }

    fn links(&mut self, cluster: &Cluster) -> LinkProfile {
        let drop = self.pick("drop", &[0, 1_000, 10_000, 30_000, 80_000]);
        // With two-phase updates every replica must answer twice for each write: on a wild network hardly any
        // write succeeds.
        let calm = cluster.update == Update::TwoPhase;
        let drop = if calm { drop.min(1_000) } else { drop };
        let delays = [latency::LAN, latency::REGION, latency::REGION, latency::WILD];
        let delay = self.pick("delay", &delays);
        let delay = if calm { latency::LAN } else { delay };
        let in_order = self.percent("in order", 30);
        LinkProfile {
            drop,
            duplicate: self.pick("duplicate", &[0, 1_000, 20_000, 60_000]),
            delay,
            // On an ordered link with wild delays, every message would wait for the slowest one before it.
            reorder: !in_order || delay == latency::WILD,
        }
    }

    fn clients(&mut self, cluster: &Cluster) -> Workload {
        let count = self.small("clients", 4, 9);
        let lanes = self.pick("lanes", &[1, 1, 1, 2, 3]);
        let mix = self.pick(
            "mix",
            &[
                [4, 4, 1, 2],
                [1, 1, 0, 0],
                [6, 2, 1, 1],
                [2, 6, 1, 3],
                [2, 2, 2, 6],
            ],
        );
        let ticks = |count: u64| Micros(cluster.timing.tick.0 * count);
        let attempt = self.between("attempt", 8, 30);
        let more = self.between("patience", 20, 140);
        Workload {
            lanes,
            keys: self.between("keys", 1, 8),
            unique: self.percent("unique", 70),
            mix,
            think: Micros(self.between("think", 20, 200) * 1_000),
            attempt: ticks(attempt),
            // Longer than an attempt, so that a call is sent to a second replica.
            deadline: ticks(attempt + more),
            ..Workload::some(count)
        }
    }

    fn faults(&mut self, cluster: &Cluster) -> Faults {
        let mut weights = Vec::new();
        let common = |kind: &FaultKind| kind.group() == Group::Common;
        for kind in FaultKind::ALL.into_iter().filter(common) {
            // Roles fail and processes crash in every run. A run has about half of the other kinds.
            let always = matches!(kind, FaultKind::FailRole | FaultKind::Crash);
            let drawn = self.percent("fault on", 55);
            let weight = self.small("fault weight", 1, 6);
            if always || drawn {
                weights.push((
                    kind,
                    if kind == FaultKind::FailRole {
                        weight + 2
                    } else {
                        weight
                    },
                ));
            }
        }
        let losses = self.size("losses", 0, cluster.losable() + 1);
        let losses = losses.min(cluster.losable());
        // Too many memories are lost in some runs: the cluster must refuse service, and any answer it still
        // gives must be correct.
        let beyond = self.percent("beyond", 6) && cluster.recovers();
        let losses = if beyond { cluster.replicas } else { losses };
        // With two-phase updates every replica is needed for each write, so any fault stops all work.
        let rarer = if cluster.update == Update::TwoPhase { 4 } else { 1 };
        let length = Micros(self.between("fault length", 200, 1_500) * 1_000);
        // Some operations must be done between the faults.
        let pause = self.between("fault pause", 150, 1_200) * 1_000 * rarer;
        let pause = Micros(pause.max(length.0 * 6 / 10));
        Faults {
            weights,
            moments: Vec::new(),
            pause,
            length,
            losses,
            at_leader: self.small("at leader", 10, 70),
            uneven_clocks: false,
        }
    }
}
