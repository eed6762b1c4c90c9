//! One life of a replica, executed again: what the event loop of `kvpaxos-net` did with its inputs.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kvpaxos::recording::{Checkpoint, Deferred, EffectDigest, Entry, Header, Writes};
use kvpaxos::{
    ConfigError, Effect, Entropy, Envelope, Event, ImportError, Input, Memory, Message, Record, Replica,
    ReplicaId, Role, Time,
};

use crate::engine::{Misbehaviour, Observer, Packet, PacketId, Unsynced};

/// Who watches an execution, and where its messages go.
pub(super) struct Outside<'a, O> {
    /// The time on the clock of all recordings.
    pub(super) now: Time,
    pub(super) observer: &'a mut O,
    pub(super) outlet: &'a mut dyn Outlet,
}

/// Takes what an execution lets out.
pub(super) trait Outlet {
    /// The effects of a step, before any of them is carried out.
    fn stepped(&mut self, effects: &[Effect]) {
        let _ = effects;
    }

    /// A message leaves for another replica. The observer calls it `packet`.
    fn sent(&mut self, to: ReplicaId, message: &Message, packet: PacketId) {
        let _ = (to, message, packet);
    }
}

/// For executions of which only the observer is told.
impl Outlet for () {}

/// Why an entry cannot be executed.
#[derive(Debug)]
pub(super) enum Fault {
    /// It does not fit to what came before.
    Misplaced(&'static str),
    /// An assertion of the replica fails.
    Panicked(String),
}

/// What is left of an execution: the replica, and its writes that are not known to be durable, in order.
pub(super) struct Standing {
    pub(super) replica: Replica,
    pub(super) writes: Vec<Unsynced<Replica>>,
}

/// A life that is being executed.
#[derive(Clone)]
pub(super) struct Execution {
    id: ReplicaId,
    durable: bool,
    replica: Replica,
    digest: EffectDigest,
    to_itself: VecDeque<(Message, PacketId)>,
    /// What waits for the disk.
    writes: Writes,
    /// The time of the last input.
    at: Time,
    /// A role that has failed, whose deferred messages are void once the replica has heard itself.
    failed: Option<Role>,
    halted: bool,
}

impl Execution {
    /// Starts the replica. The observer is told by the caller, who knows what became of the life before.
    pub(super) fn start(
        header: &Header,
        memory: Memory,
        entropy: Entropy,
        at: Time,
    ) -> Result<Execution, ConfigError> {
        Ok(Execution {
            id: header.config.id,
            durable: header.durable,
            replica: Replica::new(header.config.clone(), memory, entropy, at)?,
            digest: EffectDigest::default(),
            to_itself: VecDeque::new(),
            writes: Writes::default(),
            at,
            failed: None,
            halted: false,
        })
    }

    /// Goes on from a checkpoint; `digest` is that of all effects before it. The state may be any: if the replica cannot even
    /// say how it is, that is an error.
    pub(super) fn resume(
        header: &Header,
        checkpoint: Checkpoint,
        digest: u64,
    ) -> Result<Execution, ImportError> {
        let import = || {
            let replica = checkpoint.replica(&header.config)?;
            let _ = replica.status();
            Ok(replica)
        };
        let why = "an assertion fails when the replica is asked how it is";
        let replica = catch_unwind(import).unwrap_or(Err(ImportError::Inconsistent { why }))?;
        Ok(Execution {
            id: header.config.id,
            durable: header.durable,
            replica,
            digest: EffectDigest::from_value(digest),
            to_itself: VecDeque::new(),
            writes: checkpoint.writes,
            at: checkpoint.at,
            failed: None,
            halted: false,
        })
    }

    /// Whether its state is that of a checkpoint: whether it would write the same bytes.
    pub(super) fn is_at(&self, checkpoint: &[u8]) -> bool {
        let beginning = Checkpoint::beginning(self.at, &self.writes);
        let Some(mut left) = checkpoint.strip_prefix(&beginning[..]) else {
            return false;
        };
        let exported = self.replica.export_in_pieces(&mut |piece| {
            let Some(after) = left.strip_prefix(piece) else {
                return ControlFlow::Break(());
            };
            left = after;
            ControlFlow::Continue(())
        });
        exported.is_ok() && left.is_empty()
    }

    /// Its state as a checkpoint; `None` if that cannot be written now.
    pub(super) fn checkpoint(&self) -> Option<Vec<u8>> {
        let mut checkpoint = Checkpoint::beginning(self.at, &self.writes);
        checkpoint.extend(self.replica.export(usize::MAX).ok()?);
        Some(checkpoint)
    }

    /// The time of the last input.
    pub(super) fn at(&self) -> Time {
        self.at
    }

    /// What waits for the disk.
    pub(super) fn writes(&self) -> &Writes {
        &self.writes
    }

    pub(super) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Whether the replica sent itself a message that has not arrived yet.
    pub(super) fn owes_itself(&self) -> bool {
        !self.to_itself.is_empty()
    }

    /// Whether the replica has halted.
    pub(super) fn has_halted(&self) -> bool {
        self.halted
    }

    /// The batch that is being gathered.
    pub(super) fn batch(&self) -> u64 {
        self.writes.batch()
    }

    /// The last batch that is known to be durable.
    pub(super) fn settled(&self) -> u64 {
        self.writes.settled()
    }

    /// The digest of all effects so far.
    pub(super) fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// The records that are not known to be durable.
    pub(super) fn undurable(&self) -> usize {
        self.writes.undurable()
    }

    /// Ends the execution, with what goes on elsewhere.
    pub(super) fn stand(self) -> Standing {
        let (deferred, undurable) = self.writes.into_parts();
        let mut writes: BTreeMap<u64, Unsynced<Replica>> = BTreeMap::new();
        let empty = |role| Unsynced {
            role,
            records: Vec::new(),
            then: Vec::new(),
        };
        for Deferred {
            batch,
            role,
            envelopes,
        } in deferred
        {
            let write = writes.entry(batch).or_insert_with(|| empty(role));
            write.then.extend(envelopes);
        }
        for (batch, record) in undurable {
            // Which role wrote it matters only if something waits for it.
            let write = writes.entry(batch).or_insert_with(|| empty(Role::Acceptor));
            write.records.push(record);
        }
        Standing {
            replica: self.replica,
            writes: writes.into_values().collect(),
        }
    }

    /// Executes an entry; `memory` is that of a restart.
    pub(super) fn take<O: Observer<Replica>>(
        &mut self,
        entry: Entry,
        memory: Memory,
        outside: &mut Outside<'_, O>,
    ) -> Result<(), Fault> {
        let is_own = matches!(entry, Entry::Own { .. });
        if !is_own && !self.to_itself.is_empty() {
            return Err(Fault::Misplaced(
                "the replica sent itself a message, which does not arrive before this",
            ));
        }
        if self.halted && !matches!(entry, Entry::Flush | Entry::Stopped | Entry::Full) {
            return Err(Fault::Misplaced("the replica has halted"));
        }
        match entry {
            Entry::Input { at, event } => {
                if let Event::Fail(role) = event {
                    outside.observer.role_failed(outside.now, self.id, role);
                    self.failed = Some(role);
                }
                self.step(at, event, outside)?;
            }
            Entry::Restart {
                at, role, entropy, ..
            } => {
                let (now, lost) = (outside.now, memory == Memory::Lost);
                outside.observer.role_restarting(now, self.id, role, lost);
                let event = Event::Restart {
                    role,
                    memory,
                    entropy,
                };
                self.step(at, event, outside)?;
                let Execution { id, replica, .. } = self;
                outside.observer.role_restarted(now, *id, role, replica);
            }
            Entry::Own { at } => {
                let message = self.to_itself.pop_front();
                let (message, packet) = message.ok_or(Fault::Misplaced(
                    "a message of the replica to itself arrives, and it has sent none",
                ))?;
                outside.observer.delivered(outside.now, packet, self.id.into());
                let event = Event::Peer {
                    from: self.id,
                    founding: None,
                    message,
                };
                self.step(at, event, outside)?;
            }
            Entry::Durable { batch } => self.on_durable(batch, outside)?,
            Entry::Flush => {
                self.writes.flush();
            }
            Entry::Stopped
            | Entry::Full
            | Entry::Checkpoint { .. }
            | Entry::Remember(_)
            | Entry::Start { .. } => {}
        }
        self.send_deferred(outside);
        Ok(())
    }

    fn on_durable<O: Observer<Replica>>(
        &mut self,
        batch: u64,
        outside: &mut Outside<'_, O>,
    ) -> Result<(), Fault> {
        let Some(records) = self.writes.settle(batch) else {
            return Err(Fault::Misplaced("a batch is durable that was not written"));
        };
        for record in records {
            outside.observer.durable(outside.now, self.id, &record);
        }
        Ok(())
    }

    /// Sends what waited for durable records, up to the next message of the replica to itself: that one arrives
    /// before the rest is sent.
    fn send_deferred<O: Observer<Replica>>(&mut self, outside: &mut Outside<'_, O>) {
        if !self.to_itself.is_empty() {
            return;
        }
        if let Some(role) = self.failed.take() {
            self.writes.void(role);
        }
        while self.to_itself.is_empty()
            && let Some(envelopes) = self.writes.next_due()
        {
            for envelope in envelopes {
                self.send(envelope, outside);
            }
        }
    }

    fn step<O: Observer<Replica>>(
        &mut self,
        at: Time,
        event: Event,
        outside: &mut Outside<'_, O>,
    ) -> Result<(), Fault> {
        self.at = at;
        let now = outside.now;
        outside.observer.enters(now, self.id, &event);
        let replica = &mut self.replica;
        let step = || replica.step(Input { at, event });
        let effects =
            catch_unwind(AssertUnwindSafe(step)).map_err(|panic| Fault::Panicked(panic_text(&*panic)))?;
        self.digest.add(&effects);
        outside.outlet.stepped(&effects);
        outside.observer.stepped(now, self.id, &self.replica, &effects);
        for effect in effects {
            self.carry_out(effect, outside);
        }
        if let Some(deadline) = self.replica.deadline().filter(|deadline| *deadline <= at) {
            let what = Misbehaviour::Deadline { at, deadline };
            outside.observer.misbehaved(now, self.id, what);
        }
        Ok(())
    }

    fn carry_out<O: Observer<Replica>>(&mut self, effect: Effect, outside: &mut Outside<'_, O>) {
        match effect {
            Effect::Send(envelope) => self.send(envelope, outside),
            Effect::Persist { role, records, then } => {
                if self.durable {
                    self.persist(role, records, then, outside);
                    return;
                }
                for record in records {
                    outside.observer.durable(outside.now, self.id, &record);
                }
                for envelope in then {
                    self.send(envelope, outside);
                }
            }
            Effect::Reply { .. } | Effect::Observe(_) => {}
            Effect::Halt(reason) => {
                let reason = reason.to_string();
                let what = Misbehaviour::Halted { reason };
                outside.observer.misbehaved(outside.now, self.id, what);
                self.halted = true;
                self.to_itself.clear();
            }
        }
    }

    fn persist<O: Observer<Replica>>(
        &mut self,
        role: Role,
        records: Vec<Record>,
        then: Vec<Envelope>,
        outside: &mut Outside<'_, O>,
    ) {
        for envelope in self.writes.persist(role, records, then) {
            self.send(envelope, outside);
        }
    }

    fn send<O: Observer<Replica>>(&mut self, envelope: Envelope, outside: &mut Outside<'_, O>) {
        let Envelope { to, message } = envelope;
        let (now, from) = (outside.now, self.id);
        outside.observer.leaves(now, from, to, &message);
        let packet = Packet::Message(&message);
        let packet = outside.observer.sent(now, from.into(), to.into(), &packet);
        if to == self.id {
            self.to_itself.push_back((message, packet));
        } else {
            outside.outlet.sent(to, &message, packet);
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
