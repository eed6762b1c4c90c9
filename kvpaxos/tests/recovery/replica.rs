//! One replica in a scene of recovery. The scene plays its peers.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::Remembered;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Ballot, Effect, Event, Incarnation, Input, Message, ReplicaId, Slot};

use crate::single::{SingleReplica, StepResult};
use crate::stage::{A, B, C, SLOT};

impl SingleReplica {
    /// Lets time pass until the replica sends a question of recovery to this peer, and returns the question.
    pub(crate) fn asks(&mut self, whom: ReplicaId) -> Message {
        for _ in 0..100 {
            let at = self.replica.deadline().expect("a running replica has a deadline");
            for effect in self.replica.step(Input {
                at,
                event: Event::Clock,
            }) {
                let leaving = match effect {
                    Effect::Persist { records, then, .. } => {
                        self.disk.extend(records);
                        then
                    }
                    Effect::Send(envelope) => vec![envelope],
                    _ => continue,
                };
                let is_question =
                    |message: &Message| matches!(message, Message::Recall { .. } | Message::Announce { .. });
                let mut asked = leaving.into_iter().filter(|envelope| envelope.to == whom);
                if let Some(question) = asked.find(|envelope| is_question(&envelope.message)) {
                    return question.message;
                }
            }
        }
        panic!("it asks no question of recovery: {:?}", self.replica.status());
    }

    /// Step (a): B and C answer that they have heard of incarnation 0 only. Returns the nonce and the
    /// incarnation that the replica then announces.
    pub(crate) fn is_recalled(&mut self) -> (u64, Incarnation) {
        let Message::Recall { nonce } = self.asks(B) else {
            panic!("the first question is not Recall")
        };
        let heard = Some(Incarnation::default());
        self.hears(B, Message::Recalled { nonce, heard });
        self.hears(C, Message::Recalled { nonce, heard });
        match self.asks(B) {
            Message::Announce {
                nonce, incarnation, ..
            } => (nonce, incarnation),
            other => panic!("two answers to (a) are not enough: {other:?}"),
        }
    }

    /// Steps (a) and (b): B and C report this promise, this cut, and no entries.
    pub(crate) fn is_told(&mut self, promised: Ballot, cut: Slot) -> StepResult {
        let (nonce, incarnation) = self.is_recalled();
        let told = Remembered {
            nonce,
            incarnation,
            vector: CrashVector::from_iter([(A, incarnation)]),
            promised,
            cut,
            from: SLOT,
            entries: Vec::new(),
            more: None,
            met: KnownFoundings::default(),
        };
        let both = Message::Remembered(Box::new(told));
        self.hears(B, both.clone());
        self.hears(C, both)
    }

    pub(crate) fn votes(&self) -> bool {
        matches!(self.replica.status().acceptor, AcceptorStatus::Voting { .. })
    }
}
