//! Commands that arrived together and are carried out as one.
//!
//! The commands of a connection take effect in the order in which it sent them, also if it does not wait for
//! the replies. The core keeps no order between requests that are in flight at the same time: a message
//! between replicas may be lost and sent again after the next one. So a connection has one request in flight,
//! and what has arrived meanwhile goes into the next, as far as it fits: writes become the steps of one
//! transaction, and reads become one read of many keys. A pipeline then costs one round for some thousands
//! of commands, and nothing of another client comes between them.

use bytes::Bytes;
use kvpaxos::client::Completion;
use kvpaxos::transaction::{Condition, Holds, MAX_STEPS, STEP_BYTES, StepResult, Transaction};
use kvpaxos::{Limits, Op, Outcome, Query};

use crate::redis::command::DataCommand;
use crate::redis::question::{Question, problem};
use crate::redis::reply::Reply;
use crate::redis::steps::{keys_of, missing};

/// The most keys that a run of reads begins with, until it is known how large the values are.
pub(crate) const READ_KEYS: usize = 512;

/// What a run is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Reads of values.
    Values,
    /// Reads of lengths, which also tell whether there is a value.
    Lengths,
    /// Writes, and the reads after them.
    Write,
    /// MSETNX, whose condition must not concern other commands.
    Conditional,
}

/// A run of commands: see the module.
#[derive(Debug)]
pub(crate) struct Run {
    kind: Kind,
    commands: Vec<DataCommand>,
    steps: usize,
    bytes: usize,
    values: usize,
}

/// How much a run may hold, unless it is a single command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunBounds {
    /// The bytes of a transaction.
    pub(crate) bytes: usize,
    /// The values that fit into the results of a transaction, however long they are.
    pub(crate) values: usize,
    /// The keys of a read.
    pub(crate) read_keys: usize,
}

impl RunBounds {
    pub(crate) fn new(limits: &Limits) -> RunBounds {
        RunBounds {
            bytes: limits.transaction_bytes,
            values: limits.answer_bytes / limits.value.max(1),
            read_keys: READ_KEYS,
        }
    }
}

impl Run {
    /// A run that begins with this command.
    pub(crate) fn new(first: DataCommand) -> Run {
        let mut run = Run {
            kind: kind_of(&first),
            commands: Vec::new(),
            steps: 0,
            bytes: 0,
            values: 0,
        };
        run.add(first);
        run
    }

    fn add(&mut self, command: DataCommand) {
        self.steps += command.len();
        self.bytes += size(&command);
        self.values += command.values();
        self.commands.push(command);
    }

    /// Adds a command, or gives it back if it belongs into a later run.
    pub(crate) fn push(&mut self, command: DataCommand, bounds: &RunBounds) -> Result<(), DataCommand> {
        let steps = self.steps + command.len();
        let joins = match self.kind {
            Kind::Values | Kind::Lengths => self.kind == kind_of(&command) && steps <= bounds.read_keys,
            Kind::Write => {
                kind_of(&command) != Kind::Conditional
                    && steps <= MAX_STEPS
                    && self.bytes + size(&command) <= bounds.bytes
                    && self.values + command.values() <= bounds.values
            }
            Kind::Conditional => false,
        };
        if joins {
            self.add(command);
            Ok(())
        } else {
            Err(command)
        }
    }

    /// Two runs of one half each; `None` if it is a single command.
    pub(crate) fn split(mut self) -> Result<(Run, Run), Run> {
        let rest = self.commands.split_off(self.commands.len().div_ceil(2));
        let of = |commands: Vec<DataCommand>| {
            let mut commands = commands.into_iter();
            let mut run = Run::new(commands.next()?);
            commands.for_each(|command| run.add(command));
            Some(run)
        };
        match of(rest) {
            None => Err(self),
            Some(rest) => match of(std::mem::take(&mut self.commands)) {
                Some(first) => Ok((first, rest)),
                None => Err(rest),
            },
        }
    }

    /// What the replica is asked for it.
    pub(crate) fn question(&self) -> Question {
        let keys = || keys_of(self.commands.iter());
        match self.kind {
            Kind::Values => Question::Query(Query::GetMany { keys: keys() }),
            Kind::Lengths => Question::Query(Query::Lengths { keys: keys() }),
            Kind::Write | Kind::Conditional => {
                let mut transaction = Transaction::default();
                for command in &self.commands {
                    command.steps(&mut transaction.steps);
                }
                if self.kind == Kind::Conditional {
                    transaction.conditions = keys().into_iter().map(absent).collect();
                }
                Question::Write(Op::Transaction(transaction))
            }
        }
    }

    /// The replies, one for each command, in order.
    pub(crate) fn replies(&self, completion: Completion) -> Vec<Reply> {
        let all = |reply: &Reply| vec![reply.clone(); self.commands.len()];
        let outcome = match completion {
            Completion::Done(outcome) => outcome,
            other => return all(&problem(other)),
        };
        let results: Vec<StepResult> = match (self.kind, outcome) {
            (Kind::Values, Outcome::Values { values, .. }) => {
                values.into_iter().map(StepResult::Value).collect()
            }
            (Kind::Lengths, Outcome::Lengths { lengths, .. }) => {
                let mut lengths = lengths.into_iter();
                let results = self
                    .commands
                    .iter()
                    .map(|command| command.results_of_lengths(&mut lengths));
                results.flatten().collect()
            }
            (Kind::Conditional, Outcome::Executed { results: None, .. }) => return all(&Reply::Integer(0)),
            (
                Kind::Write | Kind::Conditional,
                Outcome::Executed {
                    results: Some(results),
                    ..
                },
            ) => results,
            _ => return all(&missing()),
        };
        if results.len() != self.steps {
            return all(&missing());
        }
        let mut results = results.into_iter();
        self.commands
            .iter()
            .map(|command| command.reply(&mut results))
            .collect()
    }
}

fn kind_of(command: &DataCommand) -> Kind {
    match command {
        DataCommand::Get { .. } | DataCommand::GetMany { .. } => Kind::Values,
        DataCommand::Length { .. }
        | DataCommand::Exists { .. }
        | DataCommand::Type { .. }
        | DataCommand::TimeToLive { .. } => Kind::Lengths,
        DataCommand::SetManyAbsent { .. } => Kind::Conditional,
        DataCommand::Set { .. }
        | DataCommand::GetDelete { .. }
        | DataCommand::Delete { .. }
        | DataCommand::SetMany { .. }
        | DataCommand::Append { .. }
        | DataCommand::Add { .. } => Kind::Write,
    }
}

/// What it takes of a transaction.
pub(crate) fn size(command: &DataCommand) -> usize {
    let (mut keys, mut values) = (0, 0);
    command.visit(
        |key| keys += key.len() + STEP_BYTES,
        |value| values += value.len(),
    );
    keys + values
}

fn absent(key: Bytes) -> Condition {
    Condition {
        key,
        holds: Holds::Absent,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kvpaxos::transaction::Step;
    use kvpaxos::{Refusal, Revision};

    use super::*;
    use crate::redis::command::{SetAnswer, SetWhen};

    fn key(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    fn get(name: &'static str) -> DataCommand {
        DataCommand::Get { key: key(name) }
    }

    fn exists(names: &[&'static str]) -> DataCommand {
        DataCommand::Exists {
            keys: names.iter().copied().map(key).collect(),
        }
    }

    fn set(name: &'static str, answer: SetAnswer) -> DataCommand {
        DataCommand::Set {
            key: key(name),
            value: key("v"),
            when: SetWhen::Always,
            answer,
        }
    }

    fn bounds() -> RunBounds {
        RunBounds::new(&Limits::default())
    }

    /// Puts as many of the commands into one run as belong there, and returns it and their number.
    fn run_of(commands: &[DataCommand]) -> (Run, usize) {
        let mut run = Run::new(commands[0].clone());
        let joined = commands[1..]
            .iter()
            .take_while(|command| run.push((*command).clone(), &bounds()).is_ok());
        let joined = 1 + joined.count();
        (run, joined)
    }

    #[test]
    fn reads_of_a_kind_are_one_read() {
        let (run, joined) = run_of(&[get("a"), get("b"), exists(&["c"]), get("d")]);
        assert_eq!(joined, 2, "lengths are another question");
        let keys = vec![key("a"), key("b")];
        assert_eq!(run.question(), Question::Query(Query::GetMany { keys }));
        let values = vec![None, Some(key("x"))];
        let revision = Revision::default();
        let replies = run.replies(Completion::Done(Outcome::Values { revision, values }));
        assert_eq!(replies, [Reply::Null, Reply::Bulk(key("x"))]);

        let (run, joined) = run_of(&[
            exists(&["a", "b"]),
            DataCommand::Length { key: key("b") },
            set("a", SetAnswer::Done),
        ]);
        assert_eq!(joined, 2, "a write comes after the reads");
        let lengths = vec![None, Some(3), Some(3)];
        let replies = run.replies(Completion::Done(Outcome::Lengths { revision, lengths }));
        assert_eq!(replies, [Reply::Integer(1), Reply::Integer(3)]);
    }

    #[test]
    fn writes_and_what_follows_are_one_transaction() {
        let (run, joined) = run_of(&[
            set("a", SetAnswer::Done),
            get("a"),
            exists(&["a", "b"]),
            set("b", SetAnswer::Number),
        ]);
        assert_eq!(joined, 4);
        let Question::Write(Op::Transaction(transaction)) = run.question() else {
            panic!("a transaction");
        };
        assert!(transaction.conditions.is_empty());
        assert_eq!(transaction.steps.len(), 5);
        assert_eq!(transaction.steps[1], Step::Get { key: key("a") });
        let changed = || StepResult::Changed {
            applied: true,
            previous: None,
        };
        let results = vec![
            changed(),
            StepResult::Value(Some(key("v"))),
            StepResult::Exists(true),
            StepResult::Exists(false),
            changed(),
        ];
        let outcome = |results| {
            Completion::Done(Outcome::Executed {
                revision: Revision::default(),
                results: Some(results),
            })
        };
        let expected = [
            Reply::OK,
            Reply::Bulk(key("v")),
            Reply::Integer(1),
            Reply::Integer(1),
        ];
        assert_eq!(run.replies(outcome(results)), expected);
        let replies = run.replies(outcome(vec![changed()]));
        assert_eq!(
            replies,
            vec![missing(); 4],
            "an answer to something else is no answer"
        );
    }

    #[test]
    fn a_run_has_bounds() {
        let many = DataCommand::Delete {
            keys: vec![key("k"); MAX_STEPS - 1],
        };
        let (_, joined) = run_of(&[many, set("a", SetAnswer::Done), set("b", SetAnswer::Done)]);
        assert_eq!(joined, 2);
        // Four of the longest values fit into the results of a transaction.
        let (_, joined) = run_of(&vec![set("a", SetAnswer::Previous); 9]);
        assert_eq!(joined, bounds().values);
        let large = DataCommand::Append {
            key: key("k"),
            value: vec![0; Limits::default().value].into(),
        };
        let (_, joined) = run_of(&vec![large; 9]);
        assert_eq!(joined, 2);
        let (_, joined) = run_of(&vec![get("a"); 2 * READ_KEYS]);
        assert_eq!(joined, READ_KEYS);
    }

    #[test]
    fn msetnx_is_alone_with_its_condition() {
        let absent = DataCommand::SetManyAbsent {
            pairs: vec![(key("a"), key("1")), (key("b"), key("2"))],
        };
        let (run, joined) = run_of(&[absent.clone(), set("c", SetAnswer::Done)]);
        assert_eq!((joined, run_of(&[set("c", SetAnswer::Done), absent]).1), (1, 1));
        let Question::Write(Op::Transaction(transaction)) = run.question() else {
            panic!("a transaction");
        };
        assert_eq!((transaction.conditions.len(), transaction.steps.len()), (2, 2));
        let replies = run.replies(Completion::Done(Outcome::Executed {
            revision: Revision::default(),
            results: None,
        }));
        assert_eq!(replies, [Reply::Integer(0)]);
    }

    #[test]
    fn every_command_of_a_run_is_told_what_became_of_it() {
        let commands = vec![set("a", SetAnswer::Done); 3];
        let (run, _) = run_of(&commands);
        let busy = Completion::Refused(Refusal::Busy { pending: 7 });
        for reply in run.replies(busy) {
            let Reply::Error(text) = reply else {
                panic!("an error")
            };
            assert!(text.starts_with(b"TRYAGAIN busy: 7 requests"), "{text:?}");
        }
        let unknown = Completion::Unknown {
            silent: kvpaxos::ReplicaSet::EMPTY,
        };
        let replies = run.replies(unknown);
        assert_eq!(replies.len(), 3);
        assert!(matches!(&replies[2], Reply::Error(text) if text.starts_with(b"UNKNOWN ")));
    }

    #[test]
    fn a_run_is_halved_down_to_one_command() {
        let (run, _) = run_of(&[get("a"), get("b"), get("c")]);
        let (first, rest) = run.split().unwrap();
        let keys = |run: &Run| match run.question() {
            Question::Query(Query::GetMany { keys }) => keys.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((keys(&first), keys(&rest)), (2, 1));
        assert!(rest.split().is_err());
    }
}
