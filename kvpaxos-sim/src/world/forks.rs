//! Worlds in which disks lose synced records without a trace. Such a loss lies at the end of a log, beyond
//! its mark (see [`kvpaxos::wal`]). Or a directory is formatted although its replica had been a member, so
//! that the replica claims to be new.
//!
//! Agreement is impossible in such worlds: an acknowledged value may be left on a few replicas only, and
//! another value may be chosen in its place. Checked is what [`kvpaxos::agreement`] promises instead. D1: a
//! replica that has been told of another history serves only with a quorum that shares its own. And when all
//! replicas are up and connected, those that serve hold the same history.

use kvpaxos::{Limits, Micros, Quorums, ReplicaId, ReplicaSet, Update};
use serde::Serialize;

use crate::engine::{Decision, Format, Stream};
use crate::invariants::{Property, Trace, Violation};
use crate::subject::Subject;
use crate::world::World;
use crate::world::report::caught;
use crate::world::setup::Setup;

/// How often all processes crash and a disk loses records.
const ROUNDS: u64 = 4;
/// The time within which all replicas have heard of each other's states.
const REST: Micros = Micros(20_000_000);

/// The outcome of one seed.
#[derive(Clone, Default, Debug, Serialize)]
pub struct ForkReport {
    /// The seed.
    pub seed: u64,
    /// The rolling digest over all events, in hexadecimal.
    pub digest: String,
    /// Events that were simulated.
    pub events: u64,
    /// Records that were lost without a trace.
    pub forgotten: u64,
    /// How often a replica halted because its directory had been formatted.
    pub halted: u64,
    /// How often an answer came from another history than the answer before it.
    pub switches: u64,
    /// How often a replica found that it began or ceased to differ from others.
    pub noticed: u64,
    /// Requests that were refused because replicas differ.
    pub refused: u64,
    /// Answers that were given.
    pub answers: u64,
    /// Replicas that refused to serve at the end.
    pub stopped: u64,
    /// The violation, if a property does not hold.
    pub violation: Option<Violation>,
}

/// Plays a seed.
///
/// # Panics
/// If the setup that it draws is not valid.
#[must_use]
pub fn play(seed: u64, trace: Trace) -> ForkReport {
    let mut world = World::new(setup(seed)).expect("a drawn setup is valid");
    world.trace(trace);
    world.expect_forks();
    let mut forked = ForkReport {
        seed,
        ..ForkReport::default()
    };
    let played = caught(&mut world, |world| world.play_forks(&mut forked.forgotten));
    forked.digest = format!("{:016x}", world.digest());
    forked.events = world.engine.counts().events;
    forked.halted = world.halted_anew();
    if let Some(divergence) = world.engine.observer.divergence() {
        forked.switches = divergence.switches;
        forked.noticed = divergence.noticed;
        forked.refused = divergence.refused;
        forked.answers = divergence.answers;
    }
    let stopped = |id: &ReplicaId| world.status(*id).is_none_or(|status| status.doubt.is_some());
    forked.stopped = world.engine.ids().filter(stopped).count() as u64;
    forked.violation = played.err();
    forked
}

/// The setup that a seed draws, without what does not fit disks that lose records.
fn setup(seed: u64) -> Setup {
    let mut setup = Setup::drawn(seed);
    setup.format = Format::Plain;
    if !seed.is_multiple_of(4) {
        // Logs are rarely cut, so that states can be compared.
        let default = Limits::default();
        setup.cluster.limits.log_slots = default.log_slots;
        setup.cluster.limits.log_bytes = default.log_bytes;
    }
    setup.memory_only = false;
    setup.cluster.update = Update::Quorum;
    setup.cluster.quorums = Quorums::majority(setup.cluster.replicas);
    setup
}

impl<M: Subject> World<M> {
    fn play_forks(&mut self, forgotten: &mut u64) -> Result<(), Violation> {
        self.start_clients();
        self.start_faults();
        for _ in 0..ROUNDS {
            self.serve_for_a_while(2_000_000)?;
            *forgotten += self.play_round()?;
        }
        self.nemesis.stop(&mut self.engine);
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        self.nemesis.heal(all, &mut self.engine);
        for id in all.iter() {
            self.start(id);
        }
        self.run_for(REST);
        self.check_findings()?;
        self.serve_one_history()
    }

    /// A minority is down while the others go on. Then all crash, and the disk of one of the others loses
    /// records, or its directory is formatted. Together with the minority that replica is a quorum in which
    /// nobody may know the last chosen values. Then the rest restart. Returns how many records were lost.
    fn play_round(&mut self) -> Result<u64, Violation> {
        let minority = self.draw_minority();
        minority.iter().for_each(|id| self.crash(id));
        let held: Vec<usize> = self.engine.ids().map(|id| self.held(id)).collect();
        self.serve_for_a_while(3_000_000)?;
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        all.iter().for_each(|id| self.crash(id));
        let others: Vec<ReplicaId> = all.without(minority).iter().collect();
        let forgetful = self
            .engine
            .decider()
            .pick(Stream::Healing, Decision::Healed, &others);
        let mut forgotten = 0;
        if self.draws_percent(20) {
            self.found_anew(forgetful);
        } else {
            let since = self
                .held(forgetful)
                .saturating_sub(held[usize::from(forgetful.0)]);
            let lengths = [since, since, 1, 4, 40, usize::MAX];
            let records = self
                .engine
                .decider()
                .pick(Stream::Healing, Decision::Damage, &lengths);
            forgotten = self.lose_silently(forgetful, records) as u64;
        }
        minority.iter().for_each(|id| self.start(id));
        self.start(forgetful);
        self.serve_for_a_while(4_000_000)?;
        all.iter().for_each(|id| self.start(id));
        self.serve_for_a_while(2_000_000)?;
        if self.draws_percent(60) {
            self.recover_the_few();
        }
        Ok(forgotten)
    }

    /// Recovers the replicas that do not serve or have halted, as an operator would, if they are a minority:
    /// their disks are replaced.
    fn recover_the_few(&mut self) {
        let serves = |id: &ReplicaId| self.status(*id).is_some_and(|status| status.doubt.is_none());
        let few: Vec<ReplicaId> = self.engine.ids().filter(|id| !serves(id)).collect();
        if few.len() <= (self.setup.cluster.replicas - 1) / 2 {
            for id in few {
                self.crash(id);
                self.start_empty(id);
            }
        }
    }

    /// How many records a replica's disk holds.
    fn held(&self, id: ReplicaId) -> usize {
        self.records(id).map_or(0, |records| records.len())
    }

    fn draws_percent(&mut self, percent: u32) -> bool {
        self.engine
            .decider()
            .chance(Stream::Healing, Decision::FaultKind, percent * 10_000)
    }

    /// A random set of as many replicas as a quorum can do without.
    fn draw_minority(&mut self) -> ReplicaSet {
        let mut left: Vec<ReplicaId> = self.engine.ids().collect();
        let mut minority = ReplicaSet::EMPTY;
        for _ in 0..(left.len() - 1) / 2 {
            let drawn = self
                .engine
                .decider()
                .pick(Stream::Healing, Decision::Healed, &left);
            left.retain(|id| *id != drawn);
            minority.insert(drawn);
        }
        minority
    }

    fn serve_for_a_while(&mut self, at_most: u64) -> Result<(), Violation> {
        let length = self
            .engine
            .decider()
            .below(Stream::Healing, Decision::FaultLength, at_most);
        self.run_for(Micros(length + 200_000));
        self.check_findings()
    }

    /// With all replicas up and connected, those that serve must hold the same history.
    fn serve_one_history(&mut self) -> Result<(), Violation> {
        let serves = |id: &ReplicaId| self.status(*id).is_some_and(|status| status.doubt.is_none());
        let serving: Vec<ReplicaId> = self.engine.ids().filter(serves).collect();
        let divergence = self.engine.observer.divergence();
        let apart = serving.iter().enumerate().find_map(|(place, one)| {
            let other = serving[..place]
                .iter()
                .find(|other| divergence.is_some_and(|divergence| divergence.differ(*one, **other)))?;
            Some(format!(
                "all replicas are up and connected, but {other} and {one} serve two different histories"
            ))
        });
        if let Some(what) = apart {
            self.report_finding(Property::D1, what);
        }
        self.check_findings()
    }
}
