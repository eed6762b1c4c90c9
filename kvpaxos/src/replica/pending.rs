//! Pending requests: the commands that this replica took in for its clients, until they are applied or their
//! time is up.
//!
//! A command is handed to the leader, and again when the leader changes or when nothing is heard of it.
//! Repeats do no harm: the leader drops repeats of commands that are under way or applied. If a repeat is
//! chosen nevertheless, the session table (or, for an Open, the tag) lets the command take effect once.

use std::collections::{BTreeMap, VecDeque};

use crate::command::{Command, CommandKey, Outcome, Reply, Stream};
use crate::export::export_fields;
use crate::roles::under_way::find;
use crate::types::{Ballot, ClientId, Slot};

/// The commands that wait to be applied, and the replies that are withheld.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct PendingRequests {
    /// The commands of each stream, by ascending number. They mostly arrive and leave at the ends.
    streams: BTreeMap<Stream, VecDeque<PendingCommand>>,
    /// The number of requests that wait for these commands. Several requests may ask for the same command.
    requests: usize,
    /// The commands' bytes.
    bytes: usize,
    /// Replies that are withheld until a leader has vouched for their slot and, in the two-phase setting, the
    /// slot is settled.
    withheld: BTreeMap<Slot, Vec<WithheldReply>>,
}

export_fields!(PendingRequests {
    streams,
    requests,
    bytes,
    withheld
});

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct PendingCommand {
    number: u64,
    command: Command,
    /// The request that asked for it first.
    first: Waiter,
    /// Later requests for the same command.
    more: Vec<Waiter>,
    /// The ballot of the leader that it was handed to last, if any. From then on it may take effect.
    handed: Option<Ballot>,
    /// Ticks since then.
    age: u32,
    /// The number of ticks after which it is handed on again. Doubled each time, so that a slow leader is not
    /// overloaded.
    patience: u32,
}

export_fields!(PendingCommand {
    number,
    command,
    first,
    more,
    handed,
    age,
    patience
});

/// A request of a client that waits for a reply.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Waiter {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    /// Ticks since the request arrived.
    age: u32,
    /// Set if no reply is expected any more: the client is gone, or was told that the deadline has passed.
    gone: bool,
}

export_fields!(Waiter {
    client,
    id,
    age,
    gone
});

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct WithheldReply {
    waiting: Waiter,
    outcome: Outcome,
}

export_fields!(WithheldReply { waiting, outcome });

/// A request whose deadline has passed.
pub(crate) struct ExpiredRequest {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    /// Whether the command was handed to a leader. Then its outcome is unknown.
    pub(crate) handed: bool,
}

impl PendingRequests {
    /// Whether no request waits for its command.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// Whether replies are withheld.
    pub(crate) fn withholds(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// The number of requests that wait for their command or for a withheld reply.
    pub(crate) fn len(&self) -> usize {
        self.requests + self.withheld.values().map(Vec::len).sum::<usize>()
    }

    /// The commands' bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a command that is being handed to the leader of `ballot`, if there is one. Returns whether the
    /// command is new; a command that is pending already need not be handed on again. A request that arrived
    /// twice is answered once.
    pub(crate) fn add(
        &mut self,
        client: ClientId,
        id: u64,
        command: &Command,
        ballot: Option<Ballot>,
        patience: u32,
    ) -> bool {
        let waiting = Waiter::new(client, id);
        let CommandKey { stream, number } = command.key();
        let stream = self.streams.entry(stream).or_default();
        match find(stream, number, |pending| pending.number) {
            Ok(place) => {
                let pending = &mut stream[place];
                let is_same = |other: &mut Waiter| other.client == client && other.id == id && !other.gone;
                if !pending.waiting().any(is_same) {
                    pending.more.push(waiting);
                    self.requests += 1;
                }
                false
            }
            Err(place) => {
                self.requests += 1;
                self.bytes += command.size();
                let command = command.clone();
                let pending = PendingCommand {
                    number,
                    command,
                    first: waiting,
                    more: Vec::new(),
                    handed: ballot,
                    age: 0,
                    patience,
                };
                if place == stream.len() {
                    stream.push_back(pending);
                } else {
                    stream.insert(place, pending);
                }
                true
            }
        }
    }

    /// All pending commands.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &Command> {
        self.streams.values().flatten().map(|pending| &pending.command)
    }

    /// The clients that expect a reply, each as often as it waits for one.
    pub(crate) fn clients(&self) -> impl Iterator<Item = ClientId> {
        let pending = self.streams.values().flatten();
        let pending = pending.flat_map(|pending| std::iter::once(&pending.first).chain(&pending.more));
        let withheld = self.withheld.values().flatten();
        let waiting = pending.chain(withheld.map(|withheld| &withheld.waiting));
        waiting
            .filter(|waiting| !waiting.gone)
            .map(|waiting| waiting.client)
    }

    /// Returns every command that was not handed to the leader of `ballot` yet, and notes that it is being
    /// handed over.
    pub(crate) fn hand_all(&mut self, ballot: Ballot, patience: u32) -> Vec<Command> {
        let pending = self.streams.values_mut().flatten();
        let hand = |pending: &mut PendingCommand| {
            pending.handed = Some(ballot);
            pending.age = 0;
            pending.patience = patience;
            pending.command.clone()
        };
        pending
            .filter(|pending| pending.handed != Some(ballot))
            .map(hand)
            .collect()
    }

    /// A command was applied: removes it, and returns the requests that wait for it.
    pub(crate) fn on_applied(&mut self, command: &Command) -> impl Iterator<Item = Waiter> + use<> {
        let waiting = self.take(command).into_iter();
        waiting
            .flat_map(|(first, more)| std::iter::once(first).chain(more))
            .filter(|waiting| !waiting.gone)
    }

    fn take(&mut self, command: &Command) -> Option<(Waiter, Vec<Waiter>)> {
        if self.is_empty() {
            return None;
        }
        let CommandKey { stream: key, number } = command.key();
        let stream = self.streams.get_mut(&key)?;
        let place = find(stream, number, |pending| pending.number).ok()?;
        // Most commands are the first in their stream; these need no search and move no other.
        let pending = if place == 0 {
            stream.pop_front()
        } else {
            stream.remove(place)
        };
        let PendingCommand {
            command, first, more, ..
        } = pending?;
        if stream.is_empty() {
            self.streams.remove(&key);
        }
        self.requests -= 1 + more.len();
        self.bytes -= command.size();
        Some((first, more))
    }

    /// Withholds a reply until its slot may be answered, or its deadline passes.
    pub(crate) fn hold(&mut self, slot: Slot, waiting: Waiter, outcome: Outcome) {
        self.withheld
            .entry(slot)
            .or_default()
            .push(WithheldReply { waiting, outcome });
    }

    /// Removes and returns the replies whose slots are below `answerable`.
    pub(crate) fn take_withheld(&mut self, answerable: Slot) -> Vec<(ClientId, Reply)> {
        let mut replies = Vec::new();
        while let Some(entry) = self
            .withheld
            .first_entry()
            .filter(|entry| *entry.key() < answerable)
        {
            let reply = |withheld: WithheldReply| {
                (
                    withheld.waiting.client,
                    Reply {
                        id: withheld.waiting.id,
                        outcome: withheld.outcome,
                    },
                )
            };
            replies.extend(entry.remove().into_iter().map(reply));
        }
        replies
    }

    /// A tick has passed. Returns the requests that have waited for `deadline` ticks, and the commands that
    /// must be handed to the leader of `ballot` again. That may be this replica's own proposer, whose queue
    /// may have been full.
    pub(crate) fn on_tick(
        &mut self,
        ballot: Option<Ballot>,
        deadline: u32,
    ) -> (Vec<ExpiredRequest>, Vec<Command>) {
        let mut expired = Vec::new();
        let mut again = Vec::new();
        let mut pass = |waiting: &mut Waiter, handed| {
            waiting.age += 1;
            if !waiting.gone && waiting.age >= deadline {
                waiting.gone = true;
                expired.push(ExpiredRequest {
                    client: waiting.client,
                    id: waiting.id,
                    handed,
                });
            }
        };
        for withheld in self.withheld.values_mut().flatten() {
            pass(&mut withheld.waiting, true);
        }
        for pending in self.streams.values_mut().flatten() {
            let handed = pending.handed.is_some();
            pending.waiting().for_each(|waiting| pass(waiting, handed));
            pending.age += 1;
            let wanted = pending.waiting().any(|waiting| !waiting.gone);
            if wanted && ballot.is_some() && pending.age >= pending.patience {
                pending.age = 0;
                pending.patience = pending.patience.saturating_mul(2);
                pending.handed = ballot;
                again.push(pending.command.clone());
            }
        }
        self.drop_unwanted();
        (expired, again)
    }

    /// A client is gone: its requests expect no reply.
    pub(crate) fn forget(&mut self, client: ClientId) {
        let withheld = self
            .withheld
            .values_mut()
            .flatten()
            .map(|withheld| &mut withheld.waiting);
        let pending = self
            .streams
            .values_mut()
            .flatten()
            .flat_map(PendingCommand::waiting);
        for waiting in withheld.chain(pending).filter(|waiting| waiting.client == client) {
            waiting.gone = true;
        }
        self.drop_unwanted();
    }

    /// Removes and returns the requests whose commands were handed to a leader, and so may have taken effect.
    pub(crate) fn take_handed(&mut self) -> Vec<Waiter> {
        let mut taken = Vec::new();
        let pending = self.streams.values_mut().flatten();
        for pending in pending.filter(|pending| pending.handed.is_some()) {
            for waiting in pending.waiting().filter(|waiting| !waiting.gone) {
                taken.push(waiting.clone());
                waiting.gone = true;
            }
        }
        self.drop_unwanted();
        taken
    }

    fn drop_unwanted(&mut self) {
        for withheld in self.withheld.values_mut() {
            withheld.retain(|withheld| !withheld.waiting.gone);
        }
        self.withheld.retain(|_, withheld| !withheld.is_empty());
        for stream in self.streams.values_mut() {
            stream.retain_mut(|pending| {
                let before = 1 + pending.more.len();
                let wanted = pending.drop_gone();
                let after = if wanted { 1 + pending.more.len() } else { 0 };
                self.requests -= before - after;
                if !wanted {
                    self.bytes -= pending.command.size();
                }
                wanted
            });
        }
        self.streams.retain(|_, stream| !stream.is_empty());
    }
}

impl Waiter {
    pub(crate) fn new(client: ClientId, id: u64) -> Waiter {
        Waiter {
            client,
            id,
            age: 0,
            gone: false,
        }
    }
}

impl PendingCommand {
    /// Drops requests that expect no reply; returns whether any is left.
    fn drop_gone(&mut self) -> bool {
        self.more.retain(|waiting| !waiting.gone);
        if self.first.gone && !self.more.is_empty() {
            self.first = self.more.remove(0);
        }
        !self.first.gone
    }

    fn waiting(&mut self) -> impl Iterator<Item = &mut Waiter> {
        std::iter::once(&mut self.first).chain(&mut self.more)
    }
}
