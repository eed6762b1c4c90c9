//! The future of a recording, drawn again: what [`explain`](crate::explain) asks of it.
//!
//! The replicas are executed up to a step of the recording, and go on in a simulated world: with their states, what is on
//! their disks and what is being written, and the messages that are on their way and arrive according to the recording. From
//! there on the future is calm: nothing is lost, no process fails, a process that is down starts again within two seconds,
//! and so does a role. Delays, syncs and the calls of two clients are drawn.

use std::collections::BTreeSet;
use std::sync::Arc;

use kvpaxos::{ClientId, Config, Event, Memory, Micros, ReplicaId, ReplicaSet, Time};

use super::execution::Standing;
use super::failing::FailingRecording;
use super::memory::Beginning;
use super::play::{Machine, Play};
use super::script::{Item, Script, Source, What};
use crate::engine::{Adopted, Fork, Format};
use crate::explain::Future;
use crate::invariants::{EventLines, Finding, Trace};
use crate::world::scenario::Manner;
use crate::world::{Down, Guest, Setup, Start, Workload, World, without_replica};

/// How many clients the futures have.
const CLIENTS: u32 = 2;

/// A recording that violates a property, as what its futures are compared with.
pub struct RecordedRun<'a> {
    recording: &'a FailingRecording,
    /// What happens in it, up to the violation.
    script: Script,
    /// How many steps it has. The first is 1.
    pub steps: u64,
    /// When a future is judged.
    pub horizon: Time,
    /// What it violates.
    pub violation: Finding,
    manner: Manner,
}

/// Why the future of a recording cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum NoFuture {
    /// The violation does not occur when the inputs are executed in one order.
    #[error("the violation is not found again when the inputs of all replicas are executed in one order")]
    NotAgain,
    /// The members are not the first replicas.
    #[error("the members of the cluster are {members}, and a simulated world has the replicas from r0 on")]
    Members {
        /// The members.
        members: ReplicaSet,
    },
}

impl<'a> RecordedRun<'a> {
    /// How long a future goes on after the time of the violation by default: an election has to fit in.
    pub const GRACE: Micros = Micros(5_000_000);

    /// The run of a recording. Its futures are judged `grace` after the time of the violation.
    ///
    /// # Errors
    /// If its future cannot be drawn.
    pub fn new(recording: &'a FailingRecording, grace: Micros) -> Result<RecordedRun<'a>, NoFuture> {
        let config = recording.config();
        if config.members != ReplicaSet::first(config.members.len()) {
            let members = config.members;
            return Err(NoFuture::Members { members });
        }
        let mut play = Play::new(&recording.script, recording.audit(), false);
        play.run(&recording.script.items, u64::MAX);
        let manner = manner(&recording.violation);
        let found = play.audit.finding().cloned();
        let Some(violation) = found.filter(|found| self::manner(found) == manner) else {
            return Err(NoFuture::NotAgain);
        };
        let steps = play.steps;
        let (script, _) = play.end();
        Ok(RecordedRun {
            recording,
            script,
            steps,
            horizon: violation.at.after(grace),
            violation,
            manner,
        })
    }

    /// Plays a future of it.
    ///
    /// # Panics
    /// If the configuration of the recording is not valid: it was checked when it was read.
    #[must_use]
    pub fn play_future(&self, fork: Fork) -> Future {
        let mut play = Play::new(&self.script, self.recording.audit(), false);
        let done = play.run(&self.script.items, fork.after);
        play.leave_clients(&clients(&self.script.items[..done]));
        if let Some(found) = play.audit.finding() {
            return self.judged(found);
        }
        let now = play.now;
        let (mut world, starts) = self.world(play, done, fork.seed);
        match world.play_on(&starts, self.horizon.max(now)) {
            Ok(()) => Future::Holds,
            Err(violation) => self.judged(&Finding {
                property: violation.property,
                at: violation.at,
                explanation: violation.explanation,
            }),
        }
    }

    /// Plays it again, and keeps the lines of these steps.
    #[must_use]
    pub fn lines(&self, steps: &[u64]) -> EventLines {
        let mut audit = self.recording.audit();
        audit.trace = Trace::Events(EventLines::of(steps.iter().copied()));
        let mut play = Play::new(&self.script, audit, false);
        play.run(&self.script.items, u64::MAX);
        match std::mem::take(&mut play.audit.trace) {
            Trace::Events(lines) => lines,
            _ => EventLines::default(),
        }
    }

    fn judged(&self, found: &Finding) -> Future {
        if manner(found) == self.manner {
            Future::Fails
        } else {
            Future::FailsOtherwise
        }
    }

    fn world(&self, mut play: Play, done: usize, seed: u64) -> (World, Vec<Start>) {
        let config = self.recording.config();
        let mut setup = Setup::quiet(seed);
        setup.cluster.replicas = config.members.len();
        setup.cluster.quorums = config.quorums;
        setup.cluster.update = config.update;
        setup.cluster.timing = config.timing;
        setup.cluster.limits = config.limits;
        setup.format = Format::Plain;
        setup.clients = Workload::some(CLIENTS);
        let guests = config.members.iter().map(|id| {
            let machine = play.machines.remove(&id);
            let config = self.config_of(id, config);
            self.guest(&mut play, id, machine, config)
        });
        let guests: Vec<Guest> = guests.collect();
        let (now, post) = (play.now, play.post);
        let (mut world, starts) =
            World::resumed(setup, play.audit, now, guests).expect("the configuration was checked");
        for item in &self.script.items[done..] {
            if let What::Message { from, source, .. } = &item.what
                && matches!(source, Source::Item { .. })
                && let Some(sent) = post.sent_by(item.replica, source)
            {
                world.on_its_way(
                    [*from, item.replica],
                    sent.founding,
                    sent.message.clone(),
                    Time(item.at),
                );
            }
        }
        (world, starts)
    }

    /// The configuration of a replica, also of one that is not recorded.
    fn config_of(&self, id: ReplicaId, other: &Config) -> Config {
        let headers = self.script.headers.iter();
        let own = headers
            .map(|header| &header.config)
            .find(|config| config.id == id);
        own.cloned().unwrap_or_else(|| Config {
            id,
            ..Config::clone(other)
        })
    }

    fn guest(&self, play: &mut Play, id: ReplicaId, machine: Option<Machine>, config: Config) -> Guest {
        let mut adopted = Adopted {
            machine: None,
            shown: Time(0),
            records: Vec::new(),
            writes: Vec::new(),
            failed: Vec::new(),
        };
        let Some(machine) = machine else {
            let (records, down) = self.unstarted(id);
            adopted.records = records;
            return Guest {
                config,
                adopted,
                down,
            };
        };
        let runs = machine.runs();
        let has_halted = !machine.is_down && !runs;
        adopted.failed = machine.failed_roles();
        adopted.shown = machine.last;
        let Machine { execution, disk, .. } = machine;
        let records = disk.records();
        let undurable = execution.as_ref().map_or(0, |execution| execution.undurable());
        if runs {
            adopted.records = records[..records.len() - undurable].to_vec();
            let Standing { replica, writes } = execution.expect("a machine that runs").stand();
            adopted.machine = Some(replica);
            adopted.writes = writes;
        } else {
            // What was written survives a process that is killed.
            adopted.records = records.to_vec();
            adopted.failed.clear();
            play.crashed(id, &records[records.len() - undurable..]);
        }
        let down = if has_halted { Down::ForGood } else { Down::Restarts };
        Guest {
            config,
            adopted,
            down,
        }
    }

    /// The disk of a replica that has not started, and what becomes of it.
    fn unstarted(&self, id: ReplicaId) -> (Vec<kvpaxos::Record>, Down) {
        let first = self.script.items.iter().find_map(|item| match &item.what {
            What::Start {
                memory, beginning, ..
            } if item.replica == id => Some((memory, beginning)),
            _ => None,
        });
        match first {
            Some((Memory::Kept(records), beginning)) => {
                let lost = *beginning == Beginning::Lost && records.is_empty();
                (records.clone(), Down::New { lost })
            }
            Some((Memory::Lost, _)) => (Vec::new(), Down::New { lost: true }),
            // Nobody knows what it has on its disk.
            None => (Vec::new(), Down::ForGood),
        }
    }
}

fn manner(finding: &Finding) -> Manner {
    let explanation = without_replica(finding.property, &finding.explanation);
    Manner::of_finding(&Finding {
        explanation: explanation.to_owned(),
        ..finding.clone()
    })
}

/// The clients that each replica knows in its present life.
fn clients(items: &[Arc<Item>]) -> BTreeSet<(ReplicaId, ClientId)> {
    let mut clients = BTreeSet::new();
    for item in items {
        match &item.what {
            What::Start { .. } => clients.retain(|(replica, _)| *replica != item.replica),
            What::Request { from, .. } => {
                clients.insert((item.replica, *from));
            }
            What::Input(Event::ClientGone { client }) => {
                clients.remove(&(item.replica, *client));
            }
            _ => {}
        }
    }
    clients
}
