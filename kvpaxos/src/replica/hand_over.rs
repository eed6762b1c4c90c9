//! A replica that is to stop. It hands leadership over first, so that nobody has to find out by silence that it
//! is gone.
//!
//! ```text
//! driver        leader r0                  successor r1              r2 r3 r4
//!   | HandOver     |                            |                        |
//!   |------------->|  Stand b1                  |                        |
//!   |              |--------------------------->|  writes b2 down        |
//!   |              |  Prepare b2                |                        |
//!   |              |<---------------------------|----------------------->|
//!   |              |  Promise b2                |  Promise b2            |
//!   |              |--------------------------->|<-----------------------|
//!   |              |  from the Prepare on r0    |  leads with b2         |
//!   |              |  no longer leads           |                        |
//! ```
//!
//! This is the transfer of leadership of Ongaro's thesis, section 3.10. [`Message::Stand`] is a hint and nothing
//! else: the successor begins an ordinary phase 1 with a ballot of its own, and whatever it leads with, it leads
//! with because a phase-1 quorum promised. So a Stand that is lost, repeated, late or sent to several replicas,
//! even one that is made up, leads at worst to one more election. Nothing is taken over from the old leader, neither its ballot
//! nor what it says of its log; and it leads on, with its own ballot, until it hears of a higher one. Between the
//! Stand and the promises no request waits for the change.
//!
//! The successor does not wait until a quorum hears no leader, as other candidates do
//! ([`may_stand`](Replica::may_stand)): the leader itself has asked. All else that is asked of a candidate is asked of it.

use crate::command::Refusal;
use crate::export::export_fields;
use crate::io::Effect;
use crate::message::Message;
use crate::replica::{Replica, send};
use crate::roles::proposer::{Phase, Proposer};
use crate::types::{Ballot, ReplicaSet};

/// What a replica that is to stop remembers of its search for a successor.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct HandOver {
    /// Ticks until it asks another replica to stand, if it still leads then.
    wait: u32,
    /// The replicas that were asked. All are asked again once none is left.
    asked: ReplicaSet,
}

export_fields!(HandOver { wait, asked });

impl Replica {
    /// The driver is to stop this replica soon.
    pub(super) fn on_hand_over(&mut self, out: &mut Vec<Effect>) {
        if self.hand_over.is_none() {
            self.hand_over = Some(HandOver::default());
            self.ask_successor(out);
        }
    }

    /// Whether this replica is to stop. It never stands for election then; a candidacy that has begun goes on, because
    /// the others already wait for its end.
    pub(super) fn is_stopping(&self) -> bool {
        self.hand_over.is_some()
    }

    /// Why no request is taken in: another replica leads, or soon will, and what would be handed to it now would only
    /// delay the stop.
    pub(super) fn refusal_of_stop(&self) -> Option<Refusal> {
        (self.is_stopping() && !self.leads()).then_some(Refusal::Stopping)
    }

    pub(super) fn leads(&self) -> bool {
        let leading = self.proposer.as_ref().and_then(Proposer::leading);
        leading.is_some()
    }

    /// A leader that is to stop asks another successor if the last one has not stood in time: its proposer or
    /// its learner may have failed, or the message was lost.
    pub(super) fn on_tick_of_hand_over(&mut self, out: &mut Vec<Effect>) {
        if let Some(hand_over) = &mut self.hand_over {
            hand_over.wait = hand_over.wait.saturating_sub(1);
            if hand_over.wait == 0 {
                self.ask_successor(out);
            }
        }
    }

    fn ask_successor(&mut self, out: &mut Vec<Effect>) {
        let (timing, differing) = (self.config.timing, self.agreement.differing());
        let leading = self.proposer.as_ref().and_then(Proposer::leading);
        let (Some(leadership), Some(hand_over)) = (leading, &mut self.hand_over) else {
            return;
        };
        let successor = |asked: ReplicaSet| self.peers.successor(asked.union(differing), &timing);
        let Some(to) = successor(hand_over.asked).or_else(|| {
            hand_over.asked = ReplicaSet::EMPTY;
            successor(ReplicaSet::EMPTY)
        }) else {
            return;
        };
        assert_ne!(
            to, self.config.id,
            "a leader that is to stop does not succeed itself"
        );
        hand_over.asked.insert(to);
        hand_over.wait = timing.resend;
        let ballot = leadership.ballot;
        send(to, Message::Stand { ballot }, out);
    }

    /// The leader of `ballot` is to stop, and asks this replica to lead. Without effect if a higher ballot is known:
    /// then somebody has stood since, perhaps this replica.
    pub(super) fn on_stand(&mut self, ballot: Ballot, out: &mut Vec<Effect>) {
        let is_over = self.peers.highest() > ballot;
        self.peers.note(ballot);
        let proposer = self.proposer.as_ref();
        let follows = proposer.is_some_and(|proposer| matches!(proposer.phase, Phase::Following));
        if !is_over && follows && self.may_lead() {
            self.stand(out);
        }
    }
}
