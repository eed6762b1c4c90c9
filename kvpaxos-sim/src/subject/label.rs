//! What messages, requests and replies of kvpaxos are called in scenarios.

use kvpaxos::{Message, Reply, Request};

use crate::engine::Label;

/// All names of messages, requests and replies.
pub const LABELS: [&str; 24] = [
    "Prepare",
    "Promise",
    "Refused",
    "Accept",
    "Accepted",
    "Chosen",
    "Applied",
    "Heartbeat",
    "Forward",
    "ReadIndex",
    "ReadIndexed",
    "Confirm",
    "Confirmed",
    "Learn",
    "Learned",
    "Recall",
    "Recalled",
    "Announce",
    "Remembered",
    "Fetch",
    "SnapshotPart",
    "Saved",
    "Request",
    "Reply",
];

/// The name of a message and its slot; of a message without a slot, the round of its ballot, or the number of
/// its question. Numbers that are drawn say nothing and are left out.
pub(super) fn message(message: &Message) -> Label {
    let (kind, about) = match message {
        Message::Prepare { ballot, .. } => ("Prepare", ballot.round),
        Message::Promise(promise) => ("Promise", promise.ballot.round),
        Message::Refused { ballot, .. } => ("Refused", ballot.round),
        Message::Accept { slot, .. } => ("Accept", slot.0),
        Message::Accepted { slot, .. } => ("Accepted", slot.0),
        Message::Chosen { chosen, .. } => ("Chosen", chosen.chosen.0),
        Message::Applied { up_to, .. } => ("Applied", up_to.0),
        Message::Heartbeat(_) => ("Heartbeat", 0),
        Message::Forward { .. } => ("Forward", 0),
        Message::ReadIndex { .. } => ("ReadIndex", 0),
        Message::ReadIndexed { .. } => ("ReadIndexed", 0),
        Message::Confirm { round, .. } => ("Confirm", *round),
        Message::Confirmed { round, .. } => ("Confirmed", *round),
        Message::Learn { from, .. } => ("Learn", from.0),
        Message::Learned { from, .. } => ("Learned", from.0),
        Message::Recall { .. } => ("Recall", 0),
        Message::Recalled { .. } => ("Recalled", 0),
        Message::Announce { from, .. } => ("Announce", from.0),
        Message::Remembered(remembered) => ("Remembered", remembered.from.0),
        Message::Fetch { slot, .. } => ("Fetch", slot.0),
        Message::SnapshotPart(part) => ("SnapshotPart", part.slot.0),
        Message::Saved { number, .. } => ("Saved", *number),
        Message::Stand { ballot } => ("Stand", ballot.round),
    };
    Label { kind, about }
}

/// `Request` and its id. Each client numbers its requests.
pub(super) fn request(request: &Request) -> Label {
    Label {
        kind: "Request",
        about: request.id,
    }
}

/// `Reply` and the id of its request.
pub(super) fn reply(reply: &Reply) -> Label {
    Label {
        kind: "Reply",
        about: reply.id,
    }
}
