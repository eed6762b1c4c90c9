//! How an acceptor that lost its memory recovers: with crash vectors (Michael, Ports, Sharma and Szekeres,
//! *Recovering Shared Objects Without Stable Storage*, DISC 2017, section 4). The rules and the quorum sizes
//! below are this project's own; `kvpaxos-sim model` checks them by exhaustive search.
//!
//! # The problem
//!
//! "A new acceptor could then be restarted after another delay which should resume the functions of the
//! previous acceptor, even though it clearly won't have the same state." Done naively this breaks Paxos: an
//! acceptor that forgot its promise of ballot 2 accepts in ballot 1, and two values are chosen for one slot.
//! Asking the others what they remember is not enough either. A vote of the lost life may still be in flight,
//! and may be counted together with votes that the others cast only *after* they were asked. The recovered
//! acceptor knows nothing of those.
//!
//! # The protocol
//!
//! Each life of an acceptor has a number, its *incarnation*. Every acceptor keeps, durably, the highest
//! incarnation that it has heard of for each acceptor (its [`CrashVector`]), and adds the vector to every
//! promise and vote. With n acceptors, quorums q1 and q2, and r = max(⌊n/2⌋ + 1, n - min(q1, q2) + 1), see
//! [`answers_needed`]:
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
//! *Votes that count together agree about incarnations.* A set of votes counts only if it is
//! crash-consistent: for any votes x and y in it, y's vector has no later incarnation of x's sender than the
//! one in which x was cast ([`ConsistentSet`]).
//!
//! Suppose `a` cast a vote v in incarnation k, lost its memory, and returned with incarnation k' > k. Let Q
//! be a set of votes with v in it that is counted at any time, before or after. Let R be the r acceptors
//! whose answers `a` took in (c). Besides `a` there are n - 1 acceptors. At least min(q1, q2) - 1 of them
//! voted in Q, and r of them are in R. Because r + min(q1, q2) - 1 > n - 1, some acceptor b is in both. b
//! answered `a` only after k' was in its vector. If b cast its vote in Q after that, the vote's vector says
//! k' > k for `a`, and Q with v in it is not consistent: a contradiction. So b cast it before, and b's answer
//! includes it: `a` takes over that promise or accepted value. Therefore `a` remembers everything that its
//! lost vote can ever be counted together with. For every conclusion that is ever drawn, it behaves like an
//! acceptor that did not forget.
//!
//! *But b may itself have lost that vote*, and may have answered `a` in a later incarnation of its own. If b
//! recovered before it answered, its recovery restored everything that its own lost votes can be counted
//! with, by the same argument, unless the acceptors that b recovered from voted only after they had answered,
//! with vectors that did not contain `a`'s new incarnation. The condition in (c) breaks this circle: the
//! answers must be crash-consistent with each other, so none of them comes from an incarnation that another
//! answer already knows to be over. And a recovering acceptor gives no such answer; otherwise two recovering
//! acceptors could confirm to each other that nothing was accepted.
//!
//! *Two lives never share an incarnation.* Step (a) asks r > n/2 acceptors, as step (b) did in every earlier
//! life that voted. The two sets have a member in common. It had written the earlier incarnation to its log
//! before that life voted, and answers with that incarnation or a higher one. If it has lost its memory
//! since, it has merged the vectors of r acceptors that had not. The nonce is fresh, so answers to an earlier
//! life do not count.
//!
//! *Enough acceptors are left.* At most n - r acceptors may be without memory at a time; then r others have
//! theirs. If more have lost it, no replica knows what was chosen. The recovering acceptors wait, and the
//! replicas refuse to serve until an operator decides.
//!
//! *A loss is never undone.* The first request leaves when the record of the loss is durable in the
//! acceptor's own log. Before that, no other replica has heard of the loss: if the record itself is lost in a
//! crash, the log that is read back holds everything that was ever revealed, and the acceptor continues in
//! its old incarnation. What goes wrong if it asks at once, with three acceptors:
//!
//! 1. c's role loses its memory, and its disk is slow. Before the record of the loss is durable, c asks and
//!    announces incarnation 1, and a and b write it to their logs.
//! 2. Power fails at c: c starts with its complete old log and votes in incarnation 0.
//! 3. a fails for good. b and c are a quorum, but b's votes outdate c's, so nothing is ever chosen again.
//!
//! *An outdated incarnation ends.* An acceptor may hear of a later incarnation of itself than it knows: its
//! disk went back to an older state; or it announced an incarnation to some acceptors, forgot that in a
//! crash, and recovered later without hearing of it. Its votes would never count together with those of
//! acceptors that know the later incarnation. So heartbeats carry crash vectors, and an acceptor that hears
//! of a later incarnation of itself has lost its memory.
//!
//! # What breaks it
//!
//! Each of these shortcuts lets two values be chosen for one slot, or stops progress. `tests/recovery.rs`
//! plays them step by step. The model checker finds them in copies of this code that take the shortcut
//! (`kvpaxos-sim/mutants`).
//!
//! | shortcut | what goes wrong |
//! | --- | --- |
//! | no vectors in votes | a lost vote that is in flight is counted together with one that was cast after the recovery |
//! | the vector is written after the answer | an acceptor votes in between, with a vector without the new incarnation |
//! | answers not consistent with each other | two acceptors that recover in turn each take over from an incarnation of the other that is over |
//! | no fresh nonce | an answer to an earlier life counts for the present one: two lives share an incarnation, and votes of the first count for the second |
//! | requests leave before the record of the loss is durable | a crash brings the old incarnation back, whose votes no longer count |
//! | answers from recovering acceptors | two acceptors without memory confirm to each other that nothing was accepted |
//! | ballots of the first life used again | one ballot proposes two values (P3) |
//!
//! Each condition in this file was also changed by one, and dropped on one side only
//! (`kvpaxos-sim/mutants/rules`). Where this costs only time, a comment beside the condition says so.

use std::collections::BTreeMap;

use crate::command::Value;
use crate::config::Quorums;
use crate::crash_vector::{Addition, ConsistentSet, CrashVector};
use crate::export::{export_fields, export_variants};
use crate::message::{Accepted, Message, Remembered};
use crate::roles::acceptor::Acceptor;
use crate::types::{Ballot, Incarnation, ReplicaId, ReplicaSet, Slot};

/// The number r of acceptors with memory that must answer one that lost it: the larger of ⌊n/2⌋ + 1 and
/// n - min(q1, q2) + 1, where n counts all replicas, up or down. `None` if there are fewer others than that.
/// Then an acceptor that lost its memory can never vote again; this is so in the two-phase setting, where
/// q1 = 1.
///
/// The majority ensures that two lives never share an incarnation. ⌈n/2⌉ may be enough, which is one fewer if
/// n is even: any two such sets of the n - 1 others have a member in common, and with four acceptors and two
/// losses the model checker finds no violation. This crate does not rely on it.
#[must_use]
pub fn answers_needed(quorums: Quorums, replicas: usize) -> Option<usize> {
    let meets_every_quorum = replicas - quorums.phase1.min(quorums.phase2) + 1;
    let needed = meets_every_quorum.max(replicas / 2 + 1);
    (needed < replicas).then_some(needed)
}

/// An acceptor that recovers. It neither votes nor answers other recovering acceptors.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Recovery {
    id: ReplicaId,
    others: ReplicaSet,
    /// See [`answers_needed`].
    needed: usize,
    /// The new incarnation must be above this one.
    above: Incarnation,
    nonce: u64,
    phase: Phase,
    /// Ticks since it last asked.
    age: u32,
}

export_fields!(Recovery {
    id,
    others,
    needed,
    above,
    nonce,
    phase,
    age
});

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// (a): the incarnations that others know of it, from answers to the present nonce.
    Recalling(BTreeMap<ReplicaId, Incarnation>),
    /// (b) and (c).
    Announcing(Box<Announcing>),
}

export_variants!(Phase { 0 => Recalling(answers), 1 => Announcing(announcing) });

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Announcing {
    incarnation: Incarnation,
    /// How much each acceptor has reported.
    sent: BTreeMap<ReplicaId, ChunkProgress>,
    /// The complete answers that are consistent with each other.
    complete: ConsistentSet,
    // The sum of all answers. Answers that no longer count stay in it, which is safe: a higher promise, a
    // value that was proposed for the slot in a higher ballot, and a higher vector entry can always be taken
    // over.
    promised: Ballot,
    vector: CrashVector,
    cut: Slot,
    entries: BTreeMap<Slot, (Ballot, Value)>,
}

export_fields!(Announcing {
    incarnation,
    sent,
    complete,
    promised,
    vector,
    cut,
    entries
});

/// How much of an answer has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ChunkProgress {
    /// The incarnation of the sender: chunks of two incarnations do not make an answer.
    incarnation: Incarnation,
    /// Everything that was accepted below this slot is reported.
    below: Slot,
}

export_fields!(ChunkProgress { incarnation, below });

/// The effect of an answer on the recovery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// None: the answer is stale or repeated, or no correct acceptor sends it.
    Nothing,
    /// These messages must be sent.
    Ask(Vec<(ReplicaId, Message)>),
    /// Another acceptor knows a later incarnation than the announced one: the recovery must begin again, with
    /// a fresh nonce.
    Again,
    /// The recovery is complete. The new acceptor must be durable before it votes or answers, and its replica
    /// must know what was chosen for every slot below [`Acceptor::cut`].
    Recovered(Acceptor),
}

impl Recovery {
    /// Begins a recovery. `above` is the highest incarnation of this acceptor that its replica knows of. The
    /// nonce must be fresh.
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

    /// Begins again, with a fresh nonce that distinguishes the attempts. Safety does not need the new nonce,
    /// because answers to the old one were also given after the loss.
    pub fn again(&mut self, nonce: u64) {
        self.nonce = nonce;
        self.phase = Phase::Recalling(BTreeMap::new());
    }

    /// The incarnation that it has announced, if any.
    #[must_use]
    pub fn incarnation(&self) -> Option<Incarnation> {
        match &self.phase {
            Phase::Recalling(_) => None,
            Phase::Announcing(announcing) => Some(announcing.incarnation),
        }
    }

    /// The highest incarnation of this acceptor that is known.
    #[must_use]
    pub fn above(&self) -> Incarnation {
        self.above
    }

    /// The acceptors whose answers are still missing.
    #[must_use]
    pub fn unanswered(&self) -> ReplicaSet {
        let answered = |id: &ReplicaId| match &self.phase {
            Phase::Recalling(heard) => heard.contains_key(id),
            Phase::Announcing(announcing) => announcing.complete.contains(*id),
        };
        self.others.iter().filter(|id| !answered(id)).collect()
    }

    /// The requests to the acceptors whose answers are missing.
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
                from: announcing.sent.get(&id).map_or(Slot::ZERO, |sent| sent.below),
            },
        }
    }

    /// A tick has passed. Returns the requests that must be sent again.
    pub fn on_tick(&mut self, patience: u32) -> Vec<(ReplicaId, Message)> {
        self.age = self.age.saturating_add(1);
        if self.age < patience {
            return Vec::new();
        }
        self.age = 0;
        self.questions()
    }

    /// (a) Another acceptor answers with the incarnation of this acceptor that it knows; `None` if it is
    /// itself recovering.
    pub fn on_recalled(&mut self, from: ReplicaId, nonce: u64, heard: Option<Incarnation>) -> Progress {
        let (true, Phase::Recalling(answers)) =
            (nonce == self.nonce && self.others.contains(from), &mut self.phase)
        else {
            return Progress::Nothing;
        };
        match heard {
            Some(incarnation) => answers.insert(from, incarnation),
            // It has lost its memory since it answered. Its earlier answer is still true; it is removed for
            // tidiness only.
            None => answers.remove(&from),
        };
        // One answer fewer would be enough here, though not in (c): of n - 1 others, any r - 1 have a member
        // in common with the r to which an earlier life was announced, because 2r > n. With two fewer, and
        // five acceptors, two lives share an incarnation.
        if answers.len() < self.needed {
            return Progress::Nothing;
        }
        let highest = answers.values().max().copied().unwrap_or_default();
        let incarnation = Incarnation(highest.max(self.above).0 + 1);
        self.phase = Phase::Announcing(Box::new(Announcing {
            incarnation,
            sent: BTreeMap::new(),
            complete: ConsistentSet::default(),
            promised: Ballot::ZERO,
            // Every answer that is taken has the same entry for this acceptor.
            vector: CrashVector::from_iter([(self.id, incarnation)]),
            cut: Slot::ZERO,
            entries: BTreeMap::new(),
        }));
        self.age = 0;
        Progress::Ask(self.questions())
    }

    /// Another message has reported this incarnation of the acceptor. Beginning again is for progress only:
    /// if the acceptor recovered in a lower incarnation, it would hear of the higher one then.
    pub fn on_heard(&mut self, incarnation: Incarnation) -> Progress {
        self.above = self.above.max(incarnation);
        match self.incarnation() {
            Some(announced) if announced < incarnation => Progress::Again,
            _ => Progress::Nothing,
        }
    }

    /// (b), (c) Another acceptor answers with what it remembers, or a chunk of it.
    ///
    /// The nonce, the incarnation and the sender's vector all show that this answers the present
    /// announcement. One of them would be enough. Without any of them, an answer to an earlier life would
    /// count.
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
            // If it were taken, this acceptor would continue as the later incarnation without having
            // announced it, and the next one might get the same number.
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
    /// Adds an answer. Returns the acceptors that must be asked for more at once, or `None` if the answer is
    /// of no use.
    fn take(&mut self, from: ReplicaId, answer: Remembered) -> Option<ReplicaSet> {
        let incarnation = answer.vector.get(from);
        let start = ChunkProgress {
            incarnation,
            below: Slot::ZERO,
        };
        let sent = self.sent.entry(from).or_insert(start);
        if sent.incarnation != incarnation {
            // The sender has lost its memory since its last chunk, and recovered: begin with its first chunk
            // again.
            *sent = start;
        }
        // A gap would be lost. A repeat would do no harm.
        let is_repeat = self.complete.contains(from) || answer.from != sent.below;
        let onward = answer.more.is_none_or(|more| more > answer.from);
        if is_repeat || !onward {
            return None;
        }
        self.promised = self.promised.max(answer.promised);
        self.vector.merge(&answer.vector);
        self.cut = self.cut.max(answer.cut);
        for Accepted { slot, ballot, value } in answer.entries {
            // A correct sender has promised at least this ballot, and says so.
            self.promised = self.promised.max(ballot);
            if self.entries.get(&slot).is_none_or(|(known, _)| *known < ballot) {
                self.entries.insert(slot, (ballot, value));
            }
        }
        let mut more = ReplicaSet::EMPTY;
        match answer.more {
            Some(slot) => {
                sent.below = slot;
                more.insert(from);
            }
            None => match self.complete.add(from, &answer.vector) {
                Addition::Counts { dropped } => {
                    // Ask again at once, to save time: chunks of the earlier incarnation would not be taken
                    // for a part of the new answer.
                    for outdated in dropped {
                        self.sent.remove(&outdated);
                        more.insert(outdated);
                    }
                }
                // The sender does not know yet that its incarnation is over, and would give the same answer
                // again.
                Addition::Outdated => {
                    self.sent.remove(&from);
                }
            },
        }
        Some(more)
    }

    /// (c) Below the highest cut only chosen values count, because some acceptor no longer holds what it
    /// accepted there. Entries below the cut would do no harm, because acceptors do not report them; no entry
    /// from the cut on may be missing.
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
