//! An acceptor that lost its memory comes back, and helps others to: see [`crate::recovery`].

use crate::crash_vector::CrashVector;
use crate::founding::KnownFoundings;
use crate::io::{Deposition, Effect, Envelope, Observation, Reason, Record};
use crate::memory::archive::Archive;
use crate::message::{Message, Remembered};
use crate::replica::{AcceptorMemory, AcceptorRole, Replica, answer, observe, persist, send};
use crate::roles::proposer::Proposer;
use crate::roles::recovery::{Progress, Recovery, answers_needed};
use crate::types::{Incarnation, Life, ReplicaId, ReplicaSet, Slot};

impl Replica {
    /// The acceptor has lost its memory. The mark of the loss is written again each time, as the last write of it may have been lost with
    /// the role.
    pub(super) fn become_lost(&mut self, mark: Record, out: &mut Vec<Effect>) {
        self.lost_in = Some(self.incarnation);
        self.acceptor = self.without_memory();
        if mark == Record::DiskLost {
            self.founding = None;
        }
        persist(vec![mark], Vec::new(), out);
        // They may have been lost with the log.
        self.met_written = KnownFoundings::default();
        self.write_met(out);
        if self.acceptor == AcceptorRole::Out {
            observe(Observation::StaysOut, out);
        }
    }

    /// Somebody has told which lives of acceptors have begun. If a later life of this replica's acceptor is among them, the present one is
    /// over: its votes do not count together with those of anybody who knows of the later one, and its log lacks what made that one begin.
    /// One that is about to return might as well find that out when it has.
    pub(super) fn on_lives_heard(&mut self, vector: &CrashVector, out: &mut Vec<Effect>) {
        self.peers.hear(vector);
        let heard = vector.get(self.config.id);
        self.incarnation = self.incarnation.max(heard);
        match &mut self.acceptor {
            AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory) => {
                if heard > memory.acceptor.vector().get(self.config.id) {
                    self.become_outlived(out);
                }
            }
            AcceptorRole::Recovering(recovery) => {
                let progress = recovery.on_heard(heard);
                self.on_recovery(progress, out);
            }
            AcceptorRole::Failed | AcceptorRole::Out => {}
        }
    }

    /// The acceptor has lost its memory: its log is of an earlier life than others know of. Nobody can tell what else the log lacks, and so
    /// the proposer stops too, as after the loss of the disk: ballots that it used may be missing (P3).
    pub(super) fn become_outlived(&mut self, out: &mut Vec<Effect>) {
        let incarnation = self.incarnation;
        observe(Observation::Outlived { incarnation }, out);
        self.drop_acceptor();
        self.resign(Deposition::Failed, out);
        self.proposer = None;
        self.life = None;
        self.become_lost(Record::DiskLost, out);
    }

    /// What becomes of an acceptor that lost its memory.
    pub(super) fn without_memory(&mut self) -> AcceptorRole {
        let members = self.config.members;
        let Some(needed) = answers_needed(self.config.quorums, members.len()) else {
            return AcceptorRole::Out;
        };
        let nonce = self.random.next_u64();
        let recovery = Recovery::new(self.config.id, members, needed, self.incarnation, nonce);
        AcceptorRole::Recovering(Box::new(recovery))
    }

    /// Whose acceptors are without memory, as far as is known here.
    pub(super) fn lost(&self) -> ReplicaSet {
        let mut lost = self.peers.lost();
        if self.lost_in.is_some() {
            lost.insert(self.config.id);
        }
        lost
    }

    /// Who has lost too much for the cluster to go on, if it is so: fewer acceptors have their memory than recovery needs, or than
    /// a quorum if there is no recovery. What was chosen may be known to nobody.
    pub(super) fn lost_for_good(&self) -> Option<ReplicaSet> {
        let (lost, replicas, quorums) = (self.lost(), self.config.members.len(), self.config.quorums);
        let needed = answers_needed(quorums, replicas).unwrap_or(quorums.phase1.max(quorums.phase2));
        (replicas - lost.len() < needed).then_some(lost)
    }

    pub(super) fn on_recall(&mut self, from: ReplicaId, nonce: u64, out: &mut Vec<Effect>) {
        let message = match &self.acceptor {
            AcceptorRole::Voting(memory) => memory.acceptor.on_recall(from, nonce),
            // One that does not know what it forgot vouches for nobody.
            AcceptorRole::Recovering(_) | AcceptorRole::Returning(_) | AcceptorRole::Out => {
                Message::Recalled { nonce, heard: None }
            }
            AcceptorRole::Failed => return,
        };
        send(from, message, out);
    }

    pub(super) fn on_announce(
        &mut self,
        from: ReplicaId,
        nonce: u64,
        incarnation: Incarnation,
        slot: Slot,
        out: &mut Vec<Effect>,
    ) {
        let chunk_bytes = self.config.limits.chunk_bytes;
        if let Some(acceptor) = self.voting() {
            let mut told = acceptor.on_announce(from, nonce, incarnation, slot, chunk_bytes);
            if let Message::Remembered(remembered) = &mut told.message {
                remembered.met = self.met.clone();
            }
            answer(from, told, out);
        }
    }

    pub(super) fn on_recalled(
        &mut self,
        from: ReplicaId,
        nonce: u64,
        heard: Option<Incarnation>,
        out: &mut Vec<Effect>,
    ) {
        if let AcceptorRole::Recovering(recovery) = &mut self.acceptor {
            let progress = recovery.on_recalled(from, nonce, heard);
            self.on_recovery(progress, out);
        }
    }

    pub(super) fn on_remembered(
        &mut self,
        from: ReplicaId,
        told: Remembered,
        out: &mut Vec<Effect>,
    ) -> Result<(), Reason> {
        // Before the answer counts, and if it shows that another one must not, so that none counts: see `crate::founding`.
        self.on_foundings_heard(from, &told.met, out)?;
        if let AcceptorRole::Recovering(recovery) = &mut self.acceptor {
            self.peers.note(told.promised);
            let progress = recovery.on_remembered(from, told);
            self.on_recovery(progress, out);
        }
        Ok(())
    }

    pub(super) fn on_recovery(&mut self, progress: Progress, out: &mut Vec<Effect>) {
        match progress {
            Progress::Nothing => {}
            Progress::Ask(questions) => {
                if let AcceptorRole::Recovering(recovery) = &self.acceptor
                    && let Some(incarnation) = recovery.incarnation()
                    && incarnation > self.incarnation
                {
                    // Lost again from here on, it is lost in this life: see `has_memory`.
                    self.incarnation = incarnation;
                    observe(Observation::Recovering { incarnation }, out);
                }
                for (to, message) in questions {
                    send(to, message, out);
                }
            }
            Progress::Again => {
                let nonce = self.random.next_u64();
                if let AcceptorRole::Recovering(recovery) = &mut self.acceptor {
                    // For progress: what it announces next is above it in any case.
                    self.incarnation = self.incarnation.max(recovery.above());
                    recovery.again(nonce);
                    for (to, message) in recovery.questions() {
                        send(to, message, out);
                    }
                }
            }
            Progress::Recovered(acceptor) => {
                if let Some(learner) = &mut self.learner {
                    // Somebody has cut the log there: what lies below is to be had from those that know it.
                    learner.on_learned_elsewhere(acceptor.cut());
                }
                self.acceptor = AcceptorRole::Returning(Box::new(AcceptorMemory {
                    acceptor,
                    archive: Archive::default(),
                    checkpoint: None,
                }));
            }
        }
    }

    /// (c) is durable: the acceptor votes again, and the mark of lost memory is void.
    pub(super) fn become_voting(&mut self, out: &mut Vec<Effect>) {
        let AcceptorRole::Returning(memory) = std::mem::replace(&mut self.acceptor, AcceptorRole::Failed)
        else {
            unreachable!("only an acceptor that returns begins to vote");
        };
        let incarnation = memory.acceptor.vector().get(self.config.id);
        assert!(
            incarnation > Incarnation::default(),
            "A4: an acceptor returns in an incarnation of its own"
        );
        self.peers.note(memory.acceptor.promised());
        self.acceptor = AcceptorRole::Voting(memory);
        self.on_memory_back(incarnation, out);
        self.remember_missed(out);
    }

    /// The acceptor has its memory again, in this incarnation. It is new, so that no ballot of it was ever used (P3).
    pub(super) fn on_memory_back(&mut self, incarnation: Incarnation, out: &mut Vec<Effect>) {
        self.incarnation = self.incarnation.max(incarnation);
        self.lost_in = None;
        observe(Observation::Recovered { incarnation }, out);
        if self.life.is_none() {
            let life = Life {
                incarnation,
                restarts: 0,
            };
            self.life = Some(life);
            let wait = self.draw_wait(0);
            self.proposer = Some(Proposer::new(self.config.id, life, wait));
        }
    }

    pub(super) fn on_tick_of_recovery(&mut self, out: &mut Vec<Effect>) {
        let patience = self.config.timing.resend;
        if let AcceptorRole::Recovering(recovery) = &mut self.acceptor {
            let questions = recovery.on_tick(patience).into_iter();
            let then: Vec<Envelope> = questions.map(|(to, message)| Envelope { to, message }).collect();
            if !then.is_empty() {
                // Behind the disk: the mark of the loss may not be durable yet (see `crate::recovery`).
                persist(Vec::new(), then, out);
            }
        }
    }
}
