//! The commands, with their arguments understood.

use bytes::Bytes;
use kvpaxos::Limits;

use crate::redis::reply::{Protocol, Reply};

/// A command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// Reads or writes keys. Any number of these can be carried out as one.
    Data(DataCommand),
    /// A page of the keys.
    Scan {
        cursor: u64,
        pattern: Option<Bytes>,
        /// How many keys the client would like to have looked at.
        count: u32,
        /// Whether it wants strings, of which the store consists.
        strings: bool,
    },
    Keys {
        pattern: Bytes,
    },
    Count,
    Info {
        sections: Vec<Bytes>,
    },
    Watch {
        keys: Vec<Bytes>,
    },
    Unwatch,
    Multi,
    Exec,
    Discard,
    Quit,
    Reset,
    Hello {
        protocol: Option<Protocol>,
        auth: Option<Credentials>,
        name: Option<Bytes>,
    },
    /// Answered by the front end itself, from what it knows of the connection.
    Local(LocalCommand),
}

/// What a client shows to be let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Credentials {
    /// The default user, if none is named.
    pub(crate) user: Option<Bytes>,
    pub(crate) password: Bytes,
}

/// A command that needs nothing of the replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LocalCommand {
    Ping {
        text: Option<Bytes>,
    },
    Echo {
        text: Bytes,
    },
    Auth(Credentials),
    Select {
        database: i64,
    },
    ClientId,
    ClientGetName,
    ClientSetName {
        name: Bytes,
    },
    ClientInfo,
    /// It is answered, and changes nothing here.
    Accepted,
    ClientReply(Replies),
    ConfigGet {
        patterns: Vec<Bytes>,
    },
    /// The reply does not depend on anything.
    Fixed(Reply),
}

/// Which commands of a connection are answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Replies {
    #[default]
    On,
    Off,
    /// The next one is not.
    Skip,
}

/// A command on keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum DataCommand {
    Get {
        key: Bytes,
    },
    GetMany {
        keys: Vec<Bytes>,
    },
    Length {
        key: Bytes,
    },
    Exists {
        keys: Vec<Bytes>,
    },
    Type {
        key: Bytes,
    },
    /// TTL: no key has an end.
    TimeToLive {
        key: Bytes,
    },
    Set {
        key: Bytes,
        value: Bytes,
        when: SetWhen,
        answer: SetAnswer,
    },
    GetDelete {
        key: Bytes,
    },
    Delete {
        keys: Vec<Bytes>,
    },
    SetMany {
        pairs: Vec<(Bytes, Bytes)>,
    },
    /// MSETNX.
    SetManyAbsent {
        pairs: Vec<(Bytes, Bytes)>,
    },
    Append {
        key: Bytes,
        value: Bytes,
    },
    Add {
        key: Bytes,
        delta: i64,
    },
}

/// On which condition SET sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SetWhen {
    Always,
    Absent,
    Present,
}

/// What a kind of SET answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SetAnswer {
    /// OK, or nothing if it did not set.
    Done,
    /// The value before.
    Previous,
    /// 1, or 0 if it did not set.
    Number,
}

impl DataCommand {
    /// The keys and values that it carries.
    pub(crate) fn visit<'a>(
        &'a self,
        mut on_key: impl FnMut(&'a Bytes),
        mut on_value: impl FnMut(&'a Bytes),
    ) {
        match self {
            DataCommand::Get { key }
            | DataCommand::Length { key }
            | DataCommand::Type { key }
            | DataCommand::TimeToLive { key }
            | DataCommand::GetDelete { key }
            | DataCommand::Add { key, .. } => on_key(key),
            DataCommand::GetMany { keys } | DataCommand::Exists { keys } | DataCommand::Delete { keys } => {
                keys.iter().for_each(on_key);
            }
            DataCommand::Set { key, value, .. } | DataCommand::Append { key, value } => {
                on_key(key);
                on_value(value);
            }
            DataCommand::SetMany { pairs } | DataCommand::SetManyAbsent { pairs } => {
                for (key, value) in pairs {
                    on_key(key);
                    on_value(value);
                }
            }
        }
    }

    /// Checks keys and values against the limits of the cluster. The replica would check them too, and refuse
    /// with them whatever they are carried out together with.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Reply> {
        let over = |what: &str, bytes: &Bytes, limit: usize| {
            (bytes.len() > limit).then(|| {
                let length = bytes.len();
                Reply::error(format!(
                    "ERR the {what} is {length} bytes long, over the limit of {limit}; nothing was changed"
                ))
            })
        };
        let (mut long_key, mut long_value) = (None, None);
        self.visit(
            |key| long_key = long_key.take().or_else(|| over("key", key, limits.key)),
            |value| long_value = long_value.take().or_else(|| over("value", value, limits.value)),
        );
        long_key.or(long_value).map_or(Ok(()), Err)
    }
}
