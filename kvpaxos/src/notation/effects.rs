//! What a step comes to.

use std::fmt;

use super::list;
use crate::io::{Deposition, Effect, Envelope, Observation};
use crate::types::{ClientId, Role};

/// `-> r1: ...` for a message, `writes ...; then -> r1: ...` for records and what waits for them.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Send(envelope) => envelope.fmt(f),
            Effect::Persist { records, then, .. } => {
                if records.is_empty() {
                    f.write_str("writes nothing")?;
                } else {
                    f.write_str("writes ")?;
                    list(f, records, "; ")?;
                }
                for envelope in then {
                    write!(f, "; then {envelope}")?;
                }
                Ok(())
            }
            Effect::Reply { to, reply } => write!(f, "answers {to}: {reply}"),
            Effect::Observe(observation) => write!(f, "({observation})"),
            Effect::Halt(reason) => write!(f, "halts: {reason}"),
        }
    }
}

/// `-> r1: ...`
impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-> {}: {}", self.to, self.message)
    }
}

/// `c7`
impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// `proposer`, `acceptor`, `learner`
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Proposer => "proposer",
            Role::Acceptor => "acceptor",
            Role::Learner => "learner",
        })
    }
}

/// What happened, without its subject, which is the replica. Digests are left out.
impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Observation::Candidate { ballot } => write!(f, "stands with {ballot}"),
            Observation::Elected {
                ballot,
                carried_over,
                gaps,
            } => write!(
                f,
                "elected with {ballot}, {carried_over} carried over, {gaps} gaps"
            ),
            Observation::Deposed { ballot, why } => write!(f, "gives up {ballot}: {why}"),
            Observation::Chosen { ballot, slot } => write!(f, "chosen in {ballot}: {slot:?}"),
            Observation::Applied { slot, .. } => write!(f, "applied {slot:?}"),
            Observation::CaughtUp { from, slots } => write!(f, "caught up {slots} slots from {from:?}"),
            Observation::FoundedAnew {
                replica,
                known,
                claimed,
            } => write!(
                f,
                "refuses {replica}: it claims founding {claimed}, and {known} is known"
            ),
            Observation::StaysOut => f.write_str("the acceptor stays out of every vote"),
            Observation::Outlived { incarnation } => {
                write!(f, "is outlived: others know life {}", incarnation.0)
            }
            Observation::Recovering { incarnation } => write!(f, "recovers for life {}", incarnation.0),
            Observation::Recovered { incarnation } => {
                write!(f, "recovered: votes again, in life {}", incarnation.0)
            }
            Observation::Installed { slot, .. } => write!(f, "installed a snapshot at {slot:?}"),
            Observation::SnapshotTaken { slot, .. } => write!(f, "took a snapshot at {slot:?}"),
            Observation::Checkpointed { slot } => write!(f, "checkpoint at {slot:?} is durable"),
            Observation::Differs { with, slot, serves } => {
                let serves = if *serves { "serves" } else { "does not serve" };
                write!(f, "differs from [{with}] below {slot:?}, {serves}")
            }
            Observation::SessionsDropped { count } => write!(f, "{count} sessions dropped"),
        }
    }
}

impl fmt::Display for Deposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deposition::Higher { ballot } => write!(f, "{ballot} is higher"),
            Deposition::QuorumLost => f.write_str("no quorum is heard"),
            Deposition::TimedOut => f.write_str("no quorum in time"),
            Deposition::Failed => f.write_str("the proposer failed"),
            Deposition::Behind => f.write_str("it cannot learn what it led to be chosen"),
            Deposition::Overtaken => f.write_str("what it proposed is not what was chosen"),
        }
    }
}
