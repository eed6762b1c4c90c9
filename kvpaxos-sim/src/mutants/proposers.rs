//! Mutations of proposers: how they count promises, votes and confirmations. The numbers are those of the
//! table of the parent module.

use std::collections::BTreeSet;

use kvpaxos::message::Promise;
use kvpaxos::status::ProposerStatus;
use kvpaxos::{Effect, Envelope, Event, Message, Replica, ReplicaId, Time};

use crate::subject::{MutantStep, Mutation};

/// Bug 4: a promise for an old ballot counts in the present one.
#[derive(Default)]
pub(super) struct CarelessCandidate;

impl Mutation for CarelessCandidate {
    fn enters(&mut self, event: &mut Event, replica: &Replica, _: &mut MutantStep) {
        if let Event::Peer {
            message: Message::Promise(Promise { ballot, .. }),
            ..
        } = event
            && let ProposerStatus::Preparing { ballot: own } = replica.status().proposer
            && *ballot < own
        {
            *ballot = own;
        }
    }
}

/// Bug 8: a value counts as chosen with one vote too few, because every vote of another replica counts for a
/// third one as well.
#[derive(Default)]
pub(super) struct OneVoteForTwo;

impl Mutation for OneVoteForTwo {
    fn enters(&mut self, event: &mut Event, replica: &Replica, step: &mut MutantStep) {
        let Event::Peer {
            from,
            message: message @ Message::Accepted { .. },
            ..
        } = event
        else {
            return;
        };
        let (own, members) = (replica.config().id, replica.config().members);
        let another = members.iter().find(|id| *id != own && *id != *from);
        if let Some(from) = another.filter(|_| *from != own) {
            let message = message.clone();
            step.forged.push(Event::Peer {
                from,
                founding: None,
                message,
            });
        }
    }
}

/// Bug 11: a leader answers reads without asking whether it still leads. Every question counts as confirmed
/// as soon as it is sent.
#[derive(Default)]
pub(super) struct UnconfirmedRead;

/// The confirmation that would answer this effect, if it asks for one.
fn forged_confirmation(effect: &Effect) -> Option<Event> {
    let Effect::Send(Envelope {
        to,
        message: Message::Confirm { ballot, round, .. },
    }) = effect
    else {
        return None;
    };
    let (ballot, round) = (*ballot, *round);
    Some(Event::Peer {
        from: *to,
        founding: None,
        message: Message::Confirmed { ballot, round },
    })
}

impl Mutation for UnconfirmedRead {
    fn leaves(&mut self, effect: Effect, _: &Replica, step: &mut MutantStep) {
        step.forged.extend(forged_confirmation(&effect));
        step.effects.push(effect);
    }
}

/// Bug 19: once a quorum has confirmed a leader, it takes itself for the leader for as long as others wait
/// before they stand, by its own clock.
#[derive(Default)]
pub(super) struct ClockLease {
    confirmed: BTreeSet<ReplicaId>,
    until: Time,
}

impl Mutation for ClockLease {
    fn enters(&mut self, event: &mut Event, replica: &Replica, step: &mut MutantStep) {
        if let Event::Peer {
            from,
            message: Message::Confirmed { .. },
            ..
        } = event
        {
            self.confirmed.insert(*from);
            let config = replica.config();
            if self.confirmed.len() + 1 >= config.quorums.confirm(config.members.len()) {
                self.confirmed.clear();
                let timing = config.timing;
                let patience = kvpaxos::Micros(timing.tick.0 * u64::from(timing.patience));
                self.until = step.at.after(patience);
            }
        }
    }

    fn leaves(&mut self, effect: Effect, replica: &Replica, step: &mut MutantStep) {
        let leads = matches!(replica.status().proposer, ProposerStatus::Leading { .. });
        if leads && step.at < self.until {
            step.forged.extend(forged_confirmation(&effect));
        }
        step.effects.push(effect);
    }
}
