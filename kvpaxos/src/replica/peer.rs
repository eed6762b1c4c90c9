//! The messages of other replicas: what each of them leads to.

use crate::command::Value;
use crate::crash_vector::CrashVector;
use crate::io::{Deposition, Effect, Observation, Reason};
use crate::message::{Heartbeat, Message, Promise, Watermark};
use crate::replica::{Replica, answer, observe, send};
use crate::roles::candidacy::Progress;
use crate::roles::proposer::Proposer;
use crate::roles::read::ReadIndexRequest;
use crate::types::{Ballot, Founding, ReplicaId, Slot};

impl Replica {
    pub(super) fn on_peer(
        &mut self,
        from: ReplicaId,
        founding: Option<Founding>,
        message: Message,
        out: &mut Vec<Effect>,
    ) -> Result<(), Reason> {
        if !self.config.members.contains(from) || !speaks_for_itself(from, self.config.id, &message) {
            return Ok(());
        }
        if !self.hears(from, founding, out) {
            return Ok(());
        }
        self.on_state_sent(from, &message);
        let differs = self.agreement.differs(from).is_some();
        if differs && !matches!(message, Message::Heartbeat(_)) {
            return Ok(());
        }
        match message {
            Message::Prepare {
                ballot, from: slot, ..
            } => self.on_prepare(from, ballot, slot, out),
            Message::Promise(promise) => self.on_promise(from, promise, out),
            Message::Refused { ballot, promised } => self.on_refused(ballot, promised, out),
            Message::Accept {
                ballot,
                slot,
                value,
                chosen,
                ..
            } => {
                return self.on_accept(ballot, slot, &value, chosen, out);
            }
            Message::Accepted { ballot, slot, vector } => self.on_accepted(from, ballot, slot, &vector, out),
            Message::Chosen { ballot, chosen, .. } => {
                self.on_leader(ballot, out);
                self.on_watermark(ballot, chosen, out);
            }
            Message::Applied { ballot, up_to } => {
                if let Some(leadership) = self.leadership(ballot) {
                    leadership.on_applied(from, up_to);
                }
            }
            Message::Heartbeat(heartbeat) => return self.on_heartbeat(from, &heartbeat, out),
            Message::Forward { commands } => self.enqueue(commands),
            Message::ReadIndex { number } => {
                if let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) {
                    leadership.confirmation.ask(ReadIndexRequest { from, number });
                }
            }
            Message::ReadIndexed { number, up_to, .. } => {
                self.reads.on_indexed(number, up_to);
                // The slots below are chosen; this replica may not have learned them yet.
                if let Some(learner) = &mut self.learner {
                    learner.on_learned_elsewhere(up_to);
                }
            }
            Message::Confirm { ballot, round, .. } => self.on_confirm(ballot, round, out),
            Message::Confirmed { ballot, round } => self.on_confirmed(from, ballot, round, out),
            Message::Learn { from: slot } => self.on_learn(from, slot, out),
            Message::Learned { from: slot, values } => return self.on_learned(slot, &values, out),
            Message::Recall { nonce } => self.on_recall(from, nonce, out),
            Message::Recalled { nonce, heard } => self.on_recalled(from, nonce, heard, out),
            Message::Announce {
                nonce,
                incarnation,
                from: slot,
            } => self.on_announce(from, nonce, incarnation, slot, out),
            Message::Remembered(remembered) => return self.on_remembered(from, *remembered, out),
            Message::Fetch { slot, at } => self.on_fetch(from, slot, at, out),
            Message::SnapshotPart(part) => self.on_part(from, *part, out),
            Message::Saved { number, pieces } => self.on_saved(number, pieces, out),
            Message::Stand { ballot } => self.on_stand(ballot, out),
        }
        Ok(())
    }

    fn on_prepare(&mut self, from: ReplicaId, ballot: Ballot, slot: Slot, out: &mut Vec<Effect>) {
        let newest = ballot >= self.peers.highest();
        self.peers.note(ballot);
        let chunk_bytes = self.config.limits.chunk_bytes;
        if let Some(acceptor) = self.voting() {
            answer(from, acceptor.on_prepare(ballot, slot, chunk_bytes), out);
        }
        // With a lower ballot, this replica would only be refused from now on.
        self.resign_below(ballot, out);
        // Give the candidate time while it asks for promises: to stand as well would only start a duel. This comes last, because
        // who resigns draws a wait that may be shorter.
        let patience = self.config.timing.patience + self.config.timing.resend;
        let held_back = newest && from != self.config.id;
        if let Some(proposer) = self.proposer.as_mut().filter(|_| held_back) {
            proposer.wait = proposer.wait.max(patience);
        }
    }

    fn on_promise(&mut self, from: ReplicaId, promise: Promise, out: &mut Vec<Effect>) {
        let (ballot, cut, state) = (promise.ballot, promise.cut, self.state());
        let Some(candidacy) = self
            .proposer
            .as_mut()
            .and_then(|proposer| proposer.preparing_mut())
        else {
            return;
        };
        match candidacy.on_promise(from, promise) {
            Progress::Nothing => return,
            Progress::More(next) => {
                let question = Message::Prepare {
                    ballot,
                    from: next,
                    state,
                };
                send(from, question, out);
            }
            Progress::Complete => {}
        }
        // The slots that the acceptor has cut are chosen, and known to its replica.
        self.peers.note_learned(from, cut);
        if let Some(learner) = &mut self.learner {
            learner.on_learned_elsewhere(cut);
        }
    }

    fn on_refused(&mut self, ballot: Ballot, promised: Ballot, out: &mut Vec<Effect>) {
        self.peers.note(promised);
        let own = self.proposer.as_ref().and_then(|proposer| proposer.ballot());
        if own == Some(ballot) && promised > ballot {
            self.resign(Deposition::Higher { ballot: promised }, out);
        }
    }

    fn on_accept(
        &mut self,
        ballot: Ballot,
        slot: Slot,
        value: &Value,
        chosen: Watermark,
        out: &mut Vec<Effect>,
    ) -> Result<(), Reason> {
        self.on_leader(ballot, out);
        if let Some(acceptor) = self.voting()
            && let Some(vote) = acceptor.on_accept(ballot, slot, value)?
        {
            answer(ballot.replica, vote, out);
        }
        if let Some(learner) = &mut self.learner {
            learner.on_accept(ballot, slot, value)?;
        }
        self.on_watermark(ballot, chosen, out);
        Ok(())
    }

    fn on_accepted(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        slot: Slot,
        vector: &CrashVector,
        out: &mut Vec<Effect>,
    ) {
        let quorum = self.config.quorums.phase2;
        let Some(leadership) = self.leadership(ballot) else {
            return;
        };
        if leadership.on_accepted(from, slot, vector, quorum) {
            observe(Observation::Chosen { ballot, slot }, out);
        }
    }

    /// A message of the leader of `ballot` has arrived.
    fn on_leader(&mut self, ballot: Ballot, out: &mut Vec<Effect>) {
        self.resign_below(ballot, out);
        if self
            .proposer
            .as_ref()
            .and_then(Proposer::ballot)
            .is_some_and(|own| own > ballot)
        {
            // This replica leads or stands with a higher ballot: the other leader will be refused soon.
            return;
        }
        if self.peers.on_leader(ballot) {
            let wait = self.draw_wait(0);
            if let Some(proposer) = &mut self.proposer {
                proposer.wait = wait;
                proposer.failures = 0;
            }
            self.hand_all(ballot, out);
        }
    }

    fn on_heartbeat(
        &mut self,
        from: ReplicaId,
        heartbeat: &Heartbeat,
        out: &mut Vec<Effect>,
    ) -> Result<(), Reason> {
        // This comes before the sender counts as connected: see [`crate::founding`].
        self.on_foundings_heard(from, &heartbeat.met, out)?;
        if !self.peers.on_heartbeat(from, heartbeat) {
            return Ok(());
        }
        self.on_state_of(from, heartbeat);
        if self.agreement.differs(from).is_some() {
            return Ok(());
        }
        self.on_lives_heard(&heartbeat.vector, out);
        if let Some(learner) = &mut self.learner {
            learner.on_learned_elsewhere(heartbeat.learned);
        }
        let Some(ballot) = heartbeat.leader.filter(|ballot| ballot.replica == from) else {
            return Ok(());
        };
        // Tell the leader if this acceptor has promised a higher ballot; otherwise it would wait for votes
        // that never come.
        if let Some(refusal) = self.voting().and_then(|acceptor| acceptor.on_leader(ballot)) {
            answer(from, refusal, out);
        }
        self.on_leader(ballot, out);
        if let Some(watermark) = heartbeat.chosen {
            self.on_watermark(ballot, watermark, out);
        }
        Ok(())
    }

    fn on_confirm(&mut self, ballot: Ballot, round: u64, out: &mut Vec<Effect>) {
        self.on_leader(ballot, out);
        let Some(acceptor) = self.voting() else { return };
        if acceptor.confirms(ballot) {
            send(ballot.replica, Message::Confirmed { ballot, round }, out);
        } else {
            answer(ballot.replica, acceptor.on_confirm(ballot, round), out);
        }
    }

    pub(super) fn on_confirmed(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        round: u64,
        out: &mut Vec<Effect>,
    ) {
        let quorum = self.config.quorums.confirm(self.config.members.len());
        let Some(leadership) = self.leadership(ballot) else {
            return;
        };
        let Some(confirmed) = leadership.confirmation.on_confirmed(from, round, quorum) else {
            return;
        };
        for ReadIndexRequest { from, number } in confirmed.questions {
            if from == self.config.id {
                self.reads.on_indexed(number, confirmed.up_to);
            } else {
                send(
                    from,
                    Message::ReadIndexed {
                        number,
                        up_to: confirmed.up_to,
                        state: self.state_at(confirmed.up_to),
                    },
                    out,
                );
            }
        }
    }
}

/// Whether a message that only the owner of a ballot may send comes from that owner. Others are dropped.
fn speaks_for_itself(from: ReplicaId, me: ReplicaId, message: &Message) -> bool {
    match message {
        Message::Prepare { ballot, .. }
        | Message::Accept { ballot, .. }
        | Message::Chosen { ballot, .. }
        | Message::Confirm { ballot, .. }
        | Message::Stand { ballot } => ballot.replica == from,
        Message::Saved { .. } => from == me,
        _ => true,
    }
}
