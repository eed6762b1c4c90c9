//! Learners that help and answer wrongly.

use kvpaxos::{Effect, Envelope, Message, Outcome, Replica, Reply};

use super::{Said, Wrong};

/// Whoever has cut its log has nothing for one that lags behind the cut (known bug 20; openraft#1828).
#[derive(Default)]
pub struct Selfish;

impl Wrong for Selfish {
    fn leaves(&mut self, effect: Effect, _: &Replica, said: &mut Said) {
        let is_part = matches!(
            &effect,
            Effect::Send(Envelope {
                message: Message::SnapshotPart(_),
                ..
            })
        );
        if !is_part {
            said.effects.push(effect);
        }
    }
}

/// A client is told a place in the log where its write will not be.
#[derive(Default)]
pub struct Eager;

impl Wrong for Eager {
    fn leaves(&mut self, mut effect: Effect, _: &Replica, said: &mut Said) {
        if let Effect::Reply {
            reply:
                Reply {
                    outcome: Outcome::Done { revision },
                    ..
                },
            ..
        } = &mut effect
        {
            revision.index += 1;
        }
        said.effects.push(effect);
    }
}
