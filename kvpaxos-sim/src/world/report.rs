//! The outcome of a run, for people and for programs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kvpaxos::{Micros, Replica, Time};
use serde::Serialize;

use crate::engine::Counts;
use crate::engine::{Format, Traffic};
use crate::invariants::{Coverage, Property, ProtocolCounts, Trace, Violation};
use crate::subject::Subject;
use crate::world::World;
use crate::world::clients::OperationCounts;
use crate::world::nemesis::FaultCounts;
use crate::world::phases::Phases;
use crate::world::setup::Setup;

/// The outcome of one seed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The setup that was played.
    pub setup: Setup,
    /// The rolling digest over all events, in hexadecimal.
    pub digest: String,
    /// How much was simulated.
    pub counts: Counts,
    /// What the replicas did.
    pub protocol: ProtocolCounts,
    /// How many operations ended, and how.
    pub operations: OperationCounts,
    /// What the network did with messages.
    pub traffic: Traffic,
    /// How many faults of each kind began.
    pub faults: FaultCounts,
    /// How often each situation occurred that should occur in some runs.
    pub coverage: Coverage,
    /// How long the phases took; `None` if the run ended early.
    pub phases: Option<Phases>,
    /// The simulated time.
    pub simulated: Micros,
    /// The longest time that a completed operation took.
    pub slowest: Micros,
    /// Keys that could not be judged within the budget.
    pub undecided: u64,
    /// Keys whose revisions alone did not decide, because operations have unknown outcomes.
    pub unwitnessed: u64,
    /// The violation, if a property does not hold.
    pub violation: Option<Violation>,
}

/// Plays the setup that a seed draws.
#[must_use]
pub fn run_seed(seed: u64, trace: Trace) -> Report {
    run::<Replica>(Setup::drawn(seed), trace)
}

/// Plays a setup.
///
/// # Panics
/// If the setup is not valid: call [`Setup::check`] first.
#[must_use]
pub fn run<M: Subject>(setup: Setup, trace: Trace) -> Report {
    let mut world = World::<M>::of(setup).expect("the setup was checked");
    world.trace(trace);
    let played = caught(&mut world, World::play);
    world.report(played)
}

/// Plays a world. A panic of a machine becomes a violation.
pub(crate) fn caught<M: Subject, T>(
    world: &mut World<M>,
    play: impl FnOnce(&mut World<M>) -> Result<T, Violation>,
) -> Result<T, Violation> {
    let played = catch_unwind(AssertUnwindSafe(|| play(world)));
    played.unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()))
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Err(Violation {
            property: Property::Assertion,
            seed: world.setup.seed,
            at: world.now(),
            explanation: what,
            history: world.traced(),
        })
    })
}

impl<M: Subject> World<M> {
    /// The report of a run that was played.
    pub fn report(&self, played: Result<Phases, Violation>) -> Report {
        Report {
            setup: self.setup.clone(),
            digest: format!("{:016x}", self.digest()),
            counts: self.engine.counts(),
            protocol: self.engine.observer.protocol,
            operations: self.clients.operations,
            traffic: self.engine.network.traffic,
            faults: self.nemesis.counts.clone(),
            coverage: self.engine.observer.coverage.clone(),
            phases: played.as_ref().ok().copied(),
            simulated: Micros(self.now().0),
            slowest: self.clients.slowest,
            undecided: self.recorder.undecided(),
            unwitnessed: self.recorder.unwitnessed(),
            violation: played.err(),
        }
    }

    /// The rolling digest over all events so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.engine.digest()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup {
            seed,
            cluster,
            links,
            sync,
            format,
            clients,
            faults,
            ..
        } = &self.setup;
        writeln!(f, "seed {seed}")?;
        let quorums = cluster.quorums;
        writeln!(
            f,
            "  cluster     {} replicas, quorums {} and {}, {:?} update",
            cluster.replicas, quorums.phase1, quorums.phase2, cluster.update
        )?;
        writeln!(f, "              {:?}", cluster.timing)?;
        writeln!(f, "              {:?}", cluster.limits)?;
        writeln!(
            f,
            "  network     {} delays, {} lost and {} repeated in a million, {}; {} syncs, logs in {}",
            links.delay.name,
            links.drop,
            links.duplicate,
            if links.reorder { "reordered" } else { "in order" },
            sync.name,
            if *format == Format::Bytes {
                "bytes"
            } else {
                "records"
            }
        )?;
        writeln!(
            f,
            "  clients     {} with {} in flight each, {} keys, {} values, mix put {} get {} delete {} cas {}",
            clients.count,
            clients.lanes,
            clients.keys,
            if clients.unique { "unique" } else { "repeated" },
            clients.mix[0],
            clients.mix[1],
            clients.mix[2],
            clients.mix[3]
        )?;
        let weights: Vec<String> = faults
            .weights
            .iter()
            .map(|(kind, w)| format!("{kind:?} {w}"))
            .collect();
        writeln!(
            f,
            "  faults      one within {} ms, each up to {} ms, {} in a hundred at the leader, {} acceptors may be \
             without memory at a time{}{}",
            faults.pause.0 / 1000,
            faults.length.0 / 1000,
            faults.at_leader,
            faults.losses,
            if self.setup.memory_only { ", no disks" } else { "" },
            if faults.uneven_clocks {
                ", uneven clocks"
            } else {
                ""
            }
        )?;
        writeln!(f, "              {}", weights.join(", "))?;
        self.fmt_happened(f)
    }
}

impl Report {
    fn fmt_happened(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self
            .faults
            .0
            .iter()
            .map(|(kind, n)| format!("{kind:?} {n}"))
            .collect();
        writeln!(f, "  faults      {}", kinds.join(", "))?;
        let Traffic {
            sent,
            dropped,
            duplicated,
            cut,
        } = self.traffic;
        writeln!(
            f,
            "  messages    {sent} sent, {dropped} lost, {duplicated} repeated, {cut} cut off"
        )?;
        let ProtocolCounts {
            standing,
            elected,
            chosen,
            applied,
            records,
        } = self.protocol;
        writeln!(
            f,
            "  replicas    {standing} candidacies, {elected} elections won, {chosen} slots chosen, {applied} applied, \
             {records} records durable"
        )?;
        let OperationCounts {
            begun,
            done,
            refused,
            unknown,
        } = self.operations;
        writeln!(
            f,
            "  operations  {begun} begun, {done} done, {refused} refused, {unknown} unknown; the slowest took {} ms",
            self.slowest.0 / 1000
        )?;
        let coverage: Vec<String> = self
            .coverage
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(situation, count)| format!("{situation} {count}"))
            .collect();
        writeln!(f, "  coverage    {}", coverage.join(", "))?;
        if let Some(phases) = self.phases {
            writeln!(
                f,
                "  phases      {} with faults, all served {} ({}.{:02} rounds) after a quorum healed, all agreed {} after all healed",
                human(phases.faults),
                human(phases.serving),
                phases.serving_rounds / 100,
                phases.serving_rounds % 100,
                human(phases.agreeing)
            )?;
        }
        writeln!(
            f,
            "  events      {} in {} simulated",
            self.counts.events,
            human(self.simulated)
        )?;
        writeln!(f, "  digest      {}", self.digest)?;
        match &self.violation {
            None if self.undecided > 0 => {
                writeln!(
                    f,
                    "  verdict     good, but {} keys were too hard to judge",
                    self.undecided
                )
            }
            None => writeln!(f, "  verdict     good"),
            Some(violation) => writeln!(f, "  verdict     {violation}"),
        }
    }
}

fn human(length: Micros) -> String {
    format!("{} s", crate::invariants::seconds(Time(length.0)).trim())
}
