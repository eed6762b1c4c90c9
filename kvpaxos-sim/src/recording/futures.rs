//! The future of a recording, drawn again: what [`explain`](crate::explain) asks of it.
//!
//! The replicas are executed up to a step of the recording, and go on in a simulated world: with their states, what is on
//! their disks and what is being written, and the messages that are on their way and arrive according to the recording. From
//! there on the future is calm: nothing is lost, no process fails, a process that is down starts again within two seconds,
//! and so does a role. Delays, syncs and the calls of two clients are drawn.

use std::sync::Arc;

use kvpaxos::{Config, Founding, Memory, Message, Micros, ReplicaId, ReplicaSet, Time};

use super::execution::Standing;
use super::failing::FailingRecording;
use super::memory::Beginning;
use super::play::{Machine, Play};
use super::post::Post;
use super::script::{Item, Script, Source, What};
use crate::engine::{Adopted, Fork, Format};
use crate::explain::Future;
use crate::invariants::{EventLines, Finding, Trace};
use crate::timeline::{Replicas, Timeline, TimelineObserver};
use crate::world::scenario::Manner;
use crate::world::{Down, Guest, Setup, Start, Watch, Workload, World, without_replica};

/// How many clients the futures have.
const CLIENTS: u32 = 2;

/// A recording that violates a property, as what its futures are compared with.
pub struct RecordedRun<'a> {
    recording: &'a FailingRecording,
    /// What happens in it, up to the violation.
    script: Script,
    /// How many steps it has. The first is 1.
    pub steps: u64,
    /// So many steps are in all futures, even in those from before: with the last of them, every replica has begun whose recording
    /// begins with a checkpoint, and others have sent it all on which that depends.
    pub begun: u64,
    /// Those replicas.
    late: ReplicaSet,
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
    /// The recordings begin with checkpoints of different times, and the violation comes before a common beginning.
    #[error(
        "the recordings begin with checkpoints of different times, and the violation comes before the last replica has begun: from there \
         on nothing else can happen"
    )]
    TooEarly,
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
        let is_fixed = |item: &&Arc<Item>| item.id < script.fixed && item.what != What::Own;
        let begun = script.items.iter().filter(is_fixed).count() as u64;
        if begun > 0 && begun >= steps {
            return Err(NoFuture::TooEarly);
        }
        let late = script.items.iter();
        let late = late.filter(|item| matches!(item.what, What::Resume { .. }));
        let late = late.map(|item| item.replica).collect();
        Ok(RecordedRun {
            recording,
            begun,
            late,
            script,
            steps,
            horizon: violation.at.after(grace),
            violation,
            manner,
        })
    }

    /// About as many events of a simulation as a future takes. It begins with the steps of the recording and is about as long as
    /// them; it goes on after the violation; and what a replica finds on its disk is read and audited.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let found = |item: &Arc<Item>| match &item.what {
            What::Start {
                memory: Memory::Kept(records),
                ..
            } => records.len() as u64,
            _ => 0,
        };
        let found: u64 = self.script.items.iter().map(found).sum();
        let seconds = self.horizon.0.saturating_sub(self.violation.at.0) / 1_000_000;
        self.steps * 2 + found * 5 + seconds * 1_000
    }

    /// Plays a future of it.
    ///
    /// # Panics
    /// If the configuration of the recording is not valid: it was checked when it was read.
    #[must_use]
    pub fn play_future(&self, fork: Fork) -> Future {
        let mut play = Play::new(&self.script, self.recording.audit(), false);
        let done = play.run(&self.script.items, fork.after.max(self.begun));
        play.leave_clients();
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

    /// Plays it again, and draws it. The numbers say how many events the timeline had when each step began: see
    /// [`Timeline::point_out`].
    #[must_use]
    pub fn picture(&self) -> (Timeline, Vec<usize>) {
        let replicas = self.recording.config().members.len();
        let observer = TimelineObserver::new(Replicas, replicas, 0);
        let mut play = Play::new(&self.script, self.recording.audit(), false);
        play.audit = Watch::new(self.recording.audit(), Some(observer));
        play.run(&self.script.items, u64::MAX);
        let (mut timeline, begun) = match play.audit.take_timeline() {
            Some((observer, begun)) => (observer.finish(), begun),
            None => (Timeline::default(), Vec::new()),
        };
        super::entitle(&mut timeline, &self.recording.report);
        (timeline, begun)
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
            if let What::Message { from, .. } = &item.what
                && let Some((founding, message)) = self.under_way(&post, item)
            {
                let ends = [*from, item.replica];
                world.on_its_way(ends, founding, message.clone(), Time(item.at));
            }
        }
        (world, starts)
    }

    /// The message that an item brings, and the founding of its sender, if that has sent it already.
    fn under_way<'p>(&self, post: &'p Post, item: &'p Item) -> Option<(Option<Founding>, &'p Message)> {
        let What::Message {
            from,
            founding,
            message,
            source,
        } = &item.what
        else {
            return None;
        };
        match source {
            Source::Item { .. } => {
                let sent = post.sent_by(item.replica, source)?;
                Some((sent.founding, &sent.message))
            }
            // It was sent before the checkpoint with which the recording of its sender begins.
            Source::Unrecorded if self.late.contains(*from) => Some((*founding, message)),
            Source::Unrecorded | Source::Content => None,
        }
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
        // A process or a role that is down starts again only if it is known what it finds.
        let stays_down = has_halted || !disk.is_known();
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
        let down = if stays_down { Down::ForGood } else { Down::Restarts };
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
