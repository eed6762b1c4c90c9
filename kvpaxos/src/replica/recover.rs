//! How an acceptor that lost its memory recovers, and how it helps others to recover: see
//! [`crate::recovery`].

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
    /// The acceptor has lost its memory. The record of the loss is written each time, because an earlier one
    /// may have been lost with the role.
    pub(super) fn become_lost(&mut self, mark: Record, out: &mut Vec<Effect>) {
        self.lost_in = Some(self.incarnation);
        self.acceptor = self.without_memory();
        if mark == Record::DiskLost {
            self.founding = None;
        }
        persist(vec![mark], Vec::new(), out);
        // The records of foundings may have been lost with the log.
        self.met_written = KnownFoundings::default();
        self.write_met(out);
        if self.acceptor == AcceptorRole::Out {
            observe(Observation::StaysOut, out);
        }
    }

    /// A message has reported incarnations of acceptors. If it names a later incarnation of this replica's
    /// acceptor, the present one is over: its votes do not count together with votes of acceptors that know
    /// the later one, and its log is incomplete. For an acceptor that is about to return, it would be enough
    /// to find that out afterwards.
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
            AcceptorRole::Failed(_) | AcceptorRole::Out => {}
        }
    }

    /// The log of the acceptor is of an earlier incarnation than others know, so its memory is lost. The log
    /// may also lack ballots that the proposer used, so the proposer stops as well, as after the loss of the
    /// disk (P3).
    pub(super) fn become_outlived(&mut self, out: &mut Vec<Effect>) {
        let incarnation = self.incarnation;
        observe(Observation::Outlived { incarnation }, out);
        self.drop_acceptor();
        self.resign(Deposition::Failed, out);
        self.proposer = None;
        self.life = None;
        self.become_lost(Record::DiskLost, out);
    }

    /// The state of an acceptor that has lost its memory: it recovers, or stays out.
    pub(super) fn without_memory(&mut self) -> AcceptorRole {
        let members = self.config.members;
        let Some(needed) = answers_needed(self.config.quorums, members.len()) else {
            return AcceptorRole::Out;
        };
        let nonce = self.random.next_u64();
        let recovery = Recovery::new(self.config.id, members, needed, self.incarnation, nonce);
        AcceptorRole::Recovering(Box::new(recovery))
    }

    /// The replicas whose acceptors have no memory, as far as is known here.
    pub(super) fn lost(&self) -> ReplicaSet {
        let mut lost = self.peers.lost();
        if self.lost_in.is_some() {
            lost.insert(self.config.id);
        }
        lost
    }

    /// Set if too many acceptors have lost their memory: fewer have it than recovery needs or, if there is no
    /// recovery, than a quorum. Then chosen values may be lost. Returns the replicas without memory.
    pub(super) fn lost_for_good(&self) -> Option<ReplicaSet> {
        let (lost, replicas, quorums) = (self.lost(), self.config.members.len(), self.config.quorums);
        let needed = answers_needed(quorums, replicas).unwrap_or(quorums.phase1.max(quorums.phase2));
        (replicas - lost.len() < needed).then_some(lost)
    }

    pub(super) fn on_recall(&mut self, from: ReplicaId, nonce: u64, out: &mut Vec<Effect>) {
        let message = match &self.acceptor {
            AcceptorRole::Voting(memory) => memory.acceptor.on_recall(from, nonce),
            // An acceptor without memory does not know which incarnations it has heard of.
            AcceptorRole::Recovering(_) | AcceptorRole::Returning(_) | AcceptorRole::Out => {
                Message::Recalled { nonce, heard: None }
            }
            AcceptorRole::Failed(_) => return,
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
            let mut reply = acceptor.on_announce(from, nonce, incarnation, slot, chunk_bytes);
            if let Message::Remembered(remembered) = &mut reply.message {
                remembered.met = self.met.clone();
            }
            answer(from, reply, out);
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
        remembered: Remembered,
        out: &mut Vec<Effect>,
    ) -> Result<(), Reason> {
        // Before the answer counts. It may show that an earlier answer must not count: see `crate::founding`.
        self.on_foundings_heard(from, &remembered.met, out)?;
        if let AcceptorRole::Recovering(recovery) = &mut self.acceptor {
            self.peers.note(remembered.promised);
            let progress = recovery.on_remembered(from, remembered);
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
                    // If the memory is lost again from here on, it is lost in this incarnation: see
                    // `has_memory`.
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
                    // For progress only: the next incarnation that it announces is above this one in any
                    // case.
                    self.incarnation = self.incarnation.max(recovery.above());
                    recovery.again(nonce);
                    for (to, message) in recovery.questions() {
                        send(to, message, out);
                    }
                }
            }
            Progress::Recovered(acceptor) => {
                if let Some(learner) = &mut self.learner {
                    // An acceptor has cut its log there: the learner must get the slots below from others.
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

    /// Step (c) is durable: the acceptor votes again.
    pub(super) fn become_voting(&mut self, out: &mut Vec<Effect>) {
        let failed = AcceptorRole::Failed(Vec::new());
        let AcceptorRole::Returning(memory) = std::mem::replace(&mut self.acceptor, failed) else {
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

    /// The acceptor has its memory again, in this incarnation. The incarnation is new, so no ballot of it was
    /// ever used (P3).
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
                // After the disk: the record of the loss may not be durable yet (see `crate::recovery`).
                persist(Vec::new(), then, out);
            }
        }
    }
}
