//! A stage for acceptors. The scene calls them directly, and decides when their answers arrive.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::acceptor::{Acceptor, Answer};
use kvpaxos::candidacy::Candidacy;
use kvpaxos::crash_vector::{ConsistentSet, CrashVector};
use kvpaxos::message::{Accepted, Promise};
use kvpaxos::recovery::{Progress, Recovery, answers_needed};
use kvpaxos::{
    Ballot, Batch, Command, Incarnation, Life, Message, Quorums, Record, ReplicaId, ReplicaSet, Slot, Tag,
    Value,
};

pub(crate) const A: ReplicaId = ReplicaId(0);
pub(crate) const B: ReplicaId = ReplicaId(1);
pub(crate) const C: ReplicaId = ReplicaId(2);
pub(crate) const D: ReplicaId = ReplicaId(3);
pub(crate) const E: ReplicaId = ReplicaId(4);

/// The slot of most scenes: one instance of Paxos is enough for them.
pub(crate) const SLOT: Slot = Slot(0);
/// The lower of two ballots, in which x is proposed. The higher one is for y.
pub(crate) const B1: Ballot = ballot(1);
pub(crate) const B2: Ballot = ballot(2);

const CHUNK: usize = 1 << 20;

const fn ballot(round: u64) -> Ballot {
    Ballot {
        round,
        replica: A,
        life: Life {
            incarnation: Incarnation(0),
            restarts: 0,
        },
    }
}

pub(crate) fn value(name: &'static str) -> Value {
    let tag = Tag { nonce: 0, number: 0 };
    let payload = Bytes::from_static(name.as_bytes());
    Value::Batch(Batch::new(vec![Command::Opaque { tag, payload }]))
}

/// The acceptors that have their memory. An acceptor that lost it is removed until it has recovered.
#[derive(Debug)]
pub(crate) struct Stage {
    quorums: Quorums,
    members: ReplicaSet,
    acceptors: BTreeMap<ReplicaId, Acceptor>,
    nonces: u64,
    /// The records that each acceptor has written since it last lost its memory.
    records: BTreeMap<ReplicaId, Vec<Record>>,
}

/// A vote in flight.
#[derive(Clone, Debug)]
pub(crate) struct Vote {
    pub(crate) by: ReplicaId,
    pub(crate) vector: CrashVector,
}

impl Stage {
    /// Acceptors that have promised and accepted nothing, with majority quorums.
    pub(crate) fn new(replicas: usize) -> Stage {
        Stage::with(replicas, Quorums::majority(replicas))
    }

    pub(crate) fn with(replicas: usize, quorums: Quorums) -> Stage {
        let members = ReplicaSet::first(replicas);
        Stage {
            quorums,
            members,
            acceptors: members.iter().map(|id| (id, Acceptor::new(id))).collect(),
            nonces: 0,
            records: BTreeMap::new(),
        }
    }

    pub(crate) fn acceptor(&mut self, id: ReplicaId) -> &mut Acceptor {
        self.acceptors.get_mut(&id).expect("the acceptor has its memory")
    }

    /// The records that an acceptor has written since it last lost its memory.
    pub(crate) fn records(&self, id: ReplicaId) -> &[Record] {
        self.records.get(&id).map_or(&[], Vec::as_slice)
    }

    fn said(&mut self, id: ReplicaId, Answer { records, message }: Answer) -> Message {
        self.records.entry(id).or_default().extend(records);
        message
    }

    /// Phase 1: the promise of an acceptor to a candidate that knows of no chosen slot; `None` if it refuses.
    pub(crate) fn prepare(&mut self, id: ReplicaId, ballot: Ballot) -> Option<Promise> {
        self.prepare_from(id, ballot, SLOT, CHUNK)
    }

    pub(crate) fn prepare_from(
        &mut self,
        id: ReplicaId,
        ballot: Ballot,
        from: Slot,
        chunk: usize,
    ) -> Option<Promise> {
        let answer = self.acceptor(id).on_prepare(ballot, from, chunk);
        match self.said(id, answer) {
            Message::Promise(promise) => Some(promise),
            _ => None,
        }
    }

    /// Phase 2: the vote of an acceptor; `None` if it refuses.
    pub(crate) fn accept(&mut self, id: ReplicaId, ballot: Ballot, value: &Value) -> Option<Vote> {
        self.accept_in(id, ballot, SLOT, value)
    }

    pub(crate) fn accept_in(
        &mut self,
        id: ReplicaId,
        ballot: Ballot,
        slot: Slot,
        value: &Value,
    ) -> Option<Vote> {
        let answer = self
            .acceptor(id)
            .on_accept(ballot, slot, value)
            .expect("the proposer is correct");
        match self.said(id, answer?) {
            Message::Accepted { vector, .. } => Some(Vote { by: id, vector }),
            _ => None,
        }
    }

    /// These acceptors elect a candidate. Each promise fits into one chunk. Returns the values that the
    /// candidate must propose.
    pub(crate) fn elect(&mut self, by: &[ReplicaId], ballot: Ballot) -> BTreeMap<Slot, Value> {
        let mut candidacy = Candidacy::new(ballot, SLOT);
        for id in by {
            let promise = self.prepare(*id, ballot).expect("it promises");
            candidacy.on_promise(*id, promise);
        }
        assert!(
            candidacy.is_ready(self.quorums.phase1, SLOT),
            "{by:?} elect {ballot}"
        );
        candidacy.into_highest(SLOT).1
    }

    /// These acceptors accept the value, and it is chosen.
    pub(crate) fn choose(&mut self, by: &[ReplicaId], ballot: Ballot, value: &Value) {
        let votes: Vec<Vote> = by
            .iter()
            .map(|id| self.accept(*id, ballot, value).expect("it accepts"))
            .collect();
        assert!(
            together(&votes) >= self.quorums.phase2,
            "{by:?} choose in {ballot}"
        );
    }

    /// An acceptor loses its memory and begins to recover. Its replica remembers none of its incarnations.
    pub(crate) fn lose(&mut self, id: ReplicaId) -> Recovery {
        self.acceptors.remove(&id);
        self.records.remove(&id);
        self.nonces += 1;
        let needed = answers_needed(self.quorums, self.members.len())
            .expect("recovery is possible with these quorums");
        Recovery::new(id, self.members, needed, Incarnation::default(), self.nonces)
    }

    /// The disk of an acceptor goes back to its first state, in incarnation 0: the acceptor has promised and
    /// accepted nothing, and does not know that it lost anything.
    pub(crate) fn forget(&mut self, id: ReplicaId) {
        self.acceptors.insert(id, Acceptor::new(id));
    }

    /// The answer of acceptor `of` to the next question of `asker`.
    pub(crate) fn answer(&mut self, asker: ReplicaId, recovery: &Recovery, of: ReplicaId) -> Message {
        self.answer_within(asker, recovery, of, CHUNK)
    }

    /// The same answer in chunks of one entry each.
    pub(crate) fn chunk(&mut self, asker: ReplicaId, recovery: &Recovery, of: ReplicaId) -> Message {
        self.answer_within(asker, recovery, of, 1)
    }

    fn answer_within(
        &mut self,
        asker: ReplicaId,
        recovery: &Recovery,
        of: ReplicaId,
        chunk: usize,
    ) -> Message {
        let mut questions = recovery.questions().into_iter();
        let (_, question) = questions
            .find(|(to, _)| *to == of)
            .expect("the acceptor is asked");
        match question {
            Message::Recall { nonce } => self.acceptor(of).on_recall(asker, nonce),
            Message::Announce {
                nonce,
                incarnation,
                from,
            } => {
                let told = self
                    .acceptor(of)
                    .on_announce(asker, nonce, incarnation, from, chunk);
                self.said(of, told)
            }
            other => panic!("not a question of recovery: {other:?}"),
        }
    }

    /// `asker` asks these acceptors, and their answers arrive at once. Returns the effect of the last answer.
    pub(crate) fn ask(&mut self, asker: ReplicaId, recovery: &mut Recovery, these: &[ReplicaId]) -> Progress {
        let mut last = Progress::Nothing;
        for of in these {
            let answer = self.answer(asker, recovery, *of);
            last = hear(recovery, *of, answer);
        }
        last
    }

    /// Steps (a) and (b): the answers of these acceptors to (a) are enough, and the incarnation is announced.
    pub(crate) fn announce(&mut self, id: ReplicaId, recovery: &mut Recovery, with: &[ReplicaId]) {
        let progress = self.ask(id, recovery, with);
        assert!(
            matches!(progress, Progress::Ask(_)),
            "the answers of {with:?} are enough for (a): {progress:?}"
        );
    }

    /// A whole recovery, with the answers of these acceptors.
    pub(crate) fn recover(&mut self, id: ReplicaId, recovery: &mut Recovery, with: &[ReplicaId]) {
        self.announce(id, recovery, with);
        let progress = self.ask(id, recovery, with);
        self.returns(id, progress);
    }

    /// The recovery is complete, and the acceptor is back on the stage.
    pub(crate) fn returns(&mut self, id: ReplicaId, progress: Progress) {
        let Progress::Recovered(acceptor) = progress else {
            panic!("{id} has all the answers that it needs, but does not recover: {progress:?}");
        };
        self.acceptors.insert(id, acceptor);
    }
}

/// An answer arrives at a recovering acceptor.
pub(crate) fn hear(recovery: &mut Recovery, from: ReplicaId, answer: Message) -> Progress {
    match answer {
        Message::Recalled { nonce, heard } => recovery.on_recalled(from, nonce, heard),
        Message::Remembered(told) => recovery.on_remembered(from, *told),
        other => panic!("not an answer to a recovering acceptor: {other:?}"),
    }
}

/// The largest number of these votes that count together, counted in this order and in reverse.
pub(crate) fn together(votes: &[Vote]) -> usize {
    let count = |votes: &mut dyn Iterator<Item = &Vote>| {
        let mut set = ConsistentSet::default();
        let mut most = 0;
        for vote in votes {
            set.add(vote.by, &vote.vector);
            most = most.max(set.len());
        }
        most
    };
    count(&mut votes.iter()).max(count(&mut votes.iter().rev()))
}

/// An entry in an acceptor's memory.
pub(crate) fn entry(slot: Slot, ballot: Ballot, value: &Value) -> Accepted {
    Accepted {
        slot,
        ballot,
        value: value.clone(),
    }
}
