//! Roles that fail and restart, one by one.

use std::collections::BTreeMap;

use crate::io::{Deposition, Effect, Memory, Observation, Record};
use crate::learner::Learner;
use crate::proposer::Proposer;
use crate::replica::{AcceptorRole, Replica, observe};
use crate::restore::Restored;
use crate::types::{Entropy, Role, Slot};

impl Replica {
    pub(super) fn on_fail(&mut self, role: Role, out: &mut Vec<Effect>) {
        match role {
            Role::Proposer => {
                self.resign(Deposition::Failed, out);
                self.proposer = None;
            }
            Role::Acceptor => self.acceptor = AcceptorRole::Failed,
            Role::Learner => self.learner = None,
        }
    }

    pub(super) fn on_restart(
        &mut self,
        role: Role,
        memory: &Memory,
        entropy: Entropy,
        out: &mut Vec<Effect>,
    ) {
        self.random.stir(entropy);
        let restored = match memory {
            Memory::Kept(records) => Some(Restored::new(records)),
            Memory::Lost => None,
        };
        match role {
            Role::Proposer if self.proposer.is_none() => self.restart_proposer(restored.as_ref()),
            Role::Acceptor if self.acceptor == AcceptorRole::Failed => {
                self.restart_acceptor(restored.as_ref(), out);
            }
            Role::Learner if self.learner.is_none() => self.restart_learner(restored.as_ref(), out),
            Role::Proposer | Role::Acceptor | Role::Learner => {}
        }
    }

    /// With its memory or without, it begins a new life, whose ballots are all new (P3): the count of lives is the
    /// replica's. Where not even that is known, because the disk was lost, it stays down.
    fn restart_proposer(&mut self, restored: Option<&Restored>) {
        if let Some(restored) = restored {
            self.peers.note(restored.promised.max(restored.proposed));
        }
        let Some(life) = &mut self.life else { return };
        life.restarts += 1;
        let life = *life;
        let wait = self.draw_wait(0);
        self.proposer = Some(Proposer::new(self.config.id, life, wait));
    }

    fn restart_acceptor(&mut self, restored: Option<&Restored>, out: &mut Vec<Effect>) {
        self.memory_lost |= restored.is_none_or(|restored| restored.memory_lost);
        self.acceptor = match restored {
            Some(restored) if !self.memory_lost => AcceptorRole::new(restored),
            _ => AcceptorRole::Out,
        };
        if self.memory_lost {
            // Written again each time, as the last write of it may have been lost with the role.
            let mark = if self.life.is_some() {
                Record::MemoryLost
            } else {
                Record::DiskLost
            };
            out.push(Effect::Persist {
                role: Role::Acceptor,
                records: vec![mark],
                then: Vec::new(),
            });
            observe(Observation::StaysOut, out);
        }
        // What the learner learned while the acceptor was down.
        if let (AcceptorRole::Voting(acceptor), Some(learner)) = (&self.acceptor, &self.learner) {
            let from = Slot(acceptor.chosen().len() as u64);
            let missed = learner.values_from(from, usize::MAX);
            self.remember(from, &missed, None, out);
        }
    }

    /// A learner is rebuilt from what its records tell, or else from the acceptor's memory, and learns the rest from others.
    ///
    /// A leader proposes only for slots above those its learner knew when it was elected. If the new learner knows less, the
    /// missing ones might be known to nobody; so it resigns, and phase 1 is run again from where a learner stands.
    fn restart_learner(&mut self, restored: Option<&Restored>, out: &mut Vec<Effect>) {
        let nothing = BTreeMap::new();
        let (chosen, accepted) = match (restored, &self.acceptor) {
            (Some(restored), _) => (&restored.chosen[..], &restored.accepted),
            (None, AcceptorRole::Voting(acceptor)) => (acceptor.chosen(), acceptor.accepted()),
            (None, AcceptorRole::Failed | AcceptorRole::Out) => (&[][..], &nothing),
        };
        let learner = Learner::new(self.config.limits, chosen, accepted);
        if self
            .proposer
            .as_ref()
            .and_then(Proposer::first_open)
            .is_some_and(|open| learner.next() < open)
        {
            self.resign(Deposition::Failed, out);
        }
        self.learner = Some(learner);
    }
}
