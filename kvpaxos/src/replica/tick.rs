//! What happens at each tick.

use crate::io::{Deposition, Effect, Envelope, Reason};
use crate::message::{AcceptorHealth, Heartbeat, Message};
use crate::replica::free::FreeWork;
use crate::replica::{AcceptorRole, Replica, persist, send};
use crate::roles::learner::Portion;
use crate::roles::proposer::Proposer;
use crate::types::Role;

impl Replica {
    /// One tick, however late it is: after a pause, messages that have arrived meanwhile are handled before
    /// peers count as silent.
    pub(super) fn on_tick(&mut self, out: &mut Vec<Effect>) -> Result<(), Reason> {
        let timing = self.config.timing;
        self.next_tick = self.now.after(timing.tick);
        let leader_gone = self.peers.on_tick(timing.patience);
        self.until_heartbeat = self.until_heartbeat.saturating_sub(1);
        if leader_gone || self.until_heartbeat == 0 {
            self.send_heartbeats(out);
        }
        self.check_quorum(out);
        self.resend(out)?;
        self.on_tick_of_election(out);
        self.on_tick_of_hand_over(out);
        self.on_tick_of_clients(out);
        self.on_tick_of_learner(out);
        self.on_tick_of_recovery(out);
        self.on_tick_of_checkpoint(out);
        self.write_chosen(out);
        self.free_some(FreeWork::TICK);
        // The consequences of what began in this tick belong to this step: the election in a cluster of one,
        // for example.
        self.advance(Portion::OfAMessage, out)
    }

    pub(super) fn send_heartbeats(&mut self, out: &mut Vec<Effect>) {
        self.until_heartbeat = self.config.timing.heartbeat;
        let (nonce, beat) = self.peers.next_beat();
        let two_phase = self.two_phase();
        if let AcceptorRole::Voting(memory) = &self.acceptor {
            self.peers.hear(memory.acceptor.vector());
        }
        let leadership = self.proposer.as_ref().and_then(Proposer::leading);
        let heartbeat = Heartbeat {
            beat,
            nonce,
            echo: None,
            acceptor: self.acceptor_health(),
            highest: self.peers.highest(),
            leader: self.leader(),
            learned: self
                .learner
                .as_ref()
                .map_or_else(Default::default, |learner| learner.next()),
            chosen: leadership.map(|leadership| leadership.watermark(two_phase)),
            vector: self.peers.heard().clone(),
            state: self.state(),
            differs: None,
            met: self.met.clone(),
        };
        for to in self.others().iter() {
            let (echo, differs) = (self.peers.echo_for(to), self.agreement.differs(to));
            send(
                to,
                Message::Heartbeat(Box::new(Heartbeat {
                    echo,
                    differs,
                    ..heartbeat.clone()
                })),
                out,
            );
        }
        if two_phase.is_some() && leadership.is_none() {
            self.acknowledge(out);
        }
    }

    fn acceptor_health(&self) -> AcceptorHealth {
        match self.acceptor {
            AcceptorRole::Voting(_) => AcceptorHealth::Votes,
            // Whether it has its memory is known only when it restarts.
            AcceptorRole::Failed(_) if self.lost_in.is_none() => AcceptorHealth::Failed,
            _ => AcceptorHealth::Lost,
        }
    }

    /// A leader that is not connected to a phase-2 quorum of voting acceptors resigns, so that another may
    /// stand.
    fn check_quorum(&mut self, out: &mut Vec<Effect>) {
        let mut voters = self.voters();
        if self.is_voting() {
            voters.insert(self.config.id);
        }
        let leads = self
            .proposer
            .as_ref()
            .is_some_and(|proposer| proposer.leading().is_some());
        if leads && voters.len() < self.config.quorums.phase2 {
            self.resign(Deposition::QuorumLost, out);
        }
    }

    fn on_tick_of_election(&mut self, out: &mut Vec<Effect>) {
        let timing = self.config.timing;
        let (may_stand, state) = (self.may_stand(), self.state());
        let members = self.config.members;
        let Some(proposer) = &mut self.proposer else {
            return;
        };
        if let Some(candidacy) = proposer.preparing_mut() {
            let (ticks, idle) = candidacy.on_tick();
            if idle >= 2 * timing.patience {
                self.resign(Deposition::TimedOut, out);
            } else if ticks % timing.resend == 0 {
                let ballot = candidacy.ballot();
                let prepare = |to| {
                    let from = candidacy.next_for(to);
                    Envelope {
                        to,
                        message: Message::Prepare { ballot, from, state },
                    }
                };
                let then = members.iter().map(prepare).collect();
                // After the disk: the record of the ballot may not be durable yet (P3).
                out.push(Effect::Persist {
                    role: Role::Proposer,
                    records: Vec::new(),
                    then,
                });
            }
        } else if proposer.leading().is_none() && self.peers.leader().is_none() {
            proposer.wait = proposer.wait.saturating_sub(1);
            if proposer.wait == 0 && may_stand {
                self.stand(out);
            }
        }
    }

    fn on_tick_of_clients(&mut self, out: &mut Vec<Effect>) {
        let timing = self.config.timing;
        let leader = self.leader();
        let (expired, again) = self.pending.on_tick(leader, timing.deadline);
        for late in expired {
            self.give_up(late.client, late.id, late.handed, out);
        }
        if let Some(ballot) = leader {
            let again = self.answer_known(again, out);
            self.hand(ballot, again, out);
        }
        let (expired, again) = self.reads.on_tick(timing.resend, timing.deadline);
        for read in expired {
            // A read changes nothing, so it was certainly not done.
            self.give_up(read.client, read.id, false, out);
        }
        if let Some(number) = self.reads.question().filter(|_| again) {
            self.ask_leader(number, out);
        }
    }

    fn on_tick_of_learner(&mut self, out: &mut Vec<Effect>) {
        let timing = self.config.timing;
        let to_free = &mut self.to_free;
        if let Some(silent) = self
            .learner
            .as_mut()
            .and_then(|learner| learner.on_tick(&timing, to_free))
        {
            self.catch_up(Some(silent), out);
        }
        // If learners failed, perhaps only acceptors know values that this leader found chosen. A new phase 1
        // finds them. And no replica may answer more than what the leader has applied.
        let behind = match &self.learner {
            Some(learner) if !learner.has_backlog() => {
                self.without_learner = 0;
                learner.behind()
            }
            _ => {
                self.without_learner = self.without_learner.saturating_add(1);
                self.without_learner
            }
        };
        let blind = behind >= 2 * self.config.timing.patience;
        let leads = self
            .proposer
            .as_ref()
            .is_some_and(|proposer| proposer.leading().is_some());
        if blind && leads {
            self.resign(Deposition::Behind, out);
        }
    }

    /// Writes how far the log is known to be chosen: a hint, for which nothing waits.
    fn write_chosen(&mut self, out: &mut Vec<Effect>) {
        if let Some(record) = self.memory().and_then(|memory| memory.archive.take_unwritten()) {
            persist(vec![record], Vec::new(), out);
        }
    }
}
