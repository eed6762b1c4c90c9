//! The observer of a world: the one of the protocol, and perhaps a timeline beside it. It notes what no machine may do.

use kvpaxos::{ReplicaId, Role, Time};

use super::seam::Protocol;
use crate::decisions::words::seconds;
use crate::engine::{
    EffectOf, EventOf, Label, Loss, Machine, Misbehaviour, Node, Observer, Packet, PacketId,
};
use crate::timeline::{Narrator, TimelineObserver, Words};

/// See the module.
pub(super) struct Watch<P: Protocol> {
    checks: P::Observer,
    pub(super) timeline: Option<TimelineObserver<States<P>>>,
    /// The first thing that no machine may do.
    pub(super) misbehaviour: Option<String>,
}

/// Puts messages into words as `Debug` does, under the names that scenarios have for them, and states as the protocol
/// does.
pub(super) struct States<P>(std::marker::PhantomData<P>);

impl<P: Protocol> Narrator<P::Machine> for States<P> {
    fn message(&self, message: &<P::Machine as Machine>::Message) -> Words {
        called(P::Machine::label(message), message)
    }

    fn request(&self, request: &<P::Machine as Machine>::Request) -> Words {
        called(P::Machine::request_label(request), request)
    }

    fn reply(&self, reply: &<P::Machine as Machine>::Reply) -> Words {
        called(P::Machine::reply_label(reply), reply)
    }

    fn state(&self, machine: &P::Machine) -> Vec<(&'static str, String)> {
        P::state(machine)
    }
}

fn called(label: Label, what: &impl std::fmt::Debug) -> Words {
    let mut words = Words::debugged(what);
    label.kind.clone_into(&mut words.name);
    words
}

impl<P: Protocol> Watch<P> {
    pub(super) fn new() -> Watch<P> {
        Watch {
            checks: P::Observer::default(),
            timeline: None,
            misbehaviour: None,
        }
    }

    /// Begins a timeline.
    pub(super) fn draw(&mut self, hosts: usize, clients: u32) {
        self.timeline = Some(TimelineObserver::new(
            States(std::marker::PhantomData),
            hosts,
            clients,
        ));
    }
}

/// Tells the timeline, then the protocol's checks: if a check fails, the timeline shows what it is about.
macro_rules! tell {
    ($self:ident.$hook:ident($($argument:expr),*)) => {{
        if let Some(timeline) = &mut $self.timeline {
            Observer::<P::Machine>::$hook(timeline, $($argument),*);
        }
        Observer::<P::Machine>::$hook(&mut $self.checks, $($argument),*);
    }};
}

impl<P: Protocol> Observer<P::Machine> for Watch<P> {
    fn started(&mut self, now: Time, host: ReplicaId, machine: &P::Machine, kept: Option<usize>) {
        tell!(self.started(now, host, machine, kept));
    }

    fn enters(&mut self, now: Time, host: ReplicaId, event: &EventOf<P::Machine>) {
        tell!(self.enters(now, host, event));
    }

    fn stepped(
        &mut self,
        now: Time,
        host: ReplicaId,
        machine: &P::Machine,
        effects: &[EffectOf<P::Machine>],
    ) {
        tell!(self.stepped(now, host, machine, effects));
    }

    fn leaves(
        &mut self,
        now: Time,
        from: ReplicaId,
        to: ReplicaId,
        message: &<P::Machine as Machine>::Message,
    ) {
        tell!(self.leaves(now, from, to, message));
    }

    fn corrupted(&mut self, now: Time, from: ReplicaId, to: ReplicaId) {
        tell!(self.corrupted(now, from, to));
    }

    fn sent(&mut self, now: Time, from: Node, to: Node, packet: &Packet<'_, P::Machine>) -> PacketId {
        match &mut self.timeline {
            Some(timeline) => timeline.sent(now, from, to, packet),
            // The protocol's own observer gives packets its own names if it is alone.
            None => self.checks.sent(now, from, to, packet),
        }
    }

    fn delivered(&mut self, now: Time, packet: PacketId, to: Node) {
        match &mut self.timeline {
            Some(timeline) => Observer::<P::Machine>::delivered(timeline, now, packet, to),
            None => self.checks.delivered(now, packet, to),
        }
    }

    fn lost(&mut self, now: Time, packet: PacketId, why: Loss) {
        match &mut self.timeline {
            Some(timeline) => Observer::<P::Machine>::lost(timeline, now, packet, why),
            None => self.checks.lost(now, packet, why),
        }
    }

    fn hung_up(&mut self, now: Time, client: u32, from: ReplicaId) {
        tell!(self.hung_up(now, client, from));
    }

    fn synced(&mut self, now: Time, host: ReplicaId) {
        tell!(self.synced(now, host));
    }

    fn durable(&mut self, now: Time, host: ReplicaId, record: &<P::Machine as Machine>::Record) {
        tell!(self.durable(now, host, record));
    }

    fn role_failed(&mut self, now: Time, host: ReplicaId, role: Role) {
        tell!(self.role_failed(now, host, role));
    }

    fn role_restarting(&mut self, now: Time, host: ReplicaId, role: Role, lost: bool) {
        tell!(self.role_restarting(now, host, role, lost));
    }

    fn role_restarted(&mut self, now: Time, host: ReplicaId, role: Role, machine: &P::Machine) {
        tell!(self.role_restarted(now, host, role, machine));
    }

    fn unmarked(&mut self, now: Time, host: ReplicaId, units: usize) {
        tell!(self.unmarked(now, host, units));
    }

    fn crashed(
        &mut self,
        now: Time,
        host: ReplicaId,
        survived: Option<&[<P::Machine as Machine>::Record]>,
        lost: usize,
    ) {
        tell!(self.crashed(now, host, survived, lost));
    }

    fn paused(&mut self, now: Time, host: ReplicaId) {
        tell!(self.paused(now, host));
    }

    fn resumed(&mut self, now: Time, host: ReplicaId) {
        tell!(self.resumed(now, host));
    }

    fn founded_anew(&mut self, now: Time, host: ReplicaId) {
        tell!(self.founded_anew(now, host));
    }

    fn misbehaved(&mut self, now: Time, host: ReplicaId, what: Misbehaviour) {
        tell!(self.misbehaved(now, host, what.clone()));
        let says = match what {
            Misbehaviour::Deadline { at, deadline } => format!(
                "a deadline is after the step\n{host} was stepped at {}, and its deadline is {}",
                seconds(at.0),
                seconds(deadline.0)
            ),
            Misbehaviour::Damaged => format!("an undamaged log is read\n{host} calls it damaged"),
            Misbehaviour::DamageUndetected => format!("damage is detected\n{host} did not see it"),
            Misbehaviour::Halted { reason } => format!("no machine halts\n{host} halts: {reason}"),
        };
        self.misbehaviour.get_or_insert(says);
    }
}
