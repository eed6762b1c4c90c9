//! How an acceptor that lost its memory comes back: by crash vectors (Michael, Ports, Sharma and Szekeres, *Recovering Shared Objects
//! Without Stable Storage*, DISC 2017, section 4; the wording and the sizes are this project's own, and were checked by exhaustive
//! search: see `kvpaxos-sim model`).
//!
//! # The problem
//!
//! "A new acceptor could then be restarted after another delay which should resume the functions of the previous acceptor, even though
//! it clearly won't have the same state." Done naively this breaks Paxos: an acceptor that forgot its promise to ballot 2 accepts in
//! ballot 1, and two values are chosen for one slot. Asking the others what they remember is not enough either: what the lost memory
//! held may have counted in a quorum of which the others' parts come into being only *after* they were asked. A vote of the earlier life
//! is still on its way, and is counted together with votes that the recovered acceptor knows nothing of.
//!
//! # The way back
//!
//! Life number k of an acceptor is its *incarnation*; every acceptor keeps, durably, the highest incarnation that it has heard of for each
//! (its [`CrashVector`]), and puts the vector on every promise and vote. With n acceptors, quorums q1 and q2, and
//! r = max(⌊n/2⌋ + 1, n - min(q1, q2) + 1), see [`answers_needed`]:
//!
//! ```text
//!  a   lost its memory                                    b  c  d    others that have theirs
//!  |   (a) Recall, with a fresh nonce                     |  |  |
//!  |----------------------------------------------------->|->|->|
//!  |                      Recalled: what I heard of you   |  |  |
//!  |<-----------------------------------------------------|<-|<-|   r answers: the incarnation is one above the highest
//!  |   (b) Announce the incarnation                       |  |  |
//!  |----------------------------------------------------->|->|->|   each writes it into its vector, durably, and only then
//!  |        Remembered: vector, promise, cut, entries     |  |  |
//!  |<-----------------------------------------------------|<-|<-|   r answers that are crash-consistent with each other
//!  |   (c) promise: the highest; per slot: the entry of the highest ballot; vectors: merged.  Durable, and then a votes again
//! ```
//!
//! # Why it is safe
//!
//! *Votes counted together know of each other's lives.* A set of votes counts only if it is crash-consistent: for votes x and y in it,
//! y's vector knows no later incarnation of x's sender than x was cast in ([`ConsistentSet`]).
//!
//! Suppose `a` cast a vote v in incarnation k, lost its memory, and returned with incarnation k' > k. Let Q be a set of votes with v in it
//! that is counted at any time, before or after, and let R be the r acceptors whose answers `a` took in (c). Besides `a` there are n - 1
//! acceptors; at least min(q1, q2) - 1 of them voted in Q, and r of them are in R. As r + min(q1, q2) - 1 > n - 1, some b is both. b answered
//! `a` only after k' was in its vector. If b cast its vote in Q after that, the vote's vector says k' > k for `a`, and Q with v in it is
//! not consistent: a contradiction. So b cast it before, and what b remembered when it answered includes it: the promise, or the accepted
//! value, is in what `a` takes over. `a` therefore remembers everything that its lost vote can ever be counted together with: for every
//! conclusion that is ever drawn, it is as good as an acceptor that did not forget.
//!
//! *But b may itself have lost that vote*, and have answered `a` in a later life of its own. If b returned before it answered, b's
//! recovery restored what its own lost votes may be counted with, by the same argument; unless b recovered from what *others* answered
//! before they in turn voted, with vectors that did not know of `a`'s death. This circle is what (c)'s condition cuts: the answers must be
//! crash-consistent with each other, so that none was given by a life that another answer already knows to be over. And an
//! acceptor that is recovering answers nobody, or two could vouch for each other's emptiness.
//!
//! *Two lives never share an incarnation.* (a) asks r > n/2 acceptors, as (b) did in every earlier life that came to vote; the two sets
//! have one in common that had written the earlier incarnation down before that life voted, and answers with it or a higher one. It
//! may have lost its memory since: then it merged the vectors of r that had not. The nonce is fresh, so that no answer given to an earlier
//! life counts.
//!
//! *Enough are left.* At most n - r may be without memory at a time: then r others have theirs. Where more have lost it, nobody can tell
//! what was chosen; the recovering acceptors wait, and the replicas refuse to serve and say so, until an operator decides.
//!
//! *A loss is never undone.* The first question leaves when the mark of the loss is durable in the acceptor's own log. Before that nobody
//! has heard of the loss: if the mark itself is lost in a crash, the log that is read back holds all that was ever revealed, and the
//! acceptor goes on in the life that it had. The counterexample to asking at once, with three acceptors:
//!
//! 1. c's role loses its memory; the mark is on its way to a slow disk. c asks and announces life 1, and a and b write it down.
//! 2. Power fails at c before the mark is durable: c starts with its old log, whole, and votes as life 0.
//! 3. a fails for good. b and c are a quorum, and b's votes outdate c's: nothing is chosen any more.
//!
//! *A life that is over ends.* An acceptor may meet a later life of itself than it knows of: its disk went back to an older state, or an
//! attempt to return was announced to some, was forgotten in a crash, and a later attempt returned without having heard of it. Its votes
//! would never count together with those of whoever knows. So heartbeats carry which lives have been heard of, and the acceptor that
//! hears of a later one of itself has lost its memory.
//!
//! # What breaks it
//!
//! Each of these shortcuts lets two values be chosen for one slot. The scenes of `tests/recovery.rs` play them step by step, and the
//! model checker finds them in copies of this code that take the shortcut (`kvpaxos-sim/mutants`).
//!
//! | shortcut | what goes wrong |
//! | --- | --- |
//! | no vectors in votes | a lost vote on its way is counted together with one that was cast after the recovery |
//! | the vector is written after the answer | a voter votes in between, with a vector that does not know of the new life |
//! | answers not consistent with each other | two that recover in turn each take over from a life of the other that is gone |
//! | no fresh nonce | an answer to an earlier life is taken for news: two lives share an incarnation, and the first one's votes count for the second |
//! | questions leave before the mark is durable | a crash brings the old life back, and nobody counts its votes |
//! | answers from recovering acceptors | two that know nothing vouch for each other |
//! | ballots of the first life used again | one ballot proposes two values (P3) |
//!
//! Each condition was also broken by one, and on one side only (`kvpaxos-sim/mutants/rules`). Where nothing comes of that but lost time, it is
//! said beside the condition.

use std::collections::BTreeMap;

use crate::command::Value;
use crate::config::Quorums;
use crate::crash_vector::{Addition, ConsistentSet, CrashVector};
use crate::message::{Accepted, Message, Remembered};
use crate::roles::acceptor::Acceptor;
use crate::types::{Ballot, Incarnation, ReplicaId, ReplicaSet, Slot};

/// How many acceptors that have their memory must answer one that lost it: r = max(⌊n/2⌋ + 1, n - min(q1, q2) + 1), counted over all n
/// replicas, whether they are up or not. `None` if there are not so many others: then an acceptor that lost its memory must stay out for
/// ever, as in the two-phase setting, where q1 = 1.
///
/// The majority is there so that two lives never share an incarnation. ⌈n/2⌉ may do for that, one fewer where n is even: of the n - 1 others any
/// two sets of so many have one in common, and with four acceptors and two losses the model checker finds nothing. It is not relied upon.
#[must_use]
pub fn answers_needed(quorums: Quorums, replicas: usize) -> Option<usize> {
    let meets_every_quorum = replicas - quorums.phase1.min(quorums.phase2) + 1;
    let needed = meets_every_quorum.max(replicas / 2 + 1);
    (needed < replicas).then_some(needed)
}

/// An acceptor on its way back. It neither votes nor tells anybody what it remembers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Recovery {
    id: ReplicaId,
    others: ReplicaSet,
    /// See [`answers_needed`].
    needed: usize,
    /// The incarnation must be above this one, as far as is known here.
    above: Incarnation,
    nonce: u64,
    phase: Phase,
    /// Ticks since it last asked.
    age: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// (a): what others have heard of it, in answers to this nonce.
    Recalling(BTreeMap<ReplicaId, Incarnation>),
    /// (b) and (c).
    Announcing(Box<Announcing>),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Announcing {
    incarnation: Incarnation,
    /// How much each has told.
    told: BTreeMap<ReplicaId, ChunkProgress>,
    /// Whose answers are complete and consistent with each other.
    complete: ConsistentSet,
    // What all answers together say. Answers that do not count any more stay in it: all of it was once true, and a promise that is
    // higher, an entry of a higher ballot that was proposed for the slot, and a vector that knows more are always safe to take over.
    promised: Ballot,
    vector: CrashVector,
    cut: Slot,
    entries: BTreeMap<Slot, (Ballot, Value)>,
}

/// How much of an answer has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ChunkProgress {
    /// The life of the sender that it comes from: chunks of two lives are no answer.
    incarnation: Incarnation,
    /// All that it accepted below.
    below: Slot,
}

/// What an answer led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing new: stale, repeated, or of a shape that no honest acceptor sends.
    Nothing,
    /// These are to be sent.
    Ask(Vec<(ReplicaId, Message)>),
    /// Others know of a later life than the announced one: it must begin again, with a fresh nonce.
    Again,
    /// It has all it needs. What it is from now on must be durable before it votes, or answers anybody; and it must know what was
    /// chosen for every slot below [`Acceptor::cut`].
    Recovered(Acceptor),
}

impl Recovery {
    /// Begins. `above` is the highest incarnation that this replica knows it has had; the nonce must be fresh.
    #[must_use]
    pub fn new(
        id: ReplicaId,
        members: ReplicaSet,
        needed: usize,
        above: Incarnation,
        nonce: u64,
    ) -> Recovery {
        let mut others = members;
        others.remove(id);
        Recovery {
            id,
            others,
            needed,
            above,
            nonce,
            phase: Phase::Recalling(BTreeMap::new()),
            age: 0,
        }
    }

    /// Begins again, with a fresh nonce, which tells the attempts apart. Agreement does not need that: what was answered under the old one was
    /// answered after the loss, too.
    pub fn again(&mut self, nonce: u64) {
        self.nonce = nonce;
        self.phase = Phase::Recalling(BTreeMap::new());
    }

    /// The incarnation that it has announced, if it has.
    #[must_use]
    pub fn incarnation(&self) -> Option<Incarnation> {
        match &self.phase {
            Phase::Recalling(_) => None,
            Phase::Announcing(announcing) => Some(announcing.incarnation),
        }
    }

    /// The highest incarnation that it knows it has had.
    #[must_use]
    pub fn above(&self) -> Incarnation {
        self.above
    }

    /// Whose answers are still missing.
    #[must_use]
    pub fn unanswered(&self) -> ReplicaSet {
        let answered = |id: &ReplicaId| match &self.phase {
            Phase::Recalling(heard) => heard.contains_key(id),
            Phase::Announcing(announcing) => announcing.complete.contains(*id),
        };
        self.others.iter().filter(|id| !answered(id)).collect()
    }

    /// What is to be sent to those whose answers are missing.
    #[must_use]
    pub fn questions(&self) -> Vec<(ReplicaId, Message)> {
        let ask = |id| (id, self.question_for(id));
        self.unanswered().iter().map(ask).collect()
    }

    fn question_for(&self, id: ReplicaId) -> Message {
        let nonce = self.nonce;
        match &self.phase {
            Phase::Recalling(_) => Message::Recall { nonce },
            Phase::Announcing(announcing) => Message::Announce {
                nonce,
                incarnation: announcing.incarnation,
                from: announcing.told.get(&id).map_or(Slot::ZERO, |told| told.below),
            },
        }
    }

    /// A tick has passed; returns what must be sent again.
    pub fn on_tick(&mut self, patience: u32) -> Vec<(ReplicaId, Message)> {
        self.age = self.age.saturating_add(1);
        if self.age < patience {
            return Vec::new();
        }
        self.age = 0;
        self.questions()
    }

    /// (a) Another tells which life of this acceptor it has heard of. One that is recovering itself cannot tell.
    pub fn on_recalled(&mut self, from: ReplicaId, nonce: u64, heard: Option<Incarnation>) -> Progress {
        let (true, Phase::Recalling(answers)) =
            (nonce == self.nonce && self.others.contains(from), &mut self.phase)
        else {
            return Progress::Nothing;
        };
        match heard {
            Some(incarnation) => answers.insert(from, incarnation),
            // It has lost its memory since it answered. What it answered is as true as before: this is for tidiness.
            None => answers.remove(&from),
        };
        // One fewer would do here, though not in (c): of n - 1 others, any r - 1 have one in common with the r that an earlier life was
        // announced to, as 2r > n. With two fewer, and five acceptors, two lives share an incarnation.
        if answers.len() < self.needed {
            return Progress::Nothing;
        }
        let highest = answers.values().max().copied().unwrap_or_default();
        let incarnation = Incarnation(highest.max(self.above).0 + 1);
        self.phase = Phase::Announcing(Box::new(Announcing {
            incarnation,
            told: BTreeMap::new(),
            complete: ConsistentSet::default(),
            promised: Ballot::ZERO,
            // Every answer that is taken says the same of this acceptor.
            vector: CrashVector::from_iter([(self.id, incarnation)]),
            cut: Slot::ZERO,
            entries: BTreeMap::new(),
        }));
        self.age = 0;
        Progress::Ask(self.questions())
    }

    /// Somebody has told, outside of an answer, of this life of it. To begin again is for progress alone: if it returned in a lower life, it
    /// would hear of the later one then.
    pub fn on_heard(&mut self, incarnation: Incarnation) -> Progress {
        self.above = self.above.max(incarnation);
        match self.incarnation() {
            Some(announced) if announced < incarnation => Progress::Again,
            _ => Progress::Nothing,
        }
    }

    /// (b), (c) Another tells what it remembers, or a chunk of it.
    ///
    /// The nonce, the incarnation and the sender's vector say the same: that this is an answer to the present announcement. One of them would
    /// be enough. Without any, what was told to an earlier life would count.
    pub fn on_remembered(&mut self, from: ReplicaId, answer: Remembered) -> Progress {
        let (true, Phase::Announcing(announcing)) = (
            answer.nonce == self.nonce && self.others.contains(from),
            &mut self.phase,
        ) else {
            return Progress::Nothing;
        };
        let known = answer.vector.get(self.id);
        if answer.incarnation != announcing.incarnation || known < announcing.incarnation {
            return Progress::Nothing;
        }
        if known > announcing.incarnation {
            // Taken, it would make this the later life, of which nobody else has heard: the next one might be given the same number.
            self.above = self.above.max(known);
            return Progress::Again;
        }
        let Some(more) = announcing.take(from, answer) else {
            return Progress::Nothing;
        };
        if announcing.complete.len() >= self.needed {
            return Progress::Recovered(announcing.conclude(self.id));
        }
        let ask = more.iter().map(|id| (id, self.question_for(id)));
        Progress::Ask(ask.collect())
    }
}

impl Announcing {
    /// Takes in what an answer says; returns who is to be asked for more at once, or `None` if it is of no use.
    fn take(&mut self, from: ReplicaId, answer: Remembered) -> Option<ReplicaSet> {
        let incarnation = answer.vector.get(from);
        let start = ChunkProgress {
            incarnation,
            below: Slot::ZERO,
        };
        let told = self.told.entry(from).or_insert(start);
        if told.incarnation != incarnation {
            // It has lost its memory since its last chunk, and returned: all anew.
            *told = start;
        }
        // A gap would be forgotten. A repeat would do no harm.
        let is_repeat = self.complete.contains(from) || answer.from != told.below;
        let onward = answer.more.is_none_or(|more| more > answer.from);
        if is_repeat || !onward {
            return None;
        }
        self.promised = self.promised.max(answer.promised);
        self.vector.merge(&answer.vector);
        self.cut = self.cut.max(answer.cut);
        for Accepted { slot, ballot, value } in answer.entries {
            // Its sender has promised as much, and said so, unless it lies.
            self.promised = self.promised.max(ballot);
            if self.entries.get(&slot).is_none_or(|(known, _)| *known < ballot) {
                self.entries.insert(slot, (ballot, value));
            }
        }
        let mut more = ReplicaSet::EMPTY;
        match answer.more {
            Some(slot) => {
                told.below = slot;
                more.insert(from);
            }
            None => match self.complete.add(from, &answer.vector) {
                Addition::Counts { dropped } => {
                    // All anew and at once, to lose no time: what it told as another would not be taken for a part of this.
                    for outdated in dropped {
                        self.told.remove(&outdated);
                        more.insert(outdated);
                    }
                }
                // Its sender does not know that its life is over, and would say the same again at once.
                Addition::Outdated => {
                    self.told.remove(&from);
                }
            },
        }
        Some(more)
    }

    /// (c) Below the highest cut only what was chosen counts: somebody does not hold any more what it accepted there. Entries below it
    /// would do no harm, as no acceptor tells of them; one from the cut on must not be missing.
    fn conclude(&self, id: ReplicaId) -> Acceptor {
        let mut entries = self.entries.clone();
        Acceptor::recovered(
            id,
            self.promised,
            self.vector.clone(),
            self.cut,
            entries.split_off(&self.cut),
        )
    }
}
