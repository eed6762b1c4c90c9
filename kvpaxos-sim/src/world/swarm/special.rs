//! Worlds that few seeds draw: each endangers something that a usual world does not reach.
//!
//! They are drawn after the usual parts of a setup, and change what those drew.

use kvpaxos::{Micros, Quorums, Update};

use crate::engine::{Format, LinkProfile, latency};
use crate::world::moments::Moment;
use crate::world::setup::{FaultKind, Faults, Group, Length, Setup, Workload};

use super::Draw;

impl Draw<'_> {
    /// Some clients, or all, use connections.
    pub(super) fn connections(&mut self, clients: &mut Workload) {
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
    pub(super) fn more_clients_than_sessions(&mut self, setup: &mut Setup) {
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
    pub(super) fn stragglers(&mut self, setup: &mut Setup) {
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
    pub(super) fn orderly_stops(&mut self, setup: &mut Setup) {
        let drawn = self.percent("orderly stops", 30);
        let weight = self.small("fault weight", 1, 6);
        let is_made = setup.faults.are_special();
        if drawn && !is_made {
            setup.faults.weights.push((FaultKind::OrderlyStop, weight));
        }
    }

    /// Crashes that follow moments: the rotation of a log, the beginning and the end of a checkpoint, and a recovery. Logs are
    /// bytes in segments there: only these rotate, and are deleted when a checkpoint ends.
    pub(super) fn moments(&mut self, setup: &mut Setup) {
        let drawn = self.percent("crashes at moments", 40);
        let moments: Vec<(Moment, u32)> = Moment::ALL
            .into_iter()
            .filter_map(|moment| {
                let drawn = self.percent("moment on", 60);
                let percent = self.pick("after moments", &[3, 10, 30, 80]);
                drawn.then_some((moment, percent))
            })
            .collect();
        let is_made = setup.faults.are_special();
        if drawn && !is_made && setup.cluster.update != Update::TwoPhase {
            setup.faults.moments = moments;
            setup.format = Format::Bytes;
        }
    }

    /// The kinds of faults that were added later.
    pub(super) fn added_faults(&mut self, setup: &mut Setup) {
        // A world with special faults has no others.
        let is_made = setup.faults.are_special();
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
    pub(super) fn cramped(&mut self, setup: &mut Setup) {
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
    pub(super) fn slow_disks(&mut self, setup: &mut Setup) {
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
    pub(super) fn shared_keys(&mut self, setup: &mut Setup) {
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
    pub(super) fn faults_of_files(&mut self, faults: &mut Faults) {
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
pub(super) fn strain(setup: &mut Setup, log_slots: u64, chunk_bytes: usize) {
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
