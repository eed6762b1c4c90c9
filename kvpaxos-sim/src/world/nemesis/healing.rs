//! The end of faults: some replicas heal, and the others stay broken for good.

use kvpaxos::{ReplicaSet, Role};

use crate::engine::{Decision, Node, RIGHT_SPEED, Stream};
use crate::subject::Subject;
use crate::world::audited::AuditedEngine;

use super::fault::LastingFault;
use super::state::Nemesis;

/// Healing.
impl Nemesis {
    /// Stops the nemesis: no fault begins from now on, and faults under way do not end by themselves.
    pub(in crate::world) fn stop<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        self.awake = false;
        self.frozen = true;
        if self.faults.uneven_clocks {
            for id in engine.ids() {
                engine.set_speed(id, RIGHT_SPEED);
            }
        }
        engine.network.links = self.links.without_faults();
    }

    /// Heals these replicas and the links between them. What is wrong with the others stays.
    pub(in crate::world) fn heal<M: Subject>(&mut self, healed: ReplicaSet, engine: &mut AuditedEngine<M>) {
        let numbers: Vec<u32> = self.active.keys().copied().collect();
        for number in numbers {
            // Cuts are mended below, link by link. Links no longer come and go.
            let active = self.active.get_mut(&number);
            let Some(whose) = active.and_then(LastingFault::replica_mut).copied() else {
                continue;
            };
            if healed.contains(whose)
                && let Some(active) = self.active.remove(&number)
            {
                let now = engine.now();
                engine
                    .observer
                    .picture(|timeline| timeline.fault_ends(now, number));
                self.undo(number, &active, engine);
            }
        }
        let clients = (0..Node::CLIENTS).map(Node::client);
        let replicas: Vec<Node> = healed.iter().map(Node::from).collect();
        let all: Vec<Node> = replicas.iter().copied().chain(clients).collect();
        for one in &replicas {
            for other in &all {
                engine.network.mend_all(*one, *other);
                engine.network.mend_all(*other, *one);
            }
        }
        for id in healed.iter() {
            engine.start(id, self.memory_only);
            engine.resume(id);
            for role in Role::ALL {
                engine.restart_role(id, role, self.memory_only);
            }
        }
    }

    /// Breaks replicas that do not heal, each in a random way and for good.
    pub(in crate::world) fn break_for_good<M: Subject>(
        &mut self,
        broken: ReplicaSet,
        engine: &mut AuditedEngine<M>,
    ) {
        for id in broken.iter() {
            match engine.decider().below(Stream::Healing, Decision::Healed, 6) {
                0 if !self.memory_only => engine.crash(id),
                0 | 1 => engine.pause(id),
                2 if !self.memory_only => engine.fail_role(id, Role::Acceptor),
                2 => engine.fail_role(id, Role::Learner),
                3 => {
                    for other in engine.ids().filter(|other| *other != id) {
                        engine.network.cut(id.into(), other.into());
                        engine.network.cut(other.into(), id.into());
                    }
                }
                4 => {
                    // It hears nobody; everybody hears it.
                    for other in engine.ids().filter(|other| *other != id) {
                        engine.network.cut(other.into(), id.into());
                    }
                }
                _ => {
                    // It is connected to one replica only.
                    for other in engine.ids().filter(|other| *other != id).skip(1) {
                        engine.network.cut(id.into(), other.into());
                        engine.network.cut(other.into(), id.into());
                    }
                }
            }
        }
    }
}
