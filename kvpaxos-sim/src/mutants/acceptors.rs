//! Acceptors that promise, vote and remember wrongly.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::Promise;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Ballot, Effect, Event, Memory, Message, Record, Replica};

use super::{Said, Wrong};

/// Changes each message that waits for the disk.
fn change_waiting(effect: &mut Effect, change: impl FnMut(&mut Message)) {
    if let Effect::Persist { then, .. } = effect {
        then.iter_mut()
            .map(|envelope| &mut envelope.message)
            .for_each(change);
    }
}

/// What waits for the disk is sent at once (known bug 1; openraft ee460f37, tikv#994).
#[derive(Default)]
pub struct Hasty;

impl Wrong for Hasty {
    fn leaves(&mut self, effect: Effect, _: &Replica, said: &mut Said) {
        let Effect::Persist { role, records, then } = effect else {
            return said.effects.push(effect);
        };
        said.effects.extend(then.into_iter().map(Effect::Send));
        said.effects.push(Effect::Persist {
            role,
            records,
            then: Vec::new(),
        });
    }
}

/// An acceptor that lost its memory votes as if it had never had any (known bug 2; openraft's wiped node, TigerBeetle#2996).
#[derive(Default)]
pub struct Reborn;

impl Wrong for Reborn {
    fn lost(&mut self) -> Memory {
        Memory::Kept(Vec::new())
    }
}

/// Promises and votes do not tell whose earlier lives are over: a vote that was lost with its acceptor's memory is counted with others that
/// recovery knew nothing of (known bug 3; Michael et al., DISC 2017).
#[derive(Default)]
pub struct Unaware;

impl Wrong for Unaware {
    fn leaves(&mut self, mut effect: Effect, _: &Replica, said: &mut Said) {
        change_waiting(&mut effect, |message| {
            if let Message::Promise(Promise { vector, .. }) | Message::Accepted { vector, .. } = message {
                *vector = CrashVector::default();
            }
        });
        said.effects.push(effect);
    }
}

/// A promise leaves out what its replica knows to be chosen (known bug 5; paxi, HandleP1a).
#[derive(Default)]
pub struct PaxiPromise;

impl Wrong for PaxiPromise {
    fn leaves(&mut self, mut effect: Effect, replica: &Replica, said: &mut Said) {
        change_waiting(&mut effect, |message| {
            if let Message::Promise(Promise { entries, .. }) = message {
                entries.retain(|entry| replica.chosen(entry.slot).is_none());
            }
        });
        said.effects.push(effect);
    }
}

/// One variable holds the ballot that was promised and the one that a value was accepted in (known bug 7; EPaxos, arXiv 1906.10917):
/// what was accepted is reported as of the last promise before.
#[derive(Default)]
pub struct OneBallot {
    promised: Ballot,
}

impl Wrong for OneBallot {
    fn enters(&mut self, event: &mut Event, replica: &Replica, _: &mut Said) {
        if let Event::Peer {
            message: Message::Prepare { .. },
            ..
        } = event
            && let AcceptorStatus::Voting { promised } = replica.status().acceptor
        {
            self.promised = promised;
        }
    }

    fn leaves(&mut self, mut effect: Effect, _: &Replica, said: &mut Said) {
        let before = self.promised;
        change_waiting(&mut effect, |message| {
            if let Message::Promise(Promise { ballot, entries, .. }) = message
                && before < *ballot
            {
                entries.iter_mut().for_each(|entry| entry.ballot = before);
            }
        });
        said.effects.push(effect);
    }
}

/// An acceptor that forgets its promises at a restart, but not what it accepted.
#[derive(Default)]
pub struct Forgetful;

impl Wrong for Forgetful {
    fn kept(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        records.retain(|record| !matches!(record, Record::Promised { .. }));
        records
    }
}
