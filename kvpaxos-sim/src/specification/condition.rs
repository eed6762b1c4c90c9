//! The conditions under which actions are enabled, each with its source.

use std::fmt;

use kvpaxos::Quorums;
use kvpaxos::recovery::answers_needed;

/// A condition of an action.
///
/// The sources are: *PMS*, Lamport, *Paxos Made Simple* (2001); *FPaxos*, Howard et al., *Flexible Paxos*
/// (2016); *PMMC*, van Renesse and Altinbuken, *Paxos Made Moderately Complex* (2015); *Recovery*, Michael et
/// al., *Recovering Shared Objects Without Stable Storage* (2017).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Condition {
    /// Promise: the ballot was prepared. PMS 2.2, phase 1 (b).
    Prepared,
    /// Promise: the acceptor has its memory. Recovery 4.
    PromiseFromMemory,
    /// Promise: the ballot is not below an earlier promise. PMS 2.2, phase 1 (b).
    PromiseNotLower,
    /// Propose: the ballot proposes one value for a slot. PMS 2.2: different proposals have different numbers.
    OneValue,
    /// Propose: a phase-1 quorum has promised the ballot. PMS 2.2, P2c; FPaxos 3.
    PromiseQuorum,
    /// Propose: these promises are crash-consistent with each other. Recovery 4.
    ConsistentPromises,
    /// Propose: no vote that these promises report for the slot was cast in a later ballot than one that
    /// proposed the value; if they report none, any value will do. PMS 2.2, P2c.
    HighestVote,
    /// Propose: these promises report what was voted for in the slot; it is not below their cuts. PMMC 4.2.
    ReportedSlot,
    /// Accept: the value was proposed in the ballot. PMS 2.2, phase 2 (b).
    Proposed,
    /// Accept: the acceptor has its memory. Recovery 4.
    VoteFromMemory,
    /// Accept: the ballot is not below the acceptor's promise. PMS 2.2, P1a.
    VoteAtPromise,
    /// Accept: the slot is not below the acceptor's cut. PMMC 4.2.
    VoteAboveCut,
    /// Learn: a phase-2 quorum has voted for the value in one ballot. PMS 2.1; FPaxos 3.
    VoteQuorum,
    /// Learn: these votes are crash-consistent with each other. Recovery 4.
    ConsistentVotes,
    /// Cut, Recover: a value is chosen for every slot below the cut. PMMC 4.2.
    CutChosen,
    /// Announce, Recover: the acceptor has lost its memory.
    MemoryIsLost,
    /// Announce, Recover: the life is later than every life in which the acceptor voted. Recovery 4.
    NewLife,
    /// Answer, Recover: the life was announced.
    Announced,
    /// Answer: the acceptor has its memory. Recovery 4.
    AnswerFromMemory,
    /// Answer: the acceptor has written the announced life to its own memory first. Recovery 4.
    HeardBefore,
    /// Recover: so many acceptors have answered that each quorum has one of them. Recovery 4.
    AnswerQuorum,
    /// Recover: these answers are crash-consistent with each other. Recovery 4.
    ConsistentAnswers,
    /// Recover: the promise is not below any of theirs.
    PromiseRecovered,
    /// Recover: for each slot, the vote is not of a lower ballot than any of theirs.
    VotesRecovered,
    /// Recover: the cut is not below any of theirs.
    CutRecovered,
    /// Recover: every life that they have heard of is known.
    LivesRecovered,
}

impl Condition {
    /// All of them.
    pub const ALL: [Condition; 26] = [
        Condition::Prepared,
        Condition::PromiseFromMemory,
        Condition::PromiseNotLower,
        Condition::OneValue,
        Condition::PromiseQuorum,
        Condition::ConsistentPromises,
        Condition::HighestVote,
        Condition::ReportedSlot,
        Condition::Proposed,
        Condition::VoteFromMemory,
        Condition::VoteAtPromise,
        Condition::VoteAboveCut,
        Condition::VoteQuorum,
        Condition::ConsistentVotes,
        Condition::CutChosen,
        Condition::MemoryIsLost,
        Condition::NewLife,
        Condition::Announced,
        Condition::AnswerFromMemory,
        Condition::HeardBefore,
        Condition::AnswerQuorum,
        Condition::ConsistentAnswers,
        Condition::PromiseRecovered,
        Condition::VotesRecovered,
        Condition::CutRecovered,
        Condition::LivesRecovered,
    ];

    /// What it asks for, in a few words, as reports print it.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Condition::Prepared => "only a ballot that was prepared is promised",
            Condition::PromiseFromMemory => "an acceptor without memory promises nothing",
            Condition::PromiseNotLower => "no ballot below an earlier promise is promised",
            Condition::OneValue => "a ballot proposes one value for a slot",
            Condition::PromiseQuorum => {
                "a value is proposed only if a quorum of consistent promises allows it: none of them reports a vote of a later ballot than its own"
            }
            Condition::ConsistentPromises => "promises that count together are crash-consistent",
            Condition::HighestVote => "the value of the highest vote that is reported is proposed",
            Condition::ReportedSlot => "nothing is proposed for slots that promises do not report",
            Condition::Proposed => "only what was proposed is voted for",
            Condition::VoteFromMemory => "an acceptor without memory does not vote",
            Condition::VoteAtPromise => "no vote is cast below the promise",
            Condition::VoteAboveCut => "no vote is cast below the cut",
            Condition::VoteQuorum => {
                "a value is chosen if a quorum of consistent votes in one ballot is for it"
            }
            Condition::ConsistentVotes => "votes that count together are crash-consistent",
            Condition::CutChosen => "only slots with a chosen value are cut",
            Condition::MemoryIsLost => "only an acceptor that lost its memory begins a new life",
            Condition::NewLife => "two lives in which an acceptor votes never have the same number",
            Condition::Announced => "only a life that was announced is heard of, and begun",
            Condition::AnswerFromMemory => "an acceptor without memory answers no other's recovery",
            Condition::HeardBefore => "who answers has written down first which life it answers",
            Condition::AnswerQuorum => {
                "an acceptor recovers what a quorum of consistent answers says, and not less"
            }
            Condition::ConsistentAnswers => "answers that count together are crash-consistent",
            Condition::PromiseRecovered => "the highest promise of the answers is recovered",
            Condition::VotesRecovered => "the highest vote of the answers for each slot is recovered",
            Condition::CutRecovered => "the highest cut of the answers is recovered",
            Condition::LivesRecovered => "the lives of the answers are recovered",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}: {}", self.says())
    }
}

/// Quorum sizes, and the condition that is left out, to show what it is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    /// How many promises are a quorum, and how many votes.
    pub quorums: Quorums,
    /// How many answers an acceptor that recovers needs.
    pub answers: usize,
    /// A condition that is not asked for. The specification has none.
    pub without: Option<Condition>,
}

impl Rules {
    /// The specification for so many replicas. With quorums of which the core says that nobody can recover,
    /// an acceptor that recovers needs the answers of all, and so never does.
    #[must_use]
    pub fn new(replicas: usize, quorums: Quorums) -> Rules {
        Rules {
            quorums,
            answers: answers_needed(quorums, replicas).unwrap_or(replicas),
            without: None,
        }
    }

    /// Whether the condition is asked for.
    #[must_use]
    pub fn ask_for(&self, condition: Condition) -> bool {
        self.without != Some(condition)
    }

    /// The action is enabled only if this holds.
    pub(super) fn require(&self, condition: Condition, holds: bool) -> Result<(), Condition> {
        if holds || !self.ask_for(condition) {
            Ok(())
        } else {
            Err(condition)
        }
    }
}
