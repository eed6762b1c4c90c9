//! States under other names of the acceptors.

use kvpaxos::ReplicaId;

use crate::hashing::key_of;

use super::state::{Acceptor, Instance, LifeOf, Memory, Proposal, State};

impl<V: Clone + Eq + std::hash::Hash> State<V> {
    /// A number for what an acceptor remembers and has sent, whatever it and the others are called.
    pub(super) fn traces_of(&self, id: ReplicaId) -> u128 {
        let acceptor = self.acceptor(id);
        let remembers = |memory: &Memory<V>| (memory.promised, memory.votes.clone(), memory.cut);
        let promised = self.promises.iter().filter(|((_, (by, _)), _)| *by == id);
        let promised: Vec<_> = promised
            .map(|((ballot, (_, life)), memory)| (*ballot, *life, remembers(memory)))
            .collect();
        let proposals = self.instances.iter().flat_map(|instance| &instance.proposals);
        let voted: Vec<usize> = proposals
            .map(|proposal| proposal.votes.iter().filter(|(by, _)| *by == id).count())
            .collect();
        let answered = self.answers.keys().filter(|(_, (by, _))| *by == id).count();
        let asked = self.answers.keys().filter(|((to, _), _)| *to == id).count();
        key_of(&(
            acceptor.life,
            acceptor.memory.as_ref().map(remembers),
            promised,
            voted,
            (answered, asked),
        ))
    }

    /// The state in which each acceptor has another name.
    pub(super) fn renamed(&self, name: impl Fn(ReplicaId) -> ReplicaId) -> State<V> {
        let of = |(id, life): &LifeOf| (name(*id), *life);
        let memory = |memory: &Memory<V>| Memory {
            lives: memory.lives.renamed(&name),
            ..memory.clone()
        };
        let mut acceptors = self.acceptors.clone();
        for (id, acceptor) in (0..).map(ReplicaId).zip(&self.acceptors) {
            acceptors[usize::from(name(id).0)] = Acceptor {
                memory: acceptor.memory.as_ref().map(memory),
                life: acceptor.life,
            };
        }
        let proposal = |proposal: &Proposal<V>| {
            let votes = proposal.votes.iter();
            let mut votes: Vec<_> = votes
                .map(|(by, lives)| (name(*by), lives.renamed(&name)))
                .collect();
            votes.sort_by_key(|(by, lives)| (*by, lives.of(*by)));
            Proposal {
                votes,
                ..proposal.clone()
            }
        };
        let instance = |instance: &Instance<V>| Instance {
            proposals: instance.proposals.iter().map(proposal).collect(),
            chosen: instance.chosen.clone(),
        };
        let promises = self.promises.iter();
        let answers = self.answers.iter();
        State {
            rules: self.rules,
            acceptors,
            prepared: self.prepared.clone(),
            promises: promises
                .map(|((ballot, by), promised)| ((*ballot, of(by)), memory(promised)))
                .collect(),
            first: self.first,
            instances: self.instances.iter().map(instance).collect(),
            announced: self.announced.iter().map(of).collect(),
            answers: answers
                .map(|((to, by), answer)| ((of(to), of(by)), memory(answer)))
                .collect(),
        }
    }
}
