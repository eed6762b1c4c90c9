//! The contract of `step`: what goes in ([`Input`]) and what comes out ([`Effect`]).
//!
//! The driver of a [`Replica`](crate::Replica) (a shell, a simulator, a test) must do the following:
//!
//! 1. It gives one input at a time. Times never go down within a life of the replica. After each step it
//!    calls [`deadline`](crate::Replica::deadline), which may be earlier than the one before, and it gives
//!    [`Event::Clock`] when that time has come.
//! 2. It carries out effects in the order given. Messages of [`Effect::Send`] may be lost, repeated or
//!    delayed. A message that is addressed to the replica itself comes back as [`Event::Peer`].
//! 3. It appends the records of successive [`Effect::Persist`] to one log, in order. It sends the messages in
//!    `then` when the records of this *and of every earlier `Persist`* are durable, and not before. A
//!    `Persist` with empty `records` waits for the earlier ones only. Many `Persist`s may share one sync, and
//!    the driver may step the replica in the meantime.
//! 4. Each `Persist` belongs to one role. When that role fails ([`Event::Fail`]) or the replica stops, the
//!    driver drops the messages of `then` that it has not sent. A restart with [`Memory::Kept`] gives back
//!    all records of the log. The driver reads them only after every write of the earlier life has either
//!    reached the disk or failed for good. All records that were synced must be there; of those that were
//!    not, any suffix may be missing.
//! 5. It restarts a role with [`Memory::Lost`] if the log cannot be read back in full. The same goes for a
//!    replica that has run before and has no log at all, because the log was lost or because its cluster
//!    keeps nothing on disk. Only a new replica may start with no records.
//! 6. Once a [`Record::CheckpointEnd`] is durable, the records before the [`Record::Checkpoint`] of the same
//!    number are no longer needed. The driver may drop them, oldest first. The log then begins with that
//!    `Checkpoint`.
//! 7. The log of a new replica begins with a [`Record::Founded`] that is durable before the replica starts
//!    for the first time. Each message comes with the [founding](crate::Replica::founding) of its sender. If
//!    a driver does neither, the operator must make sure that no replica is founded twice: see
//!    [`crate::founding`].
//! 8. After [`Effect::Halt`] it does not step the replica again.
//!
//! The types of inputs and effects have parameters, so that what drives a replica can drive another
//! deterministic state machine as well (`kvpaxos-sim` does): `M` are messages, `R` records, `Q` requests, `A`
//! answers to them, `O` observations and `H` reasons to halt. The defaults are those of a
//! [`Replica`](crate::Replica), so that `Event` and `Effect` alone are what enters and leaves one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::command::{Reply, Request, Value};
use crate::crash_vector::CrashVector;
use crate::founding::{KnownFounding, KnownFoundings};
use crate::message::{Accepted, Message, SnapshotPart};
use crate::state::snapshot::Cursor;
use crate::types::{
    Ballot, ClientId, Entropy, Founding, Incarnation, ReplicaId, ReplicaSet, Role, Slot, Time,
};

/// Everything that enters a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Input<M = Message, R = Record, Q = Request> {
    /// The present time.
    pub at: Time,
    /// What happened.
    pub event: Event<M, R, Q>,
}

/// Something that happens to a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Event<M = Message, R = Record, Q = Request> {
    /// The time that [`deadline`](crate::Replica::deadline) returned has come. No tick is counted if this comes early or
    /// twice, and nothing else happens, except that a learner with the log of an earlier life applies a portion of it.
    Clock,
    /// A message of another replica, or of this one to itself.
    Peer {
        /// The sender. The driver guarantees that it is the real one.
        from: ReplicaId,
        /// The founding that the sender had when it sent this; `None` if it has none, or if the driver does
        /// not transmit foundings.
        founding: Option<Founding>,
        /// The message.
        message: M,
    },
    /// A request of a client.
    Client {
        /// The client, to which the reply goes.
        from: ClientId,
        /// The request.
        request: Q,
    },
    /// A client is disconnected. Its requests are still carried out, but nobody is answered.
    ClientGone {
        /// The client.
        client: ClientId,
    },
    /// A role fails. It loses its state in memory and receives nothing until it restarts.
    Fail(Role),
    /// A failed role starts again. Nothing happens if the role is running.
    Restart {
        /// The role.
        role: Role,
        /// What it finds on its disk.
        memory: Memory<R>,
        /// Fresh random bits.
        entropy: Entropy,
    },
    /// The driver is to stop the replica soon. From now on it does not stand for election. If it leads, it asks
    /// another replica to stand at once ([`Message::Stand`]), and leads until that one takes over. If it does not
    /// lead, it refuses requests of clients ([`Refusal::Stopping`](crate::Refusal::Stopping)), and answers those
    /// that it has taken in. [`Status::stopping`](crate::Status) tells how far it is. Only a new start
    /// takes this back. Nothing is lost if the driver stops the replica earlier.
    HandOver,
}

impl<M, R, Q> Event<M, R, Q> {
    /// The same event with another request, for programs whose clients ask in terms of their own.
    pub fn map_request<T>(self, change: impl FnOnce(Q) -> T) -> Event<M, R, T> {
        match self {
            Event::Clock => Event::Clock,
            Event::Peer {
                from,
                founding,
                message,
            } => Event::Peer {
                from,
                founding,
                message,
            },
            Event::Client { from, request } => Event::Client {
                from,
                request: change(request),
            },
            Event::ClientGone { client } => Event::ClientGone { client },
            Event::Fail(role) => Event::Fail(role),
            Event::Restart {
                role,
                memory,
                entropy,
            } => Event::Restart {
                role,
                memory,
                entropy,
            },
            Event::HandOver => Event::HandOver,
        }
    }
}

/// What a role, or a whole replica, finds on its disk when it starts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Memory<R = Record> {
    /// All records that are durable, in order; none for a new replica.
    Kept(Vec<R>),
    /// The disk is gone, or synced records are missing or damaged.
    Lost,
}

/// An entry of the log. It must survive the process.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Record {
    /// The proposer uses this ballot, in its present life, from now on (P3). It is durable before any message
    /// names the ballot.
    Proposed {
        /// The new ballot.
        ballot: Ballot,
    },
    /// The acceptor promised this ballot (A1).
    Promised {
        /// The promised ballot.
        ballot: Ballot,
    },
    /// The acceptor accepted this value. This promises the ballot as well.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The value.
        value: Value,
    },
    /// Every slot below `up_to` is chosen. An accepted value of this ballot is the chosen one. This is a hint
    /// that saves work after a restart; nothing is lost with it.
    Chosen {
        /// The leader's ballot.
        ballot: Ballot,
        /// The first slot not known to be chosen.
        up_to: Slot,
    },
    /// Another replica reported that this value was chosen for the slot. A hint like [`Record::Chosen`].
    Learned {
        /// The slot.
        slot: Slot,
        /// The value.
        value: Value,
    },
    /// The acceptor lost its memory: the records before this one do not hold all that it promised.
    MemoryLost,
    /// The replica lost its disk, or synced records of it: the records before this one hold neither all that
    /// the acceptor promised nor all ballots that the proposer used.
    DiskLost,
    /// Another acceptor has begun a new incarnation: a new entry of the crash vector.
    Heard {
        /// The other acceptor.
        acceptor: ReplicaId,
        /// Its new incarnation.
        incarnation: Incarnation,
    },
    /// A checkpoint begins: a copy of everything that is still needed of the earlier log follows, mixed with
    /// new records. Once its [`Record::CheckpointEnd`] is durable, all records before this one may be
    /// dropped, and a [`Record::MemoryLost`] among them no longer counts. A checkpoint without its end is
    /// ignored.
    Checkpoint(Box<Checkpoint>),
    /// Part of a checkpoint: a value that the acceptor accepted earlier.
    Carried(Accepted),
    /// Part of a checkpoint: a part of its snapshot.
    SnapshotPart {
        /// The position at which the part begins.
        at: Cursor,
        /// The position at which the next part begins; `None` after the last.
        next: Option<Cursor>,
        /// The encoded items of the part.
        bytes: Bytes,
    },
    /// The checkpoint of this number is complete.
    CheckpointEnd {
        /// The number of the checkpoint.
        number: u64,
    },
    /// The learner received a part of another replica's snapshot. After a restart the transfer continues
    /// behind it. A hint like [`Record::Chosen`].
    Received(Box<SnapshotPart>),
    /// The replica is new and this is its first life. The first record of its log.
    Founded {
        /// The name of that life.
        founding: Founding,
    },
    /// The replica has learned something new about the foundings of another.
    Met {
        /// The other replica.
        replica: ReplicaId,
        /// What it now knows.
        known: KnownFounding,
    },
}

/// The beginning of a checkpoint: the sum of all earlier records, except for accepted values, chosen values
/// and the snapshot, which follow in records of their own.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The number of the checkpoint, counted from 1 within the log.
    pub number: u64,
    /// The snapshot of the checkpoint holds the state after every slot below this one. If it is 0, there is
    /// no snapshot.
    pub slot: Slot,
    /// The digest of that state (L3).
    pub digest: u128,
    /// The acceptor no longer holds what it accepted below this slot; all of it is chosen.
    pub cut: Slot,
    /// The acceptor's promise.
    pub promised: Ballot,
    /// Its crash vector, its own incarnation included.
    pub vector: CrashVector,
    /// The highest ballot that the replica's proposer has used.
    pub proposed: Ballot,
    /// The members of the cluster.
    pub members: ReplicaSet,
    /// The founding of the replica, if it has one.
    pub founding: Option<Founding>,
    /// The foundings of other replicas that this one knows.
    pub met: KnownFoundings,
}

/// Something that the driver is to do for a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Effect<M = Message, R = Record, A = Reply, O = Observation, H = Reason> {
    /// Send a message.
    Send(Envelope<M>),
    /// Make the records durable, then send the messages that reveal them.
    Persist {
        /// The role that writes. If it fails first, `then` is not sent.
        role: Role,
        /// The records, to be appended in order. May be empty.
        records: Vec<R>,
        /// The messages, to be sent in order once the records, and all records before them, are durable.
        then: Vec<Envelope<M>>,
    },
    /// Answer a client.
    Reply {
        /// The client.
        to: ClientId,
        /// The answer.
        reply: A,
    },
    /// Something to count or to log. The driver may ignore it.
    Observe(O),
    /// The replica found something that only a peer or a disk that lies can cause. It stops and must not be
    /// stepped again.
    Halt(H),
}

impl<M, R, A, O, H> Effect<M, R, A, O, H> {
    /// The same effect with another answer, for programs whose clients are answered in terms of their own.
    pub fn map_reply<T>(self, change: impl FnOnce(A) -> T) -> Effect<M, R, T, O, H> {
        match self {
            Effect::Send(envelope) => Effect::Send(envelope),
            Effect::Persist { role, records, then } => Effect::Persist { role, records, then },
            Effect::Reply { to, reply } => Effect::Reply {
                to,
                reply: change(reply),
            },
            Effect::Observe(observation) => Effect::Observe(observation),
            Effect::Halt(reason) => Effect::Halt(reason),
        }
    }
}

/// A message and its receiver.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Envelope<M = Message> {
    /// The receiver. It may be the sender itself.
    pub to: ReplicaId,
    /// The message.
    pub message: M,
}

/// Something that a replica did, for logs, statistics and checkers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Observation {
    /// The replica stands for election: phase 1 begins.
    Candidate {
        /// The ballot.
        ballot: Ballot,
    },
    /// Phase 1 is complete: the replica leads.
    Elected {
        /// The ballot.
        ballot: Ballot,
        /// The number of slots for which phase 1 found a value.
        carried_over: u64,
        /// The number of gaps between these, which get a no-op.
        gaps: u64,
    },
    /// The replica no longer leads, or has given up its candidacy.
    Deposed {
        /// Its ballot.
        ballot: Ballot,
        /// The reason.
        why: Deposition,
    },
    /// The leader has counted enough votes for a slot.
    Chosen {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
    },
    /// The learner applied a slot.
    Applied {
        /// The slot.
        slot: Slot,
        /// The digest of the state after it (L3).
        digest: u128,
    },
    /// A lagging learner received values from another replica.
    CaughtUp {
        /// The first slot.
        from: Slot,
        /// The number of slots.
        slots: u64,
    },
    /// A replica that had been a member before claims to be new. Its messages are dropped. This is observed
    /// once per claimed founding.
    FoundedAnew {
        /// The replica.
        replica: ReplicaId,
        /// What is known of its foundings.
        known: KnownFounding,
        /// The founding that it claims.
        claimed: Founding,
    },
    /// The acceptor has lost its memory and will never vote again: with these quorum sizes it cannot recover.
    StaysOut,
    /// The acceptor has heard of a later incarnation of itself than it knows of, so its log is incomplete. It
    /// recovers as if its disk were lost (see [`crate::recovery`]).
    Outlived {
        /// The later incarnation.
        incarnation: Incarnation,
    },
    /// The acceptor has lost its memory and begins a new incarnation (see [`crate::recovery`]).
    Recovering {
        /// Its number.
        incarnation: Incarnation,
    },
    /// The acceptor has recovered, durably, and votes again.
    Recovered {
        /// Its incarnation.
        incarnation: Incarnation,
    },
    /// The learner installed a snapshot of another replica.
    Installed {
        /// The snapshot holds the state after every slot below this one.
        slot: Slot,
        /// Its digest (L3, L4).
        digest: u128,
    },
    /// A snapshot was taken, and the log was cut at the snapshot before it.
    SnapshotTaken {
        /// The snapshot holds the state after every slot below this one.
        slot: Slot,
        /// Its digest.
        digest: u128,
    },
    /// A checkpoint is durable, and all records before it can be dropped.
    Checkpointed {
        /// The slot of its snapshot; 0 if it has none.
        slot: Slot,
    },
    /// The set of replicas whose states differ from this one's has changed. See [`crate::agreement`].
    Differs {
        /// The replicas that differ; empty if none does any more.
        with: ReplicaSet,
        /// The lowest slot at which a comparison showed a difference; 0 if no replica differs.
        slot: Slot,
        /// Whether this replica still serves, because a quorum shares its state.
        serves: bool,
    },
    /// Sessions were dropped to make room for new ones.
    SessionsDropped {
        /// The number of sessions.
        count: u64,
    },
}

/// Why a proposer gave up its ballot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Deposition {
    /// A message showed a higher ballot.
    Higher {
        /// The higher ballot.
        ballot: Ballot,
    },
    /// It is no longer connected to a quorum of voting acceptors.
    QuorumLost,
    /// Its candidacy found no quorum in time.
    TimedOut,
    /// The proposer failed.
    Failed,
    /// Its learner has failed, or has lacked chosen values for longer than a transfer from another replica
    /// takes.
    Behind,
    /// Another value was chosen for a slot than it proposed: a leader with a higher ballot exists.
    Overtaken,
}

/// Why a replica halts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Reason {
    /// Two values were proposed for one ballot and slot (P1).
    #[error(
        "two different values were proposed in ballot {ballot} for slot {slot}: a peer or a disk is faulty; \
         this replica stops"
    )]
    TwoValues {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
    },
    /// Two values were reported as chosen for one slot (L1).
    #[error(
        "two different values were reported as chosen for slot {slot}: a peer or a disk is faulty; this \
         replica stops"
    )]
    TwoChosen {
        /// The slot.
        slot: Slot,
    },
    /// A promise reports a slot so far beyond all others that no correct cluster reaches it.
    #[error(
        "a promise reports slot {slot}, with {gap} slots before it for which no value is known: a peer or a \
         disk is faulty; this replica stops"
    )]
    Gap {
        /// The slot.
        slot: Slot,
        /// The number of slots before it for which no acceptor reported a value.
        gap: u64,
    },
    /// It was founded as a new replica, but a peer knows an earlier life of it: see [`crate::founding`].
    #[error(
        "{peer} knows this replica by another founding: its directory was formatted although this replica \
         had been a member before (own founding {own}, {peer} knows: {known}). The replica does not know \
         what it promised before, and stops; nothing was changed. Recover it with \
         `kvpaxos recover --discard`, or restore the directory that it had before"
    )]
    FoundedAnew {
        /// The peer that reported it.
        peer: ReplicaId,
        /// What the peer knows of this replica.
        known: KnownFounding,
        /// The replica's own founding.
        own: Founding,
    },
}
