//! What a replica does in the scenes of recovery, whose peers the scene plays.

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::Remembered;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{Ballot, Effect, Event, Incarnation, Input, Message, ReplicaId, Slot};

use crate::single::{SingleReplica, StepResult};
use crate::stage::{A, B, C, SLOT};

impl SingleReplica {
    /// Time passes until it asks something of recovery; returns the question.
    pub(crate) fn asks(&mut self, whom: ReplicaId) -> Message {
        for _ in 0..100 {
            let at = self.replica.deadline().expect("it runs");
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
        panic!("it asks nothing: {:?}", self.replica.status());
    }

    /// (a): B and C have heard of no life but the first.
    pub(crate) fn is_recalled(&mut self) -> (u64, Incarnation) {
        let Message::Recall { nonce } = self.asks(B) else {
            panic!("it has asked already")
        };
        let heard = Some(Incarnation::default());
        self.hears(B, Message::Recalled { nonce, heard });
        self.hears(C, Message::Recalled { nonce, heard });
        match self.asks(B) {
            Message::Announce {
                nonce, incarnation, ..
            } => (nonce, incarnation),
            other => panic!("two are enough: {other:?}"),
        }
    }

    /// (a) and (b): B and C have promised this, cut that, and accepted nothing.
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
