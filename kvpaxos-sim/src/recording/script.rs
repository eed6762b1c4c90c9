//! What replicas took in, as a list that can be shortened and played again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use kvpaxos::recording::{Entry, Header};
use kvpaxos::{
    ClientId, Entropy, Event, Founding, Memory, Message, Record, ReplicaId, Request, RequestBody, Role,
    SessionId, Time,
};

use super::execution::Execution;
use super::files::Found;
use super::memory::Beginning;

/// The name of an item. It keeps it when others are left out.
pub(super) type ItemId = u32;

/// Everything that the replicas of a recording took in, in an order in which each message is sent before it arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Script {
    /// The headers of the recordings that it was made from: those of all lives.
    pub(super) headers: Arc<[Header]>,
    /// The time of day at which the clock of the script shows 0, in microseconds since 1970.
    pub(super) origin: u64,
    /// How many acceptors may lack their memory at a time; `None` as many as do.
    pub(super) losses: Option<usize>,
    /// Items with lower numbers are never left out: what they lead to is in checkpoints.
    pub(super) fixed: ItemId,
    pub(super) items: Vec<Arc<Item>>,
}

/// One thing that happens to a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Item {
    pub(super) id: ItemId,
    pub(super) replica: ReplicaId,
    /// When, on the clock of the script, in microseconds.
    pub(super) at: u64,
    pub(super) what: What,
}

/// What happens to a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// The process starts. The one before, if there is one, is gone.
    Start {
        /// The place of its header.
        header: usize,
        /// How its memory compares with what the replica wrote before.
        beginning: Beginning,
        memory: Memory,
        entropy: Entropy,
    },
    /// The recording begins in the middle of a life: the replica goes on from a checkpoint.
    Resume {
        /// The place of its header.
        header: usize,
        from: Arc<Late>,
    },
    /// The process is gone.
    End,
    /// A message of another replica arrives.
    Message {
        from: ReplicaId,
        founding: Option<Founding>,
        message: Message,
        /// Which one of the script it is.
        source: Source,
    },
    /// The oldest message of the replica to itself arrives.
    Own,
    /// A client asks.
    Request {
        from: ClientId,
        request: Request,
        /// The item with the request that opened its session, if that is known.
        opened_by: Option<ItemId>,
    },
    /// A role restarts.
    Restart {
        role: Role,
        memory: Memory,
        entropy: Entropy,
    },
    /// Another input.
    Input(Event),
    /// The records since the last flush become a batch.
    Flush,
    /// A batch is durable, and all before it.
    Durable {
        /// The number that it has in the recording.
        batch: u64,
        /// The item that made it a batch, once that is known.
        flush: Option<ItemId>,
    },
}

/// The beginning of a recording that begins in the middle of a life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Late {
    /// The checkpoint, in bytes.
    pub(super) checkpoint: Vec<u8>,
    /// The digest of all effects before it.
    pub(super) digest: u64,
    /// What was durable on the disk then, if the recording shows it: the memory of a later start does.
    pub(super) log: Option<Vec<Record>>,
    pub(super) begun: Begun,
}

/// The execution with which it goes on. It is read from the checkpoint once, and cloned for each candidate and each future: a
/// state of a million keys takes seconds to read, and no time to clone.
#[derive(Clone, Default)]
pub(super) struct Begun(OnceLock<Option<Execution>>);

impl Begun {
    pub(super) fn get(&self, read: impl FnOnce() -> Option<Execution>) -> Option<Execution> {
        self.0.get_or_init(read).clone()
    }
}

/// It follows from the rest.
impl PartialEq for Begun {
    fn eq(&self, _: &Begun) -> bool {
        true
    }
}

impl Eq for Begun {}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun")
    }
}

impl What {
    /// An entry within a life, if it is an event. A message that arrives `is_sent` in a recording, or in none.
    pub(super) fn of(entry: &Entry, is_sent: bool) -> Option<What> {
        let what = match entry {
            Entry::Input { event, .. } => match event.clone() {
                Event::Client { from, request } => What::Request {
                    from,
                    request,
                    opened_by: None,
                },
                Event::Peer {
                    from,
                    founding,
                    message,
                } => What::Message {
                    from,
                    founding,
                    message,
                    source: if is_sent {
                        Source::Content
                    } else {
                        Source::Unrecorded
                    },
                },
                event => What::Input(event),
            },
            Entry::Own { .. } => What::Own,
            Entry::Flush => What::Flush,
            Entry::Durable { batch } => What::Durable {
                batch: *batch,
                flush: None,
            },
            Entry::Remember(_)
            | Entry::Start { .. }
            | Entry::Restart { .. }
            | Entry::Stopped
            | Entry::Checkpoint { .. }
            | Entry::Full => {
                return None;
            }
        };
        Some(what)
    }
}

impl What {
    /// As an entry of a recording, at this time. Of how lives begin and end there is none: the result is without effect.
    pub(super) fn entry(&self, at: Time) -> Entry {
        match self.clone() {
            What::Message {
                from,
                founding,
                message,
                ..
            } => Entry::Input {
                at,
                event: Event::Peer {
                    from,
                    founding,
                    message,
                },
            },
            What::Request { from, request, .. } => Entry::Input {
                at,
                event: Event::Client { from, request },
            },
            What::Restart {
                role,
                memory,
                entropy,
            } => Entry::Restart {
                at,
                role,
                kept: memory != Memory::Lost,
                entropy,
            },
            What::Input(event) => Entry::Input { at, event },
            What::Own => Entry::Own { at },
            What::Durable { batch, .. } => Entry::Durable { batch },
            What::Flush => Entry::Flush,
            What::Start { .. } | What::Resume { .. } | What::End => Entry::Stopped,
        }
    }
}

/// Where a message comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    /// No recording has it: it is from before it, or from a replica that is not recorded. It arrives as it is.
    Unrecorded,
    /// It is known by its content.
    Content,
    /// An item sends it: of the messages of this kind that the item sends to the receiver, it has this number, from 0.
    Item {
        item: ItemId,
        kind: &'static str,
        number: u32,
    },
}

/// How large a script is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ScriptSize {
    /// What enters replicas from outside: messages, requests, ticks of the clock, starts and failures. The checkpoint with which a
    /// recording begins counts as a start.
    pub inputs: u64,
    /// How many of them are messages of other replicas.
    pub messages: u64,
    /// How many of them are requests of clients.
    pub requests: u64,
    /// How often a process starts that ran before, or a role fails or restarts.
    pub failures: u64,
    /// Writes to disks that became durable.
    pub syncs: u64,
    /// All steps, these and others: messages of replicas to themselves, and batches.
    pub steps: u64,
}

impl fmt::Display for ScriptSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScriptSize {
            inputs,
            messages,
            requests,
            failures,
            syncs,
            ..
        } = self;
        write!(
            f,
            "{inputs} inputs ({messages} messages, {requests} requests, {failures} failures and restarts), {syncs} syncs"
        )
    }
}

impl Script {
    /// A script without items, for recordings whose common clock begins at `origin`.
    pub(super) fn of(found: &Found, origin: u64) -> Script {
        let files = found.values().flatten();
        Script {
            headers: files.map(|file| file.header.clone()).collect(),
            origin,
            losses: None,
            fixed: 0,
            items: Vec::new(),
        }
    }

    /// Adds what happens next.
    pub(super) fn push(&mut self, replica: ReplicaId, at: u64, what: What) {
        let id =
            ItemId::try_from(self.items.len()).expect("a recording in memory has fewer than 2^32 entries");
        let item = Item {
            id,
            replica,
            at,
            what,
        };
        self.items.push(Arc::new(item));
    }

    /// How large it is.
    pub(super) fn size(&self) -> ScriptSize {
        let mut size = ScriptSize::default();
        let mut started = BTreeSet::new();
        for item in &self.items {
            size.steps += 1;
            match &item.what {
                What::Own | What::Flush | What::End => continue,
                What::Durable { .. } => {
                    size.syncs += 1;
                    continue;
                }
                What::Start { .. } | What::Resume { .. } => {
                    size.failures += u64::from(!started.insert(item.replica));
                }
                What::Message { .. } => size.messages += 1,
                What::Request { .. } => size.requests += 1,
                What::Restart { .. } | What::Input(Event::Fail(_)) => size.failures += 1,
                What::Input(_) => {}
            }
            size.inputs += 1;
        }
        size
    }

    /// How long it is in time, in microseconds.
    pub(super) fn length(&self) -> u64 {
        let end = self.items.iter().map(|item| item.at).max().unwrap_or(0);
        end - self.items.iter().map(|item| item.at).min().unwrap_or(0)
    }

    /// Leaves items out.
    pub(super) fn leave_out(&mut self, gone: &BTreeSet<ItemId>) {
        self.items.retain(|item| !gone.contains(&item.id));
    }

    /// The items that can be left out and are of this sort. The first start of each replica stays, or the checkpoint with which its
    /// recording begins: without it there would be none. So does the start of one that was founded anew, and says so in its messages.
    pub(super) fn droppable(&self, is_of_sort: impl Fn(&Item) -> bool) -> Vec<ItemId> {
        let droppable = |item: &&Arc<Item>| match &item.what {
            What::Own | What::Resume { .. } => false,
            What::Start { beginning, .. } => matches!(
                beginning,
                Beginning::GoesOn { .. } | Beginning::Damaged { .. } | Beginning::Lost
            ),
            _ => true,
        };
        let mut started = BTreeSet::new();
        let is_first = |item: &Item| {
            let begins = matches!(item.what, What::Start { .. } | What::Resume { .. });
            begins && started.insert(item.replica)
        };
        let first: Vec<bool> = self
            .items
            .iter()
            .map(|item| item.as_ref())
            .map(is_first)
            .collect();
        let items = self.items.iter().zip(first);
        let is_free = |item: &Item| item.id >= self.fixed && is_of_sort(item);
        let ids = items.filter(|(item, first)| !first && droppable(item) && is_free(item));
        ids.map(|(item, _)| item.id).collect()
    }
}

/// The session of a request, if it needs one.
pub(super) fn session_of(body: &mut RequestBody) -> Option<&mut SessionId> {
    match body {
        RequestBody::Close { session } | RequestBody::Apply { session, .. } => Some(session),
        _ => None,
    }
}
