//! Why an acceptor that lost its memory recovers the way it does. For each rule of [`kvpaxos::recovery`]
//! there is a schedule in which a shortcut lets two values be chosen for one slot. The schedule marks its
//! wrong steps with *asterisks*. The scene plays it up to the step that the rule prevents.
//!
//! A, B, C, D and E are acceptors. x is proposed in ballot b1, and y in b2, which is higher. The scene
//! decides when a message arrives: a vote in flight may be counted at any later time. Most scenes have three
//! acceptors. Then any two are a quorum, and an acceptor that lost its memory needs the answers of both
//! others.

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
