//! Roles that fail and restart one by one.

use crate::io::{Deposition, Effect, Memory, Observation, Record};
use crate::memory::archive::Archive;
use crate::memory::restore::{LogSummary, highest_ballot, received_parts};
use crate::replica::{AcceptorMemory, AcceptorRole, Replica, observe};
use crate::roles::learner::Learner;
use crate::roles::proposer::Proposer;
use crate::state::snapshot::Snapshot;
use crate::types::{Entropy, Role, Slot};

impl Replica {
    pub(super) fn on_fail(&mut self, role: Role, out: &mut Vec<Effect>) {
        match role {
            Role::Proposer => {
                self.resign(Deposition::Failed, out);
                self.proposer = None;
            }
            Role::Acceptor => {
                let snapshots = self.take_acceptor_down();
                self.acceptor = AcceptorRole::Failed(snapshots);
            }
            Role::Learner => {
                if let Some(learner) = self.learner.take() {
                    learner.discard(&mut self.to_free);
                }
            }
        }
    }

    /// The acceptor loses what it held in memory.
    pub(super) fn drop_acceptor(&mut self) {
        let snapshots = self.take_acceptor_down();
        snapshots
            .into_iter()
            .for_each(|snapshot| self.to_free.push(snapshot));
    }

    /// The acceptor loses what it held in memory. Returns the snapshots among that.
    fn take_acceptor_down(&mut self) -> Vec<Snapshot> {
        match std::mem::replace(&mut self.acceptor, AcceptorRole::Failed(Vec::new())) {
            AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory) => memory.into_snapshots(),
            AcceptorRole::Failed(snapshots) => snapshots,
            AcceptorRole::Recovering(_) | AcceptorRole::Out => Vec::new(),
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
        match role {
            Role::Proposer if self.proposer.is_none() => self.restart_proposer(memory),
            Role::Acceptor if matches!(self.acceptor, AcceptorRole::Failed(_)) => {
                self.restart_acceptor(memory, out);
            }
            Role::Learner if self.learner.is_none() => self.restart_learner(memory, out),
            Role::Proposer | Role::Acceptor | Role::Learner => {}
        }
    }

    /// The sum of the log, for a role that restarts. A snapshot that the replica still has is not built anew: building the
    /// state of a million keys takes longer than a client should wait.
    fn sum_of(&self, memory: &Memory) -> Option<LogSummary> {
        let held = match &self.acceptor {
            AcceptorRole::Failed(snapshots) => snapshots.as_slice(),
            _ => &[],
        };
        match memory {
            Memory::Kept(records) => Some(LogSummary::new(records, &self.config.limits, held)),
            Memory::Lost => None,
        }
    }

    /// The proposer begins a new life, with or without its memory, and all ballots of that life are new (P3):
    /// the replica counts the lives. If the count is lost with the disk, the proposer stays down until the
    /// acceptor has recovered.
    fn restart_proposer(&mut self, memory: &Memory) {
        if let Memory::Kept(records) = memory {
            self.peers.note(highest_ballot(records));
        }
        let Some(life) = &mut self.life else { return };
        life.restarts += 1;
        let life = *life;
        let wait = self.draw_wait(0);
        self.proposer = Some(Proposer::new(self.config.id, life, wait));
    }

    /// Whether the acceptor can continue from this log. If it lost its memory, the record of the loss may not
    /// be on the disk, because it was lost with the role. Then the log must show an incarnation that began
    /// after the loss, that is, a recovery. (If the record is there, no such incarnation is.)
    fn has_memory(&self, restored: &LogSummary) -> bool {
        let since = restored.incarnation(self.config.id);
        !restored.memory_lost && self.lost_in.is_none_or(|lost_in| since > lost_in)
    }

    fn restart_acceptor(&mut self, memory: &Memory, out: &mut Vec<Effect>) {
        let restored = self.sum_of(memory);
        // The log may name none of the snapshots that were kept.
        self.drop_acceptor();
        if let Some(restored) = &restored {
            let incarnation = restored.incarnation(self.config.id);
            self.incarnation = self.incarnation.max(incarnation);
            // Foundings that were being written when the role failed may not be on the disk.
            self.met_written = restored.met.clone();
            self.met.merge(&restored.met);
        }
        match restored.filter(|restored| self.has_memory(restored)) {
            // Others have reported a later incarnation while the acceptor was down.
            Some(restored) if restored.incarnation(self.config.id) < self.incarnation => {
                self.become_outlived(out);
            }
            Some(restored) => {
                let incarnation = restored.incarnation(self.config.id);
                self.peers.note(restored.promised);
                self.acceptor = AcceptorRole::Voting(Box::new(AcceptorMemory::new(self.config.id, restored)));
                if self.lost_in.is_some() {
                    self.on_memory_back(incarnation, out);
                }
                self.write_met(out);
                self.remember_missed(out);
                self.learn_what_is_kept(out);
            }
            None => {
                let mark = if self.life.is_some() {
                    Record::MemoryLost
                } else {
                    Record::DiskLost
                };
                self.become_lost(mark, out);
            }
        }
    }

    /// A learner is rebuilt from the memory of its acceptor, which has all that is in the log; if the acceptor does not
    /// vote, from the records of the log. It learns the rest from others.
    ///
    /// A leader proposes only for slots above those that its learner knew when it was elected. If the new
    /// learner knows fewer slots, perhaps no replica knows the missing ones. So the leader resigns, and phase
    /// 1 runs again from the position of a learner.
    fn restart_learner(&mut self, memory: &Memory, out: &mut Vec<Effect>) {
        let limits = self.config.limits;
        let learner = if let AcceptorRole::Voting(acceptor) = &self.acceptor {
            let mut learner = acceptor.learner(limits);
            if let Memory::Kept(records) = memory {
                learner.resume(received_parts(records, &limits, learner.next()));
            }
            learner
        } else {
            let mut restored = self.sum_of(memory).unwrap_or_default();
            let incoming = restored.take_incoming();
            let mut learner = Learner::new(limits, restored.snapshot, &restored.chosen, &restored.accepted);
            learner.resume(incoming);
            learner
        };
        self.learner = Some(learner);
        self.learn_what_is_kept(out);
        let next = self.learner.as_ref().map_or(Slot::ZERO, Learner::next);
        if self
            .proposer
            .as_ref()
            .and_then(Proposer::first_open)
            .is_some_and(|open| next < open)
        {
            self.resign(Deposition::Failed, out);
        }
    }

    /// The learner of a replica knows every slot that its voting acceptor has cut. A candidate relies on
    /// this: among the replicas that are connected to it, one knows the slots that a promise does not report
    /// (S4). It holds because an acceptor cuts its log at a snapshot that its archive has, and a learner begins
    /// with the archive. A recovering acceptor takes over the cut of others: it votes once a checkpoint with all
    /// slots up to there is durable, and what a durable checkpoint holds is in the archive.
    pub(super) fn check_that_the_cut_is_known(&self) {
        if let (AcceptorRole::Voting(memory), Some(learner)) = (&self.acceptor, &self.learner) {
            let (next, cut) = (learner.next(), memory.acceptor.cut());
            assert!(
                next >= cut,
                "S4: the log is cut at {cut:?}, and {next:?} is not known"
            );
        }
    }

    /// The learner continues from the acceptor's archive if that has more. A checkpoint may become durable
    /// after the learner that took its snapshot has failed, and the other replicas that know these slots may
    /// be down for good.
    pub(super) fn learn_what_is_kept(&mut self, out: &mut Vec<Effect>) {
        let (AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory)) = &self.acceptor else {
            return;
        };
        let Some(learner) = &mut self.learner else { return };
        let Archive { snapshot, chosen, .. } = &memory.archive;
        let newer = snapshot
            .as_ref()
            .filter(|snapshot| snapshot.slot() > learner.next());
        let installed = newer.map(|snapshot| (snapshot.slot(), snapshot.digest()));
        if let Some(snapshot) = newer {
            learner.install(snapshot.clone(), &mut self.to_free);
        }
        learner.go_on_with(chosen);
        if let Some((slot, digest)) = installed {
            observe(Observation::Installed { slot, digest }, out);
            self.on_installed(out);
        }
    }
}

#[cfg(test)]
mod tests;
