//! Why an acceptor that lost its memory comes back the way it does: for each rule of [`kvpaxos::recovery`] the schedule in which a
//! shortcut would let two values be chosen for one slot, up to the step that does not happen here.
//!
//! A, B, C, D and E are acceptors; x is proposed in ballot b1, and y in b2, which is higher. What they say to each other is in the
//! hands of the scene: a vote that is "on its way" may be counted at any later time. Most scenes are of three acceptors, where any
//! two are a quorum, and the one that lost its memory needs the answers of both others.

#[path = "recovery/answers.rs"]
mod answers;
#[path = "recovery/founded.rs"]
mod founded;
#[path = "recovery/replica.rs"]
mod replica;
#[path = "recovery/rules.rs"]
mod rules;
mod single;
#[path = "recovery/stage.rs"]
mod stage;
#[allow(dead_code, reason = "each test binary uses its part")]
mod support;
#[path = "recovery/whole.rs"]
mod whole;
