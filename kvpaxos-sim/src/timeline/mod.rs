//! A run as a picture: what happened at each node and when, and what caused what.
//!
//! A [`Timeline`] is made of plain values: names, times, indices, text. It knows no protocol and no simulator, so that a simulated
//! run, a recording of real processes and another protocol can all fill it, with a [`Builder`].
//!
//! | file | what it holds |
//! | --- | --- |
//! | `model` | [`Timeline`]: nodes, events, messages, calls, the violation |
//! | `builder` | [`Builder`]: puts a timeline together while events come in |
//! | `narrator` | [`Narrator`]: how the messages, requests and states of a protocol are put into words |
//! | `observer` | [`TimelineObserver`]: fills a timeline while an engine runs |
//! | `page` | a timeline as a page for a browser |
//! | `replicas` | [`Replicas`]: the narrator of kvpaxos |

mod builder;
mod model;
mod narrator;
mod observer;
mod page;
mod replicas;

pub use builder::Builder;
pub use model::{
    Call, CallId, Change, Event, EventId, Found, Kind, Mark, Message, MessageId, Node, NodeId, NodeKind,
    Part, Pointer, Timeline,
};
pub use narrator::{Debugged, Narrator, Words};
pub use observer::TimelineObserver;
pub use page::page;
pub use replicas::Replicas;
pub(crate) use replicas::call_keys;
