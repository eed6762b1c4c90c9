//! The front desk: commands that this replica took in for its clients, until they are applied or their time is up.
//!
//! A command is handed to whoever leads, and again when the leader changes or nothing is heard; the session table (or, for
//! an Open, the tag) makes the repeats harmless.

use std::collections::BTreeMap;

use crate::command::{Command, Outcome, Reply, Tag};
use crate::types::{Ballot, ClientId, Sequence, SessionId, Slot};

/// What tells one command from another, whoever asks for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum CommandKey {
    Tagged(Tag),
    Close(SessionId),
    Apply(SessionId, Sequence),
}

impl CommandKey {
    fn of(command: &Command) -> CommandKey {
        match command {
            Command::Open { tag } | Command::Opaque { tag, .. } => CommandKey::Tagged(*tag),
            Command::Close { session } => CommandKey::Close(*session),
            Command::Apply {
                session, sequence, ..
            } => CommandKey::Apply(*session, *sequence),
        }
    }
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Desk {
    pending: BTreeMap<CommandKey, Pending>,
    /// Bytes of the pending commands.
    bytes: usize,
    /// Two-phase setting: answers that wait until their slot is settled.
    held: BTreeMap<Slot, Vec<Held>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Pending {
    command: Command,
    /// Who wants to hear of it: the client and its request's id. More than one if it was asked again.
    waiting: Vec<Waiting>,
    /// The leader it was handed to last, if to any: from then on it may take effect.
    handed: Option<Ballot>,
    /// Ticks since then.
    age: u32,
    /// Ticks after which it is handed on again; doubled each time, so that a leader that is merely slow is not buried.
    patience: u32,
}

/// A client that waits for an answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Waiting {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    /// Ticks since it asked.
    age: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Held {
    waiting: Waiting,
    outcome: Outcome,
}

/// A client whose request's time is up.
pub(crate) struct Expired {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    /// Whether the command was handed to a leader: then its fate is unknown.
    pub(crate) handed: bool,
}

impl Desk {
    /// How many commands and answers wait.
    pub(crate) fn len(&self) -> usize {
        self.pending.len() + self.held.values().map(Vec::len).sum::<usize>()
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a command in. Returns whether it is to be handed on (it is not if it was, for somebody who asked before).
    pub(crate) fn add(&mut self, client: ClientId, id: u64, command: &Command, patience: u32) -> bool {
        let waiting = Waiting { client, id, age: 0 };
        match self.pending.get_mut(&CommandKey::of(command)) {
            Some(pending) => {
                pending.waiting.push(waiting);
                false
            }
            None => {
                self.bytes += command.size();
                let pending = Pending {
                    command: command.clone(),
                    waiting: vec![waiting],
                    handed: None,
                    age: 0,
                    patience,
                };
                self.pending.insert(CommandKey::of(command), pending);
                true
            }
        }
    }

    /// Notes that a command is being handed to the leader of `ballot`.
    pub(crate) fn hand(&mut self, command: &Command, ballot: Ballot) {
        if let Some(pending) = self.pending.get_mut(&CommandKey::of(command)) {
            pending.handed = Some(ballot);
            pending.age = 0;
        }
    }

    /// Hands every command that the leader of `ballot` was not handed yet.
    pub(crate) fn hand_all(&mut self, ballot: Ballot) -> Vec<Command> {
        let mut commands = Vec::new();
        for pending in self
            .pending
            .values_mut()
            .filter(|pending| pending.handed != Some(ballot))
        {
            pending.handed = Some(ballot);
            pending.age = 0;
            commands.push(pending.command.clone());
        }
        commands
    }

    /// A command was applied: takes out who waits for it.
    pub(crate) fn on_applied(&mut self, command: &Command) -> Vec<Waiting> {
        let Some(pending) = self.pending.remove(&CommandKey::of(command)) else {
            return Vec::new();
        };
        self.bytes -= pending.command.size();
        pending.waiting
    }

    /// Keeps an answer back until its slot is settled, or its time is up.
    pub(crate) fn hold(&mut self, slot: Slot, waiting: Waiting, outcome: Outcome) {
        self.held.entry(slot).or_default().push(Held { waiting, outcome });
    }

    /// Takes the answers whose slots lie below `settled`.
    pub(crate) fn take_settled(&mut self, settled: Slot) -> Vec<(ClientId, Reply)> {
        let mut replies = Vec::new();
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() < settled) {
            let reply = |held: Held| {
                (
                    held.waiting.client,
                    Reply {
                        id: held.waiting.id,
                        outcome: held.outcome,
                    },
                )
            };
            replies.extend(entry.remove().into_iter().map(reply));
        }
        replies
    }

    /// A tick has passed. Takes out who has waited `deadline` ticks, and returns the commands to be handed to the leader of
    /// `ballot` again.
    pub(crate) fn on_tick(
        &mut self,
        ballot: Option<Ballot>,
        own: bool,
        deadline: u32,
    ) -> (Vec<Expired>, Vec<Command>) {
        let mut expired = Vec::new();
        let mut again = Vec::new();
        let mut is_late = |waiting: &mut Waiting, handed| {
            waiting.age += 1;
            let late = waiting.age >= deadline;
            if late {
                expired.push(Expired {
                    client: waiting.client,
                    id: waiting.id,
                    handed,
                });
            }
            late
        };
        for held in self.held.values_mut() {
            held.retain_mut(|held| !is_late(&mut held.waiting, true));
        }
        self.held.retain(|_, held| !held.is_empty());
        self.pending.retain(|_, pending| {
            let handed = pending.handed.is_some();
            pending.waiting.retain_mut(|waiting| !is_late(waiting, handed));
            if pending.waiting.is_empty() {
                self.bytes -= pending.command.size();
                return false;
            }
            pending.age += 1;
            // Nothing is lost on the way to one's own proposer.
            let kept = own && pending.handed == ballot;
            if ballot.is_some() && !kept && pending.age >= pending.patience {
                pending.age = 0;
                pending.patience = pending.patience.saturating_mul(2);
                pending.handed = ballot;
                again.push(pending.command.clone());
            }
            true
        });
        (expired, again)
    }

    /// A client is gone: nobody waits for its requests.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.pending.retain(|_, pending| {
            pending.waiting.retain(|waiting| waiting.client != client);
            let wanted = !pending.waiting.is_empty();
            if !wanted {
                self.bytes -= pending.command.size();
            }
            wanted
        });
        for held in self.held.values_mut() {
            held.retain(|held| held.waiting.client != client);
        }
        self.held.retain(|_, held| !held.is_empty());
    }
}
