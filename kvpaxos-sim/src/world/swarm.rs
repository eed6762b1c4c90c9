//! Swarm testing: each seed draws its own mix of cluster, network, workload and faults.
//!
//! The order of the draws is part of what a seed means: a draw that is added later comes last.

use kvpaxos::{Micros, Quorums, Update};

use crate::engine::latency;
use crate::engine::{Decider, Decision, Format, LinkProfile, Seeded, Stream};
use crate::world::setup::{Cluster, FaultKind, Faults, Group, Length, Setup, Workload};

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
        draw.shared_keys(&mut setup);
        draw.orderly_stops(&mut setup);
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
            count,
            connected: 0,
            lanes,
            keys: self.between("keys", 1, 8),
            unique: self.percent("unique", 70),
            mix,
            shared: 0,
            shared_keys: 4,
            think: Micros(self.between("think", 20, 200) * 1_000),
            attempt: ticks(attempt),
            // Longer than an attempt, so that a call is sent to a second replica.
            deadline: ticks(attempt + more),
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
            pause,
            length,
            losses,
            at_leader: self.small("at leader", 10, 70),
            uneven_clocks: false,
        }
    }

    /// Some clients, or all, use connections.
    fn connections(&mut self, clients: &mut Workload) {
        let count = clients.count;
        clients.connected = self.pick("connected", &[0, 0, 0, 0, 0, 0, count / 2, count]);
    }

    /// More clients than sessions: each session that is opened pushes another out. Answers are lost as well,
    /// so that writes that took effect are sent again to a session that is gone.
    ///
    /// S4 holds here too. A write whose session is gone is answered so at once; it ends, or goes into a new
    /// session. The new session is still there unless too many others are opened in between. A client opens
    /// no second session before it has written in the first, and pauses in between, so each client soon finds
    /// its session.
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

    /// Some messages take longer than an election. A leader that is cut off, and whose clock may be slow,
    /// does not notice at once that it was deposed: old answers of acceptors reach it after the same
    /// acceptors have promised a higher ballot.
    fn stragglers(&mut self, setup: &mut Setup) {
        let straggle = self.percent("stragglers", 8);
        if !straggle || setup.cluster.update == Update::TwoPhase {
            return;
        }
        // With three replicas, one late message is enough.
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
        // Many short reads, so that one is under way whenever something changes.
        let clients = &mut setup.clients;
        clients.mix = [3, 8, 0, 0];
        clients.keys = 2;
        clients.think = Micros(20_000);
        // Impatient clients, so that they soon ask the leader that is cut off.
        clients.attempt = Micros(setup.cluster.timing.tick.0 * 5);
        clients.count += 3;
    }

    /// Processes are stopped in order, in many worlds, and often the leader is the one.
    fn orderly_stops(&mut self, setup: &mut Setup) {
        let drawn = self.percent("orderly stops", 30);
        let weight = self.small("fault weight", 1, 6);
        let is_made = setup
            .faults
            .weights
            .iter()
            .any(|(kind, _)| kind.group() == Group::Special);
        if drawn && !is_made {
            setup.faults.weights.push((FaultKind::OrderlyStop, weight));
        }
    }

    /// The kinds of faults that were added later.
    fn added_faults(&mut self, setup: &mut Setup) {
        // A world with special faults has no others.
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

    /// The smallest windows, batches, snapshot parts and logs that a cluster may have, and many clients.
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

    /// Slow disks with many checkpoints, and memory that is lost while a checkpoint is under way.
    fn slow_disks(&mut self, setup: &mut Setup) {
        let are_slow = self.percent("slow disks", 6);
        if !are_slow || setup.memory_only || setup.cluster.update == Update::TwoPhase {
            return;
        }
        let log_slots = self.pick("log slots", &[2, 3, 5, 10]);
        let chunk_bytes = self.pick("chunk", &[1, 100, 300]);
        strain(setup, log_slots, chunk_bytes);
    }

    /// Transactions, and reads of several keys. Some worlds have so few operations that a search of all orders
    /// can judge them, and some so little room for results that sessions are dropped.
    fn shared_keys(&mut self, setup: &mut Setup) {
        let are_shared = self.percent("shared keys", 40);
        let share = self.pick("share", &[20, 50, 100]);
        let keys = self.pick("shared keys", &[2, 4, 60]);
        let few = self.percent("few operations", 25);
        let (answer, results) = (
            self.pick("answer", &[0, 0, 8, 30]),
            self.pick("results", &[0, 0, 0, 600, 2_000]),
        );
        if !are_shared {
            return;
        }
        setup.clients.shared = share;
        setup.clients.shared_keys = keys;
        if few {
            setup.length = Length {
                faults: Micros(3_000_000),
                operations: 10,
                events: 0,
            };
            let clients = &mut setup.clients;
            (clients.count, clients.lanes, clients.shared) = (2, 1, 100);
            clients.connected = clients.connected.min(clients.count);
            clients.think.0 = clients.think.0.max(400_000);
        }
        let limits = &mut setup.cluster.limits;
        if answer > 0 {
            limits.answer_bytes = answer;
        }
        if results > 0 {
            limits.results_bytes = results;
        }
    }

    /// Kinds of faults that damage files.
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

/// Slow disks, logs that are cut every few slots, small pieces, and faults that come while replicas still recover
/// from the last one.
fn strain(setup: &mut Setup, log_slots: u64, chunk_bytes: usize) {
    setup.sync = latency::BUSY;
    setup.format = Format::Bytes;
    let limits = &mut setup.cluster.limits;
    limits.log_slots = log_slots;
    limits.chunk_bytes = chunk_bytes;
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
    faults.pause = Micros(faults.pause.0.min(400_000));
    faults.length = Micros(faults.length.0.min(400_000));
}
