//! Proposers that count promises, votes and confirmations wrongly.

use std::collections::BTreeSet;

use kvpaxos::message::Promise;
use kvpaxos::status::ProposerStatus;
use kvpaxos::{Effect, Envelope, Event, Message, Replica, ReplicaId, Time};

use super::{Said, Wrong};

/// A promise for an old ballot counts in a new one (known bug 4; MyPaxos#18).
#[derive(Default)]
pub struct Indiscriminate;

impl Wrong for Indiscriminate {
    fn enters(&mut self, event: &mut Event, replica: &Replica, _: &mut Said) {
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

/// A value counts as chosen with one vote too few: one acceptor's counts for another's too (known bug 8; openraft d60f1e85, #1802).
#[derive(Default)]
pub struct OneVoteForTwo;

impl Wrong for OneVoteForTwo {
    fn enters(&mut self, event: &mut Event, replica: &Replica, said: &mut Said) {
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
            said.forged.push(Event::Peer {
                from,
                founding: None,
                message,
            });
        }
    }
}

/// A leader answers reads without asking whether it still leads (known bug 11; d-engine#381, etcd#20418): all confirm, whoever is asked.
#[derive(Default)]
pub struct Unconfirmed;

fn confirms(effect: &Effect) -> Option<Event> {
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

impl Wrong for Unconfirmed {
    fn leaves(&mut self, effect: Effect, _: &Replica, said: &mut Said) {
        said.forged.extend(confirms(&effect));
        said.effects.push(effect);
    }
}

/// A leader that was confirmed believes it for as long as others have patience, by its own clock (known bug 19; tikv#964, d-engine#390).
#[derive(Default)]
pub struct Lease {
    confirmed: BTreeSet<ReplicaId>,
    until: Time,
}

impl Wrong for Lease {
    fn enters(&mut self, event: &mut Event, replica: &Replica, said: &mut Said) {
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
                self.until = said.at.after(patience);
            }
        }
    }

    fn leaves(&mut self, effect: Effect, replica: &Replica, said: &mut Said) {
        let leads = matches!(replica.status().proposer, ProposerStatus::Leading { .. });
        if leads && said.at < self.until {
            said.forged.extend(confirms(&effect));
        }
        said.effects.push(effect);
    }
}
