//! Roles that fail and restart one by one.

use crate::io::{Deposition, Effect, Memory, Observation, Record};
use crate::memory::archive::Archive;
use crate::memory::restore::LogSummary;
use crate::replica::{AcceptorMemory, AcceptorRole, Replica, observe};
use crate::roles::acceptor::AcceptedValues;
use crate::roles::chosen_log::ChosenLog;
use crate::roles::learner::Learner;
use crate::roles::proposer::Proposer;
use crate::types::{Entropy, Role, Slot};

impl Replica {
    pub(super) fn on_fail(&mut self, role: Role, out: &mut Vec<Effect>) {
        match role {
            Role::Proposer => {
                self.resign(Deposition::Failed, out);
                self.proposer = None;
            }
            Role::Acceptor => self.drop_acceptor(),
            Role::Learner => {
                if let Some(learner) = self.learner.take() {
                    learner.discard(&mut self.to_free);
                }
            }
        }
    }

    /// The acceptor loses what it held in memory.
    pub(super) fn drop_acceptor(&mut self) {
        let failed = std::mem::replace(&mut self.acceptor, AcceptorRole::Failed);
        if let AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory) = failed {
            let AcceptorMemory {
                archive, checkpoint, ..
            } = *memory;
            let saved = checkpoint.and_then(|checkpoint| checkpoint.into_content().0);
            let snapshots = archive.snapshot.into_iter().chain(saved);
            snapshots.for_each(|snapshot| self.to_free.push(snapshot));
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
            Memory::Kept(records) => Some(LogSummary::new(records, &self.config.limits)),
            Memory::Lost => None,
        };
        match role {
            Role::Proposer if self.proposer.is_none() => self.restart_proposer(restored.as_ref()),
            Role::Acceptor if self.acceptor == AcceptorRole::Failed => {
                self.restart_acceptor(restored, out);
            }
            Role::Learner if self.learner.is_none() => self.restart_learner(restored, out),
            Role::Proposer | Role::Acceptor | Role::Learner => {}
        }
    }

    /// The proposer begins a new life, with or without its memory, and all ballots of that life are new (P3):
    /// the replica counts the lives. If the count is lost with the disk, the proposer stays down until the
    /// acceptor has recovered.
    fn restart_proposer(&mut self, restored: Option<&LogSummary>) {
        if let Some(restored) = restored {
            self.peers.note(restored.promised.max(restored.proposed));
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

    fn restart_acceptor(&mut self, restored: Option<LogSummary>, out: &mut Vec<Effect>) {
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

    /// A learner is rebuilt from the records of the log or, without them, from the acceptor's memory. It
    /// learns the rest from others.
    ///
    /// A leader proposes only for slots above those that its learner knew when it was elected. If the new
    /// learner knows fewer slots, perhaps no replica knows the missing ones. So the leader resigns, and phase
    /// 1 runs again from the position of a learner.
    fn restart_learner(&mut self, restored: Option<LogSummary>, out: &mut Vec<Effect>) {
        let limits = self.config.limits;
        let learner = match (restored, &self.acceptor) {
            (Some(mut restored), _) => {
                let incoming = restored.take_incoming();
                let LogSummary {
                    snapshot,
                    chosen,
                    accepted,
                    ..
                } = restored;
                let mut learner = Learner::new(limits, snapshot, &chosen, &accepted);
                learner.resume(incoming);
                learner
            }
            (None, AcceptorRole::Voting(memory)) => {
                let Archive { snapshot, chosen, .. } = &memory.archive;
                Learner::new(limits, snapshot.clone(), chosen, memory.acceptor.accepted())
            }
            (None, _) => Learner::new(limits, None, &ChosenLog::default(), &AcceptedValues::new()),
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
    /// (S4). It holds because an acceptor cuts its log at a snapshot, all learners take snapshots at the same
    /// slots, and a recovering acceptor waits until its learner has reached the cut.
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
