//! One connection: takes its requests in order, has the replica carry them out, and queues the replies.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use kvpaxos::client::Completion;
use kvpaxos::{Outcome, Query, Refusal};
use tokio::time::timeout;

use crate::redis::conversation::{Action, Conversation, Page};
use crate::redis::decode::RequestDecoder;
use crate::redis::info;
use crate::redis::keyspace;
use crate::redis::parse::{Fault, parse};
use crate::redis::question::{Question, problem, stopped};
use crate::redis::reply::Reply;
use crate::redis::run::{READ_KEYS, Run, RunBounds};
use crate::redis::service::Facts;
use crate::redis::steps::missing;
use crate::replica::gateway::Gateway;
use crate::wire::budget::{Budget, FREE, PAUSE, Share};
use crate::wire::outbox::{Outbox, PushResult};

/// Replies are handed to the writer when so many bytes of them have come together.
const HANDED_ON: usize = 16 * 1024;

/// Whether a connection is to be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Yes,
    No,
    /// At once, without what is not written: it does not read, and others wait for its share.
    GivesWay,
}

/// A connection, without its socket.
pub(crate) struct Connection<'a> {
    gateway: &'a Gateway,
    facts: &'a Facts,
    outbox: &'a Outbox,
    conversation: Conversation,
    bounds: RunBounds,
    /// Encoded replies that the writer has not got yet.
    replies: Vec<u8>,
    /// For long replies, of all connections.
    long_replies: &'a Budget,
}

/// A command that was read and not taken yet.
type Parsed = Result<crate::redis::command::Command, Fault>;

impl<'a> Connection<'a> {
    pub(crate) fn new(
        gateway: &'a Gateway,
        facts: &'a Facts,
        outbox: &'a Outbox,
        conversation: Conversation,
        long_replies: &'a Budget,
    ) -> Connection<'a> {
        Connection {
            gateway,
            facts,
            outbox,
            bounds: RunBounds::new(&conversation.limits()),
            conversation,
            replies: Vec::new(),
            long_replies,
        }
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.conversation.is_authenticated()
    }

    /// Answers all requests that have arrived whole. Stops early if the client has become authenticated.
    pub(crate) async fn answer(&mut self, decoder: &mut RequestDecoder) -> Ended {
        let before = self.is_authenticated();
        let mut ended = Ended::No;
        // A command that was read and did not fit into the run before it.
        let mut held: Option<Parsed> = None;
        while ended == Ended::No && self.is_authenticated() == before {
            let parsed = match held.take() {
                Some(parsed) => parsed,
                None => match self.next(decoder) {
                    Ok(Some(parsed)) => parsed,
                    Ok(None) => break,
                    Err(reply) => {
                        self.reply(&reply);
                        ended = Ended::Yes;
                        break;
                    }
                },
            };
            ended = self.carry_out(parsed, decoder, &mut held).await;
            if self.replies.len() >= HANDED_ON {
                self.hand_on().await;
            }
        }
        if ended != Ended::GivesWay {
            self.hand_on().await;
        }
        ended
    }

    /// The next request, as a command.
    fn next(&mut self, decoder: &mut RequestDecoder) -> Result<Option<Parsed>, Reply> {
        match decoder.next() {
            Ok(Some(request)) => {
                self.facts.commands.fetch_add(1, Ordering::Relaxed);
                Ok(Some(parse(request)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(Reply::error(format!("ERR {error}"))),
        }
    }

    async fn carry_out(
        &mut self,
        parsed: Parsed,
        decoder: &mut RequestDecoder,
        held: &mut Option<Parsed>,
    ) -> Ended {
        let reply = match self.conversation.take(parsed) {
            Action::Reply(reply) => reply,
            Action::Close(reply) => {
                self.reply(&reply);
                return Ended::Yes;
            }
            Action::Data(first) => {
                let mut run = Run::new(first);
                if self.conversation.is_plain() {
                    self.extend(&mut run, decoder, held);
                }
                return self.carry_out_run(run).await;
            }
            Action::Execute(mut execution) => {
                let completion = match execution.question(&self.conversation.limits()) {
                    None => None,
                    Some(question) => match self.ask(question).await {
                        Ok(completion) => Some(completion),
                        Err(ended) => return ended,
                    },
                };
                execution.reply(completion, |command| self.conversation.local(command))
            }
            Action::Watch(keys) => {
                let question = Question::Query(Query::Lengths { keys: keys.clone() });
                match self.ask(question).await {
                    Ok(completion) => self.conversation.watch(keys, completion),
                    Err(ended) => return ended,
                }
            }
            Action::Scan(page) => match self.scan(page).await {
                Ok(reply) => reply,
                Err(ended) => return ended,
            },
            Action::Keys { pattern } => match self.keys(&pattern).await {
                Ok(reply) => reply,
                Err(ended) => return ended,
            },
            Action::Count => match self.ask(Question::Query(Query::Count)).await {
                Ok(Completion::Done(Outcome::Count { keys, .. })) => Reply::count(keys),
                Ok(other) => problem(other),
                Err(ended) => return ended,
            },
            Action::Info { sections } => match self.info(&sections).await {
                Ok(reply) => reply,
                Err(ended) => return ended,
            },
        };
        self.reply_all(&[reply]).await
    }

    /// Adds to a run what has arrived and belongs into it. The first command that does not is held.
    fn extend(&mut self, run: &mut Run, decoder: &mut RequestDecoder, held: &mut Option<Parsed>) {
        use crate::redis::command::Command;
        // An error of the decoder comes again with the next call.
        while let Ok(Some(parsed)) = self.next(decoder) {
            let limits = self.conversation.limits();
            let not_joined = match parsed {
                Ok(Command::Data(command)) if command.check(&limits).is_ok() => {
                    match run.push(command, &self.bounds) {
                        Ok(()) => continue,
                        Err(command) => Ok(Command::Data(command)),
                    }
                }
                other => other,
            };
            *held = Some(not_joined);
            return;
        }
    }

    /// Asks the replica for a run. If the values are more than fit into one answer, in two halves, and so on.
    async fn carry_out_run(&mut self, run: Run) -> Ended {
        let mut runs = vec![run];
        while let Some(run) = runs.pop() {
            let completion = match self.ask(run.question()).await {
                Ok(completion) => completion,
                Err(ended) => return ended,
            };
            if matches!(completion, Completion::Refused(Refusal::AnswerTooLong { .. })) {
                match run.split() {
                    Ok((first, rest)) => {
                        self.bounds.read_keys = (self.bounds.read_keys / 2).max(1);
                        runs.push(rest);
                        runs.push(first);
                        continue;
                    }
                    Err(single) => {
                        let ended = self.reply_all(&single.replies(completion)).await;
                        if ended != Ended::No {
                            return ended;
                        }
                    }
                }
            } else {
                self.bounds.read_keys = (self.bounds.read_keys + 1).min(READ_KEYS);
                let ended = self.reply_all(&run.replies(completion)).await;
                if ended != Ended::No {
                    return ended;
                }
            }
        }
        Ended::No
    }

    async fn scan(&mut self, page: Page) -> Result<Reply, Ended> {
        let query = Query::Scan {
            cursor: page.cursor,
            limit: page.limit,
        };
        Ok(match self.ask(Question::Query(query)).await? {
            Completion::Done(Outcome::Page { keys, next, .. }) => keyspace::page(&page, keys, next),
            Completion::Done(_) => missing(),
            other => problem(other),
        })
    }

    /// Reads all pages. See [`keyspace::Collected`] for what that promises.
    async fn keys(&mut self, pattern: &Bytes) -> Result<Reply, Ended> {
        let mut collected = keyspace::Collected::new(pattern.clone(), self.outbox.limit());
        loop {
            match self.ask(Question::Query(collected.query())).await? {
                Completion::Done(Outcome::Page { keys, next, .. }) => {
                    if let Some(reply) = collected.add(keys, next) {
                        return Ok(reply);
                    }
                }
                Completion::Done(_) => return Ok(missing()),
                other => return Ok(problem(other)),
            }
        }
    }

    async fn info(&mut self, sections: &[Bytes]) -> Result<Reply, Ended> {
        let status = match self.ask(Question::Status).await? {
            Completion::Done(Outcome::Status(status)) => Some(status),
            _ => None,
        };
        // Also where the keys cannot be counted, the rest is told.
        let keys = match self.ask(Question::Query(Query::Count)).await? {
            Completion::Done(Outcome::Count { keys, .. }) => Some(keys),
            _ => None,
        };
        Ok(Reply::Text(info::render(
            sections,
            self.facts,
            status.as_deref(),
            keys,
        )))
    }

    /// Asks the replica. If it has stopped, the client is told and the connection ends.
    async fn ask(&mut self, question: Question) -> Result<Completion, Ended> {
        // While this waits, the client gets what is answered already.
        self.hand_on().await;
        let reply = stopped(&question);
        match self.gateway.ask(question).await {
            Some(completion) => Ok(completion),
            None => {
                self.reply(&reply);
                Err(Ended::Yes)
            }
        }
    }

    /// Encodes replies. Long ones take their share of what there is for all connections first, and keep it until they
    /// are written: nothing more is asked for a client that does not read.
    async fn reply_all(&mut self, replies: &[Reply]) -> Ended {
        let length: usize = replies.iter().map(Reply::size).sum();
        if length <= FREE {
            replies.iter().for_each(|reply| self.reply(reply));
            return Ended::No;
        }
        self.hand_on().await;
        // So that it has nothing to wait for once it has its share.
        self.outbox.below(1).await;
        let mut share = Share::default();
        self.long_replies.raise(&mut share, length).await;
        replies.iter().for_each(|reply| self.reply(reply));
        self.push().await;
        let mut written = self.outbox.written();
        while timeout(PAUSE, self.outbox.below(FREE)).await.is_err() {
            let now = self.outbox.written();
            if now == written && self.long_replies.is_short() {
                return Ended::GivesWay;
            }
            written = now;
        }
        Ended::No
    }

    fn reply(&mut self, reply: &Reply) {
        self.conversation.encode(reply, &mut self.replies);
    }

    /// Hands the encoded replies to the writer. Waits while too much waits to be written: a client that does
    /// not read its replies is not served.
    async fn hand_on(&mut self) {
        if !self.replies.is_empty() {
            self.push().await;
            self.outbox.below(self.outbox.limit() / 4).await;
        }
    }

    async fn push(&mut self) {
        while self.outbox.push(&self.replies) == PushResult::Full {
            self.outbox.below(1).await;
        }
        self.outbox.wake();
        self.replies.clear();
        if self.replies.capacity() > HANDED_ON {
            self.replies = Vec::new();
        }
    }
}
