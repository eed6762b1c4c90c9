//! A connection without a replica, for fuzzers.

use std::sync::Arc;

use kvpaxos::client::Completion;
use kvpaxos::{Limits, Refusal, ReplicaSet};

use crate::redis::conversation::{Action, Conversation, Server};
use crate::redis::decode::Request;
use crate::redis::parse::parse;
use crate::redis::reply::Reply;
use crate::redis::run::Run;

/// What a connection that sends these requests is answered, in bytes, if no replica is there.
#[doc(hidden)]
#[must_use]
pub fn converse(requests: impl IntoIterator<Item = Request>) -> Vec<u8> {
    let server = Server {
        limits: Limits::default(),
        passwords: [].into(),
        config: vec![("timeout", "0".to_owned())],
    };
    let mut conversation = Conversation::new(Arc::new(server), 1, String::new());
    let nobody = || {
        Completion::Refused(Refusal::Unavailable {
            silent: ReplicaSet::EMPTY,
        })
    };
    let mut out = Vec::new();
    for request in requests {
        let reply = match conversation.take(parse(request)) {
            Action::Reply(reply) => reply,
            Action::Close(reply) => {
                conversation.encode(&reply, &mut out);
                return out;
            }
            Action::Data(command) => {
                let run = Run::new(command);
                run.question();
                run.replies(nobody()).remove(0)
            }
            Action::Execute(mut execution) => {
                let completion = execution.question(&Limits::default()).map(|_| nobody());
                execution.reply(completion, |command| conversation.local(command))
            }
            Action::Watch(keys) => conversation.watch(keys, nobody()),
            Action::Scan(_) | Action::Keys { .. } | Action::Count | Action::Info { .. } => Reply::Null,
        };
        conversation.encode(&reply, &mut out);
    }
    out
}
