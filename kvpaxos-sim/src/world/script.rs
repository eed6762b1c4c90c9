//! What a scripted test can ask of a world, and do to it.

use bytes::Bytes;
use kvpaxos::client::{Call, Completion};
use kvpaxos::{Micros, Op, Query, Record, ReplicaId, ReplicaSet, Role, Slot, Status};

use crate::engine::{LinkProfile, Node, Table};
use crate::invariants::Coverage;
use crate::subject::Subject;
use crate::world::audited;
use crate::world::partition::{self, Cut};
use crate::world::setup::Setup;
use crate::world::state::World;

/// How a call of a test ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer(pub Completion);

impl Answer {
    /// Whether it was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.0, Completion::Done(_))
    }

    /// The value that a read returned; `None` if the key was absent, or this was not a read, or it was not
    /// done.
    #[must_use]
    pub fn value(&self) -> Option<Bytes> {
        match &self.0 {
            Completion::Done(kvpaxos::Outcome::Value { value, .. }) => value.clone(),
            _ => None,
        }
    }
}

/// What a test can ask of a cluster. A call runs the world until the call ends.
impl<M: Subject> World<M> {
    /// Makes a call and runs the world until it ends.
    ///
    /// # Panics
    /// If the call does not end. A client ends every call by its deadline.
    pub fn call(&mut self, call: Call) -> Answer {
        let number = self.begin(call);
        let patience = Micros(self.setup.clients.deadline.0.saturating_mul(50));
        let client = self.clients.scripted();
        self.run_until(patience, |world| {
            world.clients.ended_calls.contains_key(&(client, number))
        });
        self.end(number).expect("every call ends by its deadline")
    }

    /// Begins a call without waiting. Returns its number for [`end`](World::end).
    pub fn begin(&mut self, call: Call) -> u64 {
        self.begin_as(self.clients.scripted(), call)
    }

    /// How a call ended, if it has.
    pub fn end(&mut self, number: u64) -> Option<Answer> {
        let client = self.clients.scripted();
        self.clients.ended_calls.remove(&(client, number)).map(Answer)
    }

    /// Makes one of the setup's clients begin a call, beside its own operations. Returns the number of the
    /// call in [`take_ends`](World::take_ends).
    ///
    /// # Panics
    /// If there is no such client.
    pub fn begin_as(&mut self, client: u32, call: Call) -> u64 {
        let (clients, mut context) = self.context();
        clients.call(client, call, &mut context)
    }

    /// The calls begun by a test that have ended since this was last called, by client and number.
    pub fn take_ends(&mut self) -> impl Iterator<Item = ((u32, u64), Answer)> + use<M> {
        let ended = std::mem::take(&mut self.clients.ended_calls);
        ended
            .into_iter()
            .map(|(call, completion)| (call, Answer(completion)))
    }

    /// Sets a key.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Answer {
        let (key, value) = (key.into(), value.into());
        self.call(Call::Write(Op::Put { key, value }))
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> Answer {
        self.call(Call::Write(Op::Delete { key: key.into() }))
    }

    /// Sets a key if it has the expected value.
    pub fn cas(&mut self, key: impl Into<Bytes>, expect: Option<Bytes>, value: Option<Bytes>) -> Answer {
        let key = key.into();
        self.call(Call::Write(Op::Cas { key, expect, value }))
    }

    /// Reads a key.
    pub fn get(&mut self, key: impl Into<Bytes>) -> Answer {
        self.call(Call::Read(Query::Get { key: key.into() }))
    }

    /// The replica that leads, according to the replicas.
    #[must_use]
    pub fn leader(&self) -> Option<ReplicaId> {
        audited::leader(&self.engine)
    }

    /// The status of a replica; `None` if its process is down.
    #[must_use]
    pub fn status(&self, id: ReplicaId) -> Option<Status> {
        self.engine.machine(id).map(Subject::status)
    }

    /// How often each situation has occurred.
    #[must_use]
    pub fn coverage(&self) -> &Coverage {
        &self.engine.observer.coverage
    }

    /// How often a replica halted because its disk had been formatted although it had been a member before.
    #[must_use]
    pub fn halted_anew(&self) -> u64 {
        self.engine.observer.refounded_halts
    }

    /// The first slot that is not chosen.
    #[must_use]
    pub fn prefix(&self) -> Slot {
        self.engine.observer.prefix()
    }

    /// The durable records on a replica's disk; `None` if its log is damaged.
    #[must_use]
    pub fn records(&self, id: ReplicaId) -> Option<Vec<Record>> {
        self.engine.durable_records(id)
    }

    /// The machine of a replica; `None` if its process is down.
    #[must_use]
    pub fn machine(&self, id: ReplicaId) -> Option<&M> {
        self.engine.machine(id)
    }
}

/// What a test can do to a cluster.
impl<M: Subject> World<M> {
    /// Crashes a process.
    pub fn crash(&mut self, id: ReplicaId) {
        self.engine.crash(id);
    }

    /// Starts a process that is down, with the records of its disk.
    pub fn start(&mut self, id: ReplicaId) {
        self.engine.start(id, self.setup.memory_only);
    }

    /// Starts a process that is down, with an empty disk: its memory is lost.
    pub fn start_empty(&mut self, id: ReplicaId) {
        self.engine.start(id, true);
    }

    /// Expects disks to lose synced records without a trace from now on, so that replicas may come to differ.
    /// Only invariant D1 is checked from now on: replicas that know that their states differ never both
    /// serve.
    pub fn expect_forks(&mut self) {
        self.engine.observer.expect_divergence();
    }

    /// Loses the last synced records of a process that is down, without a trace. Returns how many. Only logs
    /// of the format [`Format::Plain`](crate::engine::Format) can do that.
    pub fn lose_silently(&mut self, id: ReplicaId, records: usize) -> usize {
        self.engine.lose_silently(id, records)
    }

    /// Formats the disk of a process that is down: it will claim to be new, though it is not.
    pub fn found_anew(&mut self, id: ReplicaId) {
        self.engine.found_anew(id);
    }

    /// Pauses a process.
    pub fn pause(&mut self, id: ReplicaId) {
        self.engine.pause(id);
    }

    /// Resumes a process.
    pub fn resume(&mut self, id: ReplicaId) {
        self.engine.resume(id);
    }

    /// Sets how long syncs of a replica take that begin from now on.
    pub fn slow_disk(&mut self, id: ReplicaId, latency: Table) {
        self.engine.set_latency(id, latency);
    }

    /// Makes a role fail.
    pub fn fail(&mut self, id: ReplicaId, role: Role) {
        self.engine.fail_role(id, role);
    }

    /// Restarts a failed role with its memory.
    pub fn restart(&mut self, id: ReplicaId, role: Role) {
        self.engine.restart_role(id, role, false);
    }

    /// Restarts a failed role without its memory.
    pub fn restart_empty(&mut self, id: ReplicaId, role: Role) {
        self.engine.restart_role(id, role, true);
    }

    /// Cuts links; see [`partition`](crate::world::partition).
    pub fn cut(&mut self, cuts: &[Cut]) {
        partition::cut(cuts, &mut self.engine.network);
    }

    /// Cuts all links between these replicas and the others.
    pub fn partition(&mut self, side: impl IntoIterator<Item = ReplicaId>) {
        let side: ReplicaSet = side.into_iter().collect();
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        self.cut(&partition::between(side, all.without(side)));
    }

    /// Cuts the test's client off from all replicas but these.
    pub fn talk_only_to(&mut self, replicas: impl IntoIterator<Item = ReplicaId>) {
        let these: ReplicaSet = replicas.into_iter().collect();
        let client = Node::client(self.clients.scripted());
        for id in self.engine.ids() {
            let node = Node::from(id);
            self.engine.network.mend_all(client, node);
            self.engine.network.mend_all(node, client);
            if !these.contains(id) {
                self.engine.network.cut(client, node);
                self.engine.network.cut(node, client);
            }
        }
    }

    /// Mends every link between replicas.
    pub fn mend(&mut self) {
        for one in self.engine.ids() {
            for other in self.engine.ids() {
                self.engine.network.mend_all(one.into(), other.into());
            }
        }
    }

    /// Gives the links of a replica a profile of their own, or (`None`) that of all links again.
    pub fn degrade_links(&mut self, id: ReplicaId, profile: Option<LinkProfile>) {
        self.engine.network.set_profile(id.into(), profile);
    }

    /// The setup of the world.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }
}
