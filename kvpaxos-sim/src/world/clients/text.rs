//! Calls of clients and their ends in words, for traces and reports: in the notation of the core.

use std::fmt;

use kvpaxos::client::{Call, ClientEffect, Completion};

/// `put k=v`, `get k`
pub(super) struct CallText<'a>(pub(super) &'a Call);

impl fmt::Display for CallText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Call::Write(op) => op.fmt(f),
            Call::Read(query) => query.fmt(f),
            Call::Status => f.write_str("status"),
            Call::DriverStatus => f.write_str("status of the driver"),
            Call::Close => f.write_str("close"),
        }
    }
}

/// `done at 12.0`, `refused: ...`, `unknown; r1,r2 are silent`
pub(super) struct CompletionText<'a>(pub(super) &'a Completion);

impl fmt::Display for CompletionText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Completion::Done(outcome) => outcome.fmt(f),
            Completion::Refused(refusal) => write!(f, "refused: {refusal}"),
            Completion::Unknown { silent } if silent.is_empty() => f.write_str("unknown"),
            Completion::Unknown { silent } => write!(f, "unknown; {silent} are silent"),
        }
    }
}

/// `asks r1: put k=v`, `call 3 ends: done at 12.0`
pub(super) struct EffectText<'a>(pub(super) &'a ClientEffect);

impl fmt::Display for EffectText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ClientEffect::Send { to, request } => write!(f, "asks {to}: {request}"),
            ClientEffect::Withdraw { to, request } => write!(f, "withdraws request {request} to {to}"),
            ClientEffect::Done { number, completion } => {
                write!(f, "call {number} ends: {}", CompletionText(completion))
            }
        }
    }
}
