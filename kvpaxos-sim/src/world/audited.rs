//! An engine of replicas whose observer checks the invariants, and puts what happens on a timeline if one is wanted. Clients and the
//! nemesis of a world act on it.

use std::ops::{Deref, DerefMut};

use kvpaxos::status::ProposerStatus;
use kvpaxos::{Effect, Event, Message, Record, ReplicaId, Role, Time};

use crate::engine::{Engine, Loss, Misbehaviour, Node, Observer, Packet, PacketId};
use crate::invariants::{Audit, Finding};
use crate::subject::Subject;
use crate::timeline::{Found, Replicas, TimelineObserver};
use crate::world::moments::Moments;

/// An engine of replicas, or of mutants, that is watched.
pub(crate) type AuditedEngine<M> = Engine<M, Watch>;

/// The audit, and perhaps a timeline beside it. The timeline changes nothing: it is told of the same events.
pub(crate) struct Watch {
    audit: Audit,
    timeline: Option<Box<TimelineObserver<Replicas>>>,
    /// How many events the timeline had when each event of the engine began.
    begun: Vec<usize>,
    /// The moments that the nemesis waits for, if it waits for any.
    pub(super) moments: Option<Moments>,
    /// Whether the timeline knows of the audit's finding.
    told: bool,
}

impl Watch {
    /// The audit alone, or with a timeline.
    pub(crate) fn new(audit: Audit, timeline: Option<TimelineObserver<Replicas>>) -> Watch {
        Watch {
            audit,
            timeline: timeline.map(Box::new),
            begun: Vec::new(),
            moments: None,
            told: false,
        }
    }

    /// Tells the timeline something, if there is one.
    pub(crate) fn picture<T>(
        &mut self,
        tell: impl FnOnce(&mut TimelineObserver<Replicas>) -> T,
    ) -> Option<T> {
        self.timeline.as_deref_mut().map(tell)
    }

    /// The event of this number begins.
    pub(crate) fn begin_event(&mut self, event: u64, now: Time) {
        self.audit.trace.begin_event(event, now);
        if let Some(timeline) = &mut self.timeline {
            self.begun.push(timeline.events());
        }
    }

    /// Takes the timeline, if there is one, and how many events it had when each event of the engine began.
    pub(crate) fn take_timeline(&mut self) -> Option<(TimelineObserver<Replicas>, Vec<usize>)> {
        self.tell_finding();
        let timeline = self.timeline.take()?;
        Some((*timeline, std::mem::take(&mut self.begun)))
    }

    /// Tells the timeline what the audit has found, as soon as it has.
    pub(crate) fn tell_finding(&mut self) {
        let Watch {
            audit,
            timeline: Some(timeline),
            told: told @ false,
            ..
        } = self
        else {
            return;
        };
        if let Some(finding) = audit.finding() {
            *told = true;
            timeline.violated(found(finding));
        }
    }
}

fn found(finding: &Finding) -> Found {
    Found {
        property: finding.property.to_string(),
        says: finding.property.says().to_owned(),
        at: finding.at.0,
        explanation: finding.explanation.clone(),
        lines: Vec::new(),
        event: None,
    }
}

impl Deref for Watch {
    type Target = Audit;

    fn deref(&self) -> &Audit {
        &self.audit
    }
}

impl DerefMut for Watch {
    fn deref_mut(&mut self) -> &mut Audit {
        &mut self.audit
    }
}

/// Tells the audit, then the timeline, then the timeline what the audit has found by that.
macro_rules! tell {
    ($self:ident.$hook:ident($machine:ident, $($argument:expr),*)) => {{
        Observer::<$machine>::$hook(&mut $self.audit, $($argument),*);
        if let Some(timeline) = &mut $self.timeline {
            Observer::<$machine>::$hook(&mut **timeline, $($argument),*);
            $self.tell_finding();
        }
    }};
}

impl<M: Subject> Observer<M> for Watch {
    fn started(&mut self, now: Time, host: ReplicaId, machine: &M, kept: Option<usize>) {
        tell!(self.started(M, now, host, machine, kept));
    }

    fn enters(&mut self, now: Time, host: ReplicaId, event: &Event) {
        tell!(self.enters(M, now, host, event));
    }

    fn stepped(&mut self, now: Time, host: ReplicaId, machine: &M, effects: &[Effect]) {
        tell!(self.stepped(M, now, host, machine, effects));
        if let Some(moments) = &mut self.moments {
            moments.stepped(host, self.audit.lacks_memory(host), effects);
        }
    }

    fn leaves(&mut self, now: Time, from: ReplicaId, to: ReplicaId, message: &Message) {
        tell!(self.leaves(M, now, from, to, message));
    }

    fn corrupted(&mut self, now: Time, from: ReplicaId, to: ReplicaId) {
        tell!(self.corrupted(M, now, from, to));
    }

    fn sent(&mut self, now: Time, from: Node, to: Node, packet: &Packet<'_, M>) -> PacketId {
        let Some(timeline) = &mut self.timeline else {
            return PacketId::default();
        };
        timeline.sent(now, from, to, packet)
    }

    fn delivered(&mut self, now: Time, packet: PacketId, to: Node) {
        tell!(self.delivered(M, now, packet, to));
    }

    fn lost(&mut self, now: Time, packet: PacketId, why: Loss) {
        tell!(self.lost(M, now, packet, why));
    }

    fn hung_up(&mut self, now: Time, client: u32, from: ReplicaId) {
        tell!(self.hung_up(M, now, client, from));
    }

    fn synced(&mut self, now: Time, host: ReplicaId) {
        tell!(self.synced(M, now, host));
    }

    fn durable(&mut self, now: Time, host: ReplicaId, record: &Record) {
        tell!(self.durable(M, now, host, record));
        if let Some(moments) = &mut self.moments {
            moments.durable(host, record);
        }
    }

    fn rotated(&mut self, _: Time, host: ReplicaId) {
        if let Some(moments) = &mut self.moments {
            moments.rotated(host);
        }
    }

    fn role_failed(&mut self, now: Time, host: ReplicaId, role: Role) {
        tell!(self.role_failed(M, now, host, role));
    }

    fn role_restarting(&mut self, now: Time, host: ReplicaId, role: Role, lost: bool) {
        tell!(self.role_restarting(M, now, host, role, lost));
    }

    fn role_restarted(&mut self, now: Time, host: ReplicaId, role: Role, machine: &M) {
        tell!(self.role_restarted(M, now, host, role, machine));
    }

    fn unmarked(&mut self, now: Time, host: ReplicaId, units: usize) {
        tell!(self.unmarked(M, now, host, units));
    }

    fn crashed(&mut self, now: Time, host: ReplicaId, survived: Option<&[Record]>, lost: usize) {
        tell!(self.crashed(M, now, host, survived, lost));
    }

    fn paused(&mut self, now: Time, host: ReplicaId) {
        tell!(self.paused(M, now, host));
    }

    fn resumed(&mut self, now: Time, host: ReplicaId) {
        tell!(self.resumed(M, now, host));
    }

    fn founded_anew(&mut self, now: Time, host: ReplicaId) {
        tell!(self.founded_anew(M, now, host));
    }

    fn misbehaved(&mut self, now: Time, host: ReplicaId, what: Misbehaviour) {
        tell!(self.misbehaved(M, now, host, what.clone()));
    }
}

/// The replica that leads according to its own status; of several, the one with the highest ballot.
pub(crate) fn leader<M: Subject>(engine: &AuditedEngine<M>) -> Option<ReplicaId> {
    let leading = engine
        .ids()
        .filter_map(|id| match engine.machine(id)?.status().proposer {
            ProposerStatus::Leading { ballot } => Some((ballot, id)),
            _ => None,
        });
    leading.max().map(|(_, id)| id)
}
