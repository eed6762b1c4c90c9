//! The invariants that can be seen from outside, checked after every step. Their names are the design's.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::crash_vector::{ConsistentSet, CrashVector};
use kvpaxos::message::Promise;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{
    Ballot, ClientId, Command, Limits, Message, Observation, Outcome, Replica, ReplicaId, Reply, RequestBody,
    Revision, Sequence, SessionId, Slot, StateMachine, Value,
};

use super::disk::Disk;

/// See the module.
#[derive(Debug)]
pub(crate) struct Checks {
    /// Acceptances that choose a value.
    phase2: usize,
    /// P1: the value of each ballot and slot.
    proposals: BTreeMap<(Ballot, Slot), Value>,
    votes: BTreeMap<(Ballot, Slot), ConsistentSet>,
    /// What is chosen because enough acceptors accepted it, in the lowest such ballot.
    elected: BTreeMap<Slot, (Ballot, Value)>,
    /// P3: in which life of its proposer each ballot was heard of. One that nobody heard of may be had again.
    used: BTreeMap<Ballot, u32>,
    /// Lives of each proposer.
    lives: BTreeMap<ReplicaId, u32>,
    /// L1: what some learner took for chosen.
    chosen: BTreeMap<Slot, Value>,
    /// L3: the digest after each slot.
    digests: BTreeMap<Slot, u128>,
    /// What each acceptor has told of its promises.
    told: BTreeMap<ReplicaId, Ballot>,
    /// What each acceptor's promise was after the last step of this life.
    promised: BTreeMap<ReplicaId, Ballot>,
    /// L2: the slot that each learner applies next, and the slots of its log that were compared.
    applied: BTreeMap<ReplicaId, Slot>,
    compared: BTreeMap<ReplicaId, Slot>,
    model: Model,
    requests: BTreeMap<(ReplicaId, ClientId, u64), Asked>,
    /// S1: where each write took effect.
    writes: BTreeMap<(SessionId, Sequence), Revision>,
    /// The highest revision that any client has been told.
    acknowledged: Revision,
}

/// A request that was not answered yet.
#[derive(Debug)]
struct Asked {
    body: RequestBody,
    /// What had been acknowledged when it began.
    acknowledged: Revision,
}

/// What the chosen log adds up to, and what each key held after each command.
#[derive(Debug)]
struct Model {
    machine: StateMachine,
    next: Slot,
    /// S1: writes that took effect, and how.
    done: BTreeMap<(SessionId, Sequence), Outcome>,
    history: BTreeMap<Bytes, BTreeMap<Revision, Option<Bytes>>>,
}

impl Checks {
    pub(crate) fn new(phase2: usize, limits: Limits) -> Checks {
        Checks {
            phase2,
            proposals: BTreeMap::new(),
            votes: BTreeMap::new(),
            elected: BTreeMap::new(),
            used: BTreeMap::new(),
            lives: BTreeMap::new(),
            chosen: BTreeMap::new(),
            digests: BTreeMap::new(),
            told: BTreeMap::new(),
            promised: BTreeMap::new(),
            applied: BTreeMap::new(),
            compared: BTreeMap::new(),
            model: Model {
                machine: StateMachine::new(limits),
                next: Slot::ZERO,
                done: BTreeMap::new(),
                history: BTreeMap::new(),
            },
            requests: BTreeMap::new(),
            writes: BTreeMap::new(),
            acknowledged: Revision::default(),
        }
    }

    /// A message leaves a replica (its records, if it has any, are durable).
    pub(crate) fn on_leaves(&mut self, from: ReplicaId, message: &Message, disk: &Disk) {
        let durable = disk.durable();
        if matches!(
            message,
            Message::Promise(_) | Message::Accepted { .. } | Message::Confirmed { .. }
        ) {
            assert!(
                !durable.memory_lost,
                "A4: {from} lost its memory and says {message:?}"
            );
        }
        match message {
            Message::Prepare { ballot, .. } | Message::Accept { ballot, .. } => {
                assert!(
                    durable.proposed.contains(ballot),
                    "P3: {from} speaks in {ballot} before that is durable"
                );
                let life = self.lives.get(&from).copied().unwrap_or_default();
                let used = *self.used.entry(*ballot).or_insert(life);
                assert_eq!(used, life, "P3: {from} uses {ballot} in a second life");
            }
            Message::Promise(Promise { ballot, entries, .. }) => {
                self.tell(from, *ballot, durable.promised);
                for entry in entries {
                    assert!(
                        durable.accepted.contains(&(entry.ballot, entry.slot)),
                        "A3: {from} reports {entry:?} before it is durable"
                    );
                }
            }
            Message::Refused { promised, .. } => self.tell(from, *promised, durable.promised),
            Message::Accepted { ballot, slot, vector } => {
                self.tell(from, *ballot, durable.promised);
                assert!(
                    durable.accepted.contains(&(*ballot, *slot)),
                    "A3: {from} votes in {ballot} for slot {slot} before that is durable"
                );
                self.vote(from, *ballot, *slot, vector);
            }
            _ => {}
        }
        if let Message::Accept {
            ballot, slot, value, ..
        } = message
        {
            self.propose(*ballot, *slot, value);
        }
    }

    fn tell(&mut self, acceptor: ReplicaId, ballot: Ballot, durable: Ballot) {
        assert!(
            ballot <= durable,
            "A3: {acceptor} tells of its promise {ballot}, and {durable} is durable"
        );
        let told = self.told.entry(acceptor).or_default();
        *told = (*told).max(ballot);
    }

    fn propose(&mut self, ballot: Ballot, slot: Slot, value: &Value) {
        let before = self
            .proposals
            .entry((ballot, slot))
            .or_insert_with(|| value.clone());
        assert_eq!(before, value, "P1: two values in {ballot} for slot {slot}");
        if let Some((chosen_in, chosen)) = self
            .elected
            .get(&slot)
            .filter(|(chosen_in, _)| *chosen_in < ballot)
        {
            assert_eq!(
                value, chosen,
                "P2b: slot {slot} was chosen in {chosen_in}, and {ballot} proposes another value"
            );
        }
    }

    fn vote(&mut self, acceptor: ReplicaId, ballot: Ballot, slot: Slot, vector: &CrashVector) {
        let votes = self.votes.entry((ballot, slot)).or_default();
        votes.add(acceptor, vector);
        if votes.len() < self.phase2 {
            return;
        }
        // Nobody else need have heard of the proposal of a leader that is its own only voter.
        let Some(value) = self.proposals.get(&(ballot, slot)) else {
            return;
        };
        let (_, before) = self
            .elected
            .entry(slot)
            .and_modify(|(lowest, _)| *lowest = (*lowest).min(ballot))
            .or_insert_with(|| (ballot, value.clone()));
        assert_eq!(before, value, "L1: two values are chosen for slot {slot}");
        for ((above, _), other) in self.proposals.iter().filter(|((_, at), _)| *at == slot) {
            assert!(
                *above < ballot || other == value,
                "P2b: slot {slot} is chosen in {ballot}, and {above} proposed another value"
            );
        }
    }

    pub(crate) fn on_observation(&mut self, at: ReplicaId, observation: &Observation) {
        if let Observation::Applied { slot, digest } = observation {
            // A learner begins wherever its memory reaches.
            match self.applied.insert(at, slot.next()) {
                Some(next) => assert_eq!(*slot, next, "L2: {at} applies out of order"),
                None => _ = self.compared.insert(at, *slot),
            }
            let before = self.digests.entry(*slot).or_insert(*digest);
            assert_eq!(before, digest, "L3: the state of {at} differs after slot {slot}");
        }
        if let Observation::Installed { slot, digest } = observation {
            let last = Slot(slot.0 - 1);
            let before = self.digests.entry(last).or_insert(*digest);
            assert_eq!(
                before, digest,
                "L4: {at} installs another state than that after slot {last}"
            );
            self.applied.insert(at, *slot);
            self.compared.insert(at, *slot);
        }
        if let Observation::Recovered { .. } = observation {
            // A1 holds within an incarnation.
            self.promised.remove(&at);
            self.told.remove(&at);
        }
    }

    /// What can be seen of a replica after each of its steps.
    pub(crate) fn on_state(&mut self, replica: &Replica) {
        let id = replica.config().id;
        if let AcceptorStatus::Voting { promised } = replica.status().acceptor {
            let told = self.told.get(&id).copied().unwrap_or_default();
            assert!(
                promised >= told,
                "A1: {id} told of its promise {told} and forgot it for {promised}"
            );
            let before = self.promised.insert(id, promised).unwrap_or_default();
            assert!(
                promised >= before,
                "A1: the promise of {id} went down from {before} to {promised}"
            );
        }
        loop {
            let slot = self.compared.entry(id).or_default();
            let Some(value) = replica.chosen(*slot) else { break };
            let before = self.chosen.entry(*slot).or_insert_with(|| value.clone());
            assert_eq!(
                before, value,
                "L1: {id} takes another value for chosen in slot {slot}"
            );
            if let Some((ballot, elected)) = self.elected.get(slot) {
                assert_eq!(
                    elected, value,
                    "L1: {id} takes for chosen in slot {slot} what {ballot} did not choose"
                );
            }
            *slot = slot.next();
        }
        self.model.follow(&self.chosen);
    }

    /// A new life of the proposer begins.
    pub(crate) fn new_proposer(&mut self, id: ReplicaId) {
        *self.lives.entry(id).or_default() += 1;
    }

    /// The learner's life, or the whole replica's, has ended.
    pub(crate) fn forget_learner(&mut self, id: ReplicaId) {
        self.applied.remove(&id);
        self.compared.remove(&id);
    }

    /// The acceptor's life has ended: what it never told of may be forgotten.
    pub(crate) fn forget_acceptor(&mut self, id: ReplicaId) {
        self.promised.remove(&id);
    }

    /// The replica stopped: nobody waits for its answers.
    pub(crate) fn forget_requests(&mut self, id: ReplicaId) {
        self.requests.retain(|(at, _, _), _| *at != id);
    }

    /// The client is gone: it must not be answered.
    pub(crate) fn forget_client(&mut self, id: ReplicaId, client: ClientId) {
        self.requests
            .retain(|(at, asker, _), _| (*at, *asker) != (id, client));
    }

    pub(crate) fn on_request(&mut self, at: ReplicaId, client: ClientId, id: u64, body: &RequestBody) {
        let asked = Asked {
            body: body.clone(),
            acknowledged: self.acknowledged,
        };
        let before = self.requests.insert((at, client, id), asked);
        assert!(before.is_none(), "the test gives {client:?} the id {id} twice");
    }

    pub(crate) fn on_reply(&mut self, at: ReplicaId, client: ClientId, reply: &Reply) {
        let asked = self.requests.remove(&(at, client, reply.id));
        let asked =
            asked.unwrap_or_else(|| panic!("4.6: {at} answers {client:?} what nobody asked: {reply:?}"));
        let revision = match &reply.outcome {
            Outcome::Opened { session } => session.0,
            Outcome::Done { revision }
            | Outcome::Deleted { revision, .. }
            | Outcome::Swapped { revision, .. }
            | Outcome::Executed { revision, .. } => {
                self.check_write(&asked.body, *revision);
                *revision
            }
            Outcome::Value { revision, value } => {
                self.check_read(&asked, *revision, value.as_ref());
                *revision
            }
            Outcome::Values { .. }
            | Outcome::Lengths { .. }
            | Outcome::Page { .. }
            | Outcome::Count { .. }
            | Outcome::Authenticated
            | Outcome::Closed
            | Outcome::Status(_)
            | Outcome::Refused(_)
            | Outcome::Unknown { .. } => return,
        };
        self.acknowledged = self.acknowledged.max(revision);
    }

    fn check_write(&mut self, body: &RequestBody, revision: Revision) {
        if let RequestBody::Apply {
            session, sequence, ..
        } = body
        {
            let before = self.writes.entry((*session, *sequence)).or_insert(revision);
            assert_eq!(
                *before, revision,
                "S1: sequence {sequence:?} of session {session} took effect twice"
            );
        }
    }

    fn check_read(&self, asked: &Asked, revision: Revision, value: Option<&Bytes>) {
        assert!(
            revision >= asked.acknowledged,
            "S2: a read saw revision {revision}, and {} was acknowledged before it began",
            asked.acknowledged
        );
        if let RequestBody::Get { key } = &asked.body {
            assert_eq!(
                value,
                self.model.value_at(key, revision),
                "S2: a read of {key:?} at {revision} returned what was not there"
            );
        }
    }

    /// Requests that were not answered.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = (ReplicaId, ClientId, &RequestBody)> {
        let requests = self.requests.iter();
        requests.map(|((at, client, _), asked)| (*at, *client, &asked.body))
    }

    /// The first slot that no learner knows to be chosen.
    pub(crate) fn chosen_up_to(&self) -> Slot {
        self.model.next
    }
}

impl Model {
    fn follow(&mut self, chosen: &BTreeMap<Slot, Value>) {
        while let Some(value) = chosen.get(&self.next) {
            for (index, command) in (0..).zip(value.commands()) {
                let slot = self.next;
                self.apply(Revision { slot, index }, command);
            }
            self.next = self.next.next();
        }
    }

    fn apply(&mut self, revision: Revision, command: &Command) {
        let Command::Apply {
            session,
            sequence,
            op,
            ..
        } = command
        else {
            self.machine.apply(revision, command);
            return;
        };
        let keys: Vec<Bytes> = op.keys().cloned().collect();
        let values = |machine: &StateMachine| -> Vec<Option<Bytes>> {
            keys.iter().map(|key| machine.get(key)).collect()
        };
        let before = values(&self.machine);
        let outcome = self.machine.apply(revision, command);
        let now = values(&self.machine);
        let refused = matches!(outcome, Outcome::Refused(_));
        if let Some(first) = self.done.get(&(*session, *sequence)) {
            assert!(
                before == now && (refused || outcome == *first),
                "S1: sequence {sequence:?} of session {session} took effect again at {revision}"
            );
        } else if refused {
            assert_eq!(
                before, now,
                "4.6: what was refused at {revision} changed something"
            );
        } else {
            self.done.insert((*session, *sequence), outcome);
        }
        for (key, now) in keys.into_iter().zip(now) {
            self.history.entry(key).or_default().insert(revision, now);
        }
    }

    fn value_at(&self, key: &Bytes, revision: Revision) -> Option<&Bytes> {
        let (_, value) = self.history.get(key)?.range(..=revision).next_back()?;
        value.as_ref()
    }
}
