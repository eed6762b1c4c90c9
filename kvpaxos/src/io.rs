//! The contract of `step`: what goes in ([`Input`]) and what comes out ([`Effect`]).
//!
//! Whoever drives a [`Replica`](crate::Replica) owes it this:
//!
//! 1. One input at a time, with times that never go down within a life. After each step, call
//!    [`deadline`](crate::Replica::deadline) and bring [`Event::Clock`] when that time has come.
//! 2. Effects are carried out in the order given. [`Effect::Send`] may be lost, repeated or delayed; messages that name
//!    the replica itself come back to it as [`Event::Peer`].
//! 3. The records of successive [`Effect::Persist`] are appended to one log in order. Its `then` leaves when its own
//!    records *and those of every earlier `Persist`* are durable, and not before; an empty `records` is a barrier. Many
//!    `Persist`s may share one sync, and the replica may be stepped meanwhile.
//! 4. Each `Persist` belongs to one role. When that role fails ([`Event::Fail`]) or the replica stops, what still waits
//!    in `then` is void. A restart with [`Memory::Kept`] gives back all records of the log, read only after every write
//!    of the earlier life has settled, on disk or not at all; those that were synced must be there, a suffix of those that
//!    were not may be missing.
//! 5. A role whose log cannot be read back in full is restarted with [`Memory::Lost`], and so is a replica that starts after the first
//!    time and has no log at all, because it was lost or because its cluster keeps nothing on disks: only a replica that is new may
//!    start with no records.
//! 6. Once a [`Record::CheckpointEnd`] is durable, the records before the [`Record::Checkpoint`] of the same number are no longer
//!    needed. They may be dropped, oldest first; what is left then begins with that `Checkpoint`, and is given back as all there is.
//! 7. The log of a replica that is new begins with a [`Record::Founded`], durable before the replica starts for the first time, and each
//!    message comes with the [founding](crate::Replica::founding) that its sender had. A shell that does without both leaves it to the
//!    operator that no replica is founded twice: see [`crate::founding`].
//! 8. After [`Effect::Halt`] the replica is not stepped again.
//!
//! The types of inputs and effects have parameters, so that what drives a replica can drive another deterministic state machine as well
//! (`kvpaxos-sim` does): `M` are messages, `R` records, `Q` requests, `A` answers to them, `O` observations and `H` reasons to halt. The
//! defaults are those of a [`Replica`](crate::Replica), so that `Event` and `Effect` alone are what enters and leaves one.

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
    /// When.
    pub at: Time,
    /// What.
    pub event: Event<M, R, Q>,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Event<M = Message, R = Record, Q = Request> {
    /// The time that [`deadline`](crate::Replica::deadline) named has come. Early or repeated calls do nothing.
    Clock,
    /// A message of another replica, or of this one to itself.
    Peer {
        /// Who sent it; the shell vouches for this.
        from: ReplicaId,
        /// The founding that the sender had when it sent this, as it said when the connection was made; `None` if it has none, or
        /// if the shell does not tell.
        founding: Option<Founding>,
        /// The message.
        message: M,
    },
    /// A client asks.
    Client {
        /// Whom the reply goes to.
        from: ClientId,
        /// The request.
        request: Q,
    },
    /// A client will not hear any more replies. What it asked goes on.
    ClientGone {
        /// Who.
        client: ClientId,
    },
    /// A role fails: its state is gone from memory and it hears nothing until it restarts.
    Fail(Role),
    /// A failed role starts again. Nothing happens if it runs.
    Restart {
        /// Which.
        role: Role,
        /// What it finds.
        memory: Memory<R>,
        /// Fresh random bits.
        entropy: Entropy,
    },
}

/// What a role, or a whole replica, finds on its disk when it starts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Memory<R = Record> {
    /// All records that it made durable, in order; none for a replica that is new.
    Kept(Vec<R>),
    /// The disk is gone, or damaged where it had been synced.
    Lost,
}

/// Something that must outlive the process.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Record {
    /// The proposer uses this ballot, of its present life, from now on (P3); durable before anybody hears of it.
    Proposed {
        /// Which.
        ballot: Ballot,
    },
    /// The acceptor promised this ballot (A1).
    Promised {
        /// Which.
        ballot: Ballot,
    },
    /// The acceptor accepted this value, and with it promised the ballot.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The value.
        value: Value,
    },
    /// Every slot below `up_to` is chosen; where the accepted value is of this ballot, it is the chosen one. A hint that
    /// saves work after a restart: its loss loses nothing.
    Chosen {
        /// The leader's ballot.
        ballot: Ballot,
        /// The first slot not known to be chosen.
        up_to: Slot,
    },
    /// The value was chosen for the slot, as another replica told. A hint like [`Record::Chosen`].
    Learned {
        /// The slot.
        slot: Slot,
        /// The value.
        value: Value,
    },
    /// The acceptor lost its memory: what stands before this in the log is not all it promised.
    MemoryLost,
    /// The replica lost its disk, or what it had made durable there: what stands before this in the log is not all that it
    /// promised, nor all the ballots that it used.
    DiskLost,
    /// An acceptor has begun a new incarnation: an entry of this one's crash vector.
    Heard {
        /// Which.
        acceptor: ReplicaId,
        /// Which life of it.
        incarnation: Incarnation,
    },
    /// A checkpoint begins: all that is needed of the log before this follows, mixed with whatever is written meanwhile. Once
    /// its [`Record::CheckpointEnd`] is durable, all records before this one may be dropped, and a mark of lost memory among
    /// them is void. A checkpoint without its end counts for nothing.
    Checkpoint(Box<Checkpoint>),
    /// Part of a checkpoint: a value that the acceptor accepted. Unlike [`Record::Accepted`] it says nothing new.
    Carried(Accepted),
    /// Part of a checkpoint: a part of its snapshot.
    SnapshotPart {
        /// Where the part begins.
        at: Cursor,
        /// Where the next one does; `None` after the last.
        next: Option<Cursor>,
        /// The content.
        bytes: Bytes,
    },
    /// The checkpoint of this number is complete.
    CheckpointEnd {
        /// Its number.
        number: u64,
    },
    /// The learner took in a part of another replica's snapshot: after a restart the transfer goes on behind it. A hint like
    /// [`Record::Chosen`].
    Received(Box<SnapshotPart>),
    /// The replica is new, and this is its first life: the first record of a log that was founded for it.
    Founded {
        /// Names that life.
        founding: Founding,
    },
    /// What the replica has learned of another's foundings, beside what it knew.
    Met {
        /// The other.
        replica: ReplicaId,
        /// What it learned.
        known: KnownFounding,
    },
}

/// What a log's records up to some moment come to, but for what follows in records of their own.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Numbers the checkpoints of a log.
    pub number: u64,
    /// The snapshot that follows holds the state after every slot below this; there is none if it is 0.
    pub slot: Slot,
    /// The digest of that state (L3).
    pub digest: u128,
    /// Every slot below is chosen, and the acceptor tells of it only that.
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
    /// Which foundings of others the replica knows.
    pub met: KnownFoundings,
}

/// Everything that leaves a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Effect<M = Message, R = Record, A = Reply, O = Observation, H = Reason> {
    /// Send a message.
    Send(Envelope<M>),
    /// Make the records durable, then send what reveals them.
    Persist {
        /// Whose it is: when this role fails, `then` is void.
        role: Role,
        /// To be appended in order; may be empty.
        records: Vec<R>,
        /// Leaves in order once the records, and all before them, are durable.
        then: Vec<Envelope<M>>,
    },
    /// Answer a client.
    Reply {
        /// Whom.
        to: ClientId,
        /// The answer.
        reply: A,
    },
    /// Something worth counting or logging; carries no duty.
    Observe(O),
    /// The replica has met what only a lying peer or disk can cause, and stops. It must not be stepped again.
    Halt(H),
}

/// A message and whom it is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Envelope<M = Message> {
    /// The receiver; may be the replica itself.
    pub to: ReplicaId,
    /// The message.
    pub message: M,
}

/// What a replica tells of itself, for logs, statistics and checkers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Observation {
    /// Phase 1 begins.
    Standing {
        /// The ballot.
        ballot: Ballot,
    },
    /// Phase 1 is complete: the replica leads.
    Elected {
        /// The ballot.
        ballot: Ballot,
        /// Slots whose value phase 1 carried over.
        carried_over: u64,
        /// Slots that were gaps and get a no-op.
        gaps: u64,
    },
    /// The replica leads no longer, or gave up its candidacy.
    Deposed {
        /// Its ballot.
        ballot: Ballot,
        /// Why.
        why: Deposition,
    },
    /// The leader counted the last vote that was needed for a slot.
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
        /// The digest of the whole state after it (L3).
        digest: u128,
    },
    /// A lagging learner took values from another replica.
    CaughtUp {
        /// The first slot.
        from: Slot,
        /// How many slots.
        slots: u64,
    },
    /// A replica claims to be new that had been a member before: nothing of it is heard. Told once, until it claims something else.
    FoundedAnew {
        /// Which replica.
        replica: ReplicaId,
        /// What is known of it.
        known: KnownFounding,
        /// The founding that it claims.
        claimed: Founding,
    },
    /// The acceptor stays out of every vote for good: its memory is lost, and these quorum sizes leave no way to get it back.
    StaysOut,
    /// The acceptor was told of a later life of itself than it knew of: what it holds is not all that it promised. It has lost its
    /// memory, as if its disk were lost (see [`crate::recovery`]).
    Outlived {
        /// The number of that life.
        incarnation: Incarnation,
    },
    /// The acceptor lost its memory, and begins a new life (see [`crate::recovery`]).
    Recovering {
        /// Its number.
        incarnation: Incarnation,
    },
    /// The acceptor has got back what counts, durably, and votes again.
    Recovered {
        /// The number of its life.
        incarnation: Incarnation,
    },
    /// The learner went on from another replica's snapshot.
    Installed {
        /// It holds the state after every slot below.
        slot: Slot,
        /// Its digest (L3, L4).
        digest: u128,
    },
    /// A snapshot was taken, and the log before the last one cut.
    SnapshotTaken {
        /// It holds the state after every slot below.
        slot: Slot,
        /// Its digest.
        digest: u128,
    },
    /// A checkpoint is durable, and all records before it can go.
    Checkpointed {
        /// The slot of its snapshot; 0 if there is none.
        slot: Slot,
    },
    /// Other replicas' states are found to differ from this one's, or fewer than before are, or none. See [`crate::agreement`].
    Differs {
        /// Whose; empty if nobody's is any more.
        with: ReplicaSet,
        /// The lowest slot at which they were compared and differed; 0 if nobody's does.
        slot: Slot,
        /// Whether this replica serves all the same, because a quorum shares its state.
        serves: bool,
    },
    /// Sessions were dropped to make room for new ones.
    SessionsDropped {
        /// How many.
        count: u64,
    },
}

/// Why a proposer gave up its ballot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Deposition {
    /// An acceptor, or a message of it, showed a higher ballot.
    Higher {
        /// The higher one.
        ballot: Ballot,
    },
    /// It has not heard from a quorum of voting acceptors for a while.
    QuorumLost,
    /// Its candidacy found no quorum in time.
    TimedOut,
    /// Its role failed.
    Failed,
    /// It led, and its learner has failed or lacks what was chosen, for longer than it takes anybody to help.
    Behind,
    /// It learned from others that what was chosen for a slot is not what it proposed: a higher ballot was elected unheard.
    Overtaken,
}

/// Why a replica halts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Reason {
    /// Two values were sent for one ballot and slot (P1).
    #[error(
        "two different values came for ballot {ballot} and slot {slot}: a peer or a disk lies; this replica stops"
    )]
    TwoValues {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
    },
    /// Two values were told chosen for one slot (L1).
    #[error(
        "two different values were told chosen for slot {slot}: a peer or a disk lies; this replica stops"
    )]
    TwoChosen {
        /// The slot.
        slot: Slot,
    },
    /// A promise reports a slot so far beyond all others that no honest cluster gets there.
    #[error(
        "a promise reports slot {slot}, {gap} slots beyond what is chosen: a peer or a disk lies; this replica stops"
    )]
    Gap {
        /// The slot.
        slot: Slot,
        /// How many slots of the gap no acceptor knows a value for.
        gap: u64,
    },
    /// It was founded as a new replica, and a peer has met an earlier life of it: see [`crate::founding`].
    #[error(
        "{peer} knows this replica from another founding than its own: its directory was formatted although this replica had been a member \
         before (own founding {own}, {peer} knows: {known}). It does not know what it promised, and stops; nothing was changed. Recover it: \
         `kvpaxos recover --discard`, or restore the directory that it had before"
    )]
    FoundedAnew {
        /// Who told.
        peer: ReplicaId,
        /// What the peer knows.
        known: KnownFounding,
        /// The replica's own founding.
        own: Founding,
    },
}
