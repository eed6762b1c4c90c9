//! Shapes of clusters, networks and workloads that were added later: each is drawn by some seeds, and leaves the rest of
//! the setup as it was drawn. Then the pace of the run, which most draw.

use kvpaxos::{Micros, Quorums, Update};

use crate::engine::latency;
use crate::engine::regions::REGIONS;
use crate::world::setup::{Setup, Workload};

use super::Draw;

/// The tick of a cluster that spans regions. A message takes up to 130 ms there.
const FAR_TICK: Micros = Micros(100_000);

impl Draw<'_> {
    /// All of them. Every draw is made, whether the setup has room for its shape or not.
    pub(super) fn shapes(&mut self, setup: &mut Setup) {
        let (alone, far) = (self.percent("one replica", 5), self.percent("regions", 8));
        // A world that is made for special faults needs its network and its replicas as they are.
        if !setup.faults.are_special() && setup.cluster.update != Update::TwoPhase {
            if alone {
                single(setup);
            } else if far && setup.links.delay != latency::STRAGGLING {
                // Slow disks take the place of the faults of a world of stragglers, and leave its network.
                spread(setup);
            }
        }
        self.workload(&mut setup.clients);
        let many = self.percent("many clients", 5);
        let more = self.small("more clients", 8, 24);
        let has_room =
            setup.cluster.limits.sessions > setup.clients.count as usize && setup.length.events > 0;
        if many && has_room {
            setup.clients.count += more;
            let (count, limits) = (setup.clients.count as usize, &mut setup.cluster.limits);
            limits.sessions = limits.sessions.max(count + 2);
            limits.pending = limits.pending.max(count);
        }
    }

    /// Most runs are short, and faults follow each other closely in them. What goes wrong mostly needs two or three faults close
    /// together, and time in which nothing fails is lost; the page `manual::sweeps` has what it gains. The other runs are
    /// long enough for what builds up slowly, and have time between faults in which clients are served.
    pub(super) fn pace(&mut self, setup: &mut Setup) {
        let is_brisk = self.percent("brisk", 90);
        // Regions, special faults and two-phase updates need their time, and a world of few operations is short already.
        let needs_time = setup.regions > 1
            || setup.faults.are_special()
            || setup.cluster.update == Update::TwoPhase
            || setup.length.events == 0;
        if !is_brisk || needs_time {
            return;
        }
        let (faults, length) = (&mut setup.faults, &mut setup.length);
        faults.pause.0 /= 3;
        faults.length.0 /= 2;
        length.faults.0 /= 3;
        length.operations /= 3;
        length.events /= 3;
    }

    fn workload(&mut self, clients: &mut Workload) {
        let shapes = [
            self.percent("hot key", 12),
            self.percent("large values", 8),
            self.percent("counters", 12),
            self.percent("bursts", 10),
            self.percent("chains", 8),
        ];
        let [hot, large, counters, bursts, chains] = shapes;
        let (share, bytes) = (
            self.pick("hot", &[50, 90]),
            self.pick("value bytes", &[2_000, 8_000]),
        );
        let (adds, apart) = (
            self.pick("adds", &[10, 40]),
            self.pick("burst", &[400_000, 1_000_000, 2_000_000]),
        );
        if hot {
            clients.hot = share;
        }
        if large {
            clients.value_bytes = bytes;
        }
        if counters {
            clients.counters = adds;
        }
        if bursts {
            clients.burst = Micros(apart);
        }
        if chains {
            // Each expects what its client wrote or read last.
            (clients.mix, clients.keys) = ([0, 3, 0, 8], clients.keys.min(2));
        }
    }
}

/// A cluster of one replica: it decides alone, and its memory is the only one.
fn single(setup: &mut Setup) {
    setup.cluster.replicas = 1;
    setup.cluster.quorums = Quorums::majority(1);
    setup.faults.losses = 0;
    setup.memory_only = false;
}

/// Replicas and clients in all regions. Everybody waits longer by as much as the tick is longer.
fn spread(setup: &mut Setup) {
    setup.regions = REGIONS;
    let tick = setup.cluster.timing.tick;
    setup.cluster.timing.tick = FAR_TICK;
    let longer = |time: &mut Micros| time.0 = time.0 * FAR_TICK.0 / tick.0;
    longer(&mut setup.clients.attempt);
    longer(&mut setup.clients.deadline);
}
