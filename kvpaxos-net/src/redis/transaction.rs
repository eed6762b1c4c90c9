//! MULTI, EXEC and WATCH: what is queued, what is watched, and the transaction that comes of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::client::Completion;
use kvpaxos::transaction::{Condition, Holds, MAX_STEPS, Transaction};
use kvpaxos::{Op, Outcome, Revision};

use crate::redis::command::{Command, DataCommand, LocalCommand};
use crate::redis::parse::Fault;
use crate::redis::question::{Question, problem};
use crate::redis::reply::Reply;
use crate::redis::run::size;
use crate::redis::steps::missing;

/// What a connection has queued since MULTI.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    commands: Vec<Queued>,
    bytes: usize,
    /// A command was rejected: EXEC will not execute the others.
    spoiled: bool,
}

/// A command in the queue.
#[derive(Debug)]
pub(crate) enum Queued {
    Data(DataCommand),
    Local(LocalCommand),
    Unwatch,
    /// It fails when its turn comes.
    Failed(Reply),
}

impl Queue {
    /// Queues a command, and returns the reply. `most` bounds the bytes of the queue.
    pub(crate) fn push(&mut self, command: Result<Command, Fault>, most: usize) -> Reply {
        let queued = match command {
            Err(Fault::Rejected(reply)) => return self.spoil(reply),
            Err(Fault::Failed(reply)) => Queued::Failed(reply),
            Ok(Command::Data(DataCommand::SetManyAbsent { pairs })) if pairs.len() > 1 => {
                return self.spoil(not_here("MSETNX of several keys"));
            }
            Ok(Command::Data(command)) => Queued::Data(command),
            Ok(Command::Local(command)) => Queued::Local(command),
            Ok(Command::Unwatch) => Queued::Unwatch,
            Ok(Command::Scan { .. }) => return self.spoil(not_here("SCAN")),
            Ok(Command::Keys { .. }) => return self.spoil(not_here("KEYS")),
            Ok(Command::Count) => return self.spoil(not_here("DBSIZE")),
            Ok(Command::Info { .. }) => return self.spoil(not_here("INFO")),
            Ok(_) => return self.spoil(not_here("HELLO")),
        };
        if let Queued::Data(command) = &queued {
            self.bytes += size(command);
        }
        if self.bytes > most || self.commands.len() >= MAX_STEPS {
            self.commands = Vec::new();
            return self.spoil(Reply::error(format!(
                "ERR the transaction is over the limit of {MAX_STEPS} commands or {most} bytes; nothing was changed"
            )));
        }
        if !self.spoiled {
            self.commands.push(queued);
        }
        Reply::Status("QUEUED")
    }

    fn spoil(&mut self, reply: Reply) -> Reply {
        self.spoiled = true;
        reply
    }

    /// What EXEC is to do, under the condition that nothing changed what was watched.
    pub(crate) fn execute(self, watches: Watches) -> Result<Execution, Reply> {
        if self.spoiled {
            return Err(Reply::error(
                "EXECABORT Transaction discarded because of previous errors.",
            ));
        }
        Ok(Execution {
            conditions: watches.conditions(),
            commands: self.commands,
        })
    }
}

fn not_here(what: &str) -> Reply {
    Reply::error(format!("ERR {what} is not supported inside MULTI here"))
}

/// The keys that a connection watches.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// For each key, whether it had a value, and the revision of the read that told it.
    keys: BTreeMap<Bytes, (bool, Revision)>,
}

impl Watches {
    /// Watches keys, as they were read. A key that is watched already stays watched as of then.
    pub(crate) fn add(&mut self, keys: Vec<Bytes>, completion: Completion) -> Reply {
        let (revision, lengths) = match completion {
            Completion::Done(Outcome::Lengths { revision, lengths }) => (revision, lengths),
            Completion::Done(_) => return missing(),
            other => return problem(other),
        };
        if self.keys.len() + keys.len() > MAX_STEPS {
            return Reply::error(format!(
                "ERR more than {MAX_STEPS} keys would be watched; nothing was changed"
            ));
        }
        for (key, length) in keys.into_iter().zip(lengths) {
            self.keys.entry(key).or_insert((length.is_some(), revision));
        }
        Reply::OK
    }

    fn conditions(self) -> Vec<Condition> {
        let condition = |(key, (existed, since))| Condition {
            key,
            holds: Holds::Unchanged { existed, since },
        };
        self.keys.into_iter().map(condition).collect()
    }
}

/// A transaction that is being executed.
#[derive(Debug)]
pub(crate) struct Execution {
    conditions: Vec<Condition>,
    commands: Vec<Queued>,
}

impl Execution {
    /// What the replica is asked; `None` if there is nothing to ask.
    pub(crate) fn question(&mut self, limits: &kvpaxos::Limits) -> Option<Question> {
        let mut steps = Vec::new();
        for queued in &mut self.commands {
            if let Queued::Data(command) = queued {
                match command.check(limits) {
                    Ok(()) => alone(command).steps(&mut steps),
                    Err(reply) => *queued = Queued::Failed(reply),
                }
            }
        }
        if steps.is_empty() && self.conditions.is_empty() {
            return None;
        }
        let conditions = std::mem::take(&mut self.conditions);
        Some(Question::Write(Op::Transaction(Transaction {
            conditions,
            steps,
        })))
    }

    /// The reply, with those of the commands. `local` answers the commands that need no replica.
    pub(crate) fn reply(
        self,
        completion: Option<Completion>,
        mut local: impl FnMut(LocalCommand) -> Reply,
    ) -> Reply {
        let results = match completion {
            None => Vec::new(),
            Some(Completion::Done(Outcome::Executed { results, .. })) => match results {
                None => return Reply::NullArray,
                Some(results) => results,
            },
            Some(Completion::Done(_)) => return missing(),
            Some(other) => return problem(other),
        };
        let mut results = results.into_iter();
        let replies = self.commands.into_iter().map(|queued| match queued {
            Queued::Data(command) => command.reply(&mut results),
            Queued::Local(command) => local(command),
            // EXEC ends every watch anyway.
            Queued::Unwatch => Reply::OK,
            Queued::Failed(reply) => reply,
        });
        Reply::Array(replies.collect())
    }
}

/// MSETNX of one key is a SETNX, which needs no condition on the whole transaction.
fn alone(command: &mut DataCommand) -> &mut DataCommand {
    use crate::redis::command::{SetAnswer, SetWhen};
    if let DataCommand::SetManyAbsent { pairs } = command
        && let [(key, value)] = &pairs[..]
    {
        *command = DataCommand::Set {
            key: key.clone(),
            value: value.clone(),
            when: SetWhen::Absent,
            answer: SetAnswer::Number,
        };
    }
    command
}
