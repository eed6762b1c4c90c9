//! Worlds in which disks forget: the last records that a minority's disks had synced are lost, any number of them, and nothing tells of it
//! (a lost end within the window that no mark covers, see [`kvpaxos::wal`]); or a directory is founded anew, and its replica claims to be new.
//!
//! Agreement cannot be had there: a value that was acknowledged may be known to a few replicas only, and another may be chosen in its place.
//! What is judged is what follows ([`kvpaxos::agreement`]): who has been told of another history serves only with a quorum that shares its own
//! (D1); and at rest, when all are up and hear each other, all that serve hold one history.

use kvpaxos::{Limits, Micros, Quorums, Replica, ReplicaId, ReplicaSet, Update};
use serde::Serialize;

use crate::engine::{Decision, Format, Stream};
use crate::invariants::{Property, Trace, Violation};
use crate::subject::Subject;
use crate::world::World;
use crate::world::report::caught;
use crate::world::setup::Setup;

/// How often all processes go down and a disk forgets.
const ROUNDS: u64 = 4;
/// How long it takes until everybody has heard of everybody.
const REST: Micros = Micros(20_000_000);

/// What came of one seed.
#[derive(Clone, Default, Debug, Serialize)]
pub struct ForkReport {
    /// The seed.
    pub seed: u64,
    /// The rolling digest over all events, in hexadecimal.
    pub digest: String,
    /// Events.
    pub events: u64,
    /// Records that were lost in silence.
    pub forgotten: u64,
    /// How often a replica that was founded anew halted.
    pub halted: u64,
    /// How often an answer was given in another history than the answer before.
    pub switches: u64,
    /// How often a replica began or ceased to differ from others, as it found.
    pub noticed: u64,
    /// Requests that were refused because of it.
    pub refused: u64,
    /// Answers that were given.
    pub answers: u64,
    /// Replicas that did not serve at the end.
    pub stopped: u64,
    /// What does not hold, if anything.
    pub violation: Option<Violation>,
}

/// Plays a seed.
///
/// # Panics
/// If what it draws does not fit together.
#[must_use]
pub fn play(seed: u64, trace: Trace) -> ForkReport {
    play_as::<Replica>(seed, trace)
}

/// Plays a seed with other machines.
///
/// # Panics
/// If what it draws does not fit together.
#[must_use]
pub fn play_as<M: Subject>(seed: u64, trace: Trace) -> ForkReport {
    let mut world = World::<M>::of(setup(seed)).expect("what is drawn fits together");
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

/// What a seed draws, as far as it goes with disks that forget.
fn setup(seed: u64) -> Setup {
    let mut setup = Setup::drawn(seed);
    setup.format = Format::Plain;
    if !seed.is_multiple_of(4) {
        // Nothing is forgotten that could be compared.
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

    /// A minority is down while the others go on. All stop; the disk of one of the others forgets, or its directory is founded anew. With the
    /// minority it makes a quorum in which nobody may know what was chosen last. Then the rest are back. Tells how many records were forgotten.
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
            forgotten = self.forget(forgetful, records) as u64;
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

    /// An operator gives up what those hold that do not serve, or that have halted, if a minority are.
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

    /// As many as can be missing from a quorum.
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

    /// At rest, with everybody up: all that serve hold one history.
    fn serve_one_history(&mut self) -> Result<(), Violation> {
        let serves = |id: &ReplicaId| self.status(*id).is_some_and(|status| status.doubt.is_none());
        let serving: Vec<ReplicaId> = self.engine.ids().filter(serves).collect();
        let divergence = self.engine.observer.divergence();
        let apart = serving.iter().enumerate().find_map(|(place, one)| {
            let other = serving[..place]
                .iter()
                .find(|other| divergence.is_some_and(|divergence| divergence.differ(*one, **other)))?;
            Some(format!(
                "all are up and hear each other, and both {other} and {one} serve, in two histories"
            ))
        });
        if let Some(what) = apart {
            self.report_finding(Property::D1, what);
        }
        self.check_findings()
    }
}
