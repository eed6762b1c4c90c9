//! How the crate works, and which file holds what. This page has no code.
//!
//! # Layers
//!
//! Imports run downwards only.
//!
//! ```text
//!   codec/  wal/            frames between processes; the format of the log on disk
//!   replica/                owns the roles, routes between them, serves clients: one `step` per input
//!   memory/                 checkpoints, and what a log's records add up to after a restart
//!   roles/                  acceptor, proposer (candidacy, leadership), learner, recovery, reads
//!   io  message  status     what goes in and out, what replicas say to each other
//!   state/                  the replicated state: sessions, key-value store, snapshots
//!   encoding/               postcard, read strictly
//!   types  config  command  crash_vector  founding  agreement
//! ```
//!
//! Roles do not import the replica, and hold no reference to each other: a role takes a message and returns
//! what it leads to. `client/` stands beside all this: it is the other end of the client protocol, and needs
//! only `command` and `types`.
//!
//! # The contract of `step`
//!
//! [`Replica::step`](crate::Replica::step) takes one [`Input`](crate::Input) and returns
//! [`Effect`](crate::Effect)s. It is total (no input makes it fail) and deterministic (state and input decide
//! everything; random numbers come from the entropy given at the start). It performs no input or output. The
//! driver carries the effects out in order and owes the replica what [`crate::io`] lists. The most important
//! rule is a shape and not a convention: a message that reveals something which must survive a crash travels
//! *inside* [`Effect::Persist`](crate::Effect::Persist), and leaves only when the records beside it are
//! durable.
//!
//! Inside a step, `replica/mod.rs` runs three things in order:
//!
//! 1. `on_event` handles the event;
//! 2. `advance` does what follows from the new state: a candidate with a quorum becomes the leader, chosen
//!    values are applied and their clients answered, waiting commands are proposed, reads are served, a
//!    lagging learner asks for help;
//! 3. `on_tick` (`replica/tick.rs`) runs if a tick is due: heartbeats, resends, elections, deadlines.
//!
//! # What happens to one PUT
//!
//! A client is connected to r1; r0 leads.
//!
//! | step | where |
//! | --- | --- |
//! | r1 checks limits, session window and load | `replica/client.rs`: `on_client`, `admit` |
//! | r1 keeps the command among its pending requests, and forwards it to r0 | `replica/pending.rs`: `add`; `replica/client.rs`: `hand_one` |
//! | r0 queues it, unless it is a repeat of what is under way | `roles/leadership.rs`: `enqueue` |
//! | r0 puts it into a batch for the next free slot, and sends Accept to all | `replica/lead.rs`: `propose`; `roles/leadership.rs`: `propose_next` |
//! | each acceptor accepts, unless it promised a higher ballot; its vote waits for the disk | `roles/acceptor.rs`: `on_accept` |
//! | r0 counts votes; the slot is chosen with a phase-2 quorum of votes that are crash-consistent | `replica/peer.rs`: `on_accepted`; `roles/leadership.rs`: `on_accepted` |
//! | r0 tells all how far the log is chosen, with the next Accept or with Chosen | `replica/lead.rs`: `tell` |
//! | r1's learner takes the value that r0 proposed for the chosen one | `replica/mod.rs`: `on_watermark`; `roles/learner.rs`: `on_watermark` |
//! | r1 applies the slot: the session table runs the write if it is no repeat | `roles/learner.rs`: `apply_next`; `state/machine.rs`: `apply`; `state/session.rs`: `once`; `state/kv.rs`: `execute` |
//! | **r1 acknowledges the PUT** to its client | `replica/client.rs`: `apply`, or `release_withheld` if the answer had to wait until a leader vouched for the state ([`crate::agreement`]) or, in the two-phase setting, until every replica had applied the slot |
//!
//! A GET takes another way, that of read index (Ongaro's thesis, 6.4): r1 asks r0 for an index
//! (`replica/client.rs`: `ask_for_reads`), r0 has its ballot confirmed by n - q1 + 1 acceptors
//! (`replica/lead.rs`: `confirm_reads`; `roles/read.rs` says why that is enough), and r1 serves the read when
//! it has applied that far (`replica/client.rs`: `serve_reads`).
//!
//! # What happens to one failure
//!
//! **The leader stops.** No heartbeat of it arrives, and after [`Timing::patience`](crate::Timing) ticks its
//! peers no longer take it for the leader (`replica/peers.rs`: `on_tick`). A replica that is connected to a
//! quorum stands for election (`replica/lead.rs`: `may_stand`, `stand`): it writes a new ballot to its log
//! and sends Prepare. *When a promise arrives*, `replica/peer.rs`: `on_promise` hands it to the candidate
//! (`roles/candidacy.rs`: `on_promise`), which keeps for each slot the value accepted in the highest ballot.
//! With a phase-1 quorum of promises, `lead_when_ready` makes it the leader; it proposes those values again
//! and fills the gaps with no-ops. Every replica then hands the new leader its pending requests
//! (`replica/client.rs`: `hand_all`); those that were chosen already are found by the session table and take
//! no second effect.
//!
//! **The leader is to stop**, and its driver says so first ([`Event::HandOver`](crate::Event)): it asks the
//! connected replica that knows most to stand at once, and leads until it hears of that replica's ballot
//! (`replica/hand_over.rs`). Nobody has to miss it. What happens then is the election above, without the wait:
//! the request is a hint, and safety does not depend on it.
//!
//! **A whole replica stops and comes back with its disk.** `memory/restore.rs` adds its records up;
//! `replica/mod.rs`: `new` builds the roles from the sum. Its proposer begins a new [`Life`](crate::Life), so
//! that it uses no ballot twice. What it missed it gets from others (`replica/catch_up.rs`): values, or parts
//! of a snapshot if their logs are cut.
//!
//! **An acceptor loses its memory** (its disk is gone, or damaged where it had been synced). It must not
//! vote: it may have promised what it no longer knows. [`crate::recovery`] says how it comes back, and why
//! that is safe; `replica/recover.rs` drives it. If too many have lost their memory, every request is refused
//! ([`Refusal::MemoryLost`](crate::Refusal)).
//!
//! **A single role fails.** [`Event::Fail`](crate::Event) and [`Event::Restart`](crate::Event) stop and start
//! the proposer, acceptor or learner of a running replica (`replica/role.rs`). A learner is rebuilt from the
//! acceptor's memory, so that losing every learner loses nothing.
//!
//! **A directory is formatted again** although the replica had been a member: [`crate::founding`] says how
//! the others notice. **A disk forgets in silence** what it had synced, and two histories result:
//! [`crate::agreement`] says how replicas notice that, and which of them go on.
//!
//! # The crash model
//!
//! - Processes stop at any moment and restart. Messages are lost, repeated, delayed and reordered. Clocks
//!   only decide when something is tried again; safety never depends on them.
//! - Of what was appended to the log and not synced, any suffix may be missing after a crash, and its last
//!   write may be torn.
//! - Of what was synced, nothing is missing, *or the damage is noticed* ([`crate::wal`]): noticed damage
//!   counts as lost memory.
//! - At most n - r acceptors are without memory at a time, where r is
//!   [`recovery::answers_needed`](crate::recovery::answers_needed). Beyond that the cluster refuses to serve.
//! - Replicas do not lie. Bytes from outside are checked all the same: what no honest replica sends is
//!   refused by the decoder ([`codec::DecodeError`](crate::codec::DecodeError)) or halts the replica
//!   ([`Reason`](crate::Reason)). It never panics because of them.
//!
//! # Where to find it
//!
//! | question | file |
//! | --- | --- |
//! | What does message M mean? | [`crate::message`] |
//! | What happens when message M arrives? | `replica/peer.rs` |
//! | When does a replica stand for election? | `replica/lead.rs`, `replica/peers.rs`; when a leader that is to stop asks it, `replica/hand_over.rs` |
//! | Which value may a new leader propose? | `roles/candidacy.rs` |
//! | When is a slot chosen? | `roles/leadership.rs` |
//! | What makes a write take effect once? | `state/session.rs` |
//! | When is a snapshot taken and the log cut? | `roles/learner.rs`, `memory/checkpoint.rs`, `replica/save.rs` |
//! | What is on the disk? | [`crate::io::Record`], [`crate::wal`] |
//! | How is a trace line to be read? | [`crate::notation`] |
