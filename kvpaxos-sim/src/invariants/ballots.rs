//! Who uses which ballot (P3), and who promised it.

use std::collections::BTreeMap;
use std::ops::Range;

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::io::Deposition;
use kvpaxos::{Ballot, ReplicaId, Slot};

use super::coverage::Sometimes;
use super::votes::VoteSet;

/// One ballot that was used.
struct Use {
    replica: ReplicaId,
    /// Which life of the replica's proposer, as the world counts them.
    life: u64,
    /// The acceptors that sent a whole promise, and what each knew then.
    promises: VoteSet,
    /// The slots that it proposed for and has not called chosen.
    untold: Option<Range<Slot>>,
    /// The last round of confirmations that was asked for.
    round: u64,
}

/// See the module.
pub(super) struct Ballots {
    uses: BTreeMap<Ballot, Use>,
    lives: Vec<u64>,
    /// Ballots whose phase 1 is under way.
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

    /// The replica's proposer begins a new life; its ballots are over.
    pub(super) fn new_life(&mut self, replica: ReplicaId) {
        self.lives[usize::from(replica.0)] += 1;
        self.standing.retain(|ballot| ballot.replica != replica);
        self.leading.retain(|ballot| ballot.replica != replica);
    }

    /// Whether the replica leads, as far as it has told.
    pub(super) fn leads(&self, replica: ReplicaId) -> bool {
        self.leading.iter().any(|ballot| ballot.replica == replica)
    }

    /// A replica uses a ballot.
    pub(super) fn used(&mut self, by: ReplicaId, ballot: Ballot) -> Result<(), String> {
        let life = self.lives[usize::from(by.0)];
        let Use {
            replica, life: known, ..
        } = *self.uses.entry(ballot).or_insert(Use {
            replica: by,
            life,
            promises: VoteSet::default(),
            untold: None,
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

    /// An acceptor sent its whole promise.
    pub(super) fn promised(&mut self, by: ReplicaId, ballot: Ballot, vector: &CrashVector) {
        if let Some(used) = self.uses.get_mut(&ballot) {
            used.promises.add(by, vector);
        }
    }

    /// A ballot proposes something for a slot.
    pub(super) fn proposes(&mut self, ballot: Ballot, slot: Slot) {
        if let Some(used) = self.uses.get_mut(&ballot) {
            let untold = used.untold.get_or_insert(slot..slot);
            untold.start = untold.start.min(slot);
            untold.end = untold.end.max(slot.next());
        }
    }

    /// A ballot calls all below a slot chosen. Returns those slots, among the ones it proposed for, that it had not called so before.
    pub(super) fn tells(&mut self, ballot: Ballot, chosen: Slot) -> Range<Slot> {
        let untold = self.uses.get_mut(&ballot).and_then(|used| used.untold.as_mut());
        let Some(untold) = untold.filter(|untold| untold.start < chosen) else {
            return Slot::ZERO..Slot::ZERO;
        };
        let told = untold.start..untold.end.min(chosen);
        untold.start = told.end;
        told
    }

    /// A leader asks whether its ballot still stands.
    pub(super) fn asks(&mut self, ballot: Ballot, round: u64) {
        if let Some(used) = self.uses.get_mut(&ballot) {
            used.round = used.round.max(round);
        }
    }

    /// Whether the ballot leads and has asked again since this round.
    pub(super) fn has_asked_since(&self, ballot: Ballot, round: u64) -> bool {
        let asked = self.uses.get(&ballot).map_or(0, |used| used.round);
        round < asked && self.leading.contains(&ballot)
    }

    /// Phase 1 begins. Tells whether somebody else's is under way.
    pub(super) fn stands(&mut self, ballot: Ballot) -> bool {
        self.standing.retain(|other| other.replica != ballot.replica);
        self.standing.push(ballot);
        self.standing.len() > 1
    }

    /// Phase 1 is complete. Returns how many promises count together.
    pub(super) fn elected(&mut self, ballot: Ballot) -> usize {
        self.standing.retain(|other| *other != ballot);
        self.leading.retain(|other| other.replica != ballot.replica);
        self.leading.push(ballot);
        self.uses
            .get(&ballot)
            .map_or(0, |used| used.promises.largest_consistent())
    }

    /// A ballot is given up. Returns what is remarkable about it.
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
