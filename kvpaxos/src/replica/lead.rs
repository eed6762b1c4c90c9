//! Standing for election, leading, resigning.

use crate::command::Command;
use crate::io::{Deposition, Effect, Envelope, Observation, Reason, Record};
use crate::message::Message;
use crate::replica::{Replica, answer, observe};
use crate::roles::leadership::Leadership;
use crate::roles::learner::Learner;
use crate::roles::proposer::{Phase, Proposer};
use crate::types::{Ballot, Role, Slot};

/// Phase 1 cannot find more gaps than this in a correct cluster: a leader proposes at most one window ahead
/// of what is chosen.
const MAX_GAPS: u64 = 1 << 20;

impl Replica {
    /// The leadership of exactly this ballot, if this replica leads with it.
    pub(super) fn leadership(&mut self, ballot: Ballot) -> Option<&mut Leadership> {
        self.proposer
            .as_mut()?
            .leading_mut()
            .filter(|leadership| leadership.ballot == ballot)
    }

    /// The number of ticks to wait before standing. The range doubles with each failed candidacy in a row, up
    /// to 16 times.
    pub(super) fn draw_wait(&mut self, failures: u32) -> u32 {
        let range = u64::from(self.config.timing.jitter) << failures.min(4);
        // More ticks than fit can be drawn only with a jitter of years.
        u32::try_from(self.random.below(range)).unwrap_or(u32::MAX)
    }

    /// Whether this replica may stand of its own accord: it could lead, and neither it nor a phase-1 quorum
    /// hears a leader.
    pub(super) fn may_stand(&self) -> bool {
        let differing = self.agreement.differing();
        let mut leaderless = self.peers.leaderless(&self.config.timing).without(differing);
        if self.is_voting() {
            leaderless.insert(self.config.id);
        }
        self.peers.leader().is_none() && self.may_lead() && leaderless.len() >= self.config.quorums.phase1
    }

    /// Whether this replica could lead: it is not to stop, it has a learner that has applied the log of earlier lives, and
    /// it is connected to enough voting acceptors for both phases.
    pub(super) fn may_lead(&self) -> bool {
        let mut voters = self.voters();
        if self.is_voting() {
            voters.insert(self.config.id);
        }
        let quorums = self.config.quorums;
        let learns = self
            .learner
            .as_ref()
            .is_some_and(|learner| !learner.has_backlog());
        !self.is_stopping() && learns && voters.len() >= quorums.phase1.max(quorums.phase2)
    }

    /// Phase 1a: stands with a new ballot, which is durable before any message names it (P3).
    pub(super) fn stand(&mut self, out: &mut Vec<Effect>) {
        let (highest, state) = (self.peers.highest(), self.state());
        let (Some(proposer), Some(learner)) = (&mut self.proposer, &self.learner) else {
            return;
        };
        let ballot = proposer.next_ballot(highest);
        self.proposed = self.proposed.max(ballot);
        let from = learner.next();
        proposer.phase = Phase::Preparing(Box::new(crate::roles::candidacy::Candidacy::new(ballot, from)));
        self.peers.note(ballot);
        observe(Observation::Candidate { ballot }, out);
        let prepare = |to| Envelope {
            to,
            message: Message::Prepare { ballot, from, state },
        };
        let then = self.config.members.iter().map(prepare).collect();
        out.push(Effect::Persist {
            role: Role::Proposer,
            records: vec![Record::Proposed { ballot }],
            then,
        });
    }

    /// A candidate leads once a quorum of promises reports everything that this replica does not know. A slot
    /// that an acceptor has cut from its log is not in its promise, and must not be taken for a gap.
    ///
    /// # Errors
    /// Those of [`become_leader`](Replica::become_leader).
    pub(super) fn lead_when_ready(&mut self, out: &mut Vec<Effect>) -> Result<(), Reason> {
        let quorum = self.config.quorums.phase1;
        let (Some(learner), Some(proposer)) = (&self.learner, &mut self.proposer) else {
            return Ok(());
        };
        let ready = proposer
            .preparing_mut()
            .is_some_and(|candidacy| candidacy.is_ready(quorum, learner.next()));
        if ready { self.become_leader(out) } else { Ok(()) }
    }

    /// Phase 1 is complete. The values that it found are proposed again, with no-ops in the gaps.
    ///
    /// # Errors
    /// If a promise reported a slot that no correct cluster reaches.
    fn become_leader(&mut self, out: &mut Vec<Effect>) -> Result<(), Reason> {
        let (Some(learner), Some(proposer)) = (&self.learner, &mut self.proposer) else {
            return Ok(());
        };
        let Phase::Preparing(candidacy) = std::mem::replace(&mut proposer.phase, Phase::Following) else {
            unreachable!("only a candidate becomes a leader");
        };
        let ballot = candidacy.ballot();
        // Slots that were learned since phase 1 began are chosen, and need no new proposal.
        let (start, carried) = candidacy.into_highest(learner.next());
        let last = carried.last_key_value().map_or(Slot::ZERO, |(slot, _)| *slot);
        let leadership = Leadership::new(ballot, start, carried);
        let (carried_over, gaps) = leadership.carried();
        if gaps > MAX_GAPS {
            return Err(Reason::Gap {
                slot: last,
                gap: gaps,
            });
        }
        proposer.phase = Phase::Leading(Box::new(leadership));
        proposer.failures = 0;
        self.peers.forget_leader();
        if let Some(learner) = &mut self.learner {
            learner.on_elected();
        }
        observe(
            Observation::Elected {
                ballot,
                carried_over,
                gaps,
            },
            out,
        );
        self.send_heartbeats(out);
        self.hand_all(ballot, out);
        if self.two_phase().is_some() {
            self.acknowledge(out);
        }
        Ok(())
    }

    /// Gives up the ballot that this replica stands or leads with, if it is below `ballot`.
    pub(super) fn resign_below(&mut self, ballot: Ballot, out: &mut Vec<Effect>) {
        if self
            .proposer
            .as_ref()
            .and_then(Proposer::ballot)
            .is_some_and(|own| own < ballot)
        {
            self.resign(Deposition::Higher { ballot }, out);
        }
    }

    /// Gives up the ballot that this replica stands or leads with. What waited in its queue is still among
    /// the pending requests of the replicas that it came from.
    pub(super) fn resign(&mut self, why: Deposition, out: &mut Vec<Effect>) {
        let Some(proposer) = &mut self.proposer else {
            return;
        };
        let Some(ballot) = proposer.ballot() else { return };
        let led = proposer.leading().is_some();
        proposer.phase = Phase::Following;
        if !led {
            proposer.failures += 1;
        }
        let failures = proposer.failures;
        let wait = self.draw_wait(failures);
        if let Some(proposer) = &mut self.proposer {
            proposer.wait = wait;
        }
        observe(Observation::Deposed { ballot, why }, out);
        if led {
            self.send_heartbeats(out);
        }
    }

    /// Proposes values while the window allows, and sends the Accepts. This replica's own acceptor and
    /// learner take them at once.
    ///
    /// # Errors
    /// Never for a value of this leader; the acceptor checks all proposals in the same way.
    pub(super) fn propose(&mut self, out: &mut Vec<Effect>) -> Result<(), Reason> {
        let (two_phase, others) = (self.two_phase(), self.others());
        while let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) {
            if let Some(learner) = &self.learner {
                if !leadership.agrees_with(learner.log()) {
                    self.resign(Deposition::Overtaken, out);
                    break;
                }
                leadership.on_learned(learner.next());
            }
            let machine = self.learner.as_ref().map(Learner::machine);
            let is_applied =
                |command: &Command| machine.is_some_and(|machine| machine.outcome_of(command).is_some());
            let Some((slot, value)) = leadership.propose_next(&self.config.limits, is_applied) else {
                break;
            };
            let ballot = leadership.ballot;
            let chosen = leadership.watermark(two_phase);
            leadership.tell(chosen);
            let state = self.state();
            self.broadcast(
                others,
                &Message::Accept {
                    ballot,
                    slot,
                    value: value.clone(),
                    chosen,
                    state,
                },
                out,
            );
            let own = self.config.id;
            if let Some(acceptor) = self.voting()
                && let Some(vote) = acceptor.on_accept(ballot, slot, &value)?
            {
                answer(own, vote, out);
            }
            if let Some(learner) = &mut self.learner {
                learner.on_accept(ballot, slot, &value)?;
            }
        }
        Ok(())
    }

    /// This leader's own learner learns what the leader has found chosen.
    pub(super) fn learn_own(&mut self, out: &mut Vec<Effect>) {
        let two_phase = self.two_phase();
        let Some(leadership) = self.proposer.as_ref().and_then(Proposer::leading) else {
            return;
        };
        let (ballot, watermark) = (leadership.ballot, leadership.watermark(two_phase));
        if self
            .learner
            .as_ref()
            .is_some_and(|learner| learner.next() < watermark.chosen)
        {
            self.on_watermark(ballot, watermark, out);
        }
    }

    /// Tells all replicas how far the log is chosen, if that is new and no Accept has carried it.
    pub(super) fn tell(&mut self, out: &mut Vec<Effect>) {
        let two_phase = self.two_phase();
        if let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) {
            let (ballot, chosen) = (leadership.ballot, leadership.watermark(two_phase));
            if leadership.tell(chosen) {
                let state = self.state();
                self.broadcast(
                    self.others(),
                    &Message::Chosen {
                        ballot,
                        chosen,
                        state,
                    },
                    out,
                );
            }
            self.settled = self.settled.max(chosen.settled);
        }
        self.release_withheld(out);
    }

    /// Begins a round of confirmations, if read index requests wait and may be answered.
    pub(super) fn confirm_reads(&mut self, out: &mut Vec<Effect>) {
        let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) else {
            return;
        };
        if !leadership.may_read() {
            return;
        }
        let (ballot, up_to) = (leadership.ballot, leadership.chosen());
        let Some(round) = leadership.confirmation.begin(up_to) else {
            return;
        };
        let state = self.state();
        self.broadcast(self.others(), &Message::Confirm { ballot, round, state }, out);
        self.confirm_own(ballot, round, out);
    }

    /// Asks this leader's own acceptor for a confirmation, like all others.
    fn confirm_own(&mut self, ballot: Ballot, round: u64, out: &mut Vec<Effect>) {
        let own = self.config.id;
        let Some(acceptor) = self.voting() else { return };
        if acceptor.confirms(ballot) {
            self.on_confirmed(own, ballot, round, out);
        } else {
            answer(own, acceptor.on_confirm(ballot, round), out);
        }
    }

    /// Sends the Accepts and Confirms again that have waited too long for an answer.
    pub(super) fn resend(&mut self, out: &mut Vec<Effect>) -> Result<(), Reason> {
        let (two_phase, members, own) = (self.two_phase(), self.config.members, self.config.id);
        let state = self.state();
        let patience = self.config.timing.resend;
        let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) else {
            return Ok(());
        };
        let (ballot, chosen) = (leadership.ballot, leadership.watermark(two_phase));
        let late = leadership.on_tick(patience);
        let round = leadership.confirmation.on_tick(patience);
        for crate::roles::leadership::Resend { slot, value, voted } in late {
            let mut to = members.without(voted);
            if to.remove(own)
                && let Some(acceptor) = self.voting()
                && let Some(vote) = acceptor.on_accept(ballot, slot, &value)?
            {
                answer(own, vote, out);
            }
            self.broadcast(
                to,
                &Message::Accept {
                    ballot,
                    slot,
                    value,
                    chosen,
                    state,
                },
                out,
            );
        }
        if let Some((round, confirmed)) = round {
            let mut to = members.without(confirmed);
            let unconfirmed = to.remove(own);
            self.broadcast(to, &Message::Confirm { ballot, round, state }, out);
            if unconfirmed {
                self.confirm_own(ballot, round, out);
            }
        }
        Ok(())
    }
}
