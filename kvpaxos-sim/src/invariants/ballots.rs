//! Which replica uses which ballot (P3), and which acceptors promised it.

use std::collections::BTreeMap;
use std::ops::Range;

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::io::Deposition;
use kvpaxos::{Ballot, ReplicaId, Slot};

use super::coverage::Sometimes;
use super::votes::VoteSet;

/// One ballot that was used.
struct BallotUse {
    replica: ReplicaId,
    /// The life of the replica's proposer in which it was used. Lives are counted here, from outside.
    life: u64,
    /// The acceptors that sent a complete promise, with their crash vectors.
    promises: VoteSet,
    /// The slots for which it proposed a value and that it has not called chosen yet.
    unannounced: Option<Range<Slot>>,
    /// The last round of confirmations that the leader asked for.
    round: u64,
}

/// All ballots of a run.
pub(super) struct Ballots {
    uses: BTreeMap<Ballot, BallotUse>,
    lives: Vec<u64>,
    /// The ballots whose phase 1 is under way.
    standing: Vec<Ballot>,
    leading: Vec<Ballot>,
}

impl Ballots {
    pub(super) fn new(replicas: usize) -> Ballots {
        Ballots {
            uses: BTreeMap::new(),
            lives: vec![0; replicas],
            standing: Vec::new(),
            leading: Vec::new(),
        }
    }

    /// The replica's proposer begins a new life, which ends its ballots.
    pub(super) fn new_life(&mut self, replica: ReplicaId) {
        self.lives[usize::from(replica.0)] += 1;
        self.standing.retain(|ballot| ballot.replica != replica);
        self.leading.retain(|ballot| ballot.replica != replica);
    }

    /// Whether the replica has reported that it leads.
    pub(super) fn leads(&self, replica: ReplicaId) -> bool {
        self.leading.iter().any(|ballot| ballot.replica == replica)
    }

    /// A replica uses a ballot.
    ///
    /// # Errors
    /// If the ballot belongs to another replica or to another life of this one.
    pub(super) fn used(&mut self, by: ReplicaId, ballot: Ballot) -> Result<(), String> {
        let life = self.lives[usize::from(by.0)];
        let BallotUse {
            replica, life: known, ..
        } = *self.uses.entry(ballot).or_insert(BallotUse {
            replica: by,
            life,
            promises: VoteSet::default(),
            unannounced: None,
            round: 0,
        });
        if ballot.replica != by {
            return Err(format!("{by} uses ballot {ballot}, which is not its own"));
        }
        if (replica, known) != (by, life) {
            return Err(format!(
                "{by} uses ballot {ballot} in life {life} of its proposer, and used it in life {known}"
            ));
        }
        Ok(())
    }

    /// An acceptor sent the last part of its promise.
    pub(super) fn promised(&mut self, by: ReplicaId, ballot: Ballot, vector: &CrashVector) {
        if let Some(used) = self.uses.get_mut(&ballot) {
            used.promises.add(by, vector);
        }
    }

    /// A ballot proposes a value for a slot.
    pub(super) fn proposes(&mut self, ballot: Ballot, slot: Slot) {
        if let Some(used) = self.uses.get_mut(&ballot) {
            let unannounced = used.unannounced.get_or_insert(slot..slot);
            unannounced.start = unannounced.start.min(slot);
            unannounced.end = unannounced.end.max(slot.next());
        }
    }

    /// A ballot calls every slot below `chosen` chosen. Returns the slots among them for which it proposed a
    /// value and which it had not called chosen before.
    pub(super) fn announces(&mut self, ballot: Ballot, chosen: Slot) -> Range<Slot> {
        let unannounced = self
            .uses
            .get_mut(&ballot)
            .and_then(|used| used.unannounced.as_mut());
        let Some(unannounced) = unannounced.filter(|unannounced| unannounced.start < chosen) else {
            return Slot::ZERO..Slot::ZERO;
        };
        let announced = unannounced.start..unannounced.end.min(chosen);
        unannounced.start = announced.end;
        announced
    }

    /// A leader asks whether its ballot is still the highest.
    pub(super) fn asks(&mut self, ballot: Ballot, round: u64) {
        if let Some(used) = self.uses.get_mut(&ballot) {
            used.round = used.round.max(round);
        }
    }

    /// Whether the ballot leads and has begun another round of confirmations since this one.
    pub(super) fn has_asked_since(&self, ballot: Ballot, round: u64) -> bool {
        let asked = self.uses.get(&ballot).map_or(0, |used| used.round);
        round < asked && self.leading.contains(&ballot)
    }

    /// Phase 1 of a ballot begins. Returns whether another replica's phase 1 is under way.
    pub(super) fn stands(&mut self, ballot: Ballot) -> bool {
        self.standing.retain(|other| other.replica != ballot.replica);
        self.standing.push(ballot);
        self.standing.len() > 1
    }

    /// Phase 1 is complete. Returns how many promises are consistent with each other.
    pub(super) fn elected(&mut self, ballot: Ballot) -> usize {
        self.standing.retain(|other| *other != ballot);
        self.leading.retain(|other| other.replica != ballot.replica);
        self.leading.push(ballot);
        self.uses
            .get(&ballot)
            .map_or(0, |used| used.promises.largest_consistent())
    }

    /// A ballot is given up. Returns the situation that this is, if it is one that runs should reach.
    pub(super) fn deposed(&mut self, ballot: Ballot, why: Deposition) -> Option<Sometimes> {
        let stood = self.standing.contains(&ballot);
        self.standing.retain(|other| *other != ballot);
        self.leading.retain(|other| *other != ballot);
        match why {
            Deposition::Higher { .. } if stood => Some(Sometimes::ContestedElection),
            Deposition::QuorumLost if !stood => Some(Sometimes::QuorumLost),
            Deposition::TimedOut => Some(Sometimes::CandidacyTimedOut),
            _ => None,
        }
    }
}
