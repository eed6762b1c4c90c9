//! Plays a script: the replicas are executed with what is left in it. What cannot happen any more is left out: a message
//! that nobody sent, a restart of a role that has not failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kvpaxos::recording::{Entry, FileName, Header};
use kvpaxos::{
    ClientId, Effect, Event, Founding, Memory, Message, Record, Replica, ReplicaId, RequestBody, Role, Time,
};

use super::disk::Disk;
use super::execution::{Execution, Fault, Outlet, Outside};
use super::post::{Post, Sessions};
use super::script::{Item, ItemId, Script, Source, What, session_of};
use super::tracks::Track;
use crate::engine::{Observer, PacketId};
use crate::invariants::{Audit, Property};
use crate::world::Watch;

/// A replica of the script.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) execution: Option<Execution>,
    pub(super) disk: Disk,
    /// The header of its present life.
    pub(super) header: Option<Header>,
    /// How many lives began.
    pub(super) lives: u64,
    pub(super) is_down: bool,
    /// The last item that is no message to itself, and the time of the last one, on the clock of the script.
    pub(super) item: ItemId,
    pub(super) at: u64,
    /// The time of its last input, on its own clock.
    pub(super) last: Time,
    /// Roles that have failed, with the length of the log at that time.
    pub(super) failed: BTreeMap<Role, usize>,
    /// The batches that items made, and the items by the batches.
    batches: HashMap<ItemId, u64>,
    flushes: HashMap<u64, ItemId>,
    pub(super) track: Option<Track>,
}

impl Machine {
    /// Whether it sent itself a message that has not arrived.
    fn owes_itself(&self) -> bool {
        self.execution.as_ref().is_some_and(Execution::owes_itself)
    }

    /// Whether its process runs and takes inputs.
    pub(super) fn runs(&self) -> bool {
        let halted = self.execution.as_ref().is_none_or(Execution::has_halted);
        !halted && !self.is_down
    }

    /// The roles that have failed.
    pub(super) fn failed_roles(&self) -> Vec<Role> {
        self.failed.keys().copied().collect()
    }

    fn batch(&self) -> u64 {
        self.execution.as_ref().map_or(1, Execution::batch)
    }
}

/// Takes what an item lets out.
struct Collector<'a> {
    item: ItemId,
    id: ReplicaId,
    founding: Option<Founding>,
    post: &'a mut Post,
    sessions: &'a mut Sessions,
    disk: &'a mut Disk,
    track: Option<&'a mut Track>,
}

impl Outlet for Collector<'_> {
    fn stepped(&mut self, effects: &[Effect]) {
        self.disk.stepped(effects);
        self.sessions.stepped(self.id, effects);
        if let Some(track) = &mut self.track {
            track.effects(effects);
        }
    }

    fn sent(&mut self, to: ReplicaId, message: &Message, packet: PacketId) {
        self.post
            .send(self.item, [self.id, to], self.founding, message, packet);
    }
}

/// A script that is being played.
pub(super) struct Play {
    pub(super) headers: Arc<[Header]>,
    pub(super) origin: u64,
    pub(super) machines: BTreeMap<ReplicaId, Machine>,
    pub(super) audit: Watch,
    pub(super) post: Post,
    sessions: Sessions,
    /// What happened.
    occurred: Vec<Arc<Item>>,
    /// How many steps there were: items but messages of replicas to themselves.
    pub(super) steps: u64,
    pub(super) now: Time,
    losses: Option<usize>,
    fixed: ItemId,
    most_lost: usize,
    /// The recordings of lives, if they are wanted.
    pub(super) files: Option<Vec<(FileName, Vec<u8>)>>,
}

impl Play {
    /// Nothing has happened yet. Files are made if they are wanted.
    pub(super) fn new(script: &Script, audit: Audit, files: bool) -> Play {
        Play {
            headers: Arc::clone(&script.headers),
            origin: script.origin,
            machines: BTreeMap::new(),
            audit: Watch::new(audit, None),
            post: Post::default(),
            sessions: Sessions::default(),
            occurred: Vec::new(),
            steps: 0,
            now: Time(0),
            losses: script.losses,
            fixed: script.fixed,
            most_lost: 0,
            files: files.then(Vec::new),
        }
    }

    /// Plays the items until a property is violated or so many steps are done. Returns how many items are done.
    pub(super) fn run(&mut self, items: &[Arc<Item>], steps: u64) -> usize {
        let mut done = 0;
        for item in items {
            let is_own = item.what == What::Own;
            if self.audit.finding().is_some() || !is_own && self.steps >= steps {
                break;
            }
            self.take(item);
            done += 1;
        }
        // Others may still owe themselves messages, which stand further on in the script.
        let replicas: Vec<ReplicaId> = self.machines.keys().copied().collect();
        for id in replicas {
            self.hear_itself(id);
        }
        done
    }

    /// What happened, as a script of its own, and the files.
    pub(super) fn end(mut self) -> (Script, Vec<(FileName, Vec<u8>)>) {
        for machine in self.machines.values_mut() {
            if let Some(files) = &mut self.files {
                files.extend(machine.track.take().map(Track::end));
            }
        }
        let script = Script {
            headers: self.headers,
            origin: self.origin,
            losses: self.losses.or(Some(self.most_lost)),
            fixed: self.fixed,
            items: self.occurred,
        };
        (script, self.files.unwrap_or_default())
    }

    /// The replicas hear that the clients have disconnected that wait for them. The clients of a recording do not go on in its
    /// future.
    pub(super) fn leave_clients(&mut self) {
        let running = self.machines.iter().filter(|(_, machine)| machine.runs());
        let waiting = running.flat_map(|(id, machine)| {
            let replica = machine.execution.as_ref().map(Execution::replica);
            let clients = replica.map(Replica::waiting_clients).unwrap_or_default();
            clients.into_iter().map(|client| (*id, client))
        });
        let waiting: Vec<(ReplicaId, ClientId)> = waiting.collect();
        for (id, client) in waiting {
            let runs = self.machines.get(&id).is_some_and(Machine::runs);
            if runs && self.audit.finding().is_none() {
                let at = self.begin(id, self.now.0);
                let event = Event::ClientGone { client };
                self.execute(id, ItemId::MAX, Entry::Input { at, event }, Memory::Lost);
                self.hear_itself(id);
            }
        }
    }

    /// The audit hears that a process is gone. The records survive although they were not known to be durable.
    pub(super) fn crashed(&mut self, id: ReplicaId, survived: &[Record]) {
        Observer::<Replica>::crashed(&mut self.audit, self.now, id, Some(survived), 0);
    }

    fn take(&mut self, item: &Arc<Item>) {
        let id = item.replica;
        if item.what == What::Own {
            self.take_own(id, item.at);
            return;
        }
        self.hear_itself(id);
        if self.audit.finding().is_some() {
            return;
        }
        let now = self.now.max(Time(item.at));
        self.audit.begin_event(self.steps + 1, now);
        let what = match &item.what {
            What::Start { .. } => self.start(item),
            What::Resume { header, from } => self.resume(item, *header, from),
            What::End => {
                let machine = self.machines.entry(id).or_default();
                let ends = machine.execution.is_some() && !machine.is_down;
                machine.is_down = true;
                ends.then_some(What::End)
            }
            _ => self.input(item),
        };
        let Some(what) = what else { return };
        self.steps += 1;
        self.audit.trace.or_else(|| in_words(id, &what));
        let is_same = what == item.what;
        self.occurred.push(if is_same {
            Arc::clone(item)
        } else {
            Arc::new(Item {
                what,
                ..Item::clone(item)
            })
        });
    }

    /// Lets all messages of a replica to itself arrive.
    fn hear_itself(&mut self, id: ReplicaId) {
        while self.audit.finding().is_none() && self.take_own(id, 0) {}
    }

    /// Lets a message of a replica to itself arrive, at this time or when the replica last took something. Returns whether
    /// there was one.
    fn take_own(&mut self, id: ReplicaId, at: u64) -> bool {
        let Some(machine) = self.machines.get(&id).filter(|machine| machine.owes_itself()) else {
            return false;
        };
        let (item, at) = (machine.item, at.max(machine.at));
        let local = self.begin(id, at);
        self.execute(id, item, Entry::Own { at: local }, Memory::Lost);
        self.occurred.push(Arc::new(Item {
            id: item,
            replica: id,
            at,
            what: What::Own,
        }));
        true
    }

    /// Something happens to a replica. Returns the time on its clock.
    pub(super) fn begin(&mut self, id: ReplicaId, at: u64) -> Time {
        self.now = self.now.max(Time(at));
        let origin = self.origin;
        let machine = self.machines.entry(id).or_default();
        let began = machine.header.as_ref().map_or(origin, |header| header.began);
        let local = at.saturating_sub(began.saturating_sub(origin));
        machine.at = machine.at.max(at);
        machine.last = machine.last.max(Time(local));
        machine.last
    }

    fn start(&mut self, item: &Item) -> Option<What> {
        let What::Start {
            header,
            beginning,
            memory,
            entropy,
        } = &item.what
        else {
            return None;
        };
        let id = item.replica;
        if *beginning == super::memory::Beginning::Lost && !self.may_lose(id) {
            return None;
        }
        let machine = self.machines.entry(id).or_default();
        let (beginning, memory) = machine.disk.start(*beginning, memory)?;
        let mut own = self.headers.get(*header)?.clone();
        let first = self.headers.iter().filter(|other| other.config.id == id);
        own.life = first.map(|other| other.life).min().unwrap_or(1) + machine.lives;
        own.release = env!("CARGO_PKG_VERSION").to_owned();
        machine.lives += 1;
        machine.header = Some(own.clone());
        machine.last = Time(0);
        let local = self.begin(id, item.at);
        let now = self.now;
        let machine = self.machines.get_mut(&id)?;
        let before = machine.execution.take();
        let kept = beginning.tell(&mut self.audit, now, id, &memory, before.as_ref());
        let execution = Execution::start(&own, memory.clone(), *entropy, local).ok()?;
        self.audit.started(now, id, execution.replica(), kept);
        if let Some(files) = &mut self.files {
            let track = Track::begin(&own, local, &memory, *entropy);
            files.extend(machine.track.replace(track).map(Track::end));
        }
        machine.execution = Some(execution);
        machine.item = item.id;
        machine.is_down = false;
        machine.failed.clear();
        machine.batches.clear();
        machine.flushes.clear();
        Some(What::Start {
            header: *header,
            beginning,
            memory,
            entropy: *entropy,
        })
    }

    /// Whether the acceptor of a replica may lose its memory now.
    fn may_lose(&mut self, id: ReplicaId) -> bool {
        let mut ids = self.machines.keys();
        let others = ids.by_ref().filter(|other| **other != id);
        let lost = 1 + others.filter(|other| self.audit.lacks_memory(**other)).count();
        self.most_lost = self.most_lost.max(lost);
        self.losses.is_none_or(|most| lost <= most)
    }

    /// An item within a life. Returns it as it happens now, if it can.
    fn input(&mut self, item: &Item) -> Option<What> {
        let id = item.replica;
        if !self.machines.get(&id)?.runs() {
            return None;
        }
        let (what, packet) = self.actual(item)?;
        let local = self.begin(id, item.at);
        if let Some(packet) = packet {
            Observer::<Replica>::delivered(&mut self.audit, self.now, packet, id.into());
        }
        let memory = match &what {
            What::Restart { memory, .. } => memory.clone(),
            _ => Memory::Lost,
        };
        let machine = self.machines.get_mut(&id)?;
        machine.item = item.id;
        let batch = machine.batch();
        self.post.begin_item();
        self.execute(id, item.id, what.entry(local), memory);
        let machine = self.machines.get_mut(&id)?;
        if what == What::Flush {
            let closed = machine.batch() - 1;
            machine.batches.insert(item.id, closed);
            if closed == batch {
                machine.flushes.insert(closed, item.id);
            }
        }
        Some(what)
    }

    /// What an item is now, and the packet that brings it. `None` if it cannot happen.
    fn actual(&mut self, item: &Item) -> Option<(What, Option<PacketId>)> {
        let id = item.replica;
        let mut what = item.what.clone();
        match &mut what {
            What::Message {
                from,
                founding,
                message,
                source,
            } if *source != Source::Unrecorded => {
                let sent = self.post.arrives([*from, id], source, message)?;
                if *message != sent.message {
                    *message = sent.message.clone();
                    *founding = sent.founding;
                }
                *source = sent.source.clone();
                let packet = sent.packet;
                return Some((what, Some(packet)));
            }
            What::Request {
                from,
                request,
                opened_by,
            } => {
                let number = request.id;
                if let Some(session) = session_of(&mut request.body) {
                    match *opened_by {
                        Some(item) => *session = self.sessions.opened_by(item)?,
                        None => *opened_by = self.sessions.opener(*session),
                    }
                } else if matches!(request.body, RequestBody::Open { .. }) {
                    self.sessions.ask(id, *from, number, item.id);
                }
            }
            What::Restart { role, memory, .. } => {
                if *memory == Memory::Lost && *role == Role::Acceptor && !self.may_lose(id) {
                    return None;
                }
                let machine = self.machines.get_mut(&id)?;
                let failed = *machine.failed.get(role)?;
                *memory = machine.disk.restart(memory, failed)?;
                machine.failed.remove(role);
            }
            What::Input(Event::Fail(role)) => {
                let machine = self.machines.get_mut(&id)?;
                let length = machine.disk.records().len();
                if machine.failed.insert(*role, length).is_some() {
                    return None;
                }
            }
            What::Durable { batch, flush } => {
                let machine = self.machines.get(&id)?;
                match flush {
                    Some(flush) => *batch = *machine.batches.get(flush)?,
                    None => *flush = machine.flushes.get(batch).copied(),
                }
                let settled = machine.execution.as_ref().map_or(0, Execution::settled);
                if *batch <= settled || *batch >= machine.batch() {
                    return None;
                }
            }
            _ => {}
        }
        Some((what, None))
    }

    /// Executes an entry of a replica that runs.
    fn execute(&mut self, id: ReplicaId, item: ItemId, entry: Entry, memory: Memory) {
        let Play {
            machines,
            audit,
            post,
            sessions,
            now,
            ..
        } = self;
        let Some(Machine {
            execution: Some(execution),
            disk,
            track,
            ..
        }) = machines.get_mut(&id)
        else {
            return;
        };
        if let Some(track) = track {
            track.take(&entry, &memory);
        }
        let mut collector = Collector {
            item,
            id,
            founding: execution.replica().founding(),
            post,
            sessions,
            disk,
            track: track.as_mut(),
        };
        let mut outside = Outside {
            now: *now,
            observer: audit,
            outlet: &mut collector,
        };
        let fault = execution.take(entry, memory, &mut outside);
        disk.settle(execution.undurable());
        match fault {
            Ok(()) => {}
            Err(Fault::Misplaced(why)) => unreachable!("an item was executed that cannot happen: {why}"),
            Err(Fault::Panicked(why)) => audit.report(*now, Property::Assertion, format!("{id}: {why}")),
        }
    }
}

/// What an item is called that leads to nothing else that a trace shows.
fn in_words(id: ReplicaId, what: &What) -> String {
    match what {
        What::End => format!("{id} is gone: its process has ended"),
        What::Flush => format!("{id} begins to sync what it has written"),
        What::Durable { .. } => format!("{id}: a sync has ended"),
        _ => format!("{id}: an input without effect"),
    }
}
