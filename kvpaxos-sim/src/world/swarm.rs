//! Swarm testing: every seed draws its own mix of cluster, network, workload and faults.

use kvpaxos::{Micros, Quorums, Update};

use crate::engine::latency;
use crate::engine::{Decider, Decision, Format, LinkProfile, Seeded, Stream};
use crate::world::setup::{Cluster, FaultKind, Faults, Group, Length, Setup, Workload};

impl Setup {
    /// The mix that this seed draws.
    #[must_use]
    pub fn drawn(seed: u64) -> Setup {
        let mut seeded = Seeded::new(seed);
        let mut draw = Draw(&mut seeded);
        let mut cluster = draw.cluster();
        let links = draw.links(&cluster);
        let clients = draw.clients(&cluster);
        let faults = draw.faults(&cluster);
        if draw.percent("few sessions", 12) {
            // One for each client and hardly more: with fewer, clients would push each other out for ever.
            let spare = draw.pick("sessions", &[1, 2, 4]);
            cluster.limits.sessions = clients.count as usize + spare;
        }
        let mut setup = Setup {
            seed,
            links,
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
        setup
    }
}

struct Draw<'a>(&'a mut (dyn Decider + Send));

impl Draw<'_> {
    fn between(&mut self, name: &'static str, low: u64, high: u64) -> u64 {
        self.0.between(Stream::Setup, Decision::Setup(name), low, high)
    }

    fn small(&mut self, name: &'static str, low: u32, high: u32) -> u32 {
        u32::try_from(self.between(name, low.into(), high.into()))
            .expect("what is drawn between two u32 is one")
    }

    fn size(&mut self, name: &'static str, low: usize, high: usize) -> usize {
        let drawn = self.between(name, low as u64, high as u64);
        usize::try_from(drawn).expect("what is drawn between two usize is one")
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

    /// Small limits in some runs, so that they are met.
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
            // A small state is to be cut into several parts all the same.
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
        // Where every replica is needed twice for every update, a wild network hardly lets one through.
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
            // In order, every message of a wild link would wait for the slowest one before it.
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
            count,
            connected: 0,
            lanes,
            keys: self.between("keys", 1, 8),
            unique: self.percent("unique", 70),
            mix,
            think: Micros(self.between("think", 20, 200) * 1_000),
            attempt: ticks(attempt),
            // Longer than an attempt, so that a call gets to a second replica.
            deadline: ticks(attempt + more),
        }
    }

    fn faults(&mut self, cluster: &Cluster) -> Faults {
        let mut weights = Vec::new();
        let common = |kind: &FaultKind| kind.group() == Group::Common;
        for kind in FaultKind::ALL.into_iter().filter(common) {
            // Roles fail in every run; of the other kinds each run leaves out about half.
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
        // Beyond what can be made up for: then the cluster refuses, and what it does answer is right.
        let beyond = self.percent("beyond", 6) && cluster.recovers();
        let losses = if beyond { cluster.replicas } else { losses };
        // Where every replica is needed for every update, anything at all stops the work.
        let rarer = if cluster.update == Update::TwoPhase { 4 } else { 1 };
        let length = Micros(self.between("fault length", 200, 1_500) * 1_000);
        // Some work must get done between the faults, or there is nothing to lose.
        let pause = self.between("fault pause", 150, 1_200) * 1_000 * rarer;
        let pause = Micros(pause.max(length.0 * 6 / 10));
        Faults {
            weights,
            pause,
            length,
            losses,
            at_leader: self.small("at leader", 10, 70),
            uneven_clocks: false,
        }
    }

    /// Some clients, or all, speak over connections. Drawn behind what was there before: what else a seed means does not depend on it.
    fn connections(&mut self, clients: &mut Workload) {
        let count = clients.count;
        clients.connected = self.pick("connected", &[0, 0, 0, 0, 0, 0, count / 2, count]);
    }

    /// More clients than there is room for: every session that is opened pushes another out, and answers are lost, so that writes which
    /// took effect come back to a session that is gone.
    ///
    /// What is owed there (S4): a write that finds its session gone is told so at once, and so ends, or goes into a new session, which
    /// it finds there if no more others are opened between the two than there are places on trial. A client opens no second one before
    /// it has written into the first, and thinks in between; so this happens to every client again and again, and soon.
    fn more_clients_than_sessions(&mut self, setup: &mut Setup) {
        let is_crowded = self.percent("more clients than sessions", 8);
        let (clients, limits) = (&mut setup.clients, &mut setup.cluster.limits);
        if !is_crowded || setup.cluster.update == Update::TwoPhase {
            return;
        }
        clients.count += self.small("more clients", 1, 4);
        let count = clients.count as usize;
        clients.connected = self.pick("connected", &[0, clients.count / 2, clients.count]);
        limits.sessions = self.pick("sessions", &[count / 3, count / 2, count - 2, count - 1]);
        clients.mix = [5, 6, 1, 1];
        clients.unique = true;
        clients.think.0 = clients.think.0.max(60_000);
        setup.links.drop = setup.links.drop.max(20_000);
    }

    /// Some messages take longer than an election, and a leader that is cut off, and whose clock may be slow, does not find out at once
    /// that it is one no longer: what acceptors once told it arrives when they have told somebody else the contrary.
    fn stragglers(&mut self, setup: &mut Setup) {
        let straggle = self.percent("stragglers", 8);
        if !straggle || setup.cluster.update == Update::TwoPhase {
            return;
        }
        // Of few replicas few need to be late.
        if self.percent("three", 85) {
            setup.cluster.replicas = 3;
            setup.cluster.quorums = Quorums::majority(3);
        }
        setup.links = LinkProfile {
            drop: setup.links.drop.min(10_000),
            duplicate: 60_000,
            delay: latency::STRAGGLING,
            reorder: true,
        };
        let faults = &mut setup.faults;
        faults.weights = vec![
            (FaultKind::FailRole, 1),
            (FaultKind::Crash, 1),
            (FaultKind::Pause, 3),
            (FaultKind::Isolate, 3),
            (FaultKind::OneWay, 2),
            (FaultKind::Partial, 2),
            (FaultKind::Overtake, 20),
        ];
        faults.uneven_clocks = true;
        faults.at_leader = 80;
        faults.losses = faults.losses.min(setup.cluster.losable());
        setup.memory_only = false;
        // Many short reads, so that there is one whenever something has changed.
        let clients = &mut setup.clients;
        clients.mix = [3, 8, 0, 0];
        clients.keys = 2;
        clients.think = Micros(20_000);
        // Impatient ones, so that they come round to a leader that nobody else hears.
        clients.attempt = Micros(setup.cluster.timing.tick.0 * 5);
        clients.count += 3;
    }

    /// The faults that came later.
    fn added_faults(&mut self, setup: &mut Setup) {
        // A world that was made for something has the faults that it was made for.
        let is_made = setup
            .faults
            .weights
            .iter()
            .any(|(kind, _)| kind.group() == Group::Special);
        for kind in FaultKind::ALL
            .into_iter()
            .filter(|kind| kind.group() == Group::Added)
        {
            let drawn = self.percent("fault on", 30);
            let weight = self.small("fault weight", 1, 4);
            if drawn && !is_made {
                setup.faults.weights.push((kind, weight));
            }
        }
    }

    /// The smallest windows, batches, parts and logs that a cluster may have, and many who ask at once.
    fn cramped(&mut self, setup: &mut Setup) {
        let is_cramped = self.percent("cramped", 5);
        if !is_cramped {
            return;
        }
        let limits = &mut setup.cluster.limits;
        limits.window = 1;
        limits.batch_commands = 1;
        limits.chunk_bytes = 1;
        limits.log_slots = self.pick("log slots", &[1, 2, 3]);
        limits.pending = self.pick("pending", &[1, 2, 4]);
        limits.session_window = self.pick("session window", &[1, 2]);
        let clients = &mut setup.clients;
        clients.count = clients.count.max(9) + self.small("more clients", 0, 3);
        clients.lanes = self.pick("lanes", &[1, 2, 4]);
        let count = clients.count as usize;
        limits.sessions = limits.sessions.max(count + 1);
    }

    /// Disks are slow, checkpoints are many, and memory is lost while they are under way.
    fn slow_disks(&mut self, setup: &mut Setup) {
        let are_slow = self.percent("slow disks", 6);
        if !are_slow || setup.memory_only || setup.cluster.update == Update::TwoPhase {
            return;
        }
        setup.sync = latency::BUSY;
        setup.format = Format::Bytes;
        let limits = &mut setup.cluster.limits;
        limits.log_slots = self.pick("log slots", &[2, 3, 5, 10]);
        limits.chunk_bytes = self.pick("chunk", &[1, 100, 300]);
        let faults = &mut setup.faults;
        faults.weights = vec![
            (FaultKind::FailRole, 4),
            (FaultKind::LoseMemory, 8),
            (FaultKind::Crash, 3),
            (FaultKind::CrashAtSync, 6),
            (FaultKind::LoseDisk, 1),
            (FaultKind::LoseBlock, 2),
            (FaultKind::FlipBit, 2),
            (FaultKind::LoseTail, 2),
            (FaultKind::Pause, 1),
            (FaultKind::Isolate, 1),
        ];
        faults.losses = faults.losses.max(setup.cluster.losable());
        // Faults come while the last one's damage is being made good.
        faults.pause = Micros(faults.pause.0.min(400_000));
        faults.length = Micros(faults.length.0.min(400_000));
    }

    /// Drawn last: what else a seed means does not depend on them.
    fn faults_of_files(&mut self, faults: &mut Faults) {
        for kind in FaultKind::ALL
            .into_iter()
            .filter(|kind| kind.group() == Group::OfFiles)
        {
            let drawn = self.percent("fault on", 40);
            let weight = self.small("fault weight", 1, 4);
            if drawn {
                faults.weights.push((kind, weight));
            }
        }
    }
}
