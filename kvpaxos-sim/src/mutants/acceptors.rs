//! Mutations of acceptors: what they promise, vote for and remember. The numbers are those of the table of
//! the parent module.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::Promise;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Ballot, Effect, Event, Memory, Message, Record, Replica};

use crate::subject::{MutantStep, Mutation};

/// Changes each message that waits for records to be durable.
fn change_waiting(effect: &mut Effect, change: impl FnMut(&mut Message)) {
    if let Effect::Persist { then, .. } = effect {
        then.iter_mut()
            .map(|envelope| &mut envelope.message)
            .for_each(change);
    }
}

/// Bug 1: messages that must wait for the disk are sent at once.
#[derive(Default)]
pub(super) struct HastySender;

impl Mutation for HastySender {
    fn leaves(&mut self, effect: Effect, _: &Replica, step: &mut MutantStep) {
        let Effect::Persist { role, records, then } = effect else {
            return step.effects.push(effect);
        };
        step.effects.extend(then.into_iter().map(Effect::Send));
        step.effects.push(Effect::Persist {
            role,
            records,
            then: Vec::new(),
        });
    }
}

/// Bug 2: an acceptor that lost its memory is treated as a new one.
#[derive(Default)]
pub(super) struct AmnesiacVoter;

impl Mutation for AmnesiacVoter {
    fn on_memory_lost(&mut self) -> Memory {
        Memory::Kept(Vec::new())
    }
}

/// Bug 3: promises and votes carry no crash vector. A vote that its acceptor has forgotten is counted
/// together with votes that the recovery of that acceptor did not see.
#[derive(Default)]
pub(super) struct VectorlessVoter;

impl Mutation for VectorlessVoter {
    fn leaves(&mut self, mut effect: Effect, _: &Replica, step: &mut MutantStep) {
        change_waiting(&mut effect, |message| {
            if let Message::Promise(Promise { vector, .. }) | Message::Accepted { vector, .. } = message {
                *vector = CrashVector::default();
            }
        });
        step.effects.push(effect);
    }
}

/// Bug 5: a promise leaves out every slot that its replica knows to be chosen.
#[derive(Default)]
pub(super) struct PartialPromise;

impl Mutation for PartialPromise {
    fn leaves(&mut self, mut effect: Effect, replica: &Replica, step: &mut MutantStep) {
        change_waiting(&mut effect, |message| {
            if let Message::Promise(Promise { entries, .. }) = message {
                entries.retain(|entry| replica.chosen(entry.slot).is_none());
            }
        });
        step.effects.push(effect);
    }
}

/// Bug 7: one variable holds both the promised ballot and the ballot of an accepted value. A promise reports
/// its entries with the ballot that was promised last, instead of the ballots in which they were accepted.
#[derive(Default)]
pub(super) struct OneBallot {
    promised: Ballot,
}

impl Mutation for OneBallot {
    fn enters(&mut self, event: &mut Event, replica: &Replica, _: &mut MutantStep) {
        if let Event::Peer {
            message: Message::Prepare { .. },
            ..
        } = event
            && let AcceptorStatus::Voting { promised } = replica.status().acceptor
        {
            self.promised = promised;
        }
    }

    fn leaves(&mut self, mut effect: Effect, _: &Replica, step: &mut MutantStep) {
        let before = self.promised;
        change_waiting(&mut effect, |message| {
            if let Message::Promise(Promise { ballot, entries, .. }) = message
                && before < *ballot
            {
                entries.iter_mut().for_each(|entry| entry.ballot = before);
            }
        });
        step.effects.push(effect);
    }
}

/// An acceptor forgets its promises at a restart, but not what it accepted.
#[derive(Default)]
pub(super) struct ForgetfulAcceptor;

impl Mutation for ForgetfulAcceptor {
    fn read_back(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        records.retain(|record| !matches!(record, Record::Promised { .. }));
        records
    }
}
