//! What the front end knows of one connection, and what each command does to it. No input or output.

use std::sync::Arc;

use bytes::Bytes;
use kvpaxos::client::Completion;
use kvpaxos::{Limits, Password};

use crate::listen::gate::is_one_of;
use crate::redis::command::{Command, Credentials, DataCommand, LocalCommand, Replies};
use crate::redis::glob::matches;
use crate::redis::parse::Fault;
use crate::redis::reply::{Protocol, Reply};
use crate::redis::transaction::{Execution, Queue, Watches};

/// What a connection can know of its server.
#[derive(Debug)]
pub(crate) struct Server {
    /// What the cluster lets in.
    pub(crate) limits: Limits,
    /// A client must show one of these, if there are any.
    pub(crate) passwords: Arc<[Password]>,
    /// What CONFIG GET tells.
    pub(crate) config: Vec<(&'static str, String)>,
}

/// What is to be done about a command.
#[derive(Debug)]
pub(crate) enum Action {
    /// It is answered.
    Reply(Reply),
    /// The connection is closed after this reply.
    Close(Reply),
    /// Keys are to be read or written.
    Data(DataCommand),
    /// What MULTI has queued is to be executed.
    Execute(Execution),
    /// Keys are to be read, so that they can be watched.
    Watch(Vec<Bytes>),
    /// A page of the keys is to be read.
    Scan(Page),
    /// All keys are to be read.
    Keys { pattern: Bytes },
    /// The keys are to be counted.
    Count,
    /// The replica is to be asked how it is.
    Info { sections: Vec<Bytes> },
}

/// A page of SCAN.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) cursor: u64,
    pub(crate) limit: u32,
    pub(crate) pattern: Option<Bytes>,
    pub(crate) strings: bool,
}

/// The state of a connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    server: Arc<Server>,
    id: u64,
    /// The two ends of the connection, for CLIENT INFO.
    addresses: String,
    protocol: Protocol,
    authenticated: bool,
    name: Bytes,
    replies: Replies,
    /// The present command is not answered.
    muted: bool,
    queue: Option<Queue>,
    watches: Watches,
}

impl Conversation {
    pub(crate) fn new(server: Arc<Server>, id: u64, addresses: String) -> Conversation {
        Conversation {
            authenticated: server.passwords.is_empty(),
            server,
            id,
            addresses,
            protocol: Protocol::default(),
            name: Bytes::new(),
            replies: Replies::default(),
            muted: false,
            queue: None,
            watches: Watches::default(),
        }
    }

    /// The limits of the cluster.
    pub(crate) fn limits(&self) -> Limits {
        self.server.limits
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether the commands on keys that follow can be carried out and answered like the present one.
    pub(crate) fn is_plain(&self) -> bool {
        self.authenticated && self.queue.is_none() && self.replies == Replies::On && !self.muted
    }

    /// Appends a reply to the present command, unless the client wants none.
    pub(crate) fn encode(&self, reply: &Reply, out: &mut Vec<u8>) {
        if !self.muted {
            reply.encode(self.protocol, out);
        }
    }

    /// Takes the next command.
    pub(crate) fn take(&mut self, command: Result<Command, Fault>) -> Action {
        self.muted = self.replies != Replies::On;
        if self.replies == Replies::Skip {
            self.replies = Replies::On;
        }
        if !self.authenticated
            && let Some(reply) = not_yet(&command)
        {
            return Action::Reply(reply);
        }
        match command {
            Ok(Command::Quit) => Action::Close(Reply::OK),
            Ok(Command::Reset) => self.reset(),
            Ok(Command::Multi) => self.multi(),
            Ok(Command::Exec) => self.exec(),
            Ok(Command::Discard) => self.discard(),
            Ok(Command::Watch { .. }) if self.queue.is_some() => {
                Action::Reply(Reply::error("ERR WATCH inside MULTI is not allowed"))
            }
            command => match &mut self.queue {
                Some(queue) => Action::Reply(queue.push(command, self.server.limits.transaction_bytes)),
                None => self.at_once(command),
            },
        }
    }

    /// Outside MULTI.
    fn at_once(&mut self, command: Result<Command, Fault>) -> Action {
        let command = match command {
            Ok(command) => command,
            Err(Fault::Rejected(reply) | Fault::Failed(reply)) => return Action::Reply(reply),
        };
        match command {
            Command::Data(command) => match command.check(&self.server.limits) {
                Ok(()) => Action::Data(command),
                Err(reply) => Action::Reply(reply),
            },
            Command::Scan {
                cursor,
                pattern,
                count,
                strings,
            } => Action::Scan(Page {
                cursor,
                limit: count,
                pattern,
                strings,
            }),
            Command::Keys { pattern } => Action::Keys { pattern },
            Command::Count => Action::Count,
            Command::Info { sections } => Action::Info { sections },
            Command::Watch { keys } => Action::Watch(keys),
            Command::Unwatch => {
                self.watches = Watches::default();
                Action::Reply(Reply::OK)
            }
            Command::Hello { protocol, auth, name } => Action::Reply(self.hello(protocol, auth, name)),
            Command::Local(command) => Action::Reply(self.local(command)),
            Command::Multi | Command::Exec | Command::Discard | Command::Quit | Command::Reset => {
                unreachable!("take() has dealt with these")
            }
        }
    }

    fn multi(&mut self) -> Action {
        if self.queue.is_some() {
            return Action::Reply(Reply::error("ERR MULTI calls can not be nested"));
        }
        self.queue = Some(Queue::default());
        Action::Reply(Reply::OK)
    }

    fn exec(&mut self) -> Action {
        let Some(queue) = self.queue.take() else {
            return Action::Reply(Reply::error("ERR EXEC without MULTI"));
        };
        match queue.execute(std::mem::take(&mut self.watches)) {
            Ok(execution) => Action::Execute(execution),
            Err(reply) => Action::Reply(reply),
        }
    }

    fn discard(&mut self) -> Action {
        if self.queue.take().is_none() {
            return Action::Reply(Reply::error("ERR DISCARD without MULTI"));
        }
        self.watches = Watches::default();
        Action::Reply(Reply::OK)
    }

    fn reset(&mut self) -> Action {
        let addresses = std::mem::take(&mut self.addresses);
        *self = Conversation::new(Arc::clone(&self.server), self.id, addresses);
        Action::Reply(Reply::Status("RESET"))
    }

    /// WATCH has read the keys.
    pub(crate) fn watch(&mut self, keys: Vec<Bytes>, completion: Completion) -> Reply {
        self.watches.add(keys, completion)
    }

    fn hello(
        &mut self,
        protocol: Option<Protocol>,
        credentials: Option<Credentials>,
        name: Option<Bytes>,
    ) -> Reply {
        match credentials {
            Some(credentials) => {
                if let Reply::Error(text) = self.authenticate(&credentials) {
                    return Reply::Error(text);
                }
            }
            None if !self.authenticated => {
                return Reply::error(
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                     <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
                     RESP protocol version at the same time",
                );
            }
            None => {}
        }
        if let Some(name) = name {
            self.name = name;
        }
        if let Some(protocol) = protocol {
            self.protocol = protocol;
        }
        let pairs = [
            ("server", Reply::text("redis")),
            ("version", Reply::text(REDIS_VERSION)),
            ("proto", Reply::Integer(self.protocol.number())),
            ("id", Reply::count(self.id)),
            ("mode", Reply::text("standalone")),
            ("role", Reply::text("master")),
            ("modules", Reply::Array(Vec::new())),
        ];
        Reply::Map(pairs.map(|(key, value)| (Reply::text(key), value)).into())
    }

    fn authenticate(&mut self, Credentials { user, password }: &Credentials) -> Reply {
        let default = user.as_ref().is_none_or(|user| user == "default");
        let passwords = &self.server.passwords;
        match passwords.is_empty() {
            true if user.is_none() => Reply::error(
                "ERR AUTH <password> called without any password configured for the default user. Are you \
                 sure your configuration is correct?",
            ),
            true if default => Reply::OK,
            false if default && is_one_of(passwords, password) => {
                self.authenticated = true;
                Reply::OK
            }
            _ => Reply::error("WRONGPASS invalid username-password pair or user is disabled."),
        }
    }

    /// Answers a command that needs no replica.
    pub(crate) fn local(&mut self, command: LocalCommand) -> Reply {
        match command {
            LocalCommand::Ping { text } => text.map_or(Reply::Status("PONG"), Reply::Bulk),
            LocalCommand::Echo { text } => Reply::Bulk(text),
            LocalCommand::Auth(credentials) => self.authenticate(&credentials),
            LocalCommand::Select { database: 0 } | LocalCommand::Accepted => Reply::OK,
            LocalCommand::Select { .. } => Reply::error("ERR DB index is out of range"),
            LocalCommand::ClientId => Reply::count(self.id),
            LocalCommand::ClientGetName => {
                Reply::bulk(Some(self.name.clone()).filter(|name| !name.is_empty()))
            }
            LocalCommand::ClientSetName { name } => {
                self.name = name;
                Reply::OK
            }
            LocalCommand::ClientInfo => Reply::Text(self.describe()),
            LocalCommand::ClientReply(replies) => {
                self.replies = replies;
                // ON answers also if it ends OFF; the others are silent from themselves on.
                self.muted = replies != Replies::On;
                Reply::OK
            }
            LocalCommand::ConfigGet { patterns } => self.config(&patterns),
            LocalCommand::Fixed(reply) => reply,
        }
    }

    fn describe(&self) -> String {
        format!(
            "id={} {} name={} db=0 multi={} user=default resp={}\n",
            self.id,
            self.addresses,
            String::from_utf8_lossy(&self.name),
            if self.queue.is_some() { 0 } else { -1 },
            self.protocol.number()
        )
    }

    fn config(&self, patterns: &[Bytes]) -> Reply {
        let wanted = |name: &str| {
            patterns
                .iter()
                .any(|pattern| matches(pattern, name.as_bytes(), true))
        };
        let pairs = self.server.config.iter().filter(|(name, _)| wanted(name));
        let pair = |(name, value): &(&'static str, String)| {
            (Reply::text(name), Reply::Bulk(Bytes::from(value.clone())))
        };
        Reply::Map(pairs.map(pair).collect())
    }
}

/// The version of Redis whose answers these are.
pub(crate) const REDIS_VERSION: &str = "7.0.15";

/// The refusal, if the command is not one of those that a client may use before it has shown its password.
fn not_yet(command: &Result<Command, Fault>) -> Option<Reply> {
    match command {
        // As Redis does, wrong names and numbers of arguments are told to anybody.
        Err(Fault::Rejected(_))
        | Ok(
            Command::Local(LocalCommand::Auth(_)) | Command::Hello { .. } | Command::Quit | Command::Reset,
        ) => None,
        _ => Some(Reply::error("NOAUTH Authentication required.")),
    }
}

#[cfg(test)]
mod tests;
