//! The second pass: all replicas are executed together, in an order in which every message is sent before it arrives.
//!
//! Each replica's own order is recorded. Between replicas only messages decide: one arrives after it was sent. Of the
//! entries that may come next, the one with the lowest time is taken, on clocks that are put side by side by the time
//! of day at which each began. These only make the order look natural; no property is judged by them. Since taking an
//! entry never forbids another, any choice leads to the end if there is an order at all.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kvpaxos::recording::{Checkpoint, Entry, message_digest};
use kvpaxos::{Config, Event, Memory, Message, Replica, ReplicaId, ReplicaSet, Time};

use super::check::{Checked, CheckedLife};
use super::error::RecordingError;
use super::execution::{Execution, Fault, Outlet, Outside};
use super::files::{Found, LifeFile};
use super::judged::{HIGHEST_SLOT, Judged};
use super::memory::tell_resumed;
use super::report::{Ending, Report};
use super::script::{Begun, Late, Script, What};
use super::tape::{Next, Tape};
use crate::engine::{Observer, PacketId};
use crate::hashing::BuildQuick;
use crate::invariants::{Audit, Property, Trace};
use crate::timeline::{Replicas, Timeline, TimelineObserver};
use crate::world::Watch;

/// What is made of recordings beside the report.
pub(super) struct Wanted {
    pub(super) trace: Trace,
    pub(super) timeline: bool,
    pub(super) script: bool,
}

/// What was made of recordings.
pub(super) struct Merged {
    pub(super) report: Report,
    pub(super) timeline: Option<Timeline>,
    pub(super) script: Option<Script>,
}

/// Executes all replicas together and judges them.
pub(super) fn merge(found: &Found, checked: &Checked, wanted: Wanted) -> Result<Merged, RecordingError> {
    let judged = Judged::of(found, checked);
    let mut merge = Merge::new(found, &checked.replicas, &judged, wanted)?;
    if Judged::is_auditable(checked) {
        merge.run()?;
    }
    let timeline = merge.audit.take_timeline().map(|(timeline, _)| timeline.finish());
    let script = merge.script.take();
    let report = merge.report(found, checked, judged);
    Ok(Merged {
        report,
        timeline,
        script,
    })
}

/// An audit that judges what can be judged of recordings with this configuration.
pub(super) fn audit(config: Option<&Config>, judged: &Judged) -> Audit {
    let (replicas, quorums, update) = config.map_or_else(
        || (1, kvpaxos::Quorums::majority(1), kvpaxos::Update::Quorum),
        |config| (config.members.len(), config.quorums, config.update),
    );
    let mut audit = Audit::new(replicas, quorums, update);
    audit.judge_recordings(
        HIGHEST_SLOT,
        judged.unjudged.iter().map(|(property, _)| *property),
        !judged.complete,
    );
    audit
}

type Packets = HashMap<u128, PacketId, BuildQuick>;

/// Notes the messages that a replica sends.
struct Sending<'a> {
    id: ReplicaId,
    sent: &'a mut Packets,
    count: &'a mut u64,
}

impl Outlet for Sending<'_> {
    fn sent(&mut self, to: ReplicaId, message: &Message, packet: PacketId) {
        *self.count += 1;
        self.sent.insert(message_digest(self.id, to, message), packet);
    }
}

/// A replica that is being executed.
struct Player<'a> {
    id: ReplicaId,
    tape: Tape<'a>,
    lives: &'a [LifeFile],
    checked: &'a [CheckedLife],
    /// The number of the present life, from 0, or of the next one.
    life: usize,
    execution: Option<Execution>,
    next: Option<Next>,
    /// What the message is recognized by that must have been sent before the next entry, if there is one.
    needs: Option<u128>,
    /// The time of the last entry, on the clock of all recordings.
    last: u64,
}

struct Merge<'a> {
    players: Vec<Player<'a>>,
    audit: Watch,
    /// The messages that were sent, and what the timeline calls each.
    sent: Packets,
    count: u64,
    unknown: u64,
    now: Time,
    /// When the first recording began, in microseconds since 1970.
    origin: u64,
    absent: ReplicaSet,
    complete: bool,
    stopped_early: Option<String>,
    script: Option<Script>,
}

impl<'a> Merge<'a> {
    fn new(
        found: &'a Found,
        checked: &'a BTreeMap<ReplicaId, Vec<CheckedLife>>,
        judged: &Judged,
        wanted: Wanted,
    ) -> Result<Merge<'a>, RecordingError> {
        let began = found.values().flatten().map(|file| file.header.began);
        let origin = began.min().unwrap_or(0);
        let mut players = Vec::new();
        for (id, lives) in found {
            players.push(Player {
                id: *id,
                tape: Tape::new(lives),
                lives,
                checked: checked.get(id).map_or(&[], Vec::as_slice),
                life: 0,
                execution: None,
                next: None,
                needs: None,
                last: 0,
            });
        }
        for player in &mut players {
            player.fetch()?;
        }
        let first = found.values().flatten().next().map(|file| &file.header.config);
        let mut audit = audit(first, judged);
        audit.trace = wanted.trace;
        let replicas = first.map_or(1, |config| config.members.len());
        let timeline = wanted
            .timeline
            .then(|| TimelineObserver::new(Replicas, replicas, 0));
        Ok(Merge {
            players,
            audit: Watch::new(audit, timeline),
            sent: HashMap::default(),
            count: 0,
            unknown: 0,
            now: Time(0),
            origin,
            absent: judged.absent,
            complete: judged.complete,
            stopped_early: None,
            script: wanted.script.then(|| Script::of(found, origin)),
        })
    }

    fn run(&mut self) -> Result<(), RecordingError> {
        while self.audit.finding().is_none() {
            let mut order: Vec<usize> = (0..self.players.len())
                .filter(|player| self.players[*player].next.is_some())
                .collect();
            order.sort_by_key(|player| self.players[*player].time(self.origin));
            let Some(earliest) = order.first() else { break };
            let free = order.iter().find(|player| self.is_free(**player));
            match (free, self.players[*earliest].message()) {
                (Some(free), _) => self.advance(*free)?,
                (None, Some((from, message))) => {
                    let (place, to) = (self.players[*earliest].tape.place(), self.players[*earliest].id);
                    let sender = self.players.iter().find(|player| player.id == from);
                    if let Some(full) = sender.filter(|sender| sender.is_full()) {
                        self.stopped_early = Some(format!(
                            "at {} s: there the recording of {} reached its bound",
                            crate::invariants::seconds(self.now).trim_start(),
                            full.id
                        ));
                        return Ok(());
                    }
                    if self.complete {
                        let why = match sender {
                            Some(sender) if sender.next.is_none() => {
                                "its recording ends before that: it was cut off, or copied while it was written"
                            }
                            _ => "one of the two recordings has a hole or was changed",
                        };
                        return Err(RecordingError::NeverSent {
                            place,
                            to,
                            from,
                            message: message.to_string(),
                            why: why.to_owned(),
                        });
                    }
                    self.unknown += 1;
                    self.advance(*earliest)?;
                }
                // Whoever is not free waits for a message.
                (None, None) => break,
            }
        }
        Ok(())
    }

    /// Whether the message that is the next entry of a player, if it is one, was sent.
    fn is_free(&self, player: usize) -> bool {
        let player = &self.players[player];
        let is_absent = || {
            player
                .message()
                .is_some_and(|(from, _)| self.absent.contains(from))
        };
        player
            .needs
            .is_none_or(|needs| self.sent.contains_key(&needs) || is_absent())
    }

    /// Takes the next entry of a player.
    fn advance(&mut self, player: usize) -> Result<(), RecordingError> {
        let Merge {
            players,
            audit,
            sent,
            count,
            now,
            origin,
            script,
            ..
        } = self;
        let player = &mut players[player];
        let time = player.time(*origin);
        player.last = time;
        *now = (*now).max(Time(time));
        if let Some(script) = script {
            let is_sent = player.needs.is_none_or(|needs| sent.contains_key(&needs));
            player.add_to(script, is_sent);
        }
        let place = player.tape.place();
        let id = player.id;
        if let Some(packet) = player.needs.and_then(|needs| sent.get(&needs)) {
            Observer::<Replica>::delivered(audit, *now, *packet, id.into());
        }
        let mut outside = Outside {
            now: *now,
            observer: audit,
            outlet: &mut Sending { id, sent, count },
        };
        let fault = match player.next.take() {
            Some(Next::Life { at, memory, entropy }) => {
                player.begin(memory, entropy, at, &mut outside)?;
                Ok(())
            }
            Some(Next::Resume { checkpoint, digest }) => {
                player.resume(&checkpoint, digest, &mut outside)?;
                Ok(())
            }
            Some(Next::Entry(entry)) => player.take(entry, Memory::Lost, &mut outside),
            Some(Next::Restart(entry, memory)) => player.take(entry, memory, &mut outside),
            Some(Next::LifeEnd(_)) => {
                player.life += 1;
                Ok(())
            }
            Some(Next::BlockEnd(_) | Next::Checkpoint(_)) | None => Ok(()),
        };
        match fault {
            Ok(()) => {}
            Err(Fault::Misplaced(why)) => {
                let why = why.to_owned();
                return Err(RecordingError::Order { place, why });
            }
            Err(Fault::Panicked(why)) => {
                audit.trace.line(*now, || format!("{id} fails in {place}"));
                let why = format!("{id}: {why}");
                audit.report(*now, Property::Assertion, why);
                return Ok(());
            }
        }
        player.fetch()
    }

    fn report(self, found: &Found, checked: &Checked, judged: Judged) -> Report {
        let mut releases: Vec<String> = found
            .values()
            .flatten()
            .map(|file| file.header.release.clone())
            .collect();
        releases.sort();
        releases.dedup();
        let played = |(id, lives): (&ReplicaId, &Vec<CheckedLife>)| {
            (*id, lives.iter().map(|life| life.played.clone()).collect())
        };
        Report {
            cluster: found
                .values()
                .flatten()
                .next()
                .map_or(0, |file| file.header.cluster),
            releases,
            replicas: checked.replicas.iter().map(played).collect(),
            sent: self.count,
            unknown: self.unknown,
            protocol: self.audit.protocol,
            coverage: self.audit.coverage.clone(),
            judged: Property::ALL
                .into_iter()
                .filter(|property| !judged.unjudged.iter().any(|(other, _)| other == property))
                .collect(),
            unjudged: judged.unjudged,
            stopped_early: self.stopped_early,
            violation: self.audit.finding().cloned(),
            trace: self.audit.trace.kept(),
        }
    }
}

impl Player<'_> {
    /// Reads the next entry.
    fn fetch(&mut self) -> Result<(), RecordingError> {
        self.next = self.tape.next()?;
        let needs = self
            .message()
            .map(|(from, message)| message_digest(from, self.id, message));
        self.needs = needs;
        Ok(())
    }

    /// The message of another replica that is the next entry, if it is one.
    fn message(&self) -> Option<(ReplicaId, &Message)> {
        match &self.next {
            Some(Next::Entry(Entry::Input {
                event: Event::Peer { from, message, .. },
                ..
            })) => Some((*from, message)),
            _ => None,
        }
    }

    /// The time of the next entry, on the clock of all recordings.
    fn time(&self, origin: u64) -> u64 {
        let at = match &self.next {
            Some(Next::Life { at, .. }) => at,
            Some(Next::Resume { .. }) => {
                let life = self.checked.get(self.life);
                return life.map_or(self.last, |life| self.on_common_clock(life.played.first, origin));
            }
            Some(
                Next::Entry(Entry::Input { at, .. } | Entry::Own { at })
                | Next::Restart(Entry::Restart { at, .. }, _),
            ) => at,
            _ => return self.last,
        };
        self.on_common_clock(*at, origin)
    }

    /// A time on the clock of the replica, on the clock of all recordings.
    fn on_common_clock(&self, at: Time, origin: u64) -> u64 {
        let began = self.tape.header().map_or(origin, |header| header.began);
        (began - origin).saturating_add(at.0).max(self.last)
    }

    /// Adds what comes next to a script. A message that arrives `is_sent` in a recording, or in none.
    fn add_to(&self, script: &mut Script, is_sent: bool) {
        let own = self.lives.get(self.life).map(|file| &file.header);
        let header = |script: &Script| script.headers.iter().position(|header| Some(header) == own);
        let what = match &self.next {
            Some(Next::Life { memory, entropy, .. }) => {
                let Some(life) = self.checked.get(self.life) else {
                    return;
                };
                What::Start {
                    header: header(script).unwrap_or(0),
                    beginning: life.beginning,
                    memory: memory.clone(),
                    entropy: *entropy,
                }
            }
            Some(Next::Resume { checkpoint, digest }) => What::Resume {
                header: header(script).unwrap_or(0),
                from: Arc::new(Late {
                    checkpoint: checkpoint.clone(),
                    digest: *digest,
                    log: self.checked.get(self.life).and_then(|life| life.log.clone()),
                    begun: Begun::default(),
                }),
            },
            // It may still have run.
            Some(Next::LifeEnd(Ending::Open)) if self.life + 1 >= self.lives.len() => return,
            Some(Next::LifeEnd(_)) => What::End,
            Some(Next::Entry(entry)) => match What::of(entry, is_sent) {
                Some(what) => what,
                None => return,
            },
            Some(Next::Restart(Entry::Restart { role, entropy, .. }, memory)) => What::Restart {
                role: *role,
                memory: memory.clone(),
                entropy: *entropy,
            },
            Some(Next::Restart(..) | Next::Checkpoint(_) | Next::BlockEnd(_)) | None => return,
        };
        script.push(self.id, self.last, what);
    }

    /// Whether its recording has come to its bound.
    fn is_full(&self) -> bool {
        let is_over = self.next.is_none() || self.life > 0;
        is_over && self.checked.iter().any(|life| life.played.ending == Ending::Full)
    }

    fn begin(
        &mut self,
        memory: Memory,
        entropy: kvpaxos::Entropy,
        at: Time,
        outside: &mut Outside<'_, Watch>,
    ) -> Result<(), RecordingError> {
        let (id, now) = (self.id, outside.now);
        let Some((file, checked)) = self.lives.get(self.life).zip(self.checked.get(self.life)) else {
            return Ok(());
        };
        let before = self.execution.take();
        let kept = checked
            .beginning
            .tell(outside.observer, now, id, &memory, before.as_ref());
        let started = Execution::start(&file.header, memory, entropy, at);
        let execution = started.map_err(|error| RecordingError::Config {
            path: file.path.clone(),
            error,
        })?;
        outside.observer.started(now, id, execution.replica(), kept);
        self.execution = Some(execution);
        Ok(())
    }

    /// The recording begins in the middle of a life.
    fn resume(
        &mut self,
        checkpoint: &[u8],
        digest: u64,
        outside: &mut Outside<'_, Watch>,
    ) -> Result<(), RecordingError> {
        let Some(file) = self.lives.get(self.life) else {
            return Ok(());
        };
        let resumed = Checkpoint::decode(checkpoint)
            .and_then(|checkpoint| Execution::resume(&file.header, checkpoint, digest));
        let execution = resumed.map_err(|error| RecordingError::State {
            place: self.tape.place(),
            error: Box::new(error),
        })?;
        let (id, now) = (self.id, outside.now);
        tell_resumed(outside.observer, now, id, execution.replica());
        self.execution = Some(execution);
        Ok(())
    }

    fn take(&mut self, entry: Entry, memory: Memory, outside: &mut Outside<'_, Watch>) -> Result<(), Fault> {
        match &mut self.execution {
            Some(execution) => execution.take(entry, memory, outside),
            None => Ok(()),
        }
    }
}
