//! Mutations of learners: how they help others and answer clients. The numbers are those of the table of the
//! parent module.

use kvpaxos::{Effect, Envelope, Message, Outcome, Replica, Reply};

use crate::subject::{MutantStep, Mutation};

/// Bug 20: a replica that has cut its log sends no snapshot to one that lags behind the cut.
#[derive(Default)]
pub(super) struct UnhelpfulLearner;

impl Mutation for UnhelpfulLearner {
    fn leaves(&mut self, effect: Effect, _: &Replica, step: &mut MutantStep) {
        let is_part = matches!(
            &effect,
            Effect::Send(Envelope {
                message: Message::SnapshotPart(_),
                ..
            })
        );
        if !is_part {
            step.effects.push(effect);
        }
    }
}

/// A write is acknowledged at a place in the log that holds something else.
#[derive(Default)]
pub(super) struct MisplacedAnswer;

impl Mutation for MisplacedAnswer {
    fn leaves(&mut self, mut effect: Effect, _: &Replica, step: &mut MutantStep) {
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
        step.effects.push(effect);
    }
}
