//! Pending requests: the commands that this replica took in for its clients, until they are applied or their time is up.
//!
//! A command is handed to whoever leads, and again when the leader changes or nothing is heard. Repeats do no harm: the leader drops
//! those of what it has under way or has applied, and of those that are chosen all the same the session table (or, for an Open, the
//! tag) lets one take effect.

use std::collections::{BTreeMap, VecDeque};

use crate::command::{Command, CommandKey, Outcome, Reply, Stream};
use crate::types::{Ballot, ClientId, Slot};

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct PendingRequests {
    /// The commands of each stream, by ascending number: they mostly come and go at the ends.
    streams: BTreeMap<Stream, VecDeque<PendingCommand>>,
    /// How many requests wait for them: several may ask for the same command.
    requests: usize,
    /// The commands' bytes.
    bytes: usize,
    /// Answers that wait until their slot is vouched for by a leader and, in the two-phase setting, settled.
    withheld: BTreeMap<Slot, Vec<WithheldReply>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct PendingCommand {
    number: u64,
    command: Command,
    /// Who wants to hear of it.
    first: Waiter,
    /// Who asked for the same afterwards.
    more: Vec<Waiter>,
    /// The leader it was handed to last, if to any: from then on it may take effect.
    handed: Option<Ballot>,
    /// Ticks since then.
    age: u32,
    /// Ticks after which it is handed on again; doubled each time, so that a leader that is merely slow is not buried.
    patience: u32,
}

/// A client that waits for an answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Waiter {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    /// Ticks since it asked.
    age: u32,
    /// Nobody waits any more: the client is gone, or was told that its time is up.
    gone: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct WithheldReply {
    waiting: Waiter,
    outcome: Outcome,
}

/// A client whose request's time is up.
pub(crate) struct ExpiredRequest {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    /// Whether the command was handed to a leader: then its fate is unknown.
    pub(crate) handed: bool,
}

/// Where the number stands, or belongs, in a stream.
fn find(stream: &VecDeque<PendingCommand>, number: u64) -> Result<usize, usize> {
    match (stream.front(), stream.back()) {
        (Some(front), _) if front.number == number => Ok(0),
        (_, Some(back)) if back.number < number => Err(stream.len()),
        _ => stream.binary_search_by_key(&number, |pending| pending.number),
    }
}

impl PendingRequests {
    /// How many requests wait, for their command, or until its outcome may be told.
    pub(crate) fn len(&self) -> usize {
        self.requests + self.withheld.values().map(Vec::len).sum::<usize>()
    }

    /// The commands' bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a command in, which is being handed to the leader of `ballot`, if there is one. Returns whether it is new: it
    /// need not be handed on if it was, for somebody who asked before. A request that came twice is answered once.
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
        match find(stream, number) {
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

    /// All commands that wait.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &Command> {
        self.streams.values().flatten().map(|pending| &pending.command)
    }

    /// Hands every command that the leader of `ballot` was not handed yet.
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

    /// A command was applied: takes out who waits for it.
    pub(crate) fn on_applied(&mut self, command: &Command) -> impl Iterator<Item = Waiter> + use<> {
        let waiting = self.take(command).into_iter();
        waiting
            .flat_map(|(first, more)| std::iter::once(first).chain(more))
            .filter(|waiting| !waiting.gone)
    }

    fn take(&mut self, command: &Command) -> Option<(Waiter, Vec<Waiter>)> {
        if self.requests == 0 {
            return None;
        }
        let CommandKey { stream: key, number } = command.key();
        let stream = self.streams.get_mut(&key)?;
        let place = find(stream, number).ok()?;
        // Most come first in their stream: those need no search and move nobody.
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

    /// Keeps an answer back until its slot may be told, or its time is up.
    pub(crate) fn hold(&mut self, slot: Slot, waiting: Waiter, outcome: Outcome) {
        self.withheld
            .entry(slot)
            .or_default()
            .push(WithheldReply { waiting, outcome });
    }

    /// Takes the answers whose slots lie below `answerable`.
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

    /// A tick has passed. Takes out who has waited `deadline` ticks, and returns the commands to be handed to the leader of
    /// `ballot` again; to one's own proposer too, whose queue may have been full.
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

    /// A client is gone: nobody waits for its requests.
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

    /// Takes out everybody whose command was handed to a leader: it may have taken effect.
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
    /// Drops who does not wait any more; tells whether anybody is left.
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
