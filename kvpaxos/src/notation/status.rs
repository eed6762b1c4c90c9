//! What a replica tells of itself when asked.

use std::fmt;

use crate::status::{AcceptorStatus, LearnerStatus, ProposerStatus, Status};
use crate::types::Ballot;

/// Proposer, acceptor and learner, then whatever is out of the ordinary. The digest is left out.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.id)?;
        match (self.proposer, self.leader) {
            (ProposerStatus::Following, Some(ballot)) => write!(f, "follows {ballot}")?,
            (proposer, _) => proposer.fmt(f)?,
        }
        write!(f, "; {}; {}", self.acceptor, self.learner)?;
        if self.pending > 0 {
            write!(f, "; {} pending", self.pending)?;
        }
        if !self.waiting_for.is_empty() {
            write!(f, "; waits for {}", self.waiting_for)?;
        }
        if !self.lost.is_empty() {
            write!(f, "; memory lost: {}", self.lost)?;
        }
        if !self.silent.is_empty() {
            write!(f, "; silent: {}", self.silent)?;
        }
        if !self.differing.is_empty() {
            let stops = if self.doubt.is_some() {
                ", and does not serve"
            } else {
                ""
            };
            write!(f, "; differs from {}{stops}", self.differing)?;
        }
        if self.stopping {
            f.write_str("; is to stop")?;
        }
        Ok(())
    }
}

impl fmt::Display for ProposerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProposerStatus::Failed => f.write_str("proposer failed"),
            ProposerStatus::Following => f.write_str("hears no leader"),
            ProposerStatus::Preparing { ballot } => write!(f, "stands with {ballot}"),
            ProposerStatus::Leading { ballot } => write!(f, "leads with {ballot}"),
        }
    }
}

impl fmt::Display for AcceptorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcceptorStatus::Failed => f.write_str("acceptor failed"),
            AcceptorStatus::Voting {
                promised: Ballot::ZERO,
            } => f.write_str("promised nothing"),
            AcceptorStatus::Voting { promised } => write!(f, "promised {promised}"),
            AcceptorStatus::Out => f.write_str("acceptor out"),
            AcceptorStatus::Recovering {
                incarnation: None,
                unanswered,
            } => write!(f, "recovers for a new life, lacks {{{unanswered}}}"),
            AcceptorStatus::Recovering {
                incarnation: Some(life),
                unanswered,
            } => write!(f, "recovers for life {}, lacks {{{unanswered}}}", life.0),
        }
    }
}

impl fmt::Display for LearnerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LearnerStatus::Failed => f.write_str("learner failed"),
            LearnerStatus::Learning {
                applied,
                keys,
                sessions,
                ..
            } => write!(f, "applied below {applied:?}, {keys} keys, {sessions} sessions"),
        }
    }
}
