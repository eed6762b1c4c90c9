//! The actions: each says when it is enabled, and what it changes.

use std::sync::Arc;

use kvpaxos::{Ballot, ReplicaId, Slot};

use super::condition::{Condition, Rules};
use super::lives::{Stamp, distinct, largest_consistent};
use super::state::{LifeOf, Memory, Proposal, State};

/// Whether the action is enabled. If it is not, the condition that does not hold; then nothing has changed.
pub type Enabled = Result<(), Condition>;

impl<V: Clone + Eq> State<V> {
    /// Phase 1a: a proposer asks every acceptor to promise a ballot (PMS 2.2, phase 1 (a)).
    pub fn prepare(&mut self, ballot: Ballot) {
        self.prepared.insert(ballot);
    }

    /// Phase 1b: an acceptor promises to vote in no lower ballot, and reports its last votes (PMS 2.2, phase 1
    /// (b)). Saying it again changes nothing.
    pub fn promise(&mut self, by: ReplicaId, ballot: Ballot) -> Enabled {
        let rules = self.rules;
        rules.require(Condition::Prepared, self.prepared.contains(&ballot))?;
        let memory = self.memory(by, Condition::PromiseFromMemory)?;
        rules.require(Condition::PromiseNotLower, ballot >= memory.promised)?;
        memory.promised = ballot;
        let memory = memory.clone();
        let life = memory.lives.of(by);
        self.promises.entry((ballot, (by, life))).or_insert(memory);
        Ok(())
    }

    /// Phase 2a: the proposer of a ballot asks every acceptor to vote for a value (PMS 2.2, P2c): either no
    /// acceptor of some quorum has voted for anything in a lower ballot, or the value is that of a proposal in
    /// a ballot in which, or above which, none of them has voted last.
    ///
    /// P2c takes the highest of these ballots. A higher one in which the value was proposed as well is as
    /// good, for the same reason. A proposal for a slot that is forgotten changes nothing: nobody votes for it.
    pub fn propose(&mut self, ballot: Ballot, slot: Slot, value: V) -> Enabled {
        let rules = self.rules;
        if slot < self.first() {
            return Ok(());
        }
        let proposals = self
            .instance(slot)
            .map_or(&[][..], |instance| &instance.proposals);
        let mut own = proposals.iter().filter(|proposal| proposal.ballot == ballot);
        let is_one = own.all(|proposal| proposal.value == value);
        rules.require(Condition::OneValue, is_one)?;
        if self.proposal(ballot, slot, &value).is_some() {
            return Ok(());
        }
        let lower = proposals
            .iter()
            .filter(|proposal| proposal.ballot < ballot && proposal.value == value);
        let proposed_in = lower.map(|proposal| proposal.ballot).max();
        let of_ballot = (ballot, LifeOf::default())..;
        let promises = self.promises.range(of_ballot);
        let promises = promises.take_while(|((promised, _), _)| *promised == ballot);
        let allows = |memory: &Memory<V>| {
            let reports = memory.cut <= slot || !rules.ask_for(Condition::ReportedSlot);
            reports && (memory.voted(slot) <= proposed_in || !rules.ask_for(Condition::HighestVote))
        };
        let allowing: Vec<Stamp<'_>> = promises
            .filter(|(_, memory)| allows(memory))
            .map(|((_, (by, _)), memory)| (*by, &memory.lives))
            .collect();
        let count = rules.counted(Condition::ConsistentPromises, &allowing);
        rules.require(Condition::PromiseQuorum, count >= rules.quorums.phase1)?;
        self.add_proposal(ballot, slot, value);
        Ok(())
    }

    fn add_proposal(&mut self, ballot: Ballot, slot: Slot, value: V) -> &mut Proposal<V> {
        let proposals = &mut self.instance_mut(slot).proposals;
        let place = proposals.partition_point(|other| other.ballot <= ballot);
        let votes = Vec::new();
        proposals.insert(place, Proposal { ballot, value, votes });
        &mut proposals[place]
    }

    /// Phase 2b: an acceptor votes (PMS 2.2, phase 2 (b)). The vote promises the ballot as well. Saying it again
    /// changes nothing.
    pub fn accept(&mut self, by: ReplicaId, ballot: Ballot, slot: Slot, value: &V) -> Enabled {
        let rules = self.rules;
        let is_proposed = self.proposal(ballot, slot, value).is_some();
        rules.require(Condition::Proposed, is_proposed)?;
        let memory = self.memory(by, Condition::VoteFromMemory)?;
        rules.require(Condition::VoteAtPromise, ballot >= memory.promised)?;
        rules.require(Condition::VoteAboveCut, slot >= memory.cut)?;
        memory.promised = ballot;
        Arc::make_mut(&mut memory.votes).insert(slot, (ballot, value.clone()));
        let lives = memory.lives.clone();
        if !is_proposed {
            self.add_proposal(ballot, slot, value.clone());
        }
        let instance = self.instance_mut(slot);
        let is_this = |proposal: &&mut Proposal<V>| proposal.ballot == ballot && proposal.value == *value;
        let Some(proposal) = instance.proposals.iter_mut().rev().find(is_this) else {
            unreachable!("it was proposed");
        };
        let stamp = |(other, lives): &(ReplicaId, super::Lives)| (*other, lives.of(*other));
        let this = (by, lives.of(by));
        if let Err(place) = proposal.votes.binary_search_by_key(&this, stamp) {
            proposal.votes.insert(place, (by, lives));
            if rules.learns(proposal).is_ok() && !instance.chosen.contains(value) {
                instance.chosen.push(value.clone());
            }
        }
        Ok(())
    }

    /// A learner takes a value for chosen: a quorum voted for it in one ballot (PMS 2.1). Nothing changes: that
    /// it is chosen was true when the last of these votes was cast.
    pub fn learn(&self, ballot: Ballot, slot: Slot) -> Enabled {
        let proposals = self
            .instance(slot)
            .map_or(&[][..], |instance| &instance.proposals);
        let mut of_ballot = proposals.iter().filter(|proposal| proposal.ballot == ballot);
        let learned = of_ballot.any(|proposal| self.rules.learns(proposal).is_ok());
        self.rules.require(Condition::VoteQuorum, learned)
    }

    /// An acceptor drops its votes below a slot, since all there is chosen (PMMC 4.2).
    pub fn cut(&mut self, by: ReplicaId, slot: Slot) -> Enabled {
        self.rules
            .require(Condition::CutChosen, self.all_chosen_below(slot))?;
        if let Some(memory) = &mut self.acceptors[usize::from(by.0)].memory
            && memory.cut < slot
        {
            memory.cut = slot;
            let votes = Arc::make_mut(&mut memory.votes);
            *votes = votes.split_off(&slot);
        }
        Ok(())
    }

    /// An acceptor loses its memory. It knows that it has.
    pub fn lose_memory(&mut self, acceptor: ReplicaId) {
        self.acceptors[usize::from(acceptor.0)].memory = None;
    }

    /// An acceptor without memory announces that it begins a life, and asks what others remember. How it finds
    /// a number that is new is not said here (Michael et al., section 4, ask for any that is).
    pub fn announce(&mut self, (id, life): LifeOf) -> Enabled {
        let acceptor = self.acceptor(id);
        self.rules
            .require(Condition::MemoryIsLost, acceptor.memory.is_none())?;
        self.rules.require(Condition::NewLife, life > acceptor.life)?;
        self.announced.insert((id, life));
        Ok(())
    }

    /// An acceptor hears of a life that another has announced, and tells it what it remembers. From now on
    /// its votes and promises do not count together with those of earlier lives of the other.
    pub fn answer(&mut self, by: ReplicaId, announced: LifeOf) -> Enabled {
        let rules = self.rules;
        let (asker, life) = announced;
        if by == asker {
            return Ok(());
        }
        rules.require(Condition::Announced, self.announced.contains(&announced))?;
        let memory = self.memory(by, Condition::AnswerFromMemory)?;
        if memory.lives.of(asker) > life {
            return Ok(());
        }
        if rules.ask_for(Condition::HeardBefore) {
            memory.lives.raise(asker, life);
        }
        let mut memory = memory.clone();
        memory.lives.raise(asker, life);
        let own = (by, memory.lives.of(by));
        self.answers.entry((announced, own)).or_insert(memory);
        Ok(())
    }

    /// An acceptor returns in the life that it announced, and remembers at least what a quorum of answers says
    /// (Michael et al., section 4).
    pub fn recover(&mut self, id: ReplicaId, memory: Memory<V>) -> Enabled {
        let rules = self.rules;
        let life = memory.lives.of(id);
        let acceptor = self.acceptor(id);
        rules.require(Condition::MemoryIsLost, acceptor.memory.is_none())?;
        rules.require(Condition::NewLife, life > acceptor.life)?;
        rules.require(Condition::Announced, self.announced.contains(&(id, life)))?;
        rules.require(Condition::CutChosen, self.all_chosen_below(memory.cut))?;
        let to_this = ((id, life), LifeOf::default())..;
        let answers = self.answers.range(to_this);
        let answers = answers.take_while(|((to, _), _)| *to == (id, life));
        let taken: Vec<Stamp<'_>> = answers
            .filter(|(_, answer)| rules.covers(&memory, answer))
            .map(|((_, (by, _)), answer)| (*by, &answer.lives))
            .collect();
        let count = rules.counted(Condition::ConsistentAnswers, &taken);
        rules.require(Condition::AnswerQuorum, count >= rules.answers)?;
        let acceptor = &mut self.acceptors[usize::from(id.0)];
        acceptor.memory = Some(memory);
        acceptor.life = life;
        Ok(())
    }

    /// The memory of an acceptor. Without the condition, one that lost it goes on as if it were new.
    fn memory(&mut self, id: ReplicaId, condition: Condition) -> Result<&mut Memory<V>, Condition> {
        let rules = self.rules;
        let acceptor = &mut self.acceptors[usize::from(id.0)];
        rules.require(condition, acceptor.memory.is_some())?;
        let life = acceptor.life;
        Ok(acceptor.memory.get_or_insert_with(|| Memory {
            lives: [(id, life)].into_iter().collect(),
            ..Memory::default()
        }))
    }
}

impl Rules {
    /// How many of these messages count together.
    fn counted(&self, consistency: Condition, messages: &[Stamp<'_>]) -> usize {
        if self.ask_for(consistency) {
            largest_consistent(messages)
        } else {
            distinct(messages)
        }
    }

    /// Whether a learner may take the proposal for chosen.
    fn learns<V>(&self, proposal: &Proposal<V>) -> Enabled {
        if proposal.votes.len() < self.quorums.phase2 {
            return self.require(Condition::VoteQuorum, false);
        }
        let votes: Vec<Stamp<'_>> = proposal.votes.iter().map(|(by, lives)| (*by, lives)).collect();
        let count = self.counted(Condition::ConsistentVotes, &votes);
        self.require(Condition::VoteQuorum, count >= self.quorums.phase2)
    }

    /// Whether an acceptor that recovers with this memory has taken the answer over.
    fn covers<V>(&self, memory: &Memory<V>, answer: &Memory<V>) -> bool {
        let votes = || {
            let mut reported = answer.votes.range(memory.cut..);
            reported.all(|(slot, (ballot, _))| memory.voted(*slot) >= Some(*ballot))
        };
        let covers = |condition, covered: bool| self.require(condition, covered).is_ok();
        covers(Condition::PromiseRecovered, memory.promised >= answer.promised)
            && covers(Condition::CutRecovered, memory.cut >= answer.cut)
            && covers(Condition::LivesRecovered, memory.lives.include(&answer.lives))
            && (!self.ask_for(Condition::VotesRecovered) || votes())
    }
}
